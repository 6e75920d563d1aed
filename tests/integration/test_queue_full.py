#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=25
# ctest: lock=overload
"""A full queue: who is refused is told at once and when to come back, keeps the connection, and costs nothing."""
import contextlib
import json
import os
import selectors
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

MIB = 1 << 20
HEAD = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


class FullQueue(world.Case):
    CLIENTS, LIMIT = 500, 20
    env = world.frugal()
    config = {"pool": {"queue_limit": LIMIT, "max_in_flight": 2}}

    @contextlib.contextmanager
    def full(self):
        """Two calls at the gate, LIMIT behind them: there is no room at all."""
        first = [world.in_thread(self.batch, [{"url": self.fault.url("/gate", key="full")}]) for _ in range(2)]
        world.wait_for("the pool to be full", lambda: self.fault.stats()["active"].get("/gate") == 2)
        rest = world.in_thread(self.batch, [{"url": self.fault.url("/gate", key="full")} for _ in range(self.LIMIT)])
        world.wait_for("the queue to be full", lambda: self.server.metrics().total("batchgate_queued") == self.LIMIT)
        yield
        self.fault.open("full")
        for run in first + [rest]:
            run.result()

    def post_at_once(self, body):
        """All send before any reads: (answers, whether they stayed open)."""
        request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        socks = [self.server.connect() for _ in range(self.CLIENTS)]
        left = {sock: memoryview(request) for sock in socks}
        with selectors.DefaultSelector() as selector:
            for sock in socks:
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_WRITE)
            while left:
                for key, _ in selector.select(world.WAIT):
                    sock = key.fileobj
                    left[sock] = left[sock][sock.send(left[sock][:65536]):]
                    if not left[sock]:
                        del left[sock]
                        selector.unregister(sock)
        answers = [world.read_answer(sock) for sock in socks]
        return answers, socks

    def test_bodies_that_are_refused_are_not_kept(self):
        with self.full():
            for sock in self.post_at_once(b'{"items":[]}')[1]:  # the connections' own memory is there once
                sock.close()
            self.server.forget_peak()
            before = self.server.rss()
            answers, socks = self.post_at_once(b'{"items":[]}' + b" " * MIB)
            for answer in answers:
                self.assert_problem(answer, 503, "queue_full")
            print("\nRSS +%d KiB" % ((self.server.rss() - before) >> 10), file=sys.stderr)
            self.assertLess(self.server.rss() - before, 24 * MIB, "of 500 MiB")
            self.assertLess(self.server.metrics().total("batchgate_memory_bytes"), MIB)
            for sock in socks:
                sock.close()

    def test_a_refused_client_keeps_its_connection(self):
        with self.full(), self.server.connect() as sock:
            for _ in range(5):
                sock.sendall(world.frame("POST", "/v1/batch", b'{"items":[{}]}', [("Content-Type", "application/json")]))
                answer = world.read_answer(sock)
                self.assert_problem(answer, 503, "queue_full")
                self.assertNotEqual((answer.header("connection") or "").lower(), "close")

    def test_bodies_that_come_together_for_the_same_room_take_no_more_than_there_is(self):
        body = json.dumps({"items": [{"url": self.fault.url("/gate", key="race")}] * 8}).encode() + b" " * (256 << 10)
        head = HEAD + b"Content-Length: %d\r\n\r\n" % len(body)
        socks = [self.server.connect() for _ in range(40)]
        for sock in socks:
            sock.sendall(head + body[:1000])
        world.wait_for("all to be admitted to reading", lambda: self.server.metrics().total("batchgate_memory_bytes") > 40 * 1000)
        for sock in socks:
            sock.sendall(body[1000:])
        refused = 0

        def count(sock):
            nonlocal refused
            answer = world.read_answer(sock)
            if answer.status == 503:
                self.assert_problem(answer, 503, "queue_full")
                refused += 1
            return answer.status
        runs = [world.in_thread(count, sock) for sock in socks]
        world.wait_for("the refusals", lambda: refused >= 37)
        self.assertLessEqual(self.server.metrics().total("batchgate_queued"), self.LIMIT)
        self.fault.open("race")
        statuses = [run.result() for run in runs]
        for sock in socks:
            sock.close()
        self.assertGreaterEqual(statuses.count(200), 2)
        self.assertEqual(set(statuses), {200, 503})


class RetryAfter(world.Case):
    """What is told is what is known: how long those that wait will take."""
    config = {"pool": {"queue_limit": 100, "max_in_flight": 4}}

    def fill(self, server, count, ms):
        return world.in_thread(self.batch, [{"url": self.fault.url("/sleep", ms=ms)} for _ in range(count)], {"concurrency": 8}, server)

    def told(self, server, count=10):
        answer = server.post({"items": [{"url": self.fault.url("/ok")}] * count})
        self.assert_problem(answer, 503, "queue_full")
        return int(answer.header("retry-after"))

    def test_it_is_how_long_the_queue_takes_and_falls_as_the_queue_does(self):
        run = self.fill(self.server, 100, 400)  # ten a second
        world.wait_for("some of them to end", lambda: self.fault.hits("/sleep") >= 20)
        started = time.monotonic()
        told = [self.told(self.server, 100) for _ in range(20)]
        run.result()
        took = time.monotonic() - started
        self.assertGreater(min(told), 0.5 * took)
        self.assertLess(max(told), 2.5 * took + 1)
        self.assertGreater(len(set(told)), 2, "those who were refused together must not come back together")
        self.assertEqual(self.server.post({"items": [{"url": self.fault.url("/ok")}] * 100}).status, 200)

    def test_a_short_queue_is_a_second(self):
        run = self.fill(self.server, 100, 20)
        world.wait_for("some of them to end", lambda: self.fault.hits("/sleep") >= 20)
        told = self.told(self.server, 100)
        run.result()
        self.assertLessEqual(told, 2)

    def test_where_nothing_ends_it_grows(self):
        server = self.start({"pool": {"queue_limit": 10, "max_in_flight": 1}})
        run = world.in_thread(self.batch, [{"url": self.fault.url("/gate", key="stuck")}] * 10, None, server)
        world.wait_for("the first at the upstream", lambda: self.fault.hits("/gate") == 1)
        early = self.told(server)
        time.sleep(6)
        late = self.told(server)
        self.fault.open("stuck")
        run.result()
        self.assertLessEqual(early, 3)
        self.assertGreaterEqual(late, 5)
        self.assertLessEqual(late, 60)

    def test_what_never_fits_is_not_told_to_come_back(self):
        answer = self.server.post({"items": [{"url": self.fault.url("/ok")}] * 101})
        self.assertIn("never fit", self.assert_problem(answer, 413, "too_many_items")["detail"])
        self.assertIsNone(answer.header("retry-after"))


if __name__ == "__main__":
    world.main()
