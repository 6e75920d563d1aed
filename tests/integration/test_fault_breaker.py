#!/usr/bin/python3
"""An upstream that fails in a row is left alone for a while, tried once, and used again; nobody else notices."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

FAILURES, OPEN_S, MAX_OPEN_S = 5, 1.0, 5.0
CONFIG = {"upstreams": [{"match": "*", "connect_timeout": "2s", "breaker": {"failures": FAILURES, "open": "1s", "max_open": "5s"}}]}


class Breaker(world.Case):
    keys = iter("b%d" % n for n in range(10000))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = world.Fault(cls.folder, name="other")
        cls.addClassCleanup(cls.other.kill)

    def setUp(self):
        super().setUp()
        self.server = self.start(CONFIG)
        self.key = next(self.keys)

    def tearDown(self):
        world.wait_for("nothing in flight or queued", lambda: not any(
            self.server.metrics().total("batchgate_" + n) for n in ("in_flight", "queued", "memory_bytes")))
        super().tearDown()

    def flaky(self, fail, **more):
        """503 to the first `fail` of all that come, then 200."""
        return {"url": self.fault.url("/flaky", key=self.key, fail=fail), "method": "POST", **more}

    def opened(self, fail=FAILURES):
        """Fails as often in a row as it takes."""
        results = self.batch([self.flaky(fail)] * FAILURES, {"concurrency": 1})["results"]
        for result in results:
            self.assert_error(result, "upstream_status", status=503, sent=True)
        return time.monotonic()

    def assert_refused(self, result):
        self.assert_error(result, "circuit_open", sent=False, retryable=True)
        self.assertEqual((result["attempts"], result["status"]), (0, None))

    def half_open(self, since, seconds=OPEN_S):
        time.sleep(max(0, since + seconds + 0.2 - time.monotonic()))

    def neighbours(self):
        results = self.batch([{"url": self.other.url("/echo", n=n)} for n in range(8)])["results"]
        self.assertEqual([r["body"]["query"] for r in results], ["n=%d" % n for n in range(8)])

    def test_22_a_burst_opens_it_one_probe_closes_it(self):
        results = self.batch([self.flaky(FAILURES)] * 12 + [{"url": self.other.url("/ok")}], {"concurrency": 1})["results"]
        for result in results[:FAILURES]:
            self.assert_error(result, "upstream_status", status=503, sent=True)
        for result in results[FAILURES:12]:
            self.assert_refused(result)
        self.assertTrue(results[12]["success"], "another upstream")
        self.assertEqual(self.fault.hits("/flaky"), FAILURES)
        self.assertEqual(self.server.metrics().of("batchgate_items_total", code="circuit_open"), 7)
        self.half_open(time.monotonic())
        self.assertTrue(self.one(**self.flaky(FAILURES))["success"])
        results = self.batch([self.flaky(FAILURES)] * 20)["results"]
        self.assertEqual([r["success"] for r in results], [True] * 20)

    def test_22_while_it_is_open_items_end_at_once_and_neighbours_run(self):
        self.opened()
        before = self.server.metrics().total("batchgate_attempts_total")
        began = time.monotonic()
        results = self.batch([self.flaky(FAILURES)] * 200, {"concurrency": 4})["results"]
        if time.monotonic() < began + OPEN_S / 2:
            for result in results:
                self.assert_refused(result)
            self.assertEqual(self.server.metrics().total("batchgate_attempts_total"), before)
        self.neighbours()

    def test_22_it_shows_where_upstreams_are_shown(self):
        self.opened()
        self.assertIn('"open"', self.server.get("/v1/upstreams").body.decode())
        self.half_open(time.monotonic())
        self.assertTrue(self.one(**self.flaky(FAILURES))["success"])
        self.assertNotIn('"open"', self.server.get("/v1/upstreams").body.decode())

    def test_only_one_call_is_the_probe(self):
        since = self.opened()
        self.half_open(since)
        key = next(self.keys)
        running = world.in_thread(self.one, url=self.fault.url("/gate", key=key), timeout_ms=30000)
        world.wait_for("the probe", lambda: self.fault.hits("/gate") == 1)
        others = world.in_thread(self.batch, [{"url": self.fault.url("/ok"), "timeout_ms": 20000}] * 10)
        world.wait_for("the others to be in", lambda: self.server.metrics().total("batchgate_batches_running") == 2 or not others.is_alive())
        self.assertEqual(self.fault.hits("/ok"), 0, "something else went along with the probe")
        self.fault.open(key)
        self.assertTrue(running.result()["success"])
        for result in others.result()["results"]:  # refused, or held back until the probe was good
            if not result["success"]:
                self.assert_refused(result)
        self.assertTrue(self.one(url=self.fault.url("/ok"))["success"])

    def test_a_probe_that_fails_opens_it_again(self):
        since, good = self.opened(FAILURES + 2), None
        while not good and time.monotonic() < since + 40:
            result = self.one(**self.flaky(FAILURES + 2))
            good = result["success"]
            if not good and result["error"]["code"] != "upstream_status":
                self.assert_refused(result)
            time.sleep(0.05)
        self.assertTrue(good)
        at = [r["at"] for r in self.fault.asked("/flaky")][FAILURES - 1:]
        waits = [b - a for a, b in zip(at, at[1:])]
        self.assertEqual(len(waits), 3, "two probes that failed, one that did not")
        for wait in waits:
            self.assertGreaterEqual(wait, OPEN_S * 0.7)
            self.assertLess(wait, MAX_OPEN_S + 10)

    def test_a_probe_that_nobody_waits_for_does_not_block_it(self):
        """Its client leaves; the next call is the probe."""
        since = self.opened()
        self.half_open(since)
        with self.server.connect() as sock:
            body = b'{"items": [{"url": "%s"}]}' % self.fault.url("/gate", key=self.key).encode()
            sock.sendall(world.frame("POST", "/v1/batch", body, [("Content-Type", "application/json")]))
            world.wait_for("the probe", lambda: self.fault.hits("/gate") == 1)
        world.wait_for("it to be given up", lambda: self.fault.stats()["aborted"].get("/gate"))

        def tried():
            result = self.one(url=self.fault.url("/ok"))
            if not result["success"]:
                self.assert_refused(result)
            return result["success"]
        world.wait_for("another probe", tried, MAX_OPEN_S + 20, 0.1)

    def test_what_does_not_count(self):
        silent = {"url": self.fault.url("/stall"), "timeout_ms": 100}
        kinds = [{"url": self.fault.url("/status/500")}, {"url": self.fault.url("/status/404")}, {"url": self.fault.url("/status/429")}, silent,
                 {"url": self.fault.url("/ok"), "method": "TRACE"}, {"url": self.fault.url("/ok"), "headers": {"Host": "x"}}]
        for item in kinds:
            with self.subTest(item=item):
                for result in self.batch([item] * (FAILURES + 3), {"concurrency": 1})["results"]:
                    self.assertFalse(result["success"])
                    self.assertNotEqual(result["error"]["code"], "circuit_open", result)
        self.assertTrue(self.one(url=self.fault.url("/ok"))["success"])

    def test_a_success_between_them_starts_the_count_anew(self):
        bad, good = {"url": self.fault.url("/status/503")}, {"url": self.fault.url("/ok")}
        results = self.batch(([bad] * (FAILURES - 1) + [good]) * 3, {"concurrency": 1})["results"]
        self.assertNotIn("circuit_open", [(r["error"] or {}).get("code") for r in results])

    def test_502_and_504_count_too(self):
        bad = [{"url": self.fault.url("/status/%d" % (502, 504)[n % 2])} for n in range(FAILURES + 3)]
        results = self.batch(bad, {"concurrency": 1})["results"]
        for result in results[FAILURES:]:
            self.assert_refused(result)

    def test_connections_that_fail_count_and_it_comes_back_with_the_listener(self):
        port = world.free_port()
        item = {"url": "http://127.0.0.1:%d/ok" % port, "timeout_ms": 5000}
        results = self.batch([item] * (FAILURES + 4), {"concurrency": 1})["results"]
        for result in results[:FAILURES]:
            self.assert_error(result, "connect_failed", sent=False)
        for result in results[FAILURES:]:
            self.assert_refused(result)
        self.neighbours()
        late = world.Fault(self.folder, args=("--port", str(port)), name="late%d" % port)
        self.addCleanup(late.kill)
        world.wait_for("the upstream to be used again", lambda: self.one(**item)["success"], MAX_OPEN_S + 20, 0.1)
        self.assertEqual([r["success"] for r in self.batch([item] * 8)["results"]], [True] * 8)
        late.stop()

    def test_handshakes_that_fail_count(self):
        item = {"url": "https://127.0.0.1:%d/ok" % self.fault.ports["http"]}
        results = self.batch([item] * (FAILURES + 3), {"concurrency": 1})["results"]
        self.assert_error(results[0], "tls_failed", sent=False)
        for result in results[FAILURES:]:
            self.assert_refused(result)
        self.assertTrue(self.one(url=self.fault.url("/ok"))["success"], "the same host and port by http is another upstream")

    def test_retries_stop_where_it_opens(self):
        result = self.one(**self.flaky(1000, retry={"max_attempts": 10, "backoff_ms": 1, "max_backoff_ms": 5}))
        self.assertEqual((result["attempts"], self.fault.hits("/flaky")), (FAILURES, FAILURES))
        self.assertIn(result["error"]["code"], ("circuit_open", "upstream_status"))
        self.assertTrue(result["error"]["sent"])
        self.assertEqual(result["status"], 503)

    def test_many_at_once_open_it_once_and_all_are_answered(self):
        stop, failures = threading.Event(), []

        def others():
            while not stop.is_set():
                try:
                    self.neighbours()
                except BaseException as error:  # told below
                    failures.append(error)
                    return
        thread = threading.Thread(target=others)
        thread.start()
        results = self.batch([self.flaky(60, timeout_ms=20000)] * 300, {"concurrency": 32})["results"]
        stop.set()
        thread.join()
        self.assertEqual(failures, [])
        for result in results:
            if not result["success"] and result["error"]["code"] != "upstream_status":
                self.assert_refused(result)
        self.assertLess(self.fault.hits("/flaky"), 32 + FAILURES + 10, "those that were on the wire, and no others")


if __name__ == "__main__":
    world.main()
