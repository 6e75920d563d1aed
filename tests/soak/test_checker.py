#!/usr/bin/python3
"""The soak's checker: true records pass, up to the very bounds, and each kind of doctored one is found."""
import copy
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import checker  # noqa: E402
import doctor  # noqa: E402

BOUNDS = {"upstreams": {"few": 6}, "endpoints": {"keyed": 7}, "endpoint_rates": {}, "upstream_rates": {"few": 100.0}, "max_in_flight": 8,
          "http2": ["multi"], "trouble": {}, "budgets": {"again": {"concurrency": 24, "percent": 25}},
          "breakers": {"sick": {"failures": 5, "open_s": 0.5, "max_open_s": 2.0, "connect_s": 1.0}}}
FREE = {"upstreams": {}, "upstream_rates": {}, "max_in_flight": 99}


class Records:
    """A world made by hand: what was seen, and what was told."""

    def __init__(self):
        self.hits, self.batches, self.now = [], [], 100.0

    def batch(self, name, endpoint=None, shape="sync", **facts):
        self.now += 1
        batch = {"batch": name, "caller": "alice", "endpoint": endpoint, "shape": shape, "ordered": False, "items": [], "concurrency": 6, "rate": None, "stop": False,
                 "batch_timeout_ms": 300000, "status": 200, "whole": True, "gone": False, "results": [], "posted": self.now, "ended": None, **facts}
        self.batches.append(batch)
        return batch

    def item(self, batch, seen=((200, "answer"),), method="POST", key=None, at=0.05, apart=0.2, up="few", lasts=0.05, wait=0, **told):
        """One more item; `seen`: (status, fate) of each time it came; `wait`: what each answer asks for."""
        index = len(batch["items"])
        tag, last = "%s-%d" % (batch["batch"], index), seen[-1] if seen else (None, None)
        good = last == (200, "answer")
        batch["items"].append({"tag": tag, "id": tag, "upstream": up, "method": method, "sha": "s" + tag, "timeout_ms": 4000, "key": key,
                               "repeatable": bool(key) or method != "POST", "max_attempts": 3})
        for n, (status, fate) in enumerate(seen):
            start = batch["posted"] + at + n * apart
            self.hits.append({"up": up, "tag": tag, "hit": n + 1, "conn": 1, "method": method, "path": "/a/" + tag, "key": "k" + tag if key else None,
                              "sha": "s" + tag, "start": start, "end": start + lasts, "what": "fine", "status": status, "out": "o%s%d" % (tag, n), "wait": wait,
                              "fate": fate})
        result = {"index": index, "id": tag, "success": good, "status": last[0], "code": None if good else "upstream_status", "reason": None,
                  "sent": bool(seen), "attempts": len(seen), "duration_ms": 1000 * (lasts + apart * max(0, len(seen) - 1)) + 1, "queue_ms": 1000 * at - 1, "out": "o%s%d" % (tag, len(seen) - 1),
                  "version": "v0" if batch["endpoint"] else None, "fallback_used": not good if batch["endpoint"] else None, **told}
        batch["results"].append(result)
        return result

    def close(self):
        for batch in self.batches:
            batch["ended"] = batch["posted"] + 5
            failed = [r["code"] for r in batch["results"] if not r["success"]]
            batch["summary"] = {"total": len(batch["items"]), "succeeded": len(batch["items"]) - len(failed), "failed": len(failed),
                                "by_code": {c: failed.count(c) for c in failed}, "concurrency": batch["concurrency"]}
        return self

    def judge(self, **bounds):
        return checker.judge(checker.Run(self.hits, self.batches, {**BOUNDS, **bounds}))


