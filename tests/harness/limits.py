"""limits - what tests of an upstream's limits share: an origin of its own for each test, two callers, and what the upstream saw.

A host and port is an upstream: what one test does to it, the others must not feel. The upstream's clock is the machine's monotonic
one, as is this process's: a time read before a batch was posted lies before any of its calls.
"""
import json
import os
import signal
import urllib.parse

import world

ORIGINS = 40
LISTEN = ("--listen", "127.0.0.1:0") * ORIGINS
AT_ONCE = 10  # seconds: far less than what a test says must not be waited for, far more than a batch that waits for nothing takes


def overlap(records):
    """How many of these requests the upstream had at once at most; one that ends as another comes does not count."""
    edges = [(r["at"], 1) for r in records] + [(r["until"], -1) for r in records if r["until"]]
    most = now = 0
    for _, step in sorted(edges):
        now += step
        most = max(most, now)
    return most


def query_of(record):
    return dict(urllib.parse.parse_qsl(record["target"].partition("?")[2]))


def repeats(records):
    """Those that had been asked before, by the query's `n`."""
    seen, found = set(), []
    for record in records:
        n = query_of(record)["n"]
        if n in seen:
            found.append(record)
        seen.add(n)
    return found


def assert_rate(records, per_s, since, saved=1):
    """No start came before its token: since `since`, when `saved` of them were there."""
    for k, record in enumerate(records):
        earliest = since + max(0, k + 1 - saved) / per_s
        if record["at"] < earliest:
            raise AssertionError("start %d came %.3f s early" % (k, earliest - record["at"]))


def assert_windows(records, per_s):
    """In any second no more than the rate and what a second may save."""
    at = [r["at"] for r in records]
    for k, begin in enumerate(at):
        within = sum(1 for t in at[k:] if t < begin + 1)
        if within > 2 * per_s + 1:
            raise AssertionError("%d starts in a second at a rate of %s" % (within, per_s))


class Case(world.Case):
    """Each test has an origin of its own: self.url(). Two callers: `first` and `second`."""
    fault_args = LISTEN
    first, first_hash = world.make_key()
    second, second_hash = world.make_key()
    KEYS = {"keys": [{"name": "first", "sha256": [first_hash]}, {"name": "second", "sha256": [second_hash]}]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ports = iter([cls.fault.ports["extra%d" % n] for n in range(ORIGINS)])

    def setUp(self):
        super().setUp()
        self.port = next(self.ports)

    def url(self, path="/ok", port=None, **query):
        where = "http://127.0.0.1:%d%s" % (port or self.port, path)
        return where + ("?" + urllib.parse.urlencode(query, encoding="latin-1", quote_via=urllib.parse.quote) if query else "")

    def seen(self, path="", port=None):
        """What this origin was asked, in the order it came."""
        return [r for r in self.fault.asked(path) if r["local"].endswith(":%d" % (port or self.port))]

    def mood(self, status=200, ms=0):
        """What /mood answers from now on."""
        self.fault.ask("/_mood?key=%d&status=%d&ms=%d" % (self.port, status, ms))

    def moody(self, count, **members):
        return [{"url": self.url("/mood", key=self.port), **members} for _ in range(count)]

    def as_caller(self, key, items, options=None, server=None, **members):
        """The whole answer to a batch of this caller."""
        document = {"items": items, "options": options or {}, **members}
        return self.batch_bytes(json.dumps(document).encode(), len(items), server, {"Authorization": "Bearer " + key})

    def reload(self, server, config):
        """The server goes on with another configuration."""
        seen = len(server.events("reloaded"))
        path = server.config_path + ".new"
        with open(path, "w", encoding="utf-8") as out:
            json.dump(world.merge(world.BASE if self.base is None else self.base, config), out)
        os.rename(path, server.config_path)
        os.kill(server.serving_pid, signal.SIGHUP)
        world.wait_for("the reload", lambda: server.events("reloaded")[seen:])

    def all_fine(self, document, count):
        self.assertEqual((document["summary"]["succeeded"], len(document["results"])), (count, count), document["summary"])
