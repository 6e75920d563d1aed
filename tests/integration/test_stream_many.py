#!/usr/bin/python3
# ctest: cost=12
"""Streams of ten thousand lines, and many streams at once."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import streams  # noqa: E402
import world  # noqa: E402


class Many(streams.Case):
    COUNT = 10000
    config = {"limits": {"max_items": COUNT}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nginx = world.Nginx(cls.folder, keepalive_requests=1000000)
        cls.addClassCleanup(cls.nginx.kill)
        cls.httpbin = world.Httpbin(cls.folder)
        cls.addClassCleanup(cls.httpbin.kill)

    @classmethod
    def tearDownClass(cls):
        cls.httpbin.stop()
        cls.nginx.stop()
        super().tearDownClass()

    def test_ten_thousand_items_have_a_line_each(self):
        items = [{"id": "n%d" % n, "url": self.nginx.url("/json?n=%d" % n)} for n in range(self.COUNT)]
        for order in ("completion", "input"):
            with self.subTest(order=order):
                stream = self.stream(items, {"order": order, "concurrency": 64})
                values = stream.values()
                document = streams.check_values(values, self.COUNT)
                self.assertEqual(document["summary"]["succeeded"], self.COUNT)
                for result in document["results"]:
                    self.assertEqual(result["id"], "n%d" % result["index"])
                    self.assertEqual(result["body"]["uri"], "/json?n=%d" % result["index"])
                if order == "input":
                    self.assertEqual([v["index"] for v in values if "index" in v], list(range(self.COUNT)))
                self.idle()

    def test_ten_thousand_items_that_complete_at_once(self):
        for items in ([{}] * self.COUNT, [{"url": "ftp://x/"}] * self.COUNT):
            self.assertEqual(self.whole(self.stream(items), self.COUNT)["summary"]["failed"], self.COUNT)
        self.idle()

    def test_twenty_streams_at_once(self):
        def one(number):
            items = [{"id": "%d/%d" % (number, n), "url": self.nginx.url("/json?n=%d" % n)} for n in range(300)]
            document = self.whole(self.stream(items, {"order": ("input", "completion")[number % 2]}), 300)
            self.assertEqual([r["id"] for r in document["results"]], [item["id"] for item in items])
            self.assertEqual(document["summary"]["succeeded"], 300)
        for run in [world.in_thread(one, number) for number in range(20)]:
            run.result()
        self.idle()

    def test_httpbins_answers_come_fast_ones_first(self):
        items = [{"id": "slow", "url": self.httpbin.url("/delay/3")}, {"id": "busy", "url": self.httpbin.url("/status/503")},
                 {"id": "text", "url": self.httpbin.url("/html")}, {"id": "gzip", "url": self.httpbin.url("/gzip")}]
        values = self.stream(items).values()
        self.assertEqual(values[-2]["id"], "slow")
        results = {r["id"]: r for r in streams.check_values(values, 4)["results"]}
        self.assert_error(results["busy"], "upstream_status", status=503)
        self.assertTrue(results["gzip"]["body"]["gzipped"])
        self.assertIn("Herman Melville", results["text"]["body"])


if __name__ == "__main__":
    world.main()
