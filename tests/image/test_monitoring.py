#!/usr/bin/python3
# ctest: cost=15
"""docker/prometheus.yml, alerts.yml and the dashboard name only metrics and labels that the running server shows."""
import copy
import json
import os
import re
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

DOCKER = os.path.join(world.ROOT, "docker")
# Not names of metrics, where they stand in an expression without a bracket behind them.
KEYWORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "inf", "nan"}
# What Prometheus itself adds.
OF_PROMETHEUS, LABELS_OF_PROMETHEUS = {"up"}, {"job", "instance", "le"}


def used(expression):
    """(metrics, labels) of an expression of PromQL, or of Grafana's label_values(metric, label)."""
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', expression)
    labels = set()

    def note(match):
        labels.update(re.findall(r"[a-zA-Z_]\w*", match.group(1)))
        return " "
    text = re.sub(r"label_values\((\w+),\s*(\w+)\)", lambda m: labels.add(m.group(2)) or m.group(1), text)
    text = re.sub(r"\{([^}]*)\}", note, text)
    text = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", note, text)
    text = re.sub(r"\[[^]]*\]", " ", text)
    names = re.findall(r"(?<![\w$.])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])", text)
    return {name for name in names if name.lower() not in KEYWORDS}, labels


def expressions_of_rules(text):
    """Of alerts.yml as it is written here: on one line, or a block."""
    found = re.findall(r"^( *)expr: (?:\|\n((?:\1 +.*\n)+)|(.*))", text, re.M)
    return [block or line for _, block, line in found]


def expressions_of_dashboard(dashboard):
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return found + [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]


class Shown:
    """What the server shows: names with those that a histogram has, and labels."""

    def __init__(self, metrics):
        self.names = set(OF_PROMETHEUS)
        for name, kind in metrics.types.items():
            self.names |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
        self.labels = LABELS_OF_PROMETHEUS | {label for _, labels in metrics for label, _ in labels}

    def complaints(self, expressions):
        found = []
        for expression in expressions:
            names, labels = used(expression)
            if not names:
                found.append("no metric in " + expression)
            found += ["no metric %s: %s" % (name, expression) for name in sorted(names - self.names)]
            found += ["no label %s: %s" % (label, expression) for label in sorted(labels - self.labels)]
        return found


