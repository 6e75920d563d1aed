#!/usr/bin/python3
# ctest: lock=http2
"""HTTP/2 to upstreams: calls share few connections, and wait for one that another makes.

Beside nghttpd and nginx stands a server of our own (tests/harness/h2), for what those cannot be made to do.
"""
import json
import os
import socket
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import h2  # noqa: E402
import peers  # noqa: E402
import world  # noqa: E402


class Multiplexing(h2.Case):
    def many(self, url, count=200, concurrency=100, server=None, **options):
        items = [{"method": "POST", "url": url, "body": {"n": n}} for n in range(count)]
        return self.batch(items, {"concurrency": concurrency, "include_timing": True, **options}, server)["results"]

    def test_200_items_share_a_few_connections_and_keep_their_order(self):
        for tls in (None, self.tls_files):
            with self.subTest(tls=bool(tls)):
                peer = self.peer(peers.Nghttpd(self.folder, tls, name="nghttpd-%s" % bool(tls)))
                results = self.many(peer.url())
                self.assertTrue(all(r["success"] for r in results), [r for r in results if not r["success"]][:1])
                self.assertEqual([json.loads(r["body"])["n"] for r in results], list(range(200)))
                self.assertEqual({r["timing"]["http_version"] for r in results}, {"2"})
                self.assertTrue(all(r["timing"]["first_byte_ms"] > 0 for r in results))
                connections, requests = peer.seen()
                self.assertEqual(requests, 200)
                self.assertLessEqual(connections, 4)
                self.many(peer.url())
                self.assertLessEqual(peer.seen()[0], 4)
                self.assertLessEqual(peers.connections(self.server.pid, peer.port), 4)

    def test_one_after_the_other_needs_one_connection(self):
        peer = self.peer(peers.Nghttpd(self.folder, name="one"))
        self.many(peer.url(), 30, 1)
        self.many(peer.url(), 30, 1)
        self.assertEqual(peer.seen(), (1, 60))

    def test_no_more_streams_on_a_connection_than_the_upstream_bears(self):
        peer = self.peer(peers.Nghttpd(self.folder, args=["-m", "10"], name="ten"))
        results = [r for _ in range(3) for r in self.many(peer.url("/large.json"), 100, 30, retry={"max_attempts": 5, "backoff_ms": 1})]
        # what is refused in the very first moment is never told as sent where it was not
        for result in results:
            self.assertTrue(result["success"] or result["error"]["reason"] == "closed", result)
        told = [result for result in results if not result["success"]]
        self.assertTrue(all(result["error"]["sent"] for result in told), told[:1])
        self.assertLess(len(told), 100, "more than the first moments of a few connections")
        # where the call may be repeated, each comes through in the end
        items = [{"method": "PUT", "url": peer.url("/large.json"), "body": {"n": n}} for n in range(100)] * 3
        document = self.batch(items, {"concurrency": 30, "retry": {"max_attempts": 5, "backoff_ms": 1}})
        self.assertEqual(document["summary"]["succeeded"], 300, document["summary"])

    def test_what_is_refused_in_the_first_moment_is_sent_again_where_it_has_no_body(self):
        for tls in (None, self.tls_files):
            with self.subTest(tls=bool(tls)):
                peer = self.peer(peers.Nghttpd(self.folder, tls, ["-m", "10"], name="few-%s" % bool(tls)))
                server = self.start(self.config_with())
                items = [{"method": "POST", "url": peer.url("/large.json")} for _ in range(200)]
                results = self.batch(items, {"concurrency": 100}, server)["results"]
                self.assertEqual([r["error"] for r in results if not r["success"]], [])

    def test_large_answers_are_whole(self):
        peer = self.peer(peers.Nghttpd(self.folder, self.tls_files, name="large"))
        results = self.batch([{"url": peer.url("/large.json")} for _ in range(40)], {"concurrency": 40})["results"]
        self.assertEqual({len(r["body"]) for r in results}, {20000})

    def test_nginx_with_tls_and_its_goaways_loses_nothing_and_sends_nothing_twice(self):
        nginx = self.peer(peers.NginxTls(self.folder, self.tls_files, requests=100, name="nginx-goaway"))
        items = [{"method": "POST", "url": nginx.url("/%d" % n)} for n in range(2000)]
        results = self.batch(items, {"concurrency": 50, "include_timing": True})["results"]
        self.assertEqual([r["error"] for r in results if not r["success"]], [])
        self.assertEqual([r["body"]["uri"] for r in results], ["/%d" % n for n in range(2000)])
        self.assertEqual({r["timing"]["http_version"] for r in results}, {"2"})
        lines = nginx.log_lines()
        self.assertEqual(sorted(int(line.rpartition("/")[2]) for line in lines), list(range(2000)))
        self.assertLessEqual(len({line.split()[0] for line in lines}), 200)

    def test_what_has_no_http2_gets_1_1(self):
        nginx = self.peer(peers.NginxTls(self.folder, self.tls_files, http2=False, name="nginx-old"))
        results = self.batch([{"url": nginx.url()} for _ in range(50)], {"concurrency": 10, "include_timing": True})["results"]
        self.assertEqual({(r["success"], r["timing"]["http_version"]) for r in results}, {(True, "1.1")})

    def test_off_is_1_1_and_auto_is_1_1_without_tls(self):
        nginx = self.peer(peers.NginxTls(self.folder, self.tls_files, name="nginx-off"))
        off = self.start({"upstreams": [{"match": "127.0.0.1", "http2": "off", "ca_file": self.authority.ca}]})
        self.assertEqual(self.one({"include_timing": True}, off, url=nginx.url())["timing"]["http_version"], "1.1")
        auto = self.start()
        self.assertEqual(self.one({"include_timing": True}, auto, url=self.fault.url())["timing"]["http_version"], "1.1")

    def test_head_gzip_headers_and_redirects_are_as_in_1_1(self):
        peer = self.peer(peers.Nghttpd(self.folder, self.tls_files, name="plain"))
        result = self.one({"include_headers": True}, method="HEAD", url=peer.url())
        self.assertTrue(result["success"], result)
        self.assertIsNone(result["body"])
        self.assertEqual(result["headers"]["content-length"], "16")
        self.assertEqual(self.one(url=peer.url("/none"))["status"], 404)


