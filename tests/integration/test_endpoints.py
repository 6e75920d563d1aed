#!/usr/bin/python3
"""Named endpoints: the operator's call, the callers' data, what comes back of it, and what is told of it elsewhere."""
import base64
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import endpoints  # noqa: E402
import named  # noqa: E402
import world  # noqa: E402
from named import told  # noqa: E402

EXPOSED = 4096


class Results(endpoints.Case):
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
            self.assertEqual(world.headers_of(record, "authorization"), ["Bearer " + endpoints.TOKEN])
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

    def test_metrics_and_log_lines_name_the_endpoint(self):
        def batches():
            return self.server.metrics().total("batchgate_batches_total")
        world.settled(batches)  # a batch is counted behind its answer
        before = self.server.metrics()
        self.send("echo", [1], headers={"X-Request-Id": "for-the-log"})
        self.send("echo", 1)
        self.send("made-up", [1])
        world.wait_for("them to be counted", lambda: batches() == before.total("batchgate_batches_total") + 3)
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


if __name__ == "__main__":
    world.main()
