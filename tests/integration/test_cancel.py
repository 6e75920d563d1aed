#!/usr/bin/python3
"""The client leaves: what has not started never reaches the upstream, what is in flight is aborted, nothing leaks."""
import json
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import peers  # noqa: E402
import world  # noqa: E402


class Cancel(world.Case):
    def begin(self, items, options=None):
        """A connection whose batch is running."""
        body = json.dumps({"items": items, "options": options or {}}).encode()
        sock = self.server.connect()
        self.addCleanup(sock.close)
        sock.sendall(world.frame("POST", "/v1/batch", body, [("Content-Type", "application/json")]))
        return sock

    def idle(self):
        def check():
            metrics = self.server.metrics()
            return metrics.total("batchgate_in_flight") == 0 and metrics.total("batchgate_queued") == 0
        world.wait_for("nothing in flight and nothing queued", check)

    def cancelled(self):
        return self.server.metrics().of("batchgate_items_total", code="cancelled")

    def test_leaving_cancels_what_waits_and_aborts_what_runs(self):
        for how in ("close", "reset"):
            with self.subTest(how=how):
                self.fault.reset()
                before = self.cancelled()
                sock = self.begin([{"url": self.fault.url("/stall"), "timeout_ms": 120000} for _ in range(50)], {"concurrency": 4})
                world.wait_for("four calls at the upstream", lambda: self.fault.hits("/stall") == 4)
                if how == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.close()
                world.wait_for("the upstream to see four aborts", lambda: self.fault.stats()["aborted"].get("/stall") == 4)
                self.idle()
                self.assertEqual(self.fault.hits("/stall"), 4, "what had not started must never start")
                # Counted as each comes back, which may be a moment after the queue is empty.
                world.wait_for("50 to be counted", lambda: self.cancelled() - before >= 50)
                self.assertEqual(self.cancelled() - before, 50)

    def test_it_takes_no_longer_than_200_ms(self):
        most = 2 if world.sanitized() else 0.2

        def leave():
            self.fault.reset()
            before = self.cancelled()
            sock = self.begin([{"url": self.fault.url("/stall"), "timeout_ms": 120000} for _ in range(50)], {"concurrency": 4})
            world.wait_for("four calls at the upstream", lambda: self.fault.hits("/stall") == 4)
            began = time.monotonic()
            sock.close()
            world.wait_for("50 to be counted", lambda: self.cancelled() - before == 50, pause=0.005)
            self.assertLess(time.monotonic() - began, most)
            self.idle()
        world.again(leave, times=5)

    def test_a_half_close_gets_the_complete_answer(self):
        items = [{"url": self.fault.url("/sleep", ms=20)}] + [{"url": self.fault.url("/stall"), "timeout_ms": 120000}] \
            + [{"url": self.fault.url("/ok"), "id": n} for n in range(20)]
        sock = self.begin(items, {"concurrency": 1})
        world.wait_for("the second call at the upstream", lambda: self.fault.hits("/stall") == 1)
        sock.shutdown(socket.SHUT_WR)
        answer = world.read_answer(sock)
        self.assertEqual(answer.status, 200)
        document = answer.json()
        world.check_document(document, 22)
        self.assertTrue(document["results"][0]["success"])
        self.assert_error(document["results"][1], "cancelled", "client_gone", sent=True, retryable=True)
        for result in document["results"][2:]:
            self.assert_error(result, "cancelled", "client_gone", sent=False, retryable=True)
            self.assertEqual(result["attempts"], 0)
        self.assertEqual(self.fault.hits("/ok"), 0)
        self.idle()

    def test_what_is_cancelled_in_the_middle_of_its_answer_keeps_the_status(self):
        server = self.start({"server": {"drain_timeout": "2s"}})
        run = world.in_thread(self.one, {"include_headers": True, "include_timing": True}, server, url=self.fault.url("/drip"), timeout_ms=120000)
        world.wait_for("its header section to be sent", lambda: self.fault.ask("/_sent?key=/drip")["at"])
        world.wait_for("it to be read", lambda: not peers.unread(server.serving_pid, self.fault.ports["http"]))
        os.kill(server.serving_pid, signal.SIGTERM)
        result = run.result()
        server.ended(0)
        self.assert_error(result, "cancelled", "drain", sent=True, retryable=True, status=200)
        self.assertIsNone(result["body"])
        self.assertEqual(result["attempts"], 1)
        self.assertEqual([a["code"] for a in result["timing"]["attempts"]], ["cancelled"])

    def test_a_half_close_right_behind_the_request(self):
        sock = self.begin([{"url": self.fault.url("/sleep", ms=3000)} for _ in range(10)], {"concurrency": 2})
        sock.shutdown(socket.SHUT_WR)
        answer = world.read_answer(sock)
        self.assertEqual(answer.status, 200)
        world.check_document(answer.json(), 10)
        self.assertLessEqual(self.fault.hits("/sleep"), 4)
        self.idle()

    def test_leaving_during_a_retry_wait(self):
        sock = self.begin([{"url": self.fault.url("/503ra", ra="60", fail=9, key="gone"), "timeout_ms": 120000,
                            "retry": {"max_attempts": 3}}])
        world.wait_for("the first attempt", lambda: self.fault.hits("/503ra") == 1)
        sock.close()
        self.idle()
        self.assertEqual(self.fault.hits("/503ra"), 1)

    def test_leaving_before_the_body_is_whole(self):
        for cut in (10, 100):
            body = json.dumps({"items": [{"url": self.fault.url("/ok")}] * 5}).encode()
            data = world.frame("POST", "/v1/batch", body, [("Content-Type", "application/json")])
            with self.server.connect() as sock:
                sock.sendall(data[:-cut])
        self.assertEqual(self.server.get("/healthz").status, 200)
        self.assertEqual(self.fault.hits("/ok"), 0)

    def test_leaving_while_the_answer_is_written(self):
        item = {"url": self.fault.url("/raw", n=1000000, ct="text/plain")}
        for _ in range(5):
            sock = self.begin([item] * 10)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.recv(100)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
        self.idle()
        self.assertTrue(self.one(url=self.fault.url("/ok"))["success"])

    def test_three_hundred_clients_that_leave_cost_nothing(self):
        before = self.server.open_files()
        for _ in range(300):
            self.begin([{"url": self.fault.url("/stall"), "timeout_ms": 120000}] * 3).close()
        self.idle()
        world.wait_for("their sockets to be closed", lambda: self.server.open_files() <= before + 20)
        self.assertTrue(self.one(url=self.fault.url("/ok"))["success"])

    def test_one_client_leaving_does_not_touch_anothers_batch(self):
        other = world.in_thread(self.batch, [{"url": self.fault.url("/sleep", ms=200)} for _ in range(10)], {"concurrency": 2})
        for _ in range(5):
            self.begin([{"url": self.fault.url("/stall")}] * 5).close()
        self.assertEqual(other.result()["summary"]["succeeded"], 10)


if __name__ == "__main__":
    world.main()
