#!/usr/bin/python3
"""Connections to many upstreams: kept for the next call, bounded as a whole, and first to go when files are short."""
import asyncio
import os
import resource
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

ORIGINS = 600  # more than a lane keeps connections
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Upstreams:
    """So many origins, each a port of its own, that keep their connections open and count them."""

    def __init__(self, count):
        self.made = self.asked = 0
        self.sockets = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(count)]
        self.urls = ["http://127.0.0.1:%d/" % each.getsockname()[1] for each in self.sockets]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self.serve(),))
        self.ready = threading.Event()
        self.thread.start()
        self.ready.wait(world.WAIT)

    async def serve(self):
        self.over = asyncio.Event()
        servers = [await asyncio.start_server(self.answer, sock=each) for each in self.sockets]
        self.ready.set()
        await self.over.wait()
        for server in servers:
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def answer(self, reader, writer):
        self.made += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join()
        self.loop.close()


class Connections(world.Case):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        cls.addClassCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.upstreams = Upstreams(ORIGINS)
        self.addCleanup(self.upstreams.stop)

    def rounds(self, server, rounds, origins=ORIGINS, concurrency=8):
        """Each origin so many times in turn; all must be answered at the first attempt."""
        urls = self.upstreams.urls[:origins]
        items = [{"url": url} for _ in range(rounds) for url in urls]
        results = self.batch(items, {"concurrency": concurrency, "retry": {"max_attempts": 1}}, server)["results"]
        self.assertEqual([r.get("error") for r in results if not r["success"]], [])

    def test_two_hundred_upstreams_cost_a_connection_of_each_worker(self):
        server = self.start({"pool": {"threads": 2}})
        self.rounds(server, 10, 200)
        self.assertEqual(self.upstreams.asked, 2000)
        self.assertLessEqual(self.upstreams.made, 2 * 200)

    def test_more_upstreams_than_a_lane_holds_still_cost_a_connection_each(self):
        server = self.start({"pool": {"threads": 1}})
        self.rounds(server, 5)
        self.assertEqual(self.upstreams.asked, 5 * ORIGINS)
        self.assertLessEqual(self.upstreams.made, ORIGINS * 11 // 10)

    def test_idle_connections_stay_within_what_the_limit_of_files_leaves(self):
        config = {"server": {"max_connections": 16}, "pool": {"threads": 1, "max_in_flight": 16}}
        server = self.start(config, prefix=world.limit_files(world.files_needed(self.folder, config) + 200))
        before = server.open_files()
        self.rounds(server, 2)
        held = server.open_files() - before
        self.assertGreater(held, 80, "idle connections are kept")
        self.assertLess(held, 64 + 200 // 2 + 8, "half of what is left beside those of the calls")

    def test_idle_connections_go_when_files_are_short(self):
        server = self.start({"pool": {"threads": 1}})
        self.rounds(server, 1, 400)
        self.assertEqual(self.upstreams.made, 400)
        server.leave_free(2)  # one is the client's
        self.upstreams.urls.reverse()
        self.rounds(server, 2, 100)
        self.assertEqual(self.upstreams.asked, 600)

    def test_few_idle_connections_go_too(self):
        server = self.start({"pool": {"threads": 1}})
        self.rounds(server, 1, 10)
        server.leave_free(2)
        self.upstreams.urls.reverse()
        self.rounds(server, 2, 10)

    def test_without_any_file_a_call_is_overloaded_at_once(self):
        server = self.start({"pool": {"threads": 1}})
        server.leave_free(1)
        results = self.batch([{"url": url} for url in self.upstreams.urls[:5]], {"retry": {"max_attempts": 1}}, server)["results"]
        for result in results:
            self.assert_error(result, "overloaded", retryable=True, sent=False)
        server.leave_free(100)
        self.rounds(server, 1, 10)


if __name__ == "__main__":
    world.main()
