"""spared - the checker's rules about what an upstream is spared: the calls of a caller whom it asked to wait, retries beyond its
budget, calls while its breaker is not closed; and that nothing is refused for the sake of a breaker that had no cause to open.

Upstreams, clients and server read one clock, but what happens in the server is seen a little before or after. So each thing is
known to lie between two moments, and a rule complains only where one surely lies behind the other:
  - A call takes its turn after Item.began_after(), and before its request is seen. What was on its way when an answer came
    took its turn before, and is nobody's fault.
  - An answer is taken in after its `end`, and before Item.known_by(); the pool hears of it by run.turn_s later. That is the one
    tolerance: the time from a worker's look at the clock to its turn with the pool, in which other workers may start calls.
    It takes microseconds, unless the machine has no processor for that thread. The shortest pause (0.2 s) is lost to it, the
    others (1 s) are judged for the rest of their time.
"""
import bisect
import collections

LEAST = 3  # retries that a budget always lets through
FAILURES = (502, 503, 504)  # that a breaker counts


class Attempt:
    """What was seen of one attempt, between the moments that are known of it."""

    def __init__(self, item, at, turn_s):
        hit = item.hits[at]
        self.item, self.at, self.start, self.end = item, at, hit["start"], hit["end"]
        self.after, self.heard_by = item.began_after(at), item.known_by(at) + turn_s
        self.certain, answered = item.is_certain(at), hit["fate"] == "answer"
        self.maybe_bad = answered and hit["status"] in FAILURES
        self.maybe_good = answered and not self.maybe_bad
        self.bad, self.good = self.maybe_bad and item.heard(at), self.maybe_good and item.heard(at)


def attempts_at(run, upstream, turn_s):
    """All that were seen there, in the order they were."""
    found = [Attempt(i, n, turn_s) for i in run.items if i.facts["upstream"] == upstream for n in range(len(i.hits))]
    return sorted(found, key=lambda a: a.start)


# --- 429 with Retry-After -------------------------------------------------------------------------------------------

def pauses(run, turn_s):
    """{(caller, upstream): [(from, until)]}: in between the server surely knew, and no call of that caller may take its turn."""
    found = collections.defaultdict(list)
    for item in run.items:
        for at, hit in enumerate(item.hits):
            if hit["status"] == 429 and hit["wait"] and item.heard(at):
                found[item.batch["caller"], hit["up"]].append((item.known_by(at) + turn_s, hit["end"] + hit["wait"]))
    return {key: sorted(p for p in spans if p[0] < p[1]) for key, spans in found.items()}


def paused(run):
    told = pauses(run, run.turn_s)
    longest = max((until - begin for spans in told.values() for begin, until in spans), default=0)
    for item in run.items:
        for at, hit in enumerate(item.hits):
            spans, after = told.get((item.batch["caller"], hit["up"]), ()), item.began_after(at)
            for begin, until in spans[bisect.bisect_left(spans, (hit["start"] - longest,)):bisect.bisect_left(spans, (after,))]:
                if hit["start"] < until:
                    yield "%s: came to %s %.3f s before %s may call it again" % (item.tag, hit["up"], until - hit["start"], item.batch["caller"])
                    break


def waited_out(run):
    """How many items came during a pause and were seen behind it."""
    told, count = pauses(run, 0), 0
    for item in run.items:
        spans = told.get((item.batch["caller"], item.facts["upstream"]), ())
        count += bool(item.hits) and any(begin < item.batch["posted"] < until <= item.hits[0]["start"] for begin, until in spans)
    return count


# --- retry_budget ---------------------------------------------------------------------------------------------------

