#!/usr/bin/python3
"""Man pages, completion and reference: made of the tables, and what people read."""
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import package  # noqa: E402
from package import BUILD, ROOT, run  # noqa: E402

MADE = os.path.join(BUILD, "made")
PAGES = ("batchgate.8", "batchgate.yaml.5")
BINARY = os.environ.get("BATCHGATE_BIN") or os.path.join(BUILD, "batchgate")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as source:
        return source.read()


def paths_of_settings():
    return re.findall(r'^(?:SETTING|UNKEPT)\("([^"]+)"', read(ROOT, "common", "settings.def"), flags=re.M)


def flags_of(command):
    found = re.findall(r'^FLAG\((?:%s), \w+, "(--[^"]+)"' % command, read(ROOT, "cli", "command.def"), flags=re.M)
    assert found, command
    return found


class Pages(unittest.TestCase):
    def test_mandoc_has_nothing_to_say(self):
        package.need("mandoc")
        for page in PAGES:
            self.assertEqual(run("mandoc", "-T", "lint", os.path.join(MADE, page)), "", page)

    def test_groff_has_nothing_to_say(self):
        package.need("man")
        for page in PAGES:
            shown = run("sh", "-c", 'man -l --warnings=w "$1" 2>&1 >/dev/null', "sh", os.path.join(MADE, page))
            self.assertEqual(shown, "", page)

    def test_a_page_that_is_wrong_is_noticed(self):
        with tempfile.NamedTemporaryFile("w", suffix=".8") as bad:
            bad.write(read(MADE, "batchgate.8") + ".SH\n.XYZ what\n")
            bad.flush()
            self.assertIn("XYZ", run("mandoc", "-T", "lint", bad.name, code=None))
            self.assertIn("XYZ", run("man", "-l", "--warnings=w", bad.name))

    def text(self, page):
        """As a reader sees it, without the line breaks."""
        shown = run("sh", "-c", 'mandoc -T utf8 -O width=200 "$1" | col -b', "sh", os.path.join(MADE, page))
        return re.sub(r"\s+", " ", shown)

    def test_every_command_flag_and_exit_code_is_in_the_page(self):
        text = self.text("batchgate.8")
        for command in re.findall(r'^COMMAND\(\w+, "(\w+)"', read(ROOT, "cli", "command.def"), flags=re.M):
            self.assertIn("batchgate " + command, text)
        for flag in flags_of(r"\w+"):
            self.assertIn(" " + flag + " ", text)
        for code, meaning in re.findall(r'^EXIT\("(\d+)", "([^"]+)"', read(ROOT, "cli", "command.def"), flags=re.M):
            self.assertIn("%s %s" % (code, meaning), text)

    def test_every_setting_is_in_the_page_with_its_names(self):
        text = self.text("batchgate.yaml.5")
        for path in paths_of_settings():
            self.assertIn(" " + path + " ", text)
        self.assertIn("BATCHGATE_POOL_MAX_IN_FLIGHT, --pool-max-in-flight", text)
        self.assertIn("number, 0 to 65535; default 8080", text)

    def test_what_can_be_pasted_is_what_was_meant(self):
        self.assertIn("printf '%s\\n' '{\"url\": \"https://example.com/\"}'", self.text("batchgate.8"))


class Reference(unittest.TestCase):
    def test_the_committed_reference_is_what_the_tables_say(self):
        self.assertEqual(read(ROOT, "docs", "configuration.md"), read(MADE, "configuration.md"),
                         "docs/configuration.md is out of date: `make reference` renews it")

    def test_every_setting_has_a_heading_and_a_sentence(self):
        text = read(MADE, "configuration.md")
        for path in paths_of_settings():
            self.assertRegex(text, r"(?m)^### `%s`\n\n[^\n]{8,}  \n" % re.escape(path))

    def test_the_file_with_the_defaults_is_one_that_is_taken(self):
        text = re.search(r"```yaml\n(.*?)```", read(MADE, "configuration.md"), flags=re.S).group(1)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            env = {k: v for k, v in os.environ.items() if not k.startswith("BATCHGATE_")}
            done = subprocess.run([BINARY, "check", "--config", file.name], capture_output=True, text=True, env=env,
                                  timeout=package.WAIT, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))


class Completion(unittest.TestCase):
    def words(self, *typed, folder=None):
        """What bash would offer for the last word; it splits at = as the command line does."""
        line = " ".join(re.sub(r"=", " = ", word).strip() if word != "=" else word for word in typed[:-1])
        split = line.split() + [part for part in re.split(r"(=)", typed[-1]) if part or typed[-1] == ""]
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _batchgate; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        shown = run("bash", "--norc", "-c", script, "bash", os.path.join(MADE, "completion"), *split, cwd=folder or ROOT)
        return shown.split()

    def test_commands(self):
        self.assertEqual(self.words("batchgate", "che"), ["check"])
        commands = re.findall(r'^COMMAND\(\w+, "(\w+)"', read(ROOT, "cli", "command.def"), flags=re.M)
        self.assertEqual(self.words("batchgate", ""), commands)

    def test_flags_are_those_of_the_command(self):
        self.assertEqual(self.words("batchgate", "key", "--"), flags_of("KEY"))
        self.assertEqual(self.words("batchgate", "run", "--re"), ["--retries", "--resume", "--retry-failed"])
        self.assertIn("--pool-max-in-flight", self.words("batchgate", "check", "--pool"))
        self.assertIn("--pool-max-in-flight", self.words("batchgate", "--pool"))
        self.assertNotIn("--print", self.words("batchgate", "serve", "--"))

    def test_values_of_choices_either_way(self):
        self.assertEqual(self.words("batchgate", "serve", "--log-level", "de"), ["debug"])
        self.assertEqual(self.words("batchgate", "--log-level=w"), ["warn"])
        self.assertEqual(self.words("batchgate", "run", "--order="), ["completion", "input"])
        self.assertEqual(self.words("batchgate", "serve", "--server-port", ""), [])

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            open(os.path.join(folder, "mine.yaml"), "w", encoding="ascii").close()
            self.assertEqual(self.words("batchgate", "serve", "--config", "mi", folder=folder), ["mine.yaml"])
            self.assertEqual(self.words("batchgate", "check", "--config=mi", folder=folder), ["mine.yaml"])
            self.assertEqual(self.words("batchgate", "run", "mi", folder=folder), ["mine.yaml"])

    def test_the_tab_key(self):
        """In an interactive bash, as somebody would type it."""
        pid, master = pty.fork()
        if pid == 0:
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], {**os.environ, "PS1": "ready> ", "TERM": "dumb"})
        try:
            shown = self.until(master, b"ready> ")
            os.write(master, ("source '%s'\n" % os.path.join(MADE, "completion")).encode())
            self.until(master, b"ready> ", after=b"completion'")
            os.write(master, b"batchgate che\t--conf\t")
            shown = self.until(master, b"--config ")
            self.assertIn(b"batchgate check --config ", shown)
        finally:
            os.close(master)
            os.waitpid(pid, 0)

    def until(self, master, text, after=b""):
        shown, end = b"", time.monotonic() + 30
        while after not in shown or text not in shown[shown.find(after) + len(after):]:
            ready, _, _ = select.select([master], [], [], max(0, end - time.monotonic()))
            if not ready:
                self.fail("the shell did not show %r but %r" % (text, shown))
            shown += os.read(master, 4096)
        return shown


if __name__ == "__main__":
    unittest.main(verbosity=2)
