#!/usr/bin/python3
# ctest: cost=5
"""batchgate run on a terminal: the bar it draws, and what shares the screen with it."""
import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import runs  # noqa: E402
import world  # noqa: E402


class Bar(runs.Case):
    def watch(self, args, columns, stdout=None):
        """What a terminal of so many columns is sent, and the exit code."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        child = subprocess.Popen([world.BINARY, "run", *args, runs.PRIVATE], stdin=subprocess.DEVNULL, stderr=slave,
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
