#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=10
"""The log: a line for each batch and each failed item, no secrets, nothing forged, and what a log that nobody reads costs."""
import json
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


class Logs(world.Case):
    config = {"log": {"level": "debug", "redact": ["authorization", "x-api-key", "cookie", "set-cookie", "x-own-secret"]}}
    SECRETS = ("s3cret-header", "s3cret-query", "s3cret-body", "s3cret-cookie", "s3cret-own", "s3cret-answer")

    def test_secrets_are_nowhere(self):
        headers = {"Authorization": "Bearer s3cret-header", "X-Api-Key": "s3cret-header", "Cookie": "c=s3cret-cookie", "X-Own-Secret": "s3cret-own"}
        urls = [self.fault.url("/ok", token="s3cret-query"), self.fault.url("/rst", token="s3cret-query"),
                self.fault.url("/status/500", token="s3cret-query"), self.fault.url("/stall", token="s3cret-query"),
                "http://127.0.0.1:1/?token=s3cret-query", "http://169.254.169.254/?token=s3cret-query", "http://a..b/?token=s3cret-query",
                self.fault.url("/redirect", to="/ok?token=s3cret-query"), self.fault.url("/raw", hdr="Set-Cookie: a=s3cret-answer"),
                "http://u:s3cret-query@127.0.0.1/"]
        items = [{"url": u, "headers": headers, "body": {"k": "s3cret-body"}, "timeout_ms": 400} for u in urls]
        self.batch(items)
        for secret in self.SECRETS:
            self.assertNotIn(secret.encode(), self.raw_answer, "in the results")
        self.server.post({"items": items[:1], "options": {"strict": True, "x": 1}}, path="/v1/batch?key=s3cret-query",
                         headers={"Authorization": "Bearer s3cret-header"})
        self.server.get("/nowhere?key=s3cret-query", {"Cookie": "s3cret-cookie"})
        log, metrics = self.server.err(), self.server.get("/metrics").body
        for secret in self.SECRETS:
            self.assertNotIn(secret.encode(), log)
            self.assertNotIn(secret.encode(), metrics)

    def test_one_line_a_batch_and_one_a_failed_item(self):
        server = self.start()
        answer = server.post({"items": [{"id": "good", "url": self.fault.url("/ok")}, {"id": "bad", "url": self.fault.url("/status/500")}]},
                             headers={"X-Request-Id": "log-test"})
        self.assertEqual(answer.status, 200)
        mine = world.wait_for("the lines of the batch", lambda: [e for e in server.events() if e.get("request_id") == "log-test"
                                                                 and len([x for x in server.events() if x.get("request_id") == "log-test"]) >= 2])
        self.assertEqual(len(mine), 2, mine)
        text = json.dumps(mine)
        self.assertIn("upstream_status", text)
        self.assertNotIn("good", text)
        for event in server.events():
            self.assertLessEqual({"time", "level", "event"}, set(event))

    def test_text_format(self):
        server = self.start({"log": {"format": "text"}})
        self.batch([{"url": self.fault.url("/status/500")}], server=server)
        world.wait_for("a line", lambda: b"upstream_status" in server.err())
        self.assertNotIn(b'{"', server.err())

    def test_an_id_cannot_forge_a_log_line(self):
        evil = 'x"}\n{"event":"forged"}\r\n'
        self.batch([{"id": evil, "url": self.fault.url("/status/500")}])
        self.assertEqual(self.server.events("forged"), [])


class StalledLog(world.Case):
    """Standard error is a pipe that nobody reads: lines are lost and counted, and nothing waits for them."""

    def start_stalled(self):
        port = world.free_port()
        path = world.write_config(self.folder, world.merge(world.BASE, {"server": {"port": port, "drain_timeout": "60s"}}), "stalled.yaml")
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        child = subprocess.Popen([world.BINARY, "serve", "--config", path], stdout=subprocess.DEVNULL, stderr=writer,
                                 env=world.environment())
        os.close(writer)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        world.wait_for("the server to listen", lambda: world.listening(port))
        return child, port, reader

    def fill(self, port):
        """2000 refused requests, each with a line of 2 KB and some with one that no pipe takes at once."""
        def ask(size):
            with socket.create_connection(("127.0.0.1", port), world.WAIT) as sock:
                for n in range(500):
                    sock.sendall(world.frame("GET", "/" + "x" * (size if n % 50 else 7000)))
                    self.assertEqual(world.read_answer(sock).status, 404)
        for run in [world.in_thread(ask, 2000) for _ in range(4)]:
            run.result()

    def test_the_server_answers_on_and_ends_when_told(self):
        child, port, reader = self.start_stalled()
        self.fill(port)
        self.assertEqual(world.request(port, "GET", "/healthz").status, 200)
        metrics = world.parse_metrics(world.request(port, "GET", "/metrics").body.decode())
        lost = metrics.total("batchgate_log_lines_lost_total")
        self.assertGreater(lost, 100)
        self.assertLess(lost, 2000)
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(world.WAIT), 0)
        with open(reader, "rb", closefd=False) as source:
            lines = source.read().split(b"\n")
        whole = [line for line in lines if line.startswith(b"{") and line.endswith(b"}")]
        for line in whole:
            json.loads(line)
        self.assertGreaterEqual(len(whole), len(lines) - 2, "at most the last one is cut")

    def test_a_second_sigterm_still_ends_it(self):
        child, port, _ = self.start_stalled()
        body = json.dumps({"items": [{"url": self.fault.url("/stall"), "timeout_ms": 60000}]}).encode()
        sock = socket.create_connection(("127.0.0.1", port), world.WAIT)
        self.addCleanup(sock.close)
        sock.sendall(world.frame("POST", "/v1/batch", body, [("Content-Type", "application/json")]))
        world.wait_for("the call at the upstream", lambda: self.fault.hits("/stall") == 1)
        self.fill(port)
        child.send_signal(signal.SIGTERM)
        world.wait_for("readyz to say 503", lambda: world.request(port, "GET", "/readyz").status == 503)
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(world.WAIT), 128 + signal.SIGTERM)


if __name__ == "__main__":
    world.main()
