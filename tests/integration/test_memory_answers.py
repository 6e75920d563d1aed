#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=70
"""Memory and descriptors are bounded by the configuration, not by what upstreams answer, and what does not fit is refused."""
import json
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

MIB = 1 << 20


class Answers(world.Case):
    LIMIT = 96 * MIB
    config = {"limits": {"memory": "96MiB"}}

    def setUp(self):
        super().setUp()
        self.server.forget_peak()

    def judge(self):
        self.assertLess(self.server.rss(), world.memory_bound(self.LIMIT + 32 * MIB))
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
        self.assertLess(server.rss(), world.memory_bound(24 * MIB + 16 * MIB))
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
                    self.assertLess(server.rss(), world.memory_bound(limit))
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
        run = world.in_thread(self.batch, [{"url": self.fault.url("/gate", key="full")} for _ in range(20)], {"concurrency": 2})
        world.wait_for("the first batch to run", lambda: self.fault.hits("/gate") >= 1)
        answer = self.server.post({"items": [{"url": self.fault.url("/ok")} for _ in range(15)]})
        self.assert_problem(answer, 503, "queue_full")
        self.assertEqual(self.fault.hits("/ok"), 0)
        self.fault.open("full")
        self.assertEqual(run.result()["summary"]["succeeded"], 20)
        self.assertEqual(self.batch([{"url": self.fault.url("/ok")} for _ in range(15)])["summary"]["succeeded"], 15)


class Files(world.Case):
    """A call takes a file; what may be kept beside them is half of what the limit leaves, and all of it is made use of."""
    CALLS = 128
    FRONT = 1  # the connection that a batch came by
    config = {"server": {"max_connections": 16}, "pool": {"threads": 1, "max_in_flight": CALLS}, "upstreams": [{"match": "*", "concurrency": CALLS}]}

    def lanes(self):
        """For each 64 calls libcurl 7.88 has a pair of sockets, 8 one descriptor of an event."""
        version = next(e["libcurl"] for e in self.server.events() if "libcurl" in e)
        return (2 if version.startswith("7.") else 1) * self.CALLS // 64

    def most_open(self, server):
        """All calls at once to one upstream, to another and again to the first; the most files that took, and what the upstreams saw."""
        self.fault.reset()
        before, peaks, stop = world.settled(server.open_files), [], threading.Event()

        def watch():
            while not stop.wait(0.005):
                peaks.append(server.open_files() - before)

        run = world.in_thread(watch)
        for number, host in enumerate(("127.0.0.1", "localhost", "127.0.0.1")):
            url = self.fault.url("/gate", key=number).replace("127.0.0.1", host)
            batch = world.in_thread(self.batch, [{"url": url} for _ in range(self.CALLS)], {"concurrency": self.CALLS}, server)
            world.wait_for("all calls at once", lambda: self.fault.stats()["active"].get("/gate") == self.CALLS)
            peaks.append(server.open_files() - before)
            self.fault.open(number)
            self.assertEqual(batch.result()["summary"]["succeeded"], self.CALLS)
            world.settled(server.open_files)  # the batch's connection is closed: asking for metrics would be one more
        stop.set()
        run.result()
        return max(peaks), self.fault.asked("/gate")

    def test_idle_connections_of_two_upstreams_are_kept_and_none_is_made_twice(self):
        most, asked = self.most_open(self.server)
        self.assertEqual(most, 2 * self.CALLS + self.lanes() + self.FRONT)
        self.assertEqual(len({r["connection"] for r in asked}), 2 * self.CALLS)

    def test_idle_connections_give_way_where_files_are_few(self):
        needed = world.files_needed(self.folder, self.config)
        for idle in (0, 1, 40):
            with self.subTest(idle=idle):
                server = self.start(self.config, prefix=world.limit_files(needed + 2 * idle))
                most, asked = self.most_open(server)
                bound = self.CALLS + idle + self.lanes() + self.FRONT
                self.assertIn(most, (bound, bound + 1), "one may be seen closing while the next one is open")
                self.assertGreater(len({r["connection"] for r in asked}), 2 * self.CALLS)


if __name__ == "__main__":
    world.main()
