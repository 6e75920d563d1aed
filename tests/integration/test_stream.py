#!/usr/bin/python3
# ctest: cost=20
"""A batch as NDJSON: each result a line as it completes, the summary last; and which answer `Accept` asks for."""
import json
import os
import subprocess
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


class Connections(streams.Case):
    def batch_of(self, count, accept=streams.NDJSON, **options):
        return streams.frame({"items": [{"url": self.fault.url()}] * count}, accept, **options)

    def test_the_connection_is_kept_after_a_stream(self):
        wire = self.wire()
        for _ in range(5):
            wire.send(self.batch_of(4))
            self.whole(wire.stream(), 4)
            wire.send(world.frame("GET", "/healthz"))
            self.assertEqual(wire.answer().status, 200)
        wire.send(self.batch_of(2, streams.JSON))
        world.check_document(wire.answer().json(), 2)

    def test_pipelined_requests_are_answered_in_their_order(self):
        wire = self.wire()
        wire.send(self.batch_of(3) + self.batch_of(2, streams.SSE) + world.frame("GET", "/version") + self.batch_of(1))
        self.whole(wire.stream(), 3)
        events = list(iter(wire.stream().event, None))
        self.assertEqual([e["event"] for e in events if e["event"] != "progress"], ["result", "result", "summary"])
        self.assertEqual(wire.answer().status, 200)
        self.whole(wire.stream(), 1)

    def test_http_1_0_is_closed_at_the_end(self):
        wire = self.wire()
        wire.send(self.batch_of(3, version="1.0"))
        stream = wire.stream()
        self.assertIsNone(stream.header("transfer-encoding"))
        self.whole(stream, 3)

    def test_http_1_0_that_asks_to_be_kept_is_closed_all_the_same(self):
        wire = self.wire()
        wire.send(self.batch_of(3, version="1.0", headers=[("Connection", "keep-alive")]))
        self.whole(wire.stream(), 3)

    def test_http_1_0_gets_lines_as_they_complete(self):
        wire = self.wire()
        wire.send(streams.frame({"items": self.gates(2)}, version="1.0"))
        stream = wire.stream()
        self.fault.open("g1")
        self.assertEqual(stream.value()["index"], 1)
        self.fault.open("g0")
        self.whole_after(stream)

    def whole_after(self, stream):
        values = stream.values()
        self.assertEqual([sorted(v)[0] for v in values], ["attempts", "summary"])

    def test_connection_close_is_obeyed(self):
        wire = self.wire()
        wire.send(self.batch_of(2, headers=[("Connection", "close")]))
        self.whole(wire.stream(), 2)
        self.assertTrue(wire.closed_by_peer(10))

    def test_a_half_closed_client_gets_the_complete_stream(self):
        wire = self.wire()
        wire.send(streams.frame({"items": self.gates(20), "options": {"concurrency": 2}}))
        stream = wire.stream()
        self.fault.open("g0")
        self.assertEqual(stream.value()["index"], 0)
        world.wait_for("three calls", lambda: self.fault.hits("/gate") == 3)
        wire.half_close()
        values = stream.values()
        self.assertTrue(stream.whole)
        self.assertEqual(sorted(v["index"] for v in values[:-1]), list(range(1, 20)))
        for value in values[:-1]:
            self.assert_error(value, "cancelled", "client_gone", sent=value["index"] in (1, 2), retryable=True)
        self.assertEqual(values[-1]["summary"]["by_code"], {"cancelled": 19})
        self.assertEqual(values[-1]["summary"]["succeeded"], 1)
        self.assertEqual(self.fault.hits("/gate"), 3)
        self.idle()


    def test_a_half_close_right_behind_the_request(self):
        for accept in (streams.NDJSON, streams.SSE, streams.TEXT):
            wire = self.wire()
            wire.send(streams.frame({"items": [{"url": self.fault.url("/sleep", ms=3000)} for _ in range(15)], "options": {"concurrency": 2}}, accept))
            wire.half_close()
            stream = wire.stream()
            if accept == streams.NDJSON:
                self.whole(stream, 15)
            else:
                text = stream.rest().decode()
                self.assertEqual(text.count("event: result\n" if accept == streams.SSE else "[FAILED] "), 15 if accept == streams.SSE else 30, text)
            self.assertTrue(stream.whole)
        self.assertLessEqual(self.fault.hits("/sleep"), 12)
        self.idle()


