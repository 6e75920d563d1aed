#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=110
"""Readers of streams that stop, that are slow, that leave: what they cost, and that they cost nobody else."""
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import streams  # noqa: E402
import world  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
WRITE_TIMEOUT = 3
ITEMS, SIZE = 2000, 100 * KIB
HELD_MAX = 40 * MIB  # of a stream of 200 MiB: some of it waits, and up to 200 answers are on their way


class Watch:
    """Looks at the server and the upstream again and again: what is held, and how many calls have come."""

    def __init__(self, server, fault, path):
        self.server, self.fault, self.path = server, fault, path
        self.samples, self.stop = [], threading.Event()
        self.run = world.in_thread(self.look)

    def look(self):
        while not self.stop.wait(0.05):
            metrics = self.server.metrics()
            self.samples.append((time.monotonic(), metrics.total("batchgate_memory_bytes"), self.fault.hits(self.path)))

    def end(self):
        self.stop.set()
        self.run.result()
        return self.samples

    def hits_at(self, when):
        return [hits for at, _, hits in self.samples if at <= when][-1]


class Stalled(streams.Case):
    config = {"server": {"write_timeout": "%ds" % WRITE_TIMEOUT}, "limits": {"memory": "512MiB"}}

    def setUp(self):
        super().setUp()
        self.idle()
        self.server.forget_peak()
        self.before = self.server.rss(peak=False)

    def large(self, count=ITEMS, size=SIZE):
        return [{"url": self.fault.url("/raw", n=size, ct="text/plain")} for _ in range(count)]

    def cut(self):
        return self.server.metrics().total("batchgate_connections_cut_total")

    def stall(self, accept=streams.NDJSON, **options):
        """A reader that takes the head and no more, until the server lets go of it: (stream, samples, when)."""
        cut = self.cut()
        watch = Watch(self.server, self.fault, "/raw")
        began = time.monotonic()
        stream = self.stream(self.large(), options, accept, receive=4096)
        world.wait_for("the server to let go of it", lambda: self.cut() > cut)
        when = time.monotonic()
        self.assertGreater(when - began, WRITE_TIMEOUT)
        self.idle()
        watch.end()
        return stream, watch, when

    def judge(self, watch, when, under_way):
        self.assertLess(max(held for _, held, _ in watch.samples), HELD_MAX)
        self.assertLess(self.server.rss() - self.before, HELD_MAX + 24 * MIB if not world.sanitized() else 2048 * MIB)
        self.assertLess(watch.hits_at(when), ITEMS // 2, "its batch went on without a reader")
        started = world.settled(lambda: self.fault.hits("/raw")) - watch.hits_at(when)
        self.assertLessEqual(started, under_way, "what had not started started")

    def test_its_batch_stands_still(self):
        server = self.start({"server": {"write_timeout": "5m"}})
        stream = self.stream(self.large(), server=server, receive=4096)
        hits = lambda: self.fault.hits("/raw")

        def measure():
            before = world.settled(hits, 1)
            time.sleep(1.5)
            self.assertEqual(hits(), before, "its batch went on without a reader")
        world.wait_for("calls", lambda: hits() > 20)
        world.again(measure)
        self.assertLess(hits(), ITEMS // 2)
        stream.wire.close()
        self.idle(server)

    def test_it_costs_bounded_memory_and_is_dropped(self):
        for accept, options in ((streams.NDJSON, {}), (streams.SSE, {}), (streams.NDJSON, {"order": "input"}), (streams.NDJSON, {"concurrency": 200})):
            with self.subTest(accept=accept, options=options):
                self.fault.reset()
                stream, watch, when = self.stall(accept, **options)
                self.judge(watch, when, options.get("concurrency", 32))
                with self.assertRaises((streams.Cut, ConnectionResetError)):
                    stream.rest()
                self.assertFalse(stream.whole)

    def test_a_stream_cut_short_has_no_summary(self):
        stream, _, _ = self.stall()
        lines = []
        try:
            while True:
                lines.append(stream.line())
        except (streams.Cut, ConnectionResetError):
            pass
        for line in lines:
            self.assertEqual(set(json.loads(line)), world.RESULT)
        self.assertNotIn(b'"summary"', stream.waiting)

    def test_what_was_cancelled_is_counted(self):
        before = self.server.metrics().of("batchgate_items_total", code="cancelled")
        self.stall()
        self.assertGreater(self.server.metrics().of("batchgate_items_total", code="cancelled") - before, ITEMS // 2)

    def test_many_stalled_readers_stay_within_the_budget(self):
        server = self.start({"server": {"write_timeout": "%ds" % WRITE_TIMEOUT}, "limits": {"memory": "64MiB"}})
        readers = [self.stream(self.large(300), {}, server=server, receive=4096) for _ in range(20)]
        limit = server.metrics().total("batchgate_memory_limit_bytes")
        watch = Watch(server, self.fault, "/raw")
        world.wait_for("the server to let go of all", lambda: server.metrics().total("batchgate_connections_cut_total") == len(readers))
        self.assertLessEqual(max(held for _, held, _ in watch.end()), limit)
        self.assertLess(server.rss(), 96 * MIB if not world.sanitized() else 2048 * MIB)
        self.idle(server)
        self.assertEqual(self.whole(self.stream([{"url": self.fault.url()}] * 20, server=server), 20)["summary"]["succeeded"], 20)

    def test_who_reads_on_in_time_gets_everything(self):
        def measure():
            stream = self.stream(self.large(300), receive=4096)
            time.sleep(WRITE_TIMEOUT * 0.6)
            document = self.whole(stream, 300)
            self.assertEqual(document["summary"]["succeeded"], 300)
        world.again(measure)

    def steady(self, bytes_a_second, count, size, **options):
        """Reads so much in each tenth of a second until the end."""
        stream = self.stream(self.large(count, size), options, receive=16384)
        data, began = b"", time.monotonic()
        taken = 0
        while True:
            part = stream.part()
            if not part:
                break
            data += part
            taken += len(part)
            wait = began + taken / bytes_a_second - time.monotonic()
            if wait > 0:
                time.sleep(min(wait, 0.3))
        self.assertTrue(stream.whole)
        document = streams.check_values([json.loads(line) for line in data.splitlines()], count)
        self.assertEqual(document["summary"]["succeeded"], count)
        self.assertTrue(all(len(r["body"]) == size for r in document["results"]))
        return time.monotonic() - began

    def test_a_slow_but_steady_reader_gets_everything(self):
        cut = self.cut()
        for options in ({}, {"order": "input"}):
            self.assertGreater(self.steady(2 * MIB, 200, SIZE, **options), 3 * WRITE_TIMEOUT)
        self.assertEqual(self.cut(), cut)

    def test_a_reader_that_is_slower_than_the_kernels_buffers_are_large_gets_everything(self):
        self.assertGreater(self.steady(300 * KIB, 60, SIZE), 6 * WRITE_TIMEOUT)

    def test_slow_upstreams_are_not_held_against_the_reader(self):
        began = time.monotonic()
        items = [{"url": self.fault.url("/sleep", ms=2200 * (1 + n))} for n in range(3)]
        document = self.whole(self.stream(items), 3)
        self.assertEqual(document["summary"]["succeeded"], 3)
        self.assertGreater(time.monotonic() - began, 2 * WRITE_TIMEOUT)


class Window(streams.Case):
    config = {"server": {"write_timeout": "30s"}, "limits": {"memory": "256MiB"}}
    ITEMS = 2400

    def test_one_slow_item_holds_back_a_bounded_number_of_the_others(self):
        items = self.gates(1, timeout_ms=300000) + [{"url": self.fault.url("/raw", n=SIZE, ct="text/plain")} for _ in range(self.ITEMS - 1)]
        stream = self.stream(items, {"order": "input", "concurrency": 16})
        held = lambda: self.server.metrics().total("batchgate_memory_bytes")
        world.wait_for("the others", lambda: self.fault.hits("/raw") > 2 * 16)
        before = world.settled(lambda: self.fault.hits("/raw"), 0.7)
        self.assertGreater(before, 2 * 16, "the others are stopped")
        self.assertLess(before, self.ITEMS - 1, "the window has no bound")
        self.assertLess(held(), 128 * MIB)
        self.assertTrue(stream.silent(0.1))
        self.fault.open("g0")
        values = stream.values()
        self.assertEqual([v["index"] for v in values[:-1]], list(range(self.ITEMS)))
        self.assertEqual(streams.check_values(values, self.ITEMS)["summary"]["succeeded"], self.ITEMS)
        self.idle()


class Leaving(streams.Case):
    def leave(self, stream, how):
        if how == "reset":
            stream.wire.reset()
        else:
            stream.wire.close()

    def test_who_leaves_in_silence_is_noticed(self):
        def measure(order):
            self.fault.reset()
            stream = self.stream([{"url": self.fault.url("/stall"), "timeout_ms": 120000} for _ in range(50)], {"concurrency": 4, "order": order})
            world.wait_for("four calls", lambda: self.fault.hits("/stall") == 4)
            stream.wire.close()
            left = time.monotonic()
            world.wait_for("the upstream to see four aborts", lambda: self.fault.stats()["aborted"].get("/stall") == 4, pause=0.005)
            self.assertLess(time.monotonic() - left, 1 if not world.sanitized() else 10)
            self.idle()
            self.assertEqual(self.fault.hits("/stall"), 4)
        for order in ("completion", "input"):
            world.again(lambda o=order: measure(o))

    def test_who_leaves_with_much_unread_gives_everything_back(self):
        def measure(how):
            self.fault.reset()
            stream = self.stream([{"url": self.fault.url("/raw", n=SIZE)} for _ in range(1000)], receive=4096)
            world.wait_for("calls", lambda: self.fault.hits("/raw") > 20)
            time.sleep(0.3)
            self.leave(stream, how)
            left = time.monotonic()
            self.idle()
            self.assertLess(time.monotonic() - left, 3 if not world.sanitized() else 30)
            self.assertLess(self.fault.hits("/raw"), 900)
        for how in ("close", "reset"):
            world.again(lambda h=how: measure(h))

    def test_curl_that_is_interrupted_is_a_client_that_left(self):
        curl = streams.Curl(self.server.port, {"items": self.gates(30), "options": {"concurrency": 3}}, terminal=True)
        self.fault.open("g0")
        world.wait_for("a line", lambda: "[OK] 0" in curl.text() or "1/30" in curl.text())
        curl.kill()
        self.idle()
        self.assertLessEqual(self.fault.hits("/gate"), 5)

    def test_two_hundred_that_leave_cost_nothing(self):
        before = self.server.open_files()
        for n in range(200):
            accept = (streams.NDJSON, streams.SSE, streams.TEXT)[n % 3]
            wire = self.wire()
            wire.send(streams.frame({"items": [{"url": self.fault.url("/ok")}] + [{"url": self.fault.url("/stall"), "timeout_ms": 120000}] * 3,
                                     "options": {"order": ("input", "completion")[n % 2]}}, accept))
            if n % 4:
                wire.stream()
            self.leave_wire(wire, n)
        self.idle()
        world.wait_for("their sockets to be closed", lambda: self.server.open_files() <= before + 20)
        self.assertEqual(self.whole(self.stream([{"url": self.fault.url()}] * 5), 5)["summary"]["succeeded"], 5)

    def leave_wire(self, wire, n):
        wire.reset() if n % 2 else wire.close()

    def test_one_leaving_does_not_touch_anothers_stream(self):
        other = self.stream(self.gates(3))
        for _ in range(5):
            self.stream([{"url": self.fault.url("/stall")}] * 5).wire.close()
        for n in range(3):
            self.fault.open("g%d" % n)
        self.assertEqual(self.whole(other, 3)["summary"]["succeeded"], 3)
        self.idle()


if __name__ == "__main__":
    world.main()
