"""checker - joins what the upstreams saw (hits) with what clients got (batches), and says each thing that does not fit.

Only what is certain counts. A hit's span [start, end] lies within the time its call held its slots where the result, or a later
hit, shows that this very attempt came to its end; the upstream's end of a call that was given up comes late, and counts nothing.
A start lies between `earliest` (what the result says of the queue, or the hit before) and the moment it was seen. What an upstream
is spared is judged in spared.py.
"""
import collections

import spared

RETRY_ON = {408, 425, 429, 500, 502, 503, 504}
CODES = {"upstream_status", "upstream_protocol", "timeout", "connect_failed", "rate_limited", "circuit_open", "cancelled"}
WAITED = ("timeout", "cancelled", "rate_limited")  # ends that say nothing of the last attempt
BURST_S = 1.0  # of a rate's bucket
SPAN_S = 4.0  # windows of a rate that are looked at
TEMPLATE_MS = 1980  # that `response` and `fallback` have, clocks being what they are
GRACE_MS = 6000  # that a result may be late on a busy machine
TURN_S = 0.25  # see spared.py; twice that where the build is a slow one
REFUSALS = 5  # streams that HTTP/2 may refuse unseen, and that are sent again
SHOWN = 12  # complaints of a kind


class Run:
    """What is to be judged. `lateness_ms`: what a slow, sanitized build is allowed besides."""

    def __init__(self, hits, batches, bounds, lateness_ms=0):
        self.batches, self.bounds = batches, bounds
        self.lateness_ms = GRACE_MS + lateness_ms
        self.turn_s = 2 * TURN_S if lateness_ms else TURN_S
        self.hits = collections.defaultdict(list)
        for hit in sorted(hits, key=lambda h: h["start"]):
            self.hits[hit["tag"]].append(hit)
        self.items = []
        for batch in batches:
            results = {}
            for result in batch["results"]:
                results.setdefault(result["index"], result)
            for index, item in enumerate(batch["items"]):
                self.items.append(Item(batch, index, item, results.get(index), self.hits.get(item["tag"], [])))


class Item:
    """One item: what was asked, what was seen, what was told."""

    def __init__(self, batch, index, item, result, hits):
        self.batch, self.index, self.result, self.hits = batch, index, result, hits
        self.tag, self.facts = item["tag"], item

    def is_certain(self, at):
        hit = self.hits[at]
        if at + 1 < len(self.hits):
            return hit["fate"] != "left"
        if self.result is None or hit["fate"] == "left":
            return False
        if hit["fate"] == "cut":
            return self.result["code"] == "upstream_protocol"
        return self.result["status"] == hit["status"] and (self.result["success"] or self.result["code"] == "upstream_status")

    def heard(self, at):
        """The server took in this answer: it went on to the next attempt, or told of this one."""
        hit, told = self.hits[at], self.result
        return hit["fate"] == "answer" and (at + 1 < len(self.hits) or bool(
            told and told["status"] == hit["status"] and (told["success"] or told["code"] in ("upstream_status", "circuit_open"))))

    def began_after(self, at):
        """When this attempt took its turn at the earliest; libcurl's second try takes none of its own."""
        if at > 0:
            before = self.hits[at - 1]
            return before["end"] + before["wait"] if before["fate"] == "answer" else self.began_after(at - 1)
        return self.batch["posted"] + (self.result["queue_ms"] / 1000 if self.result and self.result["attempts"] else 0.0)

    def known_by(self, at):
        """When the server knew the end of this attempt (the last: whether it was seen or not) at the latest."""
        if at + 1 < len(self.hits):
            hit = self.hits[at]
            return self.hits[at + 1]["start"] - (hit["wait"] if hit["fate"] == "answer" else 0)
        began, lasted = self.hits[0]["start"] if self.hits else self.batch["ended"], self.facts["timeout_ms"]
        return min(began + self.result["duration_ms"] / 1000, self.told_by()) if self.result else began + lasted / 1000

    def told_by(self):
        return self.result.get("came") or self.batch["ended"]

    def spans(self):
        return [(h["start"], h["end"]) for at, h in enumerate(self.hits) if self.is_certain(at)]

    def starts(self):
        """(earliest, seen) of each start that took a turn: libcurl's second try on a dead connection takes none."""
        return [(min(self.began_after(at), hit["start"]), hit["start"]) for at, hit in enumerate(self.hits)
                if at == 0 or self.hits[at - 1]["fate"] == "answer"]


# --- rules: each yields what is wrong -------------------------------------------------------------------------------

