#!/usr/bin/python3
"""A batch as NDJSON: each result a line as it completes, or in the order of the items, the summary last."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import streams  # noqa: E402
import world  # noqa: E402

HOSTILE_BODIES = (
    {"ct": "application/json", "body": '{"n": 12345678901234567890, "b": 1e400, "a": [1.10, -0],\r\n\t"a": {"\\u0000": "\\ud83d\\ude00"}\n}'},
    {"ct": "application/json", "body": '{\r\n"data": "x"}\n\n\n'},
    {"ct": "application/json", "body": "null"},
    {"ct": "application/json", "body": "{not json\n\n}"},
    {"ct": "text/plain", "body": "two\nlines\r\nand\ttabs \x00\x1b[31m \x7f \"quoted\" \\n"},
    {"ct": "text/plain", "body": "\xe2\x80\xa8 \xe2\x80\xa9 \xc2\x85 data: x\n\nevent: result\n\n"},
    {"ct": "application/octet-stream", "body": "\x00\xff\xfe"},
    {"ct": "text/plain", "body": "", "status": 204},
    {"ct": "text/plain", "body": "busy", "status": 503},
)


def without_time(value):
    """An exact value less what differs from one run to the next."""
    kind, pairs = value
    assert kind == "object"
    return [(name, v) for name, v in pairs if name not in ("duration_ms", "request_id")]


class Shape(streams.Case):
    def test_each_result_is_a_line_as_it_completes_and_the_summary_is_the_last(self):
        order = [3, 0, 4, 1, 2]
        stream = self.stream(self.gates(5))
        seen = []
        for n in order:
            self.assertTrue(stream.silent(0.1), "a line before its item completed")
            self.fault.open("g%d" % n)
            value = stream.value()
            self.assertEqual((value["index"], value["id"], value["success"]), (n, n, True))
            seen.append(value)
        summary = stream.value()
        self.assertIsNone(stream.line())
        self.assertTrue(stream.whole)
        document = streams.check_values(seen + [summary], 5)
        self.assertEqual(document["summary"]["request_id"], stream.header("x-request-id"))

    def test_the_fields_of_the_answer(self):
        wire = self.wire()
        wire.send(streams.frame({"items": [{"url": self.fault.url()}]}, headers=[("X-Request-Id", "mine-1")]))
        stream = wire.stream()
        self.assertEqual(stream.header("content-type"), "application/x-ndjson")
        self.assertEqual(stream.header("cache-control"), "no-store")
        self.assertEqual(stream.header("x-accel-buffering"), "no")
        self.assertEqual(stream.header("x-request-id"), "mine-1")
        self.assertEqual(stream.header("transfer-encoding"), "chunked")
        self.assertIsNone(stream.header("content-length"))
        self.assertEqual(self.whole(stream, 1)["summary"]["request_id"], "mine-1")

    def test_results_are_those_of_the_whole_document_to_the_byte(self):
        items = [{"id": "%d\n\u2028\"" % n, "url": self.fault.url("/raw", **query)} for n, query in enumerate(HOSTILE_BODIES)]
        items += [{"url": "http://127.0.0.1:1/"}, {"url": "ftp://x/"}, {"no": "url\n"}, {"id": 99, "url": self.fault.url("/badstatus"), "method": "POST"}]
        for options in ({}, {"include_headers": True}, {"include_body": "none"}, {"include_body": "failed"}):
            with self.subTest(options=options):
                body = json.dumps({"items": items, "options": options}).encode()
                kind, members = streams.exact(self.server.post(body).body)
                document = dict(members)
                wire = self.wire()
                wire.send(streams.frame(body))
                stream = wire.stream()
                lines = stream.lines()
                self.assertEqual(len(lines), len(items) + 1)
                *results, summary = [streams.exact(line) for line in lines]
                results.sort(key=lambda r: int(dict(r[1])["index"][1]))
                for got, want in zip(results, document["results"]):
                    self.assertEqual(without_time(got), without_time(want))
                self.assertEqual(without_time(dict(summary[1])["summary"]), without_time(document["summary"]))

    def test_timing_is_in_the_lines_where_it_is_asked_for(self):
        document = self.whole(self.stream([{"url": self.fault.url()}], {"include_timing": True}), 1)
        self.assertEqual(document["results"][0]["timing"]["attempts"][0]["status"], 200)

    def test_curl_shows_lines_as_they_complete(self):
        curl = streams.Curl(self.server.port, {"items": self.gates(3)}, streams.NDJSON)
        self.addCleanup(curl.kill)
        for count, n in enumerate((2, 0, 1), 1):
            self.fault.open("g%d" % n)
            world.wait_for("line %d" % count, lambda c=count: curl.text().count("\n") >= c)
            if count < 3:
                self.assertEqual(curl.text().count("\n"), count)
        streams.check_values([json.loads(line) for line in curl.end().splitlines()], 3)

    def test_no_items_give_only_the_summary(self):
        stream = self.stream([])
        values = stream.values()
        self.assertEqual(len(values), 1)
        streams.check_values(values, 0)

    def test_invalid_items_are_results_like_others(self):
        items = [{"url": self.fault.url()}, {}, {"url": "http://127.0.0.1/", "body": 1, "body_text": ""}, 7, {"url": "gopher://x/"}]
        document = self.whole(self.stream(items), 5)
        codes = [(r["error"] or {}).get("code") for r in document["results"]]
        self.assertEqual(codes, [None, "invalid_item", "invalid_item", "invalid_item", "blocked_target"])
        self.assertEqual(self.whole(self.stream([{}] * 50), 50)["summary"]["failed"], 50)

    def test_stop_on_error_cancels_the_rest_and_the_stream_is_whole(self):
        items = [{"url": self.fault.url("/status/500")}] + [{"url": self.fault.url()}] * 20
        document = self.whole(self.stream(items, {"stop_on_error": True, "concurrency": 1}), 21)
        self.assertEqual(document["summary"]["by_code"], {"upstream_status": 1, "cancelled": 20})

    def test_the_batchs_clock_ends_what_waits_and_the_stream_is_whole(self):
        document = self.whole(self.stream(self.gates(20), {"batch_timeout_ms": 400, "concurrency": 4}), 20)
        self.assertEqual(document["summary"]["by_code"], {"timeout": 20})

    def test_the_batch_is_counted_and_logged_once(self):
        server = self.start()
        self.whole(self.stream([{"url": self.fault.url()}] * 3, server=server), 3)
        world.wait_for("the batch to be counted", lambda: server.metrics().total("batchgate_batches_total") == 1)
        metrics = server.metrics()
        self.assertEqual(metrics.of("batchgate_batches_total", endpoint="", status="200"), 1)
        self.assertEqual(metrics.of("batchgate_items_total", code="ok"), 3)
        self.assertEqual(len(world.wait_for("its line in the log", lambda: server.events("batch"))), 1)


class Order(streams.Case):
    def test_completion_is_the_default_and_may_be_asked_for(self):
        for options in ({}, {"order": "completion"}):
            self.fault.reset()
            stream = self.stream(self.gates(2), options)
            self.fault.open("g1")
            self.assertEqual(stream.value()["index"], 1)
            self.fault.open("g0")
            self.assertEqual(stream.value()["index"], 0)
            self.assertIn("summary", stream.value())

    def test_input_order_does_not_stop_the_others(self):
        others = 300
        items = self.gates(1) + [{"url": self.fault.url("/ok")} for _ in range(others)]
        stream = self.stream(items, {"order": "input", "concurrency": 4})
        world.wait_for("the others to be done", lambda: self.fault.hits("/ok") == others)
        self.assertTrue(stream.silent(0.2), "a line before that of the first item")
        self.fault.open("g0")
        values = stream.values()
        self.assertEqual([v["index"] for v in values[:-1]], list(range(others + 1)))
        streams.check_values(values, others + 1)

    def test_input_order_gives_each_line_as_soon_as_those_before_it_are_there(self):
        stream = self.stream(self.gates(4), {"order": "input"})
        for n, lines in ((0, 1), (2, 0), (1, 2), (3, 1)):
            self.fault.open("g%d" % n)
            for _ in range(lines):
                self.assertIn("index", stream.value())
            if n < 3:
                self.assertTrue(stream.silent(0.1))
        self.assertIn("summary", stream.value())

    def test_input_order_holds_for_invalid_items_too(self):
        items = [item for n in range(20) for item in ({"url": self.fault.url("/sleep", ms=n % 3)}, {}, {"url": "ftp://x/"})]
        values = self.stream(items, {"order": "input"}).values()
        self.assertEqual([v["index"] for v in values[:-1]], list(range(60)))

    def test_an_item_that_is_retried_is_waited_for(self):
        retry = {"max_attempts": 4, "backoff_ms": 50}
        items = [{"url": self.fault.url("/flaky", key="a", fail=2), "retry": retry}]
        items += [{"url": self.fault.url("/raw", n=100000)} for _ in range(150)]
        values = self.stream(items, {"order": "input", "concurrency": 4}).values()
        self.assertEqual([v["index"] for v in values[:-1]], list(range(151)))
        self.assertEqual((values[0]["attempts"], values[0]["success"]), (3, True))
        streams.check_values(values, 151)

    def test_input_order_of_a_batch_that_is_cut_short(self):
        items = self.gates(1) + [{"url": self.fault.url("/ok")}] * 5 + self.gates(20, "h")
        items = [{**item, "id": n} for n, item in enumerate(items)]
        values = self.stream(items, {"order": "input", "batch_timeout_ms": 3000, "concurrency": 3}).values()
        self.assertEqual([v["index"] for v in values[:-1]], list(range(26)))
        self.assertEqual(streams.check_values(values, 26)["summary"]["by_code"], {"timeout": 21})


if __name__ == "__main__":
    world.main()
