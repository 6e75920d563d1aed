#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=40
"""Clients that are slow on purpose: each has an absolute deadline, and a good client never waits for them."""
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

HEAD = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


class Slow(world.Case):
    config = {"server": {"header_timeout": "2s", "body_timeout": "3s", "idle_timeout": "2s", "write_timeout": "2s"}}

    def open(self, data=b""):
        sock = self.server.connect()
        self.addCleanup(sock.close)
        if data:
            sock.sendall(data)
        return sock

    def drip(self, socks, part, seconds):
        """Sends `part` on each socket ten times a second; returns how many are still open at the end."""
        alive, end = list(socks), time.monotonic() + seconds
        while alive and time.monotonic() < end:
            for sock in list(alive):
                try:
                    sock.sendall(part)
                except OSError:
                    alive.remove(sock)
            time.sleep(0.1)
        return len(alive)

    def all_closed(self, socks, timeout=30):
        end = time.monotonic() + timeout
        for sock in socks:
            _, closed = world.read_all(sock, max(0.1, end - time.monotonic()))
            self.assertTrue(closed, "still open")

    def good_client(self, stop, took):
        while not stop.is_set():
            started = time.monotonic()
            answer = self.server.post({"items": [{"url": self.fault.url("/ok")}]})
            self.assertEqual((answer.status, answer.json()["summary"]["succeeded"]), (200, 1))
            took.append(time.monotonic() - started)
            time.sleep(0.02)

    def beside_a_good_client(self, act):
        stop, took = threading.Event(), []
        run = world.in_thread(self.good_client, stop, took)
        try:
            act()
        finally:
            stop.set()
        run.result()
        self.assertGreater(len(took), 8)
        slowest = sorted(took)[-3]  # two of them may fall into hiccups of the machine
        self.assertLess(slowest, 5.0 if world.sanitized() else 1.5, "it waits for the slow ones")

    def test_slow_headers_are_cut_at_their_deadline(self):
        def act():
            socks = [self.open(b"GET /healthz HTTP/1.1\r\n") for _ in range(200)]
            self.assertEqual(self.drip(socks, b"X-A: b\r\n", 12), 0, "each byte must not earn more time")
        self.beside_a_good_client(act)

    def slow_bodies(self, measured):
        how = b"Content-Length: 100000" if measured else b"Transfer-Encoding: chunked"

        def act():
            socks = [self.open(HEAD + how + b"\r\n\r\n") for _ in range(200)]
            self.assertEqual(self.drip(socks, b"x" if measured else b"1\r\n \r\n", 12), 0, "each byte must not earn more time")
        self.beside_a_good_client(act)

    def test_slow_bodies_are_cut_at_their_deadline(self):
        self.slow_bodies(measured=True)

    def test_slow_chunks_are_cut_at_their_deadline(self):
        self.slow_bodies(measured=False)

    def test_half_open_clients_are_cut(self):
        def act():
            self.all_closed([self.open() for _ in range(100)] + [self.open(b"GET /he") for _ in range(100)])
        self.beside_a_good_client(act)

    def test_idle_connections_are_closed(self):
        sock = self.open(world.frame("GET", "/healthz"))
        self.assertEqual(world.read_answer(sock).status, 200)
        _, closed = world.read_all(sock, 30)
        self.assertTrue(closed)

    def test_an_idle_connection_is_good_until_then(self):
        server = self.start({"server": {"idle_timeout": "5s"}})
        with server.connect() as sock:
            for _ in range(4):
                sock.sendall(world.frame("GET", "/healthz"))
                self.assertEqual(world.read_answer(sock).status, 200)
                time.sleep(1.8)

    def test_a_reader_that_stops_reading_is_dropped(self):
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", self.server.port))
        body = b'{"items":[%s]}' % b",".join([b'{"url":"%s"}' % self.fault.url("/raw", n=4000000, ct="text/plain").encode()] * 8)
        before = self.server.open_files()
        sock.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        world.wait_for("the calls to be made", lambda: self.fault.hits("/raw") == 8)
        world.wait_for("the server to close it", lambda: self.server.open_files() < before + 1 or self.cut() > 0, 60)
        data, closed = world.read_all(sock, 30)
        self.assertTrue(closed)
        self.assertLess(len(data), 32000000)

    def cut(self):
        return self.server.metrics().total("batchgate_connections_cut_total")

    def test_a_slow_upload_that_makes_its_deadline_is_served(self):
        body = b'{"items":[{"url":"%s"}]}' % self.fault.url("/ok").encode()
        sock = self.open(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
        for i in range(0, len(body), 20):
            sock.sendall(body[i:i + 20])
            time.sleep(0.1)
        self.assertEqual(world.read_answer(sock).status, 200)

    def test_a_batch_may_take_longer_than_every_client_deadline(self):
        result = self.one(url=self.fault.url("/sleep", ms=7000))
        self.assertTrue(result["success"], result)

    def test_hostile_clients_of_all_kinds_leave_nothing_behind(self):
        before = self.server.open_files()
        socks = [self.open(b"GET /he") for _ in range(70)] + [self.open(HEAD + b"Content-Length: 100\r\n\r\n{") for _ in range(70)]
        socks += [self.open() for _ in range(60)]
        self.all_closed(socks)
        world.wait_for("their sockets to be closed", lambda: self.server.open_files() <= before + 10)
        self.assertGreaterEqual(self.cut(), 200)


class Vanishing(world.Case):
    """Clients that send a part and close at once: their end may come together with their data."""
    config = {"server": {"header_timeout": "10m", "body_timeout": "10m"}}

    def test_who_has_left_in_the_middle_of_a_request_is_let_go_long_before_its_deadline(self):
        parts = (b"GET /version HTTP/1.1\r\nHo",
                 b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 b"Content-Length: 1000000\r\n\r\n{\"items\"")
        for part in parts * 60:
            with self.server.connect() as sock:
                sock.sendall(part)

        def alone():
            metrics = self.server.get("/metrics").body.decode()
            return int(re.search(r"^batchgate_connections (\d+)$", metrics, re.M).group(1)) <= 1
        world.wait_for("the connections to be let go", alone, timeout=60)

    def test_who_half_closes_after_a_whole_request_is_answered(self):
        with self.server.connect() as sock:
            sock.sendall(world.frame("GET", "/version"))
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(world.read_answer(sock).status, 200)


class ManyConnections(world.Case):
    config = {"server": {"max_connections": 64, "header_timeout": "2s"}}

    def test_past_max_connections_the_server_recovers(self):
        server = self.start({"server": {"max_connections": 64, "header_timeout": "10s"}})
        socks = [server.connect() for _ in range(200)]
        for sock in socks:
            self.addCleanup(sock.close)
        world.wait_for("all of them to be seen", lambda: server.get("/version").status == 503)
        self.assertEqual(server.get("/healthz").status, 200)
        self.assert_problem(server.post({"items": []}), 503, "queue_full")
        world.wait_for("a good client to be served", lambda: server.get("/version").status == 200)
        self.assertEqual(server.post({"items": []}).status, 200)

    def test_a_crowd_that_comes_and_leaves_at_once_is_forgotten(self):
        for _ in range(8):
            socks = [self.server.connect() for _ in range(512)]
            world.wait_for("as many as it takes", lambda: self.server.open_files() > 100)
            for sock in socks:
                sock.close()
            world.wait_for("a good client to be served", lambda: self.server.get("/version", timeout=20).status == 200)

    def test_more_connections_than_were_reckoned_with_are_not_taken(self):
        limit = 64 + 64 + 2 * 33  # max_connections, those whose request is read to be refused, and two threads' waiting rooms
        before = self.server.open_files()
        socks = [self.server.connect() for _ in range(600)]
        for sock in socks:
            self.addCleanup(sock.close)
        peaks = []

        def look():
            peaks.append(self.server.open_files() - before)
            return max(peaks) > 64
        world.wait_for("more than are served at once", look, pause=0.01)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            look()
            time.sleep(0.01)
        self.assertLessEqual(max(peaks), limit)


if __name__ == "__main__":
    world.main()
