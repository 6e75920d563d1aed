"""part_hostile.py - clients that dawdle, and one that does not."""

import contextlib
import socket
import threading
import time

from kit import Gate, Peers, batch_of, start_nginx


def hostile(table, folder):
    """200 clients that dawdle, and one that does not."""
    with Peers() as peers:
        nginx = start_nginx(peers, folder)
        gate = Gate(peers, folder, [nginx])
        body = batch_of(10, nginx)
        gate.post(body)
        calm = sorted(gate.post(body)[2] for _ in range(200))
        stop = threading.Event()
        dawdlers = threading.Thread(target=dawdle, args=(gate.port, stop))
        dawdlers.start()
        time.sleep(1)
        try:
            times = []
            until = time.monotonic() + 15  # longer than server.header_timeout
            while time.monotonic() < until:
                times.append(gate.post(body)[2])
                time.sleep(0.02)
        finally:
            stop.set()
            dawdlers.join()
        times.sort()
        table.add("a batch of 10 alone, 99 %", calm[len(calm) * 99 // 100] * 1000, "ms")
        table.add("beside 200 hostile clients, 50 %", times[len(times) // 2] * 1000, "ms")
        table.add("beside 200 hostile clients, 99 %", times[len(times) * 99 // 100] * 1000, "ms",
                  round(2 * calm[len(calm) * 99 // 100] * 1000 + 5, 1))


def dawdle(port, stop):
    """Slow headers, slow bodies, and connections that say nothing; what the server cuts comes again."""
    begins = [b"POST /v1/batch HTTP/1.1\r\nHost: a\r\nX-Slow: ",
              b"POST /v1/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{",
              b""]
    clients = {}
    while not stop.wait(0.25):
        for i in range(200):
            kind = i % len(begins)
            try:
                if i not in clients:
                    clients[i] = socket.create_connection(("127.0.0.1", port), 1)
                    clients[i].sendall(begins[kind])
                elif begins[kind]:
                    clients[i].sendall(b" ")
            except OSError:
                with contextlib.suppress(KeyError):
                    clients.pop(i).close()
    for client in clients.values():
        client.close()