def write_file(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def read(name):
    with open(os.path.join(DOCKER, name), encoding="utf-8") as source:
        return source.read()


class Monitoring(world.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        done = subprocess.run(["sh", os.path.join(world.ROOT, "scripts", "promtool.sh")], stdout=subprocess.PIPE, check=True, text=True)
        cls.program = done.stdout.strip()
        cls.rules = read("alerts.yml")
        cls.dashboard = json.loads(read("grafana/dashboard.json"))

    def shown(self):
        self.batch([{"url": self.fault.url("/ok")}])  # so that every label has been seen
        metrics = world.wait_for("the batch to be counted", self.counted)
        return Shown(metrics)

    def counted(self):
        metrics = self.server.metrics()
        return metrics if metrics.total("batchgate_batches_total") else None

    def promtool(self, *args, code=0, text=None):
        done = subprocess.run([self.program, *args], input=text, capture_output=True, text=True, check=False, timeout=world.WAIT)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def write(self, name, text):
        return write_file(self.folder, name, text)

    def test_every_name_exists(self):
        shown = self.shown()
        rules, panels = expressions_of_rules(self.rules), expressions_of_dashboard(self.dashboard)
        self.assertEqual(len(rules), self.rules.count("expr:"))
        self.assertEqual(len(rules), self.rules.count("alert:"))
        self.assertGreater(len(panels), 30)
        self.assertEqual(shown.complaints(rules + panels), [])

    def test_a_name_that_does_not_exist_is_found_wherever_it_stands(self):
        shown = self.shown()
        for expression in expressions_of_rules(self.rules) + expressions_of_dashboard(self.dashboard):
            for name in used(expression)[0]:
                self.assertEqual(len(shown.complaints([re.sub(r"\b%s\b" % name, name + "s", expression)])), 1, expression)
        for expression in ("rate(batchgate_item_seconds[5m])", "batchgate_in_flight_total", "sum by (code) (batchgate_queued) / nothing",
                           "sum by (endpiont) (batchgate_queued)", 'batchgate_items_total{cod="ok"}', "label_values(up, versoin)", "1 + 1"):
            self.assertEqual(len(shown.complaints([expression])), 1, expression)
        doctored = copy.deepcopy(self.dashboard)
        doctored["panels"][0]["targets"][0]["expr"] = "sum(batchgate_itemz_total)"
        self.assertEqual(len(shown.complaints(expressions_of_dashboard(doctored))), 1)

    def test_what_is_shown_is_worth_a_panel_or_an_alert(self):
        """A metric that is added asks for a place on the dashboard."""
        names = set()
        for expression in expressions_of_dashboard(self.dashboard) + expressions_of_rules(self.rules):
            names |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in used(expression)[0]}
        self.assertEqual(set(self.server.metrics().types) - names, set())

    def test_prometheus_takes_its_configuration(self):
        text = read("prometheus.yml")
        for old, new in (("/run/secrets/operator_key", self.write("key", "bg_x")), ("- alerts.yml", "- " + os.path.join(DOCKER, "alerts.yml"))):
            self.assertEqual(text.count(old), 1)
            text = text.replace(old, new)
        self.assertIn("%d rules found" % self.rules.count("alert:"), self.promtool("check", "config", self.write("prometheus.yml", text)))
        self.promtool("check", "config", self.write("bad.yml", text.replace("scrape_interval", "scrape_intervall")), code=1)

    def test_the_rules_are_right_and_fire_when_they_shall(self):
        self.promtool("check", "rules", "--lint-fatal", os.path.join(DOCKER, "alerts.yml"))
        cases = os.path.join(world.ROOT, "tests", "image", "alerts.yml")
        self.promtool("test", "rules", cases)
        with open(cases, encoding="utf-8") as source:
            tested = set(re.findall(r"alertname: (\w+)", source.read()))
        self.assertEqual(tested, set(re.findall(r"alert: (\w+)", self.rules)))

    def test_every_expression_of_the_dashboard_is_promql(self):
        expressions = [target["expr"] for panel in self.dashboard["panels"] for target in panel.get("targets", [])]
        rules = [{"record": "panel:%d" % i, "expr": e.replace("$__rate_interval", "5m").replace("$instance", ".*")}
                 for i, e in enumerate(expressions)]
        document = {"groups": [{"name": "panels", "rules": rules}]}
        told = self.promtool("check", "rules", "--lint=none", self.write("panels.yml", json.dumps(document)))
        self.assertIn("%d rules found" % len(rules), told)
        rules[0]["expr"] += ")"
        self.promtool("check", "rules", "--lint=none", self.write("panels.yml", json.dumps(document)), code=1)

    def test_prometheus_likes_what_the_server_shows(self):
        self.promtool("check", "metrics", text=self.server.get("/metrics").body.decode())


class Prometheus(world.Process):
    """The real one, with the file of compose.yaml: other addresses, and a second between scrapes."""

    def __init__(self, program, folder, server_port, key):
        self.port = world.free_port()
        home = os.path.join(folder, "prometheus")
        os.mkdir(home)
        text = read("prometheus.yml")
        for old, new in (("/run/secrets/operator_key", write_file(home, "key", key)), ("- alerts.yml", "- " + os.path.join(DOCKER, "alerts.yml")),
                         ("scrape_interval: 15s", "scrape_interval: 1s"), ("evaluation_interval: 15s", "evaluation_interval: 1s"),
                         ("batchgate:8080", "127.0.0.1:%d" % server_port)):
            if text.count(old) != 1:
                raise AssertionError("%r stands %d times in prometheus.yml" % (old, text.count(old)))
            text = text.replace(old, new)
        super().__init__([program, "--config.file=" + write_file(home, "prometheus.yml", text), "--storage.tsdb.path=" + home,
                          "--web.listen-address=127.0.0.1:%d" % self.port], folder, "prometheus")
        world.wait_for("prometheus to be ready", lambda: not self.alive() or (
            world.listening(self.port) and world.request(self.port, "GET", "/-/ready").status == 200))

    def ask(self, path, **query):
        answer = world.request(self.port, "GET", "/api/v1/%s?%s" % (path, urllib.parse.urlencode(query)))
        value = answer.json()
        if answer.status != 200 or value["status"] != "success":
            raise AssertionError("%s: %r" % (query, answer))
        return value["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]


class Live(world.Case):
    key, hash = world.make_key()
    config = {"auth": {"keys": [{"name": "operator", "sha256": [hash], "admin": True}]}}

    def setUp(self):
        super().setUp()
        done = subprocess.run(["sh", os.path.join(world.ROOT, "scripts", "promtool.sh")], stdout=subprocess.PIPE, check=True, text=True)
        self.prometheus = Prometheus(os.path.join(os.path.dirname(done.stdout.strip()), "prometheus"), self.folder, self.server.port, self.key)
        self.addCleanup(self.prometheus.kill)

    def test_it_scrapes_evaluates_and_every_panel_has_something_to_show(self):
        self.server.post({"items": [{"url": self.fault.url("/ok")}, {"url": "x"}]}, headers={"Authorization": "Bearer " + self.key})
        world.wait_for("a scrape", lambda: [r["value"][1] for r in self.prometheus.query('up{job="batchgate"}')] == ["1"])
        expressions = [target["expr"] for panel in json.loads(read("grafana/dashboard.json"))["panels"] for target in panel.get("targets", [])]
        left = [e.replace("$__rate_interval", "1m").replace("$instance", ".*") for e in expressions]

        def all_shown():
            left[:] = [expression for expression in left if not self.prometheus.query(expression)]
            return not left
        try:
            world.wait_for("every panel to have data", all_shown, pause=0.5)
        except AssertionError as error:
            raise AssertionError("%s; not: %s" % (error, left)) from None

        def rules():
            found = [rule for group in self.prometheus.ask("rules")["groups"] for rule in group["rules"]]
            return found if all(rule["health"] == "ok" for rule in found) else None
        self.assertEqual(len(world.wait_for("the rules to be evaluated", rules, pause=0.2)), read("alerts.yml").count("alert:"))
        self.assertEqual(self.prometheus.ask("alerts")["alerts"], [])


if __name__ == "__main__":
    world.main()
