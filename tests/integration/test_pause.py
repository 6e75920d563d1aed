#!/usr/bin/python3
# ctest: cost=75
"""An upstream's 429 with a wait: that caller's calls there pause for so long, nobody else's do, and nothing is burnt meanwhile.

Judged by the upstream's log: each test has an upstream of its own, which answers 429 to its first calls and then 200.
"""
import email.utils
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import limits  # noqa: E402
import named  # noqa: E402
import streams  # noqa: E402
import world  # noqa: E402

CONCURRENCY = 8
NEARLY = 0.01  # seconds by which the upstream's clock may seem to lag: it notes an answer before it is sent
RETRY = {"max_attempts": 3, "backoff_ms": 1, "max_backoff_ms": 5}


class Case(limits.Case):
    @classmethod
    def class_config(cls):
        return {"auth": cls.KEYS}

    def throttled(self, count, fail=1, ra="2", name="Retry-After", path="/503ra", port=None, status=429, **members):
        """Calls of which the first `fail` are answered so."""
        url = self.url(path, port, status=status, fail=fail, ra=ra, name=name, key=port or self.port)
        return [{"url": url, **members} for _ in range(count)]

    def run_as(self, key, items, concurrency=CONCURRENCY, server=None, **options):
        return self.as_caller(key, items, {"concurrency": concurrency, **options}, server)

    def fine(self, count, path="/ok", port=None):
        return [{"url": self.url(path, port)} for _ in range(count)]

    def pause(self, ra="5", server=None, key=None):
        """The first caller has one; when it began."""
        document = self.run_as(key or self.first, self.throttled(1, ra=ra), server=server)
        self.assertEqual(document["results"][0]["status"], 429)
        return self.seen()[-1]["until"]

    def assert_given_up(self, result, status=None, attempts=0):
        """It was not tried (again), because the wait would be longer than it has time."""
        self.assert_error(result, "rate_limited", sent=attempts > 0, retryable=True)
        self.assertEqual((result["attempts"], result["status"], result["body"]), (attempts, status, None), result)
        self.assertRegex(result["error"]["message"], r"^127\.0\.0\.1:\d+ answered 429 .* longer wait .*: \d+\.\d s$")


