#!/usr/bin/python3
"""examples/channel-content, run as a user would: three texts on a topic, each told and saved as it comes, one failing alone."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import examples  # noqa: E402
import world  # noqa: E402

sys.path.insert(0, os.path.join(examples.EXAMPLES, "llm-upstream"))
sys.dont_write_bytecode = True
import replies  # noqa: E402

OK = re.compile(r"\[OK\] (\w+) \((\d+\.\d\d) s\) quality (\d+)/10 -> (\S+)")
FAILED = re.compile(r"\[FAILED\] (\w+) \((\d+\.\d\d) s\): (.+)")
DONE = re.compile(r"(\d) of 3 in (\d+\.\d) s")
SECONDS = {"linkedin": 0.8, "newsletter": 1.2, "blog": 0.3}
SET = "--latency " + ",".join("%s=%s" % pair for pair in SECONDS.items())
QUICK = "--latency 0"
CHAT = "/v1/batch/channel-content"
TOPIC = "a four-day week"


def written(channel, topic=TOPIC):
    """(text, quality) as the provider's answer has them."""
    text, _, quality = replies.write(channel, topic).rpartition("\n\nQuality: ")
    return text, int(quality.split("/")[0])


class Channels(examples.Case):
    example = "channel-content"

    def check_files(self, script, name, channels):
        folder = script.path("texts", name)
        self.assertEqual(sorted(os.listdir(folder)), sorted(channel + ".md" for channel in channels))
        for channel in channels:
            self.assertEqual(script.read("texts", name, channel + ".md"), written(channel)[0] + "\n")

    def check_lines(self, part, name, channels):
        """The lines of one batch: (channel, seconds) in the order told."""
        told = OK.findall(part)
        self.assertEqual(sorted(line[0] for line in told), sorted(channels))
        for channel, seconds, quality, path in told:
            self.assertGreaterEqual(float(seconds), SECONDS[channel] - 0.01)
            self.assertEqual(int(quality), written(channel)[1])
            self.assertEqual(path, os.path.join("texts", name, channel + ".md"))
        return [(line[0], float(line[1])) for line in told]

    def post(self, url, document, accept="application/json"):
        return examples.ask(url, "POST", CHAT, document, accept)

    def test_three_texts_one_after_the_other_and_at_once_and_with_one_that_fails(self):
        script = self.start("--topic", TOPIC, "--output", "texts", STAND_IN_OPTIONS=SET)
        parts = re.split(r"^(?:One after the other|All at once|The newsletter fails):$", script.end(), flags=re.M)
        self.assertEqual(len(parts), 4)
        sequential, parallel, one_failed = parts[1:]

        self.assertEqual([line[0] for line in self.check_lines(sequential, "sequential", SECONDS)], list(SECONDS))
        count, alone = DONE.search(sequential).groups()
        self.assertEqual(count, "3")
        self.assertGreaterEqual(float(alone), sum(SECONDS.values()) - 0.1)

        told = self.check_lines(parallel, "parallel", SECONDS)
        for (_, before), (_, after) in zip(told, told[1:]):
            self.assertLess(before, after + 0.1, "told as they complete")
        count, together = DONE.search(parallel).groups()
        self.assertEqual(count, "3")
        self.assertGreaterEqual(float(together), max(SECONDS.values()) - 0.1)

        self.check_lines(one_failed, "one-failed", ["linkedin", "blog"])
        (failed, _, why), = FAILED.findall(one_failed)
        self.assertEqual(failed, "newsletter")
        self.assertIn("503", why)
        self.assertEqual(DONE.search(one_failed)[1], "2")

        self.check_files(script, "sequential", SECONDS)
        self.check_files(script, "parallel", SECONDS)
        self.check_files(script, "one-failed", ["linkedin", "blog"])

    def test_a_provider_of_one_s_own_is_named_and_a_speed_up_only_of_what_is_whole(self):
        _, _, upstream = self.serve(STAND_IN_OPTIONS=QUICK + " --fail newsletter=400")
        script = self.start("--topic", TOPIC, "--output", "texts", LLM_BASE_URL=upstream)
        out = script.end()
        self.assertEqual(out.splitlines()[0], "calling %s (LLM_BASE_URL is set; unset it for the offline stand-in)" % upstream)
        self.assertEqual([done[0] for done in DONE.findall(out)], ["2", "2"])
        self.assertNotIn("as fast", out)
        self.check_files(script, "parallel", ["linkedin", "blog"])

    def test_where_no_channel_succeeds_the_code_says_so_and_no_speed_up_is_told(self):
        script = self.start("--topic", TOPIC, "--output", "texts", STAND_IN_OPTIONS=QUICK + " --fail week=401")
        out = script.end(1)
        self.assertRegex(out.splitlines()[0], r"^calling http://127\.0\.0\.1:\d+ \(the offline stand-in\)$")
        self.assertEqual([failed[0] for failed in FAILED.findall(out)], list(SECONDS))
        self.assertEqual([done[0] for done in DONE.findall(out)], ["0"])
        self.assertNotIn("as fast", out)
        self.assertEqual(script.read("err"), "channels: no channel succeeded\n")

    def test_the_concurrency_asked_for_is_the_one_the_provider_sees(self):
        _, url, upstream = self.serve(STAND_IN_OPTIONS="--latency 0.5")
        for concurrency in (1, 3):
            examples.ask(upstream, "PUT", "/script", {})
            status, text = self.post(url, {"items": [{"id": channel} for channel in SECONDS], "params": {"topic": TOPIC},
                                           "options": {"concurrency": concurrency}})
            self.assertEqual((status, json.loads(text)["summary"]["succeeded"]), (200, 3), text)
            stats = json.loads(examples.ask(upstream, "GET", "/stats")[1])
            self.assertEqual((stats["requests"], stats["most_at_once"]), (3, concurrency))

    def test_gemini_answers_the_same(self):
        script = self.start("--topic", TOPIC, "--output", "texts", CONFIG="gemini.yaml", STAND_IN_OPTIONS=QUICK)
        script.end()
        self.check_files(script, "parallel", SECONDS)

    def test_curl_shows_a_line_for_each_channel_as_it_completes(self):
        _, url, _ = self.serve(STAND_IN_OPTIONS=SET + " --fail newsletter=400")
        document = {"items": [{"id": channel} for channel in SECONDS], "params": {"topic": TOPIC}, "options": {"label": "Writing"}}
        text = subprocess.run([world.need("curl"), "-sN", "--noproxy", "*", "--json", json.dumps(document), "-H",
                               "Accept: text/plain", url + CHAT], capture_output=True, text=True, check=True, timeout=world.WAIT).stdout
        self.assertEqual(sorted(re.findall(r"\[OK\] (\w+) \(\d+\.\d\d s\)", text)), ["blog", "linkedin"])
        self.assertIn("[FAILED] newsletter: 127.0.0.1 answered 400 Bad Request", text)
        self.assertRegex(text, r"Writing: 100%\|█{10}\| 3/3 ")
        self.assertRegex(text, r"3 items: 2 succeeded, 1 failed \(1 upstream_status\) in \d+\.\d\d s")

    def test_an_item_that_is_no_channel_fails_alone(self):
        _, url, upstream = self.serve(STAND_IN_OPTIONS=QUICK)
        examples.ask(upstream, "PUT", "/script", {})
        items = [{"id": "blog"}, {"id": "fax"}, "linkedin", {"id": 7}, {}, {"id": "linkedin", "id2": 1}, {"id": "blog"}]
        status, text = self.post(url, {"items": items, "params": {"topic": TOPIC}})
        self.assertEqual(status, 200, text)
        results = json.loads(text)["results"]
        self.assertEqual([(r["id"], r["error"] and r["error"]["code"]) for r in results], [
            ("blog", None), ("fax", "invalid_item"), (None, "invalid_item"), (7, "invalid_item"), (None, "invalid_item"),
            ("linkedin", None), ("blog", None)])
        self.assertEqual(json.loads(examples.ask(upstream, "GET", "/stats")[1])["requests"], 3)
        text, quality = written("blog")
        value = results[0]["result"]
        self.assertEqual((value["channel"], value["text"], value["quality"]), ("blog", text, quality))
        self.assertGreater(value["tokens"], 100)
        self.assertEqual([r["fallback_used"] for r in results], [False] * 7)

    def test_an_answer_without_a_text_fails_its_channel_alone(self):
        _, url, upstream = self.serve(STAND_IN_OPTIONS=QUICK + " --fail linkedin=empty --fail newsletter=garbage")
        status, text = self.post(url, {"items": [{"id": channel} for channel in SECONDS], "params": {"topic": TOPIC}})
        self.assertEqual(status, 200, text)
        results = json.loads(text)["results"]
        self.assertEqual([(r["success"], r["error"] and (r["error"]["code"], r["error"]["sent"])) for r in results], [
            (False, ("transform_failed", True)), (False, ("transform_failed", True)), (True, None)])

    def test_a_topic_is_needed(self):
        _, url, _ = self.serve(STAND_IN_OPTIONS=QUICK)
        for params in ({}, {"topic": None}, {"topic": 7}):
            status, text = self.post(url, {"items": [{"id": "blog"}], "params": params})
            self.assertEqual(status, 400, text)
            self.assertIn("/params/topic", [error["pointer"] for error in json.loads(text)["errors"]])


if __name__ == "__main__":
    world.main()
