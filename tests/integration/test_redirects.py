#!/usr/bin/python3
"""Redirects: off by default; where on, each hop is ours to judge, and secrets stay at home."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


class Redirects(world.Case):
    tls = True

    @classmethod
    def class_config(cls):
        return {"upstreams": [{"match": "127.0.0.1", "ca_file": cls.fault.ca}]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = os.path.join(cls.folder, "other")
        os.mkdir(folder)
        cls.other = world.Fault(folder)
        cls.addClassCleanup(cls.other.kill)

    def setUp(self):
        super().setUp()
        self.other.reset()

    def follow(self, to, max_redirects=5, path="/redirect", **item):
        return self.one({"include_timing": True}, url=self.fault.url(path, to=to, status=item.pop("status", 302)),
                        max_redirects=max_redirects, **item)

    def test_off_by_default(self):
        self.assert_error(self.one(url=self.fault.url("/redirok")), "upstream_status", status=302, sent=True, retryable=False)
        self.assertEqual(self.fault.hits("/ok"), 0)

    def test_get_and_head_follow_every_kind(self):
        for status in (301, 302, 303, 307, 308):
            for method in ("GET", "HEAD"):
                result = self.follow("/echo?x=1", status=status, method=method)
                self.assertTrue(result["success"], result)
                self.assertEqual((result["status"], result["attempts"]), (200, 1))
                self.assertEqual(result["timing"]["url"], self.fault.url("/echo") + "?x=1")
                self.assertEqual(self.fault.asked("/echo")[-1]["method"], method)

    def test_other_methods_do_not(self):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            self.assert_error(self.follow("/echo", method=method), "upstream_status", status=302)
        self.assertEqual(self.fault.hits("/echo"), 0)

    def test_defaults_may_say_so_and_items_may_not_want_it(self):
        items = [{"url": self.fault.url("/redirok")}, {"url": self.fault.url("/redirok"), "max_redirects": 0}]
        first, second = self.batch(items, defaults={"max_redirects": 1})["results"]
        self.assertTrue(first["success"])
        self.assert_error(second, "upstream_status", status=302)

    def test_the_number_of_hops_is_bounded(self):
        self.assertTrue(self.one(url=self.fault.url("/hops", n=5), max_redirects=5)["success"])
        self.fault.reset()
        result = self.one(url=self.fault.url("/hops", n=5), max_redirects=4)
        self.assert_error(result, "too_many_redirects", sent=True, retryable=False)
        self.assertEqual(self.fault.hits("/hops"), 5)
        self.fault.reset()
        result = self.one(url=self.fault.url("/redirloop"), max_redirects=10)
        self.assert_error(result, "too_many_redirects", sent=True)
        self.assertEqual(self.fault.hits("/redirloop"), 11)

    def test_locations_are_resolved(self):
        base = self.fault.url("").rstrip("/")
        for to, target in (("/echo?a=b", "/echo?a=b"), ("echo", "/echo"), ("../../echo", "/echo"), ("./x/../echo", "/echo"),
                           (base + "/echo#fragment", "/echo"), ("//%s/echo" % self.fault.host, "/echo"),
                           ("HTTP://%s/echo" % self.fault.host, "/echo")):
            with self.subTest(to=to):
                result = self.follow(to)
                self.assertTrue(result["success"], result)
                self.assertEqual(self.fault.asked("/echo")[-1]["target"], target)

    def test_every_hop_passes_the_guard(self):
        for to, reason in (("http://169.254.169.254/latest/", "address_denied"), ("file:///etc/passwd", "scheme_denied"),
                           ("gopher://127.0.0.1:6379/_INFO", "scheme_denied"), ("http://u:p@%s/ok" % self.fault.host, "userinfo_denied"),
                           ("http://[fd00:ec2::254]/", "address_denied")):
            with self.subTest(to=to):
                result = self.follow(to)
                self.assert_error(result, "blocked_target", reason, sent=True, retryable=False)

    def test_without_a_usable_location_the_3xx_is_the_answer(self):
        for path in ("/redirempty", "/redirnone"):
            result = self.one(url=self.fault.url(path), max_redirects=3)
            if path == "/redirempty" and not result["success"] and result["error"]["code"] == "too_many_redirects":
                continue  # an empty reference is the document itself (RFC 3986 section 4.4): a loop
            self.assert_error(result, "upstream_status", status=302)
        self.assert_error(self.follow("http://"), "upstream_status", status=302)
        self.assert_error(self.one(url=self.fault.url("/status/300"), max_redirects=3), "upstream_status", status=300)
        self.assert_error(self.one(url=self.fault.url("/status/304"), max_redirects=3), "upstream_status", status=304)

    def test_on_another_origin_only_three_headers_go_along(self):
        headers = {"Authorization": "Bearer secret", "Cookie": "a=b", "X-Api-Key": "secret", "X-Mine": "1", "Accept": "text/x",
                   "Accept-Language": "de", "User-Agent": "mine", "Idempotency-Key": "k", "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}
        result = self.follow(self.other.url("/echo"), headers=headers)
        self.assertTrue(result["success"], result)
        record = self.other.asked("/echo")[0]
        self.assertEqual({n.lower() for n, _ in record["headers"]} - {"host", "accept-encoding", "connection"},
                         {"accept", "accept-language", "user-agent"})
        self.assertEqual(world.headers_of(record, "accept"), ["text/x"])
        self.assertEqual(world.headers_of(record, "user-agent"), ["mine"])
        self.assertEqual(world.headers_of(record, "host"), [self.other.host])

    def test_on_the_same_origin_all_of_them_do(self):
        result = self.follow("/echo", headers={"Authorization": "Bearer secret", "X-Mine": "1"})
        record = self.fault.asked("/echo")[0]
        self.assertTrue(result["success"])
        self.assertEqual(world.headers_of(record, "authorization"), ["Bearer secret"])
        self.assertEqual(world.headers_of(record, "x-mine"), ["1"])

    def test_secrets_do_not_come_back_on_the_way_home(self):
        back = self.other.url("/redirect", to=self.fault.url("/echo"))
        result = self.follow(back, headers={"X-Api-Key": "secret"})
        self.assertTrue(result["success"], result)
        self.assertEqual(world.headers_of(self.fault.asked("/echo")[0], "x-api-key"), [])

    def test_https_never_becomes_http(self):
        url = self.fault.url("/redirect", "good", to=self.fault.url("/ok"))
        result = self.one(url=url, max_redirects=3)
        self.assert_error(result, "blocked_target", "scheme_denied", sent=True)
        self.assertEqual(self.fault.hits("/ok"), 0)
        url = self.fault.url("/redirect", "good", to=self.fault.url("/ok", "good"))
        self.assertTrue(self.one(url=url, max_redirects=3)["success"])
        url = self.fault.url("/redirect", to=self.fault.url("/ok", "good"))
        self.assertTrue(self.one(url=url, max_redirects=3)["success"])

    def test_a_get_with_a_body_is_repeated_with_it_on_its_own_origin_only(self):
        self.follow(self.other.url("/echo"), method="GET", body={"secret": 1})
        for record in self.other.asked("/echo"):
            self.assertEqual(record["body_bytes"], 0)

    def test_a_hop_within_its_origin_is_no_start(self):
        started = time.monotonic()
        url = self.fault.url("/redirect", to="/sleep?ms=300", ms=300)
        result = self.one({"include_timing": True, "rate_limit": "1/min"}, url=url, max_redirects=1, timeout_ms=20000)
        self.assertTrue(result["success"], result)
        self.assertLess(time.monotonic() - started, 15)
        timing = result["timing"]
        self.assertEqual(timing["url"], self.fault.url("/sleep?ms=300"))
        self.assertEqual(len(timing["attempts"]), 1)
        self.assertEqual((timing["attempts"][0]["status"], timing["attempts"][0]["code"]), (200, None))
        self.assertGreaterEqual(timing["attempts"][0]["duration_ms"], 590)
        self.assertGreaterEqual(result["duration_ms"], timing["attempts"][0]["duration_ms"])
        self.assertGreaterEqual(timing["first_byte_ms"], 290, "of the last one called")

    def test_a_hop_to_another_origin_is_one(self):
        result = self.one({"rate_limit": "1/min"}, url=self.fault.url("/redirect", to=self.other.url("/ok")), max_redirects=1, timeout_ms=2500)
        self.assert_error(result, "timeout", "retry_wait", sent=True, retryable=True, status=302)
        self.assertIsNone(result["body"])
        self.assertEqual(self.other.hits("/ok"), 0)

    def test_a_hop_to_another_origin_keeps_its_bound(self):
        server = self.start({"upstreams": [{"match": self.other.host, "concurrency": 1}]})
        items = [{"url": self.fault.url("/redirect", to=self.other.url("/sleep", ms=50)), "max_redirects": 1} for _ in range(8)]
        document = self.batch(items, {"concurrency": 8}, server)
        self.assertEqual(document["summary"]["succeeded"], 8)
        self.assertEqual((self.other.hits("/sleep"), self.other.stats()["peak"]["/sleep"]), (8, 1))
        self.assertGreater(self.fault.stats()["peak"]["/redirect"], 0)

    def test_all_hops_share_the_items_clock(self):
        result = self.follow("/stall", timeout_ms=2500)
        self.assert_error(result, "timeout", "response", sent=True)


if __name__ == "__main__":
    world.main()
