#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=15
"""SIGTERM: what runs finishes, what comes is refused, and nothing that was admitted is lost."""
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


class Drain(world.Case):
    def body(self, count, **query):
        return {"items": [{"url": self.fault.url("/sleep", **query)} for _ in range(count)], "options": {"concurrency": count}}

    def test_sigterm_finishes_what_runs_and_exits_with_0(self):
        server = self.start()
        run = world.in_thread(server.post, self.body(5, ms=1500))
        world.wait_for("the calls at the upstream", lambda: self.fault.hits("/sleep") == 5)
        server.signal(signal.SIGTERM)
        answer = run.result()
        self.assertEqual(answer.json()["summary"]["succeeded"], 5)
        server.ended(0)

    def test_while_draining_everything_but_health_answers_503_and_closes(self):
        server = self.start()
        body = {"items": [{"url": self.fault.url("/gate", key="drain")} for _ in range(2)], "options": {"concurrency": 2}}
        run = world.in_thread(server.post, body)
        world.wait_for("the calls at the upstream", lambda: self.fault.hits("/gate") == 2)
        kept = server.connect()
        self.addCleanup(kept.close)
        kept.sendall(world.frame("GET", "/healthz"))
        self.assertEqual(world.read_answer(kept).status, 200)
        server.signal(signal.SIGTERM)
        world.wait_for("readyz to say 503", lambda: server.get("/readyz").status == 503)
        answer = server.post({"items": []})
        self.assert_problem(answer, 503, "draining")
        self.assertEqual(answer.header("connection", "").lower(), "close")
        self.assertEqual(server.get("/version").status, 503)
        self.assertEqual(server.get("/healthz").status, 200)
        kept.sendall(world.frame("POST", "/v1/batch", b'{"items":[]}', [("Content-Type", "application/json")]))
        answer = world.read_answer(kept)
        self.assertEqual((answer.status, answer.header("connection", "").lower()), (503, "close"))
        self.fault.open("drain")
        self.assertEqual(run.result().json()["summary"]["succeeded"], 2)
        server.ended(0)

    def test_during_drain_delay_only_readyz_changes(self):
        server = self.start({"server": {"drain_delay": "6s"}})
        server.signal(signal.SIGTERM)
        world.wait_for("readyz to say 503", lambda: server.get("/readyz").status == 503)
        answer = server.post({"items": [{"url": self.fault.url("/ok")}]})
        self.assertEqual((answer.status, answer.json()["summary"]["succeeded"]), (200, 1))
        self.assertEqual(server.get("/version").status, 200)
        self.assertEqual(server.get("/healthz").status, 200)
        server.ended(0)

    def test_past_drain_timeout_what_runs_is_cancelled_and_answered(self):
        server = self.start({"server": {"drain_timeout": "1s"}})
        body = {"items": [{"url": self.fault.url("/stall"), "timeout_ms": 60000} for _ in range(6)], "options": {"concurrency": 2}}
        run = world.in_thread(server.post, body)
        world.wait_for("the calls at the upstream", lambda: self.fault.hits("/stall") == 2)
        server.signal(signal.SIGTERM)
        answer = run.result()
        self.assertEqual(answer.status, 200)
        world.check_document(answer.json(), 6)
        for result in answer.json()["results"]:
            self.assert_error(result, "cancelled", "drain", retryable=True)
        self.assertEqual(sum(r["error"]["sent"] for r in answer.json()["results"]), 2)
        server.ended(0)

    def test_a_second_sigterm_ends_at_once(self):
        server = self.start({"server": {"drain_timeout": "60s"}})
        run = world.in_thread(server.post, {"items": [{"url": self.fault.url("/stall"), "timeout_ms": 60000}]})
        world.wait_for("the call at the upstream", lambda: self.fault.hits("/stall") == 1)
        server.signal(signal.SIGTERM)
        world.wait_for("readyz to say 503", lambda: server.get("/readyz").status == 503)
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        server.ended(0, 128 + signal.SIGTERM)
        self.assertLess(time.monotonic() - started, 30)
        try:
            run.result()
        except Exception:  # the connection may be cut: the operator asked for that
            pass

    def test_sigint_too(self):
        server = self.start()
        server.signal(signal.SIGINT)
        server.ended(0)

    def upload(self, server, body):
        """A POST whose headers the server has read (it said 100), and whose body is still to come."""
        sock = server.connect()
        self.addCleanup(sock.close)
        sock.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body))
        self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 100 "))
        sock.sendall(body[:5])
        return sock

    def test_a_body_that_is_still_arriving_is_waited_for_and_answered(self):
        server = self.start({"server": {"drain_timeout": "60s"}})
        body = b'{"items":[]}'
        sock = self.upload(server, body)
        server.signal(signal.SIGTERM)
        world.wait_for("readyz to say 503", lambda: server.get("/readyz").status == 503)
        sock.sendall(body[5:])
        self.assert_problem(world.read_answer(sock), 503, "draining")
        server.ended(0)

    def test_a_body_that_never_arrives_is_cut_at_drain_timeout(self):
        server = self.start({"server": {"drain_timeout": "3s"}})
        self.upload(server, b'{"items":[]}')
        started = time.monotonic()
        server.stop()
        self.assertGreater(time.monotonic() - started, 2)
        self.assertLess(time.monotonic() - started, 30)

    def test_idle_connections_do_not_hold_it_up(self):
        server = self.start({"server": {"drain_timeout": "60s"}})
        socks = [server.connect() for _ in range(20)]
        for sock in socks:
            self.addCleanup(sock.close)
        socks[0].sendall(world.frame("GET", "/healthz"))
        world.read_answer(socks[0])
        socks[1].sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Ty")
        started = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - started, 30)

    def test_as_pid_1(self):
        server = self.start(prefix=[world.need("unshare")] + (["-r"] if os.geteuid() else []) + ["-p", "-f", "--kill-child"])
        with open("/proc/%d/status" % server.serving_pid, encoding="ascii") as source:
            self.assertEqual(re.search(r"NSpid:\s+(.*)", source.read()).group(1).split()[-1], "1")
        run = world.in_thread(server.post, self.body(3, ms=800))
        world.wait_for("the calls at the upstream", lambda: self.fault.hits("/sleep") == 3)
        os.kill(server.serving_pid, signal.SIGTERM)
        self.assertEqual(run.result().json()["summary"]["succeeded"], 3)
        server.ended(0)

    def test_signals_that_mean_nothing_do_nothing(self):
        server = self.start()
        for number in (signal.SIGPIPE, signal.SIGCHLD):
            server.signal(number)
        self.assertEqual(server.get("/healthz").status, 200)

    def test_under_load_no_admitted_request_is_dropped(self):
        server = self.start()
        runs = [world.in_thread(server.post, self.body(4, ms=700)) for _ in range(12)]
        world.wait_for("the calls at the upstream", lambda: self.fault.hits("/sleep") >= 20)
        server.signal(signal.SIGTERM)
        for run in runs:
            answer = run.result()
            self.assertIn(answer.status, (200, 503))
            if answer.status == 200:
                self.assertEqual(answer.json()["summary"]["succeeded"], 4)
        server.ended(0)


if __name__ == "__main__":
    world.main()
