#!/usr/bin/python3
"""An HTTP/2 upstream that reads slowly, over sockets that hold little: what it gets is what was sent, though libcurl's writes find no room."""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import h2  # noqa: E402
import world  # noqa: E402

READ_BYTES, READ_PER_S = 4096, 4e6


def open_wide(conn):
    """Windows that hold nothing back: TCP alone does. It reads bit by bit."""
    conn.grants = False
    conn.raw(h2.Conn.frame(h2.SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 24)))
    conn.send(h2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFFFFFF - 65535))

    def read(count):
        data = b""
        while len(data) < count:
            part = conn.sock.recv(min(count - len(data), READ_BYTES))
            if not part:
                raise EOFError
            data += part
            time.sleep(len(part) / READ_PER_S)
        return data
    conn.read = read


class Slow(world.Case):
    config = {"pool": {"threads": 1}, "upstreams": [{"match": "*", "http2": "h2c"}]}

    def read_slowly(self, bodies, **member):
        """All bodies are told to have arrived, and did, as they were sent."""
        server = h2.Server(lambda conn, stream: conn.answer(stream.id), greeting=open_wide)
        self.addCleanup(server.stop)
        server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        items = [{"url": server.url(), "body": body, "timeout_ms": 60000, **member} for body in bodies]
        document = self.batch(items, {"concurrency": len(items)})
        self.assertEqual(document["summary"]["by_code"], {})
        got = [stream.json() for conn in server.conns for stream in conn.streams.values()]
        self.assertEqual(sorted(len(body) for body in got), sorted(len(body) for body in bodies))
        self.assertEqual(sorted(got), sorted(bodies))
        return len(server.conns)

    def test_large_bodies(self):
        self.read_slowly(["%03d" % n + "x" * 65000 for n in range(60)])

    def test_bodies_of_some_pages(self):
        self.read_slowly(["%03d" % n + "x" * 9000 for n in range(120)])

    def test_small_bodies_share_connections(self):
        self.assertLessEqual(self.read_slowly(["%03d" % n + "x" * 200 for n in range(200)]), 8)

    def test_long_headers(self):
        self.read_slowly(["%03d" % n for n in range(120)], headers={"X-Long": "h" * 4000})

    def test_one_large_body(self):
        self.read_slowly(["x" * 3000000])


if __name__ == "__main__":
    world.enter_namespace()
    with open("/proc/sys/net/ipv4/tcp_wmem", "w", encoding="ascii") as sysctl:
        sysctl.write("4096 16384 32768")
    world.main()
