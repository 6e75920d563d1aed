#!/usr/bin/python3
# ctest: serial
# ctest: lock=hostile
# ctest: cost=15
"""HTTP/2 frames that come without a pause and make no answer: the connection is cut."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import attacks  # noqa: E402
import h2  # noqa: E402
import world  # noqa: E402
from attacks import frames  # noqa: E402


class WithoutPause(attacks.Floods):
    """Frames that cost their sender nothing and make no answer. libcurl 7.88 reads on as long as there are bytes, until its connection is cut;
    libcurl 8 returns between two reads, as with HTTP/1.1, and the calls end by their clock."""

    def returns(self):
        version = next(e["libcurl"] for e in self.server.events() if "libcurl" in e)
        return not version.startswith("7.")

    def memory(self):
        """libcurl 8 reads up to 10 MiB at once of a connection over HTTP/2, and keeps the room until that is closed."""
        return super().memory() + (attacks.ATTACKERS * 10 * attacks.MIB if self.returns() else 0)

    def flooded(self, make, first=lambda stream: b"", **options):
        results = super().flooded(make, first, **options)
        for result in results:
            if self.returns() and result["error"]["code"] == "timeout":
                self.assert_error(result, "timeout", "response", sent=True)
            else:  # nghttp2, or libcurl with a second try, may have had a word of its own before
                self.assert_error(result, "upstream_protocol", ("malformed", "truncated", "closed"), sent=True)
        return results

    def cut(self, *args):
        messages = [result["error"]["message"] for result in self.flooded(*args)]
        end = "did not answer in time" if self.returns() else "without a pause"
        self.assertTrue(any(end in message for message in messages), messages)

    def test_window_updates(self):
        self.cut(lambda stream: frames((h2.WINDOW_UPDATE, 0, 0, b"\0\0\0\1"), (h2.WINDOW_UPDATE, 0, stream, b"\0\0\0\1")))

    def test_empty_data(self):
        self.cut(lambda stream: frames((h2.DATA, 0, stream)), lambda stream: frames((h2.HEADERS, h2.END_HEADERS, stream, h2.fields(200))))

    def test_empty_data_between_the_bytes_of_a_body(self):
        self.cut(lambda stream: frames((h2.DATA, 0, stream)) * 20000 + frames((h2.DATA, 0, stream, b"x")),
                 lambda stream: frames((h2.HEADERS, h2.END_HEADERS, stream, h2.fields(200))))

    def test_data_that_is_padding(self):
        self.cut(lambda stream: frames((h2.DATA, 8, stream, b"\xff" + b"\0" * 255)),
                 lambda stream: frames((h2.HEADERS, h2.END_HEADERS, stream, h2.fields(200))))

    def test_frames_of_kinds_that_nobody_knows(self):
        self.cut(lambda stream: frames((200, 255, stream, b"x" * 50), (10, 0, 0, b"\0\7example" + b"h2=\":1\""), (12, 0, 0, b"http://x/")))

    def test_priorities(self):
        self.cut(lambda stream: frames((h2.PRIORITY, 0, stream, struct.pack(">IB", 0, 1)), (h2.PRIORITY, 0, 2001, struct.pack(">IB", stream, 9))))

    def test_trailers_and_more_trailers(self):
        self.flooded(lambda stream: frames((h2.HEADERS, h2.END_HEADERS, stream, h2.literal("x", "y"))),
                 lambda stream: frames((h2.HEADERS, h2.END_HEADERS, stream, h2.fields(200))))


if __name__ == "__main__":
    world.main()