def one_result_each(run):
    for batch in run.batches:
        count = collections.Counter(r["index"] for r in batch["results"])
        for index, times in count.items():
            if times > 1 or not 0 <= index < len(batch["items"]):
                yield "%s: %d results of item %r" % (batch["batch"], times, index)
        if batch["whole"]:
            missing = [n for n in range(len(batch["items"])) if not count[n]]
            if missing:
                yield "%s: no result of the items %r" % (batch["batch"], missing)
        elif batch["status"] == 200 and not batch["gone"]:
            yield "%s: the answer was not whole" % batch["batch"]
        if batch["status"] != 200 and batch["results"]:
            yield "%s: results of a refused batch" % batch["batch"]
        for result in batch["results"]:
            if 0 <= result["index"] < len(batch["items"]) and result["id"] != batch["items"][result["index"]]["id"]:
                yield "%s: item %d has the id of another: %r" % (batch["batch"], result["index"], result["id"])


def summaries(run):
    for batch in run.batches:
        if not batch["whole"]:
            continue
        failed = collections.Counter(r["code"] for r in batch["results"] if not r["success"])
        said = batch["summary"]
        if (said["total"], said["failed"], said["by_code"]) != (len(batch["items"]), sum(failed.values()), dict(failed)) or \
                said["succeeded"] != said["total"] - said["failed"]:
            yield "%s: the summary does not fit: %r, %r" % (batch["batch"], said, dict(failed))
        if said["concurrency"] > batch["concurrency"]:
            yield "%s: more concurrency than asked: %r" % (batch["batch"], said["concurrency"])


def order(run):
    for batch in run.batches:
        told = [r["index"] for r in batch["results"]]
        if (batch["ordered"] or batch["shape"] in ("sync", "half")) and told != sorted(told):
            yield "%s: results out of order: %r" % (batch["batch"], told)


def starts_in_order(run):
    """A batch that runs one item after the other, or stops at the first error, starts them as they stand."""
    for batch, items in by_batch(run):
        if batch["concurrency"] != 1 or len({i.facts["upstream"] for i in items}) > 1:
            continue
        last = None
        for item in items:
            if item.hits and item.is_certain(0) and item.result and item.result["attempts"] == len(item.hits):  # the first was seen
                if last and item.hits[0]["start"] < last.hits[0]["start"]:
                    yield "%s began before %s" % (item.tag, last.tag)
                last = item


def stopped(run):
    for batch in run.batches:
        for result in batch["results"]:
            if result["code"] != "cancelled":
                continue
            allowed = {"stop_on_error": batch["stop"], "client_gone": batch["shape"] == "half"}
            if not allowed.get(result["reason"]):
                yield "%s: item %d was cancelled: %r" % (batch["batch"], result["index"], result["reason"])
        reasons = [r["reason"] if r["code"] == "cancelled" else r["code"] for r in batch["results"]]
        if "stop_on_error" in reasons and batch["whole"] and not [r for r in reasons if r not in (None, "stop_on_error")]:
            yield "%s: stopped without an error" % batch["batch"]


def bytes_sent(run):
    for item in run.items:
        for hit in item.hits:
            if hit["method"] != item.facts["method"] or hit["up"] != item.facts["upstream"]:
                yield "%s: came as %s at %s" % (item.tag, hit["method"], hit["up"])
            if hit["sha"] is not None and hit["sha"] != item.facts["sha"]:
                yield "%s: its body is not what was sent" % item.tag


def bytes_answered(run):
    for item in run.items:
        result = item.result
        if not result or not item.hits or result["out"] is None:
            continue
        last = item.hits[-1]
        if (result["success"] or result["code"] == "upstream_status") and len(item.hits) == result["attempts"] and result["out"] != last["out"]:
            yield "%s: the body is not what the upstream answered (%s)" % (item.tag, last["what"])


def truth(run):
    """`success`, `sent`, `attempts` and `status` against what was seen."""
    for item in run.items:
        result, seen = item.result, len(item.hits)
        if not result:
            continue
        if result["code"] == "transform_failed" and item.batch["endpoint"] and late_template(item, result):
            continue
        if not result["success"] and result["code"] not in CODES:
            yield "%s: %s: %s" % (item.tag, result["code"], result.get("message"))
        if seen > result["attempts"]:
            yield "%s: seen %d times in %d attempts" % (item.tag, seen, result["attempts"])
        if not result["sent"] and seen:
            yield "%s: seen though `sent` is false (%s)" % (item.tag, result["code"])
        if result["sent"] and not result["attempts"]:
            yield "%s: sent in no attempt" % item.tag
        if result["success"] and (not seen or item.hits[-1]["fate"] != "answer" or not 200 <= item.hits[-1]["status"] <= 299):
            yield "%s: a success that nobody answered" % item.tag
        if seen and seen == result["attempts"] and result["code"] not in WAITED and not between(item, item.hits[-1], result):
            yield from last_word(item, item.hits[-1], result)


