#!/usr/bin/python3
"""A configuration that changes while batches of named endpoints run."""
import json
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import named  # noqa: E402
import world  # noqa: E402


class Reload(named.Case):
    @classmethod
    def class_config(cls):
        return cls.version(cls, "a")

    def version(self, name, **more):
        return {"pool": {"threads": 1}, "endpoints": {
            "say": {"url": self.fault.url("/echo/" + name), "headers": {"X-Version": name}, "params": {"p": {"default": name}},
                    "query": {"q": name},
                    "response": '{made: "%s", target: .body.target, p: .params.p, n: .index}' % name},
            **more}}

    def put(self, config, server=None):
        server = server or self.server
        with open(server.config_path + ".new", "w", encoding="utf-8") as out:
            json.dump(world.merge(world.BASE, config), out, indent=1)
        os.rename(server.config_path + ".new", server.config_path)

    def reload(self, config, event="reloaded", server=None):
        server = server or self.server
        seen = len(server.events(event))
        self.put(config, server)
        os.kill(server.serving_pid, signal.SIGHUP)
        return world.wait_for(event, lambda: server.events(event)[seen:])[-1]

    def one_version(self, document):
        versions = set()
        for index, result in enumerate(document["results"]):
            self.assertTrue(result["success"], result)
            made = result["result"]
            self.assertEqual(made["n"], index)
            self.assertEqual(made["target"], "/echo/%s?q=%s" % (made["made"], made["made"]))
            self.assertEqual(made["p"], made["made"])
            versions.add(made["made"])
        self.assertEqual(len(versions), 1, versions)
        return versions.pop()

    def test_each_batch_is_all_of_one_version_while_two_are_swapped(self):
        left, lock, seen, failures = list(range(200)), threading.Lock(), [], []

        def client():
            while True:
                with lock:
                    if not left or failures:
                        return
                    left.pop()
                try:
                    seen.append(self.one_version(self.document("say", list(range(10)), options={"concurrency": 4})))
                except BaseException as error:  # told by the test's own thread
                    failures.append(error)
        clients = [threading.Thread(target=client) for _ in range(4)]
        for thread in clients:
            thread.start()
        swaps = 0
        while any(t.is_alive() for t in clients):
            self.reload(self.version("ba"[swaps % 2]))
            swaps += 1
        for thread in clients:
            thread.join()
        if failures:
            raise failures[0]
        self.assertEqual(len(seen), 200)
        self.assertEqual(set(seen), {"a", "b"})
        self.assertGreater(swaps, 3)

    def test_a_hundred_reloads_leave_no_process_and_little_memory_behind(self):
        server = self.start(self.server.config)
        for n in range(10):
            self.reload(self.version("r%d" % n), server=server)
            self.one_version(self.document("say", [1, 2, 3], server=server))
        before = server.rss(peak=False)
        for n in range(100):
            self.reload(self.version("s%d" % n), server=server)
            if n % 10 == 0:
                self.assertEqual(self.one_version(self.document("say", [1, 2, 3], server=server)), "s%d" % n)
        self.assertLess(server.rss(peak=False) - before, world.memory_bound(8 << 20))
        self.assertLessEqual(len(named.helpers(server)), 4)
        self.assertLess(server.open_files(), 100)

    def test_a_program_that_is_broken_changes_nothing_and_is_named(self):
        self.reload(self.version("a"))
        for broken, what in (("{body: ", "syntax"), ("$ENV", "ENV"), ("nobody", "nobody")):
            config = self.version("z")
            config["endpoints"]["say"]["response"] = broken
            self.put(config)
            event = self.reload(config, "config_refused" if self.server.events("config_refused") else self.fault_event(config))
            text = json.dumps(event)
            self.assertRegex(text, r"batchgate\.yaml:\d+(:\d+)?: ")
            self.assertIn("say", text)
            self.assertEqual(self.one_version(self.document("say", [1, 2])), "a", what)

    def fault_event(self, config):
        """The name of the log line that a refused configuration makes."""
        seen = len(self.server.events())
        self.put(config)
        os.kill(self.server.serving_pid, signal.SIGHUP)
        return world.wait_for("a line of the log", lambda: [e for e in self.server.events()[seen:] if e["level"] in ("error", "warn")])[-1]["event"]

    def test_a_batch_ends_though_its_endpoint_is_removed(self):
        self.reload(self.version("a", gone={"url": self.fault.url("/gate", key="gone"), "response": '{still: "%s"}' % "here", "fallback": "0"}))
        running = world.in_thread(self.document, "gone", list(range(10)), options={"concurrency": 5})
        world.wait_for("its calls", lambda: self.fault.stats()["active"].get("/gate") == 5)
        self.reload(self.version("b"))
        self.assertEqual(self.send("gone", [1]).status, 404)
        self.assertEqual(self.server.get("/v1/endpoints/gone").status, 404)
        self.fault.open("gone")
        self.assertEqual([r["result"] for r in running.result()["results"]], [{"still": "here"}] * 10)

    def test_a_token_file_is_read_again(self):
        path = os.path.join(self.folder, "rotated")
        config = {"endpoints": {"t": {"url": self.fault.url("/echo"), "headers": {"Authorization": "Bearer ${file:%s}" % path}}}}
        for token in ("first-token-1", "second-token-2"):
            with open(path, "w", encoding="ascii") as out:
                out.write(token + "\n")
            self.reload(config)
            self.single("t", 1)
            self.assertEqual(world.headers_of(self.fault.asked()[-1], "authorization"), ["Bearer " + token])
        self.reload(self.version("a"))


if __name__ == "__main__":
    world.main()
