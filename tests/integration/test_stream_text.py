#!/usr/bin/python3
"""A batch for a person with `curl -N`: a bar redrawn in place, what became of each item, a summary."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import streams  # noqa: E402
import world  # noqa: E402

TIME = r"(?:\d+:)?\d\d:\d\d"
BAR = re.compile(r"(?P<label>[^\r\n]*): (?P<percent>[ \d]{2}\d)%%\|(?P<cells>[%s]{10})\| (?P<done>\d+)/(?P<total>\d+) "
                 r"\[(?P<elapsed>%s)<(?:%s|\?), (?:\d+\.\d\d items/s|\d+\.\d\d s/item|\? items/s)(?:, (?P<failed>\d+) failed)?\]"
                 % (streams.BAR_CELLS, TIME, TIME))
OK = re.compile(r"\[OK\] (.*) \((\d+\.\d\d) s\)")
SUMMARY = re.compile(r"(\d+) items?: (\d+) succeeded, (\d+) failed(?: \((\d+ [a-z_]+(?:, \d+ [a-z_]+)*)\))? in \d+\.\d\d s")
FAILED = re.compile(r"\[FAILED\] (.*?): (.+)")


def drawn(text):
    """Every bar that was ever drawn, in order."""
    return list(BAR.finditer(text))


class Text(streams.Case):
    def run_curl(self, items, options=None, terminal=False):
        return streams.Curl(self.server.port, {"items": items, "options": options or {}}, terminal=terminal).end()

    def check_bars(self, text, total, failed):
        bars = drawn(text)
        self.assertTrue(bars, text)
        done = [int(b["done"]) for b in bars]
        self.assertEqual(done, sorted(done))
        self.assertEqual(done[-1], total)
        for bar in bars:
            count, percent = int(bar["done"]), int(bar["percent"])
            self.assertEqual(int(bar["total"]), total)
            self.assertEqual(percent, count * 100 // total)
            eighths = int(count / total * 80)
            cells = "█" * (eighths // 8)
            if eighths < 80:
                cells += streams.BAR_CELLS[eighths % 8]
            self.assertEqual(bar["cells"], cells.ljust(10), bar[0])
        self.assertEqual(int(bars[-1]["failed"] or 0), failed)

    def mixed(self):
        return [{"id": "a", "url": self.fault.url()}, {"url": self.fault.url()}, {"id": 7, "url": self.fault.url("/status/503")},
                {"url": self.fault.url("/rst")}, {"id": "e", "url": "ftp://x/"}, {"id": "f"}]

    def messages(self, items):
        """name -> the message of each item that fails, by the whole document."""
        results = self.batch(items)["results"]
        return {str(r["id"]) if r["id"] is not None else "#%d" % r["index"]: r["error"]["message"] for r in results if r["error"]}

    def check_mixed(self, text):
        want = self.messages(self.mixed())
        self.assertEqual(set(want), {"7", "#3", "e", "f"})
        shown = streams.screen(text)
        ok = [OK.fullmatch(line) for line in shown]
        self.assertEqual(sorted(m[1] for m in ok if m), ["#1", "a"])
        failed = [FAILED.fullmatch(line) for line in shown]
        failed = [(m[1], m[2]) for m in failed if m]
        bar_at = next(n for n, line in enumerate(shown) if BAR.fullmatch(line))
        live = [m for m in (FAILED.fullmatch(line) for line in shown[:bar_at]) if m]
        self.assertEqual({m[1]: m[2] for m in live}, want)
        self.assertEqual(len(live), 4)
        self.assertEqual({name for name, _ in failed}, set(want))
        after = [line for line in shown[bar_at + 1:] if line]
        self.check_summary(after[0], 6, 2, {"upstream_status": 1, "upstream_protocol": 1, "blocked_target": 1, "invalid_item": 1})
        for name, message in want.items():
            self.assertEqual(sum(name + ":" in line and message in line for line in after), 1, after)
        self.assertEqual(len(after), 5)
        self.check_bars(text, 6, 4)

    def check_summary(self, line, total, succeeded, codes):
        found = SUMMARY.fullmatch(line)
        self.assertTrue(found, line)
        self.assertEqual([int(found[n]) for n in (1, 2, 3)], [total, succeeded, total - succeeded])
        told = [part.split(" ") for part in found[4].split(", ")] if found[4] else []
        self.assertEqual({code: int(count) for count, code in told}, codes)

    def test_a_pipe_gets_each_item_the_bar_a_summary_and_the_failed_ones(self):
        self.check_mixed(self.run_curl(self.mixed()))

    def test_a_terminal_gets_the_same(self):
        self.check_mixed(self.run_curl(self.mixed(), terminal=True))

    def test_the_bar_is_redrawn_in_place(self):
        items = [{"url": self.fault.url("/sleep", ms=40)} for _ in range(60)]
        text = self.run_curl(items, {"concurrency": 3}, terminal=True)
        shown = [line for line in streams.screen(text) if line]
        self.assertEqual(sum(bool(BAR.fullmatch(line)) for line in shown), 1, shown)
        self.assertFalse([line for line in shown if "%|" in line and not BAR.fullmatch(line)], "a remnant of a bar")
        bars = drawn(text)
        self.assertGreater(len(bars), 4)
        self.assertGreater(len({b["done"] for b in bars}), 4)
        self.assertGreaterEqual(text.count("\r"), len(bars) - 1)
        self.check_bars(text, 60, 0)
        self.assertFalse([line for line in shown if line.startswith(("[OK]", "[FAILED]"))])

    def test_the_bar_and_the_lines_come_as_items_complete(self):
        for terminal in (True, False):
            with self.subTest(terminal=terminal):
                self.fault.reset()
                curl = streams.Curl(self.server.port, {"items": self.gates(4)}, terminal=terminal)
                self.addCleanup(curl.child.kill)
                world.wait_for("the empty bar", lambda c=curl: drawn(c.text()))
                self.assertEqual(drawn(curl.text())[-1]["done"], "0")
                for count, n in enumerate((2, 0, 3, 1), 1):
                    self.fault.open("g%d" % n)
                    world.wait_for("its line", lambda c=curl, n=n: "[OK] %d (" % n in c.text())
                    world.wait_for("the bar", lambda c=curl, k=count: drawn(c.text())[-1]["done"] == str(k))
                shown = streams.screen(curl.end())
                self.assertEqual([m[1] for m in map(OK.fullmatch, shown) if m], ["2", "0", "3", "1"])

    def test_the_seconds_are_those_of_the_item(self):
        def measure():
            text = self.run_curl([{"id": "s", "url": self.fault.url("/sleep", ms=260)}])
            took = float(OK.search(text)[2])
            self.assertGreaterEqual(took, 0.26)
            self.assertLess(took, 0.26 + (5 if world.sanitized() else 1))
        world.again(measure)

    def test_up_to_twenty_items_have_a_line_each_and_more_have_not(self):
        for count in (1, 20, 21, 300):
            items = [{"id": "n%d" % n, "url": self.fault.url()} for n in range(count)]
            shown = streams.screen(self.run_curl(items))
            names = [m[1] for m in map(OK.fullmatch, shown) if m]
            self.assertEqual(sorted(names), sorted(i["id"] for i in items) if count <= 20 else [])
            self.check_bars("\n".join(shown), count, 0)

    def test_of_many_items_those_that_failed_are_named_at_the_end(self):
        items = [{"id": "n%d" % n, "url": self.fault.url("/status/%d" % (500 if n % 10 == 3 else 200))} for n in range(100)]
        want = self.messages(items)
        self.assertEqual(len(want), 10)
        shown = [line for line in streams.screen(self.run_curl(items)) if line]
        self.assertTrue(BAR.fullmatch(shown[0]), shown)
        self.check_summary(shown[1], 100, 90, {"upstream_status": 10})
        self.assertEqual(len(shown), 12)
        for name, message in want.items():
            self.assertEqual(sum(name + ":" in line and message in line for line in shown[2:]), 1, name)

    def test_ten_thousand_items_do_not_flood_a_terminal(self):
        for items in ([{"id": n} for n in range(10000)], [{"url": "ftp://x/"}] * 10000):
            stream = self.stream(items, accept=streams.TEXT)
            text = stream.rest().decode()
            self.assertTrue(stream.whole)
            self.check_bars(text, 10000, 10000)
            self.assertLess(len(drawn(text)), 200)
            self.assertEqual(sum(bool(FAILED.fullmatch(line)) for line in streams.screen(text)), 10000)

    def test_the_bodies_of_what_failed_are_not_held_for_the_end(self):
        server = self.start({"limits": {"memory": "24MiB"}})
        items = [{"url": self.fault.url("/raw", n=100000, status=500)} for _ in range(600)]
        text = self.stream(items, {"concurrency": 8}, streams.TEXT, server).rest().decode()
        shown = [line for line in streams.screen(text) if line]
        self.check_summary(shown[1], 600, 0, {"upstream_status": 600})
        self.assertEqual(len(shown), 602)
        self.idle(server)

    def test_a_bar_of_many_items_moves_with_the_clock_while_nothing_completes(self):
        curl = streams.Curl(self.server.port, {"items": self.gates(25)}, terminal=True)
        self.addCleanup(curl.child.kill)
        world.wait_for("three seconds on the bar", lambda: drawn(curl.text()) and drawn(curl.text())[-1]["elapsed"] >= "00:03")
        bars = drawn(curl.text())
        minutes, seconds = bars[-1]["elapsed"].split(":")
        self.assertLess(len(bars), 10 * (60 * int(minutes) + int(seconds) + 1))
        for n in range(25):
            self.fault.open("g%d" % n)
        self.check_bars(curl.end(), 25, 0)

    def test_no_items(self):
        for terminal in (True, False):
            shown = [line for line in streams.screen(self.run_curl([], terminal=terminal)) if line]
            self.check_summary(shown[-1], 0, 0, {})
            self.assertFalse([line for line in shown if line.startswith("[")])

    def test_the_label_stands_before_the_bar(self):
        for options, label in (({}, "Processing"), ({"label": "Überprüfung 日本"}, "Überprüfung 日本"), ({"label": "50%| x"}, "50%| x")):
            shown = streams.screen(self.run_curl([{"url": self.fault.url()}], options))
            bar = next(m for m in map(BAR.fullmatch, shown) if m)
            self.assertEqual(bar["label"], label)

    def test_input_order_holds_for_the_lines(self):
        items = [{"url": self.fault.url("/sleep", ms=200 - 40 * n)} for n in range(5)]
        shown = streams.screen(self.run_curl(items, {"order": "input"}))
        self.assertEqual([m[1] for m in map(OK.fullmatch, shown) if m], ["#%d" % n for n in range(5)])

    def test_nothing_hostile_steers_the_terminal(self):
        evil = "\x1b[2J\x1b]0;owned\x07\r\n[OK] forged (0.00 s)\b\x7f\x9b31m\u0085\t\x00"
        items = [{"id": evil, "url": self.fault.url()}, {"id": evil + "2", "url": self.fault.url("/status/500", body="\x1b[31m")},
                 {"id": evil + "3", "url": "http://127.0.0.1/" + evil}, {"id": "x", "url": self.fault.url(), evil: 1},
                 {"id": "y", "url": "\x1b[1m://x"}, {"id": "z", "url": self.fault.url("/raw", status=500, reason="\x1b[5mBad\x9b")},
                 {"id": "h", "url": self.fault.url(), "headers": {evil: "v"}}, {"id": "m", "url": self.fault.url(), "method": evil}]
        for options in ({}, {"label": evil}, {"label": "\x1b[K\r"}):
            for count in (1, 5):  # few items have lines of their own
                many = items + [{"url": self.fault.url()}] * (20 * (count - 1))
                for terminal in (True, False):
                    text = self.run_curl(many, options, terminal)
                    shown = streams.screen(text)  # refuses every control character that got through
                    self.assertNotIn("[OK] forged (0.00 s)", shown)
                    self.assertFalse([line for line in shown if line.startswith("[OK] forged")])
                    self.assertNotIn("\x1b[2J", text)
                    self.assertEqual(text.count("\x1b["), text.count("\x1b[K"))

    def test_the_fields_of_the_answer(self):
        stream = self.stream([{"url": self.fault.url()}], accept=streams.TEXT)
        self.assertEqual(stream.header("content-type"), "text/plain; charset=utf-8")
        self.assertEqual((stream.header("cache-control"), stream.header("x-accel-buffering")), ("no-store", "no"))
        stream.rest()
        self.assertTrue(stream.whole)

    def test_http_1_0(self):
        wire = self.wire()
        wire.send(streams.frame({"items": [{"id": "a", "url": self.fault.url()}]}, streams.TEXT, "1.0"))
        shown = streams.screen(wire.stream().rest().decode())
        self.assertTrue([line for line in shown if OK.fullmatch(line)])


if __name__ == "__main__":
    world.main()