def between(item, hit, result):
    """The breaker opened before an attempt that was due; what is known of those before it stays."""
    hidden = item.facts["repeatable"] and any(h["fate"] != "answer" for h in item.hits[:-1])  # libcurl's second try
    due = hit["status"] in RETRY_ON if hit["fate"] == "answer" else item.facts["repeatable"]
    return result["code"] == "circuit_open" and due and result["attempts"] < item.facts["max_attempts"] + hidden and \
        (hit["fate"] != "answer" or result["status"] == hit["status"])


def last_word(item, hit, result):
    """What the last attempt came to, where it was seen."""
    if result["code"] == "circuit_open":
        yield "%s: circuit_open, though no attempt was due behind this one (%s)" % (item.tag, hit["what"])
    elif hit["fate"] == "answer":
        good = 200 <= hit["status"] <= 299
        if result["success"] != good or result["status"] != hit["status"]:
            yield "%s: answered %d, told as %r %r" % (item.tag, hit["status"], result["code"], result["status"])
    elif hit["fate"] == "cut" and result["code"] != "upstream_protocol":
        yield "%s: broken by %s, told as %r" % (item.tag, hit["what"], result["code"])
    elif hit["fate"] == "left":
        yield "%s: given up, told as %r" % (item.tag, result["code"])


def repeats(run):
    for item in run.items:
        most = item.facts["max_attempts"]
        allowed = most + 1 if item.facts["repeatable"] else most  # a dead connection: one more, counted
        refused = REFUSALS if item.facts["upstream"] in run.bounds["http2"] else 0  # as if it had never been sent, but counted
        attempts = item.result["attempts"] - refused if item.result else len(item.hits)
        if max(attempts, len(item.hits)) > allowed:
            yield "%s: %d attempts, %d seen, %d allowed" % (item.tag, attempts, len(item.hits), allowed)
        for at, hit in enumerate(item.hits[:-1]):
            if hit["fate"] == "answer" and hit["status"] not in RETRY_ON:
                yield "%s: came again after %d" % (item.tag, hit["status"])
            if hit["fate"] != "answer" and not item.facts["repeatable"]:
                yield "%s: a %s that may have acted came again (%s)" % (item.tag, hit["method"], hit["what"])
            if hit["fate"] == "answer" and item.hits[at + 1]["start"] - hit["end"] < hit["wait"] - 0.005:
                yield "%s: came again %.3f s after it was told to wait %g s" % (item.tag, item.hits[at + 1]["start"] - hit["end"], hit["wait"])


def keys(run):
    owners = {}
    for item in run.items:
        found = {h["key"] for h in item.hits}
        if len(found) > 1:
            yield "%s: more than one key: %r" % (item.tag, found)
        for key in found:
            if item.facts["key"] == "any":
                if not key:
                    yield "%s: no key" % item.tag
            elif key != item.facts["key"]:
                yield "%s: the key is %r" % (item.tag, key)
            if key and owners.setdefault(key, item.tag) != item.tag:
                yield "%s: the key of %s" % (item.tag, owners[key])


def never_accepted(run):
    """Nothing is seen of a batch that was refused, nor of an item that nobody sent."""
    known = {i.tag for i in run.items}
    for tag in run.hits:
        if tag not in known:
            yield "%s: nobody sent it" % tag
    for item in run.items:
        if item.hits and item.batch["status"] not in (200, None):
            yield "%s: seen, but its batch was refused" % item.tag
        if item.hits and item.hits[0]["start"] < item.batch["posted"]:
            yield "%s: seen before it was sent" % item.tag


def clocks(run):
    for item in run.items:
        result = item.result
        if not result or not result["attempts"]:
            continue
        own, of_batch = item.facts["timeout_ms"], item.batch["batch_timeout_ms"]
        due = min(own, max(0, of_batch - result["queue_ms"]))
        if result["duration_ms"] > due + run.lateness_ms:
            yield "%s: took %.0f ms of %.0f" % (item.tag, result["duration_ms"], due)
        if result["code"] == "timeout" and result["reason"] in ("response", "connect"):
            whole = 1000 * (item.batch["ended"] - item.batch["posted"])  # the batch's clock began after it was posted
            if result["duration_ms"] < own - 20 and whole < of_batch - 20:
                yield "%s: timed out after %.0f ms of %.0f" % (item.tag, result["duration_ms"], due)


