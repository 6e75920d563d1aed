#!/usr/bin/python3
# ctest: timeout=1800
# ctest: cost=200
# ctest: lock=overload
"""More work than there is room for, against the clock: what was admitted keeps its pace, beside a flood as without one."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

MIB = 1 << 20


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Flood(world.Process):
    """harness/flood.py beside the test."""

    def __init__(self, case, server, rate, seconds, body, key=None):
        path = os.path.join(case.folder, "flood.json")
        with open(path, "w", encoding="ascii") as out:
            json.dump(body, out)
        argv = [world.PYTHON, os.path.join(world.HARNESS, "flood.py"), str(server.port), str(rate), str(seconds), path]
        super().__init__(argv + ([key] if key else []), case.folder, "flood")
        case.addCleanup(self.kill)

    def result(self):
        code = self.wait(600)
        if code:
            raise AssertionError("flood.py ended with %d: %s" % (code, self.err().decode("latin-1")))
        return json.loads(self.out())


class TenTimes(world.Case):
    """Ten times what the pool can do, for a minute."""
    SLOTS, TIMES = 16, (40, 47, 53, 60)  # not all alike, so that places become free one after the other
    SHARE = 0.3  # of a CPU: what ten times the load may cost the server, so that it is the pool that is short
    slower = 1

    def capacity(self):
        """Items a second."""
        return self.SLOTS * 1000 / (self.slower * sum(self.TIMES) / len(self.TIMES))

    def flood(self, server, factor, seconds):
        body = {"items": [{"url": self.fault.url("/sleep", ms=int(self.slower * ms))} for ms in self.TIMES]}
        return Flood(self, server, factor * self.capacity() / len(self.TIMES), seconds, body).result()

    def fit(self, seconds=5):
        """A sanitized server takes long to compute: then the upstream takes as much longer, and the load is sized to that very server."""
        server = self.start({"pool": {"max_in_flight": self.SLOTS, "queue_limit": self.SLOTS}})
        self.flood(server, 10, 2)
        before = world.cpu_of(server.pid)
        self.flood(server, 10, seconds)
        share = (world.cpu_of(server.pid) - before) / os.sysconf("SC_CLK_TCK") / seconds
        server.stop()
        self.slower = max(1, share / self.SHARE)
        print("\nten times the load is %.2f of a CPU, the upstream %.2f times slower" % (share, self.slower), file=sys.stderr)

    def judge(self, seconds):
        calm = self.start({"pool": {"max_in_flight": self.SLOTS}})
        self.flood(calm, 0.25, 2)
        alone = percentile(self.flood(calm, 0.25, 20)["took_ms"], 0.99)
        calm.stop()
        server = self.start({"pool": {"max_in_flight": self.SLOTS, "queue_limit": max(4, int(self.capacity() * alone / 2000))}}, env=world.frugal())
        self.flood(server, 10, 3)
        if world.sanitized():  # it stumbles: as many clients as ever come at once have been there before
            self.flood(server, 100, 1)
        server.forget_peak()
        before, threads = server.rss(), server.threads()
        found = self.flood(server, 10, seconds)
        admitted, refused = found["statuses"].get("200", 0), found["statuses"].get("503", 0)
        print("\nalone p99 %.1f ms; ten times: p50 %.1f, p99 %.1f ms, %s, Retry-After %s, RSS %d -> %d KiB" % (
            alone, percentile(found["took_ms"], 0.5), percentile(found["took_ms"], 0.99), found["statuses"], found["retry_after"], before >> 10, server.rss() >> 10), file=sys.stderr)
        self.assertEqual(set(found["statuses"]), {"200", "503"})
        self.assertEqual(found["lost"], 0)
        self.assertEqual(admitted + refused, found["begun"])
        self.assertGreater(admitted * len(self.TIMES), 0.6 * self.capacity() * seconds, "refusing must not cost those that run their turn")
        self.assertLessEqual(percentile(found["took_ms"], 0.99), 2 * alone)
        self.assertEqual(sum(found["retry_after"].values()), refused)
        self.assertEqual(server.threads(), threads)
        self.assertLess(server.rss() - before, (8 if not world.shadowed() else 32) * MIB)
        server.stop()

    def test_what_is_admitted_keeps_its_pace_and_nothing_grows(self):
        if world.sanitized():
            self.fit()
        world.again(lambda: self.judge(60))


class Tenants(world.Case):
    """One key floods: the other's batches take no longer than twice their time alone."""
    loud, loud_hash = world.make_key()
    quiet, quiet_hash = world.make_key()

    @classmethod
    def class_config(cls):
        return {"pool": {"max_in_flight": 16}, "auth": {"keys": [{"name": "loud", "sha256": [cls.loud_hash]}, {"name": "quiet", "sha256": [cls.quiet_hash]}]}}

    def ask(self, seconds):
        took, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            started = time.monotonic()
            answer = self.server.post({"items": [{"url": self.fault.url("/sleep", ms=50)}] * 3}, headers={"Authorization": "Bearer " + self.quiet})
            took.append(time.monotonic() - started)
            self.assertEqual((answer.status, answer.json()["summary"]["succeeded"]), (200, 3))
        return percentile(took, 0.99)

    def judge(self):
        self.fault.reset()
        idle = self.ask(6)
        flood = Flood(self, self.server, 400, 15, {"items": [{"url": self.fault.url("/sleep", ms=ms)} for ms in range(30, 71, 4)]}, self.loud)
        world.wait_for("a long queue", lambda: self.fault.hits("/sleep") > 400)
        beside = self.ask(8)
        waiting = flood.alive()
        flood.kill()
        print("\nidle p99 %.1f ms, beside the flood %.1f ms" % (idle * 1000, beside * 1000), file=sys.stderr)
        self.assertTrue(waiting, "the flood must last")
        self.assertLess(beside, 2 * idle)

    def test_the_quiet_one_hardly_notices(self):
        world.again(self.judge)


if __name__ == "__main__":
    world.main()
