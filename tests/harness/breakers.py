"""breakers - what tests of an upstream's breaker share: each has an upstream of its own, whose breaker opens at the FAILURES-th failure in a row."""
import collections
import time

import limits

FAILURES, CONCURRENCY = 5, 10
MOST = FAILURES - 1 + CONCURRENCY  # calls begun before the FAILURES-th has failed
FOR_LONG = {"failures": FAILURES, "open": "10m", "max_open": "10m"}


def codes(results):
    return collections.Counter(r["error"]["code"] if r["error"] else "ok" for r in results)


class Case(limits.Case):
    def assert_refused(self, result, host="127.0.0.1", status=None, attempts=0):
        self.assert_error(result, "circuit_open", sent=status is not None, retryable=True)
        self.assertEqual((result["attempts"], result["status"], result["body"]), (attempts, status, None), result)
        self.assertIn(host, result["error"]["message"])
        self.assertRegex(result["error"]["message"], r"has failed too often lately and is not called for another \d+\.\d s")
        if not attempts:
            self.assertEqual(result["duration_ms"], 0)

    def opens(self, url, code, count=1000, host="127.0.0.1", server=None, **members):
        """A batch of calls that fail: few are made, the rest is refused at once. Gives the attempts that were begun."""
        started = time.monotonic()
        results = self.batch([{"url": url, **members} for _ in range(count)], {"concurrency": CONCURRENCY}, server)["results"]
        self.assertLess(time.monotonic() - started, limits.AT_ONCE)
        failed = [r for r in results if r["error"]["code"] == code]
        self.assertGreaterEqual(len(failed), FAILURES, codes(results))
        self.assertLessEqual(len(failed), MOST, codes(results))
        for result in results:
            if result not in failed:
                self.assert_refused(result, host)
        self.still_open(url, host, server)
        return sum(r["attempts"] for r in results)

    def still_open(self, url, host="127.0.0.1", server=None):
        for result in self.batch([{"url": url}] * 20, server=server)["results"]:
            self.assert_refused(result, host)

    def never_opens(self, items, code, then=None):
        """A batch of calls that fail, one after the other; a call that can succeed then does."""
        results = self.batch(items, {"concurrency": 1})["results"]
        self.assertEqual(codes(results), {code: len(items)})
        self.assertTrue(self.one(url=then or self.url("/ok"))["success"])
        return results
