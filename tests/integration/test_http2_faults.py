#!/usr/bin/python3
# ctest: lock=http2
"""HTTP/2 to upstreams: every fault of a stream or a connection is told as what it is."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import h2  # noqa: E402
import world  # noqa: E402


class Faults(h2.Case):
    """What is done with a stream stands in the call's body; a call without one is answered."""

    @staticmethod
    def script(conn, stream):
        what, _, rest = (stream.body.decode() or "ok").strip('"').partition(" ")
        if what == "ok":
            conn.answer(stream.id)
        elif what == "rst":
            conn.rst(stream.id, int(rest))
        elif what == "part" and rest == "rst close":
            with conn.at_once():  # else the next call may come between the two, and find a connection that is about to end
                conn.headers(stream.id, 200, [("content-type", "text/plain")])
                conn.data(stream.id, b"part", end=False)
                conn.rst(stream.id, h2.INTERNAL_ERROR)
                conn.close()
        elif what == "part":
            conn.headers(stream.id, 200, [("content-type", "text/plain")])
            conn.data(stream.id, b"part", end=False)
            if rest == "rst":
                conn.rst(stream.id, h2.INTERNAL_ERROR)
            else:
                conn.close(rest == "reset")
        elif what == "gone":
            conn.close(rest == "reset")
        elif what == "goaway":
            conn.goaway(stream.id if rest == "looked at" else 0)
            conn.close()
        elif what == "junk":
            conn.raw(b"\xff" * 64)
            conn.close()
        elif what == "fields":
            conn.raw(conn.frame(h2.HEADERS, 0, stream.id, h2.fields(200)) + b"".join(
                conn.frame(h2.CONTINUATION, 0, stream.id, h2.literal("x-%d" % n, "y" * 16000)) for n in range(30)) +
                conn.frame(h2.CONTINUATION, h2.END_HEADERS, stream.id))
        elif what == "field":
            name, _, value = rest.partition("=")
            conn.headers(stream.id, 200, [(name, value)])
            conn.data(stream.id, b"x")
        elif what == "interim":
            conn.headers(stream.id, 103, [("link", "</x>")])
            conn.headers(stream.id, 200, [("content-type", "text/plain")])
            conn.data(stream.id, b"abc", end=False)
            conn.send(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream.id, h2.literal("x-sum", "1"))
        elif what == "endless":
            conn.headers(stream.id, 200)
            for _ in range(200):
                conn.data(stream.id, b"x" * 16384, end=False)
        elif what == "hold":
            pass
        else:
            raise AssertionError(what)

    def told(self, what, code, reason, warm=True, cold=True, **facts):
        for server in self.both(self.script):
            for kept in [True] * warm + [False] * cold:
                with self.subTest(what=what, kept=kept):
                    if kept:
                        self.assertTrue(self.one(url=server.url())["success"])
                    before = len(server.bodies)
                    result = self.one(url=server.url(), body=what, timeout_ms=20000)
                    self.assert_error(result, code, reason, **{"sent": True, **facts})
                    self.assertIn("127.0.0.1", result["error"]["message"])
                    self.assertEqual(len(server.bodies) - before, result["attempts"])
                    if facts.get("sent", True):
                        self.assertEqual(result["attempts"], 1, result)
            self.assertTrue(self.one(url=server.url())["success"])

    def test_a_reset_stream(self):
        for code in (h2.INTERNAL_ERROR, h2.CANCEL, 11):
            self.told("rst %d" % code, "upstream_protocol", "reset", retryable=True)
        self.told("part rst", "upstream_protocol", "reset")

    def test_a_stream_that_ends_with_a_protocol_error(self):
        self.told("rst 1", "upstream_protocol", "malformed")

    def test_a_post_is_not_repeated_as_http_1_1_behind_our_back(self):
        self.told("rst 13", "upstream_protocol", "closed")

    def test_a_connection_that_dies(self):
        self.told("gone", "upstream_protocol", "closed")
        self.told("gone reset", "upstream_protocol", ("reset", "closed"))

    def test_an_answer_that_is_cut_is_no_success(self):
        self.told("part", "upstream_protocol", "truncated")
        self.told("part reset", "upstream_protocol", ("reset", "truncated"))

    def test_a_reset_that_comes_with_the_connections_end_is_no_success(self):
        for _ in range(5):
            self.told("part rst close", "upstream_protocol", ("reset", "truncated"))

    def test_junk(self):
        self.told("junk", "upstream_protocol", ("malformed", "closed", "reset"))

    def test_fields_that_may_not_be(self):
        for field in ("Upper=x", "transfer-encoding=chunked", "connection=close", "content-length=9", "content-length=0"):
            self.told("field " + field, "upstream_protocol", "malformed")

    def test_fields_without_end(self):
        self.told("fields", "upstream_protocol", ("malformed", "closed"))

    def test_a_coding_that_is_none(self):
        self.told("field content-encoding=gzip", "upstream_protocol", ("encoding", "truncated"))

    def test_interim_answers_and_trailers_are_passed_over(self):
        for server in self.both(self.script):
            result = self.one({"include_headers": True}, url=server.url(), body="interim")
            self.assertTrue(result["success"], result)
            self.assertEqual((result["status"], result["body"]), (200, "abc"))
            self.assertEqual(set(result["headers"]), {"content-type"})

    def test_an_answer_above_the_cap_ends_its_stream_alone(self):
        small = self.start({"limits": {"max_response": "1MiB"}, "pool": {"threads": 1},
                            "upstreams": [{"match": "127.0.0.1", "http2": "h2c"}]})
        server = self.scripted(self.script)
        self.assertTrue(self.one(server=small, url=server.url())["success"])
        held = world.in_thread(self.batch, [{"url": server.url(), "body": "hold"}], server=small)
        world.wait_for("the one beside it", lambda: len(server.conns[0].complete) == 2)
        conn = server.conns[0]
        self.assert_error(self.one(server=small, url=server.url(), body="endless"), "response_too_large", sent=True)
        self.assertEqual(len(server.conns), 1)
        world.wait_for("its reset", lambda: conn.complete[2].id in [number for number, _ in conn.resets])
        conn.answer(conn.complete[1].id)
        self.assertTrue(held.result()["results"][0]["success"])

    def test_a_goaway_that_leaves_the_call_out_was_not_sent(self):
        self.told("goaway", "upstream_protocol", "closed", sent=False, retryable=True)

    def test_a_goaway_behind_the_call_may_have_been_acted_on(self):
        self.told("goaway looked at", "upstream_protocol", "closed")

    def test_an_upstream_at_h2c_that_speaks_1_1(self):
        result = self.one(url=self.fault.url(), timeout_ms=10000)
        self.assert_error(result, "upstream_protocol", ("malformed", "closed"))
        self.assertIn("127.0.0.1", result["error"]["message"])


if __name__ == "__main__":
    world.main()