def true_records():
    made = Records()
    for number in range(4):
        batch = made.batch("a%d" % number)
        for _ in range(6):  # six at once is what is allowed
            made.item(batch)
    batch = made.batch("b", concurrency=1)
    for n in range(3):
        made.item(batch, at=0.1 + 0.2 * n)
    batch = made.batch("c")
    made.item(batch, seen=((503, "answer"), (200, "answer")))
    made.item(batch, seen=((None, "cut"), (200, "answer")), method="GET")
    made.item(batch, seen=((404, "answer"),))
    made.item(batch, seen=((None, "cut"),), code="upstream_protocol", status=None, out=None)
    made.item(batch, seen=((None, "left"),), code="timeout", reason="response", status=None, duration_ms=4001.0, out=None)
    made.item(batch, seen=(), code="connect_failed", attempts=3, out=None)
    for shape, endpoint in (("completion", "keyed"), ("sync", "keyed")):
        batch = made.batch("d" + shape, endpoint, shape)
        for n in range(3):
            made.item(batch, key="any", at=0.1 + n * 0.2)
    return made.close()


class Checker(unittest.TestCase):
    def found(self, made, *rules, **bounds):
        wrong = made.judge(**bounds)
        self.assertEqual(sorted(wrong), sorted(rules), wrong)

    def test_true_records_pass(self):
        self.found(true_records())

    def test_each_doctored_record_is_found(self):
        for spoil in doctor.ALL:
            with self.subTest(spoil=spoil.__name__):
                made = true_records()
                rule = spoil(made.hits, made.batches)
                self.assertIsNotNone(rule, "nothing to spoil")
                self.assertIn(rule.__name__, made.judge())

    def test_doctoring_is_what_makes_the_difference(self):
        made = true_records()
        before = copy.deepcopy((made.hits, made.batches))
        made.judge()
        self.assertEqual((made.hits, made.batches), before, "judging changes nothing")

    def test_a_bound_that_is_met_passes_and_one_more_does_not(self):
        self.found(true_records(), upstreams={"few": 6})
        self.found(true_records(), "concurrency", upstreams={"few": 5})
        self.found(true_records(), "concurrency", max_in_flight=5)

    def test_spans_that_touch_do_not_overlap(self):
        self.assertEqual(checker.overlap([(0, 1), (1, 2), (2, 3)]), 1)
        self.assertEqual(checker.overlap([(0, 1.1), (1, 2), (1.05, 3)]), 3)

    def test_a_breaker_opens_between_two_attempts_and_nowhere_else(self):
        def judged(*seen, status=None, **more):
            made = Records()
            made.item(made.batch("a"), seen=seen, code="circuit_open", status=status, out=None, up="sick", **more)
            return sorted(made.close().judge(trouble={"sick": [(100.0, 110.0)]}))
        cut, busy = (None, "cut"), (503, "answer")
        for allowed in (judged(cut, method="GET"), judged(cut, key="any"), judged(busy, status=503), judged(cut, cut, method="GET"),
                        judged(cut, cut, cut, method="GET")):
            self.assertEqual(allowed, [])
        for wrong in (judged(cut), judged(busy), judged((404, "answer"), status=404), judged(busy, busy, busy, status=503),
                      judged((200, "answer"), success=False, status=200), judged(busy, (None, "left"))):
            self.assertEqual(wrong, ["truth"])

    def test_a_call_that_was_given_up_counts_nothing(self):
        made = Records()
        batch = made.batch("a", concurrency=1)
        for _ in range(9):
            made.item(batch, seen=((None, "left"),), code="timeout", reason="response", status=None, duration_ms=4000.0)
        self.found(made.close())

    def test_a_rate_with_its_burst(self):
        for count, wrong in ((20, ()), (21, ("rates",))):
            made = Records()
            batch = made.batch("a", rate=10.0, concurrency=32)
            for n in range(count):  # ten at once, and ten more within a second
                made.item(batch, at=0.001 + (n - 9) * 0.1 if n > 9 else 0.001)
                batch["results"][-1]["queue_ms"] = 1000 * (0.0005 + max(0, n - 9) * 0.1)
            if count == 21:
                made.hits[-1]["start"] = made.hits[-2]["start"]
                batch["results"][-1]["queue_ms"] = batch["results"][-2]["queue_ms"]
            self.found(made.close(), *wrong, upstreams={"few": 99}, upstream_rates={}, max_in_flight=99)

    def test_a_start_that_may_have_been_earlier_is_no_burst(self):
        made = Records()
        batch = made.batch("a", rate=10.0, concurrency=32)
        for n in range(30):  # all seen late and together: the wire held them up
            made.item(batch, at=3.0, seen=((200, "answer"),))
            batch["results"][-1]["queue_ms"] = 100.0 * n
        self.found(made.close(), upstreams={"few": 99}, upstream_rates={}, max_in_flight=99)

    def test_clients_that_left_are_owed_nothing_but_the_bounds(self):
        made = Records()
        batch = made.batch("a", shape="leave", status=None, whole=False, gone=True)
        made.item(batch, seen=((None, "left"),))
        made.item(batch, seen=((None, "cut"), (None, "left")))
        made.close()
        batch.update(results=[], summary=None)
        self.found(made, "repeats")

    def test_the_second_try_on_a_dead_connection_is_let_through_for_what_may_be_repeated(self):
        for method, wrong in (("GET", ()), ("POST", ("repeats",))):
            made = Records()
            made.item(made.batch("a"), seen=((None, "cut"), (200, "answer")), method=method)
            made.batches[0]["items"][0]["max_attempts"] = 1
            self.found(made.close(), *wrong)

    def test_what_was_answered_in_the_end_must_be_told(self):
        for told in ({"success": False, "code": "upstream_protocol", "status": 200}, {"status": 201}, {"success": False, "code": "upstream_status"}):
            made = Records()
            made.item(made.batch("a"), **told)
            self.assertIn("truth", made.close().judge())
        made = Records()  # but a clock may have been first
        made.item(made.batch("a"), success=False, code="timeout", reason="response", status=None, duration_ms=4000.0)
        self.found(made.close())


