#!/usr/bin/python3
# ctest: serial
# ctest: lock=hostile
# ctest: cost=20
"""HTTP/1.1 without end, from upstreams and from proxies: items end by their clock, others go on, nothing grows."""
import contextlib
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import attacks  # noqa: E402
import world  # noqa: E402
from attacks import POUR_S  # noqa: E402


class Plain(attacks.Case):
    """HTTP/1.1, and proxies: whoever is connected to pours out the same bytes, after `first`."""

    @classmethod
    def class_config(cls):
        cls.port = world.free_port()
        return {"pool": {"threads": 1}, "limits": {"memory": "64MiB", "max_response": "1MiB"},
                "upstreams": [{"match": "*.test", "proxy": "http://127.0.0.1:%d" % cls.port, "connect_timeout": "1s"}]}

    def poured(self, url, first, again=b"", port=0):
        listener = socket.create_server(("127.0.0.1", port))
        self.addCleanup(listener.close)

        def serve(sock):
            with sock, contextlib.suppress(OSError):
                sock.recv(65536)
                sock.sendall(first)
                data, end = again * (65536 // max(1, len(again))), time.monotonic() + POUR_S
                while data and time.monotonic() < end:
                    sock.sendall(data)
                while sock.recv(65536):
                    pass

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        try:
            results = self.attacked(url or "http://127.0.0.1:%d/" % listener.getsockname()[1])
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.assertEqual([r for r in results if r["success"]], [])
        return results

    CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    def test_answers(self):
        malformed, large = ("upstream_protocol", "timeout"), ("response_too_large", "timeout")  # timeout: it comes too slowly to be either
        for first, again, codes in (
                (self.CHUNKED + b"5;", b"x=y;", malformed), (self.CHUNKED, b"0000000000", malformed), (self.CHUNKED + b"0\r\n", b"X-A: b\r\n", malformed),
                (self.CHUNKED, b"1\r\nx\r\n", large), (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 100, malformed), (b"HTTP/1.1 200 ", b"OK ", malformed),
                (b"", b"\r\n", malformed), (b"", b"HTTP/1.1 100 Continue\r\n\r\n", malformed),
                (b"", b"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n", malformed), (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", malformed),
                (b"", os.urandom(4000), malformed), (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", b"x", large),
                (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000, large),
                (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n", b"\0" * 9, (*large, *malformed))):
            with self.subTest(first=first[:60], again=again[:20]):
                self.assert_codes(self.poured(None, first, again), *codes)

    def test_answers_of_a_proxy_to_connect(self):
        refused = b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
        for first, again in ((b"HTTP/1.1 200 OK\r\n\r\n", os.urandom(4000)), (b"HTTP/1.1 200 OK\r\n\r\n", b""), (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", b"x"),
                             (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), (refused + b"Content-Length: 0\r\n\r\n", b""),
                             (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", b""), (b"HTTP/1.1 100 Continue\r\nno colon\r\n\r\n", b""), (b"HTTP/1.1 ", b"no colon\r\n"),
                             (refused + b"\r\n", b"x" * 100), (refused, b"Proxy-Authenticate: Digest nonce=1\r\n"),
                             (b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"", b""),
                             (b"", b"\r\n"), (b"", os.urandom(4000))):
            with self.subTest(first=first[:90], again=again[:20]):
                for result in self.poured("https://a.test/", first, again, self.port):
                    self.assertIn(result["error"]["code"], ("connect_failed", "tls_failed", "timeout"), result)
                    self.assertFalse(result["error"]["sent"], result)

    def test_a_proxys_refusal_with_an_endless_body(self):
        for first, again in ((b"Content-Length: 99999999999\r\n\r\n", b"x" * 100), (b"Transfer-Encoding: chunked\r\n\r\n5;", b"x=y;")):
            with self.subTest(first=first):
                for result in self.poured("https://a.test/", b"HTTP/1.1 407 Who\r\n" + first, again, self.port):
                    self.assert_error(result, "connect_failed", sent=False)

    def test_a_proxys_endless_header_section_is_the_proxys_fault(self):
        for first, again in ((b"", b"A: b\r\n"), (b"X: ", b"y" * 100)):
            with self.subTest(first=first):
                for result in self.poured("https://a.test/", b"HTTP/1.1 200 OK\r\n" + first, again, self.port):
                    self.assertIn(result["error"]["code"], ("connect_failed", "timeout"), result)
                    self.assertFalse(result["error"]["sent"], result)


if __name__ == "__main__":
    world.main()
