#!/usr/bin/python3
"""What an upstream can do wrong, one fault an item, and that its neighbours never feel it."""
import json
import os
import resource
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

MIB = 1 << 20


class Faults(world.Case):
    config = {"limits": {"max_response": "1MiB"}}

    def fault_of(self, path, method="GET", timeout_ms=30000, **query):
        """The result of one faulty call that has good neighbours, which must succeed."""
        good = {"url": self.fault.url("/ok")}
        bad = {"url": self.fault.url(path, **query), "method": method, "timeout_ms": timeout_ms}
        results = self.batch([good, bad, good])["results"]
        self.assertTrue(results[0]["success"], results[0])
        self.assertTrue(results[2]["success"], results[2])
        if not results[1]["success"] and results[1]["error"]["code"] != "upstream_status":
            self.assertIsNone(results[1]["body"])
        return results[1]

    def test_01_a_closed_port_is_connect_failed_for_every_method(self):
        port = world.free_port()
        for method in ("GET", "POST", "DELETE"):
            result = self.one(url="http://127.0.0.1:%d/" % port, method=method)
            self.assert_error(result, "connect_failed", sent=False, retryable=True)
            self.assertIsNone(result["status"])
            self.assertEqual(result["attempts"], 1)
            self.assertIn("127.0.0.1", result["error"]["message"])

    def dies(self, path, reason):
        """A call that fails after it was sent. On a kept connection a GET may have been let through once more, and is counted."""
        for method in ("POST", "GET"):
            self.fault.reset()
            alone = self.one(server=self.start(), url=self.fault.url(path), method=method)
            self.assert_error(alone, "upstream_protocol", reason, sent=True, retryable=True)
            self.assertEqual((alone["attempts"], self.fault.hits(path)), (1, 1))
            self.fault.reset()
            result = self.fault_of(path, method)
            self.assert_error(result, "upstream_protocol", (reason, "closed"), sent=True, retryable=True)
            self.assertIsNone(result["status"])
            self.assertIn(result["attempts"], (1,) if method == "POST" else (1, 2))
            self.assertEqual(self.fault.hits(path), result["attempts"])

    def test_04_a_reset_after_the_request(self):
        self.dies("/rst", "reset")

    def test_05_a_close_without_a_byte(self):
        self.dies("/close", "closed")

    def test_06_a_post_on_a_connection_that_dies_is_delivered_once(self):
        for path in ("/stale", "/stalerst", "/count-stale"):
            with self.subTest(path=path):
                self.fault.reset()
                items = [{"url": self.fault.url(path), "body": {"n": n}} for n in range(40)]
                results = self.batch(items, {"concurrency": 1})["results"]
                self.assertEqual(self.fault.hits(path), 40, "hits must equal items: nothing is sent again unseen")
                bodies = sorted(world.body_of(r) for r in self.fault.asked(path))
                self.assertEqual(len(set(bodies)), 40)
                failed = [r for r in results if not r["success"]]
                self.assertGreater(len(failed), 0, "connections are kept, so some call must have met a dying one")
                for result in failed:
                    self.assert_error(result, "upstream_protocol", "closed", sent=True, retryable=True)
                self.assertEqual(sum(r["attempts"] for r in results), 40)

    def test_06_a_get_on_a_connection_that_dies_is_let_through_once_and_counted(self):
        results = self.batch([{"url": self.fault.url("/stale")} for _ in range(40)], {"concurrency": 1})["results"]
        for result in results:
            self.assertTrue(result["success"], result)
            self.assertIn(result["attempts"], (1, 2))
        self.assertEqual(self.fault.hits("/stale"), sum(r["attempts"] for r in results))

    def test_06_posts_in_parallel_too(self):
        results = self.batch([{"url": self.fault.url("/stale"), "body": n} for n in range(200)], {"concurrency": 16})["results"]
        self.assertEqual(self.fault.hits("/stale"), 200)
        self.assertEqual(len({world.body_of(r) for r in self.fault.asked("/stale")}), 200)
        self.assertEqual(sum(r["attempts"] for r in results), 200)

    def test_07_no_answer_ends_at_the_items_clock(self):
        result = self.fault_of("/stall", timeout_ms=500)
        self.assert_error(result, "timeout", "response", sent=True, retryable=True)
        self.assertGreaterEqual(result["duration_ms"], 450)
        self.assertLess(result["duration_ms"], 10000)
        world.wait_for("the upstream to see the connection closed", lambda: self.fault.stats()["aborted"].get("/stall"))

    def test_08_a_drip_ends_at_the_items_clock(self):
        for path, status in (("/drip", 200), ("/driphdr", None)):
            result = self.fault_of(path, timeout_ms=2500)
            self.assert_error(result, "timeout", "response", sent=True)
            self.assertGreaterEqual(result["duration_ms"], 2400)
            if status:
                self.assertEqual(result["status"], status)

    def test_09_an_endless_body_is_cut_at_the_cap(self):
        before = self.server.rss()
        for path in ("/endless", "/endlesschunk"):
            result = self.fault_of(path)
            self.assert_error(result, "response_too_large", sent=True, retryable=False, status=200)
        self.assertLess(self.server.rss() - before, (64 if not world.sanitized() else 512) * MIB)

    def test_10_a_huge_length_is_refused_before_reading(self):
        for path in ("/hugecl", "/ovcl"):
            self.assert_error(self.fault_of(path), "response_too_large", sent=True, retryable=False)

    def test_11_truncated_answers_are_no_success(self):
        for path in ("/trunccl", "/truncchunk"):
            self.assert_error(self.fault_of(path), "upstream_protocol", "truncated", sent=True, retryable=True, status=200)

    def test_11_a_header_section_without_its_end_is_no_success(self):
        for path in ("/half", "/halfline", "/halfstatus", "/halfempty", "/halfafter103", "/only103"):
            for method in ("GET", "HEAD", "POST"):
                with self.subTest(path=path, method=method):
                    result = self.fault_of(path, method)
                    self.assert_error(result, "upstream_protocol", "closed" if path == "/only103" else "truncated", sent=True,
                                      retryable=True)

    def test_12_truncated_gzip_is_no_success(self):
        for path in ("/truncgzip", "/trailerless"):
            self.assert_error(self.fault_of(path), "upstream_protocol", ("truncated", "encoding"), sent=True, status=200)

    def test_13_a_gzip_bomb_is_cut_at_the_cap(self):
        self.fault_of("/bomb")  # faultd packs it once; not ours to measure
        before = self.server.rss()
        results = self.batch([{"url": self.fault.url("/bomb")} for _ in range(8)])["results"]
        for result in results:
            self.assert_error(result, "response_too_large", sent=True, retryable=False, status=200)
        self.assertLess(self.server.rss() - before, (32 if not world.sanitized() else 512) * MIB)

    def test_14_encodings_that_are_none(self):
        for path in ("/badgzip", "/manyenc"):
            self.assert_error(self.fault_of(path), "upstream_protocol", "encoding", sent=True)
        result = self.fault_of("/raw", body="zz", hdr="Content-Encoding: martian")
        self.assert_error(result, "upstream_protocol", "encoding", sent=True)

    def test_15_headers_without_end(self):
        for path in ("/longhdr", "/manyhdr", "/1xx", "/102"):
            with self.subTest(path=path):
                self.assert_error(self.fault_of(path), "upstream_protocol", "malformed", sent=True)

    def test_16_trailers_without_end(self):
        result = self.fault_of("/trailers", timeout_ms=20000)
        self.assertIn(result["error"]["code"], ("timeout", "upstream_protocol", "response_too_large"))
        self.assertTrue(result["error"]["sent"])

    def test_17_what_is_not_http(self):
        for path in ("/badstatus", "/badversion", "/nulhdr", "/nocolon", "/badtrailer", "/garbage", "/negcl", "/badchunk"):
            with self.subTest(path=path):
                self.assert_error(self.fault_of(path), "upstream_protocol", "malformed", sent=True)

    def test_17_folded_and_nameless_lines_hide_nothing(self):
        for path in ("/foldgzip", "/foldtab", "/foldhttp", "/foldblank", "/foldcl", "/noname"):
            with self.subTest(path=path):
                self.assert_error(self.fault_of(path), "upstream_protocol", "malformed", sent=True, retryable=True)

    def test_17_a_field_that_looks_like_a_status_line_begins_no_section(self):
        self.assert_error(self.fault_of("/httpfield"), "upstream_protocol", "malformed", sent=True)
        self.assert_error(self.fault_of("/httpgzip"), "upstream_protocol", ("encoding", "malformed"), sent=True)

    def test_17_another_protocol_is_no_answer(self):
        for method in ("GET", "HEAD", "POST"):
            result = self.fault_of("/switch", method)
            self.assert_error(result, "upstream_protocol", ("malformed", "closed") if method == "HEAD" else "malformed", sent=True, retryable=True)
            self.assertIsNone(result["status"])

    def test_18_two_lengths_never_reach_the_next_item(self):
        for path in ("/twocl", "/clte"):
            with self.subTest(path=path):
                items = []
                for n in range(10):
                    items += [{"url": self.fault.url(path)}, {"url": self.fault.url("/echo", n=n)}]
                results = self.batch(items, {"concurrency": 1})["results"]
                for n, result in enumerate(results[1::2]):
                    self.assertTrue(result["success"], result)
                    self.assertEqual(result["body"]["query"], "n=%d" % n)
                for result in results[::2]:
                    if not result["success"]:
                        self.assert_error(result, "upstream_protocol", sent=True)

    def test_19_bytes_behind_an_answer_are_not_the_next_ones(self):
        items = []
        for n in range(20):
            items += [{"url": self.fault.url("/extra")}, {"url": self.fault.url("/echo", n=n)}]
        results = self.batch(items, {"concurrency": 1})["results"]
        self.assertNotIn(b"POISON", self.raw_answer)
        for n, result in enumerate(results[1::2]):
            self.assertTrue(result["success"], result)
            self.assertEqual(result["body"]["query"], "n=%d" % n)

    def test_19_a_body_where_none_may_be(self):
        self.assertEqual(self.one(url=self.fault.url("/status/204", body="surprise"))["body"], None)

    def test_20_redirects_are_the_items_answer(self):
        for path in ("/redirmeta", "/redirfile", "/redirloop", "/redirok", "/redirnone"):
            result = self.fault_of(path)
            self.assert_error(result, "upstream_status", sent=True, retryable=False, status=302)
        self.assertEqual(self.fault.hits("/redirloop"), 1)

    def test_a_hundred_faults_at_once_leave_the_rest_alone(self):
        paths = ["/rst", "/close", "/stall", "/drip", "/trunccl", "/garbage", "/truncgzip", "/longhdr", "/endless", "/badgzip"]
        items = []
        for n in range(100):
            items.append({"url": self.fault.url(paths[n % 10]), "timeout_ms": 3000})
            items.append({"url": self.fault.url("/raw", ct="application/json", body=str(n)), "timeout_ms": 60000})
        results = self.batch(items, {"concurrency": 64})["results"]
        self.assertEqual([r["body"] for r in results[1::2]], list(range(100)))
        self.assertFalse(any(r["success"] for r in results[::2]))
        world.wait_for("no call left in flight", lambda: self.server.metrics().total("batchgate_in_flight") == 0)


