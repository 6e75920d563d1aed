#!/usr/bin/python3
"""Named endpoints: what a caller's options choose, and results in every shape of answer."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import endpoints  # noqa: E402
import named  # noqa: E402
import world  # noqa: E402
from named import told  # noqa: E402


class Options(endpoints.Case):
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


if __name__ == "__main__":
    world.main()
