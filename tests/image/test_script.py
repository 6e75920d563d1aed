#!/usr/bin/python3
# ctest: cost=20
"""scripts/image.sh: what it asks docker for, and buildah where no engine answers; both are stand-ins here that write down how they
are called. image.py builds the real image."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAND_IN = """#!/usr/bin/python3 -IS
import json, os, sys
name, args = os.path.basename(sys.argv[0]), sys.argv[1:]
lent = "authorities.crt"
with open(os.environ["RECORD"], "a", encoding="utf-8") as out:
    lent = open(lent, encoding="utf-8").read() if os.path.exists(lent) else None
    out.write(json.dumps({"name": name, "args": args, "lent": lent}) + "\\n")
if name == "docker" and args == ["info"] and os.environ["ENGINE"] == "no":
    sys.exit(1)
if "build" in args and "FAIL" in os.environ:
    sys.exit(7)
if "build" in args and "SIGNAL" in os.environ:
    os.kill(os.getppid(), int(os.environ["SIGNAL"]))
if name == "podman" and "exists" in args:
    sys.exit(1)
"""
# Nothing is installed by a test; the lists are the real ones.
INSTALL_DEPS = """[ "$1" = --list ] || exit 0
exec sh %s "$@"
""" % os.path.join(ROOT, "scripts", "install-deps.sh")


def arguments(args):
    """The --build-arg of a command line."""
    return dict(value.split("=", 1) for flag, value in zip(args, args[1:]) if flag == "--build-arg")


def without_arguments(args):
    left, rest = [], iter(args)
    for arg in rest:
        if arg == "--build-arg":
            next(rest)
        else:
            left.append(arg)
    return left


class Script(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="batchgate-script-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        for name in ("bin", "scripts", "docker"):
            os.mkdir(os.path.join(self.folder, name))
        shutil.copy(os.path.join(ROOT, "scripts", "image.sh"), os.path.join(self.folder, "scripts"))
        self.write("scripts/install-deps.sh", INSTALL_DEPS)
        for name in ("docker", "buildah", "podman", "mmdebstrap"):
            os.chmod(self.write("bin/" + name, STAND_IN), 0o755)
        self.authorities = self.write("mine.pem", "an authority")
        self.lent = os.path.join(self.folder, "authorities.crt")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def run_it(self, *args, code=0, engine="yes", remote="", **env):
        """What was called, and what it said."""
        record = os.path.join(self.folder, "record")
        if os.path.exists(record):
            os.remove(record)
        clean = {"PATH": os.path.join(self.folder, "bin") + ":/usr/sbin:/usr/bin:/sbin:/bin", "RECORD": record, "ENGINE": engine,
                 "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "remote.origin.url", "GIT_CONFIG_VALUE_0": remote}
        done = subprocess.run(["sh", os.path.join(self.folder, "scripts", "image.sh"), *args], env={**clean, **env}, capture_output=True,
                              text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        calls = []
        if os.path.exists(record):
            with open(record, encoding="utf-8") as source:
                calls = [json.loads(line) for line in source]
        return calls, done.stdout

    def build(self, *args, code=0, **env):
        """The one command that builds."""
        calls, _ = self.run_it("build", *args, code=code, **env)
        (call,) = [call for call in calls if "build" in call["args"] or "bud" in call["args"]]
        return call

    def test_docker_builds_the_recipe_under_the_name(self):
        calls, _ = self.run_it("build", "registry.example/batchgate:1")
        self.assertEqual([(call["name"], call["args"][0]) for call in calls], [("docker", "info"), ("docker", "build")])
        self.assertEqual(without_arguments(calls[1]["args"]), ["build", "-f", "docker/Dockerfile", "-t", "registry.example/batchgate:1", "."])
        self.assertEqual(arguments(calls[1]["args"]), {"SOURCE": "", "JOBS": "", "DOCS": "ON"})
        self.assertEqual(without_arguments(self.build()["args"])[-2:], ["batchgate", "."])

    def test_what_is_passed_is_what_the_recipe_knows(self):
        passed = arguments(self.build(BASE="debian:trixie-slim", JOBS="3", DOCS="OFF")["args"])
        self.assertEqual(passed, {"BASE": "debian:trixie-slim", "JOBS": "3", "DOCS": "OFF", "SOURCE": ""})
        with open(os.path.join(ROOT, "docker", "Dockerfile"), encoding="utf-8") as source:
            self.assertEqual(set(passed) - set(re.findall(r"^ARG (\w+)", source.read(), re.M)), set())

    def test_a_build_that_fails_is_told(self):
        self.assertEqual(self.build(code=7, FAIL="1")["name"], "docker")

    def test_without_an_engine_buildah_builds_on_a_base_of_its_own(self):
        calls, said = self.run_it("build", engine="no")
        names = [call["name"] for call in calls]
        self.assertEqual((names[0], names.count("mmdebstrap"), names.count("buildah")), ("docker", 1, 1))
        (include,) = [arg for call in calls if call["name"] == "mmdebstrap" for arg in call["args"] if arg.startswith("--include=")]
        self.assertLessEqual({"gcc", "libjq-dev", "nodejs", "npm"}, set(include[len("--include="):].split(",")))
        (built,) = [call["args"] for call in calls if call["name"] == "buildah"]
        base = arguments(built)["BASE"]
        self.assertRegex(base, r"^localhost/batchgate-base-\d+:latest$")
        self.assertTrue(any(call["name"] == "podman" and "import" in call["args"] and call["args"][-1] == base for call in calls), calls)
        words = without_arguments(built)
        self.assertEqual(words[words.index("bud"):], ["bud", "--isolation", "chroot", "--format", "docker", "--pull-never",
                                                      "-f", "docker/Dockerfile", "-t", "batchgate", "."])
        self.assertIn("podman --storage-driver overlay", said)

        calls, _ = self.run_it("build", engine="no", DOCS="OFF")
        (include,) = [arg for call in calls if call["name"] == "mmdebstrap" for arg in call["args"] if arg.startswith("--include=")]
        self.assertNotIn("npm", include)
        (other,) = [arguments(call["args"])["BASE"] for call in calls if call["name"] == "buildah"]
        self.assertNotEqual(other, base)

        calls, _ = self.run_it("build", engine="no", BASE="localhost/mine")
        self.assertNotIn("mmdebstrap", [call["name"] for call in calls])

    def test_the_engine_is_named_for_who_runs_the_image(self):
        self.assertEqual(self.run_it("engine")[1], "docker\n")
        self.assertRegex(self.run_it("engine", engine="no")[1], r"^podman --storage-driver overlay --root \S+ .*--runtime runc\n$")
        self.run_it("no-such-word", code=2)

    def test_the_label_has_the_remote_without_what_is_secret_in_it(self):
        for remote, label in (("https://git.example/b.git", "https://git.example/b.git"), ("http://git.example:8080/b", "http://git.example:8080/b"),
                              ("https://me:secret@git.example/b.git", "https://git.example/b.git"), ("https://secret@git.example/b", "https://git.example/b"),
                              ("https://me:se@cret@git.example/b", "https://git.example/b"), ("https://me:se/cret@git.example/b", ""),
                              ("https://git.example/b?token=secret", "https://git.example/b"), ("https://git.example/b#secret", "https://git.example/b"),
                              ("https://me:se#cret@git.example/b", "https://git.example/b"), ("https://se?cret@git.example/b", "https://git.example/b"),
                              ("https://git.example/b?as=me:secret@x", ""), ("git@git.example:b.git", ""), ("ssh://me:secret@git.example/b", ""), ("/home/me/b", ""), ("", "")):
            call = self.build(remote=remote)
            self.assertEqual(arguments(call["args"])["SOURCE"], label, remote)
            self.assertNotIn("cret", " ".join(call["args"]))
        call = self.build(engine="no", remote="https://me:secret@git.example/b", BASE="some")
        self.assertEqual(arguments(call["args"])["SOURCE"], "https://git.example/b")

    def test_the_authorities_that_npm_is_told_of_are_lent_for_the_build(self):
        for engine in ("yes", "no"):
            self.assertEqual(self.build(engine=engine, NODE_EXTRA_CA_CERTS=self.authorities)["lent"], "an authority")
            self.assertFalse(os.path.exists(self.lent))
            self.assertIsNone(self.build(engine=engine)["lent"])
            self.assertIsNone(self.build(engine=engine, NODE_EXTRA_CA_CERTS=self.folder + "/none")["lent"])
            self.assertIsNone(self.build(engine=engine, NODE_EXTRA_CA_CERTS=self.authorities, DOCS="OFF")["lent"])
        self.assertEqual(self.build(code=7, FAIL="1", NODE_EXTRA_CA_CERTS=self.authorities)["lent"], "an authority")
        self.assertFalse(os.path.exists(self.lent))

    def test_what_was_lent_goes_however_the_build_ends(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            call = self.build(code=128 + number, SIGNAL=str(int(number)), NODE_EXTRA_CA_CERTS=self.authorities)
            self.assertEqual((call["lent"], os.path.exists(self.lent)), ("an authority", False), number)

    def test_authorities_are_found_from_where_one_stands(self):
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        self.assertEqual(self.build(NODE_EXTRA_CA_CERTS="mine.pem")["lent"], "an authority")

    def test_authorities_put_there_by_hand_stay(self):
        self.write("authorities.crt", "by hand")
        self.assertEqual(self.build(NODE_EXTRA_CA_CERTS=self.authorities)["lent"], "by hand")
        self.assertTrue(os.path.exists(self.lent))


class InstallDeps(unittest.TestCase):
    """scripts/install-deps.sh docs, which the recipe calls, on a machine that has what we say."""

    def run_it(self, *there):
        with tempfile.TemporaryDirectory(prefix="batchgate-deps-") as folder:
            for name in ("sh", "env", "grep", "id"):
                os.symlink(shutil.which(name), os.path.join(folder, name))
            for name, text in (("dpkg-query", "exit 1"), ("apt-get", 'echo "apt-get $*"'), ("sudo", 'exec "$@"'), *((name, "") for name in there)):
                with open(os.path.join(folder, name), "w", encoding="ascii") as out:
                    out.write("#!/bin/sh\n%s\n" % text)
                os.chmod(os.path.join(folder, name), 0o755)
            done = subprocess.run(["/bin/sh", os.path.join(ROOT, "scripts", "install-deps.sh"), "docs"], env={"PATH": folder},
                                  capture_output=True, text=True, check=True, timeout=60)
            self.assertEqual(done.stderr, "")
        return re.findall(r"^apt-get .* install .*--no-install-recommends (.*)$", done.stdout, re.M)

    def test_what_is_there_under_its_command_is_not_installed_over(self):
        """Another source's nodejs brings npm, and is in the way of Debian's npm."""
        self.assertEqual(self.run_it(), ["nodejs npm"])
        self.assertEqual(self.run_it("node"), ["npm"])
        self.assertEqual(self.run_it("node", "npm"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
