#!/usr/bin/python3
"""Does the test of the docs see what is wrong? A page that is right, and the same page doctored in one place at a time."""
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import page as pages  # noqa: E402
import varying  # noqa: E402
import world  # noqa: E402

GOOD = """# A page
## To begin
```yaml
# own.yaml
server: {port: 8070}
targets: {allow: ["127.0.0.1:9070"]}
auth: {keys: [{name: a, sha256: ["${SOME_SHA256}"]}]}
upstreams: [{match: "x.internal", ca_file: /etc/batchgate/ca.pem}]
```
```sh
python3 -m http.server --bind 127.0.0.1 9070 >/dev/null 2>&1 & files=$!
build/release/batchgate --server-port=8070 --targets-allow=127.0.0.1:9070 2>batchgate.log & gate=$!
timeout 60 sh -c 'until curl -sf http://127.0.0.1:8070/readyz && curl -sf http://127.0.0.1:9070/; do sleep 0.1; done' >/dev/null
grep port own.yaml
```
```text
server: {port: 8070}
```
```sh
curl -s --json '{"items": [{"id": 1, "url": "http://127.0.0.1:9070/none"}]}' http://127.0.0.1:8070/v1/batch
```
It says
```json
{"results": [{"index":0,"id":1,"success":false,"status":404,"body":"<!DOCTYPE HTML>…","body_encoding":"text",
  "error":{"code":"upstream_status","message":"127.0.0.1 answered 404 Not Found","retryable":false,"sent":true},"attempts":1,"duration_ms":3.5}],
 "summary":{"total":1,"succeeded":0,"failed":1,"by_code":{"upstream_status":1},"concurrency":32,"duration_ms":3.6,"request_id":"98fb349a8e3a3115eb5634d147ed9b15"}}
```
```sh
printf 'b\\na\\n'; printf '  50%%\\r 100%%\\n'
```
<!-- in any order -->
```text
 100%
a
b
```
<!-- exits with 3 -->
```sh
seq 9; (exit 3)
```
<!-- some lines -->
```text
2
7
```
<!-- not run: needs a mainframe -->
```sh
no-such-command
sudo batchgate run "two
lines.ndjson" --retries=2 --output out.ndjson | mail -s "a batchgate --nonsense" 2>/dev/null
docker run --name batchgate -e A=b batchgate key --hash <key.txt
( batchgate check --config=own.yaml --targets-public && systemctl restart batchgate ) || batchgate --targets-public false
```
```text
what it says
```
```json
{"shown": "only"}
```
```sh
kill $gate $files; wait $gate
```
[To begin](#to-begin), `batchgate check --endpoint NAME [--params JSON]`, `batchgate.yaml`.
"""
# What is wrong, where it is put in, and what the complaint says.
DOCTORED = [
    ("another status", '"status":404', '"status":405', "what came"),
    ("another error code", '"upstream_status","message"', '"timeout","message"', "what came"),
    ("another message", "answered 404 Not Found", "answered 404 File not found", "what came"),
    ("a member that is not there", '"attempts":1,', '"attempts":1,"tries":1,', "what came"),
    ("a member left out", '"retryable":false,', "", "what came"),
    ("an id that is none", "98fb349a8e3a3115eb5634d147ed9b15", "98fb349a", "what came"),
    ("a duration that is no number", '"duration_ms":3.6', '"duration_ms":"fast"', "what came"),
    ("a type that changed", '"failed":1,"by_code"', '"failed":"1","by_code"', "what came"),
    ("a line too many", " 100%\na\nb\n", " 100%\na\nb\nc\n", "what came"),
    ("a line left out", " 100%\na\nb\n", "a\nb\n", "what came"),
    ("a bar that was overwritten", " 100%\na", "  50%\na", "what came"),
    ("a line that never came", "2\n7\n", "2\n10\n", "what came"),
    ("lines the other way round", "2\n7\n", "7\n2\n", "what came"),
    ("order that is not the real one", "<!-- in any order -->\n", "", "what came"),
    ("an output that is said to be whole", "<!-- some lines -->\n", "", "what came"),
    ("a command that fails", "seq 9; (exit 3)", "seq 9; (exit 4)", "exit code 4, not 3"),
    ("a command that succeeds", "seq 9; (exit 3)", "seq 9", "exit code 0, not 3"),
    ("a command that is not there", "kill $gate $files; wait $gate", "no-such-command", "exit code 127"),
    ("a shell that ends early", "seq 9; (exit 3)", "exit 3", "was not reached"),
    ("a broken quote", "grep port own.yaml", "grep port own.yaml '", "exit code"),
    ("a key that is none", "server: {port: 8070}\ntargets", "server: {prot: 8070}\ntargets", "did you mean"),
    ("a value that is none", 'sha256: ["${SOME_SHA256}"]', 'sha256: ["12"]', "batchgate check refuses it"),
    ("a file that is saved under another name", "# own.yaml", "# other.yaml", "exit code 2"),
    ("a server that may not be reached", "--targets-allow=127.0.0.1:9070", "", "what came"),
    ("a fence without a language", "```json\n{\"shown\"", "```\n{\"shown\"", "has no language"),
    ("a note that is misspelt", "<!-- some lines -->", "<!-- a few lines -->", "none of the notes"),
    ("a reason left out", "<!-- not run: needs a mainframe -->", "<!-- not run: -->", "none of the notes"),
    ("a loop without an end", "timeout 60 sh -c 'until", "sh -c 'until", "may never end"),
    ("a loop without an end that is not run", "no-such-command\n", "while ! batchgate health; do sleep 1; done\n", "may never end"),
    ("a placeholder that was left", "# A page", "# A page of @FIGURES@", "@FIGURES@"),
    ("a flag that is none, not run", "--retries=2", "--retires=2", "run has no flag --retires"),
    ("a flag of another command", "key --hash", "key --print", "key has no flag --print"),
    ("a command that is none, not run", "( batchgate check", "( batchgate chekc", "there is no command chekc"),
    ("a flag that is none, behind a mark in a word", "no-such-command", "curl http://x/#there; batchgate --nonsense", "serve has no flag --nonsense"),
    ("a flag that is none, behind a text", "no-such-command", "cat <<END\nit's here\nEND\nbatchgate --nonsense", "serve has no flag --nonsense"),
    ("a flag that is none, before a text", "no-such-command", "cat <<'END' | batchgate --nonsense\nit's here\nEND", "serve has no flag --nonsense"),
    ("a command that is none, behind another program", "no-such-command", "xargs env A=b batchgate chekc", "there is no command chekc"),
    ("a quote without an end, not run", "no-such-command", "echo 'no", "a quote without an end"),
    ("a setting that is none, not run", "--targets-public &&", "--target-public &&", "check has no flag --target-public"),
    ("a flag that is none, in a line of text", "[--params JSON]", "[--param JSON]", "check has no flag --param"),
    ("a fence that is never closed", "kill $gate $files; wait $gate\n```", "kill $gate $files; wait $gate", "never closed"),
]


