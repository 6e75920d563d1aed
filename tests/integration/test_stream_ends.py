#!/usr/bin/python3
"""How a stream ends when its server ends, and how it passes a proxy."""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import streams  # noqa: E402
import world  # noqa: E402


class Drain(streams.Case):
    def terminate(self, server):
        os.kill(server.serving_pid, signal.SIGTERM)
        world.wait_for("draining", lambda: server.get("/readyz").status == 503)

    def test_a_stream_ends_complete_inside_drain_timeout(self):
        server = self.start({"server": {"drain_timeout": "30s"}})
        stream = self.stream(self.gates(6), {"concurrency": 2}, server=server)
        self.fault.open("g0")
        self.assertEqual(stream.value()["index"], 0)
        self.terminate(server)
        for n in range(1, 6):
            self.fault.open("g%d" % n)
            self.assertEqual(stream.value()["index"], n)
        summary = stream.value()["summary"]
        self.assertEqual((summary["succeeded"], summary["failed"]), (6, 0))
        self.assertIsNone(stream.line())
        self.assertTrue(stream.whole)
        self.assertTrue(stream.wire.closed_by_peer(10))
        server.ended(0)

    def test_past_it_what_is_left_is_cancelled_and_the_summary_comes(self):
        for accept in (streams.NDJSON, streams.SSE, streams.TEXT):
            for order in ("completion", "input"):
                with self.subTest(accept=accept, order=order):
                    self.fault.reset()
                    server = self.start({"server": {"drain_timeout": "500ms"}})
                    stream = self.stream(self.gates(12), {"concurrency": 2, "order": order}, accept, server=server)
                    self.fault.open("g0")
                    world.wait_for("three calls", lambda: self.fault.hits("/gate") == 3)
                    os.kill(server.serving_pid, signal.SIGTERM)
                    text = stream.rest().decode()
                    self.assertTrue(stream.whole)
                    server.ended(0)
                    if accept == streams.NDJSON:
                        self.judge(streams.check_values([json.loads(line) for line in text.splitlines()], 12))
                    elif accept == streams.SSE:
                        blocks = [block for block in text.split("\n\n") if "event: result" in block or "event: summary" in block]
                        data = [block.partition("data:")[2] for block in blocks]
                        values = [json.loads(d) for d in data]
                        self.judge(streams.check_values(values[:-1] + [{"summary": values[-1]}], 12))
                    else:
                        shown = streams.screen(text)
                        self.assertGreaterEqual(sum("[FAILED]" in line for line in shown), 11, shown)
                        self.assertEqual(sum("[OK]" in line for line in shown), 1, shown)

    def judge(self, document):
        self.assertEqual(document["summary"]["by_code"], {"cancelled": 11})
        for result in document["results"][1:]:
            self.assert_error(result, "cancelled", "drain", sent=result["index"] in (1, 2))

    def test_a_stalled_reader_does_not_hold_up_the_end(self):
        server = self.start({"server": {"drain_timeout": "1s", "write_timeout": "2s"}})
        self.stream([{"url": self.fault.url("/raw", n=100000)} for _ in range(500)], server=server, receive=4096)
        world.wait_for("calls", lambda: self.fault.hits("/raw") > 20)
        began = time.monotonic()
        os.kill(server.serving_pid, signal.SIGTERM)
        server.ended(0)
        self.assertLess(time.monotonic() - began, 15 if not world.sanitized() else 60)

    def test_a_killed_server_leaves_a_stream_without_a_summary(self):
        for accept in (streams.NDJSON, streams.SSE, streams.TEXT):
            self.fault.reset()
            server = world.Server(self.folder, None)
            self.addCleanup(server.kill)
            stream = self.stream(self.gates(3), accept=accept, server=server)
            self.fault.open("g1")
            world.wait_for("one answer", lambda: self.fault.ask("/_sent?key=g1")["at"])
            stream.waiting += stream.part()
            os.kill(server.serving_pid, signal.SIGKILL)
            server.wait()
            with self.assertRaises((streams.Cut, ConnectionResetError)):
                while True:
                    stream.waiting += stream.part()
            self.assertNotIn(b"summary", stream.waiting)
            self.assertFalse(stream.whole)


