#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=10
# ctest: lock=overload
"""Descriptors: one that is closed is nobody's, so no system call names it again; and what happens where there are no more."""
import json
import os
import re
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


class Descriptors(world.Case):
    def full(self):
        """The port of a listener that takes no more connections: who connects waits."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(listener.close)
        for _ in range(4):
            waiting = socket.socket()
            self.addCleanup(waiting.close)
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        return listener.getsockname()[1]

    def test_no_epoll_call_names_a_descriptor_that_is_closed(self):
        trace = os.path.join(self.folder, "epoll.trace")
        server = self.start(prefix=[world.need("strace"), "-f", "-qq", "-o", trace, "-e", "trace=epoll_ctl,connect"],
                            env={"ASAN_OPTIONS": "detect_leaks=0", "LSAN_OPTIONS": "detect_leaks=0"})
        refused = "http://127.0.0.1:%d/" % world.free_port()
        silent = "http://127.0.0.1:%d/" % self.full()
        items = []
        for n in range(60):
            items += [{"url": refused}, {"url": self.fault.url("/ok")}, {"url": self.fault.url("/close"), "body": n},
                      {"url": silent, "timeout_ms": 100}]
        results = self.batch(items, {"concurrency": 24}, server)["results"]
        self.assertEqual([r["error"]["code"] for r in results[::4]], ["connect_failed"] * 60)
        self.assertTrue(all(r["success"] for r in results[1::4]))
        self.assertEqual([r["error"]["code"] for r in results[3::4]], ["timeout"] * 60)
        server.stop()
        with open(trace, encoding="utf-8", errors="replace") as lines:
            calls = lines.read()
        self.assertGreater(calls.count("EINPROGRESS"), 60, "what is looked at took place")
        self.assertEqual(re.findall(r".*epoll_ctl.* = -1 E.*", calls), [])


class NoDescriptors(world.Case):
    def cpu_share(self, server, seconds=3):
        before = world.cpu_of(server.serving_pid)
        time.sleep(seconds)
        return (world.cpu_of(server.serving_pid) - before) / os.sysconf("SC_CLK_TCK") / seconds

    def test_accepting_rests_without_spinning_and_goes_on(self):
        server = self.start()
        self.assertEqual(server.get("/healthz").status, 200)
        limits = server.leave_free(5)
        socks = [server.connect() for _ in range(40)]
        for sock in socks:
            self.addCleanup(sock.close)
            sock.sendall(world.frame("GET", "/version"))
        world.wait_for("the line about it", lambda: server.events("accept_paused"))
        self.assertLess(self.cpu_share(server), 0.1 if not world.sanitized() else 0.5)
        served = []
        for sock in socks[:4]:  # those that came in are served meanwhile, and leave
            served.append(world.read_answer(sock).status)
            sock.close()
        self.assertEqual(served, [200] * 4)
        self.assertEqual(world.read_answer(socks[4]).status, 200, "it came in their place")
        self.assertEqual(len(server.events("accept_paused")), 1)
        self.assertIn("open files", server.event("accept_paused")["error"])
        resource.prlimit(server.serving_pid, resource.RLIMIT_NOFILE, limits)
        for sock in socks[5:]:
            self.assertEqual(world.read_answer(sock).status, 200)

    def test_without_a_descriptor_idle_connections_make_way(self):
        server = self.start()
        self.assertEqual(server.get("/healthz").status, 200)
        server.leave_free(5)
        for _ in range(20):
            sock = server.connect()
            self.addCleanup(sock.close)
            sock.sendall(world.frame("GET", "/version"))
            self.assertEqual(world.read_answer(sock).status, 200, "though none of those before has left")
        self.assertGreaterEqual(server.metrics().total("batchgate_connections_made_way_total"), 15)

    def test_calls_without_a_descriptor_are_overloaded_and_the_next_ones_are_not(self):
        server = self.start()
        self.assertTrue(self.one(server=server, url=self.fault.url("/ok"))["success"])
        with server.connect() as sock:
            sock.sendall(world.frame("GET", "/version"))
            self.assertEqual(world.read_answer(sock).status, 200)
            limits = server.leave_free(3)
            body = json.dumps({"items": [{"url": self.fault.url("/sleep", ms=300)}] * 20, "options": {"concurrency": 20}}).encode()
            sock.sendall(world.frame("POST", "/v1/batch", body, [("Content-Type", "application/json")]))
            document = world.read_answer(sock).json()
        resource.prlimit(server.serving_pid, resource.RLIMIT_NOFILE, limits)
        world.check_document(document, 20)
        self.assertEqual(set(document["summary"]["by_code"]), {"overloaded"}, document["summary"])
        for result in document["results"]:
            if not result["success"]:
                self.assert_error(result, "overloaded", sent=False, retryable=True)
        self.assertEqual(self.batch([{"url": self.fault.url("/ok")}] * 20, server=server)["summary"]["succeeded"], 20)

    def test_a_kernel_that_refuses_each_accept_is_asked_a_few_times_a_second(self):
        trace = os.path.join(self.folder, "accept.trace")
        server = self.start(prefix=[world.need("strace"), "-f", "-qq", "-o", trace, "-e", "trace=accept4", "-e",
                                    "inject=accept4:error=EMFILE:when=5..44"],
                            env={"ASAN_OPTIONS": "detect_leaks=0", "LSAN_OPTIONS": "detect_leaks=0"})
        started = time.monotonic()
        for _ in range(10):
            self.assertEqual(server.get("/version").status, 200)
        took = time.monotonic() - started
        with open(trace, encoding="utf-8", errors="replace") as lines:
            refused = sum("EMFILE" in line for line in lines)
        self.assertEqual(len(server.events("accept_paused")), 1)
        self.assertGreater(refused, 4)
        self.assertLessEqual(refused, 2 * (took / 0.1 + 2), "two threads, ten times a second each")


if __name__ == "__main__":
    world.main()
