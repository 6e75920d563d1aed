#!/usr/bin/python3
"""A descriptor that is closed is nobody's, and soon another thread's: no system call names it again."""
import os
import re
import socket
import sys

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


if __name__ == "__main__":
    world.main()
