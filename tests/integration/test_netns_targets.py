#!/usr/bin/python3
# ctest: cost=30
"""Which targets may be called: hostile.tsv through the real server, where nothing can leave and every packet is counted.

Runs in a network namespace without a link. Public and denied addresses alike stand on its loopback with a listener behind
port 80, so that a call that got through would succeed; nft counts each SYN that is not the test's own.
"""
import ipaddress
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import hostile  # noqa: E402
import world  # noqa: E402

PUBLIC, OTHER, OWN, PUBLIC6 = "93.184.215.14", "93.184.215.15", "8.8.4.4", "2606:4700:4700::1111"
DENIED = ["10.0.0.1", "172.16.0.1", "100.127.255.255", "169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192",
          "168.63.129.16", "192.0.2.1", "198.19.255.255", "192.31.196.1", "192.175.48.1", "10.2.3.4", "10.9.9.9", "192.168.1.1",
          "fd00:ec2::254", "fd20:ce::254", "2001:db8::1", "3fff::1", "2001:20::1", "2002:a9fe:a9fe::", "2002:7f00:1::", "64:ff9b::7f00:1",
          "64:ff9b::a00:1", "64:ff9b:1::7f00:1", "2001:0:7f00:1::", "100:0:0:1::1", "2620:4f:8000::1", "4000::1", "2600:1f00::5efe:a00:1",
          "::ffff:0:7f00:1", "fd00::9"]
