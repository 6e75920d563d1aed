#!/usr/bin/python3
# ctest: cost=10
"""What this side lacks - descriptors, local ports - is no fault of the upstream: it is told so, and opens no breaker.

Runs in a network namespace, where names can be given.
"""
import json
import os
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

ZONE = {"fine.test": {"A": ["127.0.0.1"]}, "other.test": {"A": ["127.0.0.1"]}}
EASILY_OPENED = {"upstreams": [{"match": "*", "breaker": {"failures": 1, "open": "10m", "max_open": "10m"}}]}


def setUpModule():
    world.bind_over("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    world.bind_over("/etc/hosts", "127.0.0.1 localhost\n127.0.0.1 hosts.test\n127.0.0.1 both.test\n::1 both.test\n")


class Case(world.Case):
    def assert_closed(self, server):
        found = server.get("/v1/upstreams").json()["data"]
        self.assertTrue(found)
        for one in found:
            self.assertEqual((one["state"], one["failures"], one["totals"]["opened"]), ("closed", 0, 0), one)


class Descriptors(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = world.Names(cls.folder, ZONE)
        cls.addClassCleanup(cls.names.kill)

    @classmethod
    def tearDownClass(cls):
        cls.names.stop()
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.short = self.start({**EASILY_OPENED, "pool": {"threads": 1}})
        self.sock = self.short.connect()  # kept, so that the front needs no descriptor of its own
        self.addCleanup(self.sock.close)
        self.assertEqual(self.post([]), [])

    def post(self, items, **options):
        body = json.dumps({"items": items, "options": options}).encode()
        self.sock.sendall(world.frame("POST", "/v1/batch", body, [("Content-Type", "application/json")]))
        document = world.read_answer(self.sock).json()
        world.check_document(document, len(items))
        return document["results"]

    def leave_free(self, count):
        """Until the test ends, or calls what this gives."""
        limits = self.short.leave_free(count)

        def give_back():
            resource.prlimit(self.short.serving_pid, resource.RLIMIT_NOFILE, limits)
        self.addCleanup(lambda: self.short.alive() and give_back())
        return give_back

    def named(self, count=1, host="fine.test", **members):
        return [{"url": "http://%s:%d/ok" % (host, self.fault.ports["http"]), **members}] * count

    def test_a_name_that_cannot_be_looked_up_is_overloaded_and_its_breaker_stays_closed(self):
        give_back = self.leave_free(0)
        for host in ("fine.test", "other.test", "hosts.test"):
            for result in self.post(self.named(5, host)):
                self.assert_error(result, "overloaded", sent=False, retryable=True)
                self.assertEqual(result["error"]["message"], "the server cannot look up %s now: no file descriptor is free" % host)
        self.assertEqual(self.names.asked("fine.test") + self.names.asked("other.test"), [])
        give_back()
        for host in ("fine.test", "other.test", "hosts.test"):
            for result in self.post(self.named(5, host)):
                self.assertTrue(result["success"], result)
        self.assert_closed(self.short)

    def test_idle_connections_make_way_for_a_look_up(self):
        self.assertTrue(self.post([{"url": self.fault.url("/ok")}])[0]["success"])
        self.leave_free(0)
        for result in self.post(self.named(5), concurrency=1):
            self.assertTrue(result["success"], result)
        self.assert_closed(self.short)

    def test_one_free_descriptor_is_enough(self):
        closes = self.fault.url("/raw", hdr="Connection: close")
        self.assertTrue(self.post([{"url": closes}])[0]["success"])  # libcurl 8 keeps one of its own, if there is one
        world.settled(self.short.open_files)
        self.leave_free(1)
        for result in self.post(self.named(5), concurrency=1):
            self.assertTrue(result["success"], result)
        self.assert_closed(self.short)


class Ports(Case):
    def without_port(self, when):
        """A server whose worker finds no local port for those of its connections."""
        trace = os.path.join(self.folder, "connect.trace")
        return self.start({**EASILY_OPENED, "pool": {"threads": 1}},
                          prefix=[world.need("strace"), "-f", "-qq", "-o", trace, "-e", "trace=connect", "-e",
                                  "inject=connect:error=EADDRNOTAVAIL:when=" + when],
                          env={"ASAN_OPTIONS": "detect_leaks=0", "LSAN_OPTIONS": "detect_leaks=0"})

    def test_a_call_without_a_local_port_has_no_connection_and_the_next_one_is_made(self):
        server = self.without_port("1..3")
        for _ in range(3):
            result = self.one(server=server, url=self.fault.url("/ok"))
            self.assert_error(result, "connect_failed", sent=False, retryable=True)
            self.assertIn("Cannot assign requested address", result["error"]["message"])
        self.assert_closed(server)
        self.assertTrue(self.one(server=server, url=self.fault.url("/ok"))["success"])

    def test_a_host_that_refuses_is_dead_though_there_is_no_address_here_for_its_other_family(self):
        for when in ("1", "2"):
            with self.subTest(without=when):
                server = self.without_port(when)
                result = self.one(server=server, url="http://both.test:%d/" % world.free_port())
                self.assert_error(result, "connect_failed", sent=False, retryable=True)
                self.assertEqual([one["state"] for one in server.get("/v1/upstreams").json()["data"]], ["open"])


if __name__ == "__main__":
    world.enter_namespace()
    world.main()
