#!/usr/bin/python3
# ctest: cost=13
"""batchgate run: what it writes and in which order, who may stop it, and how it ends."""
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import runs  # noqa: E402
import world  # noqa: E402


class Output(runs.Case):
    def test_results_come_as_they_complete_or_in_the_order_of_the_items(self):
        path = self.lines([{"url": self.fault.url("/gate", key=n)} for n in range(3)])
        headed = self.write("headed.ndjson", json.dumps({"options": {"order": "input"}}).encode() + b"\n" + self.read(path))
        for args, order in [((path,), [2, 1, 0]), ((path, "--order=input"), [0, 1, 2]), ((headed,), [0, 1, 2])]:
            self.fault.reset()
            child = self.start(*args)
            for count, n in enumerate((2, 1, 0), 1):
                self.fault.open(n)
                world.wait_for("its answer", lambda key=n: self.fault.ask("/_sent?key=%d" % key)["at"])
                if order[0] == 2:
                    self.assertEqual(json.loads(child.stdout.readline())["index"], n)
                elif count < 3:
                    self.assertFalse(select.select([child.stdout], [], [], 0.1)[0])
            code, out, err = self.finish(child)
            self.assertEqual((code, [r["index"] for r in runs.lines_of(out)]), (0, order if order[0] == 0 else []), err)

    def test_one_slow_item_does_not_hold_up_the_others_inside_the_window(self):
        slow = json.dumps({"url": self.fault.url("/stall")}) + "\n"
        text = slow + "".join(json.dumps(i) + "\n" for i in self.items(1500))
        child = self.start("--order=input", "--concurrency=8", self.write("w.ndjson", text))
        world.wait_for("the window to be full", lambda: self.fault.hits("/ok") >= 1023)
        self.assertEqual(world.settled(lambda: self.fault.hits("/ok")), 1023)
        child.kill()

    def test_an_output_file_is_never_overwritten(self):
        path = self.lines(self.items(3))
        code, results, err = self.call(path, "--output", self.out)
        self.assertEqual((code, results), (0, []), err)
        self.assert_results(runs.lines_of(self.read()), 3)
        before = self.read()
        code, _, err = self.call(path, "--output", self.out)
        self.assertEqual((code, self.read()), (2, before))
        self.assertIn("--resume", err)
        self.assertEqual(os.listdir(self.work).count("out.ndjson.inflight"), 0)
        self.assertEqual(self.call(path, "--output", self.path("no/such"))[0], 2)
        self.write("empty", "")
        self.assertEqual(self.call(path, "--output", self.path("empty"))[0], 0)
        self.assertEqual(self.call(path, "--output", "/dev/null")[0], 0)
        self.assertFalse(os.path.exists("/dev/null.inflight"))

    def test_output_that_cannot_be_written_ends_with_three(self):
        with open("/dev/full", "wb") as full:
            code, _, err = self.finish(self.start(self.lines(self.items(3)), stdout=full))
        self.assertEqual((code, "No space left" in err), (3, True), err)
        child = subprocess.run(["/bin/sh", "-c", '"$0" run "$@" >&-', world.BINARY, self.lines(self.items(3)), runs.PRIVATE],
                               capture_output=True, env=world.environment(), timeout=world.WAIT, check=False)
        self.assertEqual(child.returncode, 3, child.stderr)

    def test_nobody_reading_any_more_ends_with_141_and_without_a_word(self):
        path = self.lines(self.items(20000))
        child = self.start(path)
        child.stdout.readline()
        child.stdout.close()
        child.stdout = None
        code, _, err = self.finish(child)
        self.assertEqual((code, err), (141, ""))
        child = self.start(self.lines([{"url": self.fault.url("/stall")}]))  # before there is anything to write
        world.wait_for("the call", lambda: self.fault.hits("/stall"))
        child.stdout.close()
        child.stdout = None
        self.assertEqual(self.finish(child)[0], 141)
        ours, theirs = socket.socketpair()
        child = self.start(self.lines([{"url": self.fault.url("/stall")}]), stdout=theirs)
        theirs.close()
        world.wait_for("the call", lambda: self.fault.hits("/stall") == 2)
        ours.close()
        self.assertEqual(self.finish(child)[0], 141)

    def test_a_reader_that_stalls_holds_the_run_up_and_loses_nothing(self):
        count = 3000
        child = self.start(self.lines(self.items(count, "/raw", query={"fill": "y", "n": 400})))
        world.wait_for("the pipe to be full", lambda: self.fault.hits("/raw") > 100)
        self.assertLess(world.settled(lambda: self.fault.hits("/raw"), 1), count)  # it stopped feeding
        code, out, err = self.finish(child)
        self.assertEqual(code, 0, err)
        self.assert_results(runs.lines_of(out), count)

    def test_a_signal_ends_a_run_whose_reader_stalls(self):
        child = self.start(self.lines(self.items(3000, "/raw", query={"fill": "y", "n": 400})))
        world.wait_for("the pipe to be full", lambda: self.fault.hits("/raw") > 100)
        world.settled(lambda: self.fault.hits("/raw"))
        child.send_signal(signal.SIGINT)
        self.hear(child, b"stopping: ")
        world.settled(lambda: world.cpu_of(child.pid))
        self.assertIsNone(child.poll())  # what is done is still to be written
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(world.WAIT), 130)

    def test_exit_codes_and_what_is_said_at_the_end(self):
        code, _, err = self.call(self.lines(self.items(3)))
        self.assertEqual(code, 0)
        self.assertRegex(err, r"^3 items: 3 succeeded, 0 failed in [0-9.]+ s, [0-9.]+ items/s\n$")
        code, _, err = self.call(self.lines(self.items(3)), "--quiet")
        self.assertEqual((code, err), (0, ""))
        many = [{"url": self.fault.url("/status/500")} for _ in range(25)]
        many[0]["id"] = "a\u001b[31m\u0007b"
        code, _, err = self.call(self.lines(many), "--order=input")
        self.assertEqual((code, err.count("[FAILED] ")), (1, 20))
        self.assertIn("\n… and 5 more\n", err)
        self.assertIn("[FAILED] a?[31m?b: 127.0.0.1 answered 500", err)
        self.assertIn("[FAILED] #1: ", err)

    def test_stop_on_error_leaves_the_rest_unrun_and_says_how_many(self):
        items = self.items(200, "/sleep?ms=50")
        for i, item in enumerate(items):
            item["url"] = self.fault.url("/status/500") if i == 3 else self.fault.url("/sleep", ms=30 if i < 3 else 300, n=i)
        head = json.dumps({"options": {"stop_on_error": True, "concurrency": 2}})
        text = head + "\n" + "".join(json.dumps(i) + "\n" for i in items)
        code, _, err = self.call(self.write("s.ndjson", text), "--output", self.out)
        results = runs.lines_of(self.read())
        self.assertEqual(code, 1, err)
        self.assertLess(len(results), 12)
        self.assertIn(3, [r["index"] for r in results])
        self.assertFalse([r for r in results if (r["error"] or {}).get("code") == "cancelled"])
        self.assertRegex(err, r"; %d not run \(--resume runs what is missing\)\n" % (200 - len(results)))
        bad = head + "\n" + json.dumps(items[0]) + "\nnonsense\n" + "".join(json.dumps(i) + "\n" for i in items[4:])
        code, results, err = self.call(stdin=bad.encode())
        self.assertEqual(code, 1, err)
        self.assertLess(len(results), 5)

    def test_a_minus_is_standard_output_and_settings_take_their_value_behind_them(self):
        item = json.dumps({"url": self.fault.url()}).encode()
        code, results, err = self.call("--output", "-", "--pool-threads", "1", "--targets-allow-private", "-", stdin=item)
        self.assertEqual((code, [r["success"] for r in results]), (0, [True]), err)
        self.assertFalse(os.path.exists("-"))

    def test_the_first_ctrl_c_drains_and_the_second_aborts(self):
        for number, code in [(signal.SIGINT, 130), (signal.SIGTERM, 143)]:
            self.fault.reset()
            path = self.lines([{"id": i, "url": self.fault.url("/gate", key="drain")} for i in range(40)])
            out = self.path("drain-%d" % number)
            child = self.start(path, "--output", out, "--concurrency=4")
            world.wait_for("four calls", lambda: self.fault.hits("/gate") == 4)
            child.send_signal(number)
            err = self.hear(child, b"stopping: ")
            self.fault.open("drain")
            found, _, rest = self.finish(child)
            err += rest
            self.assertEqual(found, code, err)
            results = runs.lines_of(self.read(out))
            self.assertEqual((len(results), {r["success"] for r in results}), (4, {True}))
            self.assertEqual(self.fault.hits("/gate"), 4)
            self.assertIn("; 36 not run", err)
            self.assertIn("stopping: the calls that have begun finish", err)
            self.assertFalse(os.path.exists(out + ".inflight"))
        self.fault.reset()
        items = [{"id": 0, "url": self.fault.url("/stall")}, {"id": 1, "method": "POST", "url": self.fault.url("/stall")}]
        child = self.start(self.lines(items), "--output", self.out)
        world.wait_for("both calls", lambda: self.fault.hits("/stall") == 2)
        child.send_signal(signal.SIGINT)
        self.hear(child, b"stopping: ")
        world.settled(lambda: world.cpu_of(child.pid))
        self.assertIsNone(child.poll())
        child.send_signal(signal.SIGINT)
        code, _, err = self.finish(child)
        self.assertEqual(code, 130, err)
        results = runs.lines_of(self.read())  # the GET may be made again; that the POST was sent is said
        self.assertEqual([r["id"] for r in results], [1])
        self.assertEqual((results[0]["error"]["code"], results[0]["error"]["sent"]), ("cancelled", True))
        self.assertIn("the run was stopped", results[0]["error"]["message"])

    def test_it_stops_before_it_says_so(self):
        ours, theirs = os.pipe()
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 1 << 20)  # as large as the run makes it itself
        os.set_blocking(theirs, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(theirs, bytes(4096)):
                pass
        os.set_blocking(theirs, True)
        path = self.lines([{"url": self.fault.url("/gate", key="said")} for _ in range(40)])
        child = self.start(path, "--output", self.out, "--concurrency=4", stderr=theirs)
        os.close(theirs)
        with open(ours, "rb") as err:
            world.wait_for("four calls", lambda: self.fault.hits("/gate") == 4)
            child.send_signal(signal.SIGINT)
            world.settled(lambda: world.cpu_of(child.pid))  # it waits for somebody who reads
            self.fault.open("said")
            self.assertEqual(world.settled(lambda: self.fault.hits("/gate")), 4)
            said = err.read().lstrip(b"\0").decode()
        self.assertEqual(child.wait(world.WAIT), 130, said)
        self.assertIn("stopping: the calls that have begun finish", said)
        self.assertEqual(len(runs.lines_of(self.read())), 4)

    def test_a_batch_has_no_clock_unless_it_is_given(self):
        items = [{"url": self.fault.url("/sleep", ms=400)}] + [{"url": self.fault.url("/stall")}] * 5
        head = json.dumps({"options": {"concurrency": 1, "batch_timeout_ms": 3500}})
        code, results, err = self.call(stdin=(head + "\n" + "".join(json.dumps(i) + "\n" for i in items)).encode(),
                                       env={"BATCHGATE_LIMITS_MAX_BATCH_TIMEOUT": "100ms"})
        self.assertEqual(code, 1, err)
        self.assert_results(results, 6, {r["index"] for r in results if not r["success"]})
        self.assertGreater(sum(r["success"] for r in results), 0)
        self.assertEqual({r["error"]["code"] for r in results if r["error"]}, {"timeout"})

    def test_a_named_pipe_is_an_output_too(self):
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        child = self.start(self.lines(self.items(5)), "--output", pipe)
        self.assert_results(runs.lines_of(self.read(pipe)), 5)
        self.assertEqual(self.finish(child)[0], 0)
        child = self.start(self.lines([{"url": self.fault.url("/stall")}]), "--output", pipe)
        with open(pipe, "rb"):
            world.wait_for("the call", lambda: self.fault.hits("/stall"))
        self.assertEqual(self.finish(child)[0], 141)
        self.assertFalse(os.path.exists(pipe + ".inflight"))


if __name__ == "__main__":
    world.main()
