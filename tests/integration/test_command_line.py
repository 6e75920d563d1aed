#!/usr/bin/python3
"""The command line: `check`, flags before environment before file, and how a start that fails is told."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


class CommandLine(world.Case):
    def check(self, config, *args, env=None):
        path = world.write_config(self.folder, config, "checked.yaml")
        return (path, *world.run_tool("check", "--config", path, *args, env=env))

    def test_a_good_configuration(self):
        _, code, _, err = self.check({"server": {"port": 8080}})
        self.assertEqual(code, 0, err)

    def test_print_shows_the_whole_and_can_be_read_again(self):
        _, code, out, err = self.check({"limits": {"max_items": 77}, "auth": {"keys": [{"name": "a", "sha256": ["ab" * 32]}]}}, "--print",
                                       "--limits-max-depth=50", env={"BATCHGATE_POOL_MAX_IN_FLIGHT": "99"})
        self.assertEqual(code, 0, err)
        for text in ("max_items: 77", "max_depth: 50", "max_in_flight: 99", "header_timeout: 10s"):
            self.assertIn(text, out)

    def test_what_is_printed_is_a_configuration(self):
        _, _, out, _ = self.check({"limits": {"max_items": 77}}, "--print")
        path = os.path.join(self.folder, "printed.yaml")
        with open(path, "w", encoding="utf-8") as target:
            target.write(out)
        code, again, err = world.run_tool("check", "--config", path, "--print")
        self.assertEqual((code, again), (0, out), err)

    def test_faults_are_told_with_file_and_line(self):
        path = os.path.join(self.folder, "faulty.yaml")
        for text, line, key in (("server:\n  prot: 8080\n", 2, "server.prot"), ("limits:\n  max_items: many\n", 2, "limits.max_items"),
                                ("server: {port: 70000}\n", 1, "server.port"), ("pool:\n  threads: -1\n", 2, "pool.threads"),
                                ("limits:\n\n  max_body: 8 apples\n", 3, "limits.max_body"), ("server: {drain_timeout: 20}\n", 1, "server.drain_timeout"),
                                ("log: {level: loud}\n", 1, "log.level"), ("server:\n  host: ${NOT_SET_ANYWHERE}\n", 2, "NOT_SET_ANYWHERE"),
                                ("targets: {allow: [\"300.1.1.1/8\"]}\n", 1, "targets.allow")):
            with self.subTest(text=text):
                with open(path, "w", encoding="ascii") as out:
                    out.write(text)
                for command in ("check", "serve"):
                    code, _, err = world.run_tool(command, "--config", path)
                    self.assertEqual(code, 2, err)
                    self.assertIn(key, err)
                    self.assertRegex(err, r"faulty\.yaml:%d\b" % line)

    def test_what_is_no_command_is_told_which_was_meant(self):
        for command, hint in (("chekc", "check"), ("serv", "serve"), ("version", "--version"), ("a.yaml", "--config a.yaml")):
            code, _, err = world.run_tool(command)
            self.assertEqual((code, err), (2, "batchgate: no such command: \"%s\"; did you mean %s?\n" % (command, hint)))

    def test_settings_that_do_nothing_yet_stop_the_start(self):
        for config in ({"openai": {"base_url": "http://x/"}}, {"jobs": {"retention": "8d"}}, {"server": {"hardening": "on"}}):
            _, code, _, err = self.check(config)
            self.assertEqual(code, 2, err)
            self.assertTrue(err.strip())

    def test_flags_win_over_environment_over_file(self):
        _, _, out, _ = self.check({"limits": {"max_items": 1}}, "--print", env={"BATCHGATE_LIMITS_MAX_ITEMS": "2"})
        self.assertIn("max_items: 2", out)
        _, _, out, _ = self.check({"limits": {"max_items": 1}}, "--print", "--limits-max-items=3", env={"BATCHGATE_LIMITS_MAX_ITEMS": "2"})
        self.assertIn("max_items: 3", out)

    def test_environment_that_is_not_ours_is_ignored_with_a_warning(self):
        _, code, out, err = self.check({}, "--print", env={"BATCHGATE_NONSENSE": "1", "BATCHGATE_SERVER_PORT": "tcp://10.0.0.1:80"})
        self.assertEqual(code, 0, err)
        self.assertIn("port: 8080", out)
        self.assertIn("BATCHGATE_NONSENSE", err)
        self.assertIn("BATCHGATE_SERVER_PORT", err)

    def test_usage_faults_exit_with_2(self):
        for args in (["nonsense"], ["serve", "--nonsense=1"], ["serve", "--config", "/nowhere.yaml"], ["check", "extra"], ["key", "--x"]):
            code, _, err = world.run_tool(*args)
            self.assertEqual(code, 2, args)
            self.assertTrue(err)

    def test_a_port_in_use_exits_with_3(self):
        code, _, err = world.run_tool("serve", "--server-port=%d" % self.fault.ports["http"])
        self.assertEqual(code, 3, err)
        self.assertIn(str(self.fault.ports["http"]), err)

    def test_serve_may_be_left_out(self):
        code, _, err = world.run_tool("--server-port=%d" % self.fault.ports["http"])
        self.assertEqual(code, 3, err)

    def test_more_connections_than_files_are_refused_with_the_figures(self):
        path = world.write_config(self.folder, {"server": {"max_connections": 1000000}}, "many.yaml")
        for command in ("check", "serve"):
            code, _, err = world.run_tool(command, "--config", path)
            self.assertEqual(code, 2, err)
            self.assertIn("hard limit", err)
            self.assertIn("max_connections 1000000", err)

    def test_output_that_nothing_takes_exits_with_3(self):
        path = world.write_config(self.folder, {}, "fine.yaml")
        for args in (["--help"], ["--version"], ["key"], ["check", "--config", path], ["check", "--print", "--config", path]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([world.BINARY, *args], stdout=full, stderr=subprocess.PIPE, env=world.environment(),
                                      timeout=world.WAIT, check=False)
            self.assertEqual(done.returncode, 3, args)
            self.assertIn(b"standard output", done.stderr)


if __name__ == "__main__":
    world.main()
