#!/usr/bin/python3
# ctest: cost=40
"""Which targets may be called by a name: answers of many addresses, answers that change, names that are not asked for."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import targets  # noqa: E402
import world  # noqa: E402
from targets import PUBLIC, PUBLIC6, setUpModule  # noqa: E402, F401


class Names(targets.Case):
    def test_local_names_are_not_even_asked_for(self):
        self.denied([{"url": "http://%s/" % h} for h in ("localhost", "x.localhost", "db.internal", "a.svc.cluster.local", "printer.local", "svc",
                                                        "router.home.arpa", "x.localdomain")],
                    lambda i, r: self.assert_error(r, "blocked_target", "host_denied", sent=False))
        self.assertEqual(self.names.asked("db.internal") + self.names.asked("a.svc.cluster.local"), [])

    def test_any_denied_address_denies_the_name(self):
        self.denied([{"url": "http://%s/" % h} for h in ("multi.test", "multi2.test", "mixed6.test", "v6b.test", "mapped.test", "cname.test",
                                                        "cname2.test", "loopback.test", "zero.test", "meta.test", "users.internal2")][:-1],
                    lambda i, r: self.assert_error(r, "blocked_target", ("address_denied", "host_denied"), sent=False, retryable=False))

    def test_a_denied_address_among_five_hundred(self):
        self.denied([{"url": "http://manybad.test/", "timeout_ms": 20000}],
                    lambda i, r: self.assertIn(r["error"]["code"], ("blocked_target", "dns_failed")))

    def test_five_hundred_addresses_do_no_harm(self):
        result = self.one(url="http://many.test/", timeout_ms=3000)
        self.assertFalse(result["success"])
        self.assertIn(result["error"]["code"], ("connect_failed", "timeout", "dns_failed"))
        self.assertTrue(self.one(url="http://example.com/")["success"])

    def test_public_names_work_over_both_families_and_cnames(self):
        for host in ("six.test", "both.test", "chain.test", PUBLIC, "[%s]" % PUBLIC6):
            self.assertTrue(self.one(url="http://%s/ok" % host)["success"], host)

    def test_names_that_fail(self):
        for host in ("none.test", "servfail.test", "refused.test", "empty.test", "loop.test"):
            with self.subTest(host=host):
                self.denied([{"url": "http://%s/" % host}], lambda i, r: self.assert_error(r, "dns_failed", sent=False, retryable=True))

    def test_a_name_server_that_says_nothing(self):
        server = self.start({"upstreams": [{"match": "*", "connect_timeout": "2s"}]})
        result = self.one(server=server, url="http://silent.test/", timeout_ms=60000)
        self.assert_error(result, "dns_failed", "timeout", sent=False, retryable=True)
        result = self.one(server=server, url="http://silent.test/x", timeout_ms=300)
        self.assertIn((result["error"]["code"], result["error"].get("reason")), (("timeout", "connect"), ("dns_failed", "timeout")))
        self.assertFalse(result["error"]["sent"])

    def test_a_retry_of_a_failed_name_asks_again(self):
        result = self.one({"include_timing": True}, url="http://later.test/ok", retry={"max_attempts": 8, "backoff_ms": 150, "max_backoff_ms": 300})
        self.assertTrue(result["success"], result)
        self.assertEqual([a["code"] for a in result["timing"]["attempts"]], ["dns_failed"] * (result["attempts"] - 1) + [None])
        self.assertGreater(result["attempts"], 1)

    def test_a_name_server_that_fails_is_blamed_for_it(self):
        for host in ("servfail.test", "refused.test"):
            self.assertRegex(self.one(url="http://%s/" % host)["error"]["message"], "the DNS server (failed|refused)")

    def assert_nothing_of_the_wire(self, result, url):
        timing = result["timing"]
        self.assertEqual((timing["url"], timing["remote_address"], timing["http_version"]), (url, None, None), timing)
        self.assertEqual((timing["connect_ms"], timing["tls_ms"], timing["first_byte_ms"]), (0, 0, 0), timing)

    def test_what_ends_while_its_name_is_resolved_shows_nothing_of_another_call(self):
        """Handles are used again: one worker, so that it is the same one."""
        server = self.start({"pool": {"threads": 1}})
        timing = {"include_timing": True}
        self.assertEqual(self.one(timing, server, url="http://example.com/ok")["timing"]["remote_address"], PUBLIC + ":80")
        result = self.one(timing, server, url="http://silent.test/", timeout_ms=300)
        self.assert_error(result, "timeout", "connect", sent=False, retryable=True)
        self.assertIsNone(result["status"])
        self.assert_nothing_of_the_wire(result, "http://silent.test/")
        result = self.one(timing, server, url="http://example.com/redirect?to=http://silent.test/x", timeout_ms=2500, max_redirects=1)
        self.assert_error(result, "timeout", "connect", sent=True, status=302)
        self.assert_nothing_of_the_wire(result, "http://silent.test/x")

    def test_what_is_cancelled_while_its_name_is_resolved_neither(self):
        server = self.start({"pool": {"threads": 1}, "server": {"drain_timeout": "300ms"}})
        self.assertTrue(self.one(server=server, url="http://example.com/ok")["success"])
        run = world.in_thread(self.one, {"include_timing": True}, server, url="http://silent.test/", timeout_ms=60000)
        world.wait_for("the call to begin", lambda: server.metrics().total("batchgate_in_flight") == 1)
        os.kill(server.serving_pid, signal.SIGTERM)
        result = run.result()
        server.ended(0)
        self.assert_error(result, "cancelled", "drain", sent=False, retryable=True)
        self.assertEqual((result["status"], result["attempts"]), (None, 1))
        self.assert_nothing_of_the_wire(result, "http://silent.test/")

    def test_a_second_attempt_without_a_name_shows_nothing_of_the_first(self):
        """Between the two, so many other names are asked for that the first one is forgotten."""
        server = self.start({"pool": {"threads": 1, "max_in_flight": 600}, "upstreams": [{"match": "goes.test", "connect_timeout": "1s"}]})
        began = time.monotonic()
        self.raw_results(server, [{"url": "http://m%d.none.test/" % n} for n in range(420)])
        wait = 5 + 13 * (time.monotonic() - began)  # for ten times as many
        url = "http://goes.test/503ra?fail=1&ra=%d&key=goes" % wait
        run = world.in_thread(self.one, {"include_timing": True}, server, url=url, timeout_ms=300000, retry={"max_attempts": 2})
        world.wait_for("the first attempt", lambda: self.fault.hits("/503ra") == 1)
        others = [{"url": "http://n%d.none.test/" % n} for n in range(4200)]
        for result in self.raw_results(server, others):
            self.assert_error(result, "dns_failed")
        result = run.result()
        self.assert_error(result, "dns_failed", "timeout", sent=True, status=503)
        self.assertEqual([a["code"] for a in result["timing"]["attempts"]], ["upstream_status", "dns_failed"])
        self.assert_nothing_of_the_wire(result, url)

    def raw_results(self, server, items):
        return server.post({"items": items, "options": {"concurrency": 256}}).json()["results"]

    def test_many_calls_to_one_name_ask_once(self):
        before = len(self.names.asked("other.test"))
        document = self.batch([{"url": "http://other.test/ok"} for _ in range(200)], {"concurrency": 50})
        self.assertEqual(document["summary"]["succeeded"], 200)
        self.assertLessEqual(len(self.names.asked("other.test")) - before, 2 * 2 * os.cpu_count())

    def test_rebinding_never_reaches_the_second_answer(self):
        for _ in range(5):
            result = self.one(url="http://rebind.test/echo", headers={"Connection-Test": "1"})
            if not result["success"]:
                self.assert_error(result, "blocked_target", "address_denied", sent=False)
        for record in self.fault.asked("/echo"):
            self.assertEqual(record["local"], "::ffff:%s:80" % PUBLIC)

    def test_the_environments_proxy_does_not_matter(self):
        proxy = "http://127.0.0.9:9000"
        names = ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "HTTP_PROXY")
        server = self.start(env={n: proxy for n in names})
        self.assertTrue(self.one(server=server, url="http://example.com/ok")["success"])
        self.assertEqual([r["local"] for r in self.fault.asked()], ["::ffff:%s:80" % PUBLIC])
        self.assertEqual(self.fault.asked("/ok")[0]["target"], "/ok")


if __name__ == "__main__":
    world.enter_namespace()
    world.main()