def one_version(run):
    """A batch of a named endpoint runs under one configuration, whatever is reloaded meanwhile."""
    for batch in run.batches:
        seen = {r["version"] for r in batch["results"] if r["version"]}
        if len(seen) > 1:
            yield "%s: of more than one configuration: %r" % (batch["batch"], seen)


def stands_in(run):
    """A fallback stands in for each failure, but where the client is gone, or the time that a template has was over."""
    for item in run.items:
        result = item.result
        if result and item.batch["endpoint"] and item.batch["shape"] != "half" and not result["success"] and \
                not (result["fallback_used"] and result["version"]) and not late_template(item, result):
            yield "%s: failed without its fallback (%s %s)" % (item.tag, result["code"], result["reason"])


def late_template(item, result):
    """What comes after the call has until the item's clock, and TEMPLATE_MS at least: on a busy machine that may not do."""
    whole = 1000 * (item.batch["ended"] - item.batch["posted"])
    if not result["duration_ms"]:  # it never started
        return whole >= result["queue_ms"] + TEMPLATE_MS
    if result["code"] == "transform_failed":
        after = 1000 * (item.batch["ended"] - item.hits[-1]["end"]) if item.hits else result["duration_ms"]
        return "took too long" in result["message"] and min(result["duration_ms"], after) >= TEMPLATE_MS
    if result["code"] in WAITED:
        return result["duration_ms"] >= item.facts["timeout_ms"] + TEMPLATE_MS or whole >= item.batch["batch_timeout_ms"] + TEMPLATE_MS
    return result["duration_ms"] >= TEMPLATE_MS


def concurrency(run):
    for name, bound, items in bounded(run):
        peak = overlap(s for i in items for s in i.spans())
        if peak > bound:
            yield "%s: %d at once, %d allowed" % (name, peak, bound)


def rates(run):
    for name, rate, items in paced(run):
        worst = beyond(sorted(s for i in items for s in i.starts()), rate)
        if worst:
            yield "%s: %d starts within %.3f s at %g a second" % (name, *worst, rate)


RULES = (one_result_each, summaries, order, starts_in_order, stopped, bytes_sent, bytes_answered, truth, repeats, keys, never_accepted, clocks,
         one_version, stands_in, concurrency, rates, *spared.RULES)


# --- what they stand on ---------------------------------------------------------------------------------------------

def by_batch(run):
    found = collections.defaultdict(list)
    for item in run.items:
        found[item.batch["batch"]].append(item)
    return [(items[0].batch, items) for items in found.values()]


def bounded(run):
    """(name, bound, items) of everything that bounds how many run at once."""
    for name, bound in run.bounds["upstreams"].items():
        yield "upstream " + name, bound, [i for i in run.items if i.facts["upstream"] == name]
    for name, bound in run.bounds["endpoints"].items():
        yield "endpoint " + name, bound, [i for i in run.items if i.batch["endpoint"] == name]
    yield "the pool", run.bounds["max_in_flight"], run.items
    for batch, items in by_batch(run):
        yield batch["batch"], batch["summary"]["concurrency"] if batch["summary"] else batch["concurrency"], items


def paced(run):
    for name, rate in run.bounds["endpoint_rates"].items():
        yield "endpoint " + name, rate, [i for i in run.items if i.batch["endpoint"] == name]
    for name, rate in run.bounds["upstream_rates"].items():
        yield "upstream " + name, rate, [i for i in run.items if i.facts["upstream"] == name]
    for batch, items in by_batch(run):
        if batch["rate"]:
            yield batch["batch"], batch["rate"], items


def overlap(spans):
    events = sorted((at, step) for start, end in spans for at, step in ((start, 1), (end, -1)))
    now = most = 0
    for _, step in events:  # at the same moment an end comes before a start
        now += step
        most = max(most, now)
    return most


def beyond(starts, rate):
    """(count, seconds) of a window that surely holds more starts than the bucket had; None where there is none."""
    for at, (begin, _) in enumerate(starts):
        ends = []
        for earliest, seen in starts[at:]:
            if earliest > begin + SPAN_S:
                break
            ends.append(seen)
        for count, end in enumerate(sorted(ends), 1):
            if count > rate * (end - begin) + max(1, rate * BURST_S) + 1e-6:
                return count, end - begin
    return None


def judge(run):
    """{rule: complaints}, of those that have any."""
    found = {rule.__name__: list(rule(run)) for rule in RULES}
    return {name: wrong for name, wrong in found.items() if wrong}


def tell(found):
    return "\n".join("%s: %d\n%s" % (name, len(wrong), "".join("    %s\n" % w for w in wrong[:SHOWN])) for name, wrong in found.items())
