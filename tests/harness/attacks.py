"""attacks - upstreams that attack, and what that may cost others.

Each attack goes on until its connection is closed, from threads of its own. The upstreams share one worker with a healthy one that is
called all the while: how long that takes is what the attack costs others.
"""
import contextlib
import struct
import sys
import threading
import time

import h2
import peers
import world

CLOCK_MS = 3000  # of an item that is attacked
LATE_S = 10  # how much longer its batch may take: less than POUR_S, the time of who is held up
# How many calls are attacked at once, and how long one to a healthy upstream may take meanwhile. Each attacker costs processor time up to a bound of
# bytes or of the watchdog; a sanitizer makes it some twenty times as much, and other tests have their share of the machine.
ATTACKERS, NEIGHBOUR_S = (3, 4) if world.sanitized() else (8, 2)
POUR_S = 15  # an attack of one who can send without a pause
MIB = 1 << 20


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def frames(*parts):
    return b"".join(h2.Conn.frame(*part) for part in parts)


def settings(**values):
    numbers = {"table": 1, "push": 2, "streams": 3, "window": 4, "frame": 5, "list": 6}
    return h2.Conn.frame(h2.SETTINGS, 0, 0, b"".join(struct.pack(">HI", numbers[n], v) for n, v in values.items()))


def interim(stream):
    return h2.Conn.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.fields(103, [("link", "</x>")]))


class Case(world.Case):
    @classmethod
    def class_config(cls):
        cls.authority = peers.Authority(cls.folder)
        cls.tls_files = cls.authority.issue("upstream")
        return {"pool": {"threads": 1}, "limits": {"memory": "64MiB", "max_response": "1MiB"},
                "upstreams": [{"match": "127.0.0.1:%d" % cls.fault.ports["http"]},
                              {"match": "127.0.0.1", "http2": "h2c", "ca_file": cls.authority.ca}]}

    def scripted(self, script, **options):
        server = h2.Server(script, **options)
        self.addCleanup(server.stop)
        return server

    def memory(self):
        """What the server may have when an attack is over."""
        return 64 * MIB

    def setUp(self):
        super().setUp()
        self.files, self.threads = world.settled(self.server.open_files), self.server.threads()
        self.server.forget_peak()

    def tearDown(self):
        self.settle()
        super().tearDown()

    def settle(self, server=None):
        """Nothing is left behind."""
        server = server or self.server
        if server.stopped:
            return
        world.wait_for("nothing in flight", lambda: all(server.metrics().total(n) == 0 for n in (
            "batchgate_in_flight", "batchgate_queued", "batchgate_upstream_in_flight", "batchgate_upstream_queued", "batchgate_upstream_waiting")))
        self.assertTrue(self.one(server=server, url=self.fault.url())["success"])
        self.assertLess(server.rss(), world.memory_bound(self.memory()))
        self.assertEqual([e for e in server.events() if e.get("level") == "error" or "internal" in str(e.get("code"))], [])

    def beside(self, run, server=None):
        """Calls a healthy upstream until `run` is over; its result, and the times taken."""
        took = []
        while run.is_alive():
            began = time.monotonic()
            self.assertTrue(self.one(server=server, url=self.fault.url())["success"])
            took.append(time.monotonic() - began)
        return run.result(), took

    def attacked(self, url, count=ATTACKERS, clock_ms=CLOCK_MS, **members):
        """A batch of calls there ends in time, and a healthy upstream of the same worker is not kept waiting. Its results."""
        began = time.monotonic()
        items = [{"url": url, "body": "attack", "timeout_ms": clock_ms, **members}] * count
        ticks = world.cpu_of(self.server.pid)
        document, took = self.beside(world.in_thread(self.batch, items, {"concurrency": count, "include_headers": True}))
        seconds = time.monotonic() - began
        worst = max(took, default=0)
        print("\n%s: %.1f s, cpu %d ticks, %s; beside it n=%d p50 %.1f p99 %.1f max %.1f ms, rss %d MiB" % (
            self.id().rpartition(".")[2], seconds, world.cpu_of(self.server.pid) - ticks, document["summary"]["by_code"] or "fine", len(took), percentile(took, 0.5) * 1000 if took else 0,
            percentile(took, 0.99) * 1000 if took else 0, worst * 1000, self.server.rss() // MIB), file=sys.stderr)
        self.assertLess(seconds, clock_ms / 1000 + LATE_S)
        self.assertLess(worst, NEIGHBOUR_S)
        return document["results"]

    def assert_codes(self, results, *allowed):
        """How each of them may have ended; None: well."""
        found = {r["error"] and r["error"]["code"] for r in results}
        self.assertLessEqual(found, set(allowed), results)


class Floods(Case):
    """`self.flood(conn)`: what is sent again and again once a call is there."""

    def flooded(self, make, first=lambda stream: b"", listens=True, **options):
        """make(stream id): the bytes of one round."""
        def pump(conn, stream):
            conn.raw(first(stream.id))
            data = make(stream.id)
            data *= max(1, 65536 // len(data))
            with contextlib.suppress(OSError):
                end = time.monotonic() + POUR_S
                while not conn.closed.is_set() and time.monotonic() < end:
                    conn.sock.sendall(data)

        def script(conn, stream):
            if conn.over:
                return
            conn.over = True
            conn.frame_in = lambda *frame: None  # else its answers would stand in the middle of a frame
            threading.Thread(target=pump, args=(conn, stream), daemon=True).start()
            if not listens:
                conn.closed.wait(60)
        server = self.scripted(script, **options)
        results = self.attacked(server.url())
        self.assertEqual([r for r in results if r["success"]], [])
        return results
