#!/usr/bin/python3
# ctest: timeout=900
"""Memory is bounded by the configuration, not by what clients or upstreams send."""
import json
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

MIB = 1 << 20
BODY = 8 * MIB


def bound(limit):
    """What RSS may reach under `limits.memory`; a sanitizer's shadow and quarantine are not the server's doing."""
    return limit if not world.sanitized() else 6 * limit + 1024 * MIB


def fill(head, unit, tail, size=BODY):
    count = (size - len(head) - len(tail)) // (len(unit) + 1)
    return head + b",".join([unit] * count) + tail


class Bodies(world.Case):
    LIMIT = 128 * MIB
    config = {"limits": {"memory": "128MiB"}}

    def setUp(self):
        super().setUp()
        self.server.forget_peak()

    def judge(self, body, statuses, server=None):
        server = server or self.server
        self.assertLessEqual(len(body), BODY)
        answer = server.post(body)
        self.assertIn(answer.status, statuses, answer)
        self.assertLess(server.rss(), bound(self.LIMIT))
        self.assertEqual(server.get("/healthz").status, 200)
        return answer

    def test_eight_mebibytes_of_tiny_items(self):
        for unit in (b"{}", b"0", b"[]", b'{"a":0}', b'""'):
            self.judge(fill(b'{"items":[', unit, b"]}"), (413,))

    def test_of_tiny_items_where_a_million_is_allowed(self):
        server = self.start({"limits": {"memory": "128MiB", "max_items": 5000000}, "pool": {"queue_limit": 5000000}})
        for unit in (b"{}", b'{"a":0}', b'{"url":"http://127.0.0.1:1/"}'):
            self.judge(fill(b'{"items":[', unit, b"]}"), (200, 413, 503), server)

    def test_of_tiny_values_in_one_body(self):
        head = b'{"items":[{"url":"%s"},{"url":"%s","body":[' % (self.fault.url().encode(), self.fault.url("/ok").encode())
        for unit in (b'{"a":0}', b"0", b"[]", b'""'):
            answer = self.judge(fill(head, unit, b"]}]}"), (200,))
            self.assertTrue(answer.json()["results"][1]["success"], answer)

    def test_of_tiny_members_where_they_are_read(self):
        url = self.fault.url().encode()
        for head, unit, tail in ((b'{"items":[{"url":"%s","query":{' % url, b'"a%d":1', b"}}]}"), (b'{"items":[{"url":"%s","headers":{' % url, b'"a%d":"b"', b"}}]}"),
                                 (b'{"items":[{"url":"%s","query":{"a":[' % url, b"1", b"]}}]}"), (b'{"items":[{"url":"%s",' % url, b'"a%d":1', b"}]}"),
                                 (b'{"items":[],"options":{"x":[', b'{"a":0}', b"]}}"), (b'{"items":[{"id":[', b"{}", b"]}]}"),
                                 (b'{"items":[],"defaults":{"headers":{', b'"a%d":"b"', b"}}}"), (b'{"items":[],', b'"a%d":1', b"}")):
            with self.subTest(head=head):
                if b"%d" in unit:
                    body, n, parts = len(head) + len(tail), 0, []
                    while body < BODY - 20:
                        parts.append(unit % n)
                        body += len(parts[-1]) + 1
                        n += 1
                    data = head + b",".join(parts) + tail
                else:
                    data = fill(head, unit, tail)
                self.judge(data, (200, 400, 413, 503))

    def test_of_many_small_items_at_once_and_what_is_left_of_it(self):
        """Sixteen batches at a time, whose items and results are blocks of some hundred bytes, mixed in the heap."""
        server = self.start({"limits": {"memory": "128MiB"}, "pool": {"queue_limit": 200000}})
        for unit in (b'{"a":0}', b'{"url":"http://127.0.0.1:1/"}', b'{"url":"ftp://x/"}'):
            body = b'{"items":[' + b",".join([unit] * 10000) + b"]}"
            runs = [world.in_thread(server.post, body) for _ in range(16)]
            for run in runs:
                self.assertIn(run.result().status, (200, 503))
            self.assertLess(server.rss(), bound(self.LIMIT), unit)
            self.assertLess(server.rss(peak=False), bound(48 * MIB), unit)

    def test_brackets(self):
        for body in (b"[" * BODY, b'{"a":' * (BODY // 5), b"[" * 60 + b"]" * 60 + b" " * (BODY - 200), b'{"items":' + b"[" * (BODY - 20)):
            self.judge(body, (400,))

    def test_one_long_string(self):
        self.judge(b'{"items":[{"id":"' + b"\\u0041" * ((BODY - 100) // 6) + b'"}]}', (200,))
        self.judge(b'{"items":[{"url":"%s","body_text":"' % self.fault.url().encode() + b"\\n" * ((BODY - 200) // 2) + b'"}]}', (200,))
        self.judge(b'{"' + b"x" * (BODY - 100) + b'":1,"items":[]}', (400,))


class Answers(world.Case):
    LIMIT = 96 * MIB
    config = {"limits": {"memory": "96MiB"}}

    def setUp(self):
        super().setUp()
        self.server.forget_peak()

    def judge(self):
        self.assertLess(self.server.rss(), bound(self.LIMIT + 32 * MIB))
        world.wait_for("nothing in flight", lambda: self.server.metrics().total("batchgate_in_flight") == 0)

    def test_bombs(self):
        results = self.batch([{"url": self.fault.url("/bomb")} for _ in range(40)], {"concurrency": 40})["results"]
        for result in results:
            self.assertIn(result["error"]["code"], ("response_too_large", "overloaded"))
        self.judge()

    def test_large_answers_past_the_budget_end_as_overloaded_or_too_large(self):
        for encoding in ("", "gzip"):
            results = self.batch([{"url": self.fault.url("/raw", n=9000000, ct="text/plain", ce=encoding)} for _ in range(40)],
                                 {"concurrency": 20, "include_body": "all"})["results"]
            codes = {r["error"]["code"] for r in results if not r["success"]}
            self.assertLessEqual(codes, {"overloaded", "response_too_large"})
            for result in results:
                if not result["success"] and result["error"]["code"] == "overloaded":
                    self.assertTrue(result["error"]["retryable"])
            self.assertTrue(any(r["success"] for r in results))
            self.judge()
        self.assertTrue(self.one(url=self.fault.url("/raw", n=9000000))["success"], "what was held has been given back")

    def test_header_fields_are_held_within_the_budget(self):
        server = self.start({"limits": {"memory": "24MiB", "max_batch_response": "8MiB"}})
        url = self.fault.url("/raw", body="x", fields=30)
        self.assertEqual(self.batch([{"url": url}], {"include_headers": True}, server=server)["summary"]["succeeded"], 1)
        for include in (False, True):
            results = self.batch([{"url": url} for _ in range(128)], {"concurrency": 128, "include_headers": include}, server=server)["results"]
            codes = {r["error"]["code"] for r in results if not r["success"]}
            self.assertLessEqual(codes, {"overloaded", "response_too_large"})
        self.assertLess(server.rss(), bound(24 * MIB + 16 * MIB))
        world.wait_for("the budget to be given back", lambda: server.metrics().total("batchgate_memory_bytes") == 0)

    def test_answers_of_calls_that_wait_for_a_retry_are_not_held(self):
        calls, limit = 3000, 64 * MIB
        for path, query in (("/raw", {"status": 503, "fields": 29, "hdr": "Retry-After: 60"}), ("/longtype", {"n": 90000, "ra": 60})):
            with self.subTest(path=path):
                self.fault.reset()
                server = self.start({"limits": {"memory": "64MiB"}})
                item = {"url": self.fault.url(path, **query), "retry": {"max_attempts": 2}, "timeout_ms": 600000}
                body = json.dumps({"items": [item] * calls, "options": {"include_headers": True, "batch_timeout_ms": 600000}}).encode()
                with server.connect() as sock:
                    sock.sendall(world.frame("POST", "/v1/batch", body, [("Content-Type", "application/json")]))
                    world.wait_for("all of them to wait", lambda: self.fault.hits(path) == calls
                                   and server.metrics().total("batchgate_queued") == calls, 300, 0.2)
                    self.assertLess(server.rss(), bound(limit))
                world.wait_for("nothing queued", lambda: server.metrics().total("batchgate_queued") == 0)
                world.wait_for("the budget to be given back", lambda: server.metrics().total("batchgate_memory_bytes") == 0)

    def test_results_that_are_left_out_are_not_held(self):
        results = self.batch([{"url": self.fault.url("/raw", n=4000000)} for _ in range(60)], {"concurrency": 2, "include_body": "none"})["results"]
        self.assertTrue(all(r["success"] for r in results))
        self.judge()

    def test_fifty_rounds_do_not_grow(self):
        def round_trip():
            self.batch([{"url": self.fault.url("/raw", n=100000)} for _ in range(20)])
        for _ in range(5):
            round_trip()
        before = self.server.rss(peak=False)
        for _ in range(50):
            round_trip()
        self.assertLess(self.server.rss(peak=False) - before, (16 if not world.sanitized() else 512) * MIB)


class Budget(world.Case):
    config = {"limits": {"memory": "16MiB", "max_body": "6MiB"}, "server": {"body_timeout": "60s"}}

    def test_bodies_past_the_budget_are_refused_before_they_are_read(self):
        head = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (6 * MIB)
        socks = []
        for _ in range(6):
            sock = self.server.connect()
            self.addCleanup(sock.close)
            sock.settimeout(10)
            try:
                sock.sendall(head + b" " * (5 * MIB))
            except OSError:
                pass
            socks.append(sock)
        answer = world.wait_for("503", lambda: self.refused(self.server.post(b'{"items":[]}' + b" " * (5 * MIB))))
        self.assert_problem(answer, 503, "memory_full")
        self.assertEqual(self.server.get("/healthz").status, 200)
        for sock in socks:
            sock.close()
        world.wait_for("the budget to be given back",
                       lambda: self.server.post(b'{"items":[]}' + b" " * (5 * MIB)).status == 200)

    def refused(self, answer):
        return answer if answer.status == 503 else None


class Queue(world.Case):
    config = {"pool": {"queue_limit": 20}}

    def test_a_full_queue_is_503_and_nothing_of_the_batch_runs(self):
        run = world.in_thread(self.batch, [{"url": self.fault.url("/stall"), "timeout_ms": 4000} for _ in range(20)], {"concurrency": 2})
        world.wait_for("the first batch to run", lambda: self.fault.hits("/stall") >= 1)
        answer = self.server.post({"items": [{"url": self.fault.url("/ok")} for _ in range(15)]})
        self.assert_problem(answer, 503, "queue_full")
        self.assertEqual(self.fault.hits("/ok"), 0)
        run.result()
        self.assertEqual(self.batch([{"url": self.fault.url("/ok")} for _ in range(15)])["summary"]["succeeded"], 15)


class Files(world.Case):
    CALLS = 128
    config = {"pool": {"threads": 1, "max_in_flight": CALLS}, "upstreams": [{"match": "*", "concurrency": CALLS}]}

    def test_idle_connections_give_way_to_those_of_another_upstream(self):
        before, peaks, stop = self.server.open_files(), [], threading.Event()

        def watch():
            while not stop.wait(0.005):
                peaks.append(self.server.open_files() - before)

        run = world.in_thread(watch)
        for host in ("127.0.0.1", "localhost", "127.0.0.1"):
            url = self.fault.url("/sleep", ms=300).replace("127.0.0.1", host)
            document = self.batch([{"url": url} for _ in range(self.CALLS)], {"concurrency": self.CALLS})
            self.assertEqual(document["summary"]["succeeded"], self.CALLS)
        stop.set()
        run.result()
        self.assertGreaterEqual(max(peaks), self.CALLS)
        self.assertLess(max(peaks), self.CALLS + 32)


if __name__ == "__main__":
    world.main()
