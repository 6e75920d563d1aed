#!/usr/bin/python3
# ctest: serial
# ctest: cost=95
"""An upstream's concurrency, rate and retry budget: over all batches of all callers, as the upstream itself saw it; and that
work which waits for them costs nothing.
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import limits  # noqa: E402
import world  # noqa: E402

AGAIN = {"backoff_ms": 1, "max_backoff_ms": 5}


class Concurrency(limits.Case):
    LIMIT = 7

    @classmethod
    def class_config(cls):
        return {"auth": cls.KEYS, "upstreams": [{"match": "*", "concurrency": cls.LIMIT}]}

    def test_two_batches_of_two_callers_together_never_pass_it(self):
        items = [{"url": self.url("/sleep", ms=10)} for _ in range(300)]
        runs = [world.in_thread(self.as_caller, key, items, {"concurrency": 100}) for key in (self.first, self.second)]
        for run in runs:
            self.all_fine(run.result(), 300)
        self.assertEqual((limits.overlap(self.seen()), len(self.seen())), (self.LIMIT, 600))

    def test_retries_are_calls_too(self):
        items = [{"url": self.url("/flaky", key="c%d" % n, fail=2, ms=5), "retry": {"max_attempts": 3, **AGAIN}} for n in range(100)]
        self.all_fine(self.as_caller(self.first, items, {"concurrency": 100}), 100)
        self.assertEqual((limits.overlap(self.seen()), len(self.seen())), (self.LIMIT, 300))

    def test_redirects_are_calls_too(self):
        items = [{"url": self.url("/redirect", to="/sleep?ms=10"), "max_redirects": 1} for _ in range(50)]
        self.all_fine(self.as_caller(self.first, items, {"concurrency": 50}), 50)
        self.assertLessEqual(limits.overlap(self.seen()), self.LIMIT)

    def test_each_origin_has_its_own(self):
        other = next(self.ports)
        items = [{"url": self.url("/sleep", port, ms=20)} for _ in range(60) for port in (self.port, other)]
        self.all_fine(self.as_caller(self.first, items, {"concurrency": 100}), 120)
        self.assertEqual([limits.overlap(self.seen(port=port)) for port in (self.port, other)], [self.LIMIT] * 2)
        self.assertGreater(limits.overlap(self.seen() + self.seen(port=other)), self.LIMIT)

    def test_a_callers_own_may_be_less(self):
        items = [{"url": self.url("/sleep", ms=5)} for _ in range(60)]
        self.all_fine(self.as_caller(self.first, items, {"concurrency": 3}), 60)
        self.assertEqual(limits.overlap(self.seen()), 3)

    def test_a_reload_that_changes_it(self):
        server = self.start({"upstreams": [{"match": "*", "concurrency": 2}]})
        run = world.in_thread(self.batch, [{"url": self.url("/gate", key=self.port)}] * 40, {"concurrency": 40}, server)
        active = lambda: self.fault.stats()["active"].get("/gate", 0)
        for limit, running in ((2, 2), (20, 20), (5, 20)):  # what runs is let be
            self.reload(server, {"upstreams": [{"match": "*", "concurrency": limit}]})
            world.wait_for("as many as may", lambda: active() >= running)
            self.assertEqual(world.settled(active), running)
        self.fault.open(self.port)
        self.all_fine(run.result(), 40)
        self.assertLessEqual(limits.overlap(self.seen()[20:]), 5)


class Rate(limits.Case):
    RATE = 20

    @classmethod
    def class_config(cls):
        return {"auth": cls.KEYS, "upstreams": [{"match": "*", "rate_limit": "%d/s" % cls.RATE}]}

    def items(self, count, path="/ok", **query):
        return [{"url": self.url(path, **query)} for _ in range(count)]

    def assert_kept(self, since, count, saved=1, rate=RATE):
        seen = self.seen()
        self.assertEqual(len(seen), count)
        limits.assert_rate(seen, rate, since, saved)
        limits.assert_windows(seen, rate)

    def test_two_callers_together_start_no_more_than_it(self):
        since = time.monotonic()
        runs = [world.in_thread(self.as_caller, key, self.items(40, "/echo/" + name), {"concurrency": 40})
                for name, key in (("a", self.first), ("b", self.second))]
        for run in runs:
            self.all_fine(run.result(), 40)
        took = time.monotonic() - since
        self.assert_kept(since, 80)
        self.assertLess(took, 4 * 80 / self.RATE, "it is a rate, not a standstill")
        half = [r["path"] for r in self.seen()[:40]]
        self.assertGreater(min(half.count("/echo/a"), half.count("/echo/b")), 10, "they take turns")

    def test_a_second_without_calls_is_saved_and_no_more(self):
        def measure():
            self.port = next(self.ports)
            self.all_fine(self.as_caller(self.first, self.items(1)), 1)
            time.sleep(2.5)
            since = time.monotonic()
            self.all_fine(self.as_caller(self.first, self.items(60), {"concurrency": 60}), 60)
            burst = self.seen()[1:]
            limits.assert_rate(burst, self.RATE, since, self.RATE)
            limits.assert_windows(burst, self.RATE)
            self.assertLess(burst[self.RATE - 1]["at"] - since, 0.5, "what was saved goes at once")
        world.again(measure)

    def test_retries_are_starts_too(self):
        server = self.start({"upstreams": [{"match": "*", "rate_limit": "5/s"}]})
        items = [{"url": self.url("/flaky", key="r%d" % n, fail=2), "retry": {"max_attempts": 3, **AGAIN}} for n in range(5)]
        since = time.monotonic()
        self.all_fine(self.batch(items, server=server), 5)
        self.assert_kept(since, 15, rate=5)

    def test_connections_that_are_refused_are_starts_too(self):
        url = "http://127.0.0.1:%d/" % world.free_port()
        since = time.monotonic()
        result = self.as_caller(self.first, [{"url": url}] * 21, {"concurrency": 21})
        self.assertEqual(result["summary"]["by_code"], {"connect_failed": 21})
        self.assertGreaterEqual(time.monotonic() - since, 1)

    def test_a_batch_may_ask_for_less_besides(self):
        since = time.monotonic()
        slow = world.in_thread(self.as_caller, self.first, self.items(10, "/echo/slow"), {"rate_limit": "5/s"})
        fast = world.in_thread(self.as_caller, self.second, self.items(40, "/echo/fast"), {"rate_limit": "1000/s", "concurrency": 40})
        self.all_fine(slow.result(), 10)
        self.all_fine(fast.result(), 40)
        limits.assert_rate(self.seen("/echo/slow"), 5, since)
        self.assert_kept(since, 50)

    def test_at_the_batchs_end_those_without_a_turn_are_rate_limited(self):
        server = self.start({"upstreams": [{"match": "*", "rate_limit": "2/s"}]})
        since = time.monotonic()
        results = self.batch(self.items(200), {"batch_timeout_ms": 1500, "concurrency": 200}, server)["results"]
        took = time.monotonic() - since
        fine = [r for r in results if r["success"]]
        self.assertEqual(len(fine), len(self.seen()))
        self.assertLessEqual(len(fine), 1 + 2 * took)
        self.assertGreaterEqual(len(fine), 1)
        self.assertLess(took, limits.AT_ONCE)
        for result in results:
            if not result["success"]:
                self.assert_error(result, "rate_limited", sent=False, retryable=True)
                self.assertEqual((result["attempts"], result["status"]), (0, None))
                self.assertRegex(result["error"]["message"], "rate limit.*127.0.0.1")

    def test_a_retry_without_a_turn_before_the_items_end(self):
        server = self.start({"upstreams": [{"match": "*", "rate_limit": "1/min"}]})
        item = {"url": self.url("/flaky", key="late", fail=1), "retry": {"max_attempts": 3, **AGAIN}, "timeout_ms": 700}
        self.assert_error(self.one(server=server, **item), "timeout", "retry_wait", sent=True, status=503)
        self.assertEqual(len(self.seen()), 1)

    def test_it_is_kept_while_nobody_asks(self):
        """A batch that ends takes the upstream's bucket with it no more than its breaker."""
        server = self.start({"upstreams": [{"match": "*", "rate_limit": "1/min"}]})
        self.all_fine(self.batch(self.items(1), server=server), 1)
        for _ in range(5):
            result = self.one({"batch_timeout_ms": 100}, server, url=self.url())
            self.assert_error(result, "rate_limited", sent=False)
        self.assertEqual(len(self.seen()), 1)

    def test_who_waits_for_a_token_holds_no_slot_of_others(self):
        server = self.start({"pool": {"max_in_flight": 4}, "upstreams": [{"match": "127.0.0.1:%d" % self.port, "rate_limit": "1/min"}]})
        waits = world.in_thread(self.batch, self.items(100), {"batch_timeout_ms": 5000, "concurrency": 100}, server)
        world.wait_for("the first", lambda: self.seen())
        other = next(self.ports)
        self.all_fine(self.batch([{"url": self.url("/ok", other)}] * 100, server=server), 100)
        self.assertTrue(waits.is_alive())
        self.assertEqual(waits.result()["summary"]["by_code"], {"rate_limited": 99})


