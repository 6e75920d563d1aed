#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=40
# ctest: lock=overload
"""More clients than there are places: each is answered or closed, and idle connections make way."""
import contextlib
import os
import resource
import selectors
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


class Crowd(world.Case):
    """3,000 clients where 64 may be: each is answered or closed, none is left hanging."""
    CLIENTS, MOST = 3000, 64
    config = {"server": {"max_connections": MOST, "header_timeout": "5s"}}

    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < self.CLIENTS + 500:
            self.fail("%d open files are too few for this test: ulimit -Hn %d" % (hard, self.CLIENTS + 500))
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def come(self, first):
        socks = []
        for _ in range(self.CLIENTS):
            sock = self.server.connect()
            self.addCleanup(sock.close)
            with contextlib.suppress(OSError):
                sock.sendall(first)
            socks.append(sock)
        return socks

    def watch(self, socks, until, timeout=30):
        """What each has read, and who was closed, when until(read, closed) holds."""
        read, closed, end = {sock: b"" for sock in socks}, set(), time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            for sock in socks:
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_READ)
            while not until(read, closed) and time.monotonic() < end:
                for key, _ in selector.select(0.1):
                    try:
                        part = key.fileobj.recv(65536)
                    except OSError:
                        part = b""
                    read[key.fileobj] += part
                    if not part:
                        closed.add(key.fileobj)
                        selector.unregister(key.fileobj)
        return read, closed

    def check_refusal(self, data):
        found, rest = world.parse_answers(data)
        self.assertEqual((len(found), rest), (1, b""))
        self.assert_problem(found[0], 503, "queue_full")
        self.assertIn("max_connections", found[0].json()["detail"])
        self.assertEqual(found[0].header("connection").lower(), "close")

    def check_bounds(self):
        self.assertLessEqual(self.server.open_files() - self.files, self.MOST + 64 + 2 * 33)
        self.assertEqual(self.server.threads(), self.threads)

    def alone(self):
        answer = self.server.get("/metrics")  # 503 while the crowd has all places
        return answer.status == 200 and world.parse_metrics(answer.body.decode()).total("batchgate_connections") == 1

    def begin(self):
        world.wait_for("the last crowd to be gone", self.alone)
        self.files, self.threads = self.server.open_files(), self.server.threads()

    def test_who_asks_is_answered_at_once(self):
        self.begin()
        socks = self.come(world.frame("GET", "/version"))
        read, closed = self.watch(socks, lambda read, closed: all(read.values()) and len(closed) >= self.CLIENTS - self.MOST)
        self.check_bounds()
        answered = [data[:12] for data in read.values()]
        self.assertGreater(answered.count(b"HTTP/1.1 200"), 0)
        self.assertEqual(answered.count(b"HTTP/1.1 200") + answered.count(b"HTTP/1.1 503"), self.CLIENTS)
        for sock in closed:
            if read[sock].startswith(b"HTTP/1.1 503"):
                self.check_refusal(read[sock])

    def test_who_says_nothing_is_told_too_and_health_is_answered_meanwhile(self):
        self.begin()
        socks = self.come(b"")
        end = time.monotonic() + 1
        while time.monotonic() < end:
            self.assertEqual(self.server.get("/healthz", timeout=10).status, 200)
        self.check_bounds()
        read, closed = self.watch(socks, lambda read, closed: len(closed) == self.CLIENTS)
        self.assertEqual(len(closed), self.CLIENTS)
        told = [data for data in read.values() if data]
        self.assertGreaterEqual(len(told), self.CLIENTS - self.MOST - 100)
        for data in told[::50]:
            self.check_refusal(data)

    def test_slow_ones_hold_their_places_no_longer_than_they_may(self):
        self.begin()
        started = time.monotonic()
        socks = self.come(b"GET /version HTTP/1.1\r\nHost: x\r\nX-A: ")
        read, closed = self.watch(socks, lambda read, closed: len(closed) == self.CLIENTS)
        self.assertEqual(len(closed), self.CLIENTS)
        self.assertLess(time.monotonic() - started, 25)
        self.assertGreaterEqual(sum(1 for data in read.values() if data), self.CLIENTS - self.MOST - 64 - 66)
        # a client sees its end a moment before its place is free again
        world.wait_for("a place", lambda: self.server.get("/version").status == 200)

    def test_an_idle_connection_makes_way_and_a_busy_one_does_not(self):
        self.begin()
        before = self.server.metrics().total("batchgate_connections_made_way_total")
        busy = [world.in_thread(self.batch, [{"url": self.fault.url("/gate", key="busy")}]) for _ in range(4)]
        world.wait_for("them at the upstream", lambda: self.fault.hits("/gate") == 4)
        idle = [self.server.connect() for _ in range(self.MOST - 4)]
        for sock in idle:
            self.addCleanup(sock.close)
            sock.sendall(world.frame("GET", "/version"))
            self.assertEqual(world.read_answer(sock).status, 200)
        self.assertEqual(self.server.get("/version").status, 503, "none has been idle for a while")
        time.sleep(1.5)
        for sock in idle[:30]:  # in use again: the others have been idle longer
            sock.sendall(world.frame("GET", "/version"))
            self.assertEqual(world.read_answer(sock).status, 200)
        late = [self.server.connect() for _ in range(20)]
        for sock in late:
            self.addCleanup(sock.close)
            sock.sendall(world.frame("GET", "/version"))
            self.assertEqual(world.read_answer(sock).status, 200)
        _, closed = self.watch(idle, lambda read, closed: len(closed) >= 20, timeout=10)
        self.assertEqual(closed & set(idle[:30]), set())
        made_way = self.server.metrics().total("batchgate_connections_made_way_total") - before
        self.assertIn(made_way, (len(closed), len(closed) + 1), "one, maybe, for the metrics")
        self.fault.open("busy")
        for run in busy:
            self.assertTrue(run.result()["results"][0]["success"])


class TheLastPlace(world.Case):
    config = {"server": {"max_connections": 1}}

    def take_place(self):
        sock = self.server.connect()
        self.addCleanup(sock.close)
        sock.sendall(world.frame("GET", "/version"))
        if world.read_answer(sock).status == 200:
            return sock
        sock.close()
        return None

    def test_a_request_that_is_there_is_answered_whoever_else_comes(self):
        for _ in range(6):
            kept = world.wait_for("the place to be free", self.take_place)
            time.sleep(1.2)  # idle for long enough to make way
            os.kill(self.server.serving_pid, signal.SIGSTOP)
            try:
                kept.sendall(world.frame("GET", "/version"))
                late = self.server.connect()
                self.addCleanup(late.close)
                late.sendall(world.frame("GET", "/version"))
            finally:
                os.kill(self.server.serving_pid, signal.SIGCONT)
            self.assertEqual(world.read_answer(kept).status, 200)
            self.assertIn(world.read_answer(late).status, (200, 503))
            kept.close()
            late.close()


if __name__ == "__main__":
    world.main()
