#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=5
"""SIGHUP: a good configuration takes effect, a bad one changes nothing, and no request is lost."""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


class Reload(world.Case):
    def rewrite(self, server, config):
        world.write_config(os.path.dirname(server.config_path), config, os.path.basename(server.config_path))
        before = len(server.events())
        server.signal(signal.SIGHUP)
        return world.wait_for("a line about the reload", lambda: [e for e in server.events()[before:] if "reload" in json.dumps(e)])

    def test_a_good_one_takes_effect(self):
        server = self.start()
        self.assertTrue(self.one(server=server, url=self.fault.url("/ok"))["success"])
        self.rewrite(server, {"server": {"port": 0}, "targets": {"allow_private": True, "deny": ["127.0.0.0/8"]}, "limits": {"max_items": 2}})
        world.wait_for("the new limit", lambda: server.post({"items": [{}] * 3}).status == 413)
        self.assert_error(self.one(server=server, url=self.fault.url("/ok")), "blocked_target", "address_denied")

    def test_keys_can_be_changed(self):
        server = self.start()
        key, digest = world.make_key()
        self.rewrite(server, {"server": {"port": 0}, "auth": {"keys": [{"name": "new", "sha256": [digest]}]}})
        world.wait_for("401 without the key", lambda: server.post({"items": []}).status == 401)
        self.assertEqual(server.post({"items": []}, headers={"Authorization": "Bearer " + key}).status, 200)

    def test_a_bad_one_changes_nothing_and_says_why(self):
        server = self.start()
        for config in ({"server": {"prot": 1}}, {"limits": {"max_items": "many"}}):
            events = self.rewrite(server, config)
            self.assertTrue(any(e["level"] in ("error", "warn") for e in events), events)
            self.assertIn("prot" if "server" in config else "max_items", json.dumps(events))
            self.assertTrue(self.one(server=server, url=self.fault.url("/ok"))["success"])
        with open(server.config_path, "w", encoding="ascii") as out:
            out.write("{: not yaml")
        known = len(server.events("reload_failed"))
        server.signal(signal.SIGHUP)
        event = world.wait_for("the line about it", lambda: server.events("reload_failed")[known:])[0]
        self.assertIn(os.path.basename(server.config_path), event["fault"])
        self.assertTrue(self.one(server=server, url=self.fault.url("/ok"))["success"])

    def test_under_load_no_request_is_lost(self):
        server = self.start()
        stop = time.monotonic() + 4
        counts = []

        def load():
            done = 0
            while time.monotonic() < stop:
                document = self.batch([{"url": self.fault.url("/ok")} for _ in range(5)], server=server)
                self.assertEqual(document["summary"]["succeeded"], 5)
                done += 1
            counts.append(done)
        runs = [world.in_thread(load) for _ in range(4)]
        flip = 0
        while time.monotonic() < stop:
            config = {"server": {"port": 0}, "targets": {"allow_private": True}, "pool": {"max_in_flight": 10 + flip % 5}}
            if flip % 3 == 2:
                config["nonsense"] = 1
            world.write_config(os.path.dirname(server.config_path), config, os.path.basename(server.config_path))
            server.signal(signal.SIGHUP)
            flip += 1
            time.sleep(0.05)
        for run in runs:
            run.result()
        self.assertEqual(len(counts), 4)


if __name__ == "__main__":
    world.main()