class Budget(limits.Case):
    SLOTS, PERCENT = 50, 20
    FEW = 14  # of which PERCENT are less than the three that may always

    @classmethod
    def class_config(cls):
        return {"upstreams": [{"match": "*", "concurrency": cls.SLOTS, "retry_budget": "%d%%" % cls.PERCENT}]}

    def failing_once(self, count, path="/flaky", ms=20, **members):
        return [{"url": self.url(path, key="%d-%d" % (self.port, n), n=n, fail=1, ms=ms), "retry": {"max_attempts": 3, **AGAIN}, **members}
                for n in range(count)]

    def held(self, count):
        return [{"url": self.url("/gate", key="held%d" % self.port, n="h%d" % n)} for n in range(count)]

    def held_again(self, count, **members):
        return [{"url": self.url("/gate", key="again%d" % self.port, n=n, fail=1), "retry": {"max_attempts": 3, **AGAIN}, **members}
                for n in range(count)]

    def active(self, word):
        return len([r for r in self.seen("/gate") if word in r["target"] and not r["until"]])

    def test_retries_never_crowd_out_first_attempts(self):
        self.all_fine(self.batch(self.failing_once(400), {"concurrency": 200}), 400)
        again = limits.repeats(self.seen())
        self.assertEqual((len(again), len(self.seen())), (400, 800))
        self.assertLessEqual(limits.overlap(again), max(3, self.SLOTS * self.PERCENT // 100))
        server = self.start({"upstreams": [{"match": "*", "concurrency": self.SLOTS}]})

        def without():
            self.port = next(self.ports)
            self.all_fine(self.batch(self.failing_once(400), {"concurrency": 200}, server), 400)
            self.assertGreater(limits.overlap(limits.repeats(self.seen())), 3 * self.SLOTS * self.PERCENT // 100, "without a budget they do")
        world.again(without)  # where the machine is slow, few of them overlap

    def test_a_share_of_what_is_in_flight(self):
        """Of 30 first attempts that are held, and of the other batch's calls: 8 at most."""
        run = world.in_thread(self.batch, self.held(30), {"concurrency": 50})
        world.wait_for("them to be held", lambda: self.active("held") == 30)
        again = world.in_thread(self.batch, self.held_again(30), {"concurrency": 8})
        world.wait_for("all first attempts", lambda: len(self.seen()) >= 67)
        self.assertEqual(world.settled(lambda: self.active("again")), 7, "7 <= 20 % of 38, 8 are more")
        self.fault.open("held%d" % self.port)
        self.all_fine(run.result(), 30)
        self.assertEqual(world.settled(lambda: self.active("again")), 7, "no more than were")
        self.fault.open("again%d" % self.port)
        self.all_fine(again.result(), 30)
        self.assertEqual(len(limits.repeats(self.seen())), 30)

    def test_three_may_always(self):
        again = world.in_thread(self.batch, self.held_again(20), {"concurrency": self.FEW})
        world.wait_for("the first of them", lambda: self.active("again") >= 3)
        self.assertEqual(world.settled(lambda: self.active("again")), 3)
        self.fault.open("again%d" % self.port)
        self.all_fine(again.result(), 20)

    def test_it_holds_over_all_batches(self):
        runs = [world.in_thread(self.batch, items, {"concurrency": self.FEW // 2}) for items in (self.held_again(40)[:20], self.held_again(40)[20:])]
        world.wait_for("the first of them", lambda: self.active("again") >= 3)
        self.assertEqual(world.settled(lambda: self.active("again")), 3)
        self.fault.open("again%d" % self.port)
        for run in runs:
            self.all_fine(run.result(), 20)

    def test_one_that_waits_past_its_items_clock_ends_there(self):
        again = world.in_thread(self.batch, self.held_again(3))
        world.wait_for("the budget to be used up", lambda: self.active("again") == 3)
        late = [{**item, "url": item["url"].replace("n=", "n=late")} for item in self.held_again(5, timeout_ms=700)]
        for result in self.batch(late)["results"]:
            self.assert_error(result, "timeout", "retry_wait", sent=True, retryable=True, status=503)
            self.assertEqual((result["attempts"], result["body"]), (1, None))
        self.assertEqual(len(self.seen()), 3 + 3 + 5)
        self.fault.open("again%d" % self.port)
        self.all_fine(again.result(), 3)

    def test_while_retries_wait_first_attempts_go_on(self):
        again = world.in_thread(self.batch, self.held_again(20), {"concurrency": self.FEW})
        world.wait_for("the budget to be used up", lambda: self.active("again") == 3)
        self.all_fine(self.batch([{"url": self.url("/ok")}] * 100), 100)
        self.assertTrue(again.is_alive())
        self.assertLess(len(limits.repeats(self.seen("/gate"))), 20)
        self.fault.open("again%d" % self.port)
        self.all_fine(again.result(), 20)

    def test_each_upstream_has_its_own(self):
        again = world.in_thread(self.batch, self.held_again(20), {"concurrency": self.FEW})
        world.wait_for("the budget to be used up", lambda: self.active("again") == 3)
        key, self.port = self.port, next(self.ports)
        self.all_fine(self.batch(self.failing_once(20)), 20)
        self.fault.open("again%d" % key)
        self.all_fine(again.result(), 20)

    def test_a_reload_that_takes_it_away_lets_them_go(self):
        server = self.start({"upstreams": [{"match": "*", "retry_budget": "10%"}]})
        again = world.in_thread(self.batch, self.held_again(20), {"concurrency": 50}, server)
        world.wait_for("the budget to be used up", lambda: self.active("again") == 3)
        self.reload(server, {"upstreams": [{"match": "*"}]})
        world.wait_for("all of them", lambda: self.active("again") == 20)
        self.fault.open("again%d" % self.port)
        self.all_fine(again.result(), 20)


class Parked(limits.Case):
    """What waits computes nothing and wakes nobody: the clock's ticks and how often a thread woke while 10,000 items wait, beside
    what it takes to run them."""
    COUNT, SPAN = 10000, 3.0
    WAKES = 20  # in SPAN: for what is not about the items, such as a timer of the kernel's making

    @classmethod
    def class_config(cls):
        return {"limits": {"max_concurrency": 1000}}

    def cpu(self, server):
        return world.cpu_of(server.serving_pid)

    def wakes(self, server):
        """How often threads of the server went to sleep so far: as often they were woken. TSan has one of its own, that looks around ten times a second."""
        found, tasks = 0, "/proc/%d/task" % server.serving_pid
        for task in os.listdir(tasks):
            with open("%s/%s/status" % (tasks, task), encoding="ascii") as source:
                text = source.read()
            if int(task) == server.serving_pid or not text.startswith("Name:\tbatchgate\n"):
                found += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M).group(1))
        return found

    def still(self, server, run):
        """Nothing happens while `run` waits; the ticks there were."""
        world.settled(lambda: self.cpu(server))
        ticks, wakes, seen = self.cpu(server), self.wakes(server), self.fault.hits()
        time.sleep(self.SPAN)
        ticks, wakes = self.cpu(server) - ticks, self.wakes(server) - wakes
        self.assertEqual(self.fault.hits(), seen)
        self.assertTrue(run.is_alive())
        self.assertLessEqual(wakes, self.WAKES)
        return ticks

    def little(self, idle, work):
        self.assertLessEqual(idle * 10, work, "%d ticks while they waited, %d while they ran" % (idle, work))

    def parked(self, server, path, free, first=0):
        """COUNT items wait for what `free` gives, but for the first of them."""
        queued = lambda: server.metrics().of("batchgate_queued")
        run = world.in_thread(self.batch, [{"url": self.url(path)}] * self.COUNT, {"concurrency": 1000, "include_body": "none"}, server)
        world.wait_for("them to wait", lambda: queued() == self.COUNT - first)
        idle = self.still(server, run)
        begun = self.cpu(server)
        free()
        self.all_fine(run.result(), self.COUNT)
        self.little(idle, self.cpu(server) - begun)

    def test_behind_a_full_upstream(self):
        server = self.start({**self.class_config(), "upstreams": [{"match": "*", "concurrency": 4}]})
        holds = world.in_thread(self.batch, [{"url": self.url("/gate", key=self.port)}] * 4, None, server)
        world.wait_for("the slots to be taken", lambda: len(self.seen()) == 4)
        self.parked(server, "/ok", lambda: self.fault.open(self.port))
        self.all_fine(holds.result(), 4)

    def test_behind_an_empty_bucket(self):
        server = self.start({**self.class_config(), "upstreams": [{"match": "*", "rate_limit": "1/h"}]})
        self.parked(server, "/ok", lambda: self.reload(server, self.class_config()), first=1)

    def test_behind_a_pause(self):
        server = self.start(self.class_config())
        self.assertEqual(self.one(server=server, url=self.url("/503ra", status=429, ra=20, key=self.port))["status"], 429)
        self.parked(server, "/ok", lambda: None)

    def test_behind_a_probe(self):
        server = self.start({**self.class_config(), "upstreams": [{"match": "*", "breaker": {"failures": 1, "open": "1ms", "max_open": "1ms"}}]})
        self.assertEqual(self.one(server=server, url=self.url("/status/503"))["status"], 503)
        time.sleep(0.1)
        probe = world.in_thread(self.batch, [{"url": self.url("/gate", key=self.port)}], None, server)
        world.wait_for("the probe", lambda: self.seen("/gate"))
        self.parked(server, "/ok", lambda: self.fault.open(self.port))
        self.all_fine(probe.result(), 1)

    def test_behind_a_retry_budget(self):
        server = self.start({**self.class_config(), "upstreams": [{"match": "*", "retry_budget": "1%"}]})
        holds = [{"url": self.url("/gate", key=self.port, n=n, fail=1), "retry": {"max_attempts": 2, **AGAIN}} for n in range(3)]
        run = world.in_thread(self.batch, holds, None, server)
        world.wait_for("the budget to be used up", lambda: len(self.seen()) == 6)
        items = [{"url": self.url("/flaky", key=n, fail=1), "retry": {"max_attempts": 2, **AGAIN}, "timeout_ms": 100000} for n in range(2000)]
        waits = world.in_thread(self.batch, items, {"concurrency": 1000}, server)
        world.wait_for("all first attempts", lambda: self.fault.hits("/flaky") == 2000)
        idle = self.still(server, waits)
        begun = self.cpu(server)
        self.fault.open(self.port)
        self.all_fine(run.result(), 3)
        self.all_fine(waits.result(), 2000)
        self.little(idle, self.cpu(server) - begun)


if __name__ == "__main__":
    world.main()
