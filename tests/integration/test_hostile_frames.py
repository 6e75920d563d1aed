#!/usr/bin/python3
# ctest: serial
# ctest: lock=hostile
# ctest: cost=15
"""Floods of HTTP/2 frames, bombs and lies: items end by their clock, others go on, nothing grows."""
import contextlib
import os
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import attacks  # noqa: E402
import h2  # noqa: E402
import world  # noqa: E402
from attacks import frames, interim, settings  # noqa: E402


def bomb(stream):
    """One field of 4000 bytes in the table, and 15,000 times a reference to it."""
    value = b"b" * 3900
    entry = b"\x40" + h2.integer(5, 7, 0) + b"x-bom" + h2.integer(len(value), 7, 0) + value
    block = h2.fields(200) + entry + b"\xbe" * 12000
    return h2.Conn.frame(h2.HEADERS, h2.END_HEADERS, stream, block)


class Frames(attacks.Floods):
    def test_settings(self):
        self.flooded(lambda stream: frames((h2.SETTINGS, 0, 0)))

    def test_settings_from_one_who_reads_nothing(self):
        self.flooded(lambda stream: frames((h2.SETTINGS, 0, 0)), listens=False)

    def test_settings_that_change_the_window_each_time(self):
        self.flooded(lambda stream: settings(window=0) + settings(window=65535))

    def test_pings(self):
        self.flooded(lambda stream: frames((h2.PING, 0, 0, b"12345678")))

    def test_pings_from_one_who_reads_nothing(self):
        self.flooded(lambda stream: frames((h2.PING, 0, 0, b"12345678")), listens=False)

    def test_answers_to_pings_and_settings_that_were_never_sent(self):
        self.flooded(lambda stream: frames((h2.PING, h2.ACK, 0, b"12345678"), (h2.SETTINGS, h2.ACK, 0)))

    def test_resets_of_streams_that_are_over_or_never_were(self):
        self.flooded(lambda stream: frames((h2.RST_STREAM, 0, 9, b"\0\0\0\1"), (h2.RST_STREAM, 0, 4, b"\0\0\0\1"), (h2.RST_STREAM, 0, 2001, b"\0\0\0\1")))

    def test_empty_continuations(self):
        self.flooded(lambda stream: frames((h2.CONTINUATION, 0, stream)), lambda stream: frames((h2.HEADERS, 0, stream, h2.fields(200))))

    def test_interim_answers(self):
        self.flooded(interim)

    def test_goaways(self):
        self.flooded(lambda stream: frames(*[(h2.GOAWAY, 0, 0, struct.pack(">II", last, 0) + b"why" * 9) for last in (0x7FFFFFFF, 101, 15)]))

    def test_promises(self):
        self.flooded(lambda stream: frames((h2.PUSH_PROMISE, h2.END_HEADERS, stream, struct.pack(">I", 2) + h2.fields(200))))

    def test_streams_that_nobody_asked_for(self):
        self.flooded(lambda stream: frames((h2.HEADERS, h2.END_HEADERS, 2, h2.fields(200)), (h2.HEADERS, h2.END_HEADERS, 20001, h2.fields(200))))

    def test_a_bomb(self):
        self.flooded(bomb)

    def test_huge_fields(self):
        self.flooded(lambda stream: frames((h2.CONTINUATION, 0, stream, h2.literal("x-a", "y" * 16000))), lambda stream: frames((h2.HEADERS, 0, stream, h2.fields(200))))

    def test_data_without_end(self):
        for result in self.flooded(lambda stream: frames((h2.DATA, 0, stream, b"x" * 16384)),
                                   lambda stream: frames((h2.HEADERS, h2.END_HEADERS, stream, h2.fields(200)))):
            self.assertIn(result["error"]["code"], ("response_too_large", "upstream_protocol", "timeout"), result)

    def test_data_behind_the_end(self):
        self.flooded(lambda stream: frames((h2.DATA, h2.END_STREAM, stream, b"x" * 100)), lambda stream: frames((h2.HEADERS, h2.END_HEADERS, stream + 2000, h2.fields(200))))

    def test_junk_in_place_of_the_preface(self):
        for junk in (os.urandom(65536), b"HTTP/1.1 200 OK\r\n" * 1000, b"\0" * 65536, b"\xff" * 65536):
            with self.subTest(junk=junk[:8]):
                def greeting(conn, junk=junk):
                    def pump():
                        with contextlib.suppress(OSError):
                            while not conn.closed.is_set():
                                conn.sock.sendall(junk)
                    threading.Thread(target=pump, daemon=True).start()
                server = self.scripted(lambda conn, stream: None, greeting=greeting)
                self.assertEqual([r for r in self.attacked(server.url()) if r["success"]], [])


if __name__ == "__main__":
    world.main()
