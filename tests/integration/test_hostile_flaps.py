#!/usr/bin/python3
# ctest: cost=120
"""Upstreams that pause, fail and recover in every order, under thousands of items and callers that leave: each item ends once, nothing is left."""
import collections
import json
import os
import resource
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import crowd  # noqa: E402
import world  # noqa: E402

MIB = 1 << 20


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def say(case, text, *args):
    print("\n%s: %s" % (case.id().rpartition(".")[2], text % args), file=sys.stderr)


class Case(world.Case):
    config = {"limits": {"max_items": 60000, "max_body": "64MiB", "max_concurrency": 1000}, "pool": {"max_in_flight": 300},
              "upstreams": [{"match": "127.0.0.2", "breaker": {"failures": 1, "open": "2ms", "max_open": "20ms"}},
                            {"match": "127.0.0.3", "retry_budget": "1%"}, {"match": "127.0.0.4", "rate_limit": "1/h"},
                            {"match": "127.0.0.5", "rate_limit": "1/h", "breaker": {"failures": 1, "open": "5ms", "max_open": "1h"}}]}

    def upstream(self, answer, hosts=("127.0.0.1",)):
        there = crowd.Crowd(answer, hosts)
        self.addCleanup(there.stop)
        return there

    def tearDown(self):
        world.wait_for("nothing in flight", lambda: all(self.server.metrics().total(n) == 0 for n in (
            "batchgate_in_flight", "batchgate_queued", "batchgate_upstream_in_flight", "batchgate_upstream_queued", "batchgate_upstream_waiting")))
        self.assertLess(self.server.rss(), world.memory_bound(512 * MIB))
        self.assertEqual([e for e in self.server.events() if "internal" in str(e)], [])
        super().tearDown()

    def send(self, document, server=None):
        """A client that has asked and not read yet."""
        sock = (server or self.server).connect()
        self.addCleanup(sock.close)
        sock.sendall(world.frame("POST", "/v1/batch", json.dumps(document).encode(), [("Content-Type", "application/json")]))
        return sock

    def codes(self, sock, count):
        answer = world.read_answer(sock, 120)
        self.assertEqual(answer.status, 200, answer)
        document = answer.json()
        world.check_document(document, count)
        return document["summary"]["by_code"]


