#!/usr/bin/python3
# ctest: lock=http2
"""HTTP/2 to upstreams: streams of one connection do not share their fate."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import h2  # noqa: E402
import world  # noqa: E402


class Apart(h2.Case):
    """Streams of one connection do not share their fate."""

    def setUp(self):
        super().setUp()
        self.held = []

    def script(self, conn, stream):
        if b"slow" in stream.body:
            self.held.append((conn, stream))
        else:
            conn.answer(stream.id, stream.body)

    def warm(self, server):
        """Without TLS, libcurl 8 lets others on a connection once an answer has begun on it."""
        del self.held[:]
        self.assertTrue(self.one(url=server.url())["success"])

    def test_a_first_answer_that_is_slow_keeps_nobody_waiting(self):
        for server in self.both(self.script):
            del self.held[:]
            first = world.in_thread(self.batch, [{"url": server.url(), "body": "slow"}])
            world.wait_for("the first", lambda: len(self.held) == 1)
            results = self.batch([{"method": "POST", "url": server.url(), "body": n} for n in range(20)], {"concurrency": 20})["results"]
            self.assertTrue(all(r["success"] and r["attempts"] == 1 for r in results), results)
            self.assertLess(max(r["duration_ms"] for r in results), 4000)  # its connect_timeout is 5 s
            conn, stream = self.held[0]
            conn.answer(stream.id, b"late")
            self.assertEqual(first.result()["results"][0]["body"], "late")

    def test_a_slow_stream_times_out_alone(self):
        for server in self.both(self.script):
            self.warm(server)
            stays = world.in_thread(self.batch, [{"url": server.url(), "body": "slow, stays", "timeout_ms": 60000}])
            world.wait_for("the one that stays", lambda: len(self.held) == 1)
            items = [{"url": server.url(), "body": "slow" if n == 5 else n, "timeout_ms": 1000 if n == 5 else 60000} for n in range(60)]
            results = self.batch(items, {"concurrency": 20})["results"]
            self.assert_error(results.pop(5), "timeout", "response", sent=True)
            self.assertTrue(all(r["success"] for r in results))
            conn, stream = self.held[0]
            self.assertIs(self.held[1][0], conn)
            world.wait_for("the reset of the slow stream", lambda: self.held[1][1].id in [n for n, _ in conn.resets])
            conn.answer(stream.id, b"late")
            self.assertEqual(stays.result()["results"][0]["body"], "late")

    def test_a_client_that_leaves_ends_its_stream_and_no_other(self):
        for server in self.both(self.script):
            self.warm(server)
            sock = self.server.connect()
            body = json.dumps({"items": [{"url": server.url(), "body": "slow, left"}]}).encode()
            sock.sendall(world.frame("POST", "/v1/batch", body, [("Content-Type", "application/json")]))
            world.wait_for("the first", lambda: len(self.held) == 1)
            other = world.in_thread(self.batch, [{"url": server.url(), "body": "slow, stays"}])
            world.wait_for("the second", lambda: len(self.held) == 2)
            sock.close()
            conn, stream = self.held[0]
            world.wait_for("RST_STREAM", lambda: stream.id in [number for number, _ in conn.resets])
            self.held[1][0].answer(self.held[1][1].id, b"late")
            self.assertEqual(other.result()["results"][0]["body"], "late")
            self.assertEqual(len(server.conns), 1)

    def test_a_goaway_lets_the_streams_that_are_looked_at_end(self):
        for server in self.both(self.script):
            del self.held[:]
            first = world.in_thread(self.batch, [{"url": server.url(), "body": "slow"}])
            world.wait_for("the first", lambda: len(self.held) == 1)
            conn, stream = self.held[0]
            conn.goaway(stream.id)
            world.wait_for("a call on another connection", lambda: self.one(url=server.url(), body=2)["success"] and len(server.conns) > 1)
            conn.answer(stream.id, b"in time")
            self.assertEqual(first.result()["results"][0]["body"], "in time")

    def test_calls_on_a_busy_connection_go_on_beyond_its_idle_age(self):
        """A call that may not be repeated uses no connection that was idle for 4 s; one that is in use is not idle."""
        server = self.scripted(self.script)
        self.warm(server)
        held = world.in_thread(self.batch, [{"url": server.url(), "body": "slow"}])
        world.wait_for("the first", lambda: len(self.held) == 1)
        time.sleep(5)
        self.assertTrue(self.one(url=server.url(), body=2)["success"])
        self.held[0][0].answer(self.held[0][1].id, b"late")
        self.assertEqual(held.result()["results"][0]["body"], "late")
        self.assertEqual(len(server.conns), 1)


if __name__ == "__main__":
    world.main()
