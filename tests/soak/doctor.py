"""doctor - records with one thing wrong: what a checker must not let pass. Each takes (hits, batches), copies of true ones, spoils
them, and names the rule that has to complain; it gives None where these records have nothing to spoil."""
import itertools

import checker
import spared


def told(batches, test, shape=None):
    """(batch, result) of the first result that fits."""
    for batch in batches:
        if batch["whole"] and shape in (None, batch["shape"]):
            for result in batch["results"]:
                if test(batch, result):
                    return batch, result
    return None, None


def hits_of(hits, batch, result):
    return sorted((h for h in hits if h["tag"] == batch["items"][result["index"]]["tag"]), key=lambda h: h["start"])


def seen_once(hits, batches, test=lambda batch, result: True):
    """(hit, batch, result) of a success that came once."""
    tags = {}
    for hit in hits:
        tags.setdefault(hit["tag"], []).append(hit)
    batch, result = told(batches, lambda b, r: r["success"] and len(tags.get(b["items"][r["index"]]["tag"], [])) == 1 and test(b, r))
    return (tags[batch["items"][result["index"]]["tag"]][0] if batch else None), batch, result


def lost(hits, batches):
    batch, result = told(batches, lambda b, r: True)
    batch["results"].remove(result)
    return checker.one_result_each


def twice(hits, batches):
    batch, result = told(batches, lambda b, r: True)
    batch["results"].append(dict(result))
    return checker.one_result_each


def swapped(hits, batches):
    batch, _ = told(batches, lambda b, r: len(b["results"]) > 1, "sync")
    if not batch:
        return None
    batch["results"][0], batch["results"][1] = batch["results"][1], batch["results"][0]
    return checker.order


def wrong_id(hits, batches):
    batch, result = told(batches, lambda b, r: True)
    result["id"] = "another"
    return checker.one_result_each


def unanswered(hits, batches):
    hit, _, _ = seen_once(hits, batches)
    hits.remove(hit)
    return checker.truth


def acted_twice(hits, batches):
    """A POST that may not be repeated comes once more after it was cut."""
    hit, _, result = seen_once(hits, batches, lambda b, r: not b["items"][r["index"]]["repeatable"])
    if not hit:
        return None
    hits.append({**hit, "hit": 2, "start": hit["end"] + 0.1, "end": hit["end"] + 0.2})
    hit.update(fate="cut", what="reset")
    result["attempts"] = 2
    return checker.repeats


def hidden_attempt(hits, batches):
    hit, _, _ = seen_once(hits, batches)
    hits.append({**hit, "hit": 2, "start": hit["start"] + 0.0001})
    return checker.truth


def denied_sending(hits, batches):
    _, _, result = seen_once(hits, batches)
    result.update(success=False, code="connect_failed", sent=False, status=None)
    return checker.truth


def impatient(hits, batches):
    hit, batch, result = seen_once(hits, batches)
    hits.append({**hit, "hit": 2, "start": hit["end"] + 0.5, "end": hit["end"] + 0.6})
    hit.update(status=503, wait=1)
    result["attempts"] = batch["items"][result["index"]]["max_attempts"] = 2
    return checker.repeats


def other_key(hits, batches):
    hit, batch, result = seen_once(hits, batches, lambda b, r: b["items"][r["index"]]["key"])
    if not hit:
        return None
    hits.append({**hit, "hit": 2, "key": "another", "start": hit["end"] + 1, "end": hit["end"] + 2})
    return checker.keys


def other_bytes(hits, batches):
    seen_once(hits, batches)[0]["sha"] = "0" * 40
    return checker.bytes_sent


def other_answer(hits, batches):
    hit, _, _ = seen_once(hits, batches, lambda b, r: r["out"] and not b["endpoint"])
    if not hit:
        return None
    hit["out"] = "0" * 40
    return checker.bytes_answered


def unsent(hits, batches):
    hits.append({**hits[0], "tag": "nobody-0"})
    return checker.never_accepted


