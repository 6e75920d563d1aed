#!/usr/bin/python3
"""Clocks: the item's from leaving the queue, the batch's from admission, and an answer that is complete all the same."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


class Clocks(world.Case):
    def test_the_items_clock_starts_when_it_leaves_the_queue(self):
        items = [{"url": self.fault.url("/sleep", ms=900), "timeout_ms": 4500} for _ in range(6)]
        started = time.monotonic()
        results = self.batch(items, {"concurrency": 1})["results"]
        self.assertTrue(all(r["success"] for r in results), "queue time must not count")
        self.assertGreater(time.monotonic() - started, 5.3)
        for result in results:
            self.assertGreaterEqual(result["duration_ms"], 880)

    def test_the_items_clock(self):
        started = time.monotonic()
        slow, fast = self.batch([{"url": self.fault.url("/stall"), "timeout_ms": 300}, {"url": self.fault.url("/ok")}])["results"]
        self.assert_error(slow, "timeout", "response", sent=True, retryable=True)
        self.assertIsNone(slow["status"])
        self.assertTrue(fast["success"])
        self.assertLess(time.monotonic() - started, 20)

    def test_limits_clamp_it(self):
        server = self.start({"limits": {"max_item_timeout": "300ms"}})
        started = time.monotonic()
        self.assert_error(self.one(server=server, url=self.fault.url("/stall"), timeout_ms=60000), "timeout", "response")
        self.assert_error(self.one(server=server, url=self.fault.url("/stall")), "timeout", "response")
        self.assertLess(time.monotonic() - started, 20)

    def test_the_batchs_clock_ends_what_runs_and_what_waits_and_the_answer_is_complete(self):
        items = [{"url": self.fault.url("/ok")}] + [{"url": self.fault.url("/stall"), "timeout_ms": 60000} for _ in range(10)]
        started = time.monotonic()
        document = self.batch(items, {"concurrency": 2, "batch_timeout_ms": 3000})
        self.assertLess(time.monotonic() - started, 30)
        self.assertGreaterEqual(document["summary"]["duration_ms"], 2950)
        self.assertTrue(document["results"][0]["success"])
        reasons = [r["error"]["reason"] for r in document["results"][1:]]
        self.assertEqual(document["summary"]["by_code"], {"timeout": 10})
        self.assertEqual((reasons.count("response"), reasons.count("queue")), (2, 8))
        for result in document["results"][1:]:
            self.assertEqual(result["error"]["sent"], result["error"]["reason"] == "response")
            if result["error"]["reason"] == "queue":
                self.assertEqual((result["attempts"], result["duration_ms"]), (0, 0))
        self.assertEqual(self.fault.hits("/stall"), 2)
        world.wait_for("the upstream to see the aborts", lambda: self.fault.stats()["aborted"].get("/stall") == 2)

    def test_limits_clamp_the_batchs_clock_too(self):
        server = self.start({"limits": {"max_batch_timeout": "500ms"}})
        result = self.one({"batch_timeout_ms": 60000}, server, url=self.fault.url("/stall"), timeout_ms=60000)
        self.assertEqual(result["error"]["message"], "the batch's time ran out before 127.0.0.1 answered")
        self.assert_error(result, "timeout", "response", sent=True)

    def test_the_batchs_clock_during_a_retry_wait(self):
        result = self.one({"batch_timeout_ms": 3000}, url=self.fault.url("/503ra", ra="30", fail=9, key="bc"), timeout_ms=60000,
                          retry={"max_attempts": 3})
        self.assertFalse(result["success"])
        self.assertEqual((result["status"], result["attempts"]), (503, 1))
        self.assertTrue(result["error"]["sent"])
        self.assertIn(result["error"]["code"], ("upstream_status", "timeout"))

    def test_an_item_parked_on_the_rate_limit_ends_rate_limited(self):
        items = [{"url": self.fault.url("/ok")} for _ in range(5)]
        results = self.batch(items, {"rate_limit": "1/min", "batch_timeout_ms": 3000})["results"]
        self.assertGreaterEqual(sum(r["success"] for r in results), 1)
        for result in results:
            if not result["success"]:
                self.assert_error(result, "rate_limited", sent=False, retryable=True)
                self.assertEqual(result["attempts"], 0)
        self.assertEqual(self.fault.hits("/ok"), sum(r["success"] for r in results))

    def test_what_ends_in_the_queue_says_how_long_it_waited(self):
        items = [{"url": self.fault.url("/stall")}, {"url": self.fault.url("/ok")}]
        result = self.batch(items, {"concurrency": 1, "batch_timeout_ms": 400, "include_timing": True})["results"][1]
        self.assert_error(result, "timeout", "queue", sent=False)
        self.assertGreaterEqual(result["timing"]["queue_ms"], 390)
        self.assertEqual((result["timing"]["url"], result["timing"]["attempts"], result["duration_ms"]), (None, [], 0))

    def test_connect_timeout_belongs_to_the_connection_alone(self):
        server = self.start({"upstreams": [{"match": "*", "connect_timeout": "3s"}]})
        result = self.one(server=server, url=self.fault.url("/sleep", ms=4000))
        self.assertTrue(result["success"], "it must not cut an answer that takes longer")

    def test_a_hundred_clocks_at_once(self):
        items = [{"url": self.fault.url("/stall"), "timeout_ms": 500 + n} for n in range(100)]
        document = self.batch(items, {"concurrency": 100})
        self.assertEqual(document["summary"]["by_code"], {"timeout": 100})
        for result in document["results"]:
            self.assert_error(result, "timeout", ("response", "connect"))

    def test_a_hundred_sleeps_at_concurrency_ten(self):
        items = [{"url": self.fault.url("/sleep", ms=100)} for _ in range(100)]
        document = self.batch(items, {"concurrency": 10})
        self.assertEqual(document["summary"]["succeeded"], 100)
        self.assertGreaterEqual(document["summary"]["duration_ms"], 990)
        self.assertLessEqual(self.fault.stats()["peak"]["/sleep"], 10)


if __name__ == "__main__":
    world.main()
