#!/usr/bin/python3
# ctest: cost=8
"""Which targets may be called: hostile.tsv through the real server, row by row."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import hostile  # noqa: E402
import targets  # noqa: E402
import world  # noqa: E402
from targets import OWN, PUBLIC, ZONE, setUpModule  # noqa: E402, F401


class Rows(targets.Case):
    def test_urls(self):
        rows = hostile.rows("url")
        self.assertGreater(len(rows), 100)
        bad = [r for r in rows if r.expected != "allow"]
        expected = {i: r.expected for i, r in enumerate(bad)}

        def judge(item, result):
            verdict, _, reason = expected[result["index"]].partition(":")
            self.assertEqual(verdict, "deny")
            self.assert_denied(result, reason)
        self.denied([{"url": r.value} for r in bad], judge)
        for row in rows:
            if row.expected == "allow":
                with self.subTest(url=row.value):
                    result = self.one(url=row.value)
                    self.assertTrue(result["success"], result)
                    self.assertEqual(self.fault.asked()[-1]["local"].rpartition(":")[0], "::ffff:" + PUBLIC)

    def test_urls_denied_in_defaults_too(self):
        rows = [r for r in hostile.rows("url") if r.expected.startswith("deny")]
        before = self.syns()
        for row in rows[::5]:
            answer = self.server.post({"defaults": {"url": row.value}, "items": [{}]})
            with self.subTest(url=row.value):
                if answer.status == 200:
                    self.assertFalse(answer.json()["results"][0]["success"])
                else:
                    self.assert_problem(answer, 400, "invalid_request")
        self.assertEqual(self.syns(), before)

    def test_encoded_line_breaks_are_not_decoded_on_the_wire(self):
        self.assertTrue(self.one(url="http://example.com/%0d%0aX:%20y")["success"])
        record = self.fault.asked()[-1]
        self.assertEqual(record["target"], "/%0d%0aX:%20y")
        self.assertNotIn("X", [n for n, _ in record["headers"]])

    def test_names(self):
        for row in hostile.rows("dns"):
            name, _, recipe = row.text.partition(" ")
            with self.subTest(row=row.text):
                self.assertIn(name, ZONE, "a recipe that this test does not know: " + recipe)
                if name == "self.test":
                    server = self.start({"server": {"host": "0.0.0.0"}, "auth": {"allow_anonymous": True}, "targets": {"allow_private": True}})
                    before = self.syns()
                    for host in ("self.test", OWN, "127.0.0.1", "localhost"):
                        result = self.one(server=server, url="http://%s:%d/healthz" % (host, server.port))
                        self.assert_error(result, "blocked_target", "address_denied", sent=False)
                    self.assertEqual(self.syns(), before)
                    continue
                verdict, _, code = row.expected.partition(":")
                if verdict == "error":
                    self.denied([{"url": "http://%s/" % name}], lambda i, r: self.assert_error(r, code, sent=False, retryable=True))
                else:
                    self.denied([{"url": "http://%s/" % name}], lambda i, r: self.assert_error(r, "blocked_target", code, sent=False))

    def test_redirects(self):
        known = {
            "302 Location: file:///etc/passwd": self.redirect_to_a_file,
            "302 Location: <itself> x 100": self.redirect_to_itself,
            "302 to another origin with Authorization/X-Api-Key": self.redirect_elsewhere,
            "https -> http downgrade": self.redirect_down,
        }
        for row in hostile.rows("redirect"):
            with self.subTest(row=row.text):
                self.fault.reset()
                known[row.text](row.expected.partition(":")[2] or row.expected)

    def redirect_to_a_file(self, reason):
        result = self.one(url="http://example.com/redirfile", max_redirects=5)
        self.assert_error(result, "blocked_target", reason, sent=True)
        before = self.syns()
        for to in ("http://169.254.169.254/", "http://10.0.0.1/", "http://localhost/", "http://loopback.test/", "http://example.com:6379/"):
            result = self.one(url="http://example.com/redirect?to=" + to, max_redirects=5)
            self.assert_error(result, "blocked_target", sent=True)
        self.assertLessEqual(self.syns() - before, 5, "only the first hops")
        self.assertEqual(set(self.fault.stats()["hits"]) - {"*"}, {"/redirfile", "/redirect"})

    def redirect_to_itself(self, code):
        self.assert_error(self.one(url="http://example.com/redirloop", max_redirects=10), code, sent=True)
        self.assertEqual(self.fault.hits("/redirloop"), 11)

    def redirect_elsewhere(self, _):
        result = self.one(url="http://example.com/redirect?to=http://other.test/echo", max_redirects=5,
                          headers={"Authorization": "Bearer s", "X-Api-Key": "s", "Cookie": "s"})
        self.assertTrue(result["success"], result)
        names = {n.lower() for n, _ in self.fault.asked("/echo")[0]["headers"]}
        self.assertFalse(names & {"authorization", "x-api-key", "cookie"})

    def redirect_down(self, reason):
        server = self.start({"targets": {"allow_private": True}, "upstreams": [{"match": "127.0.0.1", "ca_file": self.fault.ca}]})
        result = self.one(server=server, url=self.fault.url("/redirect", "good", to="http://example.com/ok"), max_redirects=5)
        self.assert_error(result, "blocked_target", reason, sent=True)
        self.assertEqual(self.fault.hits("/ok"), 0)

    def test_headers(self):
        operator = 0
        for row in hostile.rows("header"):
            with self.subTest(row=row.text):
                if "operator endpoint" in row.text:
                    operator += 1
                    self.endpoint_header(*row.text.partition(" (")[0].split(": "))
                    continue
                name, _, value = row.value.partition(": ") if ": " in row.value else row.value.partition(":")
                self.fault.reset()
                result = self.one(url="http://example.com/echo", headers={name: value})
                if row.expected.startswith("deny:"):
                    self.assert_error(result, "invalid_item", row.expected[5:], sent=False, retryable=False)
                    self.assertEqual(self.fault.hits(), 0)
                else:
                    self.assertTrue(result["success"], result)
                    sent = world.headers_of(self.fault.asked("/echo")[0], name)
                    self.assertEqual([v.encode("latin-1") for v in sent], [value.encode()])
        self.assertEqual(operator, 2)

    def endpoint_header(self, name, value):
        """An item names a header that its endpoint's configuration sets: nothing is sent."""
        server = self.start({"endpoints": {"call": {"url": "http://example.com/echo", "headers": {name: "the operator's"},
                                                    "request": "{headers: .item}"}}})
        for item in ({name: value}, {name.lower(): value}, {name.upper(): [value]}, {name: None}):
            self.fault.reset()
            answer = server.post({"items": [item]}, "/v1/batch/call")
            self.assert_error(answer.json()["results"][0], "transform_failed", "request", sent=False, retryable=False)
            self.assertEqual(self.fault.hits(), 0)
        self.fault.reset()
        self.assertTrue(server.post({"items": [{"X-Other": value}]}, "/v1/batch/call").json()["results"][0]["success"])
        self.assertEqual(world.headers_of(self.fault.asked("/echo")[0], name), ["the operator's"])
        server.stop()

    def test_methods(self):
        rows = hostile.rows("method")
        self.denied([{"url": "http://example.com/", "method": r.value} for r in rows],
                    lambda i, r: self.assert_error(r, "invalid_item", "method_denied", sent=False))

    def test_json(self):
        for row in hostile.rows("json"):
            body = b"[" * 2049 + b"]" * 2049 if "..." in row.text else row.data
            with self.subTest(row=row.text):
                before = self.syns()
                answer = self.server.post(body)
                if row.expected == "allow":
                    self.assertEqual(answer.status, 200, answer)
                elif row.expected.startswith("item:"):
                    self.assertEqual(answer.status, 200, answer)
                    self.assert_error(answer.json()["results"][0], row.expected[5:], sent=False)
                else:
                    self.assertEqual(row.expected, "deny:json_invalid")
                    self.assertIn(answer.status, (400,), answer)
                    self.assertIn(answer.json()["code"], ("invalid_json", "invalid_request"))
                self.assertEqual(self.syns(), before)

    def test_no_row_is_of_a_kind_that_nothing_tests(self):
        self.assertEqual({r.kind for r in hostile.rows()}, {"url", "dns", "redirect", "header", "method", "json", "raw"})


if __name__ == "__main__":
    world.enter_namespace()
    world.main()
