#!/usr/bin/python3
"""examples/llm-upstream: does the stand-in do what a provider does, and what its README says?"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import examples  # noqa: E402
import world  # noqa: E402

PROGRAM = os.path.join(examples.EXAMPLES, "llm-upstream", "llm_upstream.py")
CHAT = "/v1/chat/completions"
GEMINI = "/v1beta/models/gemini-2.5-flash:generateContent"
BEARER = {"Authorization": "Bearer " + examples.KEY}
GOOG = {"x-goog-api-key": examples.KEY}


def conversation(user="Why is the sky blue?", system="Strategy: stepback.", **members):
    return {"model": "any-model", "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}], **members}


class StandIn(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="batchgate-stand-in-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.process = world.Process([world.PYTHON, PROGRAM, "--port", "0"], self.folder, "stand-in",
                                     env=world.environment({"LLM_API_KEY": examples.KEY}))
        self.addCleanup(self.end)
        self.url = world.wait_for("its address", lambda: b"\n" in self.process.out() and self.process.out().decode()).strip()
        self.script(latency="0")

    def end(self):
        self.process.signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(), 0)
        self.assertEqual(self.process.err(), b"")

    def script(self, **settings):
        status, text = examples.ask(self.url, "PUT", "/script", settings)
        self.assertEqual(status, 200, text)

    def stats(self):
        return json.loads(examples.ask(self.url, "GET", "/stats")[1])

    def chat(self, document=None, headers=None):
        status, text = examples.ask(self.url, "POST", CHAT, conversation() if document is None else document,
                                    headers=BEARER if headers is None else headers)
        return status, json.loads(text)

    def gemini(self, document=None, headers=None):
        said = {"systemInstruction": {"parts": [{"text": "Strategy: stepback."}]},
                "contents": [{"role": "user", "parts": [{"text": "Why is the sky blue?"}]}]}
        status, text = examples.ask(self.url, "POST", GEMINI, said if document is None else document,
                                    headers=GOOG if headers is None else headers)
        return status, json.loads(text)

    def test_a_conversation_gets_an_answer_that_is_the_same_each_time(self):
        status, first = self.chat()
        self.assertEqual(status, 200)
        self.assertEqual(first["object"], "chat.completion")
        self.assertEqual(first["model"], "any-model")
        self.assertEqual(first["choices"][0]["message"], {"role": "assistant", "refusal": None,
                                                          "content": "sky blue: what are the general causes?"})
        used = first["usage"]
        self.assertEqual(used["total_tokens"], used["prompt_tokens"] + used["completion_tokens"])
        self.assertEqual(used["completion_tokens"], 9)
        self.assertEqual(self.chat()[1]["choices"], first["choices"])
        status, other = self.gemini()
        self.assertEqual(status, 200)
        self.assertEqual(other["candidates"][0]["content"]["parts"][0]["text"], first["choices"][0]["message"]["content"])
        self.assertEqual((other["modelVersion"], other["usageMetadata"]["candidatesTokenCount"]), ("gemini-2.5-flash", 9))

    def test_a_missing_or_wrong_key_has_each_api_s_own_error(self):
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": examples.KEY}):
            status, answer = self.chat(headers=headers)
            self.assertEqual((status, answer["error"]["code"]), (401, "invalid_api_key"))
        self.assertEqual(self.gemini(headers={})[1]["error"]["status"], "PERMISSION_DENIED")
        status, answer = self.gemini(headers={"x-goog-api-key": "x"})
        self.assertEqual((status, answer["error"]["status"]), (400, "INVALID_ARGUMENT"))

    def test_what_is_no_conversation_is_refused(self):
        for document in (b"", b"{", b"[]", {}, {"model": "m"}, {"model": "m", "messages": []}, {"model": "m", "messages": [7]},
                         {"model": 7, "messages": [{"role": "user", "content": "x"}]}, conversation(stream=True),
                         {"model": "m", "messages": [{"role": "user", "content": 7}]}, b"[" * 100000):
            status, answer = self.chat(document)
            self.assertEqual((status, answer["error"]["type"]), (400, "invalid_request_error"), document)
        for document in (b"", {}, {"contents": []}, {"contents": [{"parts": 7}]}, {"contents": [{}], "systemInstruction": 7}):
            self.assertEqual(self.gemini(document)[0], 400, document)
        self.assertEqual(examples.ask(self.url, "POST", "/v1/embeddings", {}, headers=BEARER)[0], 404)
        self.assertEqual(self.chat()[0], 200)

    def test_past_the_rate_it_says_429_and_when_to_come_again(self):
        self.script(rate="6/min", burst=3)
        self.assertEqual([self.chat()[0] for _ in range(5)], [200, 200, 200, 429, 429])
        answer = world.request(int(self.url.rsplit(":", 1)[1]), "POST", CHAT, json.dumps(conversation()).encode(), BEARER)
        self.assertEqual(answer.status, 429)
        self.assertIn(int(answer.header("retry-after")), range(5, 11))
        self.assertEqual(answer.json()["error"]["code"], "rate_limit_exceeded")
        status, answer = self.gemini()
        self.assertEqual((status, answer["error"]["status"]), (429, "RESOURCE_EXHAUSTED"))
        self.assertEqual(self.stats()["rate_limited"], 4)
        self.script(rate="20/s", burst=1)
        began = time.monotonic()
        answered = 0
        while answered < 6:
            answered += self.chat()[0] == 200
        self.assertGreaterEqual(time.monotonic() - began, 5 / 20 - 0.01, "six at 20/s take five waits")

    def test_failures_are_as_scripted(self):
        self.script(fail=["sky+blue=503x2", "#4=500", "garlic=garbage", "onion=empty", "leek=drop", "chive=429"])
        self.assertEqual([self.chat()[0] for _ in range(5)], [503, 503, 200, 500, 200])
        self.assertEqual(self.chat(conversation("the sky is grey"))[0], 200)
        status, text = examples.ask(self.url, "POST", CHAT, conversation("garlic"), headers=BEARER)
        self.assertEqual((status, text[:6]), (200, "<html>"))
        self.assertIsNone(self.chat(conversation("onion"))[1]["choices"][0]["message"]["content"])
        with self.assertRaises(OSError):
            self.chat(conversation("leek"))
        self.assertEqual(self.chat(conversation("chive"))[0], 429)
        self.script(fail=["leek=hang"])
        call = world.in_thread(subprocess.run, [world.need("curl"), "-s", "--noproxy", "*", "-m", "1", "-H", "Authorization: Bearer "
                               + examples.KEY, "--json", json.dumps(conversation("leek")), self.url + CHAT], check=False)
        self.assertEqual(call.result().returncode, 28, "curl's word for a time-out")
        world.wait_for("the one that left to be noticed", lambda: self.stats()["unanswered"] == 1)

    def test_the_latency_is_that_of_a_word_and_requests_are_counted(self):
        self.script(latency="sky=0.4,0.01")
        began = time.monotonic()
        calls = [world.in_thread(self.chat) for _ in range(8)]
        self.assertEqual({call.result()[0] for call in calls}, {200})
        self.assertGreaterEqual(time.monotonic() - began, 0.4)
        stats = self.stats()
        self.assertEqual((stats["requests"], stats["in_flight"], stats["by_status"]), (8, 0, {"200": 8}))
        self.assertIn(stats["most_at_once"], range(2, 9))
        self.script()
        self.assertEqual(self.stats()["requests"], 0)

    def test_a_script_that_cannot_be_changes_nothing(self):
        self.script(fail=["sky=503"])
        for wrong in ({"rate": "5"}, {"rate": "0/s"}, {"rate": 5}, {"fail": ["x"]}, {"fail": ["x=200"]}, {"fail": 7}, {"latency": "x"},
                      {"latency": "-1"}, {"burst": "x"}, {"other": 1}, [1], 7, None, {"fail": [None]}):
            status, text = examples.ask(self.url, "PUT", "/script", b"null" if wrong is None else wrong)
            self.assertEqual(status, 400, (wrong, text))
        self.assertEqual(self.stats()["script"]["fail"], ["sky=503"])
        self.assertEqual(self.chat()[0], 503)


if __name__ == "__main__":
    unittest.main(verbosity=2)
