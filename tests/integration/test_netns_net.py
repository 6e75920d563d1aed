#!/usr/bin/python3
# ctest: timeout=900
"""A bad network, made with nft and tc in a namespace of its own: black holes, refusals, loss, a thin link, slow system calls."""
import collections
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

HOLE, REFUSED = 9001, 9002


class Net(world.Case):
    config = {"upstreams": [{"match": "127.0.0.1:%d" % HOLE, "connect_timeout": "1s"}, {"match": "*", "connect_timeout": "60s"}]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        world.nft("table inet t {\n chain in { type filter hook input priority 0; }\n}\n"
                  "add rule inet t in tcp dport %d drop\nadd rule inet t in tcp dport %d reject with tcp reset\n" % (HOLE, REFUSED))

    def test_02_a_black_hole_ends_with_connect_timeout_and_frees_its_worker(self):
        items = []
        for _ in range(10):
            items += [{"url": "http://127.0.0.1:%d/" % HOLE, "timeout_ms": 60000, "method": "POST"}, {"url": self.fault.url("/ok")}]
        results = self.batch(items, {"concurrency": 4})["results"]
        for result in results[::2]:
            self.assert_error(result, "connect_failed", "timeout", sent=False, retryable=True)
            self.assertGreaterEqual(result["duration_ms"], 900)
            self.assertLess(result["duration_ms"], 20000)
        self.assertTrue(all(r["success"] for r in results[1::2]))
        self.assertEqual(self.server.metrics().total("batchgate_in_flight"), 0)

    def test_02_descriptors_of_connections_that_never_came_serve_the_next_ones(self):
        for clock in (60000, 300):
            self.batch([{"url": "http://127.0.0.1:%d/" % HOLE, "timeout_ms": clock} for _ in range(20)], {"concurrency": 20})
            results = self.batch([{"url": self.fault.url("/sleep", ms=200), "timeout_ms": 10000} for _ in range(60)], {"concurrency": 60})["results"]
            self.assertEqual([r for r in results if not r["success"]], [])

    def test_02_the_items_own_clock_comes_first(self):
        result = self.one(url="http://127.0.0.1:%d/" % HOLE, timeout_ms=200)
        self.assert_error(result, "timeout", "connect", sent=False, retryable=True)

    def test_02_retries_of_a_black_hole_share_the_clock(self):
        result = self.one(url="http://127.0.0.1:%d/" % HOLE, timeout_ms=4500, method="POST", retry={"max_attempts": 10, "backoff_ms": 1})
        self.assertIn(result["error"]["code"], ("connect_failed", "timeout"))
        self.assertFalse(result["error"]["sent"])
        self.assertIn(result["attempts"], (2, 3, 4, 5))

    def test_03_a_reset_on_connect_fails_at_once(self):
        result = self.one(url="http://127.0.0.1:%d/" % REFUSED, method="POST")
        self.assert_error(result, "connect_failed", sent=False, retryable=True)
        self.assertLess(result["duration_ms"], 10000)

    def lossy(self, percent):
        world.nft("add chain inet t lossy { type filter hook input priority 1; }\nflush chain inet t lossy\n"
                  "add rule inet t lossy tcp dport %d numgen random mod 100 < %d drop\n"
                  "add rule inet t lossy tcp sport %d numgen random mod 100 < %d drop\n"
                  % (self.fault.ports["http"], percent, self.fault.ports["http"], percent))
        self.addCleanup(world.nft, "flush chain inet t lossy\n")

    def test_26_loss_makes_it_slower_but_sends_no_post_twice(self):
        for percent in (5, 40):
            self.lossy(percent)
            items = [{"url": self.fault.url("/echo", n=n), "body": {"n": n}, "timeout_ms": 45000} for n in range(24)]
            results = self.batch(items, {"concurrency": 24, "batch_timeout_ms": 90000})["results"]
            world.nft("flush chain inet t lossy\n")
            seen = collections.Counter(r["target"] for r in self.fault.asked("/echo"))
            self.assertEqual([t for t, count in seen.items() if count > 1], [])
            good = [r for r in results if r["success"]]
            self.assertGreaterEqual(len(good), 24 if percent == 5 else 8, [r for r in results if not r["success"]])
            for n, result in enumerate(results):
                if result["success"]:
                    self.assertEqual(result["body"]["query"], "n=%d" % n)
                elif not result["error"]["sent"]:
                    self.assertNotIn("/echo?n=%d" % n, seen)
            self.fault.reset()

    def test_27_a_thin_link(self):
        tc, ip = world.need("tc"), world.need("ip")
        subprocess.run([ip, "link", "set", "lo", "mtu", "1500"], check=True)
        subprocess.run([tc, "qdisc", "replace", "dev", "lo", "root", "tbf", "rate", "256kbit", "burst", "16kb", "latency", "400ms"], check=True)
        try:
            items = [{"url": self.fault.url("/raw", n=60000, ct="text/plain"), "timeout_ms": 60000},
                     {"url": self.fault.url("/raw", n=900000, ct="text/plain"), "timeout_ms": 1500}]
            started = time.monotonic()
            whole, late = self.batch(items, {"include_body": "none"})["results"]
            took = time.monotonic() - started
        finally:
            subprocess.run([tc, "qdisc", "del", "dev", "lo", "root"], check=True)
            subprocess.run([ip, "link", "set", "lo", "mtu", "65536"], check=True)
        self.assertTrue(whole["success"], whole)
        self.assertGreater(took, 1.5)
        self.assert_error(late, "timeout", "response", sent=True)
        self.assertLess(late["duration_ms"], 15000)

    def test_28_slow_system_calls_shift_no_result(self):
        strace = world.need("strace")
        server = self.start(prefix=[strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=recvfrom,recvmsg", "-e",
                                    "inject=recvfrom,recvmsg:delay_enter=20000"],
                            env={"ASAN_OPTIONS": "detect_leaks=0", "LSAN_OPTIONS": "detect_leaks=0"})
        items = [{"url": self.fault.url("/raw", ct="application/json", body=str(n))} for n in range(60)]
        document = self.batch(items, {"concurrency": 16}, server)
        self.assertEqual([r["body"] for r in document["results"]], list(range(60)))


if __name__ == "__main__":
    world.enter_namespace()
    world.main()
