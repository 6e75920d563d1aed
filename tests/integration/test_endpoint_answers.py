#!/usr/bin/python3
"""What `response`, `fallback` and `item_check` of named endpoints make of answers and items that nobody foresaw."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import named  # noqa: E402
import world  # noqa: E402
from named import program, told  # noqa: E402


class Answers(named.Case):
    """What `response`, `fallback` and `item_check` make of what comes."""

    @classmethod
    def class_config(cls):
        told_url = {"url": cls.fault.url("/told"), "request": "{body: .item}"}
        return {"limits": {"max_response": "11MiB"}, "endpoints": {
            "size": {**told_url, "response": "{kind: (.body | type), length: (.body | length), status}"},
            "hurt": {**told_url, "response": program(".body")},
            "strict": {**told_url, "response": ".body.value", "fallback": ".item.value"},
            "back": {**told_url, "fallback": 'if .item.f == "error" then error("no") elif .item.f == "none" then empty '
                     'elif .item.f == "two" then (1, 2) elif .item.f == "loop" then (def f: f; f) elif .item.f == "abort" '
                     'then ([] | .[536870912] = 1) else {code: .error.code, reason: .error.reason, f: .item.f, index} end'},
            "checked": {**told_url, "item_check": {"test": 'if .item.check == "error" then error("bad item") elif .item.check == "none" '
                                                   'then empty elif .item.check == "two" then (true, true) elif .item.check == "loop" then '
                                                   "(def f: f; f) else .item.check end", "message": "an item must say `check`"},
                        "fallback": '"fell back"'},
            "mute": {**told_url, "item_check": {"test": ".item.check"}},
            "gated": {"url": cls.fault.url("/gate", key="g"), "response": "1"},
        }}

    def test_answers_of_every_kind_reach_the_template(self):
        deep = lambda n: b"[" * n + b"]" * n
        items = [told(body=b"x" * (10 << 20), content_type="text/plain"), told(body=b'"' + b"x" * (10 << 20) + b'"'), told(body=deep(100)),
                 told(body=deep(60)), told(body=b"{not json"), told(body=b""), told(204), told(body=bytes(range(256)) * 3),
                 told(body=b"\xff\xfe\x00a", content_type="text/plain"), told(body={"a": 1, "b": 2}, encoding="gzip"),
                 told(body=b"\x00\x01\x02\x1f" * 1000, content_type="text/plain"), told(body=b"1e999"), told(body=b'{"a":1,"a":2}')]
        for item in items[:2]:
            item.update(body=item["body"][0:1] if item["body"][0] == "x" else "7", n=10 << 20)
        items[1]["body"] = "7"
        found = [r["result"] or r["error"]["message"] for r in self.results("size", items, options={"concurrency": 2})]
        self.assertEqual([f if isinstance(f, str) else (f["kind"], f["length"]) for f in found[:1] + found[2:11]],
                         [("string", 10 << 20), ("string", 200), ("array", 1), ("string", 9), ("null", 0), ("null", 0), ("string", 1024),
                          ("string", 8), ("object", 2), ("string", 4000)])
        self.assertEqual(found[12]["kind"], "object")
        self.at_rest()

    def test_a_huge_answer_that_a_template_cannot_hold_costs_its_item_alone(self):
        big = {"status": 200, "body": "\u0001", "n": 10 << 20, "type": "text/plain"}
        swollen = self.results("size", [big, told(body=[1])], options={"concurrency": 1})
        self.assertTrue(swollen[1]["success"])
        if not swollen[0]["success"]:
            self.failed(swollen[0], "response")
        too_large = self.results("size", [{**big, "n": 12 << 20}, told(body=[1])])
        self.assert_error(too_large[0], "response_too_large")
        self.assertTrue(too_large[1]["success"])
        self.at_rest()

    def test_a_response_template_that_misbehaves_costs_its_item_alone(self):
        bad = ["error", "nothing", "two", "loop", "swell", "abort", "recursion", "very_deep", "type"]
        items = [told(body=n) for n in range(30)]
        for n, what in enumerate(bad):
            items[3 * n] = {**told(body="seen"), "do": what}
        other = world.in_thread(self.results, "hurt", [told(body=n) for n in range(50)])
        results = self.results("hurt", items)
        for n, result in enumerate(results):
            if n < 27 and n % 3 == 0:
                self.failed(result, "response")
                self.assertEqual((result["status"], result["attempts"], result["result"]), (200, 1, None), bad[n // 3])
                self.assertEqual((result["body"], result["body_encoding"]), ("seen", "json"))
            else:
                self.assertEqual(result["result"], n)
        self.assertEqual([r["result"] for r in other.result()], list(range(50)))

    def test_a_response_that_fails_falls_back(self):
        good, bad, missing = self.results("strict", [told(body={"value": 1}, value=2), told(body="text", value=3), told(500, value=4)])
        self.assertEqual((good["success"], good["result"], good["fallback_used"]), (True, 1, False))
        self.assertEqual((bad["success"], bad["result"], bad["fallback_used"], bad["error"]["reason"]), (False, 3, True, "response"))
        self.assertEqual((missing["result"], missing["fallback_used"], missing["error"]["code"]), (4, True, "upstream_status"))

    def test_a_fallback_that_fails_leaves_the_item_as_it_was(self):
        items = [told(404, f=f) for f in ("error", "none", "two", "loop", "abort", "fine")]
        results = self.results("back", items)
        for result in results[:5]:
            self.assertEqual((result["result"], result["fallback_used"], result["error"]["code"], result["status"]),
                             (None, False, "upstream_status", 404))
        self.assertEqual(results[5]["result"], {"code": "upstream_status", "reason": None, "f": "fine", "index": 5})

    def test_items_that_never_started_fall_back_too(self):
        items = [told(ms=400)] + [told(f=n) for n in range(400)]
        results = self.results("back", items, options={"concurrency": 1, "batch_timeout_ms": 300})
        self.assertEqual({r["error"]["code"] for r in results}, {"timeout"})
        self.assertEqual([r["result"]["f"] for r in results[1:]], list(range(400)))
        stopped = self.results("back", [told(500)] + [told(f=n) for n in range(50)], options={"concurrency": 1, "stop_on_error": True})
        self.assertEqual([r["result"]["code"] for r in stopped], ["upstream_status"] + ["cancelled"] * 50)

    def test_thousands_of_fallbacks_at_once_are_all_made(self):
        count = 1500 if world.sanitized() else 5000  # their time is the same, and a helper takes a multiple of it there
        results = self.results("back", [told(ms=900)] + [told(f=n) for n in range(count)],
                               options={"concurrency": 1, "batch_timeout_ms": 800})
        self.assertEqual(sum(r["fallback_used"] for r in results), count + 1)
        self.at_rest()

    def test_item_check_fails_items_alone(self):
        checks = [True, 0, "", [], "yes", False, None, "error", "none", "two", "loop"]
        results = self.results("checked", [told(body=1, check=c) for c in checks] + [1])
        self.assertEqual([r["success"] for r in results], [True] * 5 + [False] * 7)
        for result in results[5:7]:
            self.assert_error(result, "invalid_item", sent=False, retryable=False)
            self.assertEqual(result["error"]["message"], "an item must say `check`")
            self.assertEqual((result["result"], result["attempts"]), ("fell back", 0))
        for result in results[7:]:
            self.failed(result)
            self.assertEqual(result["fallback_used"], True)
        self.assertEqual(self.fault.hits("/told"), 5)
        self.assertTrue(self.single("mute", told(check=False))["error"]["message"])

    def test_a_failed_template_stops_a_batch_that_stops_on_error(self):
        for name, bad in (("hurt", {**told(), "do": "error"}), ("checked", {"check": "error"})):
            items = [told(body=1, check=True), bad] + [told(body=1, check=True)] * 20
            results = self.results(name, items, options={"stop_on_error": True, "concurrency": 1})
            codes = [r["error"] and r["error"]["code"] for r in results]
            self.assertEqual(codes, [None, "transform_failed"] + ["cancelled"] * 20)

    def test_the_items_clock_runs_while_templates_do(self):
        result = self.single("checked", told(check="loop"), options={"timeout_ms": 150})
        self.assert_error(result, "timeout", sent=False)
        self.assertEqual((result["attempts"], result["status"]), (0, None))
        self.assertEqual(self.results("checked", [told(body=n, check=True) for n in range(10)])[9]["result"], 9)

    def test_a_result_is_the_templates_own_json(self):
        items = [told(body=b) for b in ("\u2028\n\"\\", {"é": [None, True]}, [])]
        self.assertEqual([r["result"] for r in self.results("hurt", items)], ["\u2028\n\"\\", {"é": [None, True]}, []])


if __name__ == "__main__":
    world.main()
