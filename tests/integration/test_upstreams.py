#!/usr/bin/python3
# ctest: timeout=300
# ctest: cost=15
"""GET /v1/upstreams and the metrics of upstreams: what an operator sees while upstreams work, are full, fail and throttle."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

MEMBERS = {"origin", "match", "state", "open_ms", "failures", "in_flight", "queued", "waiting", "retries_in_flight", "paused", "paused_ms",
           "idle_ms", "limits", "rates", "totals"}
TOTALS = ("attempts", "failures", "retries", "throttled", "circuit_open", "opened")
GAUGES = ("in_flight", "queued", "waiting", "open", "paused")
COUNTERS = tuple(name + "_total" for name in TOTALS)


class Case(world.Case):
    def ask(self, server=None):
        """The whole answer, with what must always hold checked."""
        answer = (server or self.server).get("/v1/upstreams")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.header("content-type"), "application/json")
        self.assertEqual(answer.header("cache-control"), "no-store")
        document = answer.json()
        self.assertEqual(set(document), {"data", "total"})
        for one in document["data"]:
            self.assertEqual(set(one), MEMBERS)
            self.assertEqual(set(one["limits"]), {"concurrency", "rate_limit", "retry_budget", "breaker"})
            self.assertEqual(set(one["rates"]), {"attempts_per_second", "failures_per_second"})
            self.assertEqual(set(one["totals"]), set(TOTALS))
            self.assertEqual(one["open_ms"] is not None, one["state"] == "open", one)
        return document

    def upstream(self, server, port=None):
        """The one at faultd's port, or at another; None where it is not there."""
        origin = "http://127.0.0.1:%d" % (port or self.fault.ports["http"])
        return next((one for one in self.ask(server)["data"] if one["origin"] == origin), None)

    def table(self, server=None):
        answer = (server or self.server).get("/v1/upstreams", {"Accept": "text/plain"})
        self.assertEqual((answer.status, answer.header("content-type")), (200, "text/plain; charset=utf-8"))
        return answer.body.decode()

    def by_rule(self, server, label):
        metrics = server.metrics()
        return {name: metrics.of("batchgate_upstream_" + name, upstream=label) for name in GAUGES + COUNTERS}

    def told(self, status, count=1, headers=(), **item):
        return [{"method": "POST", "url": self.fault.url("/told"), "body": {"status": status, "headers": list(headers)}, **item}] * count


class Idle(Case):
    def test_before_anything_was_called_the_list_is_empty_and_the_table_says_so(self):
        server = self.start()
        self.assertEqual(self.ask(server), {"data": [], "total": 0})
        self.assertEqual(self.table(server), "No upstream has been called so far.\n")

    def test_every_rule_has_its_metrics_before_anything_was_called(self):
        server = self.start({"upstreams": [{"match": "a.example"}, {"match": "*.b.example:8443"}]})
        metrics = server.metrics()
        for name in GAUGES + COUNTERS:
            found = {dict(labels)["upstream"]: v for (n, labels), v in metrics.items() if n == "batchgate_upstream_" + name}
            self.assertEqual(found, {"a.example": 0, "*.b.example:8443": 0, "other": 0}, name)
            self.assertEqual(metrics.types["batchgate_upstream_" + name], "counter" if name in COUNTERS else "gauge")

    def test_a_pattern_of_the_operators_own_for_all_is_other(self):
        server = self.start({"upstreams": [{"match": "*", "concurrency": 3}]})
        self.batch([{"url": self.fault.url("/ok")}], server=server)
        self.assertEqual(self.by_rule(server, "other")["attempts_total"], 1)
        self.assertEqual(self.upstream(server)["match"], "*")
        self.assertEqual(self.upstream(server)["limits"]["concurrency"], 3)

    def test_what_has_been_called_stays_with_its_counts(self):
        server = self.start({"upstreams": [{"match": "127.0.0.1", "rate_limit": "6000/min", "retry_budget": "25%", "breaker": {}}]})
        self.batch(self.told(200, 3) + self.told(500, 2) + self.told(503, 1, retry={"max_attempts": 2, "backoff_ms": 1}), server=server)
        one = self.upstream(server)
        self.assertEqual(one["match"], "127.0.0.1")
        self.assertEqual(one["limits"], {"concurrency": 128, "rate_limit": "100/s", "retry_budget": "25%", "breaker": True})
        self.assertEqual(one["totals"], {"attempts": 7, "failures": 2, "retries": 1, "throttled": 0, "circuit_open": 0, "opened": 0})
        self.assertEqual((one["in_flight"], one["queued"], one["waiting"], one["retries_in_flight"], one["paused"]), (0, 0, 0, 0, 0))
        self.assertGreater(one["idle_ms"], 0)
        self.assertGreater(one["rates"]["attempts_per_second"], one["rates"]["failures_per_second"])
        self.assertGreater(one["rates"]["failures_per_second"], 0)
        self.assertLess(one["rates"]["attempts_per_second"], 7)
        self.assertEqual([self.by_rule(server, "127.0.0.1")[name] for name in COUNTERS], [7, 2, 1, 0, 0, 0])


