#!/usr/bin/python3
# ctest: timeout=900
"""What becomes of an upstream's answer: JSON, text or base64, unpacked, and no larger than its limits."""
import base64
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


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


if __name__ == "__main__":
    world.main()
