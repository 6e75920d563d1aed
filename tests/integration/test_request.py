#!/usr/bin/python3
# ctest: timeout=900
"""What an item of a batch says of its request, its precedence, and what the upstream really gets - byte for byte."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402
from world import echoed, sent_body, sent_headers  # noqa: E402


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


if __name__ == "__main__":
    world.main()
