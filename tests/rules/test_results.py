#!/usr/bin/python3
"""scripts/test.sh ends with why it failed, what failed and the sum: scripts/results.py finds why."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import results  # noqa: E402

UNITTEST = """test_a (__main__.Batch.test_a) ... ok
test_b (__main__.Batch.test_b) ... FAIL

======================================================================
FAIL: test_b (__main__.Batch.test_b)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "test_batch.py", line 7, in test_b
    self.assertEqual(code, 200)
AssertionError: 503 != 200 : the queue is full

======================================================================
ERROR: test_c (__main__.Batch.test_c)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "test_batch.py", line 9, in test_c
KeyError: 'results'

----------------------------------------------------------------------
Ran 3 tests in 0.1s

FAILED (failures=1, errors=1)
"""
CHECK = """Running suite(s): retry
50%: Checks: 2, Failures: 1, Errors: 1
/t/test_retry.c:12:F:times:it_waits:0: Assertion 'a == 2' failed: a == 1, 2 == 2
/t/test_retry.c:30:E:times:it_ends:0: (after this point) Received signal 11 (Segmentation fault)
"""
RACE = "==================\nWARNING: ThreadSanitizer: data race (pid=7)\n%sSUMMARY: ThreadSanitizer: data race x.c:1 in f\n==================\n"
NODE = """TAP version 13
ok 1 - it is drawn
not ok 2 - it is styled
  ---
  error: 'no style'
  ...