def refused(hits, batches):
    hit, batch, _ = seen_once(hits, batches)
    batch.update(status=503, whole=False, results=[], summary=None)
    return checker.never_accepted


def crowded(hits, batches):
    """Two items of a batch at once, where it said one."""
    for batch in batches:
        firsts = [hits_of(hits, batch, r) for r in batch["results"] if r["success"]] if batch["whole"] else []
        firsts = [f[0] for f in firsts if len(f) == 1]
        if len(firsts) >= 2:
            firsts[1].update(start=firsts[0]["start"], end=firsts[0]["end"] + 0.001)
            firsts[0]["end"] += 0.001
            batch["concurrency"] = batch["summary"]["concurrency"] = 1
            return checker.concurrency
    return None


def crowded_upstream(hits, batches):
    few = [(h, r) for h, b, r in each_once(hits, batches) if h["up"] == "few"]
    if len(few) < 20:
        return None
    for hit, _ in few:
        hit.update(start=few[0][0]["start"], end=few[0][0]["start"] + 0.01)
    return checker.concurrency


def rushed(hits, batches):
    """As many starts at once as the bucket holds, and some more."""
    for batch in batches:
        if batch["whole"]:
            found = [(h, r) for h, b, r in each_once(hits, [batch])]
            if len(found) >= 3:
                for hit, result in found:
                    result["queue_ms"] = 0
                    hit["start"] = batch["posted"] + 0.01
                batch["rate"] = 1.0
                return checker.rates
    return None


def each_once(hits, batches):
    for batch in batches:
        for result in sorted(batch["results"], key=lambda r: r["index"]) if batch["whole"] else ():
            found = hits_of(hits, batch, result)
            if result["success"] and len(found) == result["attempts"] == 1:
                yield found[0], batch, result


def backwards(hits, batches):
    for batch in batches:
        found = [h for h, _, _ in each_once(hits, [batch])]
        if len(found) >= 2 and len({i["upstream"] for i in batch["items"]}) == 1:
            batch["concurrency"] = batch["summary"]["concurrency"] = 1
            first, second = found[:2]
            first["start"], second["start"] = second["start"] + 0.002, first["start"]
            return checker.starts_in_order
    return None


def miscounted(hits, batches):
    batch, _ = told(batches, lambda b, r: True)
    batch["summary"]["succeeded"] += 1
    return checker.summaries


def needless_stop(hits, batches):
    _, result = told(batches, lambda b, r: not b["stop"])
    result.update(success=False, code="cancelled", reason="stop_on_error", sent=False)
    return checker.stopped


def late(hits, batches):
    _, result = told(batches, lambda b, r: r["attempts"])
    result["duration_ms"] += 600000
    return checker.clocks


def hasty(hits, batches):
    _, result = told(batches, lambda b, r: r["attempts"] and b["batch_timeout_ms"] >= 60000 and r["queue_ms"] < 1000)
    result.update(success=False, code="timeout", reason="response", duration_ms=3.0)
    return checker.clocks


def mixed_versions(hits, batches):
    batch, result = told(batches, lambda b, r: b["endpoint"] and r["version"] and sum(bool(other["version"]) for other in b["results"]) > 1)
    if not batch:
        return None
    result["version"] += "x"
    return checker.one_version


def left_alone(hits, batches):
    """A failed item of an endpoint without what should stand in for it."""
    _, result = told(batches, lambda b, r: b["endpoint"] and b["shape"] != "half" and r["success"] and r["duration_ms"] < 1500)
    if not result:
        return None
    result.update(success=False, code="upstream_status", status=404, fallback_used=False, version=None)
    return checker.stands_in


def our_fault(hits, batches):
    _, result = told(batches, lambda b, r: not r["success"])
    if not result:
        return None
    result["code"] = "internal"
    return checker.truth


def at(hit, batch, result, began, lasts=0.01, **more):
    """This attempt, the only one of its item, seen at another time; its answer is known at once."""
    hit.update(start=began, end=began + lasts, **more)
    result.update(queue_ms=1000 * (began - 0.001 - batch["posted"]), duration_ms=1000 * lasts + 1, came=None)


