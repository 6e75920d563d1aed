#!/usr/bin/python3
# ctest: timeout=900
"""POST /v1/batch: every field, its precedence, and what the upstream really gets - byte for byte."""
import base64
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


def echoed(result):
    """What faultd's /echo says it was sent."""
    assert result["success"], result
    return result["body"]


def sent_body(result):
    return base64.b64decode(echoed(result)["body_base64"])


def sent_headers(result, name):
    return world.headers_of(echoed(result), name)


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
        def measure():
            self.fault.reset()
            items = [{"url": self.fault.url("/ok")} for _ in range(45)]
            self.batch(items, {"rate_limit": "20/s", "concurrency": 45})
            at = sorted(r["at"] for r in self.fault.asked("/ok"))
            self.assertGreater(at[-1] - at[0], 1.2)
            for i, start in enumerate(at):
                self.assertLessEqual(sum(start <= t < start + 0.9 for t in at[i:]), 22, "no second may have more than the rate")
        world.again(measure)


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


class Methods(world.Case):
    def test_the_default_method_is_post_with_a_body_and_get_without(self):
        results = self.batch([{"url": self.fault.url("/echo")}, {"url": self.fault.url("/echo"), "body": 1},
                              {"url": self.fault.url("/echo"), "body_text": ""}])["results"]
        self.assertEqual([echoed(r)["method"] for r in results], ["GET", "POST", "POST"])

    def test_every_method_arrives(self):
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        results = self.batch([{"url": self.fault.url("/echo"), "method": m} for m in methods])["results"]
        self.assertEqual([echoed(r)["method"] for r in results], methods)
        for result in results:
            self.assertEqual(sent_headers(result, "content-type"), [], "no body, no Content-Type")
            self.assertEqual(sent_headers(result, "expect"), [])

    def test_head_gives_a_status_and_no_body(self):
        result = self.one({"include_headers": True}, url=self.fault.url("/echo"), method="HEAD")
        self.assertTrue(result["success"])
        self.assertIsNone(result["body"])
        self.assertIsNone(result["body_encoding"])
        self.assertGreater(int(result["headers"]["content-length"]), 10)
        self.assertEqual(self.fault.stats()["methods"], {"HEAD /echo": 1})

    def test_head_with_a_body_is_refused_and_get_with_one_is_not(self):
        head, get = self.batch([{"url": self.fault.url("/echo"), "method": "HEAD", "body": 1},
                                {"url": self.fault.url("/echo"), "method": "GET", "body": {"a": 1}}])["results"]
        self.assert_error(head, "invalid_item", sent=False)
        self.assertEqual(echoed(get)["method"], "GET")
        self.assertEqual(sent_body(get), b'{"a": 1}')

    def test_other_methods_are_refused(self):
        bad = ["get", "TRACE", "CONNECT", "", "GE T", "GET\r\nX: y", "PROPFIND", 5, None, ["GET"]]
        for result in self.batch([{"url": self.fault.url(), "method": m} for m in bad])["results"]:
            self.assert_error(result, "invalid_item", sent=False, retryable=False)
        self.assertEqual(self.fault.hits(), 0)


