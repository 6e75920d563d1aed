#!/usr/bin/python3
"""The tables of the guide against the program: each error code and reason, each problem, each metric, each event of the log; and
each alert against its rule."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


def read(*names):
    with open(os.path.join(world.ROOT, *names), encoding="utf-8") as source:
        return source.read()


def rows(page, heading):
    """The cells of each row of the table whose first column has this heading."""
    text = read("docs", page)
    start = re.search(r"^\| %s .*\|$" % re.escape(heading), text, re.M)
    assert start, "%s has no table %s" % (page, heading)
    table = text[start.end() + 1:].split("\n\n")[0].split("\n")[1:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table if row.startswith("|")]


def named(cell):
    return re.findall(r"`([a-z_]+)`", cell)


def table_of(header, name):
    body = read("common", header).split("#define %s(X)" % name)[1].split("\n\n")[0]
    return [re.findall(r'"[^"]*"|\b\d{3}\b', row) for row in re.findall(r"X\(([^)]*)\)", body)]


def plain(cells):
    return [cell.strip('"') for cell in cells]


class Errors(world.unittest.TestCase):
    def test_every_code_of_an_item_has_its_row_in_order(self):
        codes = [plain(row)[0] for row in table_of("code.h", "ITEM_CODES")]
        self.assertIn("circuit_open", codes)
        self.assertEqual([named(row[0])[0] for row in rows("errors.md", "`error.code`")], [code for code in codes if code != "ok"])

    def test_every_reason_has_its_row_and_belongs_to_codes_there_are(self):
        reasons = {plain(row)[0] for row in table_of("code.h", "ITEM_REASONS")} - {""}
        self.assertIn("retry_wait", reasons)
        table = rows("errors.md", "`error.reason`")
        self.assertEqual({name for row in table for name in named(row[0])}, reasons)
        codes = {plain(row)[0] for row in table_of("code.h", "ITEM_CODES")}
        self.assertEqual({name for row in table for name in named(row[1])} - codes, set())

    def test_every_problem_has_its_row_with_its_status(self):
        problems = [tuple(plain(row)[:2]) for row in table_of("problem.h", "PROBLEM_CODES")]
        self.assertIn(("503", "queue_full"), problems)
        self.assertEqual([(row[0], named(row[1])[0]) for row in rows("errors.md", "status")], problems)

    def test_every_row_says_what_to_do(self):
        for heading, cells in (("`error.code`", 3), ("`error.reason`", 3), ("status", 4)):
            for row in rows("errors.md", heading):
                self.assertEqual((len(row), all(row)), (cells, True), row)


class Metrics(world.Case):
    def test_every_metric_of_a_server_has_its_row_with_its_type(self):
        self.batch([{"url": self.fault.url("/ok")}])
        real = dict(re.findall(r"^# TYPE (\S+) (\S+)$", self.server.get("/metrics").body.decode(), re.M))
        self.assertIn("batchgate_item_seconds", real)
        self.assertEqual({named(row[0])[0]: row[1] for row in rows("operating.md", "metric")}, real)

    def test_metrics_that_pages_name_are_there(self):
        real = set(re.findall(r"^# TYPE (\S+)", self.server.get("/metrics").body.decode(), re.M)) | {"batchgate_batches_total"}
        for folder, name in [("", "README.md")] + [("docs", name) for name in sorted(os.listdir(os.path.join(world.ROOT, "docs")))]:
            if not name.endswith(".md"):
                continue
            for metric in re.findall(r"\b(batchgate_[a-z_]+)\b(?!…)", read(folder, name)):
                if metric != "batchgate_upstream_":
                    self.assertIn(re.sub(r"_(bucket|sum|count)$", "", metric), real, name)


class Events(world.unittest.TestCase):
    def test_every_event_of_the_log_has_its_row(self):
        events = set()
        for folder in ("common", "pool", "batch", "server", "handlers"):
            for name in sorted(os.listdir(os.path.join(world.ROOT, folder))):
                if name.endswith(".c"):
                    text = read(folder, name)
                    events |= set(re.findall(r'\blog_(?:debug|info|warn|error)\(\s*"(\w+)"', text))
                    for first, second, third in re.findall(r'\blog_write\([^"]*?"(\w+)"(?:\s*:\s*"(\w+)")?(?:\s*:\s*"(\w+)")?', text):
                        events |= {first, second, third} - {""}
        self.assertIn("item_failed", events)
        self.assertIn("listening", events)
        self.assertEqual({name for row in rows("operating.md", "event") for name in named(row[0])}, events)


class Alerts(world.unittest.TestCase):
    def test_every_alert_has_its_row_in_order_and_no_other_page_has_rules(self):
        rules = read("docker", "alerts.yml")
        names = re.findall(r"^ +- alert: (\w+)$", rules, re.M)
        self.assertIn("BatchgateDown", names)
        table = rows("operating.md", "alert")
        self.assertEqual([row[0].strip("`") for row in table], names)
        for row in table:
            self.assertEqual((len(row), all(row)), (3, True), row)
        for page in sorted(os.listdir(os.path.join(world.ROOT, "docs"))):
            if page.endswith(".md"):
                self.assertNotIn("alert:", read("docs", page), page)

    def test_a_row_says_the_bound_that_its_rule_has(self):
        said = {row[0].strip("`"): row[1] for row in rows("operating.md", "alert")}
        rules = dict(re.findall(r"- alert: (\w+)\n((?: {8}.*\n)+)", read("docker", "alerts.yml")))
        self.assertEqual(set(rules), set(said))
        words = {"0.1": "a tenth", "0.01": "1 %", "0.05": "5 %", "0.9": "90 %", "30": "30 s"}
        for name, rule in rules.items():
            for bound in re.findall(r"> (\d[\d.]*)$", rule.split("for:")[0], re.M):
                if bound not in ("0", "20"):
                    self.assertIn(words[bound], said[name], name)


if __name__ == "__main__":
    world.main()
