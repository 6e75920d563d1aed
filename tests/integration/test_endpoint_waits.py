#!/usr/bin/python3
"""Items of a named endpoint that end while they wait for another attempt: like any other failure, with fallback and without secrets."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import named  # noqa: E402
import world  # noqa: E402

SECRET = "query-secret-4711"


class Waits(named.Case):
    @classmethod
    def class_config(cls):
        os.environ["EP_WAIT"] = SECRET
        cls.addClassCleanup(os.environ.pop, "EP_WAIT")
        common = {"url": cls.fault.url("/"), "query": {"secret": "${EP_WAIT}"}, "request": "{path: .item.path, query: .item.query}",
                  "fallback": "{instead: .item.id, code: .error.code}", "timeout": "1500ms", "retry": {"max_attempts": 3, "backoff": "1ms"}}
        return {"endpoints": {"one": {**common, "concurrency": 1}, "many": common, "hidden": {**common, "concurrency": 1, "expose_errors": False}}}

    def setUp(self):
        super().setUp()
        self.key = self.id()

    def waiting(self):
        """It is told to come again in a second; the one slot is then taken for longer than it has."""
        return [{"id": "waits", "path": "flaky", "query": {"key": self.key, "fail": 9, "hdr": "Retry-After: 1"}},
                {"id": "holds", "path": "gate", "query": {"key": self.key}}]

    def assert_stood_in(self, result, code):
        self.assertEqual(result["error"]["code"], code, result)
        self.assertEqual((result["result"], result["fallback_used"]), ({"instead": "waits", "code": code}, True))

    def test_the_items_clock(self):
        result = self.results("one", self.waiting())[0]
        self.assert_stood_in(result, "timeout")
        self.assertEqual((result["error"]["reason"], result["error"]["sent"], result["status"], result["attempts"]), ("retry_wait", True, 503, 1))

    def test_the_batchs_clock(self):
        items = [{"id": "waits", "path": "flaky", "query": {"key": self.key, "fail": 9, "hdr": "Retry-After: 1"}}]
        for name in ("one", "many"):
            result = self.single(name, items[0], options={"batch_timeout_ms": 1200, "rate_limit": "1/min"})
            self.assertIn(result["error"]["code"], ("timeout", "rate_limited"))
            self.assert_stood_in(result, result["error"]["code"])

    def test_one_that_began_goes_on_where_the_batch_stops(self):
        items = [self.waiting()[0], {"id": "fails", "path": "status/404", "query": {}}]
        result = self.results("many", items, options={"stop_on_error": True})[0]
        self.assert_stood_in(result, "upstream_status")
        self.assertGreater(result["attempts"], 1)

    def test_their_timing_tells_no_secret(self):
        for name in ("one", "hidden"):
            self.key = self.id() + name
            answer = self.send(name, self.waiting(), options={"include_timing": True})
            named.check_document(answer.json(), 2)
            result = answer.json()["results"][0]
            self.assertEqual(result["error"]["reason"], "retry_wait")
            self.assertNotIn(SECRET, answer.body.decode())
            if name == "hidden":
                self.assertIsNone(result["timing"]["url"])
            else:
                self.assertIn("/flaky?", result["timing"]["url"])


if __name__ == "__main__":
    world.main()