class OneWorker(world.Case):
    config = {"pool": {"threads": 1}}

    def test_a_reset_is_not_told_again_of_a_later_answer(self):
        paths = ("/rst", "/badchunk", "/ok", "/badchunk", "/rst", "/badgzip")
        results = self.batch([{"url": self.fault.url(path)} for path in paths], {"concurrency": 1})["results"]
        self.assertEqual([(r["error"] or {}).get("reason") for r in results],
                         ["reset", "malformed", None, "malformed", "reset", "encoding"])

    def test_06_a_kept_connection_that_is_reset_under_the_body_is_told_as_closed(self):
        results = [self.batch([{"url": self.fault.url("/rstbody"), "body": "x" * 6000000}])["results"][0] for _ in range(12)]
        self.assertEqual([r["success"] for r in results], [True, False] * 6)
        for result in results[1::2]:
            self.assert_error(result, "upstream_protocol", "closed", sent=True, retryable=True)
            self.assertEqual(result["attempts"], 1)


class Tls(world.Case):
    tls = True

    @classmethod
    def class_config(cls):
        return {"upstreams": [{"match": "127.0.0.1", "ca_file": cls.fault.ca, "connect_timeout": "5s"}]}

    def test_a_good_certificate_of_our_authority(self):
        result = self.one({"include_timing": True}, url=self.fault.url("/echo", "good"))
        self.assertTrue(result["success"], result)
        self.assertGreater(result["timing"]["tls_ms"], 0)

    def test_certificates_that_are_wrong(self):
        for name, reason in (("expired", "expired"), ("wrongname", "wrong_host"), ("selfsigned", "untrusted")):
            with self.subTest(name=name):
                result = self.one(url=self.fault.url("/ok", name))
                self.assert_error(result, "tls_failed", reason, sent=False, retryable=False)
                self.assertIsNone(result["status"])
                self.assertIn("127.0.0.1:%d" % self.fault.ports[name], result["error"]["message"])
        self.assertEqual(self.fault.hits(), 0)

    def test_our_authority_is_unknown_without_ca_file(self):
        server = self.start()
        self.assert_error(self.one(server=server, url=self.fault.url("/ok", "good")), "tls_failed", "untrusted", sent=False)
        self.assertEqual(self.fault.hits(), 0)

    def test_tls_to_a_plain_port_is_never_downgraded(self):
        result = self.one(url="https://127.0.0.1:%d/ok" % self.fault.ports["http"])
        self.assert_error(result, "tls_failed", "handshake", sent=False, retryable=True)
        self.assertEqual(result["error"]["message"], "what answers at 127.0.0.1:%d does not speak TLS; if it is a port of plain HTTP, "
                         "the url begins with http://" % self.fault.ports["http"])
        self.assertEqual(self.fault.hits(), 0)

    def test_tls_to_a_port_that_says_nothing_ends_with_connect_timeout(self):
        result = self.one(url="https://127.0.0.1:%d/ok" % self.fault.ports["mute"], timeout_ms=30000)
        self.assert_error(result, "connect_failed", "timeout", sent=False, retryable=True)
        self.assertGreaterEqual(result["duration_ms"], 4800)
        self.assertLess(result["duration_ms"], 20000)

    def test_the_items_own_clock_during_the_handshake(self):
        result = self.one(url="https://127.0.0.1:%d/ok" % self.fault.ports["mute"], timeout_ms=300)
        self.assert_error(result, "timeout", "connect", sent=False, retryable=True)
        self.assertEqual(result["error"]["message"], "the time ran out while connecting to 127.0.0.1:%d" % self.fault.ports["mute"])

    def test_plain_http_to_a_tls_port(self):
        # libcurl 8 would take a connection with TLS that another call has left
        server = self.start(self.class_config())
        result = self.one(server=server, url="http://127.0.0.1:%d/ok" % self.fault.ports["good"])
        self.assert_error(result, "upstream_protocol", sent=True)

    def test_a_close_without_close_notify(self):
        self.assertTrue(self.one(url=self.fault.url("/ok", "abrupt"))["success"])
        self.assert_error(self.one(url=self.fault.url("/trunccl", "abrupt")), "upstream_protocol", sent=True)
        self.assert_error(self.one(url=self.fault.url("/truncchunk", "abrupt")), "upstream_protocol", sent=True)
        self.assert_error(self.one(url=self.fault.url("/close", "abrupt")), "upstream_protocol", sent=True)

    def test_a_refused_certificate_is_not_repeated_by_retry(self):
        result = self.one(url=self.fault.url("/ok", "expired"), retry={"max_attempts": 3, "backoff_ms": 1})
        self.assert_error(result, "tls_failed", "expired")
        self.assertEqual(result["attempts"], 1)

    def test_connections_are_kept_over_tls_too(self):
        self.batch([{"url": self.fault.url("/ok", "good")} for _ in range(20)], {"concurrency": 1})
        self.assertLessEqual(len({r["connection"] for r in self.fault.asked("/ok")}), 4)


