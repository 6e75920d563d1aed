#!/usr/bin/python3
"""What an operator looks at: health, version, help, metrics, traces."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


class Health(world.Case):
    def test_bodies(self):
        health, ready = self.server.get("/healthz"), self.server.get("/readyz")
        self.assertEqual((health.status, health.json()), (200, {"status": "ok"}))
        self.assertEqual((ready.status, ready.json()), (200, {"status": "ready"}))
        self.assertEqual(health.header("content-type"), "application/json")

    def test_version(self):
        value = self.server.get("/version").json()
        self.assertRegex(value["version"], r"^\d+\.\d+\.\d+")
        code, out, _ = world.run_tool("--version")
        self.assertEqual(code, 0)
        self.assertIn(value["version"], out)

    def test_openapi(self):
        answer = self.server.get("/openapi.yaml")
        self.assertEqual(answer.status, 200)
        self.assertRegex(answer.header("content-type"), r"^application/(yaml|openapi\+yaml|vnd\.oai\.openapi)")
        text = answer.body.decode()
        self.assertIn("openapi: 3.1", text)
        for path in ("/v1/batch", "/healthz", "/readyz", "/metrics", "/version", "/openapi.yaml"):
            self.assertIn(path + ":", text)

    def test_help(self):
        every = world.run_tool("--help")
        self.assertEqual((every[0], every[2], "pool.max_in_flight" in every[1]), (0, "", True))
        for name, flag in (("serve", "--config FILE"), ("run", "--retry-failed"), ("check", "--print"), ("health", "--config FILE"),
                           ("key", "--hash")):
            own = world.run_tool(name, "--help")
            self.assertEqual((own[0], own[2]), (0, ""))
            self.assertIn("Usage:\n  batchgate %s" % name, own[1])
            for part in (flag, "Examples:\n", "Exit codes:\n"):
                self.assertIn(part, own[1])
            for part in ("pool.max_in_flight", "batchgate key --" if name != "key" else "batchgate check"):
                self.assertNotIn(part, own[1])
            for args in ([name, "-h"], ["help", name], [name, "--config=/nowhere", "--help"]):
                self.assertEqual(world.run_tool(*args), own, args)
        self.assertIn("batchgate COMMAND --help", every[1])
        for args in (["help"], ["help", "--help"], ["help", "-h"]):
            self.assertEqual(world.run_tool(*args), every, args)
        self.assertEqual(world.run_tool("help", "helth")[0], 2)

    def test_the_log_line_listening(self):
        event = self.server.event("listening")
        self.assertEqual(event["level"], "info")
        self.assertIn(str(self.server.port), json.dumps(event))
        self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


class Metrics(world.Case):
    def batches(self, server):
        """How many of each status."""
        return {dict(labels)["status"]: v for (name, labels), v in server.metrics().items() if name == "batchgate_batches_total"}

    def test_content(self):
        server = self.start({"upstreams": [{"match": "127.0.0.1", "concurrency": 10}]})
        self.batch([{"url": self.fault.url("/ok")}, {"url": self.fault.url("/status/500")}, {"url": "nonsense"},
                    {"url": self.fault.url("/flaky", key="m"), "retry": {"max_attempts": 2, "backoff_ms": 1}}], server=server)
        server.post(b"{")
        server.request("POST", "/v1/batch", b"{}", {"Content-Type": "text/plain"})
        server.post({"items": []}, headers={"Accept": "image/png"})
        server.post({"items": []}, headers={"Idempotency-Key": "k"})
        server.request("OPTIONS", "/v1/batch")
        server.request("PUT", "/v1/batch", b"{}")
        server.post(b"{}", path="/nowhere")
        # An answer is counted when the last of it has been written: the client may be a moment earlier.
        want = {"200": 1, "400": 2, "406": 1, "415": 1}
        world.wait_for("every batch to be counted", lambda: self.batches(server) == want or sum(self.batches(server).values()) > 5)
        self.assertEqual(self.batches(server), want)
        answer = server.get("/metrics")
        self.assertTrue(answer.header("content-type").startswith("text/plain"))
        metrics = server.metrics()
        self.assertEqual(metrics.of("batchgate_items_total", code="ok"), 2)
        self.assertEqual(metrics.of("batchgate_items_total", code="upstream_status"), 1)
        self.assertEqual(metrics.of("batchgate_items_total", code="invalid_item"), 1)
        self.assertEqual(metrics.total("batchgate_items_total"), 4)
        self.assertEqual(metrics.total("batchgate_attempts_total"), 4)
        self.assertEqual(metrics.total("batchgate_log_lines_lost_total"), 0)
        self.assertEqual(metrics.total("batchgate_in_flight"), 0)
        self.assertEqual(metrics.total("batchgate_queued"), 0)
        self.assertEqual(metrics.of("batchgate_upstream_in_flight", upstream="127.0.0.1"), 0)
        batches = {labels: v for (name, labels), v in metrics.items() if name == "batchgate_batches_total"}
        self.assertTrue(all({n for n, _ in labels} == {"endpoint", "status"} for labels in batches))
        for name in ("batchgate_item_seconds", "batchgate_queue_wait_seconds", "batchgate_batch_seconds"):
            self.assertEqual(metrics.types[name], "histogram")
            buckets = sorted((float(dict(labels)["le"]), v) for (n, labels), v in metrics.items() if n == name + "_bucket")
            self.assertEqual(buckets[-1][0], float("inf"))
            self.assertEqual(buckets[-1][1], metrics.total(name + "_count"))
            self.assertEqual([v for _, v in buckets], sorted(v for _, v in buckets))
        self.assertEqual([metrics.total("batchgate_%s_seconds_count" % n) for n in ("item", "queue_wait", "batch")], [3, 3, 1])

    def test_gauges_while_calls_run(self):
        server = self.start({"upstreams": [{"match": "127.0.0.1:%d" % self.fault.ports["http"]}]})
        run = world.in_thread(self.batch, [{"url": self.fault.url("/gate", key="gauges")} for _ in range(5)], {"concurrency": 2}, server)
        world.wait_for("two in flight", lambda: self.fault.stats()["active"].get("/gate") == 2)
        metrics = server.metrics()
        self.assertEqual(metrics.total("batchgate_in_flight"), 2)
        self.assertEqual(metrics.total("batchgate_queued"), 3)
        self.assertEqual(metrics.of("batchgate_upstream_in_flight", upstream="127.0.0.1:%d" % self.fault.ports["http"]), 2)
        self.fault.open("gauges")
        run.result()

    def test_labels_are_bounded(self):
        self.batch([{"url": "http://127.0.0.%d:1/" % n} for n in range(2, 60)])
        upstreams = {dict(labels).get("upstream") for (name, labels) in self.server.metrics() if "upstream" in dict(labels)}
        self.assertLessEqual(len(upstreams), 2, upstreams)


class Traces(world.Case):
    def test_traceparent_is_continued(self):
        given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        body = {"items": [{"url": self.fault.url("/echo")}]}
        self.server.post(body, headers={"traceparent": given, "tracestate": "vendor=1"})
        record = self.fault.asked("/echo")[0]
        sent = world.headers_of(record, "traceparent")
        self.assertEqual(len(sent), 1)
        self.assertRegex(sent[0], r"^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$")
        self.assertEqual(world.headers_of(record, "tracestate"), ["vendor=1"])

    def test_without_one_none_is_invented_and_a_broken_one_is_dropped(self):
        body = {"items": [{"url": self.fault.url("/echo")}]}
        for given in (None, "garbage", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "00-xyz"):
            self.fault.reset()
            self.server.post(body, headers={"traceparent": given} if given else {})
            self.assertEqual(world.headers_of(self.fault.asked("/echo")[0], "traceparent"), [])


if __name__ == "__main__":
    world.main()
