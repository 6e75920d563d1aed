#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=120
"""A bad upstream behind a link of its own, one fault a test: what becomes of its items, and that nobody else feels it.

Two network namespaces and two links between them: one is broken, over the other go the neighbours (other items, another
upstream, other batches) while the fault lasts. At the end nothing is in flight or held, and no descriptor is left.
"""
import collections
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import net  # noqa: E402
import world  # noqa: E402

HOLE = "drop"
REFUSE = "tcp flags & (syn | ack) == syn reject with tcp reset"
LOSS = "numgen random mod 100 < %d drop"


class Answers(net.Case):
    """Answers that lie about their length, or lead elsewhere."""

    def between(self, path, count=10, **query):
        """Faulty calls with good ones between them, over the same link and one after the other."""
        items = []
        for n in range(count):
            items += [{"url": self.fault.url(path, **query)}, {"url": self.fault.url("/echo", n=n)}, {"url": self.fault.good_url("/echo", n=n)}]
        results = self.batch(items, {"concurrency": 1})["results"]
        for n in range(count):
            for good in results[3 * n + 1:3 * n + 3]:
                self.assertTrue(good["success"], good)
                self.assertEqual(good["body"]["query"], "n=%d" % n)
        return results[::3]

    def test_18_a_connection_with_two_lengths_is_not_used_again(self):
        self.serve()
        for path in ("/twocl", "/clte"):
            with self.subTest(path=path), self.neighbours():
                self.fault.reset()
                for result in self.between(path):
                    if result["success"]:
                        self.assertIn(result["body"], ("ok", "okabc"))
                    else:
                        self.assert_error(result, "upstream_protocol", sent=True)
                asked = self.fault.asked()
                for at, record in enumerate(asked):
                    if record["path"] == path:
                        later = [r["path"] for r in asked[at + 1:] if r["connection"] == record["connection"]]
                        self.assertEqual(later, [])

    def test_19_what_comes_behind_an_answer_is_nobodys(self):
        self.serve()
        with self.neighbours():
            results = self.between("/extra")
            self.assertNotIn(b"POISON", self.raw_answer)
        for result in results:
            self.assertIn(result["body"], ("ok", None))

    def test_20_a_redirect_is_told_and_no_packet_follows_it(self):
        self.count_packets("169.254.0.0/16")
        self.serve()
        with self.neighbours():
            for path in ("/redirmeta", "/redirfile", "/redirloop"):
                for result in self.between(path, 3):
                    self.assert_error(result, "upstream_status", sent=True, retryable=False, status=302)
            for path, code in (("/redirmeta", "blocked_target"), ("/redirfile", "blocked_target"), ("/redirloop", "too_many_redirects")):
                self.assert_error(self.one(url=self.fault.url(path), max_redirects=3), code, sent=True, retryable=False)
        self.assertEqual(world.nft_packets("denied"), 0)
        self.assertEqual(self.fault.hits("/redirloop"), 3 + 4)

    def test_21_retry_after_is_obeyed_within_the_clock_and_holds_nobody_up(self):
        self.serve()
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 7))
        kinds = {"7": (True, 6.8), date: (True, 5.0), "3600": (False, 0), "soon": (True, 0), "-1": (True, 0)}
        items = [{"url": self.fault.url("/503ra", key="k%d" % n, ra=value), "timeout_ms": 30000, "method": "POST",
                  "retry": {"max_attempts": 2, "backoff_ms": 1}} for n, value in enumerate(kinds)]
        with self.neighbours():
            results = self.batch(items + [{"url": self.fault.url("/ok")}], {"concurrency": 1, "include_timing": True})["results"]
        for (value, (good, least)), result in zip(kinds.items(), results):
            with self.subTest(retry_after=value):
                self.assertEqual(result["success"], good, result)
                self.assertGreaterEqual(result["duration_ms"], 1000 * least)
                if least == 0:
                    self.assertLess(result["duration_ms"], 6000)
        self.assert_error(results[2], "upstream_status", sent=True, retryable=True, status=503)
        self.assertTrue(results[-1]["success"])
        self.assertLess(results[-1]["timing"]["queue_ms"], 6000, "a call that waits holds no slot")