class Busy(Case):
    def test_in_flight_and_queued_are_told_while_calls_run(self):
        port = self.fault.ports["http"]
        server = self.start({"upstreams": [{"match": "127.0.0.1:%d" % port, "concurrency": 3}]})
        other = world.Fault(self.folder)
        self.addCleanup(other.kill)
        self.batch([{"url": other.url("/ok")}], server=server)
        run = world.in_thread(self.batch, [{"url": self.fault.url("/gate", key="busy")} for _ in range(8)], None, server)
        world.wait_for("three in flight", lambda: self.fault.stats()["active"].get("/gate") == 3)
        first, second = self.ask(server)["data"]
        self.assertEqual((first["origin"], first["in_flight"], first["queued"]), ("http://127.0.0.1:%d" % port, 3, 5))
        self.assertEqual((first["idle_ms"], first["totals"]["attempts"]), (0, 3))
        self.assertEqual((second["in_flight"], second["queued"], second["match"]), (0, 0, "*"))
        head, line, last = self.table(server).splitlines()
        self.assertEqual(head.split(), ["STATE", "IN", "FLIGHT", "QUEUED", "WAITING", "PAUSED", "TRY/s", "FAIL/s", "UPSTREAM"])
        self.assertEqual(line.split()[:5], ["closed", "3/3", "5", "0", "0"])
        self.assertEqual((line.split()[-1], last.split()[-1]), (first["origin"], second["origin"]))
        self.assertEqual(len({text.index(text.split()[-1]) for text in (head, line, last)}), 1, "the last column begins at one place")
        rule = self.by_rule(server, "127.0.0.1:%d" % port)
        self.assertEqual((rule["in_flight"], rule["queued"], rule["attempts_total"]), (3, 5, 3))
        self.fault.open("busy")
        run.result()
        rule = self.by_rule(server, "127.0.0.1:%d" % port)
        self.assertEqual((rule["in_flight"], rule["queued"], rule["attempts_total"]), (0, 0, 8))

    def test_calls_between_two_attempts_are_waiting(self):
        server = self.start({"upstreams": [{"match": "127.0.0.1", "retry_budget": "50%"}]})
        items = [{"url": self.fault.url("/503ra", key="w%d" % n, ra="3"), "retry": {"max_attempts": 2}} for n in range(4)]
        run = world.in_thread(self.batch, items, None, server)
        one = world.wait_for("four that wait", lambda: (self.upstream(server) or {"waiting": 0})["waiting"] == 4 and self.upstream(server))
        self.assertEqual((one["in_flight"], one["totals"]["attempts"], one["totals"]["retries"]), (0, 4, 0))
        self.assertEqual(self.by_rule(server, "127.0.0.1")["waiting"], 4)
        run.result()
        one = self.upstream(server)
        self.assertEqual((one["waiting"], one["totals"]["attempts"], one["totals"]["retries"]), (0, 8, 4))

    def test_there_are_never_more_than_a_thousand(self):
        """1,100 upstreams nobody listens at; the counts of all of them are in the metrics."""
        server = self.start({"upstreams": [{"match": "127.0.0.1"}]})
        items = [{"url": "http://127.%d.%d.%d:1/" % (n // 62500, n // 250 % 250, 2 + n % 250)} for n in range(1100)]
        self.batch(items + [{"url": self.fault.url("/ok")}], {"concurrency": 64}, server)
        document = self.ask(server)
        self.assertGreaterEqual(document["total"], 1024)
        self.assertLessEqual(document["total"], 1101)
        self.assertEqual(len(document["data"]), 1000)
        self.assertEqual([one["origin"] for one in document["data"]], sorted(one["origin"] for one in document["data"]))
        self.assertRegex(self.table(server), r"\nand %d more\n$" % (document["total"] - 1000))
        self.assertEqual(self.by_rule(server, "other")["attempts_total"], 1100)
        self.assertEqual(self.by_rule(server, "127.0.0.1")["attempts_total"], 1)
        labels = {dict(labels).get("upstream") for (_, labels) in server.metrics() if "upstream" in dict(labels)}
        self.assertEqual(labels, {"127.0.0.1", "other"})


class Failing(Case):
    def test_an_upstream_that_was_given_up_stands_first_and_says_for_how_long(self):
        port = world.free_port()
        server = self.start({"upstreams": [{"match": "127.0.0.1:%d" % port, "breaker": {"failures": 5, "open": "1h", "max_open": "1h"}}]})
        self.batch([{"url": self.fault.url("/ok")} for _ in range(20)], server=server)
        self.batch([{"url": "http://127.0.0.1:%d/" % port} for _ in range(300)], {"concurrency": 1}, server)
        first, second = self.ask(server)["data"]
        self.assertEqual((first["origin"], first["state"]), ("http://127.0.0.1:%d" % port, "open"))
        self.assertLessEqual(first["open_ms"], 3600000)
        self.assertGreater(first["open_ms"], 3600000 - 1000 * world.WAIT)
        self.assertEqual(first["totals"], {"attempts": 5, "failures": 5, "retries": 0, "throttled": 0, "circuit_open": 295, "opened": 1})
        self.assertEqual((second["state"], second["open_ms"], second["limits"]["breaker"]), ("closed", None, False))
        self.assertRegex(self.table(server).splitlines()[1], r"^open \d{4}s +0/128 .* http://127\.0\.0\.1:%d$" % port)
        rule = self.by_rule(server, "127.0.0.1:%d" % port)
        self.assertEqual((rule["open"], [rule[name] for name in COUNTERS]), (1, [5, 5, 0, 0, 295, 1]))
        self.assertEqual(self.by_rule(server, "other")["open"], 0)

    def test_failures_in_a_row_are_told_while_it_is_closed(self):
        server = self.start({"upstreams": [{"match": "127.0.0.1", "breaker": {"failures": 5}}]})
        self.batch(self.told(503, 4), {"concurrency": 1}, server)
        self.assertEqual((self.upstream(server)["failures"], self.upstream(server)["state"]), (4, "closed"))
        self.batch(self.told(200), server=server)
        self.assertEqual(self.upstream(server)["failures"], 0)

    def test_when_its_time_has_passed_it_is_half_open_until_a_probe_succeeds(self):
        server = self.start({"upstreams": [{"match": "127.0.0.1", "breaker": {"failures": 1, "open": "200ms"}}]})
        self.batch(self.told(503), server=server)
        one = world.wait_for("the end of its time", lambda: self.upstream(server)["state"] == "half_open" and self.upstream(server))
        self.assertIsNone(one["open_ms"])
        self.assertEqual(self.by_rule(server, "127.0.0.1")["open"], 0, "a probe that never comes is no alarm")
        self.assertEqual(self.table(server).splitlines()[1].split()[0], "half_open")
        self.batch(self.told(200), server=server)
        self.assertEqual(self.upstream(server)["state"], "closed")
        self.assertEqual(self.by_rule(server, "127.0.0.1")["open"], 0)
        opened, closed = [world.wait_for(name, lambda: [e for e in server.events(name)]) for name in ("circuit_opened", "circuit_closed")]
        self.assertEqual([(e["level"], e["upstream"], e["open_ms"]) for e in opened], [("warn", one["origin"], 200.0)])
        self.assertEqual([(e["level"], e["upstream"]) for e in closed], [("info", one["origin"])])

    def test_callers_that_were_asked_to_wait_are_counted(self):
        server = self.start()
        self.batch(self.told(429, headers=[["Retry-After", "600"]]), server=server)
        one = self.upstream(server)
        self.assertEqual((one["paused"], one["totals"]["throttled"], one["state"]), (1, 1, "closed"))
        self.assertGreater(one["paused_ms"], 0)
        self.assertEqual((self.by_rule(server, "other")["paused"], self.by_rule(server, "other")["throttled_total"]), (1, 1))
        self.batch(self.told(429), {"batch_timeout_ms": 2000}, server)
        self.assertEqual(self.upstream(server)["totals"]["attempts"], 1, "nothing is sent meanwhile")

    def test_a_reload_keeps_the_counts_and_shows_the_new_limits(self):
        server = self.start({"upstreams": [{"match": "127.0.0.1", "concurrency": 5}]})
        self.batch(self.told(503, 3), server=server)
        world.write_config(os.path.dirname(server.config_path), world.merge(server.config, {
            "upstreams": [{"match": "x.example"}, {"match": "127.0.0.1", "concurrency": 6, "rate_limit": "90/h"}]}))
        server.signal(signal.SIGHUP)
        world.wait_for("the new rule", lambda: (self.upstream(server)["limits"]["concurrency"], self.upstream(server)["match"]) == (6, "127.0.0.1"))
        one = self.upstream(server)
        self.assertEqual((one["match"], one["limits"]["rate_limit"], one["totals"]["failures"]), ("127.0.0.1", "90/h", 3))
        rule = self.by_rule(server, "127.0.0.1")
        self.assertEqual((rule["attempts_total"], rule["failures_total"]), (3, 3))
        self.assertEqual(self.by_rule(server, "x.example")["attempts_total"], 0)


class Asking(Case):
    user, user_hash = world.make_key()
    admin, admin_hash = world.make_key()

    @classmethod
    def class_config(cls):
        return {"auth": {"keys": [{"name": "user", "sha256": [cls.user_hash]}, {"name": "ops", "sha256": [cls.admin_hash], "admin": True}]}}

    def get(self, key=None, accept=None, method="GET", path="/v1/upstreams"):
        headers = {"Authorization": "Bearer " + key} if key else {}
        return self.server.request(method, path, None, {**headers, **({"Accept": accept} if accept else {})})

    def test_where_keys_exist_an_admin_s_is_needed(self):
        answer = self.get()
        self.assert_problem(answer, 401, "unauthorized")
        self.assertTrue(answer.header("www-authenticate").startswith("Bearer"))
        self.assert_problem(self.get(self.user), 403, "forbidden")
        self.assertEqual(self.get(self.admin).status, 200)

    def test_accept_chooses_and_ties_go_to_json(self):
        for accept, wanted in ((None, "application/json"), ("*/*", "application/json"), ("text/plain", "text/plain; charset=utf-8"),
                               ("text/plain, application/json", "application/json"), ("text/*", "text/plain; charset=utf-8"),
                               ("application/json;q=0.5, text/plain", "text/plain; charset=utf-8"),
                               ("text/html, */*;q=0.1", "application/json")):
            self.assertEqual(self.get(self.admin, accept).header("content-type"), wanted, accept)
        problem = self.assert_problem(self.get(self.admin, "text/html"), 406, "not_acceptable")
        self.assertIn("text/plain", problem["detail"])

    def test_head_and_other_methods(self):
        head = self.get(self.admin, method="HEAD")
        self.assertEqual((head.status, head.body, head.header("content-type")), (200, b"", "application/json"))
        self.assertEqual(self.get(self.admin, method="POST").status, 405)
        self.assertEqual(self.get(self.admin, method="OPTIONS").header("allow"), "GET, HEAD, OPTIONS")


if __name__ == "__main__":
    world.main()
