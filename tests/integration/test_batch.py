#!/usr/bin/python3
# ctest: timeout=900
"""POST /v1/batch: the order of results, ids, options, and which members are refused."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import limits  # noqa: E402
import world  # noqa: E402
from world import echoed  # noqa: E402


class Order(world.Case):
    def test_results_keep_the_order_of_the_items_when_answers_arrive_reversed(self):
        items = [{"id": "i%d" % n, "url": self.fault.url("/sleep", ms=(20 - n) * 40, n=n)} for n in range(20)]
        document = self.batch(items, {"concurrency": 20})
        self.assertEqual([r["id"] for r in document["results"]], ["i%d" % n for n in range(20)])
        self.assertEqual([r["body"]["n"] for r in document["results"]], [str(n) for n in range(20)])
        self.assertTrue(all(r["success"] for r in document["results"]))

    def test_no_items_is_a_batch_without_results(self):
        document = self.batch([])
        self.assertEqual(document["results"], [])
        self.assertEqual(document["summary"]["by_code"], {})

    def test_a_thousand_items_each_get_their_own_answer(self):
        items = [{"id": n, "url": self.fault.url("/raw", ct="application/json", body=str(n))} for n in range(1000)]
        document = self.batch(items, {"concurrency": 64})
        self.assertEqual([r["body"] for r in document["results"]], list(range(1000)))
        self.assertEqual(self.fault.hits("/raw"), 1000)

    def test_a_broken_item_never_hurts_its_neighbours(self):
        urls = [self.fault.url("/ok"), self.fault.url("/rst"), self.fault.url("/ok"), "nonsense", self.fault.url("/ok"),
                self.fault.url("/garbage"), self.fault.url("/ok"), self.fault.url("/status/500"), self.fault.url("/ok")]
        document = self.batch([{"url": u} for u in urls])
        self.assertEqual([r["success"] for r in document["results"]], [True, False] * 4 + [True])
        self.assertEqual(document["summary"]["by_code"],
                         {"upstream_protocol": 2, "invalid_item": 1, "upstream_status": 1})

    def test_concurrency_is_never_exceeded_as_the_upstream_counts_it(self):
        items = [{"url": self.fault.url("/sleep", ms=30)} for _ in range(60)]
        document = self.batch(items, {"concurrency": 7})
        self.assertEqual(document["summary"]["concurrency"], 7)
        self.assertLessEqual(self.fault.stats()["peak"]["*"], 7)
        self.assertGreaterEqual(self.fault.stats()["peak"]["*"], 2)

    def test_concurrency_is_clamped_and_the_summary_says_to_what(self):
        self.assertEqual(self.batch([], {"concurrency": 100000})["summary"]["concurrency"], 256)
        self.assertEqual(self.batch([])["summary"]["concurrency"], 32)
        small = self.start({"limits": {"max_concurrency": 3}})
        items = [{"url": self.fault.url("/sleep", ms=20)} for _ in range(30)]
        document = self.batch(items, {"concurrency": 50}, server=small)
        self.assertEqual(document["summary"]["concurrency"], 3)
        self.assertLessEqual(self.fault.stats()["peak"]["*"], 3)

    def test_the_upstreams_and_the_pools_bounds_hold_over_all_batches(self):
        server = self.start({"pool": {"max_in_flight": 9}, "upstreams": [{"match": "127.0.0.1", "concurrency": 5}]})
        items = [{"url": self.fault.url("/sleep", ms=20)} for _ in range(40)]
        runs = [world.in_thread(self.batch, items, {"concurrency": 40}, server) for _ in range(3)]
        for run in runs:
            self.assertEqual(run.result()["summary"]["succeeded"], 40)
        self.assertLessEqual(self.fault.stats()["peak"]["*"], 5)
        self.assertGreaterEqual(self.fault.stats()["peak"]["*"], 2)

    def test_rate_limit_spreads_the_starts(self):
        """A batch begins with one token; what a hiccup delays comes later, never earlier."""
        posted = time.monotonic()
        items = [{"url": self.fault.url("/ok")} for _ in range(45)]
        self.batch(items, {"rate_limit": "20/s", "concurrency": 45})
        asked = sorted(self.fault.asked("/ok"), key=lambda record: record["at"])
        self.assertEqual(len(asked), 45)
        limits.assert_rate(asked, 20, posted)


class Ids(world.Case):
    def test_ids_are_echoed_as_sent(self):
        ids = ["a", 2, "2", -7, 99999999999999999999, "x" * 256, "\u00e9\U0001f600", "a\"b\\c\n", 0]
        document = self.batch([{"id": i, "url": self.fault.url()} for i in ids] + [{"url": self.fault.url()}])
        self.assertEqual([r["id"] for r in document["results"]], ids + [None])

    def test_an_integer_id_of_twenty_digits_is_not_rounded(self):
        body = b'{"items":[{"id":-1234567890123456789,"url":"%s"},{"id":12345678901234567890,"url":"%s"}]}' \
            % (self.fault.url().encode(), self.fault.url().encode())
        self.batch_bytes(body, 2)
        self.assertIn(b"-1234567890123456789", self.raw_answer)
        self.assertIn(b"12345678901234567890", self.raw_answer)

    def test_a_duplicate_id_refuses_the_batch_before_any_call(self):
        for first, second in (("a", "a"), (1, 1), ("a", "\u0061")):
            answer = self.server.post({"items": [{"id": first, "url": self.fault.url()}, {"url": self.fault.url()},
                                                 {"id": second, "url": self.fault.url()}]})
            problem = self.assert_problem(answer, 400, "duplicate_id")
            self.assertEqual(problem["errors"][0]["pointer"], "/items/2/id")
        escaped = '{"items":[{"id":"a","url":"%s"},{"id":"\\u0061","url":"%s"}]}' % (self.fault.url(), self.fault.url())
        self.assert_problem(self.server.post(escaped.encode()), 400, "duplicate_id")
        self.assertEqual(self.fault.hits(), 0)

    def test_an_id_that_cannot_be_one_spoils_its_item_alone(self):
        for bad in ("1.0", "1e3", "-0.0", '""', "true", "null", "[]", "{}", '"%s"' % ("x" * 257), "123456789012345678901"):
            with self.subTest(bad=bad):
                body = '{"items":[{"id":%s,"url":"%s"},{"id":"good","url":"%s"}]}' % (bad, self.fault.url(), self.fault.url())
                first, second = self.batch_bytes(body.encode(), 2)["results"]
                self.assert_error(first, "invalid_item", sent=False)
                self.assertIsNone(first["id"])
                self.assertTrue(second["success"])


class Options(world.Case):
    def test_include_headers(self):
        url = self.fault.url("/raw", ct="text/plain", body="x", hdr=["X-One: 1", "X-Two: a", "X-TWO: b", "Set-Cookie: a=b"])
        result = self.one({"include_headers": True}, url=url)
        self.assertEqual(result["headers"]["x-one"], "1")
        self.assertEqual(result["headers"]["x-two"], ["a", "b"])
        self.assertEqual(result["headers"]["content-type"], "text/plain")
        self.assertEqual([n for n in result["headers"] if n != n.lower()], [])
        self.assertNotIn("headers", self.one(url=url))
        self.assertEqual(len(self.fault.asked("/raw")), 2)
        self.one(url=url)
        self.assertEqual(world.headers_of(self.fault.asked("/raw")[-1], "cookie"), [])

    def test_a_header_that_is_not_utf8_does_not_break_the_answer(self):
        result = self.one({"include_headers": True}, url=self.fault.url("/raw", body="x", hdr="X-Latin: caf\u00e9"))
        self.assertTrue(result["success"])
        self.assertIn("x-latin", result["headers"])

    def test_a_content_type_is_sent_without_a_body_too(self):
        items = [{"url": self.fault.url("/echo"), "headers": {"Content-Type": "text/csv"}}, {"url": self.fault.url("/echo")}]
        for types, document in ((["text/csv", None], self.batch(items)), (["text/csv", "text/x"], self.batch(items, defaults={"headers": {"Content-Type": "text/x"}}))):
            for expected, result in zip(types, document["results"]):
                found = [v for n, v in result["body"]["headers"] if n.lower() == "content-type"]
                self.assertEqual((found, result["body"]["body_bytes"]), ([expected] if expected else [], 0))

    def test_include_timing(self):
        result = self.one({"include_timing": True}, url=self.fault.url("/ok"))
        timing = result["timing"]
        self.assertEqual(set(timing), {"url", "remote_address", "http_version", "queue_ms", "dns_ms", "connect_ms", "tls_ms",
                                       "first_byte_ms", "attempts"})
        self.assertEqual(timing["url"], self.fault.url("/ok"))
        self.assertEqual(timing["remote_address"], self.fault.host)
        self.assertIn(timing["http_version"], ("1.1", "HTTP/1.1"))
        for name in ("queue_ms", "dns_ms", "connect_ms", "tls_ms", "first_byte_ms"):
            self.assertGreaterEqual(timing[name], 0, name)
        self.assertEqual(len(timing["attempts"]), 1)
        self.assertEqual(set(timing["attempts"][0]), {"status", "code", "duration_ms", "wait_ms"})
        self.assertEqual(timing["attempts"][0]["status"], 200)
        self.assertNotIn("timing", self.one(url=self.fault.url("/ok")))

    def test_timing_of_several_attempts(self):
        result = self.one({"include_timing": True}, url=self.fault.url("/flaky", fail=2, key="timing"),
                          retry={"max_attempts": 3, "backoff_ms": 1})
        self.assertTrue(result["success"])
        self.assertEqual([a["status"] for a in result["timing"]["attempts"]], [503, 503, 200])

    def test_include_body(self):
        items = [{"url": self.fault.url("/status/200")}, {"url": self.fault.url("/status/404")}]
        want = {"all": [True, True], "failed": [False, True], "none": [False, False]}
        for choice, kept in want.items():
            results = self.batch(items, {"include_body": choice})["results"]
            self.assertEqual([r["body"] is not None for r in results], kept, choice)
            self.assertEqual([r["body_encoding"] is not None for r in results], kept, choice)

    def test_stop_on_error_starts_nothing_after_the_first_failure(self):
        items = [{"url": self.fault.url("/ok")}, {"url": self.fault.url("/status/500")}] \
            + [{"url": self.fault.url("/ok")} for _ in range(50)]
        document = self.batch(items, {"stop_on_error": True, "concurrency": 1})
        self.assertTrue(document["results"][0]["success"])
        self.assert_error(document["results"][1], "upstream_status")
        for result in document["results"][2:]:
            self.assert_error(result, "cancelled", "stop_on_error", sent=False, retryable=True)
            self.assertEqual((result["attempts"], result["duration_ms"]), (0, 0))
        self.assertEqual(self.fault.hits(), 2)

    def test_stop_on_error_lets_what_runs_finish(self):
        items = [{"url": self.fault.url("/sleep", ms=700)}, {"url": self.fault.url("/status/500")}] \
            + [{"url": self.fault.url("/ok")} for _ in range(20)]
        results = self.batch(items, {"stop_on_error": True, "concurrency": 2})["results"]
        self.assertTrue(results[0]["success"], results[0])

    def test_strict_refuses_before_any_call(self):
        items = [{"url": self.fault.url()}, {"method": "GET"}, {"url": self.fault.url(), "bodi": 1}, {"url": "http://a..b/"}]
        answer = self.server.post({"items": items, "options": {"strict": True}})
        problem = self.assert_problem(answer, 400, "invalid_request")
        self.assertEqual([e["pointer"] for e in problem["errors"]], ["/items/1/url", "/items/2/bodi", "/items/3/url"])
        self.assertEqual(self.fault.hits(), 0)

    def test_strict_does_not_refuse_for_a_blocked_target(self):
        results = self.batch([{"url": self.fault.url()}, {"url": "http://169.254.169.254/"}], {"strict": True})["results"]
        self.assertTrue(results[0]["success"])
        self.assert_error(results[1], "blocked_target", "address_denied", sent=False, retryable=False)

    def test_an_unknown_option_refuses_the_batch_with_a_hint(self):
        for options, pointer, hint in (({"timeout_ms": 5}, "/options/timeout_ms", "defaults.timeout_ms"),
                                       ({"concurency": 5}, "/options/concurency", "concurrency"),
                                       ({"max_redirects": 5}, "/options/max_redirects", "defaults.max_redirects")):
            problem = self.assert_problem(self.server.post({"items": [], "options": options}), 400, "invalid_request")
            self.assertEqual(problem["errors"][0]["pointer"], pointer)
            self.assertIn(hint, problem["errors"][0]["detail"])

    def test_an_unknown_member_elsewhere_refuses_the_batch(self):
        for document, pointer in (({"items": [], "item": 1}, "/item"), ({"items": [], "defaults": {"id": 1}}, "/defaults/id"),
                                  ({"items": [], "defaults": {"concurrency": 1}}, "/defaults/concurrency"),
                                  ({"items": [], "a/b~c": 1}, "/a~1b~0c"), ({"items": [], "concurrency": 3}, "/concurrency")):
            problem = self.assert_problem(self.server.post(document), 400, "invalid_request")
            self.assertEqual(problem["errors"][0]["pointer"], pointer)

    def test_an_unknown_member_of_an_item_spoils_that_item(self):
        first, second = self.batch([{"url": self.fault.url(), "timeout": 5}, {"url": self.fault.url()}])["results"]
        self.assert_error(first, "invalid_item", sent=False)
        self.assertIn("timeout", first["error"]["message"])
        self.assertTrue(second["success"])

    def test_wrong_types_in_options_and_defaults(self):
        cases = [({"concurrency": 0}, "options"), ({"concurrency": "5"}, "options"), ({"concurrency": 1.5}, "options"),
                 ({"batch_timeout_ms": 0}, "options"), ({"batch_timeout_ms": -1}, "options"), ({"strict": 1}, "options"),
                 ({"include_body": "some"}, "options"), ({"order": "random"}, "options"), ({"rate_limit": "fast"}, "options"),
                 ({"rate_limit": "0/s"}, "options"), ({"rate_limit": 5}, "options"), ({"label": 5}, "options"),
                 ({"retry": {"max_attempts": 11}}, "options"), ({"retry": {"max_attempts": 0}}, "options"),
                 ({"retry": {"retry_on": [99]}}, "options"), ({"retry": {"retry_on": "503"}}, "options"),
                 ({"retry": {"tries": 1}}, "options"), ({"retry": 3}, "options"), ({"timeout_ms": 0}, "defaults"),
                 ({"max_redirects": 11}, "defaults"), ({"max_redirects": -1}, "defaults"), ({"method": "get"}, "defaults"),
                 ({"headers": {"Host": "x"}}, "defaults"), ({"body": 1, "body_text": "x"}, "defaults"),
                 ({"url": 5}, "defaults"), ({"query": []}, "defaults")]
        for members, where in cases:
            with self.subTest(members=members):
                answer = self.server.post({"items": [{"url": self.fault.url()}], where: members})
                problem = self.assert_problem(answer, 400, "invalid_request")
                self.assertTrue(problem["errors"][0]["pointer"].startswith("/%s/" % where), problem)
        for where in ("options", "defaults"):
            self.assert_problem(self.server.post({"items": [], where: []}), 400, "invalid_request")

    def test_wrong_types_in_items(self):
        cases = [{"url": 5}, {"url": None}, {"url": self.fault.url(), "timeout_ms": 0}, {"url": self.fault.url(), "timeout_ms": "5"},
                 {"url": self.fault.url(), "max_redirects": 11}, {"url": self.fault.url(), "retry": {"max_attempts": 11}},
                 {"url": self.fault.url(), "retry": {"backoff_ms": -1}}, {"url": self.fault.url(), "retry": []}, 1, "x", None, [],
                 {}, {"url": self.fault.url() + "/" + "x" * 8192}]
        for case, result in zip(cases, self.batch(cases)["results"]):
            with self.subTest(case=case):
                self.assert_error(result, "invalid_item", sent=False, retryable=False)
                self.assertEqual(result["attempts"], 0)

    def test_everything_may_be_clamped_but_nothing_fails_for_it(self):
        document = self.batch([{"url": self.fault.url(), "timeout_ms": 10 ** 12}],
                              {"batch_timeout_ms": 10 ** 12, "concurrency": 10 ** 9})
        self.assertTrue(document["results"][0]["success"])
        self.assertEqual(document["summary"]["concurrency"], 256)

    def test_the_defaults_url_and_method_serve_items_without(self):
        results = self.batch([{}, {"method": "GET"}, {"url": self.fault.url("/echo", x=1)}],
                             defaults={"url": self.fault.url("/echo"), "method": "PUT"})["results"]
        self.assertEqual([echoed(r)["method"] for r in results], ["PUT", "GET", "PUT"])
        self.assertEqual(echoed(results[2])["query"], "x=1")


if __name__ == "__main__":
    world.main()
