#!/usr/bin/python3
"""`request` templates of named endpoints that fail, loop, swell and die: each costs its own item, and nothing else."""
import base64
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import named  # noqa: E402
import world  # noqa: E402
from named import program  # noqa: E402

SECONDS = 20  # "within a few seconds", on a machine that is busy with other things


class Requests(named.Case):
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
        self.failed(self.beside({"do": "regex"}))

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
        targets = [r["result"]["target"] for r in good]
        self.assertIn(targets.pop(), ["/echo?fixed=1&fixed=2&n=1000", "/echo?fixed=1&fixed=2&n=1000.0"])  # jq 1.7 keeps it as it came
        self.assertEqual(targets,
                         ["/echo?fixed=1&fixed=2&a=1&a=b&a=true", "/echo?fixed=3", "/echo?fixed=1&fixed=2&%C3%A9%20%26%3D=%C3%A9%20%26%3D%23",
                          "/echo?fixed=1&fixed=2"])
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


if __name__ == "__main__":
    world.main()
