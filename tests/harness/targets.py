"""targets - a network without a link, for tests of which targets may be called: nothing can leave, and every packet is counted.

Public and denied addresses alike stand on the namespace's loopback with a listener behind port 80, so that a call that got
through would succeed; nft counts each SYN that is not the test's own.
"""
import world

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
    "later.test": {"turns": [{"rcode": "SERVFAIL"}] * 4 + [{"A": [PUBLIC]}]}, "goes.test": {"turns": [{"A": [PUBLIC]}, {"drop": True}]},
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


class Case(world.Case):
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
