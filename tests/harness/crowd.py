"""crowd - many origins in one thread: an HTTP/1.1 upstream on any number of loopback addresses whose answers a test decides.

answer(host, n) is asked for each request, n counting them from 0; it gives the answer's bytes, b"" to close, or None to hold it.
"""
import contextlib
import selectors
import socket
import threading

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def status(code, *fields):
    lines = ["HTTP/1.1 %d Told" % code, "Content-Length: 0", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


class Crowd:
    def __init__(self, answer, hosts=("127.0.0.1",)):
        self.answer, self.count, self.running = answer, 0, True
        self.selector = selectors.DefaultSelector()
        self.listeners, self.clients, self.port = [], {}, 0
        for host in hosts:
            listener = socket.create_server((host, self.port), backlog=1024)
            self.port = listener.getsockname()[1]
            listener.setblocking(False)
            self.listeners.append(listener)
            self.selector.register(listener, selectors.EVENT_READ, host)
        self.wake, self.woken = socket.socketpair()
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def url(self, host="127.0.0.1", path="/"):
        return "http://%s:%d%s" % (host, self.port, path)

    def run(self):
        while self.running:
            for key, _ in self.selector.select():
                if key.fileobj is self.woken:
                    continue
                if key.fileobj in self.clients:
                    self.read(key.fileobj, key.data)
                else:
                    self.accept(key.fileobj, key.data)

    def accept(self, listener, host):
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.clients[sock] = b""
            self.selector.register(sock, selectors.EVENT_READ, host)

    def read(self, sock, host):
        try:
            part = sock.recv(65536)
            self.clients[sock] += part
            while part and b"\r\n\r\n" in self.clients[sock]:
                _, _, self.clients[sock] = self.clients[sock].partition(b"\r\n\r\n")
                told = self.answer(host, self.count)
                self.count += 1
                if told == b"":
                    part = b""
                elif told is not None:
                    sock.sendall(told)
        except OSError:
            part = b""
        if not part:
            self.selector.unregister(sock)
            del self.clients[sock]
            sock.close()

    def stop(self):
        self.running = False
        self.wake.close()
        self.thread.join()
        for sock in [*self.listeners, *self.clients, self.woken]:
            sock.close()
        self.selector.close()
