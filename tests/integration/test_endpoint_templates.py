#!/usr/bin/python3
"""Templates of named endpoints that fail, loop, swell and die: each costs its own item, and nothing else."""
import base64
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import named  # noqa: E402
import world  # noqa: E402
from named import told  # noqa: E402

SECONDS = 20  # "within a few seconds", on a machine that is busy with other things
PROGRAMS = {  # an item {"do": name} -> what its template does
    "error": 'error("no: \\(.item.do)")',
    "error_object": "error({code: 7})",
    "error_null": "error(null)",
    "nothing": "empty",
    "two": "({}, {})",
    "then_error": '({}, error("late"))',
    "string": '"text"',
    "list": "[]",
    "nul": "null",
    "number": "1",
    "loop": "(def f: f; f)",
    "long_loop": "(reduce range(1e12) as $i (0; . + 1) | {})",
    "repeat": "([limit(1e9; repeat(1))] | {})",
    "swell": "([range(1e9)] | {})",
    "swell_text": '("x" * 1e9 | {})',
    "double": '({body: (reduce range(40) as $i ("xxxxxxxx"; . + .))})',
    "recursion": "(def f: 1 + f; {body: f})",
    "deep_recursion": "(def f(n): if n == 0 then 0 else 1 + f(n - 1) end; {body: f(100000000)})",
    "abort": "([] | .[536870912] = 1 | {body: .})",
    "deep": "{body: (reduce range(200) as $i (0; [.]))}",
    "deep_fine": "{body: (reduce range(50) as $i (0; [.]))}",
    "very_deep": "{body: (reduce range(20000) as $i (0; [.]))}",
    "large": '{body: ("x" * 9000000)}',
    "type": "(.item.do + 1)",
    "index_type": "{body: (.item.do | .a.b)}",
    "regex": '("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab" | test("^(a+)+$") | {})',
}


def program(fine):
    """One program for all of it: it chooses by the item, as a careless one would."""
    arms = "".join("elif .item.do == \"%s\" then %s\n" % pair for pair in PROGRAMS.items())
    return "if (.item | type) != \"object\" or .item.do == null then %s\n%selse .item.do end" % (fine, arms)


class Base(named.Case):
    def failed(self, result, reason="request", what=None):
        self.assert_error(result, "transform_failed", reason, sent=reason == "response", retryable=False)
        if what:
            self.assertIn(what, result["error"]["message"])
        self.assertLess(len(result["error"]["message"]), 600)


