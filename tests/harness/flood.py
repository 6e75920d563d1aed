"""flood - posts one body at a fixed rate, whatever becomes of it, and says what came back.

flood.py PORT RATE SECONDS FILE [KEY]: one thread over kept connections. A post is begun when its time has come, on a connection
that waits for nothing; where there is none a new one is opened, MOST at the most: past that the post is late, and its clock runs
from when it should have begun. Retry-After is ignored, as rude clients do. Prints one line of JSON: how many of each status, the
milliseconds of those with 200 (sorted), the values of Retry-After, connections that ended before an answer.
"""
import collections
import json
import selectors
import socket
import sys
import time

MOST = 2000


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data, self.began, self.busy = b"", 0.0, False


class Flood:
    def __init__(self, port, request):
        self.port, self.request = port, request
        self.selector = selectors.DefaultSelector()
        self.free = []
        self.statuses, self.retry_after = collections.Counter(), collections.Counter()
        self.took, self.lost, self.busy, self.open = [], 0, 0, 0

    def begin(self, at):
        if self.free:
            client = self.free.pop()
        else:
            client = Client(self.port)
            self.open += 1
            self.selector.register(client.sock, selectors.EVENT_READ, client)
        client.data, client.began, client.busy = b"", at, True
        self.busy += 1
        try:
            client.sock.sendall(self.request)
        except OSError:
            self.end(client)

    def end(self, client):
        self.selector.unregister(client.sock)
        client.sock.close()
        self.open -= 1
        if client.busy:
            self.busy -= 1
            self.lost += 1
        else:
            self.free.remove(client)

    def read(self, client):
        try:
            part = client.sock.recv(262144)
        except OSError:
            part = b""
        if not part:
            self.end(client)
            return
        client.data += part
        head, mark, body = client.data.partition(b"\r\n\r\n")
        if not mark:
            return
        fields = {}
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            fields[name.strip().lower()] = value.strip()
        if len(body) < int(fields[b"content-length"]):
            return
        status = int(head[9:12])
        self.statuses[status] += 1
        if status == 200:
            self.took.append((time.monotonic() - client.began) * 1000)
        elif b"retry-after" in fields:
            self.retry_after[int(fields[b"retry-after"])] += 1
        client.busy = False
        self.busy -= 1
        self.free.append(client)

    def run(self, rate, seconds):
        start = time.monotonic()
        end, due, count = start + seconds, start, 0
        while True:
            now = time.monotonic()
            while due <= now and due < end and (self.free or self.open < MOST):
                self.begin(due)
                count += 1
                due = start + count / rate
            if now >= end and (not self.busy or now > end + 30):
                break
            for key, _ in self.selector.select(max(0.0, min(due, end) - now) if now < end else 0.1):
                self.read(key.data)
        return {"statuses": self.statuses, "took_ms": sorted(self.took), "retry_after": self.retry_after, "lost": self.lost + self.busy,
                "begun": count}


def main():
    port, rate, seconds, path = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    with open(path, "rb") as source:
        body = source.read()
    key = "Authorization: Bearer %s\r\n" % sys.argv[5] if len(sys.argv) > 5 else ""
    head = "POST /v1/batch HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n" % (key, len(body))
    print(json.dumps(Flood(port, head.encode() + body).run(rate, seconds)))


if __name__ == "__main__":
    main()