1..2
"""


def record(tests):
    """What ctest writes: {name: (status, output)}."""
    cases = ("<testcase name=\"%s\" classname=\"%s\" time=\"1.5\" status=\"%s\">%s<system-out>%s</system-out></testcase>\n"
             % (name, name, status, "<failure message=\"\"/>" if status == "fail" else "", escape(output))
             for name, (status, output) in tests.items())
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"(empty)\">\n%s</testsuite>\n" % "".join(cases)


class Telling(unittest.TestCase):
    def test_of_unittest_the_failures_with_their_messages(self):
        lines = results.telling(UNITTEST)
        self.assertEqual(lines[0], "FAIL: test_b (__main__.Batch.test_b)")
        self.assertIn("AssertionError: 503 != 200 : the queue is full", lines)
        self.assertEqual(lines[-1], "KeyError: 'results'")
        self.assertNotIn("test_a", "\n".join(lines))

    def test_of_check_the_failing_lines(self):
        self.assertEqual(results.telling(CHECK), CHECK.splitlines()[2:])

    def test_of_node_what_is_not_ok(self):
        self.assertEqual(results.telling(NODE), ["not ok 2 - it is styled", "  error: 'no style'", "  ..."])

    def test_of_a_sanitizer_the_head_of_its_report_once_and_what_else_failed(self):
        report = RACE % "".join("    #%d f x.c:%d\n" % (n, n) for n in range(90))
        lines = results.telling(report + CHECK + report)
        self.assertEqual(lines[0], "WARNING: ThreadSanitizer: data race (pid=7)")
        self.assertEqual(sum("data race (pid=7)" in line for line in lines), 1)
        self.assertIn("    #38 f x.c:38", lines)
        self.assertNotIn("    #39 f x.c:39", lines)
        self.assertEqual(lines[-2:], CHECK.splitlines()[2:])

    def test_a_report_within_a_message_is_shown_and_the_failure_too(self):
        report = "==7==ERROR: AddressSanitizer: heap-use-after-free\n    #0 f x.c:1\nSUMMARY: AddressSanitizer: bad\n"
        lines = results.telling(UNITTEST.replace("the queue is full\n", "its log:\n" + report))
        self.assertEqual(lines[:4], [*report.splitlines(), "FAIL: test_b (__main__.Batch.test_b)"])
        self.assertIn("ERROR: test_c (__main__.Batch.test_c)", lines)

    def test_of_a_compiler_the_errors(self):
        shown = "cc -c a.c\na.c:3:9: error: unknown type\n    3 | foo x;\n      | ^~~\nmake: Leaving\n" + "[ 99%] Building\n" * 50
        self.assertEqual(results.telling(shown), ["a.c:3:9: error: unknown type", "    3 | foo x;", "      | ^~~"])

    def test_of_anything_else_the_end(self):
        lines = results.telling("".join("line %d\n" % n for n in range(100)))
        self.assertEqual((lines[0], lines[-1], len(lines)), ("line 70", "line 99", 30))
        self.assertEqual(results.telling(""), ["(it said nothing)"])

    def test_long_failures_lose_their_middle_and_none_is_lost(self):
        failure = "=" * 70 + "\nFAIL: test_%d\n" + "x\n" * 200 + "AssertionError: number %d\n\n"
        lines = results.telling("".join(failure % (n, n) for n in range(5)))
        self.assertLessEqual(len(lines), results.TEST_LINES)
        for n in range(5):
            self.assertIn("FAIL: test_%d" % n, lines)
            self.assertIn("AssertionError: number %d" % n, lines)

    def test_long_lines_and_colours(self):
        (line,) = results.telling("begin" + "x" * 100000 + "end")
        self.assertLess(len(line), 400)
        self.assertTrue(line.startswith("begin") and line.endswith("end"))
        self.assertEqual(results.telling("[NON-XML-CHAR-0x1B][31mred[NON-XML-CHAR-0x1B][0m \x1b[1;32mgreen\x1b[0m"), ["red green"])

    def test_room_goes_to_those_that_need_it(self):
        self.assertEqual(results.share([100, 2, 3], 25), [20, 2, 3])
        self.assertEqual(results.share([100, 100], 25), [12, 13])
        self.assertEqual(results.share([], 25), [])


class Script(unittest.TestCase):
    """test.sh itself, with a cmake and a ctest that do what the test says."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "scripts").mkdir()
        for name in ("test.sh", "results.py"):
            shutil.copy(ROOT / "scripts" / name, self.root / "scripts")
        self.program("cmake", "exit 0")
        self.program("ctest", 'preset=$2\nwhile [ "$1" != --output-junit ]; do shift; done\n'
                              'mkdir -p "build/$preset" && cp "$preset.xml" "$2"\necho "what ctest shows"\n')

    def program(self, name, text):
        path = self.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
        path.chmod(0o755)

    def record(self, preset, tests):
        (self.root / (preset + ".xml")).write_text(record(tests), encoding="utf-8")

    def run_it(self, *stages):
        env = {**os.environ, "PATH": "%s:%s" % (self.root / "bin", os.environ["PATH"])}
        done = subprocess.run(["bash", self.root / "scripts" / "test.sh", *stages], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, env=env, stdin=subprocess.DEVNULL, timeout=60, check=False)
        return done.returncode, done.stdout

    def test_the_end_tells_why_then_what_then_the_sum(self):
        self.record("dev", {"unit/a": ("run", ""), "unit/b": ("fail", CHECK), "integration/c": ("fail", UNITTEST), "d": ("notrun", "gone")})
        self.record("asan", {"unit/a": ("fail", "Alarm")})
        code, shown = self.run_it("dev", "asan")
        self.assertEqual(code, 1, shown)
        end = shown[shown.index("\n---- "):].splitlines()
        headlines = [line for line in end if line.startswith("---- ")]
        self.assertEqual(headlines, ["---- %s, after 1.5 s" % name for name in ("dev: unit/b", "dev: integration/c", "dev: d", "asan: unit/a")])
        self.assertLess(end.index("AssertionError: 503 != 200 : the queue is full"), end.index("FAILED: dev: unit/b"))
        self.assertRegex(end[-2], r"^dev asan in \d+ s$")
        self.assertEqual(end[-6:-2] + end[-1:], ["FAILED: dev: unit/b", "FAILED: dev: integration/c", "FAILED: dev: d",
                                                 "FAILED: asan: unit/a", "3 passed, 4 failed"])

    def test_however_much_fails_the_end_is_bounded_and_names_all(self):
        self.record("dev", {"integration/%d" % n: ("fail", UNITTEST + "x\n" * 1000) for n in range(200)})
        code, shown = self.run_it("dev")
        self.assertEqual(code, 1)
        why, what = shown.split("\nFAILED: ", 1)
        self.assertLessEqual(len(why[why.index("\nwhat ctest shows"):].splitlines()), results.ALL_LINES + 5)
        self.assertEqual(what.count("FAILED: "), 199)

    def test_a_check_that_fails_tells_why_beside_tests_that_do(self):
        self.program("cmake", 'case "$*" in *release*) echo "x.c:1:1: error: no such thing"; exit 1 ;; esac\n')
        self.record("dev", {"a": ("fail", "Alarm")})
        code, shown = self.run_it("dev", "release")
        self.assertEqual(code, 1)
        end = shown[shown.index("\n---- "):].splitlines()
        at = end.index("---- build release, -Werror")
        self.assertEqual(end[at + 1], "x.c:1:1: error: no such thing")
        self.assertEqual(set(end[-4:-2]), {"FAILED: dev: a", "FAILED: build release, -Werror"})

    def test_without_a_record_it_is_said(self):
        code, shown = self.run_it("dev")
        self.assertEqual(code, 1)
        self.assertRegex(shown, r"(?s)---- ctest dev\nno record of it: .*\nFAILED: ctest dev: no record of it\n")

    def test_what_passes_is_only_summed_up(self):
        self.record("dev", {"a": ("run", UNITTEST)})
        code, shown = self.run_it("dev")
        self.assertEqual(code, 0, shown)
        self.assertNotIn("----", shown)
        self.assertTrue(shown.endswith("2 passed, 0 failed\n"), shown)

    def test_an_unknown_stage_is_refused_before_anything_runs(self):
        code, shown = self.run_it("dev", "nonsense")
        self.assertEqual((code, "what ctest shows" in shown), (2, False), shown)
        self.assertIn("no stage nonsense", shown)

    def test_without_a_word_every_stage_there_is_runs(self):
        self.program("make", "exit 0")
        known = set(self.run_it("nonsense")[1].split("there are: ")[1].split())
        _, shown = self.run_it()
        self.assertEqual(set(shown.splitlines()[-2].split(" in ")[0].split()), known)
        self.assertGreaterEqual(known, {"image", "deb"})


if __name__ == "__main__":
    unittest.main()