class Runner(unittest.TestCase):
    def try_out(self, text):
        folder = tempfile.mkdtemp(prefix="batchgate-docs-")
        self.addCleanup(shutil.rmtree, folder, True)
        page = pages.Page("docs/page.md", text)
        page.try_out(folder)
        return page

    def test_a_page_that_is_right_passes_and_everything_is_counted(self):
        page = self.try_out(GOOD)
        self.assertEqual(page.counts, {"run": 5, "compared": 4, "checked": 1, "not run": 1, "shown": 2})

    def test_each_thing_that_is_wrong_is_found(self):
        for what, right, wrong, complaint in DOCTORED:
            with self.subTest(what):
                self.assertEqual(GOOD.count(right), 1, "there is one place to doctor")
                with self.assertRaises(pages.Fault) as found:
                    self.try_out(GOOD.replace(right, wrong))
                self.assertIn(complaint, str(found.exception))

    def test_nothing_gets_out_and_nothing_stays(self):
        self.try_out("```sh\nsleep 4711 & echo $! && ip -o link | cut -d: -f2\n```\n```text\n…\n lo\n```\n")
        self.try_out("```sh\necho spoilt > examples/demo.py && touch docker/new && rm LICENSE\n```\n")
        for name, there in (("LICENSE", True), ("docker/new", False)):
            self.assertEqual(os.path.exists(os.path.join(world.ROOT, name)), there)
        with open(os.path.join(world.ROOT, "examples/demo.py"), encoding="utf-8") as source:
            self.assertNotIn("spoilt", source.read())
        running = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % entry, "rb") as source:
                    running.append(source.read())
            except OSError:
                continue
        self.assertNotIn(b"sleep\x004711\x00", running)

    def test_links_that_lead_nowhere_are_found(self):
        def broken(text):
            return list(pages.Page("docs/page.md", text).broken_links())
        self.assertEqual(broken("# One\n[a](#one) [b](../README.md) [c](https://example.com/none) `[d](none.md)`\n```sh\n[e](none.md)\n```\n"), [])
        for link in ("none.md", "#two", "../README.md#no-such-heading", "/README.md"):
            self.assertEqual(len(broken("# One\n[a](%s)\n" % link)), 1, link)


class Varying(unittest.TestCase):
    def test_what_varies_is_compared_by_its_form(self):
        for kind, want, have in [
                ("text", "3 items: 1 succeeded in 0.00 s, 10 items/s", "3 items: 1 succeeded in 12.34 s, 9.25 items/s"),
                ("text", "[OK] a (0.26 s)", "[OK] a (1.00 s)"),
                ("json", '{"time": "2026-11-22T04:34:31.509Z",\n "event": "x"}', '{"time":"2027-01-01T00:00:00Z","event":"x"}')]:
            self.assertIsNone(varying.fault(kind, want, have))
        for kind, want, have in [
                ("text", "3 items: 1 succeeded in 0.00 s", "3 items: 2 succeeded in 0.00 s"),
                ("text", "(0.26 s)", "(soon)"),
                ("text", "a b", "a  b"),
                ("json", '{"a": "x y"}', '{"a":"xy"}'),
                ("json", '{"timeout_ms": 1}', '{"timeout_ms":2}'),
                ("json", "[1, 2]", "[12]"),
                ("text", "a…c\nd", "abd")]:
            self.assertIsNotNone(varying.fault(kind, want, have), (want, have))


if __name__ == "__main__":
    world.main()
