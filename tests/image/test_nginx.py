#!/usr/bin/python3
# ctest: cost=15
"""docker/nginx.conf as it stands, but for addresses and paths: the real nginx in front of the real server."""
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

CONF = os.path.join(world.ROOT, "docker", "nginx.conf")


def documented_certificate(folder):
    """What the command of docs/deployment.md makes: (certificate, key)."""
    with open(os.path.join(world.ROOT, "docs", "deployment.md"), encoding="utf-8") as source:
        command = re.search(r"^openssl req -x509(?:.*\\\n)*.*$", source.read(), re.M).group()
    home = os.path.join(folder, "tls")
    os.mkdir(home)
    world.need("openssl")
    done = subprocess.run(["sh", "-c", command.replace("docker/tls", home)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    return os.path.join(home, "server.pem"), os.path.join(home, "server.key")


class Proxy(world.Process):
    def __init__(self, folder, server_port, certificate, name="proxy"):
        self.port, self.plain = world.free_port(), world.free_port()
        home = os.path.join(folder, name)
        os.mkdir(home)
        with open(CONF, encoding="utf-8") as source:
            text = source.read()
        text = text.replace(" /tmp/", " %s/" % home).replace("/dev/stderr", home + "/error.log")
        for old, new in (("server batchgate:8080;", "server 127.0.0.1:%d;" % server_port),
                         ("listen 8443 ssl;", "listen 127.0.0.1:%d ssl;" % self.port),
                         ("listen 8080;", "listen 127.0.0.1:%d;" % self.plain),
                         ("/etc/nginx/tls/server.pem", certificate[0]), ("/etc/nginx/tls/server.key", certificate[1])):
            if text.count(old) != 1:
                raise AssertionError("%r stands %d times in nginx.conf" % (old, text.count(old)))
            text = text.replace(old, new)
        conf = os.path.join(home, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as out:
            out.write(text)
        nginx = [world.need("nginx"), "-p", home, "-c", conf]
        done = subprocess.run([*nginx, "-t", "-q"], capture_output=True, text=True, check=False)
        if done.returncode or done.stderr:
            raise AssertionError("nginx -t: " + done.stderr)
        super().__init__([*nginx, "-g", "daemon off; master_process off;"], folder, name)
        world.wait_for("nginx to listen", lambda: self.alive() and world.listening(self.port))

    def stop(self):
        self.signal(signal.SIGTERM)
        self.wait()


class Nginx(world.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificate = documented_certificate(cls.folder)
        cls.proxy = Proxy(cls.folder, cls.server.port, cls.certificate)
        cls.addClassCleanup(cls.proxy.kill)
        cls.context = ssl.create_default_context(cafile=cls.certificate[0])

    @classmethod
    def tearDownClass(cls):
        cls.proxy.stop()
        super().tearDownClass()

    def connect(self, proxy=None):
        sock = socket.create_connection(("127.0.0.1", (proxy or self.proxy).port), world.WAIT)
        return self.context.wrap_socket(sock, server_hostname="localhost")

    def raw(self, data, timeout=5):
        """Every answer to these bytes."""
        with self.connect() as sock:
            sock.sendall(data)
            sock.settimeout(timeout)
            got = b""
            try:
                while piece := sock.recv(65536):
                    got += piece
            except OSError:
                pass
        return got

    def ask(self, method, path, body=None, *headers):
        head = ["%s %s HTTP/1.1" % (method, path), "Host: localhost", "Connection: close", *headers]
        if body is not None:
            head += ["Content-Type: application/json", "Content-Length: %d" % len(body)]
        got = self.raw("\r\n".join(head).encode() + b"\r\n\r\n" + (body or b""), world.WAIT)
        head, _, rest = got.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.assertRegex(lines[0], r"^HTTP/1\.1 \d{3} ", got[:200])
        return world.Answer(int(lines[0].split()[1]), [tuple(line.split(": ", 1)) for line in lines[1:]], rest)

    def statuses(self, data):
        return [int(code) for code in re.findall(rb"^HTTP/1\.1 (\d{3}) ", self.raw(data, 3), re.M)]

    def test_a_batch(self):
        body = json.dumps({"items": [{"url": self.fault.url("/echo"), "method": "POST", "body": {"n": i}} for i in range(20)]}).encode()
        answer = self.ask("POST", "/v1/batch", body)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.header("content-length"), str(len(answer.body)))
        world.check_document(answer.json(), 20)
        self.assertTrue(all(r["success"] for r in answer.json()["results"]))

    def test_a_streams_results_arrive_one_by_one(self):
        """The second result waits at a gate that opens when the first has arrived."""
        for accept, first in (("text/event-stream", b"event: result"), ("application/x-ndjson", b'{"index":')):
            with self.subTest(accept=accept):
                self.fault.reset()
                body = json.dumps({"items": [{"url": self.fault.url("/ok")}, {"url": self.fault.url("/gate", key=accept[-4:])}]}).encode()
                with self.connect() as sock:
                    sock.sendall(("POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: %s\r\n"
                                  "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (accept, len(body))).encode() + body)
                    got = b""
                    while first not in got.replace(b" ", b"").replace(b"event:", b"event: "):
                        piece = sock.recv(65536)
                        self.assertTrue(piece, got)
                        got += piece
                    world.wait_for("the second call", lambda: self.fault.hits("/gate") == 1)
                    self.assertNotIn(b"summary", got)
                    self.fault.open(accept[-4:])
                    while piece := sock.recv(65536):
                        got += piece
                self.assertIn(b"summary", got)

    def test_a_client_that_leaves_cancels_its_batch(self):
        body = json.dumps({"items": [{"url": self.fault.url("/gate", key="left")}]}).encode()
        with self.connect() as sock:
            sock.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                         b"Content-Length: %d\r\n\r\n" % len(body) + body)
            world.wait_for("the call", lambda: self.fault.hits("/gate"))
        world.wait_for("the batch to end", lambda: self.server.metrics().of("batchgate_batches_running") == 0)
        self.fault.open("left")

    def test_only_what_clients_need_is_there(self):
        for path in ("/healthz", "/readyz", "/version", "/openapi.yaml", "/v1/endpoints"):
            self.assertEqual(self.ask("GET", path).status, 200, path)
        for path in ("/metrics", "/v1/upstreams", "/", "/nowhere", "/metrics/", "/v1/upstreams?x=1", "/healthz/x", "/proxy-health"):
            answer = self.ask("GET", path)
            self.assertEqual(answer.status, 404, path)
            self.assertNotIn(b"batchgate_", answer.body)

    def test_a_path_has_one_spelling(self):
        for path in ("/%6detrics", "/v1/../metrics", "//metrics", "/v1//batch", "/v1/%2e%2e/metrics", "/healthz\\..\\metrics",
                     "/v1/endpoints/a%2fb", "/metrics%00", "/v1/upstreams%20"):
            self.assertEqual(self.ask("GET", path).status, 400, path)
        self.assertEqual(self.ask("GET", "/healthz?x=%2e%2e//").status, 200)

    def test_methods(self):
        for method in ("TRACE", "CONNECT", "PROPFIND", "get"):
            self.assertIn(self.ask(method, "/healthz").status, (400, 405), method)

    def test_bad_framing_is_refused(self):
        length = b"Content-Length: 5\r\n"
        for head in (length + b"Transfer-Encoding: chunked\r\n", length + b"Content-Length: 6\r\n", b"Transfer-Encoding: xchunked\r\n",
                     b"Content-Length: +5\r\n", b"Content-Length: 5, 5\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                     b"X: a\x00b\r\n", b"Host: other\r\n"):
            found = self.statuses(b"POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + head + b"\r\n0\r\n\r\n")
            self.assertEqual(len(found), 1, (head, found))
            self.assertIn(found[0], (400, 501), head)
        self.assertEqual(self.statuses(b"GET /healthz HTTP/1.1\r\n\r\n"), [400])  # no Host

    def test_what_batchgates_parser_cannot_see_does_not_reach_it(self):
        """A bare LF, a folded line and a header without a name: nginx writes a request of its own. One request stays one, and what
        hides behind such a line is not asked for."""
        hidden = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
        post = b"POST /v1/batch HTTP/1.1\r\nHost: localhost\r\n"
        length = b"Content-Length: %d\r\n\r\n" % len(hidden)
        for name, data in (("bare LF", b"GET /healthz HTTP/1.1\nHost: localhost\nX: y\n\n"),
                           ("nameless", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n: v\r\n\r\n"),
                           ("nameless with a request behind it", post + b": v\r\n" + length + hidden),
                           ("folded", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\r\n GET /metrics HTTP/1.1\r\n\r\n"),
                           ("lengths in a folded line", post + b"X: a\r\n Content-Length: 0\r\n" + length + hidden)):
            with self.subTest(name):
                got = self.raw(data, 3)
                self.assertEqual(len(re.findall(rb"^HTTP/1\.1 \d{3} ", got, re.M)), 1, got)
                self.assertNotIn(b"# HELP", got)
                # An answer too many would now be taken for this one's: the connection behind nginx is kept.
                self.assertEqual(self.ask("GET", "/healthz").json(), {"status": "ok"})

    def test_a_body_past_the_limit_is_refused_before_it_is_read(self):
        got = self.raw(b"POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 8388609\r\n\r\n", 3)
        self.assertIn(b"413", got.split(b"\r\n")[0])
        self.assertEqual(self.statuses(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70000 + b"\r\n\r\n"), [400])

    def test_a_body_up_to_the_limit_passes(self):
        body = json.dumps({"items": [{"url": self.fault.url("/echo"), "method": "POST", "body": "x" * (7 << 20)}],
                           "options": {"include_body": "none"}}).encode()
        answer = self.ask("POST", "/v1/batch", body)
        self.assertEqual(answer.status, 200, answer)

    def test_plain_http_is_sent_to_tls(self):
        answer = world.request(self.proxy.plain, "GET", "/v1/batch?x=1")
        self.assertEqual(answer.status, 308)
        self.assertEqual(answer.header("location"), "https://127.0.0.1/v1/batch?x=1")
        self.assertEqual(world.request(self.proxy.plain, "GET", "/proxy-health").body, b"ok\n")

    def test_one_address_cannot_ask_without_end(self):
        """100 a second, and 200 at once; the rest is told so."""
        proxy = Proxy(self.folder, self.server.port, self.certificate, "bounded")
        self.addCleanup(proxy.kill)
        began = time.monotonic()
        found = []
        with self.connect(proxy) as sock:
            reader = sock.makefile("rb")
            while len(found) < 900 and time.monotonic() - began < 60:
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 30)
                for _ in range(30):
                    found.append(int(reader.readline().split()[1]))
                    size = 0
                    while (line := reader.readline()) != b"\r\n":
                        if line.lower().startswith(b"content-length:"):
                            size = int(line.split(b":")[1])
                    reader.read(size)
        took = time.monotonic() - began
        self.assertEqual(set(found) | {429}, {200, 429})
        self.assertLessEqual(found.count(200), 205 + 101 * took)
        if took < 5:
            self.assertIn(429, found)


if __name__ == "__main__":
    world.main()
