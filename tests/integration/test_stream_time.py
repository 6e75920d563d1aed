#!/usr/bin/python3
# ctest: serial
"""Streams against the clock: how soon a result is with its reader, what stalled readers cost others, how soon leaving ends a batch.

What is measured is compared with the same measured in the same run, and measured again where a hiccup may have spoiled it.
"""
import json
import os
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import streams  # noqa: E402
import world  # noqa: E402

KIB = 1 << 10


class Latency(streams.Case):
    ROUNDS = 60

    def direct(self, key):
        """How long the same answer takes to get here without the server between."""
        with socket.create_connection(("127.0.0.1", self.fault.ports["http"])) as sock:
            sock.sendall(b"GET /gate?key=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % key.encode())
            world.wait_for("the call", lambda: self.fault.stats()["active"].get("/gate"))
            self.fault.open(key)
            data = sock.recv(65536)
            arrived = time.monotonic()
            return arrived - json.loads(data.partition(b"\r\n\r\n")[2])["sent_at"]

    def test_a_result_reaches_the_client_within_5_ms_of_its_completion(self):
        for accept in (streams.NDJSON, streams.SSE, streams.TEXT):
            with self.subTest(accept=accept):
                world.again(lambda a=accept: self.measure(a))

    def measure(self, accept):
        direct, first, all_of_them = [], [], []
        for _ in range(3):
            self.fault.reset()
            direct += [self.direct("direct%d" % n) for n in range(self.ROUNDS // 3)]
            self.fault.reset()
            stream = self.stream(self.gates(self.ROUNDS // 3), accept=accept)
            world.wait_for("all calls", lambda: self.fault.stats()["active"].get("/gate") == self.ROUNDS // 3)
            for n in range(self.ROUNDS // 3):
                took = self.took(stream, accept, n)
                all_of_them.append(took)
                first += [took] if n == 0 else []
            stream.rest()
        extra = statistics.median(all_of_them) - statistics.median(direct)
        # A machine that is slow for the direct way is as slow on each of the two hops through the server.
        bound = max(0.005 if not world.sanitized() else 0.050, 3 * statistics.median(direct))
        self.assertLess(extra, bound, (sorted(all_of_them), sorted(direct)))
        self.assertLess(statistics.median(first) - statistics.median(direct), bound, first)

    def took(self, stream, accept, n):
        """Opens the gate; the time from its answer's sending to the arrival of its result."""
        self.fault.open("g%d" % n)
        sent_at = None
        if accept == streams.TEXT:
            while b"[OK] %d " % n not in stream.waiting:
                stream.waiting += stream.part()
            stream.waiting = b""
            return stream.arrived - self.sent_at(n)
        while sent_at is None:
            if accept == streams.NDJSON:
                value = stream.value()
            else:
                event = stream.event()
                value = json.loads(event["data"]) if event.get("event") == "result" else {}
            sent_at = value["body"]["sent_at"] if value.get("index") == n else None
        return stream.arrived - sent_at

    def sent_at(self, n):
        return self.fault.ask("/_sent?key=g%d" % n)["at"]


class FullSpeed(streams.Case):
    """Two servers, one of which has stalled readers; what is measured goes to one and the other by turns."""
    config = {"server": {"write_timeout": "5m"}, "limits": {"memory": "512MiB"}}

    def small(self, server):
        began = time.monotonic()
        items = [{"url": self.fault.url("/sleep", ms=2)} for _ in range(100)]
        document = self.whole(self.stream(items, {"concurrency": 8}, server=server), 100)
        self.assertEqual(document["summary"]["succeeded"], 100)
        return time.monotonic() - began

    def test_other_clients_run_at_full_speed_beside_stalled_readers(self):
        hits = lambda: self.fault.hits("/raw")
        quiet = self.start(self.config)
        items = [{"url": self.fault.url("/raw", n=100 * KIB, ct="text/plain")} for _ in range(500)]
        stalled = [self.stream(items, {"concurrency": 200}, receive=4096) for _ in range(4)]
        world.wait_for("their calls", lambda: hits() > 20)
        world.settled(hits, 1)

        def measure():
            alone, beside = [], []
            for _ in range(9):
                alone.append(self.small(quiet))
                beside.append(self.small(self.server))
            self.assertLess(statistics.median(beside), 2 * statistics.median(alone) + 0.1, (alone, beside))
        for server in (quiet, self.server):  # connections are there after it
            self.small(server)
        world.again(measure)
        self.assertLess(hits(), 4 * 500 // 2, "their batches went on without a reader")
        for stream in stalled:
            stream.wire.close()
        self.idle()


class Leaving(streams.Case):
    """What has not started when the client leaves must not start later than this after it."""
    WITHIN = 0.2

    def test_what_has_not_started_is_cancelled_within_200_ms(self):
        for how in ("close", "reset"):
            for accept in (streams.NDJSON, streams.SSE, streams.TEXT):
                with self.subTest(how=how, accept=accept):
                    world.again(lambda h=how, a=accept: self.measure(h, a))

    def measure(self, how, accept):
        self.fault.reset()
        stream = self.stream([{"url": self.fault.url("/sleep", ms=20)} for _ in range(2000)], {"concurrency": 4}, accept)
        world.wait_for("calls", lambda: self.fault.hits("/sleep") > 20)
        stream.part()
        stream.wire.reset() if how == "reset" else stream.wire.close()
        left = time.monotonic()
        self.idle()
        late = [r for r in self.fault.asked("/sleep") if r["at"] > left + self.WITHIN * (5 if world.sanitized() else 1)]
        self.assertEqual(late, [])
        self.assertLess(self.fault.hits("/sleep"), 1000)


if __name__ == "__main__":
    world.main()
