#!/usr/bin/python3
# ctest: cost=10
"""Which targets may be called: what `targets` opens and closes, and the table of addresses that are denied."""
import ipaddress
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import targets  # noqa: E402
import world  # noqa: E402
from targets import OTHER, PUBLIC, setUpModule  # noqa: E402, F401


class Policy(targets.Case):
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


class Tables(targets.Case):
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
