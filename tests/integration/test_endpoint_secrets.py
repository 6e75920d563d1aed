#!/usr/bin/python3
"""Secrets of named endpoints: they go upstream, and nowhere else."""
import base64
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import named  # noqa: E402
import world  # noqa: E402

HEADER = 'sk-header/0+"1\\2&<e>'
QUERY = "qs ec/ret+&=%41é"
PART = "part-of/the=url~9"
PLAIN = "written-plainly-77"


def spellings(secret):
    """How it might be told: as it is, in JSON, in a URL, in hexadecimal, in base64."""
    found = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret)[1:-1].replace("/", "\\/"),
             urllib.parse.quote(secret), urllib.parse.quote(secret, ""), urllib.parse.quote_plus(secret),
             "".join("\\u%04x" % ord(c) for c in secret), "".join("\\u%04X" % ord(c) for c in secret)}
    return found | {s.encode().decode("latin-1") for s in found}


class Secrets(named.Case):
    @classmethod
    def class_config(cls):
        with open(os.path.join(cls.folder, "token"), "w", encoding="utf-8") as out:
            out.write(HEADER + "\n")
        os.environ.update(EP_QUERY=QUERY, EP_PART=PART, EP_PLAIN=PLAIN)
        cls.addClassCleanup(lambda: [os.environ.pop(n) for n in ("EP_QUERY", "EP_PART", "EP_PLAIN")])
        common = {"headers": {"Authorization": "Bearer ${file:%s/token}" % cls.folder, "X-Plain": "${EP_PLAIN}"},
                  "query": {"key": "${EP_QUERY}"}, "params": {"how": {}},
                  "request": "{query: {how: .params.how, status: .item.status}, body: .item}"}
        url = cls.fault.url("/spell") + "?part=${EP_PART}"
        return {"log": {"level": "debug"}, "endpoints": {
            "raw": {**common, "url": url},
            "made": {**common, "url": url, "response": "{all: ., text: (.body | tostring), again: (. | tojson), code: (.body | tostring | @base64)}",
                     "fallback": "{error, item}"},
            "down": {**common, "url": "http://127.0.0.1:%d/${EP_PART}" % world.free_port(), "fallback": "."},
        }}

    def clean(self, text, where):
        text = text if isinstance(text, str) else text.decode("latin-1")
        for secret in (HEADER, QUERY, PART, PLAIN):
            for spelling in spellings(secret):
                self.assertNotIn(spelling, text, where)

    def test_they_go_upstream_whole(self):
        self.single("raw", {"status": 200}, {"how": "plain"})
        record = self.fault.asked()[0]
        self.assertEqual([v.encode("latin-1").decode() for v in world.headers_of(record, "authorization")], ["Bearer " + HEADER])
        self.assertEqual(world.headers_of(record, "x-plain"), [PLAIN])
        query = urllib.parse.parse_qs(record["target"].partition("?")[2])
        self.assertEqual((query["key"], query["part"]), ([QUERY], [PART]))

    def test_an_upstream_that_says_all_that_it_got_tells_no_secret(self):
        for how in ("plain", "json", "slash", "unicode", "lower", "mixed", "percent"):
            for name in ("raw", "made"):
                for shape in ("application/json", "application/x-ndjson", "text/plain"):
                    answer = self.send(name, [{"status": s} for s in (200, 201, 404, 500)], {"how": how},
                                       {"include_headers": True, "include_timing": True}, headers={"Accept": shape})
                    self.assertEqual(answer.status, 200)
                    self.clean(answer.body, (how, name, shape))
                    if shape == "application/json":
                        for result in answer.json()["results"]:
                            self.assertIn("***", json.dumps(result))
                            made = (result["result"] or {}) if name == "made" else {}
                            self.clean(base64.b64decode(made.get("code") or ""), (how, name))
                            if isinstance(result.get("body"), str):
                                self.clean(result["body"], (how, name))

    def test_errors_without_an_answer_tell_none(self):
        answer = self.send("down", [{"status": 1}], {"how": "plain"}, {"include_timing": True})
        self.assertEqual(answer.json()["results"][0]["error"]["code"], "connect_failed")
        self.clean(answer.body, "connect")
        self.clean(self.send("raw", [{"status": 200}], {"how": 1}).body, "a refusal")

    def test_logs_metrics_descriptions_and_processes_tell_none(self):
        for name in ("raw", "made", "down"):
            self.send(name, [{"status": 200}, {"status": 500}, 3], {"how": "json"})
            self.clean(self.server.get("/v1/endpoints/" + name).body, name)
        self.clean(self.server.get("/v1/endpoints").body, "the list")
        self.clean(self.server.get("/metrics").body, "metrics")
        self.assertTrue(self.server.events("item"))
        self.clean(self.server.err(), "the log")
        for pid in named.helpers(self.server) + [named.forker(self.server)]:
            for what in ("environ", "cmdline"):
                with open("/proc/%d/%s" % (pid, what), "rb") as source:
                    self.clean(source.read(), (pid, what))

    def test_check_prints_none(self):
        code, out, err = world.run_tool("check", "--print", "--config", self.server.config_path)
        self.assertEqual(code, 0, err)
        self.assertIn("***", out)
        self.clean(out + err, "check --print")

    def test_what_reads_anything_but_the_input_is_refused_with_its_place(self):
        forbidden = ["$ENV", "$ENV.EP_PLAIN", "env", "env.EP_PLAIN", "input", "[inputs]", "input_filename", "input_line_number", "debug", "stderr",
                     "halt", "halt_error", "$__prog_args", "get_search_list", "modulemeta", "localtime", "getpath([\"a\"]) | env",
                     "@sh \"\\(env)\"", "def f: input; f", "\"\\($ENV)\"", "ltrimstr(env)", "reduce env as $x (0; 1)", "input_line_number | .",
                     "import \"a\" as a; 1", "include \"a\"; 1", "module {}; 1", "$__loc__ | $ENV", ". as {a: $ENV} | 1", "env as $x | 1"]
        for program in forbidden:
            path = os.path.join(self.folder, "forbidden.yaml")
            with open(path, "w", encoding="utf-8") as out:
                out.write("endpoints:\n  x:\n    url: http://127.0.0.1/\n    request: |\n      # a comment\n      %s\n" % program)
            code, _, err = world.run_tool("check", "--config", path)
            self.assertEqual(code, 2, program)
            if program != ". as {a: $ENV} | 1":
                self.assertRegex(err, r"forbidden\.yaml:6:\d+: endpoint `x`: request: ", program)

    def test_what_is_only_the_input_is_fine(self):
        for program in (".item", "{body: ($__loc__ | .line)}", "getpath([\"item\"]) | {body: .}", "{body: (.item | @sh)}", "{body: \"\\(now)\"}"):
            path = world.write_config(self.folder, {"endpoints": {"x": {"url": "http://127.0.0.1/", "request": program}}}, "fine.yaml")
            code, _, err = world.run_tool("check", "--config", path)
            self.assertEqual(code, 0, err)


if __name__ == "__main__":
    world.main()
