#!/usr/bin/python3
# ctest: lock=http2
"""HTTP/2 to upstreams: streams that the other side refuses, or says that it never saw."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import h2  # noqa: E402
import world  # noqa: E402


class Refused(h2.Case):
    def test_a_get_whose_stream_is_refused_is_repeated_and_counted(self):
        refused = []

        def script(conn, stream):
            if len(refused) < 2:
                refused.append(stream)
                conn.rst(stream.id, h2.REFUSED_STREAM)
            else:
                conn.answer(stream.id)
        for server in self.both(script):
            del refused[:]
            result = self.one({"include_timing": True}, url=server.url())
            self.assertTrue(result["success"], result)
            self.assertEqual((result["attempts"], len(server.bodies)), (3, 3))
            self.assertEqual(len(result["timing"]["attempts"]), 3)

    def test_a_post_without_a_body_that_is_refused_is_sent_again(self):
        refused = []

        def script(conn, stream):
            if len(conn.complete) > 1 and len(refused) < 2:
                refused.append(stream)
                conn.rst(stream.id, h2.REFUSED_STREAM)
            else:
                conn.answer(stream.id)
        for server in self.both(script):
            del refused[:]
            for method in ("POST", "PUT", "PATCH"):
                self.assertEqual(self.one(method=method, url=server.url())["success"], True)
            self.assertEqual((len(refused), len(server.bodies)), (2, 5))

    def test_one_that_is_always_refused_was_never_sent(self):
        for server in self.both(lambda conn, stream: conn.rst(stream.id, h2.REFUSED_STREAM)):
            result = self.one(url=server.url())
            self.assert_error(result, "upstream_protocol", "closed", sent=False, retryable=True)
            self.assertEqual(result["attempts"], len(server.bodies))
            self.assertLessEqual(len(server.bodies), 6)

    def test_posts_behind_a_goaways_last_stream_are_sent_again_and_none_twice(self):
        """Every fiftieth stream is the last one of its connection that is looked at."""
        for tls in (None, self.tls_files):
            done, lock = [], threading.Lock()

            def script(conn, stream):
                with lock:
                    if conn.over and stream.id > conn.last:
                        return
                    done.append(stream.body)
                    if not conn.over and len(conn.complete) >= 50:
                        conn.over, conn.last = True, max(s.id for s in conn.complete)
                        conn.goaway(conn.last)  # an earlier stream's body may still come
                conn.answer(stream.id, stream.body)
            with self.subTest(tls=bool(tls)):
                server = self.scripted(script, tls=tls)
                items = [{"url": server.url(), "body": n} for n in range(300)]
                results = self.batch(items, {"concurrency": 30})["results"]
                self.assertEqual([r["error"] for r in results if not r["success"]], [])
                self.assertEqual([r["body"] for r in results], [str(n) for n in range(300)])
                self.assertEqual(len(done), 300)
                self.assertEqual(len(set(done)), 300)

    def test_a_connection_that_dies_under_many_posts_repeats_none(self):
        def script(conn, stream):
            conn.answer(stream.id, stream.body) if len(conn.complete) < 20 else conn.close()
        for server in self.both(script):
            items = [{"url": server.url(), "body": n} for n in range(200)]
            results = self.batch(items, {"concurrency": 60})["results"]
            self.assertEqual(len(server.bodies), len(set(server.bodies)))
            for result, n in zip(results, range(200)):
                if result["success"]:
                    self.assertEqual(result["body"], str(n))
                else:
                    self.assert_error(result, "upstream_protocol", sent=True)
                    self.assertEqual(result["attempts"], 1)


    def test_another_connections_goaway_proves_nothing(self):
        """libcurl reads it from an idle connection while it looks for one for the second try, and tells that call."""
        idle = self.scripted(lambda conn, stream: conn.answer(stream.id), tls=self.tls_files)

        def script(conn, stream):
            if not stream.body:
                conn.answer(stream.id)
                return
            time.sleep(1.2)  # libcurl looks at idle connections once a second
            idle.conns[0].goaway(0)
            conn.close(reset=True)
        for _ in range(3):
            del idle.conns[:]
            server = self.scripted(script, tls=self.tls_files)
            for warm in (idle, server):
                self.assertTrue(self.one(url=warm.url())["success"])
            result = self.one(url=server.url(), body="once", timeout_ms=20000)
            self.assert_error(result, "upstream_protocol", sent=True)
            self.assertEqual((result["attempts"], server.bodies.count(b'"once"')), (1, 1))
            idle.conns[0].close()


if __name__ == "__main__":
    world.main()