class Connecting(h2.Case):
    """Calls wait for a connection that another makes, but no longer than for one of their own."""

    def test_an_upstream_that_never_answers_the_handshake_costs_each_call_its_connect_timeout(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.addCleanup(listener.close)
        server = self.start(self.config_with(connect_timeout="1s"))
        items = [{"url": "https://127.0.0.1:%d/" % listener.getsockname()[1], "timeout_ms": 20000} for _ in range(30)]
        results = self.batch(items, {"concurrency": 30}, server)["results"]
        for result in results:
            self.assert_error(result, "connect_failed", "timeout", sent=False)
            self.assertLess(result["duration_ms"], 4000)

    def test_an_items_own_time_ends_its_wait_for_anothers_connection(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.addCleanup(listener.close)
        items = [{"url": "https://127.0.0.1:%d/" % listener.getsockname()[1], "timeout_ms": 500} for _ in range(10)]
        for result in self.batch(items, {"concurrency": 10})["results"]:
            self.assert_error(result, "timeout", "connect", sent=False)
            self.assertLess(result["duration_ms"], 1300)

    def test_http_1_1_that_says_it_is_2_is_not_believed(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.tls_files)
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve():
            with context.wrap_socket(listener.accept()[0], server_side=True) as sock:
                sock.recv(65536)
                sock.sendall(b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok")
                sock.recv(65536)
        world.in_thread(serve)
        result = self.one(url="https://127.0.0.1:%d/" % listener.getsockname()[1])
        self.assert_error(result, "upstream_protocol", "malformed", sent=True)


if __name__ == "__main__":
    world.main()