class Many(streams.Case):
    COUNT = 10000
    config = {"limits": {"max_items": COUNT}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nginx = world.Nginx(cls.folder, keepalive_requests=1000000)
        cls.addClassCleanup(cls.nginx.kill)
        cls.httpbin = world.Httpbin(cls.folder)
        cls.addClassCleanup(cls.httpbin.kill)

    @classmethod
    def tearDownClass(cls):
        cls.httpbin.stop()
        cls.nginx.stop()
        super().tearDownClass()

    def test_ten_thousand_items_have_a_line_each(self):
        items = [{"id": "n%d" % n, "url": self.nginx.url("/json?n=%d" % n)} for n in range(self.COUNT)]
        for order in ("completion", "input"):
            with self.subTest(order=order):
                stream = self.stream(items, {"order": order, "concurrency": 64})
                values = stream.values()
                document = streams.check_values(values, self.COUNT)
                self.assertEqual(document["summary"]["succeeded"], self.COUNT)
                for result in document["results"]:
                    self.assertEqual(result["id"], "n%d" % result["index"])
                    self.assertEqual(result["body"]["uri"], "/json?n=%d" % result["index"])
                if order == "input":
                    self.assertEqual([v["index"] for v in values if "index" in v], list(range(self.COUNT)))
                self.idle()

    def test_ten_thousand_items_that_complete_at_once(self):
        for items in ([{}] * self.COUNT, [{"url": "ftp://x/"}] * self.COUNT):
            self.assertEqual(self.whole(self.stream(items), self.COUNT)["summary"]["failed"], self.COUNT)
        self.idle()

    def test_twenty_streams_at_once(self):
        def one(number):
            items = [{"id": "%d/%d" % (number, n), "url": self.nginx.url("/json?n=%d" % n)} for n in range(300)]
            document = self.whole(self.stream(items, {"order": ("input", "completion")[number % 2]}), 300)
            self.assertEqual([r["id"] for r in document["results"]], [item["id"] for item in items])
            self.assertEqual(document["summary"]["succeeded"], 300)
        for run in [world.in_thread(one, number) for number in range(20)]:
            run.result()
        self.idle()

    def test_httpbins_answers_come_fast_ones_first(self):
        items = [{"id": "slow", "url": self.httpbin.url("/delay/3")}, {"id": "busy", "url": self.httpbin.url("/status/503")},
                 {"id": "text", "url": self.httpbin.url("/html")}, {"id": "gzip", "url": self.httpbin.url("/gzip")}]
        values = self.stream(items).values()
        self.assertEqual(values[-2]["id"], "slow")
        results = {r["id"]: r for r in streams.check_values(values, 4)["results"]}
        self.assert_error(results["busy"], "upstream_status", status=503)
        self.assertTrue(results["gzip"]["body"]["gzipped"])
        self.assertIn("Herman Melville", results["text"]["body"])


class Accept(streams.Case):
    config = {"limits": {"max_items": 50, "max_body": "64KiB"}, "pool": {"queue_limit": 20}}
    TYPES = (streams.JSON, streams.NDJSON, streams.SSE, streams.TEXT)

    def type_for(self, accept):
        fields = [("Accept", accept)] if accept is not None else []
        answer = self.server.post({"items": [{"url": self.fault.url()}]}, headers=fields)
        self.assertEqual(answer.status, 200, answer)
        return answer.header("content-type").split(";")[0]

    def test_who_asks_for_nothing_special_gets_the_document(self):
        for accept in (None, "*/*", "application/*", "application/json", "*/*;q=0.1", "", "text/html, */*"):
            self.assertEqual(self.type_for(accept), streams.JSON, accept)

    def test_each_type_by_its_name(self):
        for name in self.TYPES:
            for accept in (name, name.upper(), name + ";q=0.001", "text/html, " + name, name + ", */*;q=0.9",
                           "*/*;q=0.9," + name):
                self.assertEqual(self.type_for(accept), name, accept)

    def test_the_highest_quality_wins(self):
        for accept, name in (("application/json;q=0.5, application/x-ndjson", streams.NDJSON),
                             ("text/plain;q=0.9, application/x-ndjson;q=0.8", streams.TEXT),
                             ("text/plain;q=0.2, text/event-stream;q=0.3, application/json;q=0.1", streams.SSE),
                             ("application/json;q=0, */*", streams.NDJSON),
                             ("application/*;q=0, */*", streams.SSE),
                             ("application/x-ndjson;q=0, application/*", streams.JSON),
                             ("text/*;q=0.9, text/event-stream;q=0.1", streams.TEXT),
                             ("*/*, text/plain;q=0.5", streams.JSON)):
            self.assertEqual(self.type_for(accept), name, accept)

    def test_ties_go_to_the_tables_order(self):
        for n in range(len(self.TYPES)):
            self.assertEqual(self.type_for(", ".join(reversed(self.TYPES[n:]))), self.TYPES[n])
            self.assertEqual(self.type_for(", ".join(t + ";q=0.5" for t in reversed(self.TYPES[n:]))), self.TYPES[n])
        self.assertEqual(self.type_for("text/*"), streams.SSE)

    def test_several_fields_are_one_list(self):
        answer = self.server.post({"items": []}, headers=[("Accept", "application/json;q=0.1"), ("Accept", streams.NDJSON)])
        self.assertEqual(answer.header("content-type"), streams.NDJSON)

    def test_406_lists_what_there_is(self):
        for accept in ("text/html", "application/xml, image/*", "application/x-ndjson;q=0", "*/*;q=0"):
            answer = self.server.post({"items": []}, headers=[("Accept", accept)])
            problem = self.assert_problem(answer, 406, "not_acceptable")
            for name in self.TYPES:
                self.assertIn(name, problem["detail"])

    def test_a_refusal_is_a_problem_whatever_accept_asks(self):
        for accept in self.TYPES[1:]:
            fields = [("Accept", accept)]
            for body, status, code in ((b"{", 400, "invalid_json"), (b'{"items":7}', 400, "invalid_request"),
                                       (b'{"items":[{}],"options":{"strict":true}}', 400, "invalid_request"),
                                       (b'{"items":[],"options":{"order":"random"}}', 400, "invalid_request"),
                                       (b'{"items":[],"options":{"label":7}}', 400, "invalid_request"),
                                       (b'{"items":[%s]}' % b",".join([b"{}"] * 51), 413, "too_many_items"),
                                       (b" " * 70000, 413, "body_too_large"),
                                       (json.dumps({"items": [{"url": self.fault.url()}] * 21}).encode(), 503, "queue_full")):
                self.assert_problem(self.server.post(body, headers=fields), status, code)
        self.assertEqual(self.fault.hits(), 0)

    def test_without_a_key_it_is_401_whatever_accept_asks(self):
        server = self.start({"auth": {"keys": [{"name": "a", "sha256": [world.make_key()[1]]}]}})
        for accept in self.TYPES:
            answer = server.post({"items": []}, headers=[("Accept", accept)])
            self.assert_problem(answer, 401, "unauthorized")

    def test_a_body_of_ndjson_is_415_and_told_where_to_go(self):
        for accept in self.TYPES:
            answer = self.server.post(b'{}\n{"url":"http://x/"}\n', headers=[("Content-Type", streams.NDJSON), ("Accept", accept)])
            problem = self.assert_problem(answer, 415, "unsupported_media_type")
            self.assertIn("/v1/jobs", problem["detail"])
            self.assertIn("batchgate run", problem["detail"])

    def test_every_stream_tells_caches_and_proxies_to_stay_out_of_it(self):
        for accept in self.TYPES[1:]:
            answer = self.server.post({"items": []}, headers=[("Accept", accept)])
            self.assertEqual(answer.header("cache-control"), "no-store")
            self.assertEqual(answer.header("x-accel-buffering"), "no")

    def test_curl_without_flags_gets_the_document(self):
        done = subprocess.run([world.need("curl"), "-q", "-sS", "--noproxy", "*", "--json", '{"items":[]}',
                               "http://127.0.0.1:%d/v1/batch" % self.server.port], capture_output=True, check=True, timeout=world.WAIT)
        world.check_document(json.loads(done.stdout), 0)


if __name__ == "__main__":
    world.main()
