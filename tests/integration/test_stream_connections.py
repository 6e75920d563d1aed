#!/usr/bin/python3
"""Streams and their connections: kept, pipelined, HTTP/1.0, closed, half-closed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import streams  # noqa: E402
import world  # noqa: E402


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
        first = stream.value()
        self.assertEqual(first["index"], 1)
        self.fault.open("g0")
        values = stream.values()
        self.assertEqual([v.get("index") for v in values], [0, None])
        self.assertEqual(streams.check_values([first, *values], 2)["summary"]["succeeded"], 2)
        self.assertTrue(stream.whole)

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


if __name__ == "__main__":
    world.main()