class Pauses(Case):
    def waits(self, least, **said):
        """Until then the upstream is left alone by this caller, who ends with successes only."""
        began = time.monotonic()
        document = self.run_as(self.first, self.throttled(60, CONCURRENCY, retry=RETRY, **said))
        self.all_fine(document, 60)
        seen = self.seen()
        self.assertEqual(len(seen), 60 + CONCURRENCY, "no attempt was burnt")
        until = seen[0]["until"] + least - NEARLY if least else None
        early = [r for r in seen if r["at"] < (until or began)]
        self.assertLessEqual(len(early), CONCURRENCY, "only what was under way when the first answer came")
        return seen

    def test_seconds(self):
        self.waits(2)

    def test_milliseconds(self):
        self.waits(0.7, ra="700", name="retry-after-ms")

    def test_a_date(self):
        date = int(time.time()) + 4
        until = time.monotonic() + date - time.time()
        seen = self.waits(1, ra=email.utils.formatdate(date, usegmt=True))
        self.assertLessEqual(len([r for r in seen if r["at"] < until - NEARLY]), CONCURRENCY)

    def test_an_item_without_retries_is_told_and_the_others_wait(self):
        document = self.run_as(self.first, self.throttled(40), 1)
        first, *others = document["results"]
        self.assert_error(first, "upstream_status", status=429, retryable=True, sent=True)
        self.assertEqual(first["body"], "later")
        self.assertTrue(all(r["success"] and r["attempts"] == 1 for r in others))
        told, *after = self.seen()
        self.assertEqual(len(after), 39)
        self.assertGreaterEqual(min(r["at"] for r in after), told["until"] + 2 - NEARLY)

    def test_another_caller_goes_on(self):
        began = self.pause("6")
        waits = world.in_thread(self.run_as, self.first, self.fine(50, "/echo/first"))
        self.all_fine(self.run_as(self.second, self.fine(50, "/echo/second")), 50)
        self.assertLess(self.seen("/echo/second")[-1]["until"], began + 6)
        self.all_fine(waits.result(), 50)
        self.assertGreaterEqual(self.seen("/echo/first")[0]["at"], began + 6 - NEARLY)

    def test_another_upstream_goes_on_in_the_same_batch(self):
        other = next(self.ports)
        began = self.pause("6")
        items = [item for pair in zip(self.fine(50), self.fine(50, port=other)) for item in pair]
        self.all_fine(self.run_as(self.first, items), 100)
        self.assertLess(self.seen(port=other)[-1]["until"], began + 6, "though those that wait came first")
        self.assertGreaterEqual(self.seen("/ok")[0]["at"], began + 6 - NEARLY)

    def test_all_batches_of_the_caller_wait_those_that_come_and_those_that_are_there(self):
        there = world.in_thread(self.run_as, self.first, [*self.fine(1, "/sleep?ms=1500"), *self.fine(20, "/echo/there")], 1)
        world.wait_for("the first of it", lambda: self.seen("/sleep"))
        began = self.pause("5")
        comes = [world.in_thread(self.run_as, self.first, self.fine(20, "/echo/comes")) for _ in range(3)]
        for run, count in [(there, 21), *((run, 20) for run in comes)]:
            self.all_fine(run.result(), count)
        for path, count in (("/echo/there", 20), ("/echo/comes", 60)):
            self.assertEqual(len(self.seen(path)), count)
            self.assertGreaterEqual(self.seen(path)[0]["at"], began + 5 - NEARLY)

    def test_what_is_under_way_is_let_be(self):
        run = world.in_thread(self.run_as, self.first, [{"url": self.url("/gate", key=self.port)}])
        world.wait_for("the call", lambda: self.seen("/gate"))
        began = self.pause("6")
        self.fault.open(self.port)
        self.all_fine(run.result(), 1)
        self.assertLess(self.seen("/gate")[0]["until"], began + 6)

    def test_the_longest_counts(self):
        """Two were told, in either order."""
        for waits in (("4", "1"), ("1", "4")):
            with self.subTest(waits=waits):
                self.port = next(self.ports)
                items = [self.throttled(1, ra=ra)[0] for ra in waits]
                for n, item in enumerate(items):
                    item["url"] = item["url"].replace("key=", "key=%d-" % n).replace("/503ra?", "/503ra?ms=%d&" % (300 * (n + 1)))
                document = self.run_as(self.first, items)
                self.assertEqual([r["status"] for r in document["results"]], [429, 429])
                long = next(r for r in self.seen() if "ms=%d&" % (300 * (waits.index("4") + 1)) in r["target"])
                self.all_fine(self.run_as(self.first, self.fine(5)), 5)
                self.assertGreaterEqual(self.seen("/ok")[0]["at"], long["until"] + 4 - NEARLY)

    def test_it_is_told_again_and_waits_again(self):
        self.all_fine(self.run_as(self.first, self.throttled(10, 2, ra="1", retry=RETRY), 1), 10)
        first, second, *others = self.seen()
        self.assertGreaterEqual(second["at"], first["until"] + 1 - NEARLY)
        self.assertGreaterEqual(others[0]["at"], second["until"] + 1 - NEARLY)
        self.assertEqual(len(others), 10)

    def test_it_outlives_the_batch_that_was_told(self):
        began = self.pause("3")
        self.all_fine(self.run_as(self.first, self.fine(1)), 1)
        self.assertGreaterEqual(self.seen("/ok")[0]["at"], began + 3 - NEARLY)
        self.all_fine(self.run_as(self.first, self.fine(50)), 50)

    def test_a_client_that_leaves_while_it_waits(self):
        began = self.pause("3")
        with self.server.connect() as sock:
            items = ", ".join('{"url": "%s"}' % self.url("/echo/left") for _ in range(50))
            sock.sendall(world.frame("POST", "/v1/batch", ('{"items": [%s]}' % items).encode(),
                                     [("Content-Type", "application/json"), ("Authorization", "Bearer " + self.first)]))
            world.wait_for("them to wait", lambda: self.queued() == 50)
        world.wait_for("them to be cancelled", lambda: self.queued() == 0)
        self.all_fine(self.run_as(self.first, self.fine(10)), 10)
        self.assertGreaterEqual(self.seen("/ok")[0]["at"], began + 3 - NEARLY)
        self.assertEqual(self.seen("/echo/left"), [])

    def queued(self):
        return self.server.metrics([("Authorization", "Bearer " + self.admin)]).of("batchgate_queued")

    admin, admin_hash = world.make_key()

    @classmethod
    def class_config(cls):
        return {"auth": {"keys": cls.KEYS["keys"] + [{"name": "admin", "sha256": [cls.admin_hash], "admin": True}]}}

    def test_a_server_that_is_stopped_meanwhile(self):
        server = self.start()
        self.assertEqual(self.one(server=server, **self.throttled(1, ra="60")[0])["status"], 429)
        began = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - began, limits.AT_ONCE)

    def test_a_drain_ends_what_waits(self):
        server = self.start({"server": {"drain_timeout": "1s"}})
        self.assertEqual(self.one(server=server, **self.throttled(1, ra="60")[0])["status"], 429)
        run = world.in_thread(self.batch, self.fine(20), None, server)
        world.wait_for("them to wait", lambda: server.metrics().of("batchgate_queued") == 20)
        os.kill(server.serving_pid, signal.SIGTERM)
        for result in run.result()["results"]:
            self.assert_error(result, "cancelled", "drain", sent=False)
        server.ended(0)

    def test_a_reload_does_not_forget_it(self):
        server = self.start()
        self.assertEqual(self.one(server=server, **self.throttled(1, ra="4")[0])["status"], 429)
        began = self.seen()[-1]["until"]
        self.reload(server, {"upstreams": [{"match": "*", "concurrency": 50}]})
        self.all_fine(self.batch(self.fine(20), server=server), 20)
        self.assertGreaterEqual(self.seen("/ok")[0]["at"], began + 4 - NEARLY)