class Requests(Base):
    """What `request` may give."""

    @classmethod
    def class_config(cls):
        return {"limits": {"max_body": "8MiB"}, "endpoints": {
            "act": {"url": cls.fault.url("/echo"), "headers": {"X-Fixed": "operator", "Authorization": "Bearer 12345678"},
                    "query": {"fixed": ["1", "2"]}, "request": program('{body: .item, path: "fine"}'), "response": "{fine: .index, target: .body.target}"},
            "head": {"url": cls.fault.url("/ok"), "method": "HEAD", "request": ".item"},
            "free": {"url": cls.fault.url("/echo/base/?a=b"), "method": "GET", "request": ".item", "response": ".body"},
            "fixed_type": {"url": cls.fault.url("/echo"), "headers": {"Content-Type": "text/plain"}, "request": ".item"},
        }}

    def beside(self, bad, count=50):
        """Runs the bad item in the midst of good ones, beside a good batch; gives its result."""
        before = self.server.metrics()
        other = world.in_thread(self.results, "act", list(range(count)))
        began = time.monotonic()
        results = self.results("act", list(range(count // 2)) + [bad] + list(range(count // 2)))
        self.assertLess(time.monotonic() - began, SECONDS)
        for result in other.result() + results[:count // 2] + results[count // 2 + 1:]:
            self.assertTrue(result["success"], result)
            self.assertEqual(result["result"]["fine"], result["index"])
        after = self.server.metrics()
        counted = after.of("batchgate_items_total", code="ok") - before.of("batchgate_items_total", code="ok")
        self.assertEqual(counted, 2 * count + results[count // 2]["success"])
        return results[count // 2]

    def test_a_program_that_fails_says_why(self):
        self.failed(self.beside({"do": "error"}), what="no: error")
        self.failed(self.beside({"do": "error_object"}), what='{"code":7}')
        self.failed(self.beside({"do": "type"}), what="cannot be added")
        self.failed(self.beside({"do": "index_type"}), what="index")
        self.failed(self.beside({"do": "error_null"}))

    def test_a_message_that_is_long_or_full_of_control_characters_is_tamed(self):
        self.failed(self.single("free", {"path": "x" * 100000 + "\n"}))
        config = {"endpoints": {"shout": {"url": self.fault.url("/ok"), "request": "error(.item)"}}}
        server = self.start(config)
        for text in ("é" * 100000, "a\u0000b\nc\u001b[2J\u007f", "😀" * 200, "%s%n%d", ""):
            result = self.single("shout", text, server=server)
            self.failed(result)
            self.assertFalse([c for c in result["error"]["message"] if ord(c) < 32 or ord(c) == 127])

    def test_no_output_two_outputs_and_no_object_are_failures(self):
        for what in ("nothing", "two", "then_error", "string", "list", "nul", "number"):
            self.failed(self.beside({"do": what}, 4))
        self.assertEqual(self.fault.hits("/echo/fine"), 7 * 8)

    def test_an_unknown_member_is_a_failure_that_names_it(self):
        for member in ("url", "method", "id", "timeout_ms", "retry", "max_redirects", "body_text", "body_base64", "Body", "form"):
            self.failed(self.single("act", {"do": {member: "x"}}), what=member)
        self.assertEqual(self.fault.hits(), 0)

    def test_programs_that_loop_end_alone(self):
        for what in ("loop", "long_loop"):
            self.failed(self.beside({"do": what}))

    def test_programs_that_swell_end_alone(self):
        for what in ("swell", "double", "repeat"):
            self.failed(self.beside({"do": what}))

    def test_a_string_times_a_billion_ends_alone(self):
        self.failed(self.beside({"do": "swell_text"}))

    def test_programs_that_recurse_end_alone(self):
        for what in ("recursion", "deep_recursion"):
            self.failed(self.beside({"do": what}))

    def test_programs_that_abort_their_process_end_alone(self):
        self.failed(self.beside({"do": "abort"}))

    def test_a_regular_expression_without_end_ends_alone(self):
        self.beside({"do": "regex"})

    def test_output_that_is_too_deep_or_too_large_is_a_failure(self):
        for what in ("deep", "very_deep", "large"):
            self.failed(self.beside({"do": what}, 4))
        self.assertTrue(self.beside({"do": "deep_fine"}, 4)["success"])

    def test_many_bad_ones_at_once_leave_the_good_ones_of_both_batches_whole(self):
        bad = [{"do": w} for w in ("abort", "error", "nothing", "swell", "loop", "deep")]
        other = world.in_thread(self.results, "act", list(range(100)))
        results = self.results("act", [x for n in range(6) for x in (n, bad[n], "good")])
        self.assertEqual([r["success"] for r in results], [True, False, True] * 6)
        self.assertTrue(all(r["success"] for r in other.result()))
        self.at_rest()

    # --- paths

    BAD_PATHS = ["..", "../x", "a/..", "a/../b", "/..", "/../", ".", "./a", "a/.", "a/./b", "%2e%2e", "%2E%2e/a", ".%2e", "%2e.",
                 "a/%2e%2e/b", "%2e", "..;/a", "a/..;x=1/b", ".;", "%2e%2e;x", "//", "//evil.example", "a//b", "///", "a//", "\\", "..\\..", "a\\b",
                 "\\\\evil.example", "%5c", "%5C", "a%2fb", "a%2Fb", "%2f%2fevil", "..%2f", "%00", "a%0ab", "a%0d%0aHost:%20x", "%7f", "%1f",
                 "%252e%252e", "%25", "%", "%2", "%g0", "a%", "%c0%ae%c0%ae", "%C0%AF", "a?b", "?", "#", "a#b", "a b", "a\tb", "a\nb",
                 "a\r\nHost: evil", "\u0000", "a\u0000b", "\u007f", "é", "\u2025", "http://evil.example/", "HTTPS://evil.example",
                 "x" * 8192, "a/" * 5000]
    BAD_LISTS = [[".."], ["a", "..", "b"], ["."], [""], ["a", ""], ["a/b"], ["/"], ["\\"], ["a\\b"], ["%2e%2e"], ["%2E."], ["a\nb"], ["\u0000"],
                 ["\u007f"], [None], [True], [["a"]], [{}], ["x" * 9000], ["é" * 3000], ["a"] * 5000, {"a": 1}, 1, True, None]

    def test_a_path_that_could_lead_elsewhere_is_a_failure(self):
        paths = self.BAD_PATHS + self.BAD_LISTS
        results = self.results("free", [{"path": p} for p in paths])
        for path, result in zip(paths, results):
            self.assertFalse(result["success"], path)
            self.failed(result)
        self.assertEqual(self.fault.hits(), 0)

    def test_a_path_is_appended_to_the_operators(self):
        good = [("x", "x"), ("/x", "x"), ("x/", "x/"), ("a/b/c", "a/b/c"), ("a%20b", "a%20b"), ("%C3%A9", "%C3%A9"), ("...", "..."), ("..a", "..a"),
                ("a..", "a.."), ("@evil.example", "@evil.example"), (":80", ":80"), ("a:b@c", "a:b@c"), ("~a;b=c,d", "~a;b=c,d"),
                (["a b", "c"], "a%20b/c"), (["é"], "%C3%A9"), (["a?b#c", "%41"], "a%3Fb%23c/%2541"), ([1, -2.5], "1/-2.5"), (["@x:y"], "%40x%3Ay"),
                (["..."], "..."), (["x" * 2000], "x" * 2000), (["😀"], "%F0%9F%98%80"), (["a;b"], "a%3Bb")]
        results = self.results("free", [{"path": p} for p, _ in good])
        for (path, wanted), result in zip(good, results):
            self.assertTrue(result["success"], (path, result))
            self.assertEqual(result["result"]["target"].replace("%40", "@").replace("%3A", ":").replace("%3B", ";"),
                             ("/echo/base/" + wanted + "?a=b").replace("%40", "@").replace("%3A", ":").replace("%3B", ";"))
        for nothing in ({}, {"path": ""}, {"path": []}):
            self.assertEqual(self.single("free", nothing)["result"]["target"], "/echo/base/?a=b")

    # --- headers, query, body

    def test_headers_of_the_operator_and_of_the_wire_are_out_of_reach(self):
        bad = [{"X-Fixed": "mine"}, {"x-fixed": "mine"}, {"X-FIXED": None}, {"x-Fixed": []}, {"x-fixed": ["a", "b"]}, {"authorization": None},
               {"AUTHORIZATION": "Bearer mine"}, {"Host": "evil.example"}, {"Content-Length": "0"}, {"Transfer-Encoding": "chunked"},
               {"Connection": "close"}, {"Upgrade": "x"}, {"Proxy-Authorization": "x"}, {"Expect": "x"}, {"TE": "x"}, {"Metadata-Flavor": "Google"},
               {"X-A": "a\r\nX-B: b"}, {"X-A": "a\nb"}, {"X-A": "a\rb"}, {"X-A": "a\u0000b"}, {"X-A\r\nX-B": "b"}, {"X A": "b"}, {"": "b"}, {"X-A:": "b"},
               {"X-A": 1}, {"X-A": {"a": 1}}, {"X-A": True}, {"X-A": ["a", None]}, {"X-A": "x" * 8193}, {"X-A": "a", "x-a": "b"},
               {"X-%d" % n: "x" for n in range(101)}, {"X-%d" % n: "x" * 4000 for n in range(20)}, ["X-A"], "X-A: b", 1]
        results = self.results("act", [{"do": {"headers": h}} for h in bad])
        for headers, result in zip(bad, results):
            self.assertFalse(result["success"], headers)
            self.failed(result)
        self.assertEqual(self.fault.hits(), 0)

    def test_other_headers_go_through(self):
        items = [{"headers": {"X-A": "ü", "X-B": ["1", "2"], "User-Agent": "mine/1", "X-Gone": None}}, {"headers": {}},
                 {"headers": {"X-%d" % n: "x" for n in range(90)}}]
        results = self.results("free", items)
        sent = [{n.lower(): v for n, v in r["result"]["headers"]} for r in results]
        self.assertEqual((sent[0]["x-a"].encode("latin-1").decode(), sent[0]["x-b"], sent[0]["user-agent"]), ("ü", "2", "mine/1"))
        self.assertNotIn("x-gone", sent[0])
        self.assertEqual(len([n for n in sent[2] if n.startswith("x-")]), 90)

    def test_a_head_request_with_a_body_is_a_failure(self):
        for body in ({"a": 1}, "x", None, 0):
            self.failed(self.single("head", {"body": body}), what="HEAD")
        self.assertTrue(self.single("head", {})["success"])

    def test_a_query_is_merged_by_name_and_nested_values_are_failures(self):
        good = self.results("act", [{"do": {"query": q}} for q in ({"a": [1, "b", True]}, {"fixed": 3}, {"é &=": "é &=#"}, {}, {"n": 1e3})])
        self.assertEqual([r["result"]["target"] for r in good],
                         ["/echo?fixed=1&fixed=2&a=1&a=b&a=true", "/echo?fixed=3", "/echo?fixed=1&fixed=2&%C3%A9%20%26%3D=%C3%A9%20%26%3D%23",
                          "/echo?fixed=1&fixed=2", "/echo?fixed=1&fixed=2&n=1000"])
        bad = [{"a": {"b": 1}}, {"a": [[1]]}, {"a": [{}]}, {"a": None}, {"a": [None]}, "a=b", ["a"], 1, {"a": "x" * 9000}]
        for result in self.results("act", [{"do": {"query": q}} for q in bad]):
            self.failed(result)

    def test_a_body_of_any_kind_goes_as_json(self):
        bodies = [None, False, 0, "", [], {"a": [1, {"b": None}]}, "é\u0000\n", 1e300]
        results = self.results("free", [{"body": b} for b in bodies])
        self.assertEqual([json.loads(base64.b64decode(r["result"]["body_base64"])) for r in results], bodies)
        self.assertEqual(self.single("free", {})["result"]["body_bytes"], 0)

    def test_items_of_every_kind_reach_the_template(self):
        items = [None, True, 0, -1.5, "", "\u0000😀", [], {}, [[[[[1]]]]], {"a": {"": 1}}, 1e308, "x" * 100000]
        for item, record in zip(items, [self.single("act", i) and self.fault.asked()[-1] for i in items]):
            if record["body_bytes"] <= 65536:
                self.assertEqual(json.loads(world.body_of(record)), item)
            else:
                self.assertEqual(record["body_bytes"], len(item) + 2)


class Answers(Base):
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
        count = 5000
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


class Processes(Base):
    """The helper processes, seen from outside."""

    @classmethod
    def class_config(cls):
        return {"pool": {"threads": 2}, "endpoints": {
            "act": {"url": cls.fault.url("/ok"), "request": "if .item == \"loop\" then (def f: f; f) else {} end", "response": ".index",
                    "timeout": "60s"},
            "wait": {"url": cls.fault.url("/gate", key="w"), "request": "{}", "response": ".index", "timeout": "60s"}}}

    def tearDown(self):
        self.at_rest()
        super().tearDown()

    def warm(self, server=None):
        """Both workers have their processes."""
        return world.wait_for("helper processes", lambda: self.results("act", list(range(20)), server=server) and
                              (lambda found: found if len(found) == 4 else None)(named.helpers(server or self.server)))

    def test_the_same_few_processes_serve_every_batch(self):
        before = sorted(self.warm())
        for _ in range(10):
            self.results("act", list(range(200)))
        self.assertEqual(sorted(named.helpers(self.server)), before)

    def test_processes_killed_while_they_idle_are_replaced(self):
        before = self.warm()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        for _ in range(5):
            results = self.results("act", list(range(50)))
            self.assertTrue(all(r["success"] or r["error"]["code"] == "transform_failed" for r in results))
        after = self.warm()
        self.assertFalse(set(before) & set(after))
        self.assertTrue(all(r["success"] for r in self.results("act", list(range(100)))))

    def test_processes_killed_at_work_cost_what_they_worked_on(self):
        before = self.warm()
        running = world.in_thread(self.results, "act", list(range(3000)), options={"concurrency": 40})
        world.wait_for("calls", lambda: self.fault.hits("/ok") > 100)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        results = running.result()
        failed = [r for r in results if not r["success"]]
        self.assertLessEqual(len(failed), 4)
        for result in failed:
            self.assertEqual(result["error"]["code"], "transform_failed")
        self.assertEqual([r["result"] for r in results if r["success"]], [r["index"] for r in results if r["success"]])
        self.warm()

    def test_helpers_hold_no_secret_and_nothing_of_the_server(self):
        for pid in self.warm() + [named.forker(self.server)]:
            with open("/proc/%d/environ" % pid, "rb") as source:
                text = source.read()
            self.assertEqual(text.strip(b"\0"), b"")

    def test_without_a_forker_items_fail_and_the_server_lives(self):
        server = self.start(self.server.config)
        self.warm(server)
        os.kill(named.forker(server), signal.SIGKILL)
        results = self.results("act", [1, 2, 3], server=server, options={"timeout_ms": 20000})
        for result in results:
            self.failed(result)
        self.assertEqual(self.one(server=server, url=self.fault.url("/ok"))["status"], 200)
        self.assertEqual(server.get("/readyz").status, 200)
        server.stop()

    def test_no_process_outlives_the_server(self):
        server = self.start(self.server.config)
        pids = self.warm(server) + [named.forker(server)]
        server.stop()
        world.wait_for("all of them to end", lambda: not [p for p in pids if named.alive(p)])
        server = self.start(self.server.config)
        pids = self.warm(server) + [named.forker(server)]
        os.kill(server.serving_pid, signal.SIGKILL)
        server.stopped = True
        world.wait_for("all of them to end", lambda: not [p for p in pids if named.alive(p)])

    def test_a_client_that_leaves_while_templates_run_leaves_nothing_behind(self):
        self.warm()
        self.at_rest()
        memory = self.server.metrics()
        body = json.dumps({"items": ["loop"] * 20 + list(range(500))}).encode()
        for shape in ("application/json", "application/x-ndjson"):
            with self.server.connect() as sock:
                sock.sendall(world.frame("POST", "/v1/batch/act", body, [("Content-Type", "application/json"), ("Accept", shape)]))
                world.wait_for("the batch to run", lambda: self.server.metrics().of("batchgate_in_flight") > 0)
            self.at_rest()
        name = next(n for n, _ in memory if "memory" in n and "used" in n)
        world.wait_for("the memory to come back", lambda: self.server.metrics().of(name) <= memory.of(name) + 65536)
        self.assertTrue(all(r["success"] for r in self.results("act", list(range(50)))))

    def test_a_drain_ends_what_runs_and_answers_it(self):
        for limit, loops in (("20s", 2), ("100ms", 40)):
            server = self.start({**self.server.config, "server": {"port": 0, "drain_timeout": limit}})
            running = world.in_thread(self.send, "act", ["loop"] * loops + list(range(20)), server=server)
            world.wait_for("the batch to run", lambda: server.metrics().of("batchgate_in_flight") > 0)
            os.kill(server.serving_pid, signal.SIGTERM)
            document = running.result().json()
            named.check_document(document, loops + 20)
            codes = {r["error"] and r["error"]["code"] for r in document["results"]}
            self.assertLessEqual(codes, {None, "transform_failed", "cancelled"})
            if limit == "20s":
                self.assertNotIn("cancelled", codes)
            server.ended(0)


if __name__ == "__main__":
    world.main()
