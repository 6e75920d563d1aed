#!/usr/bin/python3
# ctest: cost=12
"""batchgate run: flags, settings and what a document asks for, which of them wins, and which are refused."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import runs  # noqa: E402
import world  # noqa: E402


class Flags(runs.Case):
    def test_flags_win_over_the_document_and_items_win_over_flags(self):
        slow, soon = self.fault.url("/stall"), self.fault.url("/sleep", ms=1)
        document = {"defaults": {"timeout_ms": 60000}, "options": {"order": "completion", "retry": {"max_attempts": 5}},
                    "items": [{"url": slow}, {"url": soon}, {"url": self.fault.url("/sleep", ms=3500), "timeout_ms": 60000}]}
        path = self.write("d.json", json.dumps(document))
        code, results, err = self.call(path, "--timeout=3s", "--order", "input", "--retries=0")
        self.assertEqual((code, [r["index"] for r in results]), (1, [0, 1, 2]), err)
        self.assertEqual([r["success"] for r in results], [False, True, True])
        self.assertEqual(results[0]["error"]["code"], "timeout")
        busy = {"defaults": {"retry": {"max_attempts": 2, "backoff_ms": 0}},
                "items": [{"url": self.fault.url("/status/503")},
                          {"url": self.fault.url("/status/503"), "retry": {"max_attempts": 1}}]}
        code, results, err = self.call(self.write("b.json", json.dumps(busy)), "--retries", "3", "--order=input")
        self.assertEqual([r["attempts"] for r in results], [4, 1], err)

    def test_concurrency_is_what_was_asked_for(self):
        child = self.start(self.lines([{"url": self.fault.url("/gate", key="all")} for _ in range(300)]), "--concurrency=300", "--output", self.out)
        world.wait_for("all of them at once", lambda: self.fault.stats()["active"].get("/gate") == 300)
        self.fault.open("all")
        code, _, err = self.finish(child)
        self.assertEqual(code, 0, err)
        self.fault.reset()
        items = self.lines([{"url": self.fault.url("/sleep", ms=200, n=i)} for i in range(300)])
        code, _, err = self.call(items, "--concurrency", "300", "--pool-max-in-flight=20")
        self.assertEqual(code, 0, err)
        self.assertLessEqual(self.fault.stats()["peak"]["/sleep"], 20)

    def test_a_concurrency_that_cannot_be_had_is_refused_with_the_figures(self):
        path = self.lines(self.items(1))
        done = subprocess.run(["/bin/sh", "-c", 'ulimit -n 400; exec "$@"', "sh", world.BINARY, "run", path, runs.PRIVATE,
                               "--concurrency=5000"], capture_output=True, timeout=world.WAIT, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, rb"open files may be needed, but the hard limit is 400: lower --concurrency")
        self.assertEqual(self.call(path, "--concurrency=500", "--limits-max-concurrency=5")[0], 0)

    def test_a_document_that_memory_does_not_hold_is_refused(self):
        path = self.write("d.json", json.dumps({"items": self.items(20000)}))
        for memory, what in [("1MiB", "larger than"), ("8MiB", "no room to check")]:
            code, _, err = self.call(path, "--limits-memory=" + memory, "--limits-max-body=64KiB",
                                     "--limits-max-response=64KiB", "--limits-max-batch-response=64KiB")
            self.assertEqual((code, what in err), (2, True), err)
        self.assertEqual(self.fault.hits(), 0)

    def test_a_rate_limit_holds_starts_back(self):
        began = time.monotonic()
        code, results, err = self.call(self.lines(self.items(12)), "--rate-limit=10/s")
        self.assertEqual((code, len(results)), (0, 12), err)
        self.assertGreater(time.monotonic() - began, 1.0)

    def test_wrong_usage_ends_with_two_and_a_hint(self):
        path = self.lines(self.items(1))
        for args, what in [(("--concurency=5",), "did you mean --concurrency?"), (("--concurrency=0",), "1 to 100000"),
                           (("--timeout=5",), "30s"), (("--retries=10",), "0 to 9"), (("--rate-limit=5",), "3500/min"),
                           (("--order=random",), "completion"), (("--retry-failed",), "--resume"),
                           (("--quiet=yes",), "takes no value"), (("--output",), "needs a value"), (("other",), "two inputs"),
                           (("--resume=a", "--output=b"), "two files"), (("--pool-thread=1",), "did you mean --pool-threads?"),
                           (("--pool-threads=x",), "not a whole number"), (("--targets-allow=q q",), "targets-allow"),
                           (("--config=/nowhere",), "/nowhere"),
                           (("--defaults=@/nowhere",), "/nowhere: No such file"), (("--defaults=@/",), "Is a directory"),
                           (("--defaults=@/dev/zero",), "larger than")]:
            with self.subTest(args):
                code, results, err = self.call(path, *args)
                self.assertEqual((code, results), (2, []), err)
                self.assertIn(what, err)
        self.assertEqual(self.fault.hits(), 0)
        code, out, _ = world.run_tool("run", "--help")
        self.assertEqual((code, "--retry-failed" in out, "Exit codes" in out), (0, True, True))
        self.assertIn("batchgate run", world.run_tool("--help")[1])

    def test_a_servers_configuration_serves_a_run(self):
        """Keys, an address that needs them, a bound that is set: the first two do not matter, the third does."""
        config = world.write_config(self.work, {"server": {"host": "0.0.0.0"}, "pool": {"max_in_flight": 7},
                                                "targets": {"allow": ["127.0.0.1:%d" % self.fault.ports["http"]]}})
        path = self.lines([{"url": self.fault.url("/sleep", ms=200)} for _ in range(21)])
        code, results, err = self.call(path, "--config", config, private=False)
        self.assertEqual((code, len(results)), (0, 21), err)
        self.assertLessEqual(self.fault.stats()["peak"]["/sleep"], 7)
        code, results, err = self.call(path, private=False, env={"BATCHGATE_CONFIG": config})
        self.assertEqual(code, 0, err)

    def test_a_blocked_target_says_which_flag_opens_it(self):
        path = self.lines(self.items(1))
        code, results, err = self.call(path, private=False)
        self.assertEqual((code, results[0]["error"]["code"]), (1, "blocked_target"))
        message = results[0]["error"]["message"]
        self.assertIn("--targets-allow=%s " % self.fault.host, message)
        self.assertIn("--targets-allow-private=true", err)
        code, _, _ = self.call(path, "--targets-allow=" + self.fault.host, private=False)
        self.assertEqual(code, 0)
        code, results, _ = self.call(stdin=json.dumps({"url": "http://localhost:%d/" % self.fault.ports["http"]}).encode(),
                                     private=False)
        self.assertEqual((code, results[0]["error"]["code"]), (1, "blocked_target"))
        self.assertIn("--targets-allow=localhost:%d" % self.fault.ports["http"], results[0]["error"]["message"])
        code, results, _ = self.call("--targets-allow=127.0.0.2:%d" % self.fault.ports["http"], private=False,
                                     stdin=json.dumps({"url": "http://localhost:%d/" % self.fault.ports["http"]}).encode())
        self.assertIn("(targets.allow: every address of a name must be open)", results[0]["error"]["message"])


if __name__ == "__main__":
    world.main()
