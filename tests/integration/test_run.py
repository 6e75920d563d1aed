#!/usr/bin/python3
# ctest: cost=30
"""batchgate run: what it reads, what it writes, how it ends. No server is started here but the upstream."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

PRIVATE = "--targets-allow-private=true"
MEMBERS = world.RESULT


def lines_of(data):
    """The results, one a line, each of which must be whole."""
    text = data.decode() if isinstance(data, bytes) else data
    assert text == "" or text.endswith("\n"), text[-200:]
    return [json.loads(line) for line in text.split("\n")[:-1]]


class Run(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        world.need_binary()
        cls.folder = tempfile.mkdtemp(prefix="batchgate-run-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.fault = world.Fault(cls.folder)
        cls.addClassCleanup(cls.fault.kill)

    @classmethod
    def tearDownClass(cls):
        cls.fault.stop()

    def setUp(self):
        self.fault.reset()
        self.work = tempfile.mkdtemp(dir=self.folder)
        self.out = os.path.join(self.work, "out.ndjson")

    def path(self, name):
        return os.path.join(self.work, name)

    def write(self, name, text):
        with open(self.path(name), "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode())
        return self.path(name)

    def read(self, path=None):
        with open(path or self.out, "rb") as source:
            return source.read()

    def lines(self, items, name="in.ndjson"):
        return self.write(name, "".join(json.dumps(item) + "\n" for item in items))

    def items(self, count, path="/ok", **members):
        return [{"id": "i%d" % i, "url": self.fault.url(path, n=i), **members} for i in range(count)]

    def call(self, *args, stdin=b"", private=True, env=None):
        """(exit code, results, stderr), of a run to its end."""
        code, out, err = world.run_tool("run", *args, *([PRIVATE] if private else []), stdin=stdin, env=env)
        return code, lines_of(out), err

    def start(self, *args, **options):
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        child = subprocess.Popen([world.BINARY, "run", *args, PRIVATE], env=world.environment(), **options)
        self.addCleanup(self.end, child)
        return child

    @staticmethod
    def end(child):
        if child.poll() is None:
            child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()

    def finish(self, child):
        """(exit code, stdout, stderr) of one that ends by itself."""
        out, err = child.communicate(timeout=world.WAIT)
        world.check_report(err or b"")
        return child.returncode, out, (err or b"").decode()

    def hear(self, child, text):
        """Waits until it says so on standard error; what it has said is not heard again."""
        said = b""
        while text not in said:
            self.assertTrue(select.select([child.stderr], [], [], world.WAIT)[0], said)
            part = os.read(child.stderr.fileno(), 65536)
            self.assertTrue(part, said)
            said += part
        return said.decode()

    def assert_results(self, results, count, failed=()):
        self.assertEqual(sorted(r["index"] for r in results), list(range(count)))
        for result in results:
            self.assertEqual(set(result), MEMBERS)
            self.assertEqual(not result["success"], result["index"] in failed, result)

    # --- inputs

    def test_a_document_is_run_and_its_results_are_those_of_the_server(self):
        document = {"defaults": {"headers": {"X-A": "1"}}, "options": {"include_timing": True},
                    "items": [{"id": "a", "url": self.fault.url("/echo")}, {"id": 2, "url": self.fault.url("/status/503")}]}
        code, results, err = self.call(self.write("d.json", json.dumps(document, indent=2)))
        self.assertEqual(code, 1)
        first, second = sorted(results, key=lambda r: r["index"])
        self.assertEqual(set(first), MEMBERS | {"timing"})
        self.assertEqual((first["id"], second["id"]), ("a", 2))
        self.assertIn("1", world.headers_of(first["body"], "X-A"))
        self.assertEqual(second["error"]["code"], "upstream_status")
        self.assertRegex(err, r"^2 items: 1 succeeded, 1 failed \(1 upstream_status\) in [0-9.]+ s, [0-9.]+ items/s\n"
                              r"\[FAILED\] 2: 127.0.0.1 answered 503")

    def test_a_document_with_a_fault_makes_no_call(self):
        good = {"url": self.fault.url()}
        for text, what in [
                ('{"items": [\n {"url": }]}', r"d.json: line 2, column 10: "),
                ('\n\n{"items": [\n {"url": }]}', r"d.json: line 4, column 10: "),
                (json.dumps({"items": [good], "option": {}}), r"d.json: /option: .*options"),
                (json.dumps({"items": [good], "options": {"concurrency": 0}}), r"d.json: /options/concurrency: "),
                (json.dumps({"items": [{"id": 1, **good}, {"id": 1, **good}]}), r"d.json: /items/1/id: "),
                (json.dumps({"items": [good, {}], "options": {"strict": True}}), r"d.json: /items/1/url: "),
                ("[1]", r"d.json: holds a list.*jq -c '\.\[\]'"), ("http://a/\nhttp://b/\n", r"d.json: .*an item is an object"),
                ('"http://a/"\n', r"d.json: .*an item is an object"), ("\ufeff{}\n", r"d.json: begins with a byte order mark"),
                ("", r"d.json: empty"), (" \n\n", r"d.json: empty"),
                ('{"items": []}\n{"url": "x"}\n', r"d.json: line 2, column 1: ")]:
            with self.subTest(text):
                code, results, err = self.call(self.write("d.json", text))
                self.assertEqual((code, results), (2, []), err)
                self.assertRegex(err, what)
        document = json.dumps({"items": [{"url": self.fault.url(), "\x1b[2J\u202e\x9b": 1}], "options": {"strict": True}})
        _, _, err = self.call(self.write("d.json", document))
        self.assertIn("/items/0/?[2J??: ", err)
        self.assertNotRegex(err, "[\x1b\x80-\x9f\u202e]")
        self.assertEqual(self.fault.hits(), 0)

    def test_lines_with_a_head_lines_without_one_and_lines_with_defaults(self):
        items = [{"id": i, "query": {"n": i}} for i in range(5)]
        defaults = {"url": self.fault.url("/echo"), "method": "PUT"}
        text = "".join(json.dumps(i) + "\n" for i in items)
        head = json.dumps({"defaults": defaults}) + "\n"
        named = self.write("defaults.json", json.dumps(defaults))
        for args, data in [((), head + text), (("-",), "\n \r\n" + head + "\n" + text.replace("\n", "\r\n\n")),
                           (("--defaults", json.dumps(defaults)), text), (("--defaults=@" + named,), text),
                           (("--defaults", json.dumps(defaults)), text[:-1])]:
            with self.subTest(args):
                code, results, err = self.call(*args, stdin=data.encode())
                self.assertEqual(code, 0, err)
                self.assert_results(results, 5)
                for result in results:
                    self.assertEqual(result["id"], result["index"])
                    self.assertEqual(result["body"]["method"], "PUT")
        code, results, err = self.call(stdin=b"{}\n" + json.dumps({"url": self.fault.url()}).encode())
        self.assertEqual((code, len(results)), (0, 1), err)
        code, results, err = self.call(stdin=json.dumps({"id": "x", "url": self.fault.url()}).encode() * 1)
        self.assertEqual((code, results[0]["id"]), (0, "x"))
        self.assertEqual(self.call("--defaults={}", stdin=b"")[:2], (0, []))

    def test_the_first_lines_own_faults_are_told_before_anything_runs(self):
        item = json.dumps({"url": self.fault.url()}).encode()
        for head, what in [(b'{"defaults": {"timeout_ms": "x"}}', "/defaults/timeout_ms"), (b'{"foo": 1}', "/foo"),
                           (b'{"options": {"strict": true}}', "strict"), (b'{"options": {"concurency": 1}}', "concurrency"),
                           (b'{"url": "http://a/", "options": {}}', "/url")]:
            code, results, err = self.call(stdin=head + b"\n" + item + b"\n")
            self.assertEqual((code, results), (2, []), err)
            self.assertIn(what, err)
        for defaults, what in [("{", "--defaults: line 1"), ('{"id": 1}', "/defaults/id"), ("@/nowhere", "--defaults: /nowhere: No such file"),
                               ("def.json", "@FILE"),
                               ("5", "must be an object")]:
            code, results, err = self.call("--defaults", defaults, stdin=item)
            self.assertEqual((code, results), (2, []), err)
            self.assertIn(what, err)
        code, _, err = self.call("--defaults={}", stdin=b'{"items": []}')
        self.assertEqual(code, 2)
        self.assertIn("does not go with --defaults", err)
        self.assertEqual(self.fault.hits(), 0)

    def test_lines_that_are_no_items_fail_alone_and_are_named(self):
        good = json.dumps({"url": self.fault.url()})
        deep = '{"url": "x", "body": ' + "[" * 80 + "]" * 80 + "}"
        text = "\n".join([good, "nonsense", "", '{"url": 1}', good, '{"url": "%s", "body_text": "%s"}' % (
            self.fault.url(), "x" * 3000), "[]", deep, '{"url": "http://a/"', "\xff\xfe", good])
        code, results, err = self.call("--limits-max-body=2KiB", stdin=text.encode("latin-1"))
        self.assertEqual(code, 1)
        self.assert_results(results, 10, {1, 2, 4, 5, 6, 7, 8})
        messages = {r["index"]: r["error"]["message"] for r in results if r["error"]}
        for index, what in [(1, r"^line 2 is no JSON: column 2: "), (2, r"^line 4: `url` must be a string"),
                            (4, r"^line 6 is longer than 2048 bytes \(limits.max_body\)"), (5, r"^line 7: an item must be"),
                            (6, r"^line 8 is no JSON: column \d+: "), (7, r"^line 9 is no JSON: "), (8, r"^line 10 is no")]:
            self.assertRegex(messages[index], what)
        self.assertTrue(all(r["error"]["code"] == "invalid_item" for r in results if r["error"]))
        self.assertEqual(self.fault.hits(), 3)

    def test_items_that_trickle_in_are_answered_as_they_come(self):
        child = self.start("-")
        for i in range(4):
            child.stdin.write(json.dumps({"id": i, "url": self.fault.url()}).encode() + b"\n")
            child.stdin.flush()
            self.assertTrue(select.select([child.stdout], [], [], world.WAIT)[0])
            self.assertEqual(json.loads(child.stdout.readline())["id"], i)
        code, out, err = self.finish(child)
        self.assertEqual((code, out), (0, b""), err)

    def test_an_input_that_cannot_be_read_is_refused(self):
        code, _, err = self.call(self.path("nowhere"))
        self.assertEqual(code, 2)
        self.assertIn("nowhere: No such file", err)
        code, _, err = self.call(self.work)
        self.assertEqual((code, "is a directory" in err), (2, True), err)
        master, slave = pty.openpty()
        done = subprocess.run([world.BINARY, "run"], stdin=slave, capture_output=True, timeout=world.WAIT, check=False)
        os.close(master)
        os.close(slave)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"usage: batchgate run", done.stderr)

    # --- flags

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
        done = subprocess.run(["/bin/sh", "-c", 'ulimit -n 400; exec "$@"', "sh", world.BINARY, "run", path, PRIVATE,
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

    def test_a_named_pipe_is_an_output_too(self):
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        child = self.start(self.lines(self.items(5)), "--output", pipe)
        self.assert_results(lines_of(self.read(pipe)), 5)
        self.assertEqual(self.finish(child)[0], 0)
        child = self.start(self.lines([{"url": self.fault.url("/stall")}]), "--output", pipe)
        with open(pipe, "rb"):
            world.wait_for("the call", lambda: self.fault.hits("/stall"))
        self.assertEqual(self.finish(child)[0], 141)
        self.assertFalse(os.path.exists(pipe + ".inflight"))

    def test_an_input_that_does_not_block_is_waited_for(self):
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        child = self.start("-", stdin=reader)
        os.close(reader)
        world.settled(lambda: world.cpu_of(child.pid))  # it does not ask again and again
        os.write(writer, json.dumps({"url": self.fault.url()}).encode() + b"\n")
        os.close(writer)
        code, out, err = self.finish(child)
        self.assertEqual((code, len(lines_of(out))), (0, 1), err)

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

    # --- output

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
            self.assertEqual((code, [r["index"] for r in lines_of(out)]), (0, order if order[0] == 0 else []), err)

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
        self.assert_results(lines_of(self.read()), 3)
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
        child = subprocess.run(["/bin/sh", "-c", '"$0" run "$@" >&-', world.BINARY, self.lines(self.items(3)), PRIVATE],
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
        self.assert_results(lines_of(out), count)

    def test_a_signal_ends_a_run_whose_reader_stalls(self):
        child = self.start(self.lines(self.items(3000, "/raw", query={"fill": "y", "n": 400})))
        world.wait_for("the pipe to be full", lambda: self.fault.hits("/raw") > 100)
        world.settled(lambda: self.fault.hits("/raw"))
        child.send_signal(signal.SIGINT)
        self.hear(child, b"stopping: ")
        time.sleep(0.2)
        self.assertIsNone(child.poll())  # what is done is still to be written
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(world.WAIT), 130)

    # --- the end

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
        results = lines_of(self.read())
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

    def test_a_resume_without_an_output_says_that_it_begins(self):
        path = os.path.join(self.folder, "mistyped.ndjson")
        code, _, err = self.call("--resume", path, stdin=json.dumps({"url": self.fault.url()}).encode())
        self.assertEqual(code, 0, err)
        self.assertIn("mistyped.ndjson is new: beginning with the first item", err)

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
            results = lines_of(self.read(out))
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
        time.sleep(0.2)
        self.assertIsNone(child.poll())
        child.send_signal(signal.SIGINT)
        code, _, err = self.finish(child)
        self.assertEqual(code, 130, err)
        results = lines_of(self.read())  # the GET may be made again; that the POST was sent is said
        self.assertEqual([r["id"] for r in results], [1])
        self.assertEqual((results[0]["error"]["code"], results[0]["error"]["sent"]), ("cancelled", True))
        self.assertIn("the run was stopped", results[0]["error"]["message"])

    def test_a_batch_has_no_clock_unless_it_is_given(self):
        items = [{"url": self.fault.url("/sleep", ms=400)}] + [{"url": self.fault.url("/stall")}] * 5
        head = json.dumps({"options": {"concurrency": 1, "batch_timeout_ms": 3500}})
        code, results, err = self.call(stdin=(head + "\n" + "".join(json.dumps(i) + "\n" for i in items)).encode(),
                                       env={"BATCHGATE_LIMITS_MAX_BATCH_TIMEOUT": "100ms"})
        self.assertEqual(code, 1, err)
        self.assert_results(results, 6, {r["index"] for r in results if not r["success"]})
        self.assertGreater(sum(r["success"] for r in results), 0)
        self.assertEqual({r["error"]["code"] for r in results if r["error"]}, {"timeout"})

    # --- resume

    def test_resume_runs_what_is_missing_and_repairs_a_torn_line(self):
        path = self.lines(self.items(10))
        self.assertEqual(self.call(path, "--output", self.out)[0], 0)
        whole = self.read().split(b"\n")[:-1]
        for tail in (b"", b'{"index":9,"id":"i9","succ', b"\x00\x00\x00", whole[9] + b"\n" + b"garbage\n", whole[9]):
            with self.subTest(tail):
                self.fault.reset()
                self.write("out.ndjson", b"\n".join(whole[:5]) + b"\n" + tail)
                code, _, err = self.call(path, "--resume", self.out)
                self.assertEqual(code, 0, err)
                self.assert_results(lines_of(self.read()), 10)
                kept = 6 if tail.startswith(whole[9]) else 5
                self.assertEqual(self.fault.hits(), 10 - kept)
                self.assertIn("; %d were there already" % kept, err)
        self.fault.reset()
        code, _, err = self.call("--resume=" + self.out, stdin=self.read(path))
        self.assertEqual((code, self.fault.hits()), (0, 0), err)
        self.assertEqual(self.call(path, "--resume", self.path("new"))[0], 0)
        self.assert_results(lines_of(self.read(self.path("new"))), 10)

    def test_resume_of_a_document_and_in_input_order(self):
        items = self.items(30)
        path = self.write("d.json", json.dumps({"items": items}))
        self.assertEqual(self.call(path, "--output", self.out)[0], 0)
        kept = [line for line in self.read().split(b"\n")[:-1] if json.loads(line)["index"] % 3 == 0]
        self.write("out.ndjson", b"\n".join(kept) + b"\n")
        code, _, err = self.call(path, "--resume", self.out, "--order=input")
        self.assertEqual(code, 0, err)
        results = lines_of(self.read())
        self.assert_results(results, 30)
        new = [r["index"] for r in results[len(kept):]]
        self.assertEqual(new, sorted(new))

    def test_an_output_of_another_input_is_refused(self):
        path = self.lines(self.items(5))
        self.assertEqual(self.call(path, "--output", self.out)[0], 0)
        before = self.read()
        items = self.items(5)
        items[3]["id"] = "other"
        self.fault.reset()
        for other, what in [(items, r"item 3 has another id"), (self.items(3), r"item 4")]:
            code, _, err = self.call(self.lines(other, "other.ndjson"), "--resume", self.out)
            self.assertEqual((code, self.read()), (2, before))
            self.assertRegex(err, what)
            code, _, err = self.call(self.write("o.json", json.dumps({"items": other})), "--resume", self.out)
            self.assertEqual((code, self.read()), (2, before))
        for text, what in [(b"garbage\n" + before, r"line 1 is no result"), (before + before[:before.index(b"\n") + 1],
                           r"line 6: a second result of item \d"), (b'{"a":1}\n' + before, r"line 1 is no result")]:
            self.write("bad", text)
            code, _, err = self.call(path, "--resume", self.path("bad"))
            self.assertEqual((code, self.read(self.path("bad"))), (2, text), err)
            self.assertRegex(err, what)
        self.assertEqual(self.fault.hits(), 0)

    def test_a_file_without_a_result_is_not_cut_unless_it_is_the_beginning_of_one(self):
        path = self.lines(self.items(2))
        document = json.dumps({"items": self.items(1)})
        for text in (document, document + "\n", '{"index":0}\n', "notes\n", "x"):
            with self.subTest(text):
                self.write("mine", text)
                code, _, err = self.call(path, "--resume", self.path("mine"))
                self.assertEqual((code, self.read(self.path("mine"))), (2, text.encode()), err)
                self.assertIn("line 1 is no result", err)
        self.assertEqual(self.fault.hits(), 0)
        for text in ('{"ind', '{"index":1,"id":"i1","succ'):
            code, _, err = self.call(path, "--resume", self.write("mine", text))
            self.assertEqual(code, 0, err)
            self.assert_results(lines_of(self.read(self.path("mine"))), 2)

    def test_what_is_no_file_of_results_is_refused_at_once(self):
        path = self.lines(self.items(1))
        os.mkfifo(self.path("pipe"))
        with open(self.path("sparse"), "wb") as sparse:
            sparse.truncate(1 << 30)
        for name, what in [("pipe", "no file that can be resumed"), (".", "no file that can be resumed"),
                           ("sparse", "line 1 is longer than")]:
            code, _, err = self.call(path, "--resume", self.path(name), "--limits-memory=64MiB")
            self.assertEqual((code, what in err), (2, True), err)
        self.assertEqual(os.path.getsize(self.path("sparse")), 1 << 30)
        self.assertEqual(self.fault.hits(), 0)

    def test_an_input_is_not_its_own_output(self):
        path = self.lines(self.items(2000))
        before = self.read(path)
        with open(path, "ab") as appended:
            code, _, err = self.finish(self.start(path, "--quiet", stdin=subprocess.DEVNULL, stdout=appended))
        self.assertEqual((code, self.read(path)), (2, before), err)
        self.assertIn("the output too", err)
        self.assertEqual(self.fault.hits(), 0)

    def test_a_journal_that_cannot_be_read_says_why(self):
        path = self.lines(self.items(1))
        os.mkdir(self.out + ".inflight")
        code, _, err = self.call(path, "--resume", self.out)
        self.assertEqual(code, 3)
        self.assertEqual(err, "batchgate run: %s.inflight: cannot be read: Is a directory\n" % os.path.realpath(self.out))

    def test_a_piped_input_that_is_another_one_is_noticed_while_it_runs(self):
        path = self.lines(self.items(5))
        self.assertEqual(self.call(path, "--output", self.out)[0], 0)
        items = self.items(8)
        items[3]["id"] = "other"
        code, _, err = self.call("--resume", self.out, stdin=self.read(self.lines(items, "o")))
        self.assertEqual(code, 3)
        self.assertRegex(err, r"item 3 has another id .*not the output of this input")
        self.assert_results(lines_of(self.read()), 5)
        code, _, err = self.call("--resume", self.out, stdin=self.read(self.lines(self.items(2), "o")))
        self.assertEqual((code, "fewer items" in err), (3, True), err)

    def test_retry_failed_runs_the_failed_ones_again(self):
        items = self.items(4) + [{"id": "f", "url": self.fault.url("/flaky", key="a")}]
        path = self.lines(items)
        self.assertEqual(self.call(path, "--output", self.out)[0], 1)
        os.chmod(self.out, 0o640)
        code, _, err = self.call(path, "--resume", self.out)
        self.assertEqual(code, 1)  # what failed is still there
        self.assertIn("1 of them failed", err)
        self.fault.reset()
        self.fault.ask("/_reset")
        with contextlib.suppress(Exception):
            world.request(self.fault.ports["http"], "GET", "/flaky?key=a")
        code, _, err = self.call(path, "--resume", self.out, "--retry-failed")
        self.assertEqual(code, 0, err)
        self.assertEqual(self.fault.hits("/ok"), 0)
        self.assert_results(lines_of(self.read()), 5)
        self.assertEqual(os.stat(self.out).st_mode & 0o777, 0o640)
        self.assertEqual(sorted(os.listdir(self.work)), ["in.ndjson", "out.ndjson"])

    def test_a_second_run_on_the_same_output_is_refused(self):
        path = self.lines([{"url": self.fault.url("/stall")}])
        child = self.start(path, "--output", self.out)
        world.wait_for("the call", lambda: self.fault.hits("/stall"))
        for args in (("--output", self.out), ("--resume", self.out), ("--resume", self.out, "--retry-failed")):
            code, _, err = self.call(path, *args)
            self.assertEqual((code, "another run" in err), (2, True), err)
        child.kill()
        child.wait()

    # --- the bar

    def watch(self, args, columns, stdout=None):
        """What a terminal of so many columns is sent, and the exit code."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        child = subprocess.Popen([world.BINARY, "run", *args, PRIVATE], stdin=subprocess.DEVNULL, stderr=slave,
                                 stdout=stdout if stdout is not None else slave, env=world.environment())
        os.close(slave)
        seen = []

        def read():
            with contextlib.suppress(OSError):
                while True:
                    data = os.read(master, 65536)
                    if not data:
                        return
                    seen.append(data)
        reader = threading.Thread(target=read)
        reader.start()
        code = child.wait(world.WAIT)
        reader.join()
        os.close(master)
        text = b"".join(seen)
        world.check_report(text)
        return code, text.decode()

    def test_a_terminal_gets_a_bar_of_its_width(self):
        items = [{"url": self.fault.url("/sleep", ms=100, n=i)} for i in range(40)]
        head = {"options": {"concurrency": 4, "label": "Füllen"}}
        path = self.lines([head, *items])
        for columns in (60, 100):
            out = self.path("bar-%d" % columns)
            code, text = self.watch([path, "--output", out], columns)
            self.assertEqual(code, 0, text)
            bars = [bar.rstrip(" \r\n") for bar in text.partition("40 items:")[0].split("\r") if bar.strip()]
            self.assertGreater(len(bars), 4)
            for bar in bars:
                self.assertRegex(bar, r"^Füllen: +\d+%\|[█▏▎▍▌▋▊▉ ]+\| \d+/40 \[")
                self.assertLessEqual(len(bar), columns - 1)
            self.assertEqual(len(bars[-1]), columns - 1)
            self.assertIn("100%", bars[-1])
            self.assertRegex(text, r"\n40 items: 40 succeeded, 0 failed in ")
        times = [float(t) for t in re.findall(r"in ([0-9.]+) s", text)]
        self.assertLessEqual(text.count("\r"), 12 * times[-1] + 8)  # at most ten a second

    def test_results_and_bar_share_a_terminal(self):
        code, text = self.watch([self.lines([{"url": self.fault.url("/sleep", ms=50, n=i)} for i in range(30)]), "--concurrency=2"], 100)
        self.assertEqual(code, 0)
        shown = [line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").split("\n")]
        results = [json.loads(line) for line in shown if line.startswith("{")]
        self.assertEqual(sorted(r["index"] for r in results), list(range(30)))  # each on a line of its own
        bars = [part for part in text.split("\r") if "%|" in part]
        self.assertGreater(len(bars), 4)
        self.assertIn("100%|", bars[-1])

    def test_no_bar_where_a_log_goes_to_the_same_terminal(self):
        path = self.lines(self.items(3))
        self.assertNotIn("%|", self.watch([path, "--log-level=debug", "--output", self.out], 80)[1])
        self.assertEqual(self.watch([path, "--quiet", "--output", self.path("q")], 80), (0, ""))
        with open(self.path("elsewhere"), "wb") as out:
            self.assertIn("100%|", self.watch([path], 80, out)[1])

    def test_a_narrow_terminal_is_never_wrapped(self):
        code, text = self.watch([self.lines(self.items(30)), "--output", self.out], 20)
        self.assertEqual(code, 0)
        for bar in text.partition("30 items:")[0].replace("\n", "").split("\r"):
            self.assertLess(len(bar), 20)


if __name__ == "__main__":
    world.main()