class TooLong(streams.Case, named.Case, Case):
    @classmethod
    def class_config(cls):
        url = "http://127.0.0.1:%d/503ra?status=429&ra=3600&key=endpoint&fail=1000" % cls.fault.ports["http"]
        return {"endpoints": {"asks": {"url": url, "fallback": "{instead: .item, code: .error.code}"}}}

    def at_once(self, items, concurrency=CONCURRENCY, **options):
        began = time.monotonic()
        results = self.batch(items, {"concurrency": concurrency, **options})["results"]
        self.assertLess(time.monotonic() - began, limits.AT_ONCE)
        return results

    def test_the_rest_of_the_batch_ends_at_once(self):
        results = self.at_once(self.throttled(1000, 1000, ra="3600"), batch_timeout_ms=60000)
        told = [r for r in results if r["status"] == 429]
        self.assertEqual(len(told), len(self.seen()))
        self.assertLessEqual(len(told), CONCURRENCY)
        for result in results:
            if result in told:
                self.assert_error(result, "upstream_status", sent=True, retryable=True)
            else:
                self.assert_given_up(result)
        for result in self.at_once(self.fine(100), batch_timeout_ms=60000):
            self.assert_given_up(result)
        self.assertEqual(len(self.seen()), len(told))

    def test_what_asked_for_retries_keeps_the_429(self):
        results = self.at_once(self.throttled(50, 50, ra="3600", retry=RETRY), batch_timeout_ms=60000)
        told = [r for r in results if r["status"] == 429]
        self.assertEqual((len(told), {r["attempts"] for r in told}), (len(self.seen()), {1}))
        for result in results:
            if result not in told:
                self.assert_given_up(result)

    def test_numbers_beyond_all_measure(self):
        for ra in ("99999999999999999999", email.utils.formatdate(time.time() + 10 ** 9, usegmt=True)):
            with self.subTest(ra=ra):
                self.port = next(self.ports)
                results = self.at_once(self.throttled(50, 50, ra=ra), 1)
                self.assertEqual(results[0]["status"], 429)
                for result in results[1:]:
                    self.assert_given_up(result)

    def test_a_retry_that_was_waiting_when_the_pause_came(self):
        """503 first, then another item's 429: it is over when its turn would be."""
        retried = world.in_thread(self.one, None, None, url=self.url("/503ra", ra=2, key="own"), retry=RETRY, timeout_ms=30000)
        world.wait_for("its second attempt's time", lambda: self.server.metrics().total("batchgate_upstream_waiting") == 1)
        self.pause_alone("3600")
        self.assert_given_up(retried.result(), 503, 1)

    def pause_alone(self, ra):
        self.assertEqual(self.one(**self.throttled(1, ra=ra)[0])["status"], 429)

    def test_a_batch_that_has_the_time_waits(self):
        self.pause_alone("3")
        began = self.seen()[-1]["until"]
        short = self.at_once(self.fine(20), batch_timeout_ms=1000)
        for result in short:
            self.assert_given_up(result)
        self.assertLess(time.monotonic(), began + 3, "the machine was too slow to tell")
        self.all_fine(self.batch(self.fine(20), {"batch_timeout_ms": 60000}), 20)
        self.assertEqual(len(self.seen()), 21)

    def test_lines(self):
        stream = self.stream(self.throttled(1000, 1000, ra="3600"), {"concurrency": 1})
        document = streams.check_values(stream.values(), 1000)
        self.assertTrue(stream.whole)
        self.assertEqual(document["summary"]["by_code"], {"upstream_status": 1, "rate_limited": 999})

    def test_stop_on_error_stops_at_the_first(self):
        self.pause_alone("3600")
        results = self.at_once(self.fine(50), stop_on_error=True)
        self.assert_given_up(results[0])
        for result in results[1:]:
            self.assert_error(result, "cancelled", "stop_on_error", sent=False)

    def test_a_named_endpoint_gives_its_fallback(self):
        results = self.results("asks", list(range(100)))
        self.assertEqual({r["error"]["code"] for r in results[1:]} - {"upstream_status"}, {"rate_limited"})
        for result in results:
            self.assertTrue(result["fallback_used"])
            self.assertEqual(result["result"], {"instead": result["index"], "code": result["error"]["code"]})


