#!/usr/bin/python3
# ctest: cost=20
# ctest: lock=breaker
"""An upstream's breaker: what opens it, and what does not.

Runs in a network namespace, where names can be given and connections counted before anybody accepts them.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import breakers  # noqa: E402
import world  # noqa: E402
from breakers import CONCURRENCY, FAILURES, FOR_LONG, MOST, codes  # noqa: E402

BLOCKED = "169.254.169.254"
ZONE = {"none.test": {"rcode": "NXDOMAIN"}, "broken.test": {"rcode": "SERVFAIL"}, "meta.test": {"A": [BLOCKED]},
        "fine.test": {"A": ["127.0.0.1"]}}
CONNECTS = """add table inet t
delete table inet t
table inet t {
  counter connects {}
  chain out {
    type filter hook output priority 0;
    tcp flags & (syn | ack) == syn tcp dport %d counter name connects
  }
}
"""


def setUpModule():
    world.bind_over("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    world.bind_over("/etc/hosts", "127.0.0.1 localhost\n")


class NamedCase(breakers.Case):
    """With a name server."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = world.Names(cls.folder, ZONE)
        cls.addClassCleanup(cls.names.kill)

    @classmethod
    def tearDownClass(cls):
        cls.names.stop()
        super().tearDownClass()


class Opens(NamedCase):
    tls = True

    @classmethod
    def class_config(cls):
        rule = {"breaker": FOR_LONG, "ca_file": cls.fault.ca}
        return {"upstreams": [{"match": "127.0.0.1:%d" % cls.fault.ports["mute"], "connect_timeout": "1s", **rule},
                              {"match": "*", "connect_timeout": "10s", **rule}]}

    def test_connections_that_are_refused(self):
        port = world.free_port()
        world.nft(CONNECTS % port)
        begun = self.opens("http://127.0.0.1:%d/" % port, "connect_failed")
        self.assertEqual(world.nft_packets("connects"), begun)

    def test_statuses_that_say_that_the_host_is_down(self):
        for status in (502, 503, 504):
            with self.subTest(status=status):
                self.port = next(self.ports)
                begun = self.opens(self.url("/status/%d" % status), "upstream_status")
                self.assertEqual(len(self.seen()), begun)

    def test_handshakes_that_fail(self):
        for name in ("expired", "wrongname", "selfsigned", "http"):
            with self.subTest(name=name):
                before = self.fault.stats()["connections"]
                begun = self.opens("https://127.0.0.1:%d/ok" % self.fault.ports[name], "tls_failed")
                self.assertEqual(self.fault.stats()["connections"] - before - 1, begun, "one connection asks for the statistics")
        self.assertEqual(self.fault.hits(), 0)

    def test_a_handshake_that_takes_longer_than_connect_timeout(self):
        begun = self.opens("https://127.0.0.1:%d/" % self.fault.ports["mute"], "connect_failed")
        self.assertLessEqual(begun, MOST)

    def test_names_that_do_not_resolve(self):
        for name in ("none.test", "broken.test"):
            with self.subTest(name=name):
                self.opens("http://%s:%d/" % (name, self.port), "dns_failed", host=name)
                asked = len(self.names.asked(name))
                self.still_open("http://%s:%d/" % (name, self.port), name)
                self.assertEqual(len(self.names.asked(name)), asked)
        self.assertTrue(self.one(url="http://fine.test:%d/ok" % self.port)["success"], "another name is another upstream")
        self.assertEqual(len(self.seen()), 1)

    def test_only_the_origin_that_failed(self):
        down, up = next(self.ports), self.port
        items = [{"url": self.url("/status/503", down) if n % 2 else self.url("/ok", up)} for n in range(1000)]
        results = self.batch(items, {"concurrency": CONCURRENCY})["results"]
        self.assertEqual(codes(results[0::2]), {"ok": 500})
        self.assertLessEqual(codes(results[1::2])["upstream_status"], MOST)
        self.assertEqual(codes(results[1::2])["upstream_status"] + codes(results[1::2])["circuit_open"], 500)
        self.assertEqual((len(self.seen(port=up)), len(self.seen(port=down))), (500, codes(results[1::2])["upstream_status"]))

    def test_every_callers_failures_count_together(self):
        for n in range(FAILURES):
            self.assert_error(self.one(url=self.url("/status/503")), "upstream_status")
            self.assertEqual(len(self.seen()), n + 1)
        self.still_open(self.url("/ok"))
        self.assertEqual(len(self.seen()), FAILURES)

    def test_failures_that_are_retried_count_as_each_attempt(self):
        retry = {"max_attempts": 10, "backoff_ms": 1, "max_backoff_ms": 2}
        self.assert_refused(self.one(url=self.url("/status/503"), retry=retry), status=503, attempts=FAILURES)
        self.assertEqual(len(self.seen()), FAILURES)
        self.assert_refused(self.one(url=self.url("/status/503"), retry=retry))

    def test_a_retry_that_never_reached_anybody_is_not_sent(self):
        port = world.free_port()
        world.nft(CONNECTS % port)
        results = self.batch([{"url": "http://127.0.0.1:%d/" % port, "retry": {"max_attempts": 10, "backoff_ms": 1}}] * 3)["results"]
        for result in results:
            self.assert_refused(result, attempts=result["attempts"])
        self.assertEqual(sum(r["attempts"] for r in results), world.nft_packets("connects"))
        self.assertLessEqual(world.nft_packets("connects"), FAILURES + 2)

    def test_timing_of_a_refused_item(self):
        retry = {"max_attempts": 10, "backoff_ms": 1, "max_backoff_ms": 2}
        began, never = [self.one({"include_timing": True, "include_headers": True}, url=self.url("/status/503"), retry=retry)
                        for _ in range(2)]
        self.assert_refused(began, status=503, attempts=FAILURES)
        self.assertEqual([a["status"] for a in began["timing"]["attempts"]], [503] * FAILURES)
        self.assert_refused(never)
        self.assertFalse(never.get("timing") and never["timing"]["attempts"], never)