class Proxy(world.Nginx):
    """nginx before the server as its documentation has it: nothing is said of buffering, so all is buffered."""
    CONF = """daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log access.log; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi; client_max_body_size 0; gzip on; gzip_types *;
  upstream kept { server 127.0.0.1:BACKEND; keepalive 8; }
  server { listen 127.0.0.1:%(port)d; keepalive_requests %(requests)d;
    location / { proxy_pass http://127.0.0.1:BACKEND; }
    location /kept/ { proxy_pass http://kept/; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
"""

    def __init__(self, folder, backend):
        self.CONF = self.CONF.replace("BACKEND", str(backend))
        super().__init__(folder)


class BehindNginx(streams.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = Proxy(cls.folder, cls.server.port)
        cls.addClassCleanup(cls.proxy.kill)

    @classmethod
    def tearDownClass(cls):
        cls.proxy.stop()
        super().tearDownClass()

    def through(self, items, kept, options=None, accept=streams.NDJSON):
        wire = self.wire(port=self.proxy.port)
        head = streams.frame({"items": items, "options": options or {}}, accept)
        wire.send(head.replace(b"/v1/batch", b"/kept/v1/batch", 1) if kept else head)
        return wire.stream()

    def test_lines_arrive_as_they_complete(self):
        for kept in (False, True):
            for accept in (streams.NDJSON, streams.SSE, streams.TEXT):
                with self.subTest(kept=kept, accept=accept):
                    self.fault.reset()
                    stream = self.through(self.gates(3), kept, accept=accept)
                    for n in (2, 0, 1):
                        mark = {streams.NDJSON: b'{"index":%d,', streams.SSE: b'{"index":%d,', streams.TEXT: b"[OK] %d ("}[accept] % n
                        self.assertNotIn(mark, stream.waiting)
                        self.fault.open("g%d" % n)
                        while mark not in stream.waiting:
                            stream.waiting += stream.part()
                    stream.rest()
                    self.assertTrue(stream.whole)

    def test_a_client_that_leaves_is_noticed_through_it(self):
        for kept in (False, True):
            with self.subTest(kept=kept):
                world.again(lambda k=kept: self.leave(k))

    def leave(self, kept):
        self.fault.reset()
        stream = self.through([{"url": self.fault.url("/sleep", ms=30)} for _ in range(1000)], kept, {"concurrency": 4})
        stream.value()
        stream.wire.close()
        left = time.monotonic()
        self.idle()
        late = [r for r in self.fault.asked("/sleep") if r["at"] > left + (0.4 if not world.sanitized() else 2)]
        self.assertEqual(late, [])
        self.assertLess(self.fault.hits("/sleep"), 500)

    def test_one_that_leaves_in_silence_too(self):
        stream = self.through([{"url": self.fault.url("/stall"), "timeout_ms": 120000}] * 20, True, {"concurrency": 4})
        world.wait_for("four calls", lambda: self.fault.hits("/stall") == 4)
        stream.wire.close()
        self.idle()
        self.assertEqual(self.fault.hits("/stall"), 4)

    def test_a_large_stream_passes_whole(self):
        for kept in (False, True):
            stream = self.through([{"url": self.fault.url("/raw", n=20000)} for _ in range(500)], kept)
            self.assertEqual(self.whole(stream, 500)["summary"]["succeeded"], 500)

    def test_connections_to_the_server_are_kept_between_streams(self):
        before = self.server.metrics().total("batchgate_connections")
        for _ in range(20):
            self.whole(self.through([{"url": self.fault.url()}], True), 1)
        self.assertLessEqual(self.server.metrics().total("batchgate_connections") - before, 3)


if __name__ == "__main__":
    world.main()