class Pauses(Case):
    DATES = ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Sun, 06 Nov 1994 08:49:37 +0000", "Wed, 31 Feb 2100 00:00:00 GMT",
             "Mon, 00 Jan 0000 00:00:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Fri, 31 Dec 99999 23:59:59 GMT"]
    NONE = ["0", "-1", "-99999999999999999999", "1e99", "1.5", "0x10", "+5", "", " ", "1;2", "1, 2", "NaN", "inf", "soon", "\xff\x80", "1" + "x" * 9000, "5 s",
            *[d for d in DATES if "9999" not in d]]
    LONG = ["3600", "9" * 20, "9" * 10000, "18446744073709551616", "18446744073709551", DATES[1], "0" * 5000 + "3600"]

    def told(self, *fields):
        """The first call of an origin gets a 429 with these, all others 200: what becomes of ten, one after the other, in 20 s."""
        there = self.upstream(lambda host, n: crowd.status(429, *fields) if n == 0 else crowd.OK)
        document = self.batch([{"url": there.url()}] * 10, {"concurrency": 1, "batch_timeout_ms": 20000})
        return document["summary"]["by_code"], document["summary"]["duration_ms"]

    def test_values_that_ask_for_nothing(self):
        for name in ("Retry-After", "retry-after-ms"):
            for value in self.NONE:
                if name == "retry-after-ms" and value == "1.5":
                    continue
                with self.subTest(name=name, value=value[:40]):
                    codes, took_ms = self.told("%s: %s" % (name, value))
                    self.assertEqual(codes, {"upstream_status": 1})
                    self.assertLess(took_ms, 900)

    def test_values_beyond_the_batchs_clock(self):
        for fields in [["Retry-After: " + v] for v in self.LONG] + [["retry-after-ms: " + v] for v in self.LONG[1:4]] + [
                ["Retry-After: 1", "Retry-After: 3600"], ["Retry-After: 3600", "Retry-After: 1"], ["retry-after-ms: 5", "Retry-After: 3600"],
                ["Retry-After: 0", "retry-after-ms: 99999999"], ["Retry-After: -1"] * 40 + ["Retry-After: 3600"]]:
            with self.subTest(fields=[f[:40] for f in fields]):
                codes, took_ms = self.told(*fields)
                self.assertEqual(codes, {"upstream_status": 1, "rate_limited": 9})
                self.assertLess(took_ms, 5000)

    def test_pauses_that_come_and_go_under_10000_items(self):
        there = self.upstream(lambda host, n: crowd.OK if n % 2 else crowd.status(429, "retry-after-ms: %d" % (n % 7)))
        began = time.monotonic()
        codes = self.batch([{"url": there.url()}] * 10000, {"concurrency": 200})["summary"]["by_code"]
        say(self, "%.1f s, %s, asked %d", time.monotonic() - began, codes, there.count)
        self.assertEqual((there.count, codes), (10000, {"upstream_status": 5000}))

    def test_pauses_that_come_and_go_under_10000_items_that_try_again(self):
        there = self.upstream(lambda host, n: crowd.OK if n % 2 else crowd.status(429, "retry-after-ms: %d" % (n % 7)))
        began = time.monotonic()
        document = self.batch([{"url": there.url(), "timeout_ms": 60000, "retry": {"max_attempts": 10, "backoff_ms": 1}}] * 10000, {"concurrency": 200})
        say(self, "%.1f s, %s, asked %d", time.monotonic() - began, document["summary"]["by_code"], there.count)
        self.assertEqual(there.count, sum(r["attempts"] for r in document["results"]))

    def test_3000_origins_that_pause(self):
        hosts = ["127.1.%d.%d" % (n // 250, n % 250 + 1) for n in range(3000)]
        there = self.upstream(lambda host, n: crowd.status(429, "Retry-After: 3600"), hosts)
        items = [{"url": there.url(host)} for host in hosts]
        server = self.start(self.config)  # a caller that is told to wait by so many is not held back by more of them
        for _ in range(2):
            began = time.monotonic()
            codes = self.batch(items, {"concurrency": 200, "batch_timeout_ms": 60000}, server)["summary"]["by_code"]
            paused = server.metrics().total("batchgate_upstream_paused")
            say(self, "%.1f s, %s, paused %d, rss %d MiB", time.monotonic() - began, codes, paused, server.rss() // MIB)
            self.assertEqual(sum(codes.values()), 3000)
            self.assertLessEqual(paused, 1024)
        self.assertGreaterEqual(codes["rate_limited"], 1000)
        self.assertTrue(self.one(server=server, url=self.fault.url())["success"])


class Breakers(Case):
    def flap(self, answer, leave=0, timeout_ms=10000, reloads=0):
        """1,000 batches of 5, of which some leave: what became of the others' items."""
        there = self.upstream(answer, ["127.0.0.2"])
        items = [{"url": there.url("127.0.0.2"), "timeout_ms": timeout_ms}] * 5
        began = time.monotonic()
        socks = [self.send({"items": items, "options": {"concurrency": 2}}) for _ in range(1000)]
        for sock in socks[:leave]:
            sock.close()
        for _ in range(reloads):
            os.kill(self.server.pid, signal.SIGHUP)
            time.sleep(0.01)
        codes = collections.Counter()
        for sock in socks[leave:]:
            codes.update(self.codes(sock, 5))
        say(self, "%.1f s, %s of %d, asked %d, opened %d, threads %d", time.monotonic() - began, dict(codes), 5 * (1000 - leave), there.count,
            self.server.metrics().of("batchgate_upstream_opened_total", upstream="127.0.0.2"), self.server.threads())
        self.assertLess(time.monotonic() - began, 60)
        self.assertEqual(set(codes) - {"circuit_open", "upstream_status", "timeout"}, set())

    def test_in_turns(self):
        self.flap(lambda host, n: crowd.OK if n % 2 else crowd.status(503))

    def test_in_other_orders(self):
        for bits in (0b0010, 0b1011, 0b01, 0b110):
            with self.subTest(bits=bin(bits)):
                self.flap(lambda host, n, bits=bits: crowd.OK if bits >> n % 4 & 1 else crowd.status(503))

    def test_while_clients_leave_and_the_configuration_is_read_again(self):
        self.flap(lambda host, n: crowd.OK if n % 3 else crowd.status(503), leave=500, reloads=100)

    def test_probes_that_hang(self):
        self.flap(lambda host, n: (crowd.status(503), None, crowd.OK)[n % 3], timeout_ms=300)

    def test_probes_that_hang_while_clients_leave(self):
        self.flap(lambda host, n: (crowd.status(503), None, crowd.OK)[n % 3], timeout_ms=300, leave=700)

    def test_connections_that_close(self):
        there = self.upstream(lambda host, n: b"" if n % 2 else crowd.status(502), ["127.0.0.2"])
        codes = self.batch([{"url": there.url("127.0.0.2"), "retry": {"max_attempts": 5, "backoff_ms": 1}}] * 2000)["summary"]["by_code"]
        self.assertEqual(sum(codes.values()), 2000)


class Bounds(Case):
    def test_a_budget_of_1_percent_under_1000_items_that_try_again(self):
        there = self.upstream(lambda host, n: crowd.status(503), ["127.0.0.3"])
        began = time.monotonic()
        document = self.batch([{"url": there.url("127.0.0.3"), "timeout_ms": 5000, "retry": {"max_attempts": 10, "backoff_ms": 1, "max_backoff_ms": 2}}] * 1000,
                              {"concurrency": 300})
        say(self, "%.1f s, %s, asked %d", time.monotonic() - began, document["summary"]["by_code"], there.count)
        self.assertLess(time.monotonic() - began, 40)
        self.assertEqual(there.count, sum(r["attempts"] for r in document["results"]))

    def test_a_token_an_hour_under_10000_items_whose_clients_leave(self):
        there = self.upstream(lambda host, n: crowd.OK, ["127.0.0.4"])
        self.batch([{"url": there.url("127.0.0.4")}])
        for _ in range(3):
            socks = [self.send({"items": [{"url": there.url("127.0.0.4")}] * 1000}) for _ in range(10)]
            world.wait_for("them to wait", lambda: self.server.metrics().total("batchgate_queued") == 10000)
            before = time.monotonic()
            for sock in socks:
                sock.close()
            world.wait_for("them to be gone", lambda: self.server.metrics().total("batchgate_queued") == 0)
            say(self, "10000 cancelled in %.2f s", time.monotonic() - before)
        self.assertEqual(there.count, 1)
        self.assertTrue(self.one(url=self.fault.url())["success"])

    def test_a_probe_without_a_token(self):
        """Half open, and the bucket is empty for an hour: who waits ends with its batch, who leaves is forgotten."""
        there = self.upstream(lambda host, n: crowd.status(503), ["127.0.0.5"])
        self.batch([{"url": there.url("127.0.0.5")}])
        time.sleep(0.05)
        left = self.send({"items": [{"url": there.url("127.0.0.5")}] * 100})
        codes = self.batch([{"url": there.url("127.0.0.5")}] * 100, {"batch_timeout_ms": 1000})["summary"]["by_code"]
        left.close()
        self.assertEqual(codes, {"rate_limited": 100})


class Table(Case):
    def tiny(self, seconds):
        took, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            self.assertTrue(self.one(url=self.fault.url())["success"])
            took.append((time.monotonic() - began) * 1000)
        return took

    def test_asking_of_50000_upstreams_stalls_nobody(self):
        port = world.free_port()
        items = [{"url": "http://127.%d.%d.%d:%d/" % (2 + n // 62500, n // 250 % 250, n % 250 + 1, port)} for n in range(50000)]
        parked = self.send({"items": items, "options": {"rate_limit": "1/h", "batch_timeout_ms": 300000}})
        world.wait_for("them to wait", lambda: self.server.metrics().total("batchgate_queued") >= 49990)
        alone = self.tiny(3)
        shell = "while curl -sf -o /dev/null http://127.0.0.1:%d/v1/upstreams; do echo; done" % self.server.port
        listing = [world.Process(["/bin/sh", "-c", shell], self.folder, "listing-%d" % n) for n in range(2)]
        for process in listing:
            self.addCleanup(process.kill)
        beside = self.tiny(5)
        asked = sum(process.out().count(b"\n") for process in listing)
        for process in listing:
            self.assertTrue(process.alive())
            process.kill()
        parked.close()
        say(self, "alone p50 %.1f p99 %.1f max %.1f ms; beside %d listings p50 %.1f p99 %.1f max %.1f ms; rss %d MiB", percentile(alone, 0.5), percentile(alone, 0.99),
            max(alone), asked, percentile(beside, 0.5), percentile(beside, 0.99), max(beside), self.server.rss() // MIB)
        self.assertGreater(asked, 5)
        self.assertLess(percentile(beside, 0.99), 10 * percentile(alone, 0.99) + (250 if not world.sanitized() else 5000))

    def test_patterns_that_would_forge_a_metric(self):
        for match in ('a"} 1', 'a"b', "a\\", "a\nbatchgate_up 1", "a,b=\"c", "{}", "\xe9.example", "a\0b", "a b", "x" * 299):
            with self.subTest(match=match):
                path = world.write_config(self.folder, {"server": {"port": 0}, "upstreams": [{"match": match}]}, "forged.yaml")
                code, _, err = world.run_tool("check", "--config", path)
                if code == 0:
                    metrics = self.start({"upstreams": [{"match": match}]}).metrics()
                    self.assertEqual({dict(l).get("upstream") for n, l in metrics if n == "batchgate_upstream_open"} & {match, None} - {None}, {match})
                else:
                    self.assertTrue(err)


class Ends(Case):
    def test_reloads_without_a_pause_and_a_stop_lose_nothing(self):
        """Flapping upstreams of all kinds, SIGHUP all the while, SIGTERM in the middle: every batch that was taken is answered."""
        server = self.start({**self.config, "server": {"port": 0, "drain_timeout": "5s"}})
        there = self.upstream(lambda host, n: (crowd.OK, crowd.status(503), crowd.status(429, "retry-after-ms: 20"), crowd.OK, b"", None)[n % 6],
                              ["127.0.0.%d" % n for n in range(1, 6)])
        items = [{"url": there.url("127.0.0.%d" % (n % 5 + 1)), "timeout_ms": 20000, "retry": {"max_attempts": 3, "backoff_ms": 5}} for n in range(40)]
        socks = [self.send({"items": items}, server) for _ in range(200)]
        storm = time.monotonic() + 3
        reloads = 0
        while time.monotonic() < storm:
            os.kill(server.pid, signal.SIGHUP)
            reloads += 1
            time.sleep(0.002)
        os.kill(server.pid, signal.SIGTERM)
        codes = collections.Counter()
        for sock in socks:
            codes.update(self.codes(sock, 40))
        server.ended(0)
        say(self, "%d reloads, %s of %d, asked %d", reloads, dict(codes), 8000, there.count)
        self.assertEqual(codes["internal"], 0)


class Door(Case):
    CLIENTS = 5000

    def test_a_crowd_of_all_manners_keeps_nobody_from_health_or_from_a_kept_connection(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < 2 * self.CLIENTS:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * self.CLIENTS), hard))
        server = self.start({"server": {"port": 0, "max_connections": 64, "header_timeout": "5s"}})
        kept = server.connect()
        self.addCleanup(kept.close)
        stop, socks, came = threading.Event(), [], [0]
        manners = [b"", b"GET /version HTTP/1.1\r\nHost: x\r\nX-A: ", b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"]

        def come():
            """Always that many; whoever has been there for a while goes, in his own way."""
            while not stop.is_set():
                n = came[0]
                sock = socket.socket()
                sock.settimeout(5)
                try:
                    sock.connect(("127.0.0.1", server.port))
                    sock.sendall(manners[n % 4])
                    if n % 5 == 0:
                        sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                socks.append(sock)
                came[0] += 1
                if len(socks) > self.CLIENTS:
                    old = socks.pop(0)
                    if n % 3 == 0:
                        old.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    old.close()
        crowd_of = threading.Thread(target=come, daemon=True)
        kept.sendall(world.frame("GET", "/version"))
        self.assertEqual(world.read_answer(kept).status, 200)
        crowd_of.start()
        healthy, mine, most, told, files = [], [], 0, collections.Counter(), server.open_files()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            began = time.monotonic()
            told[server.get("/healthz", timeout=30).status] += 1
            healthy.append((time.monotonic() - began) * 1000)
            began = time.monotonic()
            try:
                kept.sendall(world.frame("GET", "/version"))
                told["kept %d" % world.read_answer(kept).status] += 1
            except (OSError, AssertionError):  # idle for a second: it made way
                told["kept lost"] += 1
                kept = server.connect()
                self.addCleanup(kept.close)
            mine.append((time.monotonic() - began) * 1000)
            most = max(most, server.open_files())
            os.kill(server.pid, signal.SIGHUP)
        stop.set()
        crowd_of.join()
        say(self, "%s; health p50 %.1f p99 %.1f max %.1f ms; kept p50 %.1f p99 %.1f max %.1f ms; %d came, files %d -> %d, threads %d, rss %d MiB", dict(told),
            percentile(healthy, 0.5), percentile(healthy, 0.99), max(healthy), percentile(mine, 0.5), percentile(mine, 0.99), max(mine), came[0], files, most,
            server.threads(), server.rss() // MIB)
        self.assertLessEqual(most, files + 64 + 64 + 2 * 33 + 8)
        for sock in socks:
            sock.close()
        world.wait_for("them to be gone", lambda: server.get("/version").status == 200 and server.open_files() <= files + 8)
        self.assertEqual(server.get("/healthz").status, 200)
        server.stop()
        self.assertLess(max(healthy + mine), 5000)
        self.assertEqual(set(told) - {200, 503, "kept 200", "kept lost"}, set())
        self.assertGreater(told[200], 0.9 * len(healthy), "health is answered past max_connections")


if __name__ == "__main__":
    world.main()