ZONE = {
    "example.com": {"A": [PUBLIC]}, "xn--n3h.example": {"A": [PUBLIC]}, "exa_mple.com": {"A": [PUBLIC]}, "other.test": {"A": [OTHER]},
    "six.test": {"AAAA": [PUBLIC6]}, "both.test": {"A": [PUBLIC], "AAAA": [PUBLIC6]}, "multi.test": {"A": ["8.8.8.8", "169.254.169.254"]},
    "multi2.test": {"A": ["169.254.169.254", PUBLIC]}, "mixed6.test": {"A": [PUBLIC], "AAAA": ["::1"]}, "v6b.test": {"AAAA": ["64:ff9b::a00:1"]},
    "mapped.test": {"AAAA": ["::ffff:" + PUBLIC]}, "none.test": {"rcode": "NXDOMAIN"}, "cname.test": {"CNAME": "localhost"}, "localhost": {"A": ["127.0.0.1"]},
    "cname2.test": {"CNAME": "db.internal"}, "db.internal": {"A": [PUBLIC]}, "chain.test": {"CNAME": "example.com"},
    "loop.test": {"CNAME": "loop.test"}, "self.test": {"A": [OWN]}, "loopback.test": {"A": ["127.0.0.1"]}, "zero.test": {"A": ["0.0.0.0"]},
    "servfail.test": {"rcode": "SERVFAIL"}, "refused.test": {"rcode": "REFUSED"}, "silent.test": {"drop": True}, "empty.test": {},
    "later.test": {"turns": [{"rcode": "SERVFAIL"}, {"rcode": "SERVFAIL"}, {"A": [PUBLIC]}]}, "goes.test": {"turns": [{"A": [PUBLIC]}, {"drop": True}]},
    "rebind.test": {"turns": [{"A": [PUBLIC], "ttl": 0}, {"A": ["127.0.0.1"], "ttl": 0}]},
    "many.test": {"A": ["9.%d.%d.1" % (n // 250, n % 250) for n in range(500)]},
    "manybad.test": {"A": ["9.%d.%d.1" % (n // 250, n % 250) for n in range(499)] + ["127.0.0.1"]},
    "users.internal": {"A": ["10.9.9.9"]}, "a.svc.cluster.local": {"A": ["10.9.9.9"]}, "incidr.test": {"A": ["10.2.3.4"]},
    "halfcidr.test": {"A": ["10.2.3.4", "10.9.9.9"]}, "ula.test": {"AAAA": ["fd00::9"]}, "meta.test": {"A": ["169.254.169.254"]},
}
SYNS = """add table inet t
delete table inet t
table inet t {
  counter syns {}
  counter stray {}
  chain out {
    type filter hook output priority 0;
    tcp flags & (syn | ack) == syn tcp dport != { %s } counter name syns
    udp dport 53 accept
    udp sport 53 accept
    meta l4proto udp counter name stray
  }
}
"""


def setUpModule():
    for address in [PUBLIC, OTHER, OWN, PUBLIC6, "8.8.8.8", *DENIED]:
        world.add_address(address)
    world.bind_over("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    world.bind_over("/etc/hosts", "127.0.0.1 localhost\n")


class Targets(world.Case):
    """The server under test has the default targets."""
    base = {"server": {"port": 0}}
    tls = True
    fault_args = ("--listen", "[::]:80", "--listen", "[::]:9000", "--listen", "[::]:8080")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = world.Names(cls.folder, ZONE)
        cls.addClassCleanup(cls.names.kill)
        world.nft(SYNS % ", ".join(map(str, (53, cls.server.port, cls.fault.ports["http"]))))

    def start(self, config=None, **options):
        server = super().start(config, **options)
        world.nft("insert rule inet t out tcp dport %d accept\n" % server.port)
        return server

    def syns(self):
        return world.nft_packets("syns")

    def denied(self, items, judge, server=None):
        """Runs items none of which may reach anything."""
        before, stray = self.syns(), world.nft_packets("stray")
        results = self.batch(items, {"concurrency": 64}, server)["results"]
        for item, result in zip(items, results):
            with self.subTest(item=item):
                judge(item, result)
        self.assertEqual(self.syns(), before, "a SYN was sent")
        self.assertEqual(world.nft_packets("stray"), stray, "a datagram was sent")
        self.assertEqual(self.fault.hits(), 0)
        return results

    def assert_denied(self, result, reason):
        blocked = reason in ("scheme_denied", "userinfo_denied", "port_denied", "host_denied", "address_denied")
        self.assert_error(result, "blocked_target" if blocked else "invalid_item", reason, sent=False, retryable=False)
        self.assertEqual(result["attempts"], 0)


class Rows(Targets):
    def test_urls(self):
        rows = hostile.rows("url")
        self.assertGreater(len(rows), 100)
        bad = [r for r in rows if r.expected != "allow"]
        expected = {i: r.expected for i, r in enumerate(bad)}

        def judge(item, result):
            verdict, _, reason = expected[result["index"]].partition(":")
            self.assertEqual(verdict, "deny")
            self.assert_denied(result, reason)
        self.denied([{"url": r.value} for r in bad], judge)
        for row in rows:
            if row.expected == "allow":
                with self.subTest(url=row.value):
                    result = self.one(url=row.value)
                    self.assertTrue(result["success"], result)
                    self.assertEqual(self.fault.asked()[-1]["local"].rpartition(":")[0], "::ffff:" + PUBLIC)

    def test_urls_denied_in_defaults_too(self):
        rows = [r for r in hostile.rows("url") if r.expected.startswith("deny")]
        before = self.syns()
        for row in rows[::5]:
            answer = self.server.post({"defaults": {"url": row.value}, "items": [{}]})
            with self.subTest(url=row.value):
                if answer.status == 200:
                    self.assertFalse(answer.json()["results"][0]["success"])
                else:
                    self.assert_problem(answer, 400, "invalid_request")
        self.assertEqual(self.syns(), before)

    def test_encoded_line_breaks_are_not_decoded_on_the_wire(self):
        self.assertTrue(self.one(url="http://example.com/%0d%0aX:%20y")["success"])
        record = self.fault.asked()[-1]
        self.assertEqual(record["target"], "/%0d%0aX:%20y")
        self.assertNotIn("X", [n for n, _ in record["headers"]])

    def test_names(self):
        for row in hostile.rows("dns"):
            name, _, recipe = row.text.partition(" ")
            with self.subTest(row=row.text):
                self.assertIn(name, ZONE, "a recipe that this test does not know: " + recipe)
                if name == "self.test":
                    server = self.start({"server": {"host": "0.0.0.0"}, "auth": {"allow_anonymous": True}, "targets": {"allow_private": True}})
                    before = self.syns()
                    for host in ("self.test", OWN, "127.0.0.1", "localhost"):
                        result = self.one(server=server, url="http://%s:%d/healthz" % (host, server.port))
                        self.assert_error(result, "blocked_target", "address_denied", sent=False)
                    self.assertEqual(self.syns(), before)
                    continue
                verdict, _, code = row.expected.partition(":")
                if verdict == "error":
                    self.denied([{"url": "http://%s/" % name}], lambda i, r: self.assert_error(r, code, sent=False, retryable=True))
                else:
                    self.denied([{"url": "http://%s/" % name}], lambda i, r: self.assert_error(r, "blocked_target", code, sent=False))

    def test_redirects(self):
        known = {
            "302 Location: file:///etc/passwd": self.redirect_to_a_file,
            "302 Location: <itself> x 100": self.redirect_to_itself,
            "302 to another origin with Authorization/X-Api-Key": self.redirect_elsewhere,
            "https -> http downgrade": self.redirect_down,
        }
        for row in hostile.rows("redirect"):
            with self.subTest(row=row.text):
                self.fault.reset()
                known[row.text](row.expected.partition(":")[2] or row.expected)

    def redirect_to_a_file(self, reason):
        result = self.one(url="http://example.com/redirfile", max_redirects=5)
        self.assert_error(result, "blocked_target", reason, sent=True)
        before = self.syns()
        for to in ("http://169.254.169.254/", "http://10.0.0.1/", "http://localhost/", "http://loopback.test/", "http://example.com:6379/"):
            result = self.one(url="http://example.com/redirect?to=" + to, max_redirects=5)
            self.assert_error(result, "blocked_target", sent=True)
        self.assertLessEqual(self.syns() - before, 5, "only the first hops")
        self.assertEqual(set(self.fault.stats()["hits"]) - {"*"}, {"/redirfile", "/redirect"})

    def redirect_to_itself(self, code):
        self.assert_error(self.one(url="http://example.com/redirloop", max_redirects=10), code, sent=True)
        self.assertEqual(self.fault.hits("/redirloop"), 11)

    def redirect_elsewhere(self, _):
        result = self.one(url="http://example.com/redirect?to=http://other.test/echo", max_redirects=5,
                          headers={"Authorization": "Bearer s", "X-Api-Key": "s", "Cookie": "s"})
        self.assertTrue(result["success"], result)
        names = {n.lower() for n, _ in self.fault.asked("/echo")[0]["headers"]}
        self.assertFalse(names & {"authorization", "x-api-key", "cookie"})

    def redirect_down(self, reason):
        server = self.start({"targets": {"allow_private": True}, "upstreams": [{"match": "127.0.0.1", "ca_file": self.fault.ca}]})
        result = self.one(server=server, url=self.fault.url("/redirect", "good", to="http://example.com/ok"), max_redirects=5)
        self.assert_error(result, "blocked_target", reason, sent=True)
        self.assertEqual(self.fault.hits("/ok"), 0)

    def test_headers(self):
        operator = 0
        for row in hostile.rows("header"):
            with self.subTest(row=row.text):
                if "operator endpoint" in row.text:
                    operator += 1
                    self.endpoint_header(*row.text.partition(" (")[0].split(": "))
                    continue
                name, _, value = row.value.partition(": ") if ": " in row.value else row.value.partition(":")
                self.fault.reset()
                result = self.one(url="http://example.com/echo", headers={name: value})
                if row.expected.startswith("deny:"):
                    self.assert_error(result, "invalid_item", row.expected[5:], sent=False, retryable=False)
                    self.assertEqual(self.fault.hits(), 0)
                else:
                    self.assertTrue(result["success"], result)
                    sent = world.headers_of(self.fault.asked("/echo")[0], name)
                    self.assertEqual([v.encode("latin-1") for v in sent], [value.encode()])
        self.assertEqual(operator, 2)

    def endpoint_header(self, name, value):
        """An item names a header that its endpoint's configuration sets: nothing is sent."""
        server = self.start({"endpoints": {"call": {"url": "http://example.com/echo", "headers": {name: "the operator's"},
                                                    "request": "{headers: .item}"}}})
        for item in ({name: value}, {name.lower(): value}, {name.upper(): [value]}, {name: None}):
            self.fault.reset()
            answer = server.post({"items": [item]}, "/v1/batch/call")
            self.assert_error(answer.json()["results"][0], "transform_failed", "request", sent=False, retryable=False)
            self.assertEqual(self.fault.hits(), 0)
        self.fault.reset()
        self.assertTrue(server.post({"items": [{"X-Other": value}]}, "/v1/batch/call").json()["results"][0]["success"])
        self.assertEqual(world.headers_of(self.fault.asked("/echo")[0], name), ["the operator's"])
        server.stop()

    def test_methods(self):
        rows = hostile.rows("method")
        self.denied([{"url": "http://example.com/", "method": r.value} for r in rows],
                    lambda i, r: self.assert_error(r, "invalid_item", "method_denied", sent=False))

    def test_json(self):
        for row in hostile.rows("json"):
            body = b"[" * 2049 + b"]" * 2049 if "..." in row.text else row.data
            with self.subTest(row=row.text):
                before = self.syns()
                answer = self.server.post(body)
                if row.expected == "allow":
                    self.assertEqual(answer.status, 200, answer)
                elif row.expected.startswith("item:"):
                    self.assertEqual(answer.status, 200, answer)
                    self.assert_error(answer.json()["results"][0], row.expected[5:], sent=False)
                else:
                    self.assertEqual(row.expected, "deny:json_invalid")
                    self.assertIn(answer.status, (400,), answer)
                    self.assertIn(answer.json()["code"], ("invalid_json", "invalid_request"))
                self.assertEqual(self.syns(), before)

    def test_no_row_is_of_a_kind_that_nothing_tests(self):
        self.assertEqual({r.kind for r in hostile.rows()}, {"url", "dns", "redirect", "header", "method", "json", "raw"})


class Names(Targets):
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
            self.assertIn("the DNS server failed", self.one(url="http://%s/" % host)["error"]["message"])

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


class Policy(Targets):
    def opened(self, targets, urls):
        server = self.start({"targets": targets})
        for url in urls:
            with self.subTest(targets=targets, url=url):
                result = self.one(server=server, url=url)
                self.assertTrue(result["success"], result)
        return server

    def closed(self, server, urls):
        self.fault.reset()
        self.denied([{"url": u} for u in urls], lambda i, r: self.assert_error(r, "blocked_target", sent=False, retryable=False), server)

    def test_allow_a_literal_with_its_port(self):
        server = self.opened({"allow": ["10.9.9.9:9000"]}, ["http://10.9.9.9:9000/", "http://example.com/"])
        self.closed(server, ["http://10.9.9.9/", "http://10.9.9.9:8080/", "http://10.0.0.1:9000/", "http://users.internal:8080/"])

    def test_allow_a_name(self):
        server = self.opened({"allow": ["users.internal:8080"]}, ["http://users.internal:8080/", "http://USERS.internal:8080/"])
        self.closed(server, ["http://users.internal/", "http://db.internal:8080/", "http://10.9.9.9:8080/", "http://x.users.internal:8080/"])

    def test_allow_a_suffix(self):
        server = self.opened({"allow": ["*.svc.cluster.local:8080"]}, ["http://a.svc.cluster.local:8080/"])
        self.closed(server, ["http://svc.cluster.local:8080/", "http://a.svc.cluster.local/"])

    def test_allow_a_network_opens_names_that_resolve_into_it(self):
        server = self.opened({"allow": ["10.2.0.0/16:9000", "[fd00::/8]:9000"]},
                             ["http://10.2.3.4:9000/", "http://incidr.test:9000/", "http://ula.test:9000/", "http://[fd00::9]:9000/"])
        self.closed(server, ["http://10.9.9.9:9000/", "http://halfcidr.test:9000/", "http://10.2.3.4/", "http://incidr.test/",
                             "http://example.com:9000/", "http://[fd00:ec2::254]:9000/"])

    def test_without_a_port_those_of_ports(self):
        server = self.opened({"allow": ["10.9.9.9"], "ports": [80, 8080]}, ["http://10.9.9.9/", "http://10.9.9.9:8080/", "http://example.com:8080/"])
        self.closed(server, ["http://10.9.9.9:9000/", "http://example.com:9000/"])

    def test_metadata_only_where_that_literal_is_listed(self):
        server = self.opened({"allow": ["169.254.0.0/16"]}, ["http://example.com/"])
        self.closed(server, ["http://169.254.169.254/", "http://meta.test/", "http://169.254.170.2/"])
        server = self.opened({"allow": ["169.254.169.254"]}, ["http://169.254.169.254/"])
        self.closed(server, ["http://169.254.170.2/"])
        server = self.start({"targets": {"allow": ["meta.test"]}})
        self.closed(server, ["http://meta.test/"])

    def test_deny_wins_over_everything(self):
        server = self.start({"targets": {"allow": ["10.9.9.9:9000", "users.internal:8080"], "deny": ["10.9.9.0/24", "example.com"]}})
        self.closed(server, ["http://10.9.9.9:9000/", "http://users.internal:8080/", "http://example.com/"])
        server = self.start({"targets": {"allow_private": True, "deny": ["10.9.9.9", "*.test", PUBLIC]}})
        self.closed(server, ["http://10.9.9.9:9000/", "http://other.test/", "http://%s/" % PUBLIC, "http://example.com/", "http://chain.test/"])
        self.assertTrue(self.one(server=server, url="http://10.2.3.4:9000/")["success"])

    def test_deny_with_a_port_denies_that_port(self):
        server = self.opened({"deny": ["example.com:80"], "ports": [80, 8080]}, ["http://example.com:8080/"])
        self.closed(server, ["http://example.com/"])

    def test_public_false_opens_only_what_is_listed(self):
        server = self.opened({"public": False, "allow": ["example.com"]}, ["http://example.com/"])
        self.closed(server, ["http://other.test/", "http://%s/" % OTHER, "http://six.test/"])

    def test_allow_private_is_for_development(self):
        server = self.opened({"allow_private": True}, ["http://10.0.0.1:9000/", "http://localhost:9000/", "http://[::1]:9000/", "http://users.internal/",
                                                      "http://192.168.1.1:8080/", "http://example.com:8080/"])
        self.closed(server, ["http://169.254.169.254/", "http://169.254.1.1/", "http://[fe80::1]/", "http://meta.test/", "http://[fd00:ec2::254]/",
                             "http://[fd20:ce::254]/", "http://168.63.129.16/", "http://100.100.100.200/", "http://192.0.0.192/"])

    def test_bad_entries_stop_the_start(self):
        for entry in ("", "*", "a b", "10.0.0.0/33", "10.0.0.1:0", "10.0.0.1:99999", "http://example.com", "fd00::/8:9000", "*.*.test", "ex*mple.com"):
            path = world.write_config(self.folder, {"targets": {"allow": [entry]}}, "entry.yaml")
            with self.subTest(entry=entry):
                self.assertEqual(world.run_tool("check", "--config", path)[0], 2)


class Tables(Targets):
    def test_the_edges_of_every_denied_network(self):
        networks = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 " \
            "192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 " \
            "224.0.0.0/4 240.0.0.0/4 2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 fc00::/7 fe80::/10 fec0::/10 ff00::/8 " \
            "64:ff9b::/96 64:ff9b:1::/48 100::/64 5f00::/16 ::/96 ::ffff:0:0/96".split()
        items = []
        for text in networks:
            network = ipaddress.ip_network(text)
            for address in (network[0], network[-1], network[network.num_addresses // 2]):
                items.append({"url": ("http://%s/" if network.version == 4 else "http://[%s]/") % address})
        self.denied(items, lambda i, r: self.assert_error(r, "blocked_target", "address_denied", sent=False))

    def test_their_neighbours_are_public(self):
        items = [{"url": "http://%s/" % a, "timeout_ms": 5000} for a in (
            "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17",
            "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
            "198.20.0.0", "223.255.255.255", "[2001:200::]", "[2003::]", "[2606:4700::1]", "[2620:4f:7fff:ffff::1]", "[3ffe:ffff::1]")]
        for item, result in zip(items, self.batch(items)["results"]):
            with self.subTest(item=item):
                self.assertIn(result["error"]["code"], ("connect_failed", "timeout"), result)


if __name__ == "__main__":
    world.enter_namespace()
    world.main()