class PausesNothing(Case):
    def go_on(self, **said):
        """One after the other: nobody waits for anything, as the upstream saw it."""
        def measure():
            self.port = next(self.ports)
            document = self.run_as(self.first, self.throttled(20, **said), 1)
            self.assertEqual([r["success"] for r in document["results"]], [False] + [True] * 19)
            at = [r["at"] for r in self.seen()]
            self.assertEqual(len(at), 20)
            self.assertLess(max(b - a for a, b in zip(at, at[1:])), 0.7)
        world.again(measure, 2)

    def test_a_429_that_names_no_wait(self):
        self.go_on(name="")

    def test_a_wait_that_is_none(self):
        for ra in ("0", email.utils.formatdate(time.time() - 100, usegmt=True)):
            with self.subTest(ra=ra):
                self.go_on(ra=ra)

    def test_garbage(self):
        for ra in ("soon", "-5", "1.5", "", "7 apples", "Sun, 99 Foo 2030", "0x10", "5, 6"):
            with self.subTest(ra=ra):
                self.go_on(ra=ra)

    def test_garbage_milliseconds(self):
        for ra in ("fast", "-700", "1e3", ""):
            with self.subTest(ra=ra):
                self.go_on(ra=ra, name="retry-after-ms")

    def test_a_503_with_a_wait_is_for_that_item_alone(self):
        self.go_on(status=503, ra="3")

    def test_a_success_with_a_wait(self):
        items = [{"url": self.url("/raw", hdr="Retry-After: 5", body="{}")} for _ in range(20)]
        self.all_fine(self.run_as(self.first, items, 1), 20)
        at = [r["at"] for r in self.seen()]
        self.assertLess(at[-1] - at[0], 5)


if __name__ == "__main__":
    world.main()
