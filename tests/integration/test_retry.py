#!/usr/bin/python3
"""Retries: none unless asked, waits that obey Retry-After, and nothing repeated that may have acted."""
import email.utils
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

FAST = {"max_attempts": 3, "backoff_ms": 1, "max_backoff_ms": 5}


class OneAnswer:
    """Answers its first connection with 503, and is gone for good before anybody can come again."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", world.free_port()))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        sock, _ = self.listener.accept()
        self.listener.close()
        with sock:
            sock.recv(65536)
            sock.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy")


class Retry(world.Case):
    keys = iter("k%d" % n for n in range(10000))

    def flaky(self, retry=None, method="GET", headers=None, options=None, timeout_ms=30000, **query):
        url = self.fault.url("/flaky", key=next(self.keys), **query)
        item = {"url": url, "method": method, "timeout_ms": timeout_ms}
        if retry is not None:
            item["retry"] = retry
        if headers:
            item["headers"] = headers
        return self.one(options, **item)

    def test_none_unless_asked(self):
        self.assert_error(self.flaky(), "upstream_status", status=503, retryable=True)
        self.assertEqual(self.fault.hits("/flaky"), 1)

    def test_until_it_succeeds_or_the_attempts_are_used_up(self):
        result = self.flaky(FAST, fail=2)
        self.assertTrue(result["success"])
        self.assertEqual((result["attempts"], result["body"]), (3, {"seen": 3}))
        result = self.flaky(FAST, fail=9)
        self.assert_error(result, "upstream_status", status=503)
        self.assertEqual((result["attempts"], result["body"]), (3, "not yet"))
        self.assertEqual(self.fault.hits("/flaky"), 6)

    def test_it_merges_member_by_member(self):
        items = [{"url": self.fault.url("/flaky", fail=9, key=next(self.keys), how=503), "retry": {"max_attempts": 2}},
                 {"url": self.fault.url("/flaky", fail=9, key=next(self.keys), how=503)},
                 {"url": self.fault.url("/flaky", fail=9, key=next(self.keys), how=418)},
                 {"url": self.fault.url("/flaky", fail=9, key=next(self.keys), how=418), "retry": {"retry_on": [503]}}]
        results = self.batch(items, {"retry": {"max_attempts": 5, "backoff_ms": 1, "retry_on": [418, 503]}},
                             defaults={"retry": {"max_attempts": 3}})["results"]
        self.assertEqual([r["attempts"] for r in results], [2, 3, 3, 1])

    def test_statuses_that_are_not_in_retry_on_are_final(self):
        for how in (400, 404, 501):
            self.assertEqual(self.flaky(FAST, how=how)["attempts"], 1)
        for how in (408, 425, 429, 500, 502, 503, 504):
            self.assertEqual(self.flaky(FAST, how=how)["attempts"], 2, how)

    def test_an_empty_retry_on_repeats_no_status(self):
        result = self.flaky({**FAST, "retry_on": []})
        self.assert_error(result, "upstream_status", retryable=False)
        self.assertEqual(result["attempts"], 1)

    def test_a_refusal_by_status_is_repeated_for_every_method(self):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
            result = self.flaky(FAST, method)
            self.assertTrue(result["success"], method)
            self.assertEqual(result["attempts"], 2, method)

    def test_a_connection_never_made_is_repeated_for_every_method(self):
        url = "http://127.0.0.1:%d/" % world.free_port()
        for method in ("GET", "POST", "PATCH"):
            result = self.one(url=url, method=method, retry=FAST)
            self.assert_error(result, "connect_failed", sent=False)
            self.assertEqual(result["attempts"], 3, method)

    def test_an_ambiguous_failure_is_not_repeated_for_post_and_patch(self):
        for how in ("rst", "close"):
            for method, attempts in (("POST", 1), ("PATCH", 1), ("GET", 2), ("PUT", 2), ("DELETE", 2), ("HEAD", 2), ("OPTIONS", 2)):
                with self.subTest(how=how, method=method):
                    self.fault.reset()
                    result = self.flaky(FAST, method, how=how)
                    self.assertEqual(result["attempts"], attempts, result)
                    self.assertEqual(self.fault.hits("/flaky"), attempts)
                    if attempts == 1:
                        self.assert_error(result, "upstream_protocol", sent=True)

    def test_an_idempotency_key_makes_it_repeatable_and_stays_the_same(self):
        for how in ("rst", "close"):
            self.fault.reset()
            result = self.flaky(FAST, "POST", {"idempotency-KEY": '"8e03978e"'}, how=how)
            self.assertTrue(result["success"], result)
            sent = [world.headers_of(r, "Idempotency-Key") for r in self.fault.asked("/flaky")]
            self.assertEqual(sent, [['"8e03978e"'], ['"8e03978e"']])

    def test_a_stale_connection_is_repeated_with_a_key_and_counted(self):
        items = [{"url": self.fault.url("/stale"), "body": n, "headers": {"Idempotency-Key": "k%d" % n}} for n in range(30)]
        results = self.batch(items, {"concurrency": 1})["results"]
        self.assertTrue(all(r["success"] for r in results))
        self.assertEqual(self.fault.hits("/stale"), sum(r["attempts"] for r in results))

    def test_waits_are_backed_off(self):
        def measure():
            result = self.flaky({"max_attempts": 4, "backoff_ms": 100, "max_backoff_ms": 200}, fail=3, options={"include_timing": True})
            self.assertTrue(result["success"])
            waits = [a["wait_ms"] for a in result["timing"]["attempts"]]
            self.assertEqual(waits[0], 0)
            for wait in waits[1:]:
                self.assertLessEqual(wait, 200 + 150)
        world.again(measure)

    def retry_after(self, value, timeout_ms=30000, name="Retry-After", method="GET"):
        started = time.monotonic()
        result = self.one({"include_timing": True}, method=method, timeout_ms=timeout_ms, retry=FAST,
                          url=self.fault.url("/503ra", ra=value, name=name, key=next(self.keys)))
        return result, time.monotonic() - started

    def test_21_retry_after_is_waited_for(self):
        for value, name, least in (("1", "Retry-After", 1.0), ("1200", "retry-after-ms", 1.2), (" 1 ", "RETRY-AFTER", 1.0)):
            with self.subTest(value=value, name=name):
                result, took = self.retry_after(value, name=name)
                self.assertTrue(result["success"], result)
                self.assertEqual(result["attempts"], 2)
                self.assertGreaterEqual(took, least * 0.98)
                self.assertGreaterEqual(result["timing"]["attempts"][1]["wait_ms"], least * 980)

    def test_21_retry_after_as_a_date(self):
        result, took = self.retry_after(email.utils.formatdate(time.time() + 3, usegmt=True))
        self.assertTrue(result["success"], result)
        self.assertGreaterEqual(took, 1.5)
        result, took = self.retry_after(email.utils.formatdate(time.time() - 100, usegmt=True))
        self.assertTrue(result["success"], result)

    def test_21_one_beyond_the_deadline_ends_the_item_at_once(self):
        date = email.utils.formatdate(time.time() + 7200, usegmt=True)
        for value in ("3600", date, "99999999999999999999"):
            with self.subTest(value=value):
                result, took = self.retry_after(value, timeout_ms=20000)
                self.assert_error(result, "upstream_status", status=503, retryable=True, sent=True)
                self.assertEqual((result["attempts"], result["body"]), (1, "later"))
                self.assertLess(took, 10)

    def test_21_garbage_is_ignored(self):
        for value in ("soon", "-5", "1.5", "", "7 apples", "Sun, 99 Foo 2030"):
            with self.subTest(value=value):
                result, took = self.retry_after(value)
                self.assertTrue(result["success"], result)
                self.assertEqual(result["attempts"], 2)
                self.assertLess(took, 10)

    def test_a_wait_that_would_pass_the_deadline_is_not_begun(self):
        result = self.one(url=self.fault.url("/flaky", fail=9, key=next(self.keys)), timeout_ms=15000,
                          retry={"max_attempts": 5, "backoff_ms": 1}, method="GET")
        self.assertEqual(result["attempts"], 5)
        started = time.monotonic()
        result, _ = self.retry_after("30", timeout_ms=20000)
        self.assert_error(result, "upstream_status", status=503)
        self.assertLess(time.monotonic() - started, 15)

    def test_all_attempts_share_the_items_clock(self):
        result = self.flaky({"max_attempts": 10, "backoff_ms": 1}, how="stall", fail=9, timeout_ms=2500)
        self.assert_error(result, "timeout", "response", sent=True)
        self.assertEqual(result["attempts"], 1)

    def test_an_attempt_is_judged_by_its_own_answer(self):
        result = self.one(url=self.fault.url("/cutswitch", key=next(self.keys)), retry={"max_attempts": 2, "backoff_ms": 1})
        self.assert_error(result, "upstream_protocol", "malformed", sent=True)
        self.assertEqual(result["attempts"], 2)
        self.assertEqual(self.fault.hits("/cutswitch"), 2)

    def test_a_wait_for_a_turn_ends_with_the_items_clock_and_keeps_the_status(self):
        """The rate allows one start; the second attempt would be another."""
        result = self.flaky(FAST, timeout_ms=2500, options={"rate_limit": "1/min"})
        self.assert_error(result, "timeout", "retry_wait", sent=True, retryable=True, status=503)
        self.assertIsNone(result["body"])
        self.assertEqual((result["attempts"], self.fault.hits("/flaky")), (1, 1))

    def test_a_waiting_retry_holds_no_slot(self):
        waiting = {"url": self.fault.url("/503ra", ra="4", key=next(self.keys)), "retry": FAST}
        others = [{"url": self.fault.url("/ok")} for _ in range(5)]
        started = time.monotonic()
        results = self.batch([waiting, *others], {"concurrency": 1})["results"]
        self.assertTrue(all(r["success"] for r in results), results)
        at = [r["at"] for r in self.fault.asked("/ok")]
        again = self.fault.asked("/503ra")[-1]["at"]
        self.assertLess(max(at), again, "the others ran while the first one waited")
        self.assertGreater(time.monotonic() - started, 3.9)

    def test_503_and_then_refused_remembers_the_status(self):
        upstream = OneAnswer()
        result = self.one(url="http://127.0.0.1:%d/" % upstream.port, retry={"max_attempts": 2, "backoff_ms": 50})
        self.assert_error(result, "connect_failed", status=503, sent=True)
        self.assertEqual(result["attempts"], 2)


if __name__ == "__main__":
    world.main()
