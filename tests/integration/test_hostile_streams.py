#!/usr/bin/python3
# ctest: serial
# ctest: lock=hostile
# ctest: cost=20
"""What is done to one HTTP/2 stream of a connection, or to none of them, the others outlive."""
import os
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import attacks  # noqa: E402
import h2  # noqa: E402
import world  # noqa: E402
from attacks import CLOCK_MS, frames, interim, settings  # noqa: E402


class Neighbours(attacks.Case):
    """What is done to one stream of a connection, or to none of them, the others outlive."""

    def run_beside(self, attack, greeting=None, survives=True, **members):
        """attack(conn, stream) for the call with the body "attack"; those with "hold" are answered behind it."""
        held, done = [], threading.Event()

        def script(conn, stream):
            if b"hold" in stream.body:
                held.append((conn, stream))
            elif b"attack" in stream.body:
                attack(conn, stream)
                done.set()
            else:
                conn.answer(stream.id)
        server = self.scripted(script, greeting=greeting)
        others = world.in_thread(self.batch, [{"url": server.url(), "body": "hold", "timeout_ms": 60000}] * 6, {"concurrency": 6})
        world.wait_for("the others", lambda: len(held) == 6)
        result = self.attacked(server.url(), 1, **members)[0]
        self.assertTrue(done.wait(world.WAIT), "an answer may be told before the attack behind it is over")
        for conn, stream in held:
            conn.answer(stream.id)
        codes = others.result()["summary"]["by_code"]
        if survives:
            self.assertEqual(codes, {})
        print("others:", codes or "fine", file=sys.stderr)
        return result, codes, server

    def may_break(self, attack, *allowed):
        """What gives a client reason to close the whole connection: the call ends in one of these ways, the others well or with it."""
        result, codes, _ = self.run_beside(attack, survives=False)
        self.assert_codes([result], *allowed)
        self.assertLessEqual(set(codes), {"upstream_protocol"})

    def test_a_stream_that_is_answered_and_then_reset(self):
        def attack(conn, stream):
            conn.headers(stream.id, 200, [("content-type", "text/plain")])
            conn.data(stream.id, b"whole")
            conn.rst(stream.id, 0)
            conn.rst(stream.id, 8)
        result, _, _ = self.run_beside(attack)
        self.assertEqual((result["success"], result["body"]), (True, "whole"), result)

    def test_data_behind_a_streams_end(self):
        def attack(conn, stream):
            conn.answer(stream.id)
            for _ in range(50):
                conn.data(stream.id, b"more")
        self.may_break(attack, None, "upstream_protocol")

    def test_a_thousand_interim_answers(self):
        def attack(conn, stream):
            conn.raw(interim(stream.id) * 1000)
            conn.answer(stream.id)
        self.may_break(attack, None, "upstream_protocol", "timeout")

    def test_a_large_answer_that_dribbles(self):
        def attack(conn, stream):
            conn.headers(stream.id, 200)

            def dribble():
                while not conn.closed.is_set() and not conn.resets:
                    conn.data(stream.id, b"x", end=False)
                    time.sleep(0.01)
            threading.Thread(target=dribble, daemon=True).start()
        result, _, _ = self.run_beside(attack)
        self.assert_error(result, "timeout", "response", sent=True)

    def test_an_answer_beyond_the_cap_of_one_who_sends_all_the_windows_allow(self):
        def attack(conn, stream):
            conn.headers(stream.id, 200)

            def pour():
                for _ in range(31 * 64):
                    conn.data(stream.id, b"x" * 16384, end=False)
            threading.Thread(target=pour, daemon=True).start()
        result, _, _ = self.run_beside(attack)
        self.assert_error(result, "response_too_large", sent=True)

    def test_a_field_section_beyond_the_cap(self):
        def attack(conn, stream):
            conn.raw(conn.frame(h2.HEADERS, 0, stream.id, h2.fields(200)) + b"".join(
                conn.frame(h2.CONTINUATION, 0, stream.id, h2.literal("x-%d" % n, "y" * 16000)) for n in range(6)) +
                conn.frame(h2.CONTINUATION, h2.END_HEADERS, stream.id))
            conn.data(stream.id, b"x")
        result, _, _ = self.run_beside(attack)
        self.assert_codes([result], None, "upstream_protocol", "timeout")  # the cap is libcurl's, and no version keeps it as another does

    def test_a_goaway_for_all_that_is_there_twice(self):
        def attack(conn, stream):
            conn.goaway(0x7FFFFFFF)
            conn.goaway(stream.id)
            conn.answer(stream.id)
        result, _, _ = self.run_beside(attack)
        self.assertTrue(result["success"], result)

    def test_a_goaway_that_takes_a_word_back(self):
        """A last stream may not grow (RFC 9113 section 6.8)."""
        def attack(conn, stream):
            conn.goaway(1)
            conn.goaway(0x7FFFFFFF)
            conn.answer(stream.id)
        self.may_break(attack, None, "upstream_protocol")

    def test_a_window_of_nothing_for_ever(self):
        server = self.scripted(lambda conn, stream: conn.answer(stream.id), greeting=lambda conn: conn.raw(settings(window=0)))
        for result in self.attacked(server.url(), body="attack" + "x" * 200000):
            self.assert_error(result, "timeout", sent=True)
        items = [{"url": server.url(), "timeout_ms": 10000}] * 5
        self.assertEqual(self.batch(items)["summary"]["succeeded"], 5)

    def stingy(self, window):
        """Opens no window any further."""
        def greeting(conn):
            conn.grants = False
            conn.raw(settings(window=window))
        return self.scripted(lambda conn, stream: conn.answer(stream.id), greeting=greeting)

    def test_a_body_that_gets_no_more_window_costs_nothing_while_it_waits(self):
        for window in (0, 16, 65535):
            with self.subTest(window=window):
                server = self.stingy(window)
                ticks = world.cpu_of(self.server.pid)
                self.assert_error(self.one(url=server.url(), body="x" * 200000, timeout_ms=CLOCK_MS), "timeout", sent=True)
                self.assertLess((world.cpu_of(self.server.pid) - ticks) / os.sysconf("SC_CLK_TCK"), CLOCK_MS / 1000 / 10)

    def test_a_body_whose_window_opens_late_arrives_whole_and_holds_up_no_other_stream(self):
        server = self.stingy(16)
        self.assertTrue(self.one(url=server.url())["success"])  # without TLS, libcurl 8 lets nobody else on a connection before
        waiting = world.in_thread(self.one, url=server.url(), body="x" * 200000, timeout_ms=30000)
        world.wait_for("its first bytes", lambda: any(len(s.body) >= 16 for c in server.conns for s in c.streams.values()))
        conn, first = next((c, n) for c in server.conns for n, s in c.streams.items() if len(s.body) >= 16)
        before = len(conn.streams)
        for _ in range(5):
            self.assertTrue(self.one(url=server.url())["success"])
        self.assertGreater(len(conn.streams), before)
        for number in (0, first):
            conn.send(h2.WINDOW_UPDATE, 0, number, struct.pack(">I", 1 << 20))
        self.assertTrue(waiting.result()["success"])
        self.assertEqual(conn.streams[first].json(), "x" * 200000)

    def test_no_stream_at_all_is_allowed(self):
        server = self.scripted(lambda conn, stream: conn.answer(stream.id), greeting=lambda conn: conn.raw(settings(streams=0)))
        self.assert_codes(self.attacked(server.url()), None, "timeout", "upstream_protocol")

    def greeted(self, greeting):
        """How calls end where that is the first that is sent."""
        server = self.scripted(lambda conn, stream: conn.answer(stream.id), greeting=lambda conn: conn.raw(greeting))
        return self.attacked(server.url(), 4, clock_ms=1000)

    def test_settings_that_are_none(self):
        for greeting in (settings(push=2), settings(frame=1), settings(window=0x80000000), frames((h2.SETTINGS, 0, 0, b"12345")),
                         frames((h2.SETTINGS, 0, 1)), frames((h2.SETTINGS, h2.ACK, 0, b"123456")), b"", frames((h2.PING, 0, 0, b"12345678"))):
            with self.subTest(greeting=greeting):
                self.assert_codes(self.greeted(greeting), "timeout", "upstream_protocol")
        for greeting in (settings(table=0xFFFFFFFF), settings(table=0), settings(list=1),
                         settings(frame=16384, window=0x7FFFFFFF, streams=0xFFFFFFFF, list=0xFFFFFFFF)):
            with self.subTest(greeting=greeting):
                self.assert_codes(self.greeted(greeting), None)


if __name__ == "__main__":
    world.main()