class Bodies(world.Case):
    def send(self, member, text, **more):
        """The result of an item whose body member is the given JSON text."""
        rest = "".join(",%s:%s" % (json.dumps(k), json.dumps(v)) for k, v in more.items())
        body = '{"items":[{"url":"%s","%s":%s%s}]}' % (self.fault.url("/echo"), member, text, rest)
        return self.batch_bytes(body.encode(), 1)["results"][0]

    def test_json_goes_byte_for_byte(self):
        for text in ('{"z":1, "a" : [1.0,1e2,-0,0.10]}', "12345678901234567890123", "1e400", "-0", '"\\u0041\\/"',
                     '"\\u0000"', '{"a":1,"a":2}', '{ "a"\t:\r\n [ ] }', "[[],{}]", "true", "false", '"caf\u00e9"', '""',
                     '{"\\u0000":1}', "0.1000000000000000000000001"):
            with self.subTest(text=text):
                result = self.send("body", text)
                self.assertEqual(sent_body(result), text.encode())
                self.assertEqual(sent_headers(result, "content-type"), ["application/json"])
                self.assertEqual(echoed(result)["method"], "POST")

    def test_a_null_body_is_sent_as_null(self):
        result = self.send("body", "null")
        self.assertEqual(sent_body(result), b"null")
        self.assertEqual(sent_headers(result, "content-type"), ["application/json"])

    def test_text_is_decoded_and_named(self):
        result = self.send("body_text", '"a,b\\n1,2 \\u00e9\\ud83d\\ude00"')
        self.assertEqual(sent_body(result), "a,b\n1,2 \u00e9\U0001f600".encode())
        self.assertEqual(sent_headers(result, "content-type"), ["text/plain; charset=utf-8"])

    def test_base64_is_decoded_and_named(self):
        result = self.send("body_base64", '"AAEC/+8="')
        self.assertEqual(sent_body(result), b"\x00\x01\x02\xff\xef")
        self.assertEqual(sent_headers(result, "content-type"), ["application/octet-stream"])

    def test_the_items_own_content_type_wins(self):
        for member, text in (("body", "{}"), ("body_text", '"x"'), ("body_base64", '"eA=="')):
            result = self.send(member, text, headers={"content-TYPE": "application/x-mine"})
            self.assertEqual(sent_headers(result, "content-type"), ["application/x-mine"])

    def test_an_empty_body_is_a_body(self):
        result = self.send("body_text", '""')
        self.assertEqual(echoed(result)["method"], "POST")
        self.assertEqual(sent_headers(result, "content-length"), ["0"])

    def test_what_is_not_a_body_is_refused(self):
        cases = [{"body": 1, "body_text": "x"}, {"body_text": "x", "body_base64": "eA=="}, {"body_text": 5},
                 {"body_text": None}, {"body_base64": "!!"}, {"body_base64": "QQ"}, {"body_base64": "QQ==="},
                 {"body_base64": 1}, {"body_base64": "Q Q=="}, {"body_base64": "QR=="}]
        for case, result in zip(cases, self.batch([{"url": self.fault.url(), **c} for c in cases])["results"]):
            with self.subTest(case=case):
                self.assert_error(result, "invalid_item", sent=False)

    def test_a_large_body_arrives_whole(self):
        text = "abcdefgh" * 250000
        result = self.one(url=self.fault.url("/echo"), body_text=text)
        self.assertEqual(echoed(result)["body_bytes"], len(text))
        self.assertEqual(sent_headers(result, "expect"), [])

    def test_any_kind_in_an_item_replaces_the_defaults(self):
        defaults = {"url": self.fault.url("/echo"), "body": {"d": 1}}
        results = self.batch([{}, {"body": 2}, {"body_text": "t"}, {"body_base64": "eA=="}], defaults=defaults)["results"]
        self.assertEqual([sent_body(r) for r in results], [b'{"d": 1}', b"2", b"t", b"x"])
        self.assertEqual(sent_headers(results[2], "content-type"), ["text/plain; charset=utf-8"])


