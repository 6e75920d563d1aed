#!/usr/bin/python3
# ctest: cost=35
# ctest: lock=breaker
"""How an upstream's breaker closes: one probe, and then all the others; and what comes in between."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import breakers  # noqa: E402
import limits  # noqa: E402
import world  # noqa: E402
from breakers import FAILURES, FOR_LONG, codes  # noqa: E402


class Recovers(breakers.Case):
    OPEN = 2.0

    @classmethod
    def class_config(cls):
        return {"upstreams": [{"match": "*", "breaker": {"failures": FAILURES, "open": "2s", "max_open": "1m"}}]}

    def fresh(self):
        """A new origin, opened; when that was."""
        self.port = next(self.ports)
        self.mood(503)
        self.batch(self.moody(FAILURES), {"concurrency": 1})
        return self.seen()[-1]["until"]

    def refused(self, count=20):
        for result in self.batch(self.moody(count))["results"]:
            self.assert_refused(result)

    def at(self, moment):
        time.sleep(max(0, moment - time.monotonic()))

    def in_time(self, latest):
        self.assertLess(time.monotonic(), latest, "the machine was too slow to tell")

    def probe_of(self, path="/mood"):
        """The first one since the FAILURES that opened it; nobody came before it was answered."""
        probe, *others = self.seen(path)[FAILURES:]
        for record in others:
            self.assertGreaterEqual(record["at"], probe["until"])
        return probe

    def test_one_probe_and_then_all_the_others(self):
        opened = self.fresh()
        self.mood(200)
        self.refused()
        self.assertEqual(len(self.seen()), FAILURES, "it is not asked, and could answer")
        self.at(opened + self.OPEN + 0.2)
        self.mood(200, 300)
        self.all_fine(self.batch(self.moody(50), {"concurrency": 50}), 50)
        probe = self.probe_of()
        self.assertGreaterEqual(probe["until"] - probe["at"], 0.3)
        self.assertGreaterEqual(probe["at"], opened + self.OPEN)
        self.assertEqual(len(self.seen()), FAILURES + 50)
        self.assertGreater(limits.overlap(self.seen()), 1, "closed, it lets them through together")

    def test_a_host_that_was_gone_and_comes_back(self):
        self.port = world.free_port()
        url = self.url("/sleep", ms=300)
        self.batch([{"url": url}] * FAILURES, {"concurrency": 1})
        opened = time.monotonic()
        self.assert_refused(self.one(url=url))
        folder = os.path.join(self.folder, "back")
        os.mkdir(folder)
        back = world.Fault(folder, args=("--port", str(self.port)))
        self.addCleanup(back.kill)
        self.at(opened + self.OPEN + 0.2)
        self.all_fine(self.batch([{"url": url}] * 50, {"concurrency": 50}), 50)
        probe, *others = back.asked("/sleep")
        self.assertEqual(len(others), 49)
        self.assertTrue(all(r["at"] >= probe["until"] for r in others))
        back.stop()

    def test_batches_of_others_wait_for_the_same_probe(self):
        opened = self.fresh()
        self.mood(200, 300)
        self.at(opened + self.OPEN + 0.2)
        runs = [world.in_thread(self.batch, self.moody(20), {"concurrency": 20}) for _ in range(5)]
        for run in runs:
            self.all_fine(run.result(), 20)
        self.probe_of()
        self.assertEqual(len(self.seen()), FAILURES + 100)

    def test_a_probe_that_fails_keeps_it_open_for_longer(self):
        def measure():
            opened = self.fresh()
            self.at(opened + self.OPEN + 0.2)
            self.mood(503, 300)
            results = self.batch(self.moody(50), {"concurrency": 50})["results"]
            self.assertEqual(codes(results), {"upstream_status": 1, "circuit_open": 49})
            for result in results:
                if result["error"]["code"] == "circuit_open":
                    self.assert_refused(result)
            self.assertEqual(len(self.seen()), FAILURES + 1)
            failed = self.probe_of()["until"]
            self.mood(200)
            self.at(failed + self.OPEN + 0.5)
            self.refused()
            self.in_time(failed + 2 * self.OPEN)
            self.assertEqual(len(self.seen()), FAILURES + 1, "open for as long again, and it is less than that")
            self.at(failed + 2 * self.OPEN + 0.2)
            self.all_fine(self.batch(self.moody(50), {"concurrency": 50}), 50)
        world.again(measure)

    def test_closed_again_it_counts_from_nothing(self):
        opened = self.fresh()
        self.mood(200)
        self.at(opened + self.OPEN + 0.2)
        self.all_fine(self.batch(self.moody(1)), 1)
        self.mood(503)
        results = self.batch(self.moody(FAILURES + 1), {"concurrency": 1})["results"]
        self.assertEqual([r["error"]["code"] for r in results], ["upstream_status"] * FAILURES + ["circuit_open"])

    def test_a_probe_that_says_nothing_makes_way_for_another(self):
        opened = self.fresh()
        self.mood(200)
        self.at(opened + self.OPEN + 0.2)
        clock = world.in_thread(self.batch, [{"url": self.url("/stall"), "timeout_ms": 1000}])
        world.wait_for("the probe", lambda: self.seen("/stall"))
        self.all_fine(self.batch(self.moody(20), {"concurrency": 20}), 20)
        self.assertEqual(codes(clock.result()["results"]), {"timeout": 1})
        self.probe_of()
        self.assertGreater(self.seen("/mood")[FAILURES]["at"], self.seen("/stall")[0]["at"] + 0.9)

    def test_a_probe_whose_client_leaves_makes_way_for_another(self):
        opened = self.fresh()
        self.mood(200)
        self.at(opened + self.OPEN + 0.2)
        with self.server.connect() as sock:
            sock.sendall(world.frame("POST", "/v1/batch", json.dumps({"items": [{"url": self.url("/stall")}]}).encode(),
                                     [("Content-Type", "application/json")]))
            world.wait_for("the probe", lambda: self.seen("/stall"))
            others = world.in_thread(self.batch, self.moody(20), {"concurrency": 20})
            world.wait_for("the others to wait", lambda: self.server.metrics().of("batchgate_queued") == 20)
            self.assertEqual(len(self.seen("/mood")), FAILURES)
        self.all_fine(others.result(), 20)
        self.probe_of()

    def test_whoever_waits_for_the_probe_waits_no_longer_than_the_batch(self):
        opened = self.fresh()
        self.mood(200)
        self.at(opened + self.OPEN + 0.2)
        probe = world.in_thread(self.batch, [{"url": self.url("/gate", key=self.port)}])
        world.wait_for("the probe", lambda: self.seen("/gate"))
        results = self.batch(self.moody(20), {"batch_timeout_ms": 500})["results"]
        for result in results:
            self.assert_error(result, "timeout", "queue", sent=False, retryable=True)
        self.fault.open(self.port)
        self.all_fine(probe.result(), 1)
        self.all_fine(self.batch(self.moody(20)), 20)

    def test_an_answer_of_any_kind_from_a_live_host_closes_it(self):
        for path in ("/status/404", "/status/500"):
            with self.subTest(path=path):
                opened = self.fresh()
                self.mood(200)
                self.at(opened + self.OPEN + 0.2)
                self.assert_error(self.one(url=self.url(path)), "upstream_status")
                self.all_fine(self.batch(self.moody(20)), 20)

    def test_a_retry_that_waits_longer_than_it_is_open_is_the_probe(self):
        for n in range(FAILURES - 1):
            self.assertEqual(self.one(url=self.url("/status/503"))["status"], 503, n)
        result = self.one(url=self.url("/503ra", key=self.port, ra=3), retry={"max_attempts": 2})
        self.assertTrue(result["success"], result)
        self.assertEqual((result["attempts"], len(self.seen("/503ra"))), (2, 2))
        self.assertTrue(self.one(url=self.url("/ok"))["success"])

    def test_a_reload_that_switches_it_off_closes_it(self):
        rule = {"match": "*", "breaker": FOR_LONG}
        server = self.start({"upstreams": [rule]})
        self.opens(self.url("/status/503"), "upstream_status", server=server)
        begun = len(self.seen())
        self.reload(server, {"upstreams": [{**rule, "concurrency": 100}]})
        self.still_open(self.url("/ok"), server=server)
        self.assertEqual(len(self.seen()), begun)
        self.reload(server, {"upstreams": [{"match": "*"}]})
        self.all_fine(self.batch([{"url": self.url("/ok")}] * 50, server=server), 50)
        results = self.batch([{"url": self.url("/status/503")}] * 50, server=server)["results"]
        self.assertEqual(codes(results), {"upstream_status": 50})
        self.reload(server, {"upstreams": [rule]})
        self.opens(self.url("/status/503"), "upstream_status", server=server)

    def test_a_reload_while_others_wait_for_the_probe_lets_them_go(self):
        server = self.start({"upstreams": [{"match": "*", "breaker": {"failures": 1, "open": "1ms", "max_open": "1ms"}}]})
        self.batch([{"url": self.url("/status/503")}], server=server)
        time.sleep(0.05)
        probe = world.in_thread(self.batch, [{"url": self.url("/gate", key=self.port)}], None, server)
        world.wait_for("the probe", lambda: self.seen("/gate"))
        others = world.in_thread(self.batch, self.moody(20), None, server)
        world.wait_for("the others to wait", lambda: server.metrics().of("batchgate_queued") == 20)
        self.reload(server, {"upstreams": [{"match": "*"}]})
        self.all_fine(others.result(), 20)
        self.fault.open(self.port)
        self.all_fine(probe.result(), 1)


if __name__ == "__main__":
    world.enter_namespace()
    world.main()
