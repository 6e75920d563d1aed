#!/usr/bin/python3
"""Named endpoints: requests that are refused, routes, and what callers are told of an endpoint."""
import gzip
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import endpoints  # noqa: E402
import world  # noqa: E402
from named import told  # noqa: E402


class Refusals(endpoints.Case):
    def refuse(self, name, pointers, body=None, **members):
        answer = self.server.post(body, "/v1/batch/" + name) if body else self.send(name, [1], **members)
        problem = self.assert_problem(answer, 400, "invalid_request")
        self.assertEqual([e["pointer"] for e in problem["errors"]], pointers, problem)
        return problem["errors"]

    def test_params_are_checked_before_any_call(self):
        self.refuse("echo", ["/params/tone"], params={"tone": "shrill"})
        self.refuse("echo", ["/params/tone"], params={"tone": 3})
        self.refuse("echo", ["/params/tone"], params={"tone": None})
        self.assertIn("did you mean `tone`", self.refuse("echo", ["/params/tune"], params={"tune": "calm"})[0]["detail"])
        self.refuse("plain", ["/params/a~1b~0"], params={"a/b~": 1})
        self.refuse("echo", ["/params"], params=[1])
        self.refuse("echo", ["/params/tone"], b'{"items":[1],"params":{"tone":"calm","t\\u006fne":"loud"}}')
        self.assertEqual(self.fault.hits(), 0)

    def test_what_only_ad_hoc_batches_have_is_refused_here(self):
        self.refuse("echo", ["/defaults"], b'{"items":[1],"defaults":{"url":"http://evil.example/"}}')
        self.refuse("echo", ["/url"], b'{"items":[1],"url":"http://evil.example/"}')
        for member in ("method", "headers", "query", "body", "endpoint"):
            detail = self.refuse("echo", ["/" + member], json.dumps({"items": [1], member: {}}).encode())[0]["detail"]
            self.assertIn("the operator's word", detail)
        self.assertIn("`options.timeout_ms`", self.refuse("echo", ["/timeout_ms"], b'{"items":[1],"timeout_ms":1}')[0]["detail"])
        for member in ("url", "headers", "max_redirects", "method"):
            self.refuse("echo", ["/options/" + member], options={member: 1})
        self.refuse("echo", ["/items"], b'{"params":{}}')
        self.refuse("echo", ["/items"], b'{"items":{}}')
        self.assertEqual(self.fault.hits(), 0)

    def test_an_item_that_looks_like_a_call_is_data(self):
        item = {"url": "http://evil.example/", "method": "DELETE", "headers": {"Authorization": "x"}, "path": "/../x"}
        self.assertEqual(self.single("static", item)["result"]["target"], "/echo?a=1&a=2")
        self.assertEqual(self.single("echo", item)["result"]["item"], item)

    def test_too_many_items_are_413(self):
        self.assertEqual(self.send("plain", [told()] * 30).status, 200)
        problem = self.assert_problem(self.send("plain", [told()] * 31), 413, "too_many_items")
        self.assertIn("30", problem["detail"])

    def test_text_that_is_not_json_is_400_with_its_place(self):
        answer = self.server.post(b'{"items":[1,\n2,]}', "/v1/batch/echo")
        self.assertEqual((answer.json()["code"], answer.json()["errors"][0]["line"]), ("invalid_json", 2))
        self.assert_problem(self.server.post(b'{"items":[],"items":[]}', "/v1/batch/echo"), 400, "invalid_request")
        self.assert_problem(self.server.post(b'{"items":[' + b"[" * 59 + b"]" * 59 + b"]}", "/v1/batch/echo"), 400, "invalid_json")

    def test_routes_of_endpoints_behave_as_all_routes_do(self):
        get, ask = self.server.get, self.server.request
        self.assert_problem(self.send("nobody", [1]), 404, "not_found")
        self.assert_problem(get("/v1/endpoints/nobody"), 404, "not_found")
        for path in ("/v1/batch/", "/v1/batch/echo/", "/v1/batch/echo/x", "/v1/batch//echo", "/v1/endpoints/", "/v1/batch/ECHO",
                     "/v1/batch/echo%00", "/v1/batch/%2e%2e", "/v1/batch/" + "e" * 3000):
            self.assertEqual(ask("POST", path, b"{}").status in (400, 404, 405, 414), True, path)
        for method, path, allowed in (("GET", "/v1/batch/echo", "POST"), ("POST", "/v1/endpoints", "GET"),
                                      ("DELETE", "/v1/endpoints/echo", "GET")):
            answer = ask(method, path)
            self.assert_problem(answer, 405, "method_not_allowed")
            self.assertIn(allowed, answer.header("allow"))
        for path in ("/v1/endpoints", "/v1/endpoints/echo"):
            answer = ask("HEAD", path)
            self.assertEqual((answer.status, answer.body), (200, b""))
            self.assertEqual(answer.header("content-type"), "application/json")
            self.assertEqual(get(path, {"Accept": "text/html"}).status, 406)
        self.assertEqual(self.send("echo", [], headers={"Accept": "text/html"}).status, 406)
        self.assertEqual(self.server.post(b"{}", "/v1/batch/echo", {"Content-Type": "text/plain"}).status, 415)
        body = gzip.compress(b'{"items":[]}')
        self.assertEqual(self.server.post(body, "/v1/batch/echo", {"Content-Encoding": "gzip"}).status, 415)
        self.assertEqual(ask("OPTIONS", "/v1/batch/echo").status, 204)
        self.assert_problem(self.send("echo", [], headers={"Idempotency-Key": "k"}), 400, "idempotency_needs_job")
        self.assertEqual(self.send("echo", [], headers={"X-Request-Id": "mine-1"}).header("x-request-id"), "mine-1")

    def test_endpoints_are_described_without_what_is_the_operators(self):
        listed = self.server.get("/v1/endpoints").json()["data"]
        self.assertEqual([e["name"] for e in listed],
                         ["echo", "plain", "static", "judged", "quiet", "text", "slow", "moved"])
        self.assertEqual(self.server.get("/v1/endpoints/echo").json(), listed[0])
        self.assertEqual(listed[0]["params"], {"tone": {"type": "string", "required": False, "enum": ["calm", "loud"],
                                                        "default": "calm"}})
        self.assertEqual(listed[1]["limits"], {"concurrency": 7, "rate_limit": None, "max_items": 30, "timeout_ms": 30000,
                                               "max_attempts": 1})
        self.assertEqual(self.server.post(listed[0]["example"], listed[0]["path"]).status, 200)
        for text in (endpoints.TOKEN, "127.0.0.1", "X-Fixed", ".body"):
            self.assertNotIn(text, self.server.get("/v1/endpoints").body.decode())


if __name__ == "__main__":
    world.main()