class Query(world.Case):
    def query(self, query, url="/echo", **members):
        document = self.batch([{"url": self.fault.url() if url is None else self.fault.url("").rstrip("/") + url,
                                "query": query}], **members)
        return echoed(document["results"][0])["target"]

    def test_names_and_values_are_percent_encoded(self):
        self.assertEqual(self.query({"a b": "c d", "x": "\u00e9&=?#+%/", "~": "-._~"}),
                         "/echo?a%20b=c%20d&x=%C3%A9%26%3D%3F%23%2B%25%2F&~=-._~")

    def test_kinds_of_values(self):
        self.assertEqual(self.query({"s": "t", "n": 12, "f": 1.5, "b": True, "c": False, "e": "", "l": ["a", 1, True],
                                     "none": []}),
                         "/echo?s=t&n=12&f=1.5&b=true&c=false&e=&l=a&l=1&l=true")

    def test_numbers_are_sent_as_written(self):
        body = '{"items":[{"url":"%s","query":{"a":1.00,"b":12345678901234567890123,"c":1E5,"d":-0}}]}'
        result = self.batch_bytes((body % self.fault.url("/echo")).encode(), 1)["results"][0]
        self.assertEqual(echoed(result)["query"], "a=1.00&b=12345678901234567890123&c=1E5&d=-0")

    def test_it_is_appended_after_the_urls_own_and_before_the_fragment(self):
        self.assertEqual(self.query({"b": 2}, "/echo?a=1"), "/echo?a=1&b=2")
        self.assertEqual(self.query({"b": 2}, "/echo?a=1#frag"), "/echo?a=1&b=2")
        self.assertEqual(self.query({"b": 2}, "/echo#frag"), "/echo?b=2")
        self.assertEqual(self.query({}, "/echo?a=1#frag"), "/echo?a=1")

    def test_it_merges_name_by_name(self):
        defaults = {"query": {"a": 1, "b": ["x", "y"]}}
        target = self.query({"b": "z", "c": 3}, defaults=defaults)
        self.assertEqual(sorted(target.partition("?")[2].split("&")), ["a=1", "b=z", "c=3"])

    def test_what_is_not_a_query_is_refused(self):
        for bad in (None, [], "a=b", {"a": None}, {"a": {}}, {"a": [[]]}, {"a": [None]}):
            with self.subTest(bad=bad):
                self.assert_error(self.one(url=self.fault.url(), query=bad), "invalid_item", sent=False)

    def test_encoded_line_breaks_in_a_path_stay_encoded(self):
        result = self.one(url=self.fault.url("").rstrip("/") + "/echo%0d%0aX:%20y/../b?q=%zz")
        self.assertTrue(result["success"])
        record = self.fault.asked()[-1]
        self.assertNotIn("X", [n for n, _ in record["headers"]])
        self.assertTrue(record["target"].startswith("/echo%0d%0aX:%20y"), record)


class Headers(world.Case):
    def echo(self, headers, **members):
        return self.batch([{"url": self.fault.url("/echo"), "headers": headers}], **members)["results"][0]

    def test_they_arrive_as_given(self):
        result = self.echo({"X-One": "1", "X-Many": ["a", "b"], "X-Empty": "", "X-Tab": "a\tb", "X-Latin": "caf\u00e9"})
        self.assertEqual(sent_headers(result, "X-One"), ["1"])
        self.assertEqual(sent_headers(result, "X-Many"), ["a", "b"])
        self.assertEqual(sent_headers(result, "X-Empty"), [""])
        self.assertEqual(sent_headers(result, "X-Tab"), ["a\tb"])
        self.assertEqual(sent_headers(result, "X-Latin")[0].encode("latin-1"), "caf\u00e9".encode())

    def test_they_merge_name_by_name_without_regard_to_case(self):
        defaults = {"headers": {"X-A": "default", "X-B": "default", "X-C": "default"}}
        result = self.echo({"x-a": "item", "X-c": None, "X-D": "item"}, defaults=defaults)
        self.assertEqual([sent_headers(result, n) for n in ("X-A", "X-B", "X-C", "X-D")],
                         [["item"], ["default"], [], ["item"]])

    def test_the_user_agent_is_ours_unless_the_item_has_one(self):
        self.assertRegex(sent_headers(self.echo({}), "user-agent")[0], r"^batchgate/\d")
        self.assertEqual(sent_headers(self.echo({"User-Agent": "mine"}), "user-agent"), ["mine"])

    def test_accept_encoding_is_ours(self):
        self.assertEqual(sent_headers(self.echo({"Accept-Encoding": "br"}), "accept-encoding"), ["gzip, deflate"])
        self.assertEqual(sent_headers(self.echo({}), "accept-encoding"), ["gzip, deflate"])

    def test_nothing_of_the_callers_own_request_goes_upstream(self):
        body = json.dumps({"items": [{"url": self.fault.url("/echo")}]}).encode()
        answer = self.server.post(body, headers={"Authorization": "Bearer secret", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4",
                                                 "X-Mine": "1", "User-Agent": "client"})
        names = {n.lower() for n, _ in answer.json()["results"][0]["body"]["headers"]}
        self.assertFalse(names & {"authorization", "cookie", "x-forwarded-for", "x-mine"})

    def test_bad_and_denied_ones_spoil_their_item(self):
        denied = ["Host", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade",
                  "HTTP2-Settings", "Expect", "Proxy-Authorization", "Proxy-Connection", "Metadata-Flavor", "Metadata",
                  "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds", "X-Google-Metadata-Request"]
        for name in denied:
            with self.subTest(name=name):
                self.assert_error(self.echo({name: "x"}), "invalid_item", "header_denied", sent=False)
        for name, value in (("X A", "1"), (" X", "1"), ("", "1"), ("X:", "1"), ("X-A", "a\r\nX-B: c"), ("X-A", "a\nb"),
                            ("X-A", "a\rb"), ("X-A", "\u0001"), ("X-A", "\u007f"), ("X-A", "a\u0000b"), ("H\u00f6st", "x")):
            with self.subTest(name=name, value=value):
                self.assert_error(self.echo({name: value}), "invalid_item", ("header_invalid", "field_invalid"), sent=False)
        for headers in ({"X-A": "1", "x-a": "2"}, {"X-A": 5}, {"X-A": [1]}, {"X-A": {}}, [], "X: y"):
            with self.subTest(headers=headers):
                self.assert_error(self.echo(headers), "invalid_item", sent=False)
        self.assertEqual(self.fault.hits(), 0)

    def test_sizes_and_counts_are_bounded(self):
        self.assertTrue(self.echo({"X-%d" % n: "v" for n in range(90)})["success"])
        for headers in ({"X-%d" % n: "v" for n in range(101)}, {"X-A": "v" * 8193}, {"X-%d" % n: "v" * 8000 for n in range(5)}):
            self.assert_error(self.echo(headers), "invalid_item", sent=False)


