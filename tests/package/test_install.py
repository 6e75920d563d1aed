#!/usr/bin/python3
"""`make install`: exactly the files it should, an example that is taken, a unit that is right and tight, and a server that
works, templates included, under what the unit takes away."""
import glob
import gzip
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs"))
import daemon  # noqa: E402
import package  # noqa: E402
import page  # noqa: E402
import world  # noqa: E402
from package import BUILD, ROOT, run  # noqa: E402

SCORE_MAX = 1.1  # docs/packages.md names it
WALLS = {"seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"}
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}


def tree(folder):
    return {os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names}


def shown():
    """Of examples/ and docker/ what is part of the source and no recipe of a build."""
    for folder in ("examples", "docker"):
        for at, folders, names in os.walk(os.path.join(ROOT, folder)):
            folders[:] = [name for name in folders if name not in ("tls", "__pycache__")]
            for name in names:
                if not name.startswith((".env", "secret")) and name not in ("Dockerfile", "gather.sh"):
                    yield os.path.relpath(os.path.join(at, name), ROOT)


def expected(prefix, config="etc/batchgate"):
    doc = prefix + "/share/doc/batchgate/"
    return {config + "/batchgate.yaml", prefix + "/bin/batchgate", prefix + "/lib/systemd/system/batchgate.service",
            prefix + "/lib/sysusers.d/batchgate.conf", prefix + "/share/bash-completion/completions/batchgate",
            prefix + "/share/man/man5/batchgate.yaml.5.gz", prefix + "/share/man/man8/batchgate.8.gz",
            doc + "README.md", doc + "SECURITY.md", doc + "openapi.yaml", doc + "copyright", doc + "changelog.gz",
            *(doc + name for name in shown()),
            *(doc + "docs/" + os.path.basename(path) for path in glob.glob(os.path.join(ROOT, "docs", "*.md")))}


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = package.install()
        cls.addClassCleanup(shutil.rmtree, cls.root)
        cls.unit_path = os.path.join(cls.root, "usr/lib/systemd/system/batchgate.service")
        cls.unit = package.unit_of(cls.unit_path)

    def test_exactly_these_files(self):
        self.assertEqual(tree(self.root), expected("usr"))

    def test_modes(self):
        for name in tree(self.root):
            mode = stat.S_IMODE(os.stat(os.path.join(self.root, name)).st_mode)
            self.assertEqual(oct(mode), oct(0o755 if name == "usr/bin/batchgate" else 0o644), name)

    def test_every_link_of_the_guide_leads_to_what_is_installed(self):
        root = os.path.join(self.root, "usr/share/doc/batchgate")
        pages = sorted(name for name in tree(root) if name.endswith(".md"))
        self.assertIn("docs/README.md", pages)
        self.assertEqual([fault for name in pages for fault in page.Page(name, root=root).broken_links()], [])

    def test_a_link_to_what_is_not_installed_is_noticed(self):
        root = os.path.join(self.root, "usr/share/doc/batchgate")
        faults = list(page.Page("docs/README.md", "[a](../CMakeLists.txt) [b](packages.md#no-such)", root).broken_links())
        self.assertEqual(len(faults), 2, faults)

    def test_another_prefix_is_where_the_unit_looks(self):
        other = package.install("/opt/batchgate")
        self.addCleanup(shutil.rmtree, other)
        self.assertEqual(tree(other), expected("opt/batchgate"))
        unit = package.unit_of(os.path.join(other, "opt/batchgate/lib/systemd/system/batchgate.service"))
        self.assertEqual(unit["ExecStart"], ["/opt/batchgate/bin/batchgate serve --config /etc/batchgate/batchgate.yaml"])

    def test_a_configuration_that_is_there_stays(self):
        other = package.install()
        self.addCleanup(shutil.rmtree, other)
        path = os.path.join(other, "etc/batchgate/batchgate.yaml")
        with open(path, "w", encoding="ascii") as file:
            file.write("# mine\n")
        package.install(into=other)
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "# mine\n")

    def test_man_pages_can_be_read(self):
        for page in ("man5/batchgate.yaml.5", "man8/batchgate.8"):
            with gzip.open(os.path.join(self.root, "usr/share/man", page + ".gz"), "rt", encoding="utf-8") as text:
                self.assertTrue(text.read().startswith(".TH BATCHGATE"))

    def test_the_example_is_taken_and_opens_nothing(self):
        path = os.path.join(self.root, "etc/batchgate/batchgate.yaml")
        code, out, err = world.run_tool("check", "--config", path)
        self.assertEqual((code, err), (0, ""))
        self.assertIn("listens on 127.0.0.1 port 8080, keys 0", out)
        code, out, _ = world.run_tool("check", "--print", "--config", path)
        for line in ("allow_anonymous: false", "allow_private: false", "allow: []"):
            self.assertIn(line, out)

    def check(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            return world.run_tool("check", "--config", file.name, env={"REWRITE_KEY": "k"})

    def test_the_examples_that_are_comments_are_right_too(self):
        with open(os.path.join(self.root, "etc/batchgate/batchgate.yaml"), encoding="utf-8") as file:
            text = file.read()
        text = re.sub(r"(?m)^#(?=\w|  )", "", text)  # as its head says
        self.assertNotEqual(self.check(text)[0], 0, "a hash that is none is refused")
        text = text.replace("WHAT_BATCHGATE_KEY_PRINTS", "ab" * 32).replace("host: 127.0.0.1 ", 'host: "::" ')
        code, out, err = self.check(text)
        self.assertEqual((code, err), (0, ""))
        self.assertIn("keys 1, upstreams 1, endpoints 1", out)

    def test_sysusers_makes_the_user(self):
        package.need("systemd-sysusers")
        os.makedirs(os.path.join(self.root, "etc"), exist_ok=True)
        made = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, made)
        os.mkdir(os.path.join(made, "etc"))
        run("systemd-sysusers", "--root=" + made, os.path.join(self.root, "usr/lib/sysusers.d/batchgate.conf"))
        with open(os.path.join(made, "etc/passwd"), encoding="ascii") as file:
            self.assertRegex(file.read(), r"(?m)^batchgate:x:\d+:\d+:batchgate:/var/lib/batchgate:/usr/sbin/nologin$")

    # the unit

    def verify(self, path):
        """What systemd-analyze says of this unit alone, of which the commands are not where it looks."""
        package.need("systemd-analyze")
        lines = run("systemd-analyze", "verify", "--man=no", path, code=None).splitlines()
        return [line for line in lines if os.path.basename(path) in line and "is not executable" not in line
                and "Failed to create" not in line]

    def test_systemd_has_nothing_to_say_of_the_unit(self):
        self.assertEqual(self.verify(self.unit_path), [])

    def test_a_wrong_unit_is_noticed(self):
        with open(self.unit_path, encoding="utf-8") as file:
            text = file.read()
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "wrong.service")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("PrivateTmp=yes", "PrivateTemp=yes"))
        self.assertIn("PrivateTemp", "".join(self.verify(path)))

    def score(self, path):
        shown = run("systemd-analyze", "security", "--offline=true", "--no-pager", path)
        return float(re.search(r"exposure level for \S+: ([\d.]+)", shown).group(1))

    def test_the_score_does_not_get_worse_and_is_what_the_docs_say(self):
        package.need("systemd-analyze")
        score = self.score(self.unit_path)
        self.assertLessEqual(score, SCORE_MAX)
        with open(os.path.join(ROOT, "docs", "packages.md"), encoding="utf-8") as file:
            self.assertIn("%.1f OK" % SCORE_MAX, file.read())

    def test_what_the_unit_promises(self):
        unit = {key: values[-1] for key, values in self.unit.items()}
        self.assertEqual(unit["ExecStart"], "/usr/bin/batchgate serve --config /etc/batchgate/batchgate.yaml")
        self.assertEqual(unit["ExecReload"], "/bin/kill -HUP $MAINPID")
        self.assertEqual((unit["Restart"], unit["RestartPreventExitStatus"]), ("on-failure", "2"))
        self.assertEqual((unit["StateDirectory"], unit["WorkingDirectory"]), ("batchgate", "%S/batchgate"))
        self.assertEqual(unit["OOMPolicy"], "continue") # the default ends the server for one jq helper
        self.assertEqual((unit["User"], unit["NoNewPrivileges"], unit["CapabilityBoundingSet"]), ("batchgate", "yes", ""))

    def test_the_unit_waits_for_longer_than_a_drain_takes(self):
        path = os.path.join(self.root, "etc/batchgate/batchgate.yaml")
        _, out, _ = world.run_tool("check", "--print", "--config", path)
        drain = sum(int(re.search(r"%s: (\d+)s" % key, out).group(1)) for key in ("drain_delay", "drain_timeout"))
        self.assertGreaterEqual(int(self.unit["TimeoutStopSec"][0]), drain + 30)

    def test_the_open_files_are_enough(self):
        hard = int(self.unit["LimitNOFILE"][0])
        path = os.path.join(self.root, "etc/batchgate/batchgate.yaml")
        run("prlimit", "--nofile=%d:%d" % (min(hard, 20000), min(hard, 20000)), world.BINARY, "check", "--config", path)


