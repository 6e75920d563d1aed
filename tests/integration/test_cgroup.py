#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=20
# ctest: lock=overload
"""A memory limit of the kernel's: floods of bodies and answers do not get the server killed."""
import json
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

MIB = 1 << 20


class Cgroup(world.Case):
    """A limit of the kernel's: the process stays below it instead of being killed."""
    LIMIT = 96 * MIB

    def make_group(self):
        """The folder of a new memory cgroup; v1 or v2, whatever is mounted."""
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            lines = [line.split() for line in mounts]
        for _, where, kind, options, *_ in lines:
            if kind == "cgroup" and "memory" in options.split(","):
                return self.make_below(where, "memory", "memory.limit_in_bytes")
        for _, where, kind, *_ in lines:
            if kind == "cgroup2":
                return self.make_below(where, "", "memory.max")
        self.fail("no memory cgroup is mounted: this test needs one (mount -t cgroup2 none /sys/fs/cgroup)")

    def make_below(self, where, controller, limit):
        with open("/proc/self/cgroup", encoding="ascii") as source:
            entries = [line.rstrip("\n").split(":", 2) for line in source]
        own = next(path for _, names, path in entries if controller in names.split(","))
        folder = os.path.join(where, own.lstrip("/"), "batchgate-test-%d" % os.getpid())
        if not os.path.isdir(os.path.dirname(folder)):  # a container sees its own cgroup as the root
            folder = os.path.join(where, os.path.basename(folder))
        try:
            os.mkdir(folder)
            self.addCleanup(os.rmdir, folder)
            with open(os.path.join(folder, limit), "w", encoding="ascii") as out:
                out.write(str(self.LIMIT))
        except OSError as error:
            self.fail("a memory cgroup cannot be made here, run this as root: %s" % error)
        return folder

    def members(self, folder):
        with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as source:
            return source.read()

    def killed(self, folder):
        name = next(n for n in ("memory.oom_control", "memory.events") if os.path.exists(os.path.join(folder, n)))
        with open(os.path.join(folder, name), encoding="ascii") as source:
            return int(re.search(r"^oom_kill (\d+)$", source.read(), re.M).group(1))

    def test_floods_of_bodies_and_answers_do_not_get_it_killed(self):
        config = {"pool": {"max_in_flight": 64}, "limits": {"max_concurrency": 64}}
        if world.shadowed():  # it takes several times what a budget says: the same budget, and more room to be killed in
            self.LIMIT, config["limits"]["memory"] = 1024 * MIB, "42MiB"
        folder = self.make_group()
        enter = 'echo $$ > "$0/cgroup.procs" || exit; "$@"; exit $?'
        server = self.start(config, prefix=["/bin/sh", "-c", enter, folder], env=world.frugal())
        if not world.shadowed():
            limit = server.metrics().total("batchgate_memory_limit_bytes")
            self.assertLess(limit, self.LIMIT / 2)
            self.assertGreater(limit, self.LIMIT / 4)
        threads, stop, seen = server.threads(), threading.Event(), {}

        def note(status):
            seen[status] = seen.get(status, 0) + 1

        def send(body):
            while not stop.is_set():
                try:
                    note(server.post(body, timeout=120).status)
                except OSError:  # it may be refused while it is still being sent
                    note("cut")
        large = b'{"items":[]}' + b" " * (7 * MIB)
        answers = json.dumps({"items": [{"url": self.fault.url("/raw", n=4000000, ct="text/plain")}] * 16, "options": {"concurrency": 16}}).encode()
        runs = [world.in_thread(send, body) for body in [large] * 12 + [answers] * 6]
        time.sleep(15)
        self.assertEqual(server.get("/healthz").status, 200)
        self.assertEqual(server.threads(), threads)
        stop.set()
        for run in runs:
            run.result()
        self.assertEqual(self.killed(folder), 0)
        self.assertGreater(seen.get(200, 0), 0, seen)
        self.assertGreater(seen.get(503, 0), 0, seen)
        self.assertEqual(set(seen) - {200, 503, "cut"}, set())
        files = 32 * MIB if world.sanitized() else 0  # of a run-time of its own, which the group is not charged for
        self.assertLess(server.rss(), self.LIMIT + files)
        self.assertTrue(self.one(server=server, url=self.fault.url("/ok"))["success"])
        server.stop()
        world.wait_for("the cgroup to be empty", lambda: not self.members(folder))


if __name__ == "__main__":
    world.main()
