#!/usr/bin/python3
"""Named endpoints: the operator's call, the callers' data, results in every shape of answer, and who may use what."""
import base64
import gzip
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import named  # noqa: E402
import world  # noqa: E402
from named import told  # noqa: E402

TOKEN = "sk-test-0123456789abcdef"
EXPOSED = 4096


def rising(document):
    return [r["index"] for r in document["results"]]


class Results(named.Case):
    @classmethod
    def class_config(cls):
        url = cls.fault.url
        return {"limits": {"max_concurrency": 40}, "endpoints": {
            "echo": {
                "url": url("/echo"),
                "headers": {"Authorization": "Bearer " + TOKEN, "X-Fixed": "yes"},
                "query": {"fixed": "1"},
                "params": {"tone": {"type": "string", "enum": ["calm", "loud"], "default": "calm"}},
                "request": '{body: {text: "<\\(.item)>", n: .index, tone: .params.tone}, query: {i: .index, l: ["a", 2]},'
                           ' headers: {"X-Item": "\\(.index)"}}',
                "response": "{target: .body.target, sent: (.body.body_base64 | @base64d | fromjson), status, n: .index, item}",
            },
            "plain": {"url": url("/told"), "request": "{body: .item}", "concurrency": 7, "max_items": 30},
            "static": {"url": url("/echo"), "method": "PUT", "query": {"a": ["1", "2"]}, "headers": {"X-Fixed": "yes"}},
            "judged": {
                "url": url("/told"), "request": "{body: .item}",
                "response": "{got: .body, kind: .headers[\"content-type\"], status}",
                "fallback": "{instead: .item.instead, code: .error.code, index: .index, who: .params.who}",
                "params": {"who": {"default": "nobody"}},
                "retry": {"max_attempts": 3, "backoff": "1ms"},
            },
            "quiet": {"url": url("/told"), "request": "{body: .item}", "expose_errors": False},
            "text": {"url": url("/echo"), "headers": {"Content-Type": "text/csv"}, "request": "{body: .item}",
                     "response": ".body.body_base64 | @base64d"},
            "slow": {"url": url("/gate", key="slow"), "timeout": "50s"},
            "moved": {"url": url("/redirok")},
        }}

    # --- what comes back

    def test_a_success_a_failure_and_a_fallback_have_their_members_in_this_order(self):
        found = self.results("judged", [told(body={"x": 1}), told(404, "gone", instead="i", id="b")])
        found += self.results("plain", [told(404, b"gone", "text/plain", id=7)])
        for result in found:
            self.assertGreater(result.pop("duration_ms"), 0)
        self.assertEqual([json.dumps(r) for r in found], [json.dumps(r) for r in [
            {"index": 0, "id": None, "success": True,
             "result": {"got": {"x": 1}, "kind": "application/json", "status": 200},
             "fallback_used": False, "status": 200, "error": None, "attempts": 1},
            {"index": 1, "id": "b", "success": False,
             "result": {"instead": "i", "code": "upstream_status", "index": 1, "who": "nobody"},
             "fallback_used": True, "status": 404, "body": "gone", "body_encoding": "json",
             "error": {"code": "upstream_status", "message": "127.0.0.1 answered 404 Not Found", "retryable": False,
                       "sent": True}, "attempts": 1},
            {"index": 0, "id": 7, "success": False, "result": None, "fallback_used": False, "status": 404,
             "body": "gone", "body_encoding": "text",
             "error": {"code": "upstream_status", "message": "127.0.0.1 answered 404 Not Found", "retryable": False,
                       "sent": True}, "attempts": 1}]])

    def test_the_call_is_the_operators_with_what_the_template_gave_merged_over_it(self):
        document = self.document("echo", ["a", {"id": "x"}, 3], {"tone": "loud"})
        self.assertEqual([r["result"]["sent"] for r in document["results"]],
                         [{"text": "<a>", "n": 0, "tone": "loud"}, {"text": '<{"id":"x"}>', "n": 1, "tone": "loud"},
                          {"text": "<3>", "n": 2, "tone": "loud"}])
        self.assertEqual([r["result"]["item"] for r in document["results"]], ["a", {"id": "x"}, 3])
        for record in self.fault.asked("/echo"):
            n = record["target"].split("i=")[1][0]
            self.assertEqual(record["method"], "POST")
            self.assertEqual(record["target"], "/echo?fixed=1&i=%s&l=a&l=2" % n)
            self.assertEqual(world.headers_of(record, "authorization"), ["Bearer " + TOKEN])
            self.assertEqual(world.headers_of(record, "x-fixed"), ["yes"])
            self.assertEqual(world.headers_of(record, "x-item"), [n])
            self.assertEqual(world.headers_of(record, "content-type"), ["application/json"])
            self.assertEqual(world.headers_of(record, "idempotency-key"), [])

    def test_an_endpoint_without_a_request_template_makes_its_fixed_call_for_each_item(self):
        results = self.results("static", [1, 2, None])
        for result in results:
            self.assertEqual((result["result"]["method"], result["result"]["target"]), ("PUT", "/echo?a=1&a=2"))
            self.assertEqual(result["result"]["body_bytes"], 0)

    def test_a_string_goes_as_it_is_where_the_configured_content_type_is_not_json(self):
        self.assertEqual(self.single("text", "a,b\n\"ü\",2\n")["result"], "a,b\n\"ü\",2\n")
        self.assertEqual(self.single("text", {"a": 1})["result"], '{"a":1}')
        self.assertEqual({v for r in self.fault.asked("/echo") for v in world.headers_of(r, "content-type")}, {"text/csv"})

    def test_ids_come_from_the_items_and_may_come_twice(self):
        items = [{"id": "a"}, {"id": "a"}, {"id": 1}, {"id": "1"}, {"id": 1.5}, {"id": ""}, {"id": None}, {"id": ["a"]},
                 {"id": "x" * 257}, "a", None, 3, ["id"], {"id": "ü\n"}, {"id": -0}, {"ID": "a"}]
        wanted = ["a", "a", 1, "1", None, None, None, None, None, None, None, None, None, "ü\n", 0, None]
        self.assertEqual([r["id"] for r in self.results("static", items)], wanted)

    def test_an_id_that_stands_in_an_item_twice_is_none(self):
        answer = self.server.post(b'{"items":[{"id":1,"id":2},{"id":3}]}', "/v1/batch/static")
        self.assertEqual([r["id"] for r in answer.json()["results"]], [None, 3])

    def test_a_batch_without_items_has_no_results(self):
        self.assertEqual(self.document("echo", [])["results"], [])

    # --- what is the result where there is no `response`

    def test_without_a_response_template_the_body_is_the_result(self):
        binary = bytes(range(256))
        items = [told(body=b' {"a" : 1.50,\n"b":"\\u00e9"} '), told(body=b"text", content_type="text/plain"), told(body=binary),
                 told(body=b"null"), told(204, b""), told(body=b"{broken"), told(body=b'"\xc3\xa9"', encoding="gzip"),
                 told(body=b"[" * 61 + b"]" * 61), told(body=b"[" * 60 + b"]" * 60)]
        results = self.results("plain", items)
        deep = 0
        for _ in range(59):
            deep = [deep] if deep != 0 else []
        self.assertEqual([r["result"] for r in results[:8]],
                         [{"a": 1.5, "b": "é"}, "text", base64.b64encode(binary).decode(), None, None, "{broken", "é",
                          "[" * 61 + "]" * 61])
        self.assertEqual(json.dumps(results[8]["result"]), "[" * 60 + "]" * 60)
        self.assertTrue(all(r["success"] for r in results))
        self.assertIn(b'{"a" : 1.50, "b":"\\u00e9"}', self.send("plain", items[:1]).body)

    # --- the failed one's body

    def test_a_failed_body_is_cut_at_4_kib_and_says_so(self):
        whole = self.single("plain", told(500, b"x" * EXPOSED, "text/plain"))
        self.assertEqual((whole["body"], whole["body_encoding"]), ("x" * EXPOSED, "text"))
        self.assertNotIn("body_truncated", whole)
        cut = self.single("plain", told(500, b"x" * (EXPOSED + 1), "text/plain"))
        self.assertEqual((cut["body"], cut["body_encoding"], cut["body_truncated"]), ("x" * EXPOSED, "text", True))

    def test_a_cut_within_a_character_keeps_whole_characters(self):
        for text, size in (("é", 2), ("€", 3), ("😀", 4)):
            for shift in range(size):
                body = ("x" * shift + text * 3000).encode()
                cut = self.single("plain", told(500, body, "text/plain; charset=utf-8"))
                kept = (EXPOSED - shift) // size
                self.assertEqual((cut["body"], cut["body_encoding"]), ("x" * shift + text * kept, "text"))

    def test_a_cut_body_is_text_or_base64_never_json(self):
        cut = self.single("plain", told(500, b'["' + b"x" * 9000 + b'"]'))
        self.assertEqual((cut["body"], cut["body_encoding"], cut["body_truncated"]), ('["' + "x" * 4094, "text", True))
        binary = bytes(range(256)) * 20
        cut = self.single("plain", told(500, binary))
        self.assertEqual((cut["body"], cut["body_encoding"], cut["body_truncated"]),
                         (base64.b64encode(binary[:EXPOSED]).decode(), "base64", True))
        short = self.single("plain", told(500, b'{"error": {"code": 7}}', "application/problem+json"))
        self.assertEqual((short["body"], short["body_encoding"]), ({"error": {"code": 7}}, "json"))
        self.assertEqual(self.single("plain", told(500, b""))["body_encoding"], None)

    def test_an_endpoint_that_exposes_no_errors_shows_neither_body_nor_headers(self):
        options = {"include_headers": True, "include_timing": True}
        failed, fine = self.results("quiet", [told(500, b"a stack trace"), told(body={"a": 1})], options=options)
        self.assertEqual([m for m in failed if m != "timing"], named.MEMBERS)
        self.assertEqual((failed["timing"]["url"], fine["timing"]["url"]), (None, None))
        self.assertNotIn("trace", json.dumps(failed))
        self.assertNotIn("headers", failed)
        self.assertEqual(fine["result"], {"a": 1})

    # --- options

    def test_include_body_chooses_the_results_too(self):
        items = [told(body={"a": 1}), told(500, b"no", "text/plain", instead=2)]
        shown = {}
        for choice in ("all", "failed", "none"):
            shown[choice] = self.results("judged", items, options={"include_body": choice, "retry": {"max_attempts": 1}})
        self.assertEqual([r["result"] and (r["result"].get("got") or r["result"]["instead"]) for c in shown.values() for r in c],
                         [{"a": 1}, 2, None, 2, None, None])
        self.assertEqual([c[1]["body"] for c in shown.values()], ["no", "no", None])
        self.assertEqual([c[1]["fallback_used"] for c in shown.values()], [True] * 3)

    def test_headers_and_timing_come_on_request(self):
        item = told(body={}, headers=[["X-A", "1"], ["X-A", "2"]])
        fine, failed = self.results("plain", [item, {**item, "status": 404}],
                                    options={"include_headers": True, "include_timing": True})
        for result in (fine, failed):
            self.assertEqual(result["headers"]["x-a"], ["1", "2"])
            self.assertEqual(result["timing"]["url"], self.fault.url("/told"))
            self.assertEqual(len(result["timing"]["attempts"]), 1)
        self.assertNotIn("headers", self.single("plain", item))

    def test_a_response_template_sees_headers_that_nobody_asked_to_be_shown(self):
        result = self.single("judged", told(body=1, content_type="application/x+json"))
        self.assertEqual(result["result"]["kind"], "application/x+json")
        self.assertNotIn("headers", result)

    def test_the_callers_timeout_and_retry_stand_in_options(self):
        late = self.single("plain", told(ms=3000), options={"timeout_ms": 200})
        self.assert_error(late, "timeout", "response", sent=True)
        again = self.single("plain", told(body=1, statuses=[503, 503], key="o"),
                            options={"retry": {"max_attempts": 3, "backoff_ms": 1}})
        self.assertEqual((again["result"], again["attempts"]), (1, 3))
        only = self.single("judged", told(body=1, statuses=[503], key="p"), options={"retry": {"max_attempts": 1}})
        self.assertEqual((only["success"], only["attempts"]), (False, 1))
        patched = self.single("judged", told(body=1, statuses=[418], key="q"), options={"retry": {"retry_on": [418]}})
        self.assertEqual((patched["success"], patched["attempts"]), (True, 2))

    def test_concurrency_is_tightened_never_widened(self):
        for name, asked, used in (("plain", 20, 7), ("plain", 3, 3), ("echo", 39, 39), ("echo", 500, 40)):
            summary = self.document(name, [], options={"concurrency": asked})["summary"]
            self.assertEqual(summary["concurrency"], used)
        self.assertEqual(self.document("plain", [])["summary"]["concurrency"], 7)

    def test_a_batch_of_a_slow_endpoint_ends_at_its_own_clock_with_all_results(self):
        document = self.document("slow", [1, 2, 3], options={"batch_timeout_ms": 300, "concurrency": 2})
        self.assertEqual([r["error"]["code"] for r in document["results"]], ["timeout"] * 3)
        self.assertEqual([r["error"]["reason"] for r in document["results"]], ["response", "response", "queue"])

    def test_stop_on_error_ends_what_has_not_started(self):
        items = [told(body=1), told(500), told(body=3), told(body=4)]
        results = self.results("plain", items, options={"stop_on_error": True, "concurrency": 1})
        self.assertEqual([r["error"] and r["error"]["code"] for r in results],
                         [None, "upstream_status", "cancelled", "cancelled"])

    def test_redirects_are_not_followed(self):
        result = self.single("moved", 1)
        self.assert_error(result, "upstream_status", status=302)
        self.assertEqual(self.fault.hits("/ok"), 0)
        self.assertEqual(self.send("moved", [1], options={"max_redirects": 3}).status, 400)

    # --- shapes

    def test_ndjson_is_a_result_a_line_and_a_summary(self):
        answer = self.send("judged", [told(body=n, id=n) for n in range(9)], headers={"Accept": "application/x-ndjson"},
                           options={"order": "input"})
        lines = [json.loads(line) for line in answer.body.splitlines()]
        self.assertEqual([r["result"]["got"] for r in lines[:-1]], list(range(9)))
        for index, result in enumerate(lines[:-1]):
            named.check_result(result, index)
        named.check_summary(lines[-1]["summary"], lines[:-1])

    def test_sse_has_events_of_results_and_the_summary_last(self):
        items = [told(body="a\r\nb", id="x"), told(500, instead="c", id="y\n")]
        answer = self.send("judged", items, headers={"Accept": "text/event-stream"}, options={"retry": {"max_attempts": 1}})
        events = [dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
                  for block in answer.body.decode().split("\n\n") if block]
        results = [json.loads(e["data"]) for e in events if e.get("event") == "result"]
        for result in results:
            named.check_result(result, None)
        self.assertEqual(sorted(json.dumps(r["result"].get("got") or r["result"]["instead"]) for r in results),
                         ['"a\\r\\nb"', '"c"'])
        self.assertEqual(events[-1]["event"], "summary")
        named.check_summary(json.loads(events[-1]["data"]), results)

    def test_text_is_for_a_person(self):
        items = [told(body=1, id="good"), told(500, instead=1), told(body=1)]
        answer = self.send("judged", items, headers={"Accept": "text/plain"}, options={"retry": {"max_attempts": 1}})
        text = answer.body.decode()
        self.assertRegex(text, r"\[OK\] good \(\d+\.\d\d s\) *\n")
        self.assertRegex(text, r"\[OK\] #2 ")
        self.assertIn("[FAILED] #1: 127.0.0.1 answered 500", text)
        self.assertIn("3 items: 2 succeeded, 1 failed (1 upstream_status)", text)

    def test_fallbacks_are_made_in_every_shape(self):
        for shape in ("application/x-ndjson", "text/event-stream", "application/json"):
            answer = self.send("judged", [told(404, instead=n) for n in range(30)], headers={"Accept": shape})
            self.assertEqual(answer.body.count(b'"fallback_used":true'), 30)

    # --- requests that are refused

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
        for text in (TOKEN, "127.0.0.1", "X-Fixed", ".body"):
            self.assertNotIn(text, self.server.get("/v1/endpoints").body.decode())

    # --- what is told elsewhere

    def test_metrics_and_log_lines_name_the_endpoint(self):
        before = self.server.metrics()
        self.send("echo", [1], headers={"X-Request-Id": "for-the-log"})
        self.send("echo", 1)
        self.send("made-up", [1])
        after = self.server.metrics()
        for name, status, more in (("echo", "200", 1), ("echo", "400", 1), ("other", "404", 1), ("made-up", "404", 0)):
            labels = {"endpoint": name, "status": status}
            self.assertEqual(after.of("batchgate_batches_total", **labels) - before.of("batchgate_batches_total", **labels), more)
        line = world.wait_for("its log line", lambda: [e for e in self.server.events("batch")
                                                       if e["request_id"] == "for-the-log"])[0]
        self.assertEqual((line["endpoint"], line["items"], line["succeeded"]), ("echo", 1, 1))

    def test_a_failed_item_has_its_line_in_the_log(self):
        self.send("judged", [told(404, id="l1")], headers={"X-Request-Id": "one-fails"})
        line = world.wait_for("its log line", lambda: [e for e in self.server.events("item_failed")
                                                       if e["request_id"] == "one-fails"])[0]
        self.assertEqual((line["code"], line["id"], line["status"]), ("upstream_status", "l1", 404))

    def test_traces_go_upstream(self):
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        self.send("static", [1], headers={"traceparent": parent, "X-Secret": "mine"})
        record = self.fault.asked("/echo")[0]
        self.assertTrue(world.headers_of(record, "traceparent")[0].startswith(parent[:35]))
        self.assertEqual(world.headers_of(record, "x-secret"), [])