class Certificates(net.Case):
    tls = True
    zone = {"secure.test": {"A": [net.BAD]}, "clean.test": {"A": [net.GOOD]}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = world.Names(cls.folder, cls.zone)
        cls.addClassCleanup(cls.names.kill)

    def test_23_tls_that_is_wrong_fails_alone_and_is_never_downgraded(self):
        self.serve({"upstreams": [{"match": "secure.test", "ca_file": self.fault.ca, "connect_timeout": "2s"}]})
        ports = self.fault.ports
        kinds = {"expired": "expired", "wrongname": "wrong_host", "selfsigned": "untrusted", "http": "handshake"}
        with self.neighbours():
            items = [{"url": "https://secure.test:%d/ok" % ports[name], "method": "POST"} for name in kinds]
            items += [{"url": "https://secure.test:%d/ok" % ports["mute"]}, {"url": "https://secure.test:%d/trunccl" % ports["abrupt"]},
                      {"url": "https://secure.test:%d/echo" % ports["good"], "body": {"n": 1}}]
            results = self.batch(items)["results"]
        for reason, result in zip(kinds.values(), results):
            self.assert_error(result, "tls_failed", reason, sent=False, retryable=reason == "handshake")
        self.assert_error(results[4], "connect_failed", "timeout", sent=False, retryable=True)
        self.assertGreaterEqual(results[4]["duration_ms"], 1900)
        self.assertLess(results[4]["duration_ms"], 15000)
        self.assert_error(results[5], "upstream_protocol", ("truncated", "closed"), sent=True)
        self.assertTrue(results[6]["success"], results[6])
        self.assertEqual((self.fault.hits("/ok"), self.fault.hits("/echo"), self.fault.hits("/trunccl")), (0, 1, 1))

    def test_23_a_handshake_in_a_black_hole_ends_with_connect_timeout(self):
        self.serve({"upstreams": [{"match": "secure.test", "ca_file": self.fault.ca, "connect_timeout": "1s"}]})
        self.assertTrue(self.one(url="https://secure.test:%d/ok" % self.fault.ports["good"])["success"])
        self.fault.rule(HOLE)
        with self.neighbours():
            items = [{"url": "https://secure.test:%d/ok" % self.fault.ports[n], "timeout_ms": 20000} for n in ("wrongname", "expired")]
            for result in self.batch(items)["results"]:
                self.assert_error(result, "connect_failed", "timeout", sent=False, retryable=True)
        self.fault.rule("")
        self.assertTrue(self.one(url="https://secure.test:%d/ok" % self.fault.ports["good"])["success"])


class Lookups(net.Case):
    many = ["9.%d.%d.1" % (n // 250, n % 250) for n in range(500)]
    zone = {"clean.test": {"A": [net.GOOD]}, "servfail.test": {"rcode": "SERVFAIL"}, "silent.test": {"drop": True},
            "many.test": {"A": many}, "rebind.test": {"turns": [{"A": [net.GOOD], "ttl": 0}, {"A": ["10.66.0.1"], "ttl": 0}]},
            "mixed.test": {"A": [net.GOOD, "10.66.0.1"]}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = world.Names(cls.folder, cls.zone)
        cls.addClassCleanup(cls.names.kill)

    def test_24_names_that_fail_do_so_within_connect_timeout(self):
        self.serve({"upstreams": [{"match": "*", "connect_timeout": "1500ms"}]})
        hosts = {"none.test": None, "servfail.test": None, "silent.test": "timeout", "many.test": None}
        good = {"url": "http://clean.test:%d/ok" % self.fault.ports["http"]}
        with self.neighbours():
            items = []
            for host in hosts:
                items += [{"url": "http://%s:9/" % host, "timeout_ms": 30000, "method": "POST"}, good]
            results = self.batch(items, {"concurrency": 2})["results"]
        for (host, reason), result in zip(hosts.items(), results[::2]):
            with self.subTest(host=host):
                code = "connect_failed" if host == "many.test" else "dns_failed"
                self.assert_error(result, code, reason, sent=False, retryable=True)
                self.assertLess(result["duration_ms"], 12000)
        self.assertGreaterEqual(results[4]["duration_ms"], 1400)
        self.assertEqual([r["success"] for r in results[1::2]], [True] * 4)

    def test_25_a_name_that_leads_to_a_denied_address_costs_no_packet(self):
        self.count_packets("10.66.0.1")
        net.run("ip", "route", "replace", "10.66.0.0/24", "via", net.BAD)
        self.serve({"targets": {"allow_private": False, "allow": ["%s/24:%d" % (net.GOOD[:-1] + "0", self.fault.ports["http"])]}})
        port = self.fault.ports["http"]
        with self.neighbours():
            for _ in range(6):
                for host in ("rebind.test", "mixed.test"):
                    result = self.one(url="http://%s:%d/ok" % (host, port))
                    if host == "mixed.test" or not result["success"]:
                        self.assert_error(result, "blocked_target", "address_denied", sent=False, retryable=False)
        self.assertEqual(world.nft_packets("denied"), 0)
        self.one(server=self.serve(), url="http://10.66.0.1:%d/" % port, timeout_ms=500)
        self.assertGreater(world.nft_packets("denied"), 0, "one that may be called is seen by the counter")
        self.assertEqual({r["local"] for r in self.fault.asked("/ok")} - {self.fault.host}, set())


class Links(net.Case):
    series = 0

    def echoes(self, count, timeout_ms=45000, **members):
        """POSTs unlike any before: the kernel may deliver late what was given up long ago."""
        Links.series += 1
        self.queries = ["n=%d&series=%d" % (n, self.series) for n in range(count)]
        return [{"url": self.fault.url("/echo") + "?" + q, "body": {"q": q, "pad": "x" * 3000}, "timeout_ms": timeout_ms, **members} for q in self.queries]

    def came(self):
        return sum(r["target"].partition("?")[2] in self.queries for r in self.fault.asked("/echo"))

    def assert_each_once(self, results):
        """The latest POSTs, which may not be repeated, came at most once; what succeeded came, and what was not sent did not."""
        seen = collections.Counter(r["target"] for r in self.fault.asked("/echo"))
        self.assertEqual([t for t, count in seen.items() if count > 1], [])
        for query, result in zip(self.queries, results):
            if result["success"]:
                self.assertEqual((result["body"]["query"], seen["/echo?" + query], result["attempts"]), (query, 1, 1))
            elif not result["error"]["sent"]:
                self.assertNotIn("/echo?" + query, seen)

    def test_26_loss_makes_it_slower_and_sends_nothing_twice(self):
        self.serve({"upstreams": [{"match": net.BAD, "connect_timeout": "40s"}]})
        took = {}
        for percent in (0, 5, 40):
            self.fault.reset()
            self.fault.rule(LOSS % percent)
            began = time.monotonic()
            with self.neighbours():
                results = self.batch(self.echoes(24), {"concurrency": 24, "batch_timeout_ms": 90000})["results"]
            took[percent] = time.monotonic() - began
            self.fault.rule("")
            self.assert_each_once(results)
            good = sum(r["success"] for r in results)
            self.assertGreaterEqual(good, 24 if percent < 40 else 12, [r for r in results if not r["success"]])
        self.assertGreater(took[40], took[0], "nothing was lost")

    def test_02_a_black_hole_takes_nothing_from_the_others(self):
        self.serve({"pool": {"max_in_flight": 8}, "upstreams": [{"match": net.BAD, "connect_timeout": "1s"}]})
        self.assertTrue(all(r["success"] for r in self.batch(self.echoes(4))["results"]))  # leaves kept connections
        self.fault.reset()
        self.fault.rule(HOLE)
        with self.neighbours():
            items = self.echoes(12, 3000)
            results = self.batch(items, {"concurrency": 4})["results"]
        for result in results:
            self.assertFalse(result["success"])
            self.assertLess(result["duration_ms"], 15000)
            if result["error"]["code"] == "connect_failed":  # on a new connection
                self.assert_error(result, "connect_failed", "timeout", sent=False, retryable=True)
            else:  # on a kept one: it may have come
                self.assert_error(result, "timeout", "response", sent=True, retryable=True)
        self.fault.rule("")
        self.assert_each_once(results)
        self.assertTrue(all(r["success"] for r in self.batch(self.echoes(8))["results"]), "after it, without a restart")

    def test_03_a_refusal_fails_at_once_and_retries_do_not_hammer(self):
        self.serve()
        self.fault.rule(REFUSE)
        with self.neighbours():
            results = self.batch(self.echoes(8, retry={"max_attempts": 3, "backoff_ms": 50}), {"concurrency": 4})["results"]
        for result in results:
            self.assert_error(result, "connect_failed", sent=False, retryable=True)
            self.assertEqual(result["attempts"], 3)
            self.assertLess(result["duration_ms"], 10000)
        self.assertEqual(self.came(), 0)

    def test_27_a_thin_link_carries_less_and_deadlines_hold(self):
        self.serve()
        self.fault.thin("256kbit")
        try:
            with self.neighbours():
                items = [{"url": self.fault.url("/raw", n=60000, ct="text/plain"), "timeout_ms": 60000},
                         {"url": self.fault.url("/raw", n=2000000, ct="text/plain"), "timeout_ms": 2500},
                         {"url": self.fault.url("/echo"), "body_text": "y" * 900000, "timeout_ms": 2500}]
                began = time.monotonic()
                whole, down, up = self.batch(items, {"include_body": "none"})["results"]
                took = time.monotonic() - began
        finally:
            self.fault.thin(None)
        self.assertTrue(whole["success"], whole)
        self.assertGreater(took, 1.5)
        for late in (down, up):
            self.assert_error(late, "timeout", "response", sent=True, retryable=True)
            self.assertGreaterEqual(late["duration_ms"], 2400)
            self.assertLess(late["duration_ms"], 15000)

    def test_28_slow_system_calls_make_it_slower_and_shift_no_deadline(self):
        strace = [world.need("strace"), "-f", "-qq", "-o", "/dev/null", "-e", "trace=recvfrom,recvmsg", "-e",
                  "inject=recvfrom,recvmsg:delay_enter=50000"]
        quick = self.serve()
        slow = self.serve(prefix=strace, env={"ASAN_OPTIONS": "detect_leaks=0", "LSAN_OPTIONS": "detect_leaks=0"})
        items = [{"url": self.fault.url("/raw", ct="application/json", body=str(n)), "timeout_ms": 60000} for n in range(40)]
        worst = {}
        for server in (quick, slow):
            results = self.batch(items, {"concurrency": 8}, server)["results"]
            self.assertEqual([r["body"] for r in results], list(range(40)))
            worst[server] = sorted(r["duration_ms"] for r in results)[-2]
        self.assertGreater(worst[slow], worst[quick])
        self.assertGreater(worst[slow], 45)
        for clock in (400, 1500):
            late, good = self.batch([{"url": self.fault.url("/stall"), "timeout_ms": clock}, items[0]], None, slow)["results"]
            self.assert_error(late, "timeout", "response", sent=True)
            self.assertGreaterEqual(late["duration_ms"], clock - 50)
            self.assertLess(late["duration_ms"], clock + 6000)
            self.assertTrue(good["success"])

    def cut(self, down):
        """Items in mid-transfer when the link goes: they end at their own clocks, and all is well once it is back."""
        self.serve({"upstreams": [{"match": net.BAD, "connect_timeout": "1s"}]})
        post = [{"url": self.fault.url("/gate", key="p%d" % n), "method": "POST", "timeout_ms": 3000} for n in range(4)]
        drip = [{"url": self.fault.url("/drip"), "timeout_ms": 3000} for _ in range(2)]
        with self.neighbours():
            running = world.in_thread(self.batch, post + drip, {"concurrency": 6})
            world.wait_for("all of them to be in mid-transfer", lambda: self.fault.hits("/gate") + self.fault.hits("/drip") == 6)
            down()
            fresh = self.batch(self.echoes(4, 2500), {"concurrency": 2})["results"]
            results = running.result()["results"]
        for result in results:
            self.assert_error(result, "timeout", "response", sent=True, retryable=True)
            self.assertGreaterEqual(result["duration_ms"], 2900)
            self.assertLess(result["duration_ms"], 20000)
        for result in fresh:
            self.assert_error(result, "connect_failed", sent=False, retryable=True)
        self.assertEqual(self.fault.hits("/gate"), 4)
        self.fault.mend()
        self.fault.reset()
        results = self.batch(self.echoes(12))["results"]
        self.assertTrue(all(r["success"] for r in results), results)
        self.assert_each_once(results)

    def test_29_our_link_down_in_mid_transfer(self):
        self.cut(lambda: net.run("ip", "link", "set", "bad", "down"))

    def test_29_their_link_down_in_mid_transfer(self):
        self.cut(lambda: self.fault.there("ip", "link", "set", "far-bad", "down"))

    def test_29_a_cable_that_is_pulled_for_a_moment_costs_time_only(self):
        self.serve({"upstreams": [{"match": net.BAD, "connect_timeout": "20s"}]})
        self.assertTrue(all(r["success"] for r in self.batch(self.echoes(4))["results"]))
        self.fault.reset()
        with self.neighbours():
            self.fault.there("ip", "link", "set", "far-bad", "down")
            running = world.in_thread(self.batch, self.echoes(12), {"concurrency": 4})
            world.wait_for("calls on the wire", lambda: self.server.metrics().total("batchgate_in_flight") >= 4)
            self.assertEqual(self.came(), 0)
            self.fault.mend()
            results = running.result()["results"]
        self.assertEqual([r["success"] for r in results], [True] * 12, results)
        self.assert_each_once(results)

    def test_29_a_narrow_link_carries_large_bodies_both_ways(self):
        self.serve()
        self.fault.mtu(600, 600)
        with self.neighbours():
            items = [{"url": self.fault.url("/echo"), "body_text": "z" * 700000}, {"url": self.fault.url("/raw", n=700000, ct="text/plain")}]
            up, down = self.batch(items)["results"]
        self.assertTrue(up["success"], up["error"])
        self.assertEqual(up["body"]["body_bytes"], 700000)
        self.assertEqual(len(down["body"] or ""), 700000, down["error"])

    def test_29_a_link_that_narrows_under_a_kept_connection(self):
        """What is larger vanishes without a word: that item times out, and the next ones go over new connections."""
        self.serve()
        self.assertTrue(self.one(url=self.fault.url("/ok"))["success"])
        self.fault.mtu(1500, 600)
        with self.neighbours():
            for _ in range(3):
                result = self.one(url=self.fault.url("/echo/narrow"), body_text="z" * 300000, timeout_ms=3000)
                if result["success"]:
                    break
                self.assert_error(result, "timeout", "response", sent=True, retryable=True)
            self.assertTrue(result["success"], result)
        self.assertLessEqual(self.fault.hits("/echo/narrow"), 2)

    def test_a_drain_while_the_link_is_dead_ends_in_time(self):
        server = self.serve({"server": {"drain_timeout": "1s"}, "upstreams": [{"match": net.BAD, "connect_timeout": "60s"}]})
        self.fault.rule(HOLE)
        running = world.in_thread(self.batch, self.echoes(6, 60000), {"concurrency": 3}, server)
        world.wait_for("calls on the wire", lambda: server.metrics().total("batchgate_in_flight") == 3)
        self.rows.remove(next(r for r in self.rows if r[1] is server))
        os.kill(server.serving_pid, signal.SIGTERM)
        for result in running.result()["results"]:
            self.assert_error(result, "cancelled", "drain", sent=False, retryable=True)
        server.ended(0)


def setUpModule():
    world.bind_over("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    world.bind_over("/etc/hosts", "127.0.0.1 localhost\n")


if __name__ == "__main__":
    world.enter_namespace()
    world.main()
