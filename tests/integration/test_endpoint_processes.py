#!/usr/bin/python3
"""The processes that run templates, seen from outside: killed, drained, left alone."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import named  # noqa: E402
import world  # noqa: E402


class Processes(named.Case):
    """The helper processes, seen from outside."""

    @classmethod
    def class_config(cls):
        return {"pool": {"threads": 1}, "endpoints": {
            "act": {"url": cls.fault.url("/ok"), "request": "if .item == \"loop\" then (def f: f; f) else {} end", "response": ".index",
                    "timeout": "60s"},
            "wait": {"url": cls.fault.url("/gate", key="w"), "request": "{}", "response": ".index", "timeout": "60s"},
            "back": {"url": cls.fault.url("/gate", key="b"), "fallback": ".index", "timeout": "60s"}}}

    def tearDown(self):
        self.at_rest()
        super().tearDown()

    def warm(self, server=None):
        """The worker's two processes."""
        self.results("act", list(range(20)), server=server)

        def both():
            found = named.helpers(server or self.server)
            return found if len(found) == 2 else None
        return world.wait_for("two helper processes", both)

    def test_the_same_few_processes_serve_every_batch(self):
        before = sorted(self.warm())
        for _ in range(10):
            self.results("act", list(range(200)))
        self.assertEqual(sorted(named.helpers(self.server)), before)

    def test_processes_killed_while_they_idle_are_replaced(self):
        before = self.warm()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        for _ in range(5):
            results = self.results("act", list(range(50)))
            self.assertTrue(all(r["success"] or r["error"]["code"] == "transform_failed" for r in results))
        after = self.warm()
        self.assertFalse(set(before) & set(after))
        self.assertTrue(all(r["success"] for r in self.results("act", list(range(100)))))

    def test_processes_killed_at_work_cost_what_they_worked_on(self):
        before = self.warm()
        running = world.in_thread(self.results, "act", list(range(3000)), options={"concurrency": 40})
        world.wait_for("calls", lambda: self.fault.hits("/ok") > 100)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        results = running.result()
        failed = [r for r in results if not r["success"]]
        self.assertLessEqual(len(failed), len(before))
        for result in failed:
            self.assertEqual(result["error"]["code"], "transform_failed")
        self.assertEqual([r["result"] for r in results if r["success"]], [r["index"] for r in results if r["success"]])
        self.warm()

    def test_helpers_hold_no_secret_and_nothing_of_the_server(self):
        for pid in self.warm() + [named.forker(self.server)]:
            with open("/proc/%d/environ" % pid, "rb") as source:
                text = source.read()
            self.assertEqual(text.strip(b"\0"), b"")

    def test_without_a_forker_items_fail_and_the_server_lives(self):
        server = self.start(self.server.config)
        self.warm(server)
        pids = named.helpers(server)
        os.kill(named.forker(server), signal.SIGKILL)
        world.wait_for("what it made to end", lambda: not [p for p in pids if named.alive(p)])
        results = self.results("act", [1, 2, 3], server=server, options={"timeout_ms": 20000})
        for result in results:
            self.failed(result)
        self.assertEqual(self.one(server=server, url=self.fault.url("/ok"))["status"], 200)
        self.assertEqual(server.get("/readyz").status, 200)
        server.stop()

    def test_no_process_outlives_the_server(self):
        server = self.start(self.server.config)
        pids = self.warm(server) + [named.forker(server)]
        server.stop()
        world.wait_for("all of them to end", lambda: not [p for p in pids if named.alive(p)])
        server = self.start(self.server.config)
        pids = self.warm(server) + [named.forker(server)]
        os.kill(server.serving_pid, signal.SIGKILL)
        server.stopped = True
        world.wait_for("all of them to end", lambda: not [p for p in pids if named.alive(p)])

    def test_a_client_that_leaves_while_templates_run_leaves_nothing_behind(self):
        self.warm()
        self.at_rest()
        memory = self.server.metrics()
        body = json.dumps({"items": ["loop"] * 20 + list(range(500))}).encode()
        for shape in ("application/json", "application/x-ndjson"):
            with self.server.connect() as sock:
                sock.sendall(world.frame("POST", "/v1/batch/act", body, [("Content-Type", "application/json"), ("Accept", shape)]))
                world.wait_for("the batch to run", lambda: self.server.metrics().of("batchgate_in_flight") > 0)
            self.at_rest()
        world.wait_for("the memory to come back", lambda: self.server.metrics().of("batchgate_memory_bytes") <= memory.of("batchgate_memory_bytes"))
        self.assertTrue(all(r["success"] for r in self.results("act", list(range(50)))))

    def test_a_drain_ends_what_runs_and_answers_it(self):
        for limit, loops in (("100s", 2), ("100ms", 40)):
            server = self.start({**self.server.config, "server": {"port": 0, "drain_timeout": limit}})
            running = world.in_thread(self.send, "act", ["loop"] * loops + list(range(20)), server=server)
            world.wait_for("the batch to run", lambda: server.metrics().of("batchgate_in_flight") > 0)
            os.kill(server.serving_pid, signal.SIGTERM)
            document = running.result().json()
            named.check_document(document, loops + 20)
            codes = {r["error"] and r["error"]["code"] for r in document["results"]}
            self.assertLessEqual(codes, {None, "transform_failed", "cancelled"})
            if limit == "100s":
                self.assertNotIn("cancelled", codes)
            server.ended(0)

    def test_a_shutdown_waits_for_no_fallback(self):
        server = self.start({**self.server.config, "server": {"port": 0, "drain_timeout": "100ms"}})
        running = world.in_thread(self.send, "back", list(range(30)), options={"concurrency": 3}, server=server)
        world.wait_for("calls", lambda: self.fault.hits("/gate") == 3)
        os.kill(server.serving_pid, signal.SIGTERM)
        document = running.result().json()
        named.check_document(document, 30)
        for result in document["results"]:
            self.assert_error(result, "cancelled", "drain")
            self.assertEqual((result["fallback_used"], result["result"]), (False, None))
        server.ended(0)


if __name__ == "__main__":
    world.main()
