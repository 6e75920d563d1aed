#!/usr/bin/python3
"""Which answer `Accept` asks for, and what is refused before a stream begins."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import streams  # noqa: E402
import world  # noqa: E402


class Accept(streams.Case):
    config = {"limits": {"max_items": 50, "max_body": "64KiB"}, "pool": {"queue_limit": 20}}
    TYPES = (streams.JSON, streams.NDJSON, streams.SSE, streams.TEXT)

    def type_for(self, accept):
        fields = [("Accept", accept)] if accept is not None else []
        answer = self.server.post({"items": [{"url": self.fault.url()}]}, headers=fields)
        self.assertEqual(answer.status, 200, answer)
        return answer.header("content-type").split(";")[0]

    def test_who_asks_for_nothing_special_gets_the_document(self):
        for accept in (None, "*/*", "application/*", "application/json", "*/*;q=0.1", "", "text/html, */*"):
            self.assertEqual(self.type_for(accept), streams.JSON, accept)

    def test_each_type_by_its_name(self):
        for name in self.TYPES:
            for accept in (name, name.upper(), name + ";q=0.001", "text/html, " + name, name + ", */*;q=0.9",
                           "*/*;q=0.9," + name):
                self.assertEqual(self.type_for(accept), name, accept)

    def test_the_highest_quality_wins(self):
        for accept, name in (("application/json;q=0.5, application/x-ndjson", streams.NDJSON),
                             ("text/plain;q=0.9, application/x-ndjson;q=0.8", streams.TEXT),
                             ("text/plain;q=0.2, text/event-stream;q=0.3, application/json;q=0.1", streams.SSE),
                             ("application/json;q=0, */*", streams.NDJSON),
                             ("application/*;q=0, */*", streams.SSE),
                             ("application/x-ndjson;q=0, application/*", streams.JSON),
                             ("text/*;q=0.9, text/event-stream;q=0.1", streams.TEXT),
                             ("*/*, text/plain;q=0.5", streams.JSON)):
            self.assertEqual(self.type_for(accept), name, accept)

    def test_ties_go_to_the_tables_order(self):
        for n in range(len(self.TYPES)):
            self.assertEqual(self.type_for(", ".join(reversed(self.TYPES[n:]))), self.TYPES[n])
            self.assertEqual(self.type_for(", ".join(t + ";q=0.5" for t in reversed(self.TYPES[n:]))), self.TYPES[n])
        self.assertEqual(self.type_for("text/*"), streams.SSE)

    def test_several_fields_are_one_list(self):
        answer = self.server.post({"items": []}, headers=[("Accept", "application/json;q=0.1"), ("Accept", streams.NDJSON)])
        self.assertEqual(answer.header("content-type"), streams.NDJSON)

    def test_406_lists_what_there_is(self):
        for accept in ("text/html", "application/xml, image/*", "application/x-ndjson;q=0", "*/*;q=0"):
            answer = self.server.post({"items": []}, headers=[("Accept", accept)])
            problem = self.assert_problem(answer, 406, "not_acceptable")
            for name in self.TYPES:
                self.assertIn(name, problem["detail"])

    def test_a_refusal_is_a_problem_whatever_accept_asks(self):
        for accept in self.TYPES[1:]:
            fields = [("Accept", accept)]
            for body, status, code in ((b"{", 400, "invalid_json"), (b'{"items":7}', 400, "invalid_request"),
                                       (b'{"items":[{}],"options":{"strict":true}}', 400, "invalid_request"),
                                       (b'{"items":[],"options":{"order":"random"}}', 400, "invalid_request"),
                                       (b'{"items":[],"options":{"label":7}}', 400, "invalid_request"),
                                       (b'{"items":[%s]}' % b",".join([b"{}"] * 51), 413, "too_many_items"),
                                       (b" " * 70000, 413, "body_too_large"),
                                       (json.dumps({"items": [{"url": self.fault.url()}] * 21}).encode(), 413, "too_many_items")):
                self.assert_problem(self.server.post(body, headers=fields), status, code)
        self.assertEqual(self.fault.hits(), 0)

    def test_without_a_key_it_is_401_whatever_accept_asks(self):
        server = self.start({"auth": {"keys": [{"name": "a", "sha256": [world.make_key()[1]]}]}})
        for accept in self.TYPES:
            answer = server.post({"items": []}, headers=[("Accept", accept)])
            self.assert_problem(answer, 401, "unauthorized")

    def test_a_body_of_ndjson_is_415_and_told_where_to_go(self):
        for accept in self.TYPES:
            answer = self.server.post(b'{}\n{"url":"http://x/"}\n', headers=[("Content-Type", streams.NDJSON), ("Accept", accept)])
            problem = self.assert_problem(answer, 415, "unsupported_media_type")
            self.assertIn("/v1/jobs", problem["detail"])
            self.assertIn("batchgate run", problem["detail"])

    def test_every_stream_tells_caches_and_proxies_to_stay_out_of_it(self):
        for accept in self.TYPES[1:]:
            answer = self.server.post({"items": []}, headers=[("Accept", accept)])
            self.assertEqual(answer.header("cache-control"), "no-store")
            self.assertEqual(answer.header("x-accel-buffering"), "no")

    def test_curl_without_flags_gets_the_document(self):
        done = subprocess.run([world.need("curl"), "-q", "-sS", "--noproxy", "*", "--json", '{"items":[]}',
                               "http://127.0.0.1:%d/v1/batch" % self.server.port], capture_output=True, check=True, timeout=world.WAIT)
        world.check_document(json.loads(done.stdout), 0)


if __name__ == "__main__":
    world.main()
