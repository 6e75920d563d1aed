#!/usr/bin/python3
# ctest: timeout=900
"""Batches to nginx and to httpbin: connections that end, gzip, statuses."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


class RealUpstreams(world.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nginx = world.Nginx(cls.folder, keepalive_requests=10)
        cls.addClassCleanup(cls.nginx.kill)
        cls.httpbin = world.Httpbin(cls.folder)
        cls.addClassCleanup(cls.httpbin.kill)

    def test_nginx_with_connections_that_end_every_ten_requests(self):
        items = [{"id": n, "url": self.nginx.url("/json?n=%d" % n)} for n in range(500)]
        document = self.batch(items, {"concurrency": 16})
        self.assertEqual([r["body"] for r in document["results"]],
                         [{"uri": "/json?n=%d" % n, "method": "GET"} for n in range(500)])
        mine = lambda: [line for line in self.nginx.log_lines() if "/json?n=" in line]
        world.wait_for("nginx to write its log", lambda: len(mine()) >= 500)
        self.assertEqual(len(mine()), 500)

    def test_nginx_gzip_statuses_and_posts(self):
        large, busy, moved, missing, post = self.batch([
            {"url": self.nginx.url("/large")}, {"url": self.nginx.url("/busy")}, {"url": self.nginx.url("/moved")},
            {"url": self.nginx.url("/none")}, {"url": self.nginx.url("/json"), "body": {"a": 1}}])["results"]
        self.assertEqual(large["body_encoding"], "json", str(large)[:500])
        self.assertEqual(len(large["body"]["rows"]), 5000)
        self.assert_error(busy, "upstream_status", status=503)
        self.assert_error(moved, "upstream_status", status=301)
        self.assert_error(missing, "upstream_status", status=404)
        self.assertEqual(post["body"]["method"], "POST")

    def test_httpbin(self):
        anything, gz, deflate, status, data, delay = self.batch([
            {"url": self.httpbin.url("/anything/x"), "method": "PUT", "query": {"a": ["1", "2"]}, "body": {"n": 1},
             "headers": {"X-Mine": "yes"}},
            {"url": self.httpbin.url("/gzip")}, {"url": self.httpbin.url("/deflate")}, {"url": self.httpbin.url("/status/418")},
            {"url": self.httpbin.url("/bytes/64?seed=1")}, {"url": self.httpbin.url("/delay/1")}], {"concurrency": 6})["results"]
        self.assertEqual(anything["body"]["args"], {"a": ["1", "2"]})
        self.assertEqual(anything["body"]["json"], {"n": 1})
        self.assertEqual(anything["body"]["headers"]["X-Mine"], "yes")
        self.assertTrue(gz["body"]["gzipped"])
        self.assertTrue(deflate["body"]["deflated"])
        self.assert_error(status, "upstream_status", status=418)
        self.assertEqual(data["body_encoding"], "base64")
        self.assertGreaterEqual(delay["duration_ms"], 900)


if __name__ == "__main__":
    world.main()
