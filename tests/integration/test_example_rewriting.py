#!/usr/bin/python3
"""examples/query-rewriting, run as a user would: what it prints, what it saves, what becomes of queries that fail."""
import json
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import examples  # noqa: E402
import world  # noqa: E402

sys.path.insert(0, os.path.join(examples.EXAMPLES, "llm-upstream"))
sys.dont_write_bytecode = True
import replies  # noqa: E402

ROW = re.compile(r"^\| (\d+)(?:, `rate_limit: (\S+)`)? \| ([\d.]+) s \| ([\d.]+)x \| (?:(\d+) \| )?(\d+) \| (\d+) \| ([\d.]+) MiB \|$", re.M)
CHAT = "/v1/batch/rewrite-queries"
QUICK = "--latency 0 --fail gunpowder=400"
with open(os.path.join(examples.EXAMPLES, "query-rewriting", "queries.txt"), encoding="utf-8") as source:
    QUERIES = source.read().splitlines()


def expected(queries, strategy, failing=("gunpowder",)):
    return [{"original_query": query, "strategy": strategy, "processed_query":
             query if any(word in query for word in failing) else replies.rewrite(strategy, query)} for query in queries]


class Rewriting(examples.Case):
    example = "query-rewriting"

    def saved(self, script, strategy):
        return json.loads(script.read("out-folder", strategy + ".json"))

    def check_saved(self, script, queries=QUERIES, failing=("gunpowder",)):
        for strategy in replies.STRATEGIES:
            self.assertEqual(self.saved(script, strategy), expected(queries, strategy, failing))

    def listed(self, name, queries):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            out.writelines(query + "\n" for query in queries)
        return path

    def post(self, url, items, params=None, **options):
        """A batch that is run: the results."""
        status, text = examples.ask(url, "POST", CHAT, {"items": items, "params": params or {}, "options": options})
        self.assertEqual(status, 200, text)
        results = json.loads(text)["results"]
        self.assertEqual([r["index"] for r in results], list(range(len(items))))
        return results

    @staticmethod
    def in_flight(script):
        """Calls that the stand-in of a running script has at this moment."""
        address = re.search(r"calling (\S+) ", script.out()).group(1)
        return json.loads(examples.ask(address, "GET", "/stats")[1])["in_flight"]

    def test_a_hundred_queries_come_back_in_their_order_and_faster_with_workers(self):
        self.assertEqual(len(QUERIES), 100)
        script = self.start("--workers", "1,10", "--output", "out-folder",
                            STAND_IN_OPTIONS="--latency 0.05 --fail gunpowder=400")
        rows = ROW.findall(script.end())
        self.assertEqual([row[0] for row in rows], ["1", "10"])
        times = [float(row[2]) for row in rows]
        self.assertGreaterEqual(times[0], 99 * 0.05)
        self.assertGreater(times[0] / times[1], 1.5)
        self.assertEqual([row[4:7] for row in rows], [("0", "0", "1")] * 2, "429, retries, fell back")
        self.assertTrue(all(float(row[7]) > 1 for row in rows))
        self.check_saved(script)

    def test_past_the_provider_s_rate_calls_are_refused_and_tried_again_after_retry_after(self):
        # Five at once ask at most 25 times a second, whatever the machine; twenty ask up to 100 times.
        queries = QUERIES[:60]
        script = self.start("--workers", "5,20", "--rate-limit", "1500/min", "--output", "out-folder", "--queries",
                            self.listed("sixty.txt", queries),
                            STAND_IN_OPTIONS="--latency 0.2 --rate 26/s --burst 20 --fail gunpowder=400")
        five, twenty, held_back = ROW.findall(script.end())
        self.assertEqual(five[4:7], ("0", "0", "1"))
        self.assertGreater(int(twenty[4]), 0)
        self.assertEqual(twenty[4], twenty[5], "each 429 is tried again")
        self.assertEqual(twenty[6], "1", "and none of them is lost")
        self.assertGreaterEqual(float(twenty[2]), 1.0, "Retry-After is a second at least")
        self.assertEqual((held_back[1], held_back[4:7]), ("1500/min", ("0", "0", "1")))
        self.check_saved(script, queries)

    def test_gemini_answers_the_same(self):
        script = self.start("--workers", "10", "--output", "out-folder", CONFIG="gemini.yaml", STAND_IN_OPTIONS=QUICK)
        script.end()
        self.check_saved(script)

    def test_a_provider_of_one_s_own_is_asked_instead_of_the_stand_in(self):
        _, _, upstream = self.serve(STAND_IN_OPTIONS=QUICK)
        examples.ask(upstream, "PUT", "/script", {})
        script = self.start("--output", "out-folder", LLM_BASE_URL=upstream)
        out = script.end()
        self.assertEqual(out.splitlines()[0], "calling %s (LLM_BASE_URL is set; unset it for the offline stand-in)" % upstream)
        self.assertEqual([(row[0], row[4]) for row in ROW.findall(out)], [("10", "")])
        self.assertIn("| workers | time | speed-up | retries |", out, "nobody counts a provider's 429s")
        self.assertFalse(os.path.exists(script.path("logs", "stand-in.out")))
        self.check_saved(script)
        self.assertEqual(json.loads(examples.ask(upstream, "GET", "/stats")[1])["requests"], 300)

    def test_where_nothing_succeeds_the_code_says_so_and_no_speed_up_is_told(self):
        _, _, upstream = self.serve(STAND_IN_OPTIONS=QUICK)
        for base, why in ((upstream + "/v1", "127.0.0.1 answered 404 Not Found"),
                          ("http://127.0.0.1:%d" % world.free_port(), "connect")):
            script = self.start("--queries", self.listed("two.txt", QUERIES[:2]), LLM_BASE_URL=base)
            self.assertEqual(script.end(1).splitlines()[0].split()[:2], ["calling", base])
            self.assertNotIn("|", script.out())
            self.assertRegex(script.read("err"), "^rewrite: none of 2 queries succeeded; the first: .*%s.*\n$" % why)

    def test_queries_that_cannot_be_read_are_told_in_one_line(self):
        os.mkdir(os.path.join(self.folder, "folder"))
        with open(os.path.join(self.folder, "latin"), "wb") as out:
            out.write(b"caf\xe9\n")
        for name, why in (("missing.txt", "No such file or directory"), ("folder", "Is a directory"), ("latin", "can't decode"),
                          (self.listed("empty.txt", []), "there is no query in it")):
            path = os.path.join(self.folder, name)
            script = self.start("--queries", path, STAND_IN_OPTIONS=QUICK)
            self.assertRegex(script.end(1).splitlines()[0], r"^calling http://127\.0\.0\.1:\d+ \(the offline stand-in\)$")
            self.assertRegex(script.read("err"), "^rewrite: --queries %s: .*%s.*\n$" % (re.escape(path), why))

    def test_a_query_that_fails_falls_back_to_itself_and_says_why(self):
        _, url, _ = self.serve(STAND_IN_OPTIONS="--latency 0 --fail gunpowder=400 --fail sourdough=garbage --fail tap=empty "
                                                "--fail router=503x2 --fail sofa=drop --fail eclipse=hang")
        items = [q for q in QUERIES[:20] if q] + [7, "", {"q": 1}, None, "\u0000 \"$ENV\" \\(env) é 日本"]
        results = self.post(url, items, {"strategy": "stepback"}, timeout_ms=6000)
        codes = {"gunpowder": "upstream_status", "sourdough": "transform_failed", "tap": "transform_failed",
                 "sofa": "upstream_protocol", "eclipse": "timeout"}
        for item, result in zip(items, results):
            word = next((w for w in codes if isinstance(item, str) and w in item), None)
            code = codes[word] if word else None if isinstance(item, str) and item else "invalid_item"
            with self.subTest(item=item):
                self.assertEqual((result["success"], result["error"] and result["error"]["code"]), (code is None, code), result)
                self.assertEqual(result["fallback_used"], code is not None)
                processed = replies.rewrite("stepback", item) if code is None else item
                self.assertEqual(result["result"], {"original_query": item, "processed_query": processed, "strategy": "stepback"})
                self.assertEqual(result["attempts"], 3 if item == QUERIES[0] else 0 if code == "invalid_item" else 1)

    def test_a_wrong_strategy_is_refused_before_any_call(self):
        _, url, upstream = self.serve(STAND_IN_OPTIONS=QUICK)
        examples.ask(upstream, "PUT", "/script", {})
        for params, pointer in (({"strategy": "louder"}, "/params/strategy"), ({"strategy": 7}, "/params/strategy"),
                                ({"stratgy": "stepback"}, "/params/stratgy")):
            status, text = examples.ask(url, "POST", CHAT, {"items": QUERIES[:3], "params": params})
            self.assertEqual(status, 400, text)
            self.assertIn(pointer, [error["pointer"] for error in json.loads(text)["errors"]])
        self.assertEqual(json.loads(examples.ask(upstream, "GET", "/stats")[1])["requests"], 0)

    def test_a_wrong_key_fails_each_query_and_is_not_told(self):
        _, _, upstream = self.serve(STAND_IN_OPTIONS=QUICK)
        script = self.start("--serve", LLM_BASE_URL=upstream, LLM_API_KEY="another-key")
        results = self.post(script.served()["BATCH_URL"], QUERIES[:3])
        for line in script.out().splitlines():
            self.assertRegex(line, "^(# |export )", "it is pasted into a shell")
        self.assertEqual([(r["status"], r["fallback_used"]) for r in results], [(401, True)] * 3)
        self.assertNotIn("another-key", json.dumps(results))
        script.interrupt()
        script.end(130)

    def test_ctrl_c_ends_all_that_was_started(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            script = self.start("--workers", "1", STAND_IN_OPTIONS="--latency 0.5")
            world.wait_for("the table to begin", lambda s=script: "100 queries" in s.out())
            self.assertGreater(len(examples.of_session(script.child.pid)), 2)
            world.wait_for("the first call", lambda s=script: self.in_flight(s))
            script.interrupt(number)
            script.end(code)

    def test_a_config_that_cannot_be_is_said_and_leaves_nothing_behind(self):
        script = self.start(CONFIG="../query-rewriting/queries.txt", STAND_IN_OPTIONS=QUICK)
        script.end(1)
        self.assertIn("batchgate did not start", script.read("err"))


if __name__ == "__main__":
    world.main()
