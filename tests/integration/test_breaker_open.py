#!/usr/bin/python3
# ctest: cost=10
# ctest: lock=breaker
"""What becomes of the calls that meet an upstream's breaker open, in every shape of answer."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import breakers  # noqa: E402
import named  # noqa: E402
import streams  # noqa: E402
import world  # noqa: E402
from breakers import CONCURRENCY, FAILURES, FOR_LONG, MOST, codes  # noqa: E402


class WhileOpen(streams.Case, named.Case, breakers.Case):
    """Every shape of answer tells it."""

    @classmethod
    def class_config(cls):
        return {"upstreams": [{"match": "*", "breaker": FOR_LONG}],
                "endpoints": {"asks": {"url": "http://127.0.0.1:%d/status/503" % cls.fault.ports["http"], "concurrency": CONCURRENCY,
                                       "max_items": 1000, "fallback": "{instead: .item, code: .error.code}"}}}

    def down(self):
        return [{"url": self.url("/status/503"), "id": n} for n in range(1000)]

    def judge(self, document):
        self.assertLessEqual(len(self.seen()), MOST)
        self.assertEqual(document["summary"]["by_code"], {"upstream_status": len(self.seen()), "circuit_open": 1000 - len(self.seen())})
        for result in document["results"]:
            if result["error"]["code"] != "upstream_status":
                self.assert_refused(result)

    def test_lines(self):
        stream = self.stream(self.down(), {"concurrency": CONCURRENCY})
        self.judge(streams.check_values(stream.values(), 1000))
        self.assertTrue(stream.whole)

    def test_lines_in_the_items_order(self):
        stream = self.stream(self.down(), {"concurrency": CONCURRENCY, "order": "input"})
        values = stream.values()
        self.assertEqual([v["index"] for v in values[:-1] if "index" in v], list(range(1000)))
        self.judge(streams.check_values(values, 1000))

    def test_events(self):
        stream = self.stream(self.down(), {"concurrency": CONCURRENCY}, streams.SSE)
        events = list(iter(stream.event, None))
        results = [json.loads(e["data"]) for e in events if e.get("event") == "result"]
        summary = json.loads(events[-1]["data"])
        document = {"results": sorted(results, key=lambda r: r["index"]), "summary": summary.get("summary", summary)}
        world.check_document(document, 1000)
        self.judge(document)

    def test_a_named_endpoint_gives_its_fallback(self):
        for begun in (True, False):
            results = self.results("asks", list(range(1000)))
            self.assertEqual(len([r for r in results if r["error"]["code"] == "upstream_status"]) > 0, begun)
            for result in results:
                self.assertTrue(result["fallback_used"])
                self.assertEqual(result["result"], {"instead": result["index"], "code": result["error"]["code"]})
            self.assertLessEqual(self.fault.hits("/status/503"), MOST)

    def test_stop_on_error_stops_at_the_first_that_is_refused(self):
        self.batch([{"url": self.url("/status/503")}] * FAILURES, {"concurrency": 1})
        results = self.batch([{"url": self.url("/ok")}] * 100, {"stop_on_error": True})["results"]
        self.assertEqual(codes(results), {"circuit_open": 1, "cancelled": 99})
        self.assert_refused(results[0])
        for result in results[1:]:
            self.assert_error(result, "cancelled", "stop_on_error", sent=False)
        self.assertEqual(len(self.seen()), FAILURES)

    def test_stop_on_error_in_the_batch_that_opens_it(self):
        results = self.batch([{"url": self.url("/status/503")}] * 1000, {"stop_on_error": True, "concurrency": CONCURRENCY})["results"]
        self.assertLessEqual(codes(results)["upstream_status"], CONCURRENCY)
        self.assertEqual(codes(results)["upstream_status"] + codes(results)["cancelled"], 1000, codes(results))

    def test_what_was_asked_of_others_goes_on(self):
        other = next(self.ports)
        slow = world.in_thread(self.batch, [{"url": self.url("/gate", other, key=other)}])
        world.wait_for("the slow call", lambda: self.seen(port=other))
        self.batch([{"url": self.url("/status/503")}] * FAILURES, {"concurrency": 1})
        self.fault.open(other)
        self.all_fine(slow.result(), 1)

    def test_a_call_under_way_when_it_opens_is_not_lost(self):
        slow = world.in_thread(self.batch, [{"url": self.url("/gate", key=self.port)}])
        world.wait_for("the slow call", lambda: self.seen("/gate"))
        self.batch([{"url": self.url("/status/503")}] * FAILURES, {"concurrency": 1})
        self.fault.open(self.port)
        self.all_fine(slow.result(), 1)
        self.still_open(self.url("/ok"))  # what began before says nothing of now

    def test_items_that_wait_for_a_slot_end_as_it_opens(self):
        server = self.start({"upstreams": [{"match": "*", "breaker": {**FOR_LONG, "failures": 1}, "concurrency": 1}]})
        run = world.in_thread(self.batch, [{"url": self.url("/gate", key=self.port)}], None, server)
        world.wait_for("the slot to be taken", lambda: self.seen("/gate"))
        self.mood(503)
        parked = world.in_thread(self.batch, self.moody(500), {"concurrency": 200}, server)
        world.wait_for("them to wait", lambda: server.metrics().of("batchgate_queued") == 500)
        self.fault.open(self.port)
        results = parked.result()["results"]
        self.assertEqual(codes(results), {"upstream_status": 1, "circuit_open": 499})
        self.assertEqual(len(self.seen("/mood")), 1)
        self.all_fine(run.result(), 1)


if __name__ == "__main__":
    world.enter_namespace()
    world.main()
