#!/usr/bin/python3
"""batchgate run: what it reads, and what it refuses to. No server is started here but the upstream."""
import json
import os
import pty
import select
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import runs  # noqa: E402
import world  # noqa: E402


class Input(runs.Case):
    def test_a_document_is_run_and_its_results_are_those_of_the_server(self):
        document = {"defaults": {"headers": {"X-A": "1"}}, "options": {"include_timing": True},
                    "items": [{"id": "a", "url": self.fault.url("/echo")}, {"id": 2, "url": self.fault.url("/status/503")}]}
        code, results, err = self.call(self.write("d.json", json.dumps(document, indent=2)))
        self.assertEqual(code, 1)
        first, second = sorted(results, key=lambda r: r["index"])
        self.assertEqual(set(first), world.RESULT | {"timing"})
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
        code, results, err = self.call(stdin=json.dumps({"id": "x", "url": self.fault.url()}).encode())
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

    def test_an_input_that_does_not_block_is_waited_for(self):
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        child = self.start("-", stdin=reader)
        os.close(reader)
        world.settled(lambda: world.cpu_of(child.pid))  # it does not ask again and again
        os.write(writer, json.dumps({"url": self.fault.url()}).encode() + b"\n")
        os.close(writer)
        code, out, err = self.finish(child)
        self.assertEqual((code, len(runs.lines_of(out))), (0, 1), err)


if __name__ == "__main__":
    world.main()