class Answers(world.Case):
    def raw(self, body=b"", ct="", options=None, **query):
        text = body.decode("latin-1") if isinstance(body, bytes) else body
        return self.one(options, url=self.fault.url("/raw", body=text, ct=ct, **query))

    def spliced(self):
        """The bytes that stand in the answer as the body of the last batch's only result."""
        head, _, rest = self.raw_answer.partition(b'"body":')
        return rest.strip()

    def test_json_stands_in_the_result_as_it_was_sent(self):
        for text in ('{"b":1.00,"a":[1e400,12345678901234567890123]}', '{"a":1,"a":2}', '"\\u0000\\/"', "[]", "-0", "true"):
            for kind in ("application/json", "application/problem+json; charset=utf-8", "APPLICATION/VND.x+JSON"):
                with self.subTest(text=text, kind=kind):
                    result = self.raw(text.encode(), kind)
                    self.assertEqual(result["body_encoding"], "json")
                    self.assertTrue(self.spliced().startswith(text.encode() + b","), self.raw_answer)

    def test_line_breaks_between_tokens_become_spaces(self):
        result = self.raw(b'{\r\n  "a": 1,\n  "b": 2\n}\n', "application/json")
        self.assertEqual(result["body"], {"a": 1, "b": 2})
        self.assertNotIn(b"\n", self.raw_answer.rstrip(b"\n"))

    def test_an_answer_of_null_is_json(self):
        result = self.raw(b"null", "application/json")
        self.assertEqual((result["success"], result["body"], result["body_encoding"]), (True, None, "json"))

    def test_what_only_says_it_is_json_is_text(self):
        cases = [b"{", b'{"a":1}x', b"NaN", b"[1,]", b'["\\ud800"]', b"\xef\xbb\xbf{}", b"[01]", b'"a\tb"',
                 b"[" * 61 + b"]" * 61]
        for body in cases:
            with self.subTest(body=body):
                result = self.raw(body, "application/json")
                self.assertTrue(result["success"])
                self.assertEqual((result["body_encoding"], result["body"]), ("text", body.decode()))
        self.assertEqual(self.raw(b"[" * 60 + b"]" * 60, "application/json")["body_encoding"], "json")

    def test_json_under_another_name_is_text(self):
        for kind in ("", "text/plain", "text/json", "application/jsonx", "application/x-ndjson"):
            result = self.raw(b'{"a":1}', kind)
            self.assertEqual((result["body_encoding"], result["body"]), ("text", '{"a":1}'), kind)

    def test_what_is_not_utf8_is_base64(self):
        for body in (b"\xff\x00\x80", b"caf\xe9", b"\xed\xa0\x80", b"\xc0\xaf", bytes(range(256))):
            for kind in ("text/plain", "application/json", ""):
                result = self.raw(body, kind)
                self.assertEqual(result["body_encoding"], "base64")
                self.assertEqual(base64.b64decode(result["body"], validate=True), body)

    def test_text_with_anything_in_it_survives(self):
        text = "quote\" back\\ slash/ tab\t nl\n cr\r bell\u0007 nul\u0000 del\u007f \u2028 \u00e9 \U0001f600 </script>"
        result = self.raw(text.encode(), "text/plain")
        self.assertEqual((result["body_encoding"], result["body"]), ("text", text))

    def test_no_body_is_null(self):
        for result in (self.raw(b"", "application/json"), self.raw(b"", "text/plain"), self.one(url=self.fault.url("/status/204"))):
            self.assertEqual((result["success"], result["body"], result["body_encoding"]), (True, None, None))

    def test_the_body_of_a_failure_is_kept(self):
        result = self.raw(b'{"why":"busy"}', "application/json", status=503)
        self.assert_error(result, "upstream_status", sent=True, retryable=True, status=503)
        self.assertEqual((result["body"], result["body_encoding"]), ({"why": "busy"}, "json"))
        self.assertIn("127.0.0.1", result["error"]["message"])
        self.assertIn("503", result["error"]["message"])

    def test_statuses(self):
        for status in (200, 201, 202, 203, 206, 299):
            self.assertTrue(self.one(url=self.fault.url("/status/%d" % status))["success"], status)
        for status, retryable in ((300, False), (304, False), (400, False), (404, False), (408, True), (425, True), (429, True),
                                  (500, True), (501, False), (502, True), (504, True), (599, False)):
            with self.subTest(status=status):
                self.assert_error(self.one(url=self.fault.url("/status/%d" % status)), "upstream_status", sent=True,
                                  retryable=retryable, status=status)

    def test_encodings_are_decoded(self):
        text = b'{"long": "' + b"abcd" * 1500 + b'"}'
        for encoding, name in (("gzip", None), ("deflate", None), ("rawdeflate", "deflate"), ("gzip", "x-gzip"), ("gzip", "GZIP"),
                               ("gzip2", "gzip")):
            with self.subTest(encoding=encoding, name=name):
                more = {"as": name} if name else {}
                result = self.one(url=self.fault.url("/raw", n=20000, ct="text/plain", ce=encoding, **more))
                self.assertTrue(result["success"], result)
                self.assertEqual(result["body"], "x" * 20000)
        result = self.raw(text, "application/json", ce="gzip", chunked=1)
        self.assertEqual(result["body"], json.loads(text))

    def test_chunked_and_close_delimited_answers(self):
        self.assertEqual(self.raw(b"chunked body", "text/plain", chunked=1)["body"], "chunked body")
        self.assertEqual(self.raw(b"until close", "text/plain", until_close=1)["body"], "until close")

    def test_an_answer_is_as_large_as_the_limit_and_no_larger(self):
        server = self.start({"limits": {"max_response": "64KiB"}})
        fits, passes = self.batch([{"url": self.fault.url("/raw", n=65536)}, {"url": self.fault.url("/raw", n=65537)}],
                                  server=server)["results"]
        self.assertEqual(len(fits["body"]), 65536)
        self.assert_error(passes, "response_too_large", sent=True, retryable=False, status=200)
        self.assertIsNone(passes["body"])

    def test_past_max_batch_response_further_results_are_too_large(self):
        server = self.start({"limits": {"max_batch_response": "1MiB"}})
        items = [{"url": self.fault.url("/raw", n=200000, ct="text/plain")} for _ in range(20)]
        results = self.batch(items, {"concurrency": 1}, server=server)["results"]
        good = [r for r in results if r["success"]]
        self.assertTrue(1 <= len(good) <= 6, len(good))
        for result in results[len(good):]:
            self.assert_error(result, "response_too_large")
            self.assertIsNone(result["body"])


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

    def test_the_defaults_url_and_method_serve_items_without(self):
        results = self.batch([{}, {"method": "GET"}, {"url": self.fault.url("/echo", x=1)}],
                             defaults={"url": self.fault.url("/echo"), "method": "PUT"})["results"]
        self.assertEqual([echoed(r)["method"] for r in results], ["PUT", "GET", "PUT"])
        self.assertEqual(echoed(results[2])["query"], "x=1")


