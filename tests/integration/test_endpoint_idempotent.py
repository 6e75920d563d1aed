#!/usr/bin/python3
"""Endpoints that are idempotent: one key a call, over all its attempts."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import named  # noqa: E402
import world  # noqa: E402
from named import told  # noqa: E402


class Idempotent(named.Case):
    """`idempotent: true`: one key a call, over all its attempts."""

    @classmethod
    def class_config(cls):
        common = {"url": cls.fault.url("/told"), "request": "{body: .item}", "idempotent": True,
                  "retry": {"max_attempts": 4, "backoff": "1ms"}}
        return {"endpoints": {"calls": common, "not": {**common, "idempotent": False},
                              "own": {**common, "request": '{body: .item, headers: {"idempotency-KEY": "k-\\(.index)"}}'},
                              "fixed": {**common, "headers": {"Idempotency-Key": "operator"}},
                              "data": {**common, "request": '{body: .item, headers: {"Idempotency-Key": .item.own}}'},
                              "bare": {"url": cls.fault.url("/flaky", key="bare", fail=1), "idempotent": True, "method": "POST",
                                       "retry": {"max_attempts": 2, "backoff": "1ms"}}}}

    def keys(self):
        return [world.headers_of(r, "idempotency-key") for r in self.fault.asked()]

    def test_one_key_stays_over_all_attempts_and_differs_for_each_call(self):
        items = [told(body=n, statuses=[503, 503], key="a%d" % n) for n in range(5)]
        first = self.results("calls", items)
        self.assertEqual([r["attempts"] for r in first], [3] * 5)
        again = [told(body=n, statuses=[503], key="b%d" % n) for n in range(5)]
        self.results("calls", again)
        by_call = {}
        for record in self.fault.asked():
            by_call.setdefault(json.loads(world.body_of(record))["key"], []).append(
                world.headers_of(record, "idempotency-key"))
        self.assertEqual(len(by_call), 10)
        for keys in by_call.values():
            self.assertIn(len(keys), (2, 3))
            self.assertEqual(len(keys[0]), 1)
            self.assertRegex(keys[0][0], r"^[!-~]{16,255}$")
            self.assertEqual(keys, [keys[0]] * len(keys))
        self.assertEqual(len({k[0][0] for k in by_call.values()}), 10)

    def test_an_ambiguous_failure_is_repeated_only_there(self):
        reset = self.single("calls", told(body=1, statuses=[0], key="r"))
        self.assertEqual((reset["success"], reset["attempts"]), (True, 2))
        keys = self.keys()
        self.assertEqual(keys, [keys[0]] * 2)
        once = self.single("not", told(body=1, statuses=[0], key="s"))
        self.assert_error(once, "upstream_protocol", sent=True)
        self.assertEqual(once["attempts"], 1)

    def test_without_a_request_template_there_is_a_key_too(self):
        results = self.results("bare", [1, 2, 3])
        self.assertTrue(all(r["success"] for r in results), results)
        self.assertEqual(len({k[0] for k in self.keys()}), 3)

    def test_a_key_of_the_template_or_of_the_operator_stays(self):
        self.single("own", told(body=1, statuses=[503], key="t"))
        self.single("fixed", told(body=1))
        self.assertEqual(self.keys(), [["k-0"], ["k-0"], ["operator"]])

    def test_an_item_that_takes_the_key_away_is_not_repeated_without_one(self):
        for n, own in enumerate([None, [], "", " "]):
            self.fault.reset()
            result = self.single("data", {**told(body=1, statuses=[0], key="d%d" % n), "own": own})
            keys = self.keys()
            if isinstance(own, str):  # sent as it is, so nothing protects a second attempt
                self.assert_error(result, "upstream_protocol", sent=True)
                self.assertEqual(keys, [[""]])
            else:
                self.assertEqual((result["success"], result["attempts"]), (True, 2))
                self.assertRegex(keys[0][0], r"^[!-~]{16,255}$")
                self.assertEqual(keys, [keys[0]] * 2)


if __name__ == "__main__":
    world.main()