class StaysClosed(NamedCase):
    @classmethod
    def class_config(cls):
        return {"upstreams": [{"match": "*", "breaker": FOR_LONG}]}

    def test_statuses_of_a_host_that_lives(self):
        for status in (500, 501, 505, 404, 401, 408, 429, 418):
            with self.subTest(status=status):
                self.never_opens([{"url": self.url("/status/%d" % status)}] * 30, "upstream_status")

    def test_the_items_own_clock(self):
        self.never_opens([{"url": self.url("/stall"), "timeout_ms": 30}] * 20, "timeout")

    def test_the_items_own_clock_while_it_connects(self):
        """Nobody answers the handshake, and connect_timeout is far away."""
        url = "https://127.0.0.1:%d/" % self.fault.ports["mute"]
        results = self.batch([{"url": url, "timeout_ms": 30}] * 20, {"concurrency": 1})["results"]
        for result in results:
            self.assert_error(result, "timeout", "connect", sent=False)

    def test_the_batchs_clock(self):
        results = self.batch([{"url": self.url("/stall")}] * 20, {"concurrency": 20, "batch_timeout_ms": 300})["results"]
        self.assertEqual(codes(results), {"timeout": 20})
        self.assertTrue(self.one(url=self.url("/ok"))["success"])

    def test_answers_that_break_off(self):
        for path in ("/rst", "/close", "/trunccl", "/garbage"):
            with self.subTest(path=path):
                self.never_opens([{"url": self.url(path), "method": "POST"}] * 20, "upstream_protocol")

    def test_answers_that_are_too_large(self):
        self.never_opens([{"url": self.url("/hugecl")}] * 20, "response_too_large")

    def test_a_client_that_leaves(self):
        for _ in range(FAILURES + 1):
            before = self.fault.hits("/stall")
            with self.server.connect() as sock:
                sock.sendall(world.frame("POST", "/v1/batch", json.dumps({"items": [{"url": self.url("/stall")}]}).encode(),
                                         [("Content-Type", "application/json")]))
                world.wait_for("the call", lambda: self.fault.hits("/stall") > before)
        world.wait_for("the calls to be given up", lambda: self.fault.stats()["aborted"].get("/stall") == FAILURES + 1)
        self.assertTrue(self.one(url=self.url("/ok"))["success"])

    def test_a_callers_blocked_items(self):
        for url in ("http://%s/" % BLOCKED, "http://meta.test:%d/" % self.port):
            for result in self.never_opens([{"url": url}] * 30, "blocked_target"):
                self.assertEqual(result["attempts"], 0)
        self.assertEqual(len(self.seen()), 1 + 1)

    def test_blocked_items_of_an_upstream_that_others_may_call(self):
        """What was blocked is opened by a reload: had it counted, its breaker would be open."""
        server = self.start({**self.class_config(), "targets": {"deny": ["127.0.0.0/8"]}})
        urls = [self.url("/ok"), "http://fine.test:%d/ok" % self.port]
        results = self.batch([{"url": url} for url in urls * 30], {"concurrency": 1}, server)["results"]
        self.assertEqual(codes(results), {"blocked_target": 60})
        self.reload(server, self.class_config())
        self.all_fine(self.batch([{"url": url} for url in urls], server=server), 2)

    def test_redirects_to_where_nobody_may_go(self):
        results = self.batch([{"url": self.url("/redirmeta"), "max_redirects": 3}] * 20, {"concurrency": 1})["results"]
        self.assertEqual(codes(results), {"blocked_target": 20})
        self.assertTrue(self.one(url=self.url("/ok"))["success"])

    def test_failures_that_are_not_in_a_row(self):
        paths = (["/status/503"] * (FAILURES - 1) + ["/status/404"]) * 5
        results = self.batch([{"url": self.url(p)} for p in paths], {"concurrency": 1})["results"]
        self.assertEqual(codes(results), {"upstream_status": len(paths)})
        self.assertEqual(len(self.seen()), len(paths))

    def test_off_is_the_default(self):
        server = self.start()
        results = self.batch([{"url": self.url("/status/503")}] * 200, server=server)["results"]
        self.assertEqual(codes(results), {"upstream_status": 200})
        self.assertEqual(len(self.seen()), 200)


if __name__ == "__main__":
    world.enter_namespace()
    world.main()
