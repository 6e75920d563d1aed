"""part_fairness.py - small batches beside large ones, a small caller beside a large one, a healthy upstream beside a dead
one: each alone, then beside the other."""

import contextlib
import json
import socket
import statistics
import threading
import time

from kit import Gate, Peers, batch_of, new_key, start_sleeper, tool

SERVICE_MS = 50
ROUNDS, SECONDS = 20, 3  # at least so many of the small one, and for at least so long
CUT_S = MOST_S = 10  # but nothing is waited for longer, and no rounds begin after that


class Crowd:
    """Threads that post a batch again and again; the connections are cut at the end, which cancels what runs."""

    def __init__(self, gate, bodies, key=None):
        self.gate, self.key, self.over, self.sockets = gate, key, False, []
        self.threads = [threading.Thread(target=self.post, args=(body,)) for body in bodies]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(0.5)

    def __exit__(self, *_):
        self.over = True
        for connection in self.sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()

    def post(self, body):
        head = (f"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
                f"Authorization: Bearer {self.key}\r\nContent-Length: {len(body)}\r\n\r\n")
        if not self.key:
            head = head.replace("Authorization: Bearer None\r\n", "")
        while not self.over:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.gate.port)) as connection:
                self.sockets.append(connection)
                connection.sendall(head.encode() + body)
                while connection.recv(65536):
                    pass


def black_hole(stack, kind):
    """A port where connecting never ends (`closed`), or where nobody ever answers (`silent`)."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0 if kind == "closed" else 4096)
    if kind == "closed":  # its queue takes one or two; from then on what knocks is dropped
        for _ in range(4):
            knock = stack.enter_context(socket.socket())
            knock.setblocking(False)
            knock.connect_ex(listener.getsockname())
    return listener.getsockname()[1]


def times_of(once):
    """Sorted seconds of the rounds."""
    began, times = time.monotonic(), []
    while len(times) < ROUNDS or time.monotonic() < began + SECONDS:
        if time.monotonic() > began + MOST_S:
            break
        times.append(once())
    return sorted(times)


def whole_batch(gate, body, key=None):
    def once():
        try:
            status, text, seconds = gate.post(body, CUT_S, key=key)
        except TimeoutError:
            return CUT_S
        if status != 200 or json.loads(text)["summary"]["failed"]:
            raise RuntimeError(f"{status}: {text[:300]}")
        return seconds
    once()  # connects
    return once


def healthy_ones(gate, body, count):
    """Until so many results of a stream are there that did not fail."""
    def once():
        began, left = time.monotonic(), count
        with socket.create_connection(("127.0.0.1", gate.port), CUT_S) as connection:
            connection.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                               b"Accept: application/x-ndjson\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            lines = connection.makefile("rb")
            while left and time.monotonic() < began + CUT_S:
                connection.settimeout(max(began + CUT_S - time.monotonic(), 0.001))
                try:
                    left -= b'"status":200' in lines.readline()
                except TimeoutError:
                    break
        return min(time.monotonic() - began, CUT_S)
    once()
    return once


def compare(table, what, alone, beside):
    base, now = statistics.median(alone), statistics.median(beside)
    cut = f", {beside.count(CUT_S)} of them cut off" if CUT_S in beside else ""
    note = f"(alone {base * 1000:.0f} ms, beside {now * 1000:.0f} ms, worst {beside[-1] * 1000:.0f} ms of {len(beside)}{cut})"
    table.add(f"{what}: median against alone", now / base, "", 2, 2, note)
    table.add("  the worst of them against alone", beside[-1] / base, "", 2, 2)


def fairness(table, folder):
    """Each alone, then beside; upstreams of 50 ms; default settings but for keys and `targets.allow`."""
    small_beside_large(table, folder)
    caller_beside_caller(table, folder)
    healthy_beside_dead(table, folder)


def small_beside_large(table, folder):
    with Peers() as peers:
        port = start_sleeper(peers, SERVICE_MS)
        gate = Gate(peers, folder, [port])
        once = whole_batch(gate, batch_of(3, port))
        alone = times_of(once)
        with Crowd(gate, [batch_of(10000, port)]):
            compare(table, "3 items beside 10,000", alone, times_of(once))
        with Crowd(gate, [batch_of(10000, port, concurrency=256)]):
            compare(table, "3 items beside 10,000 that fill the upstream (128)", alone, times_of(once))


def caller_beside_caller(table, folder):
    with Peers() as peers:
        ports = [start_sleeper(peers, SERVICE_MS) for _ in range(4)]
        (one, few), (other, many) = new_key("few"), new_key("many")
        gate = Gate(peers, folder, ports, auth={"keys": [few, many]})
        once = whole_batch(gate, batch_of(100, ports[0]), one)
        alone = times_of(once)
        with Crowd(gate, [batch_of(500, ports[0])] * 100, other):
            compare(table, "a caller's one batch of 100 beside 100 batches of 500, one upstream (128)", alone, times_of(once))
        with Crowd(gate, [batch_of(500, port) for port in ports] * 25, other):
            compare(table, "  the same, theirs on four upstreams (the pool's 256 are full)", alone, times_of(once))


def healthy_beside_dead(table, folder):
    for kind, name in (("closed", "takes no connection"), ("silent", "never answers")):
        with Peers() as peers:
            port = start_sleeper(peers, SERVICE_MS)
            dead, dead_too = black_hole(peers, kind), black_hole(peers, kind)
            gate = Gate(peers, folder, [port, dead, dead_too])
            healthy = [{"url": f"http://127.0.0.1:{port}/small"}] * 100
            mixed = [item for one in healthy for item in (one, {"url": f"http://127.0.0.1:{dead}/small"})]
            once = whole_batch(gate, json.dumps({"items": healthy}).encode())
            alone = times_of(once)
            with Crowd(gate, [batch_of(2000, dead)] * 5):
                compare(table, f"100 items beside 10,000 for an upstream that {name}", alone, times_of(once))
            streamed = times_of(healthy_ones(gate, json.dumps({"items": healthy}).encode(), 100))
            compare(table, "  the 100 in one batch with 100 such", streamed,
                    times_of(healthy_ones(gate, json.dumps({"items": mixed}).encode(), 100)))
            with Crowd(gate, [batch_of(2000, dead), batch_of(2000, dead_too)] * 5):
                compare(table, "  beside 20,000 for two such upstreams (the pool's 256 are full)", alone, times_of(once))
