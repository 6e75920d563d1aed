#!/usr/bin/python3
"""batchgate run --endpoint: the items are data for a named endpoint of the configuration."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import named  # noqa: E402
import world  # noqa: E402


class RunEndpoint(world.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.path = world.write_config(cls.folder, {"endpoints": {
            "echo": {"url": cls.fault.url("/echo"), "params": {"tone": {"enum": ["calm", "loud"], "default": "calm"}}, "max_items": 2,
                     "request": "{body: {text: .item, tone: .params.tone}}",
                     "response": "{got: (.body.body_base64 | @base64d | fromjson), n: .index}",
                     "fallback": "{instead: .item, code: .error.code}"},
            "down": {"url": "http://127.0.0.1:%d/" % world.free_port(), "fallback": "{instead: .item}"},
            "once": {"url": cls.fault.url("/gate", key="once"), "idempotent": True, "request": "{body: .item}"},
        }, "targets": {"ad_hoc": False}}, "endpoints.yaml")

    def run_it(self, *args, stdin=b""):
        code, out, err = world.run_tool("run", "--config", self.path, *args, stdin=stdin)
        results = [json.loads(line) for line in out.splitlines()]
        for result in results:
            named.check_result(result, None)
        return code, sorted(results, key=lambda r: r["index"]), err

    def test_any_json_value_a_line_is_an_item(self):
        code, results, _ = self.run_it("--endpoint", "echo", stdin=b'"a"\n\n{"id": "x"}\n[1, 2]\nnull\n')
        self.assertEqual(code, 0)
        self.assertEqual([r["result"]["got"]["text"] for r in results], ["a", {"id": "x"}, [1, 2], None])
        self.assertEqual([r["id"] for r in results], [None, "x", None, None])
        self.assertEqual([r["result"]["n"] for r in results], [0, 1, 2, 3])

    def test_a_first_line_of_params_is_the_documents_head(self):
        for args, stdin in (((), b'{"params": {"tone": "loud"}}\n"a"\n'), (("--params", '{"tone": "loud"}'), b'"a"\n')):
            code, results, _ = self.run_it("--endpoint", "echo", *args, stdin=stdin)
            self.assertEqual((code, results[0]["result"]["got"]), (0, {"text": "a", "tone": "loud"}))
        _, results, _ = self.run_it("--endpoint", "echo", "--params", "{}", stdin=b'{"params": 1}\n')
        self.assertEqual(results[0]["result"]["got"], {"text": {"params": 1}, "tone": "calm"})

    def test_a_document_is_what_the_server_takes(self):
        document = {"items": ["a", "b", "c"], "params": {"tone": "loud"}, "options": {"order": "input"}}
        code, results, _ = self.run_it("--endpoint", "echo", stdin=json.dumps(document).encode())
        self.assertEqual((code, [r["result"]["got"]["text"] for r in results]), (0, ["a", "b", "c"]))
        for bad, names in (({"items": [1], "params": {"tone": "x"}}, "/params/tone"), ({"items": [1], "defaults": {}}, "/defaults"),
                           ({"items": [1], "params": {"nope": 1}}, "/params/nope")):
            code, results, err = self.run_it("--endpoint", "echo", stdin=json.dumps(bad).encode())
            self.assertEqual((code, results), (2, []))
            self.assertIn(names, err)

    def test_failed_items_fall_back_and_a_line_that_is_no_json_fails_alone(self):
        code, results, _ = self.run_it("--endpoint", "down", stdin=b'"a"\nplain text\n"b"\n')
        self.assertEqual(code, 1)
        self.assertEqual([r["result"] for r in results], [{"instead": "a"}, None, {"instead": "b"}])
        self.assert_error(results[1], "invalid_item", sent=False)

    def test_what_cannot_be_begins_nothing(self):
        for args, says in ((("--endpoint", "nope"), "no endpoint nope"), (("--params", "{}"), "needs --endpoint"),
                           (("--endpoint", "echo", "--defaults", "{}"), "does not go with --endpoint"),
                           (("--endpoint", "echo", "--params", '{"tone": 1}'), "--params: /params/tone: "),
                           (("--endpoint", "echo", "--params", '{"tone'), "--params: line 1, column ")):
            code, results, err = self.run_it(*args, stdin=b'"a"\n')
            self.assertEqual((code, results), (2, []), args)
            self.assertIn(says, err)
        path = world.write_config(self.folder, {"endpoints": {"bad": {"url": self.fault.url(), "request": "{body: .item"}}}, "bad.yaml")
        code, _, err = world.run_tool("run", "--config", path, "--endpoint", "bad", stdin=b"1\n")
        self.assertEqual(code, 2)
        self.assertRegex(err, r"bad\.yaml:\d+.*endpoint `bad`: request: ")

    def test_check_shows_what_would_be_sent_and_what_becomes_of_an_answer(self):
        check = lambda *args: world.run_tool("check", "--config", self.path, *args)
        answer = os.path.join(self.folder, "answer.json")
        with open(answer, "w", encoding="utf-8") as out:
            json.dump({"body_base64": "eyJhIjogMX0="}, out)
        for given in (answer, "@" + answer):
            code, out, err = check("--endpoint", "echo", "--item", '"x"', "--params", '{"tone": "loud"}', "--answer", given)
            self.assertEqual(code, 0, err)
            self.assertIn("  POST %s\n" % self.fault.url("/echo"), out)
            self.assertIn('{"text":"x","tone":"loud"}', out)
            self.assertIn('response:\n  {"got":{"a":1},"n":0}', out)
            self.assertIn('fallback:\n  {"instead":"x","code":"upstream_status"}', out)
        code, out, _ = check("--endpoint", "echo", "--item", "1", "--answer", __file__)
        self.assertEqual(code, 1)
        self.assertIn("response: fails: ", out)
        for args, says in ((("--endpoint", "nope", "--item", "1"), "no endpoint \"nope\""), (("--endpoint",), "needs a value"),
                           (("--endpoint", "echo"), "--item: is missing"), (("--endpoint", "echo", "--item", "x"), "no JSON"),
                           (("--endpoint", "echo", "--item", "1", "--answer", "/nope.json"), "/nope.json"), (("--item", "1"), "--endpoint NAME"),
                           (("--endpoint", "echo", "--item", "1", "--params", '{"tone": 1}'), "/tone")):
            code, out, err = check(*args)
            self.assertEqual((code, out), (2, ""), args)
            self.assertIn(says, err)
        self.assertEqual(self.fault.hits(), 0)

    def test_what_looks_like_a_variable_is_warned_of(self):
        path = world.write_config(self.folder, {"endpoints": {"a": {"url": self.fault.url(), "headers": {"X-A": "${EMPTY}", "X-B": "$SHELL_LIKE"}}}}, "w.yaml")
        code, _, err = world.run_tool("check", "--config", path, env={"EMPTY": ""})
        self.assertEqual(code, 0)
        self.assertRegex(err, r"w\.yaml:\d+: endpoints\.a\.headers\.X-A: the environment's EMPTY is empty", err)
        self.assertIn("${SHELL_LIKE} is the variable's value", err)

    def test_who_goes_on_after_a_kill_sends_the_same_keys(self):
        output = os.path.join(self.folder, "once.ndjson")
        args = [world.BINARY, "run", "--config", self.path, "--endpoint", "once"]
        first = subprocess.Popen([*args, "--output", output], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=world.environment(None))
        first.stdin.write(b'"a"\n"b"\n')
        first.stdin.flush()
        world.wait_for("two calls", lambda: self.fault.hits("/gate") == 2)
        first.send_signal(signal.SIGKILL)
        first.stdin.close()
        first.wait()
        self.fault.open("once")
        code, _, err = world.run_tool("run", "--config", self.path, "--endpoint", "once", "--resume", output, stdin=b'"a"\n"b"\n')
        self.assertEqual(code, 0, err)
        with open(output, encoding="utf-8") as source:
            results = [json.loads(line) for line in source]
        self.assertEqual(sorted(r["index"] for r in results), [0, 1])
        sent = [(world.body_of(r), world.headers_of(r, "Idempotency-Key")) for r in self.fault.asked("/gate")]
        self.assertEqual(len(sent), 4)
        for body in {body for body, _ in sent}:
            keys = [key for found, (key,) in sent if found == body]
            self.assertEqual(len(keys), 2)
            self.assertEqual(keys[0], keys[1])
        self.assertEqual(len({key for _, (key,) in sent}), 2)
        self.assertFalse(os.path.exists(output + ".inflight"))


if __name__ == "__main__":
    world.main()
