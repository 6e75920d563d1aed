#!/usr/bin/python3
# ctest: cost=30
# ctest: timeout=900
"""Fair turns: a batch of 3 never waits for one of 10,000, nor for a hundred batches of another caller, nor for a slow host."""
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


class Fair(world.Case):
    config = {"pool": {"max_in_flight": 16}}

    def test_three_beside_ten_thousand(self):
        big = world.in_thread(self.batch, [{"url": self.fault.url("/sleep", ms=10)} for _ in range(10000)], {"concurrency": 256})
        world.wait_for("the big batch to run", lambda: self.fault.hits("/sleep") > 50)
        done = [self.fault.hits("/sleep")]
        for _ in range(5):
            document = self.batch([{"url": self.fault.url("/ok")} for _ in range(3)])
            self.assertEqual(document["summary"]["succeeded"], 3)
            done.append(self.fault.hits("/sleep"))
        passed = statistics.median(after - before for before, after in zip(done, done[1:]))
        self.assertLess(passed, 1500, "the small ones waited for the big one")
        self.assertLess(done[-1], 9000)
        self.assertTrue(big.is_alive())
        self.assertEqual(big.result()["summary"]["succeeded"], 10000)

    def test_a_slow_host_does_not_fill_the_pool(self):
        other = os.path.join(self.folder, "other")
        os.mkdir(other)
        fast = world.Fault(other)
        self.addCleanup(fast.kill)
        server = self.start({"pool": {"max_in_flight": 16}, "upstreams": [{"match": self.fault.host, "concurrency": 4}]})
        slow = world.in_thread(self.batch, [{"url": self.fault.url("/sleep", ms=1000)} for _ in range(24)], {"concurrency": 24}, server)
        world.wait_for("the slow host to be full", lambda: self.fault.hits("/sleep") >= 4)
        document = self.batch([{"url": fast.url("/ok")} for _ in range(300)], server=server)
        self.assertEqual(document["summary"]["succeeded"], 300)
        self.assertTrue(slow.is_alive(), "the fast host waited for the slow one")
        self.assertLessEqual(self.fault.stats()["peak"]["/sleep"], 4)
        slow.result()

    def test_items_of_one_batch_to_a_fast_host_pass_those_to_a_slow_one(self):
        other = os.path.join(self.folder, "other2")
        os.mkdir(other)
        fast = world.Fault(other)
        self.addCleanup(fast.kill)
        server = self.start({"upstreams": [{"match": self.fault.host, "concurrency": 1}]})
        items = [{"url": self.fault.url("/sleep", ms=1000)} for _ in range(6)] + [{"url": fast.url("/ok")} for _ in range(20)]
        run = world.in_thread(self.batch, items, {"concurrency": 8}, server)
        world.wait_for("all of the fast ones", lambda: fast.hits("/ok") == 20)
        self.assertLess(self.fault.hits("/sleep"), 6)
        self.assertEqual(run.result()["summary"]["succeeded"], 26)


class Callers(world.Case):
    many, many_hash = world.make_key()
    few, few_hash = world.make_key()

    @classmethod
    def class_config(cls):
        return {"pool": {"max_in_flight": 8}, "auth": {"keys": [{"name": "many", "sha256": [cls.many_hash]}, {"name": "few", "sha256": [cls.few_hash]}]}}

    def post(self, key, count, path, **query):
        return self.server.post({"items": [{"url": self.fault.url(path, **query)} for _ in range(count)], "options": {"concurrency": 50}},
                                headers={"Authorization": "Bearer " + key})

    def test_one_callers_hundred_batches_do_not_keep_another_waiting(self):
        flood = [world.in_thread(self.post, self.many, 40, "/sleep", ms=20) for _ in range(100)]
        world.wait_for("the flood to run", lambda: self.fault.hits("/sleep") > 100)
        started = time.monotonic()
        for _ in range(3):
            answer = self.post(self.few, 3, "/ok")
            self.assertEqual(answer.json()["summary"]["succeeded"], 3)
        took = time.monotonic() - started
        self.assertLess(self.fault.hits("/sleep"), 3500, "most of the flood must still be waiting")
        self.assertLess(took, 30)
        for run in flood:
            self.assertEqual(run.result().json()["summary"]["succeeded"], 40)


if __name__ == "__main__":
    world.main()