class Spared(unittest.TestCase):
    """What the upstream is spared: what is surely wrong is found, and what may have been right is not."""

    def found(self, made, *rules, **bounds):
        wrong = made.close().judge(**{**FREE, **bounds})
        self.assertEqual(sorted(wrong), sorted(rules), wrong)

    def paused_by(self, wait, status=429, **more):
        made = Records()
        made.item(made.batch("a"), seen=((status, "answer"),), at=0.0, wait=wait, **more)
        return made

    def test_a_call_during_a_pause_is_found_and_one_that_was_on_its_way_is_not(self):
        for at, wrong in ((0.4, ("paused",)), (1.04, ("paused",)), (1.06, ()), (0.28, ())):  # the last may have begun before the pool heard
            made = self.paused_by(1)
            made.batch("b", posted=101.0)
            made.item(made.batches[1], at=at)
            self.found(made, *wrong)

    def test_a_call_that_is_seen_late_is_not(self):
        made = self.paused_by(1)
        made.item(made.batch("b", posted=101.0), at=0.9, queue_ms=30.0)
        self.found(made)

    def test_a_pause_is_of_one_caller_at_one_upstream_and_of_429_alone(self):
        for pause, call, caller in (({}, {}, "bob"), ({}, {"up": "other"}, "alice"), ({"status": 503}, {}, "alice"), ({"up": "other"}, {}, "alice")):
            made = self.paused_by(1, **pause)
            made.item(made.batch("b", posted=101.0, caller=caller), at=0.5, **call)
            self.found(made)

    def test_a_429_that_the_server_may_not_have_read_pauses_nobody(self):
        made = self.paused_by(1, code="timeout", reason="response", duration_ms=4000.0)
        made.batches[0]["results"][0]["status"] = None
        made.item(made.batch("b", posted=101.0), at=0.5)
        self.found(made)

    def retried(self, count, beside=0, status=500):
        made = Records()
        batch = made.batch("a", concurrency=99)
        for _ in range(count):
            made.item(batch, seen=((status, "answer"), (200, "answer")), up="again")
        for _ in range(beside):
            made.item(batch, up="again", lasts=0.5)
        return made

    def test_three_retries_may_always_be_in_flight_and_else_their_share_of_what_is(self):
        for count, beside, wrong in ((3, 0, ()), (4, 0, ("budget",)), (4, 12, ("budget",)), (4, 13, ()), (5, 15, ("budget",)), (5, 16, ())):
            self.found(self.retried(count, beside), *wrong)

    def test_the_share_is_of_no_more_than_the_upstream_may_have(self):
        self.found(self.retried(5, 80))
        self.found(self.retried(6, 80), "budget")

    def test_a_second_try_of_libcurls_is_no_retry(self):
        made = Records()
        batch = made.batch("a", concurrency=99)
        for _ in range(9):
            made.item(batch, seen=((None, "cut"), (200, "answer")), method="GET", up="again")
        self.found(made)

    def broken(self, *more, failures=5):
        """A breaker that opens, and what came behind that: (at, status, how long it took)."""
        made = Records()
        batch = made.batch("a", concurrency=99)
        for _ in range(failures):
            made.item(batch, seen=((503, "answer"),), up="sick", at=0.1)
        for at, status, lasts in more:
            made.item(batch, seen=((status, "answer"),), up="sick", at=at, lasts=lasts)
        return made

    def test_probes_come_one_at_a_time_and_ever_more_seldom(self):
        good = (0.75, 503, 0.05), (1.81, 503, 0.05), (3.37, 200, 0.05), (3.4, 200, 0.05), (3.41, 200, 0.05)
        self.found(self.broken(*good), "breaker")  # two while the third probe is under way
        self.found(self.broken(*good[:3], (3.43, 200, 0.05), (3.43, 503, 0.05)))
        self.found(self.broken((0.75, 503, 0.05), (1.79, 503, 0.05)), "breaker")
        self.found(self.broken((0.75, 503, 0.05), (1.81, 503, 0.05), (3.35, 503, 0.05)), "breaker")
        self.found(self.broken((0.75, 503, 0.05), (0.75, 503, 0.05)), "breaker")

    def test_what_was_on_its_way_when_it_opened_goes_on(self):
        self.found(self.broken(*[(0.3 + n / 100, 503, 0.05) for n in range(9)]))

    def test_four_failures_open_nothing_and_a_success_between_them_begins_anew(self):
        late = [(0.7 + n / 10, 503, 0.05) for n in range(4)]
        self.found(self.broken(*late[:1], failures=4))
        self.found(self.broken((0.3, 200, 0.2), *late))

    def test_a_breaker_that_opened_refuses_until_it_has_been_open_long_enough(self):
        def refused(at, failures=5, **more):
            made = self.broken(failures=failures)
            made.item(made.batch("b", posted=101.0), seen=(), up="sick", at=at, code="circuit_open", out=None, **more)
            return made
        self.found(refused(0.3))
        self.found(refused(0.3, failures=4), "cause")
        self.found(refused(2.6))  # it is open for 2 s at most, and this is how much of it nobody saw
        self.found(refused(2.7), "cause")

    def test_a_success_behind_the_failures_closes_it(self):
        for at, wrong in ((1.0, ("cause",)), (0.9, ())):  # the pool may have heard of it only then
            made = self.broken((0.3, 200, 0.05))
            made.hits[-1]["start"] = 101.45  # behind all failures, whenever they were heard of
            made.hits[-1]["end"] = 101.46
            made.batches[0]["results"][-1].update(queue_ms=449.0, duration_ms=11.0)
            made.item(made.batch("b", posted=101.0), seen=(), up="sick", at=at, code="circuit_open", out=None)
            self.found(made, *wrong)

    def test_a_breaker_may_open_for_what_nobody_saw_in_a_time_of_trouble(self):
        for trouble, wrong in (([(100.0, 101.2)], ()), ([(90.0, 90.5)], ("cause",)), ([(109.0, 110.0)], ("cause",))):
            made = Records()
            made.item(made.batch("a"), seen=(), up="sick", code="circuit_open", out=None)
            self.found(made, *wrong, trouble={"sick": trouble})

    def test_what_an_http2_upstream_refuses_unseen_is_no_attempt_too_many(self):
        for up, attempts, wrong in (("multi", 6, ()), ("multi", 9, ("repeats",)), ("few", 6, ("repeats",))):
            made = Records()
            made.item(made.batch("a"), up=up, attempts=attempts)
            self.found(made, *wrong)


if __name__ == "__main__":
    unittest.main(verbosity=2)
