#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=90
"""Memory is bounded by the configuration, not by what clients send."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

MIB = 1 << 20
BODY = 8 * MIB


def fill(head, unit, tail, size=BODY):
    count = (size - len(head) - len(tail)) // (len(unit) + 1)
    return head + b",".join([unit] * count) + tail


class Bodies(world.Case):
    LIMIT = 128 * MIB
    config = {"limits": {"memory": "128MiB"}}

    def setUp(self):
        super().setUp()
        self.server.forget_peak()

    def judge(self, body, statuses, server=None):
        server = server or self.server
        self.assertLessEqual(len(body), BODY)
        answer = server.post(body)
        self.assertIn(answer.status, statuses, answer)
        self.assertLess(server.rss(), world.memory_bound(self.LIMIT))
        self.assertEqual(server.get("/healthz").status, 200)
        return answer

    def test_eight_mebibytes_of_tiny_items(self):
        for unit in (b"{}", b"0", b"[]", b'{"a":0}', b'""'):
            self.judge(fill(b'{"items":[', unit, b"]}"), (413,))

    def test_of_tiny_items_where_a_million_is_allowed(self):
        server = self.start({"limits": {"memory": "128MiB", "max_items": 5000000}, "pool": {"queue_limit": 5000000}})
        for unit in (b"{}", b'{"a":0}', b'{"url":"http://127.0.0.1:1/"}'):
            self.judge(fill(b'{"items":[', unit, b"]}"), (200, 413, 503), server)

    def test_of_tiny_values_in_one_body(self):
        head = b'{"items":[{"url":"%s"},{"url":"%s","body":[' % (self.fault.url().encode(), self.fault.url("/ok").encode())
        for unit in (b'{"a":0}', b"0", b"[]", b'""'):
            answer = self.judge(fill(head, unit, b"]}]}"), (200,))
            self.assertTrue(answer.json()["results"][1]["success"], answer)

    def test_of_tiny_members_where_they_are_read(self):
        url = self.fault.url().encode()
        for head, unit, tail in ((b'{"items":[{"url":"%s","query":{' % url, b'"a%d":1', b"}}]}"), (b'{"items":[{"url":"%s","headers":{' % url, b'"a%d":"b"', b"}}]}"),
                                 (b'{"items":[{"url":"%s","query":{"a":[' % url, b"1", b"]}}]}"), (b'{"items":[{"url":"%s",' % url, b'"a%d":1', b"}]}"),
                                 (b'{"items":[],"options":{"x":[', b'{"a":0}', b"]}}"), (b'{"items":[{"id":[', b"{}", b"]}]}"),
                                 (b'{"items":[],"defaults":{"headers":{', b'"a%d":"b"', b"}}}"), (b'{"items":[],', b'"a%d":1', b"}")):
            with self.subTest(head=head):
                if b"%d" in unit:
                    body, n, parts = len(head) + len(tail), 0, []
                    while body < BODY - 20:
                        parts.append(unit % n)
                        body += len(parts[-1]) + 1
                        n += 1
                    data = head + b",".join(parts) + tail
                else:
                    data = fill(head, unit, tail)
                self.judge(data, (200, 400, 413, 503))

    def test_of_many_small_items_at_once_and_what_is_left_of_it(self):
        """Sixteen batches at a time, whose items and results are blocks of some hundred bytes, mixed in the heap."""
        server = self.start({"limits": {"memory": "128MiB"}, "pool": {"queue_limit": 200000}})
        for unit in (b'{"a":0}', b'{"url":"http://127.0.0.1:1/"}', b'{"url":"ftp://x/"}'):
            body = b'{"items":[' + b",".join([unit] * 10000) + b"]}"
            runs = [world.in_thread(server.post, body) for _ in range(16 if not world.sanitized() else 4)]
            for run in runs:
                self.assertIn(run.result().status, (200, 503))
            self.assertLess(server.rss(), world.memory_bound(self.LIMIT), unit)
            self.assertLess(server.rss(peak=False), world.memory_bound(48 * MIB), unit)

    def test_brackets(self):
        for body in (b"[" * BODY, b'{"a":' * (BODY // 5), b"[" * 60 + b"]" * 60 + b" " * (BODY - 200), b'{"items":' + b"[" * (BODY - 20)):
            self.judge(body, (400,))

    def test_one_long_string(self):
        self.judge(b'{"items":[{"id":"' + b"\\u0041" * ((BODY - 100) // 6) + b'"}]}', (200,))
        self.judge(b'{"items":[{"url":"%s","body_text":"' % self.fault.url().encode() + b"\\n" * ((BODY - 200) // 2) + b'"}]}', (200,))
        self.judge(b'{"' + b"x" * (BODY - 100) + b'":1,"items":[]}', (400,))


if __name__ == "__main__":
    world.main()