def budget(run):
    """A retry may begin while fewer are in flight than the share of what is in flight then, itself not counted, or than LEAST."""
    for name, rule in run.bounds["budgets"].items():
        began, over = possible_spans(run, name)
        for running in retries_at_once(run, name):
            seen = running[-1].start
            first = max(a.after for a in running)  # the last of them began between these two
            others = min(bisect.bisect_right(began, seen) - bisect.bisect_left(over, first), rule["concurrency"]) - 1
            allowed = max(LEAST, others * rule["percent"] // 100)
            if len(running) > allowed:
                yield "%s: %d retries at once, %d allowed where %d calls are in flight before" % (name, len(running), allowed, others)


def retries_at_once(run, upstream):
    """At the start of each retry, all of them that surely are in flight. What comes behind an answer is no second try of libcurl's."""
    running = []
    for attempt in attempts_at(run, upstream, run.turn_s):
        if attempt.certain and any(h["fate"] == "answer" for h in attempt.item.hits[:attempt.at]):
            running = [a for a in running if a.end > attempt.start] + [attempt]
            yield running


def possible_spans(run, upstream):
    """When each item may have begun to be in flight there, and when that was over: both sorted."""
    began, over = [], []
    for item in run.items:
        if item.facts["upstream"] == upstream and (item.hits or not item.result or item.result["attempts"]):
            began.append(item.began_after(0))
            over.append(max(item.known_by(len(item.hits) - 1) + run.turn_s, began[-1]))
    return sorted(began), sorted(over)


# --- breaker --------------------------------------------------------------------------------------------------------

def stretches(run, upstream, turn_s):
    """Each time in which the breaker surely was open or half open, as the attempts that surely began in it.

    It begins when as many failures as open it are known to the pool, all of them surely behind the last answer that was none, and
    ends where the next answer comes that may close it. What began before it was open and closed again does not count for it: that
    is longer ago than it is open at least. Failures that nobody saw would only have opened it earlier."""
    rule, attempts = run.bounds["breakers"][upstream], attempts_at(run, upstream, turn_s)
    bad = [a for a in attempts if a.bad]
    goods = sorted((a for a in attempts if a.maybe_good), key=lambda a: a.end)
    quiet = float("-inf")
    for good in [*goods, None]:
        until = good.end if good else float("inf")
        heard = sorted(a.heard_by for a in bad if a.end >= quiet and a.after > quiet - rule["open_s"] and a.heard_by <= until)
        if len(heard) >= rule["failures"]:
            opened = heard[rule["failures"] - 1]
            yield [a for a in attempts if a.after > opened and a.start < until]
        quiet = max(quiet, good.heard_by) if good else quiet


def breaker(run):
    """While it is not closed there are only probes, one at a time, and none while it is open: longer after each that failed."""
    for name, rule in run.bounds["breakers"].items():
        for probes in stretches(run, name, run.turn_s):
            opened, not_before = 1, 0.0
            for probe in probes:
                if probe.start < not_before:
                    yield "%s: came to %s %.3f s before its breaker may let it" % (probe.item.tag, name, not_before - probe.start)
                opened += probe.bad
                if probe.certain or probe.bad:
                    not_before = max(not_before, probe.end + (min(rule["open_s"] * opened, rule["max_open_s"]) if probe.bad else 0))


class Causes:
    """What may have opened the breaker of an upstream: failures that were seen, attempts that never came there (a connection that
    took too long), and in times of trouble any number of these."""

    def __init__(self, run, upstream):
        rule, attempts = run.bounds["breakers"][upstream], attempts_at(run, upstream, run.turn_s)
        self.failures, self.max_open_s = rule["failures"], rule["max_open_s"]
        self.trouble = [(begin, end + rule["connect_s"] + run.turn_s) for begin, end in run.bounds["trouble"].get(upstream, ())]
        self.bad = [(a.end, a.heard_by) for a in attempts if a.maybe_bad]
        for item in run.items:
            if item.facts["upstream"] == upstream and item.result:
                self.bad += [(item.began_after(0), item.told_by() + run.turn_s)] * (item.result["attempts"] - len(item.hits))
        # a success begun when no failure could be under way any more: behind it the breaker is closed, and counts from 0
        self.closed = sorted((a.heard_by, a.after) for a in attempts if a.good and not self.within(a.after, a.heard_by))

    def within(self, begin, end):
        """How many failures the pool may have heard of in that time."""
        if any(a <= end and b >= begin for a, b in self.trouble):
            return self.failures
        return sum(a <= end and b >= begin for a, b in self.bad)

    def suffice(self, begin, end):
        """It may have been open at some moment of that time."""
        behind = bisect.bisect_right(self.closed, (begin, float("inf")))
        return self.within(begin - self.max_open_s, end) > 0 and \
            self.within(self.closed[behind - 1][1] if behind else float("-inf"), end) >= self.failures


def cause(run):
    """Each circuit_open is of an upstream that has a breaker, and that failed often enough, not too long ago."""
    causes = {name: Causes(run, name) for name in run.bounds["breakers"]}
    for item in run.items:
        if not item.result or item.result["code"] != "circuit_open":
            continue
        name = item.facts["upstream"]
        begin = item.hits[-1]["end"] if item.hits else item.batch["posted"] + item.result["queue_ms"] / 1000 - run.turn_s
        if name not in causes:
            yield "%s: circuit_open, though %s has no breaker" % (item.tag, name)
        elif not causes[name].suffice(begin, item.told_by()):
            yield "%s: circuit_open, though nothing had opened the breaker of %s" % (item.tag, name)


RULES = (paused, budget, breaker, cause)