class Confined(world.Case):
    """The server under the unit's filter, as far as it can be had without systemd: tests/package/confined.c."""

    def setUp(self):
        super().setUp()
        package.need("systemd-analyze")
        root = package.install()
        self.addCleanup(shutil.rmtree, root)
        self.unit = package.unit_of(os.path.join(root, "usr/lib/systemd/system/batchgate.service"))
        self.folder_of_wrapper = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder_of_wrapper)

    def confine(self, calls):
        """From now on servers of this test start confined."""
        names = os.path.join(self.folder_of_wrapper, "calls")
        with open(names, "w", encoding="ascii") as file:
            file.write("\n".join(sorted(calls)) + "\n")
        families = ",".join(str(FAMILIES[name]) for name in self.unit["RestrictAddressFamilies"][0].split())
        argv = [os.path.join(BUILD, "confined"), names, families]
        wrapper = os.path.join(self.folder_of_wrapper, "batchgate")
        with open(wrapper, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexec %s %s \"$@\"\n" % (" ".join(argv), world.BINARY))
        os.chmod(wrapper, 0o755)
        kept, daemon.BINARY = daemon.BINARY, wrapper
        self.addCleanup(setattr, daemon, "BINARY", kept)
        return argv

    def endpoints(self):
        return {"endpoints": {"double": {
            "url": self.fault.url("/ok"), "request": "{query: {n: (.item * 2 | tostring)}}",
            "response": "{status, match: (\"a1\" | test(\"^[a-z][0-9]$\"))}"}}}

    def batch_of_templates(self, server):
        answer = server.post({"items": list(range(50))}, "/v1/batch/double")
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["results"]

    def test_templates_work_under_the_filter_of_the_unit(self):
        self.confine(package.filter_of(self.unit))
        server = self.start(self.endpoints())
        with open("/proc/%d/status" % server.pid, encoding="ascii") as status:
            text = status.read()
        self.assertRegex(text, r"NoNewPrivs:\s+1")
        self.assertRegex(text, r"Seccomp_filters:\s+4")
        results = self.batch_of_templates(server)
        self.assertEqual([r["result"] for r in results], [{"status": 200, "match": True}] * 50)
        self.assertEqual(server.events("template_sandbox"), [])
        self.assertTrue(self.batch([{"url": self.fault.url("/ok")}], server=server)["results"][0]["success"])

    def test_it_reloads_and_stops_under_the_filter(self):
        self.confine(package.filter_of(self.unit))
        server = self.start(self.endpoints())
        server.signal(1)
        world.wait_for("the reload", lambda: server.event("reloaded"))
        self.assertTrue(all(r["success"] for r in self.batch_of_templates(server)))
        server.stop()

    def test_without_its_last_line_the_filter_would_take_the_walls_of_the_helpers(self):
        """With the groups of systemd 252; in 257 they are part of what every service has."""
        self.unit["SystemCallFilter"] = [line for line in self.unit["SystemCallFilter"] if "landlock" not in line]
        left = package.filter_of(self.unit)
        self.confine(left)
        server = self.start(self.endpoints())
        results = self.batch_of_templates(server)
        if WALLS <= package.calls_of("@default", run):
            self.assertLessEqual(WALLS, left)
            self.assertEqual([r["result"] for r in results], [{"status": 200, "match": True}] * 50)
            self.assertEqual(server.events("template_sandbox"), [])
            return
        remark = world.wait_for("the remark", lambda: server.event("template_sandbox"))
        self.assertIn("no Landlock", remark["message"])
        self.assertIn("no seccomp", remark["message"])

    def test_without_netlink_it_says_what_is_missing(self):
        self.unit["RestrictAddressFamilies"] = [self.unit["RestrictAddressFamilies"][0].replace("AF_NETLINK", "")]
        argv = self.confine(package.filter_of(self.unit))
        path = world.write_config(self.folder, self.endpoints())
        shown = run(*argv, os.environ["BATCHGATE_BIN"], "check", "--config", path, code=2)
        self.assertIn("AF_NETLINK must be allowed", shown)

    def test_the_restrictions_do_restrict(self):
        argv = self.confine(package.filter_of(self.unit))
        script = ("import errno, mmap, os, socket, sys\n"
                  "def refused(what, *names):\n"
                  "    try:\n        what()\n"
                  "    except OSError as error:\n"
                  "        return errno.errorcode[error.errno] in names\n"
                  "    return False\n"
                  "print([refused(lambda: mmap.mmap(-1, 4096, prot=7), 'EPERM', 'EACCES'),\n"
                  "       refused(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW), 'EAFNOSUPPORT'),\n"
                  "       refused(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)), 'EPERM'),\n"
                  "       refused(lambda: os.chroot('/'), 'EPERM'), socket.socket().close() is None])\n")
        shown = run(*argv, "/usr/bin/python3", "-c", script)
        self.assertEqual(json.loads(shown.lower()), [True] * 5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