def answered(hit, result, status, wait=0):
    hit.update(status=status, wait=wait, fate="answer", what=str(status))
    result.update(success=200 <= status <= 299, code=None if 200 <= status <= 299 else "upstream_status", status=status)


def moved(hits, batches, upstream, count):
    """So many of those that came once, now to that upstream, behind all the others. (their time, [(hit, batch, result)])"""
    found = list(itertools.islice(each_once(hits, batches), count))
    for hit, batch, result in found:
        hit["up"] = batch["items"][result["index"]]["upstream"] = upstream
    now = 10 + max([h["end"] for h in hits] + [b["ended"] for b in batches])
    for _, batch, _ in found:
        batch["ended"] = now + 10
    return now, found if len(found) == count else []


def called_in_pause(hits, batches):
    now, found = moved(hits, batches, "few", 2)
    if not found:
        return None
    for (hit, batch, result), when in zip(found, (0, 0.9)):
        batch["caller"] = "alice"
        at(hit, batch, result, now + when)
    answered(found[0][0], found[0][2], 429, wait=1)
    return spared.paused


def over_budget(hits, batches):
    """More retries than may be, while all others are over."""
    now, found = moved(hits, batches, "again", 10)
    for hit, batch, result in found:
        at(hit, batch, result, now)
        answered(hit, result, 500)
        hits.append({**hit, "hit": 2, "start": now + 0.1, "end": now + 0.2})
        answered(hits[-1], result, 200)
        result.update(attempts=2, duration_ms=201)
    return spared.budget if found else None


def tripped(hits, batches, more):
    """Failures until the breaker is open, all at once, and such behind them: (when, status, how long it took)."""
    now, found = moved(hits, batches, "sick", 5 + len(more))
    for (hit, batch, result), (when, status, lasts) in zip(found, [(0, 503, 0.01)] * 5 + list(more)):
        at(hit, batch, result, now + when, lasts)
        answered(hit, result, status)
    return spared.breaker if found else None


def called_while_open(hits, batches):
    return tripped(hits, batches, ((2.5, 503, 0.01), (3.4, 503, 0.01)))  # the second opening lasts a second


def two_probes(hits, batches):
    return tripped(hits, batches, ((2.5, 404, 0.5), (2.9, 404, 0.01)))


def refused_in(hits, batches, upstream):
    """An item that succeeded is refused by a breaker, long before anything failed."""
    hit, batch, result = next(each_once(hits, batches), (None, None, None))
    if not hit:
        return None
    hits.remove(hit)
    batch["items"][result["index"]]["upstream"] = upstream
    batch.update(posted=batch["posted"] - 1000, ended=batch["ended"] - 1000)
    result.update(success=False, code="circuit_open", status=None, attempts=0, sent=False, came=None)
    return spared.cause


def opened_without_cause(hits, batches):
    return refused_in(hits, batches, "sick")


def opened_where_there_is_none(hits, batches):
    return refused_in(hits, batches, "few")


def opened_too_soon(hits, batches):
    """Four failures in a row, and the breaker opens."""
    now, found = moved(hits, batches, "sick", 6)
    if not found:
        return None
    for (hit, batch, result), (when, status) in zip(found, [(-2, 200)] + [(0, 503)] * 4 + [(0.1, 200)]):
        at(hit, batch, result, now + when)
        answered(hit, result, status)
    hit, _, result = found[-1]
    hits.remove(hit)
    result.update(success=False, code="circuit_open", status=None, attempts=0, sent=False)
    return spared.cause


ALL = (lost, twice, swapped, wrong_id, unanswered, acted_twice, hidden_attempt, denied_sending, impatient, other_key, other_bytes, other_answer, unsent,
       refused, crowded, crowded_upstream, rushed, backwards, miscounted, needless_stop, late, hasty, mixed_versions, left_alone,
       our_fault, called_in_pause, over_budget, called_while_open, two_probes, opened_without_cause, opened_where_there_is_none, opened_too_soon)