class Leaving(world.Case):
    """An upstream that reads a request on a kept connection and then is gone, listener and all."""

    def leave(self, methods):
        port = world.free_port()  # which nobody else takes when it is gone
        listener = socket.create_server(("127.0.0.1", port))

        def serve():
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                peer.recv(65536)
                listener.close()
        thread = threading.Thread(target=serve)
        thread.start()
        items = [{"method": method, "url": "http://127.0.0.1:%d/" % port} for method in methods]
        results = self.batch(items, {"concurrency": 1, "include_timing": True})["results"]
        thread.join()
        self.assertTrue(results[0]["success"], results[0])
        return results[1]

    def test_a_post_that_may_have_arrived_is_never_told_as_a_refused_connection(self):
        result = self.leave(["GET", "POST"])
        self.assert_error(result, "upstream_protocol", "closed", sent=True, retryable=True)
        self.assertEqual(result["attempts"], 1)

    def test_nor_a_get(self):
        result = self.leave(["GET", "GET"])
        self.assert_error(result, "upstream_protocol", "closed", sent=True, retryable=True)


class Descriptors(world.Case):
    """The limit of open files, lowered under a running server until no socket can be opened."""

    def post_on(self, sock, items):
        body = json.dumps({"items": items}).encode()
        sock.sendall(world.frame("POST", "/v1/batch", body, [("Content-Type", "application/json")]))
        return world.read_answer(sock).json()["results"]

    def test_without_descriptors_a_call_is_overloaded_and_later_ones_succeed(self):
        server = self.start()
        items = [{"url": self.fault.url("/ok")}] * 3
        with server.connect() as sock:  # kept, so that the front needs no descriptor of its own
            self.assertEqual(self.post_on(sock, []), [])
            limits = server.leave_free(0)
            for result in self.post_on(sock, items):
                self.assert_error(result, "overloaded", sent=False, retryable=True)
            resource.prlimit(server.serving_pid, resource.RLIMIT_NOFILE, limits)
            self.assertTrue(all(r["success"] for r in self.post_on(sock, items)))


if __name__ == "__main__":
    world.main()