class Keys(named.Case):
    """Who may use which endpoint."""
    KEYS = {name: world.make_key() for name in ("all", "one", "none", "admin")}

    @classmethod
    def class_config(cls):
        def key(name, **more):
            return {"name": name, "sha256": [cls.KEYS[name][1]], **more}
        return {"auth": {"keys": [key("all"), key("one", endpoints=["a", "missing"], ad_hoc=False), key("none", endpoints=[]),
                                  key("admin", admin=True)]},
                "endpoints": {n: {"url": cls.fault.url("/ok")} for n in ("a", "b")}}

    def as_key(self, name):
        return {"Authorization": "Bearer " + self.KEYS[name][0]}

    def test_a_key_uses_what_its_list_names(self):
        wanted = {("all", "a"): 200, ("all", "b"): 200, ("one", "a"): 200, ("one", "b"): 403, ("none", "a"): 403,
                  ("one", "missing"): 404, ("all", "nobody"): 404, ("none", "nobody"): 404}
        for (who, name), status in wanted.items():
            self.assertEqual(self.send(name, [1], headers=self.as_key(who)).status, status, (who, name))
            self.assertEqual(self.server.get("/v1/endpoints/" + name, self.as_key(who)).status, status, (who, name))
        self.assert_problem(self.send("b", [1], headers=self.as_key("one")), 403, "forbidden")

    def test_without_a_key_nobody_learns_which_endpoints_there_are(self):
        for name in ("a", "nobody"):
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                self.assert_problem(self.send(name, [1], headers=headers), 401, "unauthorized")
                self.assert_problem(self.server.get("/v1/endpoints/" + name, headers), 401, "unauthorized")
        self.assert_problem(self.server.get("/v1/endpoints"), 401, "unauthorized")

    def test_the_list_has_what_the_caller_may_use(self):
        for who, names in (("all", ["a", "b"]), ("one", ["a"]), ("none", []), ("admin", ["a", "b"])):
            listed = self.server.get("/v1/endpoints", self.as_key(who)).json()["data"]
            self.assertEqual([e["name"] for e in listed], names)

    def test_a_key_without_ad_hoc_calls_endpoints_only(self):
        answer = self.server.post({"items": [{"url": self.fault.url("/ok")}]}, headers=self.as_key("one"))
        self.assert_problem(answer, 403, "forbidden")
        self.assertEqual(self.send("a", [1], headers=self.as_key("one")).status, 200)

    def test_a_body_is_not_read_for_one_who_may_not(self):
        with self.server.connect() as sock:
            sock.sendall(b"POST /v1/batch/b HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer " + self.KEYS["one"][0].encode() +
                         b"\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
            self.assertEqual(world.read_answer(sock).status, 403)


class Targets(named.Case):
    """The origin in an endpoint's url is open for that endpoint alone."""
    base = {"server": {"port": 0}}
    fault_args = ("--listen", "127.0.0.1:0")

    @classmethod
    def class_config(cls):
        return {"targets": {"public": False},
                "endpoints": {
                    "inner": {"url": cls.fault.url("/echo"), "request": "{path: .item}"},
                    "moved": {"url": cls.fault.url("/redirect", to="http://127.0.0.1:%d/ok" % cls.fault.ports["extra0"])},
                }}

    def test_a_private_upstream_is_reached_through_its_endpoint_and_not_ad_hoc(self):
        self.assertTrue(self.single("inner", "x")["success"])
        hits = self.fault.hits()
        for where in (self.fault.url("/ok"), "http://localhost:%d/ok" % self.fault.ports["http"]):
            self.assert_error(self.one(url=where), "blocked_target", sent=False)
        self.assertEqual(self.fault.hits(), hits)

    def test_no_path_leads_to_another_origin(self):
        other = "127.0.0.1:%d" % self.fault.ports["extra0"]
        paths = ["http://%s/ok" % other, "//%s/ok" % other, "@%s/ok" % other, ":%d/ok" % self.fault.ports["extra0"], "\\\\%s/ok" % other,
                 "/\\%s/ok" % other, ".%s/ok" % other, "/@%s/ok" % other, "%%40%s/ok" % other, ["..", "@" + other], ["@" + other, "ok"],
                 [":80"], "\t//%s" % other, "%s%s" % ("/" * 3, other)]
        here = "127.0.0.1:%d" % self.fault.ports["http"]
        for result in self.results("inner", paths):
            self.assertIn((result["error"] or {}).get("code"), (None, "transform_failed"), result)
        for record in self.fault.asked():
            self.assertEqual(record["local"], here)
            self.assertEqual(world.headers_of(record, "host"), [here])
            self.assertTrue(record["target"].startswith("/echo/"), record["target"])

    def test_a_redirect_elsewhere_is_the_answer(self):
        self.assert_error(self.single("moved", 1), "upstream_status", status=302)

    def test_without_ad_hoc_only_endpoints_are_served(self):
        server = self.start({"targets": {"public": False, "ad_hoc": False}, "endpoints": {"in": {"url": self.fault.url("/ok")}}})
        answer = server.post({"items": [{"url": self.fault.url("/ok")}]})
        self.assertIn(answer.status, (403, 404))
        self.assertEqual(self.single("in", 1, server=server)["result"], {"ok": True})

    def test_what_deny_names_is_no_endpoint(self):
        for denied in ("127.0.0.0/8", "127.0.0.1:%d" % self.fault.ports["http"], "127.0.0.1"):
            config = {"server": {"port": 0}, "targets": {"deny": [denied]}, "endpoints": {"in": {"url": self.fault.url("/ok")}}}
            path = world.write_config(self.folder, config, "denied.yaml")
            code, _, err = world.run_tool("check", "--config", path)
            self.assertEqual(code, 2, err)
            self.assertRegex(err, r"denied\.yaml:\d+: endpoints\.in\.url: .*targets\.deny")

    def test_a_name_that_leads_to_a_denied_address_is_blocked_when_it_is_called(self):
        server = self.start({"targets": {"deny": ["127.0.0.0/8", "::1/128"]},
                             "endpoints": {"in": {"url": "http://localhost:%d/ok" % self.fault.ports["http"]}}})
        self.assert_error(self.single("in", 1, server=server), "blocked_target", "address_denied", sent=False)
        self.assertEqual(self.fault.hits(), 0)


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
