#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=40
"""Operations: health, metrics, version, drain, reload, check, exit codes, logs without secrets, traces, PID 1."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

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
        for args in (["--help"], ["serve", "--help"], ["check", "--help"], ["key", "--help"]):
            code, out, err = world.run_tool(*args)
            self.assertEqual(code, 0, err)
            self.assertIn("batchgate", out)

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


class Logs(world.Case):
    config = {"log": {"level": "debug", "redact": ["authorization", "x-api-key", "cookie", "set-cookie", "x-own-secret"]}}
    SECRETS = ("s3cret-header", "s3cret-query", "s3cret-body", "s3cret-cookie", "s3cret-own", "s3cret-answer")

    def test_secrets_are_nowhere(self):
        headers = {"Authorization": "Bearer s3cret-header", "X-Api-Key": "s3cret-header", "Cookie": "c=s3cret-cookie", "X-Own-Secret": "s3cret-own"}
        urls = [self.fault.url("/ok", token="s3cret-query"), self.fault.url("/rst", token="s3cret-query"),
                self.fault.url("/status/500", token="s3cret-query"), self.fault.url("/stall", token="s3cret-query"),
                "http://127.0.0.1:1/?token=s3cret-query", "http://169.254.169.254/?token=s3cret-query", "http://a..b/?token=s3cret-query",
                self.fault.url("/redirect", to="/ok?token=s3cret-query"), self.fault.url("/raw", hdr="Set-Cookie: a=s3cret-answer"),
                "http://u:s3cret-query@127.0.0.1/"]
        items = [{"url": u, "headers": headers, "body": {"k": "s3cret-body"}, "timeout_ms": 400} for u in urls]
        self.batch(items)
        for secret in self.SECRETS:
            self.assertNotIn(secret.encode(), self.raw_answer, "in the results")
        self.server.post({"items": items[:1], "options": {"strict": True, "x": 1}}, path="/v1/batch?key=s3cret-query",
                         headers={"Authorization": "Bearer s3cret-header"})
        self.server.get("/nowhere?key=s3cret-query", {"Cookie": "s3cret-cookie"})
        log, metrics = self.server.err(), self.server.get("/metrics").body
        for secret in self.SECRETS:
            self.assertNotIn(secret.encode(), log)
            self.assertNotIn(secret.encode(), metrics)

    def test_one_line_a_batch_and_one_a_failed_item(self):
        server = self.start()
        answer = server.post({"items": [{"id": "good", "url": self.fault.url("/ok")}, {"id": "bad", "url": self.fault.url("/status/500")}]},
                             headers={"X-Request-Id": "log-test"})
        self.assertEqual(answer.status, 200)
        mine = world.wait_for("the lines of the batch", lambda: [e for e in server.events() if e.get("request_id") == "log-test"
                                                                 and len([x for x in server.events() if x.get("request_id") == "log-test"]) >= 2])
        self.assertEqual(len(mine), 2, mine)
        text = json.dumps(mine)
        self.assertIn("upstream_status", text)
        self.assertNotIn("good", text)
        for event in server.events():
            self.assertLessEqual({"time", "level", "event"}, set(event))

    def test_text_format(self):
        server = self.start({"log": {"format": "text"}})
        self.batch([{"url": self.fault.url("/status/500")}], server=server)
        world.wait_for("a line", lambda: b"upstream_status" in server.err())
        self.assertNotIn(b'{"', server.err())

    def test_an_id_cannot_forge_a_log_line(self):
        evil = 'x"}\n{"event":"forged"}\r\n'
        self.batch([{"id": evil, "url": self.fault.url("/status/500")}])
        self.assertEqual(self.server.events("forged"), [])


class StalledLog(world.Case):
    """Standard error is a pipe that nobody reads: lines are lost and counted, and nothing waits for them."""

    def start_stalled(self):
        port = world.free_port()
        path = world.write_config(self.folder, world.merge(world.BASE, {"server": {"port": port, "drain_timeout": "60s"}}), "stalled.yaml")
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        child = subprocess.Popen([world.BINARY, "serve", "--config", path], stdout=subprocess.DEVNULL, stderr=writer,
                                 env=world.environment())
        os.close(writer)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        world.wait_for("the server to listen", lambda: world.listening(port))
        return child, port, reader

    def fill(self, port):
        """2000 refused requests, each with a line of 2 KB and some with one that no pipe takes at once."""
        def ask(size):
            with socket.create_connection(("127.0.0.1", port), world.WAIT) as sock:
                for n in range(500):
                    sock.sendall(world.frame("GET", "/" + "x" * (size if n % 50 else 7000)))
                    self.assertEqual(world.read_answer(sock).status, 404)
        for run in [world.in_thread(ask, 2000) for _ in range(4)]:
            run.result()

    def test_the_server_answers_on_and_ends_when_told(self):
        child, port, reader = self.start_stalled()
        self.fill(port)
        self.assertEqual(world.request(port, "GET", "/healthz").status, 200)
        metrics = world.parse_metrics(world.request(port, "GET", "/metrics").body.decode())
        lost = metrics.total("batchgate_log_lines_lost_total")
        self.assertGreater(lost, 100)
        self.assertLess(lost, 2000)
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(world.WAIT), 0)
        with open(reader, "rb", closefd=False) as source:
            lines = source.read().split(b"\n")
        whole = [line for line in lines if line.startswith(b"{") and line.endswith(b"}")]
        for line in whole:
            json.loads(line)
        self.assertGreaterEqual(len(whole), len(lines) - 2, "at most the last one is cut")

    def test_a_second_sigterm_still_ends_it(self):
        child, port, _ = self.start_stalled()
        body = json.dumps({"items": [{"url": self.fault.url("/stall"), "timeout_ms": 60000}]}).encode()
        sock = socket.create_connection(("127.0.0.1", port), world.WAIT)
        self.addCleanup(sock.close)
        sock.sendall(world.frame("POST", "/v1/batch", body, [("Content-Type", "application/json")]))
        world.wait_for("the call at the upstream", lambda: self.fault.hits("/stall") == 1)
        self.fill(port)
        child.send_signal(signal.SIGTERM)
        world.wait_for("readyz to say 503", lambda: world.request(port, "GET", "/readyz").status == 503)
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(world.WAIT), 128 + signal.SIGTERM)


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


class Drain(world.Case):
    def body(self, count, **query):
        return {"items": [{"url": self.fault.url("/sleep", **query)} for _ in range(count)], "options": {"concurrency": count}}

    def test_sigterm_finishes_what_runs_and_exits_with_0(self):
        server = self.start()
        run = world.in_thread(server.post, self.body(5, ms=1500))
        world.wait_for("the calls at the upstream", lambda: self.fault.hits("/sleep") == 5)
        server.signal(signal.SIGTERM)
        answer = run.result()
        self.assertEqual(answer.json()["summary"]["succeeded"], 5)
        server.ended(0)

    def test_while_draining_everything_but_health_answers_503_and_closes(self):
        server = self.start()
        body = {"items": [{"url": self.fault.url("/gate", key="drain")} for _ in range(2)], "options": {"concurrency": 2}}
        run = world.in_thread(server.post, body)
        world.wait_for("the calls at the upstream", lambda: self.fault.hits("/gate") == 2)
        kept = server.connect()
        self.addCleanup(kept.close)
        kept.sendall(world.frame("GET", "/healthz"))
        self.assertEqual(world.read_answer(kept).status, 200)
        server.signal(signal.SIGTERM)
        world.wait_for("readyz to say 503", lambda: server.get("/readyz").status == 503)
        answer = server.post({"items": []})
        self.assert_problem(answer, 503, "draining")
        self.assertEqual(answer.header("connection", "").lower(), "close")
        self.assertEqual(server.get("/version").status, 503)
        self.assertEqual(server.get("/healthz").status, 200)
        kept.sendall(world.frame("POST", "/v1/batch", b'{"items":[]}', [("Content-Type", "application/json")]))
        answer = world.read_answer(kept)
        self.assertEqual((answer.status, answer.header("connection", "").lower()), (503, "close"))
        self.fault.open("drain")
        self.assertEqual(run.result().json()["summary"]["succeeded"], 2)
        server.ended(0)

    def test_during_drain_delay_only_readyz_changes(self):
        server = self.start({"server": {"drain_delay": "6s"}})
        server.signal(signal.SIGTERM)
        world.wait_for("readyz to say 503", lambda: server.get("/readyz").status == 503)
        answer = server.post({"items": [{"url": self.fault.url("/ok")}]})
        self.assertEqual((answer.status, answer.json()["summary"]["succeeded"]), (200, 1))
        self.assertEqual(server.get("/version").status, 200)
        self.assertEqual(server.get("/healthz").status, 200)
        server.ended(0)

    def test_past_drain_timeout_what_runs_is_cancelled_and_answered(self):
        server = self.start({"server": {"drain_timeout": "1s"}})
        body = {"items": [{"url": self.fault.url("/stall"), "timeout_ms": 60000} for _ in range(6)], "options": {"concurrency": 2}}
        run = world.in_thread(server.post, body)
        world.wait_for("the calls at the upstream", lambda: self.fault.hits("/stall") == 2)
        server.signal(signal.SIGTERM)
        answer = run.result()
        self.assertEqual(answer.status, 200)
        world.check_document(answer.json(), 6)
        for result in answer.json()["results"]:
            self.assert_error(result, "cancelled", "drain", retryable=True)
        self.assertEqual(sum(r["error"]["sent"] for r in answer.json()["results"]), 2)
        server.ended(0)

    def test_a_second_sigterm_ends_at_once(self):
        server = self.start({"server": {"drain_timeout": "60s"}})
        run = world.in_thread(server.post, {"items": [{"url": self.fault.url("/stall"), "timeout_ms": 60000}]})
        world.wait_for("the call at the upstream", lambda: self.fault.hits("/stall") == 1)
        server.signal(signal.SIGTERM)
        world.wait_for("readyz to say 503", lambda: server.get("/readyz").status == 503)
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        server.ended(0, 128 + signal.SIGTERM)
        self.assertLess(time.monotonic() - started, 30)
        try:
            run.result()
        except Exception:  # the connection may be cut: the operator asked for that
            pass

    def test_sigint_too(self):
        server = self.start()
        server.signal(signal.SIGINT)
        server.ended(0)

    def upload(self, server, body):
        """A POST whose headers the server has read (it said 100), and whose body is still to come."""
        sock = server.connect()
        self.addCleanup(sock.close)
        sock.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body))
        self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 100 "))
        sock.sendall(body[:5])
        return sock

    def test_a_body_that_is_still_arriving_is_waited_for_and_answered(self):
        server = self.start({"server": {"drain_timeout": "60s"}})
        body = b'{"items":[]}'
        sock = self.upload(server, body)
        server.signal(signal.SIGTERM)
        world.wait_for("readyz to say 503", lambda: server.get("/readyz").status == 503)
        sock.sendall(body[5:])
        self.assert_problem(world.read_answer(sock), 503, "draining")
        server.ended(0)

    def test_a_body_that_never_arrives_is_cut_at_drain_timeout(self):
        server = self.start({"server": {"drain_timeout": "3s"}})
        self.upload(server, b'{"items":[]}')
        started = time.monotonic()
        server.stop()
        self.assertGreater(time.monotonic() - started, 2)
        self.assertLess(time.monotonic() - started, 30)

    def test_idle_connections_do_not_hold_it_up(self):
        server = self.start({"server": {"drain_timeout": "60s"}})
        socks = [server.connect() for _ in range(20)]
        for sock in socks:
            self.addCleanup(sock.close)
        socks[0].sendall(world.frame("GET", "/healthz"))
        world.read_answer(socks[0])
        socks[1].sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Ty")
        started = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - started, 30)

    def test_as_pid_1(self):
        server = self.start(prefix=[world.need("unshare")] + (["-r"] if os.geteuid() else []) + ["-p", "-f", "--kill-child"])
        with open("/proc/%d/status" % server.serving_pid, encoding="ascii") as source:
            self.assertEqual(re.search(r"NSpid:\s+(.*)", source.read()).group(1).split()[-1], "1")
        run = world.in_thread(server.post, self.body(3, ms=800))
        world.wait_for("the calls at the upstream", lambda: self.fault.hits("/sleep") == 3)
        os.kill(server.serving_pid, signal.SIGTERM)
        self.assertEqual(run.result().json()["summary"]["succeeded"], 3)
        server.ended(0)

    def test_signals_that_mean_nothing_do_nothing(self):
        server = self.start()
        for number in (signal.SIGPIPE, signal.SIGCHLD):
            server.signal(number)
        self.assertEqual(server.get("/healthz").status, 200)

    def test_under_load_no_admitted_request_is_dropped(self):
        server = self.start()
        runs = [world.in_thread(server.post, self.body(4, ms=700)) for _ in range(12)]
        world.wait_for("the calls at the upstream", lambda: self.fault.hits("/sleep") >= 20)
        server.signal(signal.SIGTERM)
        for run in runs:
            answer = run.result()
            self.assertIn(answer.status, (200, 503))
            if answer.status == 200:
                self.assertEqual(answer.json()["summary"]["succeeded"], 4)
        server.ended(0)


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

    def test_settings_that_do_nothing_yet_stop_the_start(self):
        for config in ({"upstreams": [{"match": "*", "proxy": "http://p:1"}]}, {"upstreams": [{"match": "*", "rate_limit": "5/s"}]}, {"openai": {"base_url": "http://x/"}},
                       {"upstreams": [{"match": "*", "breaker": {"failures": 1}}]}):
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
