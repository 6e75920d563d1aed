#!/usr/bin/python3
# ctest: cost=8
"""batchgate run --resume: what is missing or failed is run again, and another input's output is never touched."""
import contextlib
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import runs  # noqa: E402
import world  # noqa: E402


class Resume(runs.Case):
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
                self.assert_results(runs.lines_of(self.read()), 10)
                kept = 6 if tail.startswith(whole[9]) else 5
                self.assertEqual(self.fault.hits(), 10 - kept)
                self.assertIn("; %d were there already" % kept, err)
        self.fault.reset()
        code, _, err = self.call("--resume=" + self.out, stdin=self.read(path))
        self.assertEqual((code, self.fault.hits()), (0, 0), err)
        self.assertEqual(self.call(path, "--resume", self.path("new"))[0], 0)
        self.assert_results(runs.lines_of(self.read(self.path("new"))), 10)

    def test_resume_of_a_document_and_in_input_order(self):
        items = self.items(30)
        path = self.write("d.json", json.dumps({"items": items}))
        self.assertEqual(self.call(path, "--output", self.out)[0], 0)
        kept = [line for line in self.read().split(b"\n")[:-1] if json.loads(line)["index"] % 3 == 0]
        self.write("out.ndjson", b"\n".join(kept) + b"\n")
        code, _, err = self.call(path, "--resume", self.out, "--order=input")
        self.assertEqual(code, 0, err)
        results = runs.lines_of(self.read())
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
            self.assert_results(runs.lines_of(self.read(self.path("mine"))), 2)

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
        self.assert_results(runs.lines_of(self.read()), 5)
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
        self.assert_results(runs.lines_of(self.read()), 5)
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

    def test_a_resume_without_an_output_says_that_it_begins(self):
        path = os.path.join(self.folder, "mistyped.ndjson")
        code, _, err = self.call("--resume", path, stdin=json.dumps({"url": self.fault.url()}).encode())
        self.assertEqual(code, 0, err)
        self.assertIn("mistyped.ndjson is new: beginning with the first item", err)


if __name__ == "__main__":
    world.main()