class Depth(world.Case):
    def nested(self, depth, opener=b"[", closer=b"]"):
        """A whole request in which `depth` brackets are open at once."""
        return b'{"items":[{"url":"%s","body":%s}]}' % (self.fault.url("/echo").encode(),
                                                       opener * (depth - 3) + b"1" + closer * (depth - 3))

    def test_sixty_brackets_pass_and_the_sixty_first_does_not(self):
        for opener, closer in ((b"[", b"]"), (b'{"a":', b"}")):
            self.assertTrue(self.batch_bytes(self.nested(60, opener, closer), 1)["results"][0]["success"])
            self.assert_problem(self.server.post(self.nested(61, opener, closer)), 400, "invalid_json")
        self.assertEqual(self.fault.hits(), 1 + 1)


class RealUpstreams(world.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nginx = world.Nginx(cls.folder, keepalive_requests=10)
        cls.addClassCleanup(cls.nginx.kill)
        cls.httpbin = world.Httpbin(cls.folder)
        cls.addClassCleanup(cls.httpbin.kill)

    def test_nginx_with_connections_that_end_every_ten_requests(self):
        items = [{"id": n, "url": self.nginx.url("/json?n=%d" % n)} for n in range(500)]
        document = self.batch(items, {"concurrency": 16})
        self.assertEqual([r["body"] for r in document["results"]],
                         [{"uri": "/json?n=%d" % n, "method": "GET"} for n in range(500)])
        mine = lambda: [line for line in self.nginx.log_lines() if "/json?n=" in line]
        world.wait_for("nginx to write its log", lambda: len(mine()) >= 500)
        self.assertEqual(len(mine()), 500)

    def test_nginx_gzip_statuses_and_posts(self):
        large, busy, moved, missing, post = self.batch([
            {"url": self.nginx.url("/large")}, {"url": self.nginx.url("/busy")}, {"url": self.nginx.url("/moved")},
            {"url": self.nginx.url("/none")}, {"url": self.nginx.url("/json"), "body": {"a": 1}}])["results"]
        self.assertEqual(large["body_encoding"], "json", str(large)[:500])
        self.assertEqual(len(large["body"]["rows"]), 5000)
        self.assert_error(busy, "upstream_status", status=503)
        self.assert_error(moved, "upstream_status", status=301)
        self.assert_error(missing, "upstream_status", status=404)
        self.assertEqual(post["body"]["method"], "POST")

    def test_httpbin(self):
        anything, gz, deflate, status, data, delay = self.batch([
            {"url": self.httpbin.url("/anything/x"), "method": "PUT", "query": {"a": ["1", "2"]}, "body": {"n": 1},
             "headers": {"X-Mine": "yes"}},
            {"url": self.httpbin.url("/gzip")}, {"url": self.httpbin.url("/deflate")}, {"url": self.httpbin.url("/status/418")},
            {"url": self.httpbin.url("/bytes/64?seed=1")}, {"url": self.httpbin.url("/delay/1")}], {"concurrency": 6})["results"]
        self.assertEqual(anything["body"]["args"], {"a": ["1", "2"]})
        self.assertEqual(anything["body"]["json"], {"n": 1})
        self.assertEqual(anything["body"]["headers"]["X-Mine"], "yes")
        self.assertTrue(gz["body"]["gzipped"])
        self.assertTrue(deflate["body"]["deflated"])
        self.assert_error(status, "upstream_status", status=418)
        self.assertEqual(data["body_encoding"], "base64")
        self.assertGreaterEqual(delay["duration_ms"], 900)



if __name__ == "__main__":
    world.main()
