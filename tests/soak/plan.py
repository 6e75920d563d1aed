"""plan - what a run does, made of its seed: the server's configuration, and every batch of every client."""
import base64
import json

import answers
import upstream
import world

PORTS = {"wild": 21001, "few": 21002, "work": 21003, "hole": 21004, "paced": 21005, "sick": 21006, "again": 21007,
         "multi": 21008}  # below those that the kernel hands out
BEHIND = {"multi": 21018}  # where an upstream stands behind a front that speaks HTTP/2 with the server
SOUND = {n: w for n, w in upstream.MANNERS.items() if n not in ("503", "slow", "drip", "stall")}  # no failure, and nothing that takes long
WHOLE = {n: w for n, w in upstream.MANNERS.items() if n not in ("reset", "close", "unread", "short", "shortchunk", "torn", "garbage")}
MANNERS = {  # what upstreams are told besides
    "wild": ["--away"], "hole": ["--away"], "sick": ["--ill", "--manners", json.dumps(SOUND)],
    "again": ["--manners", json.dumps({"500": 6, "slow": 4}), "--later", json.dumps({"slow": 8, "fine": 2})],
    "multi": ["--manners", json.dumps(WHOLE)],  # what is broken would come out of the front as something else
}
FEW = 16  # concurrency of `few`
WORK = (24, 16)  # of `work`: a reload swaps them
PACE = 60.0  # starts a second at `paced`
AGAIN = (24, 25)  # concurrency of `again`, and the share of it that may be retries
BREAKER = {"failures": 5, "open_s": 0.5, "max_open_s": 2.0}  # of `hole`, which cannot be reached now and then, and `sick`
CONNECT_S = 1.0
MAX_IN_FLIGHT = 96
CALLERS = ("alice", "bob", "carol")
KEYS = {name: world.make_key() for name in (*CALLERS, "dave")}
ENDPOINTS = {
    "keyed": {"idempotent": True, "retry": {"max_attempts": 3, "backoff": "40ms"}, "concurrency": 14},
    "once": {"idempotent": False, "retry": {"max_attempts": 2, "backoff": "40ms"}, "concurrency": 12, "rate_limit": "50/s"},
}
RATES = {"once": 50.0}
METHODS = {"GET": 40, "POST": 36, "PUT": 8, "PATCH": 6, "DELETE": 6, "HEAD": 4}
RETRIES = {None: 50, (2, 30): 20, (3, 100): 20, (5, 10): 10}
SHAPES = {"sync": 35, "completion": 20, "input": 15, "sse": 15, "leave": 6, "leave_stream": 6, "half": 3}
LEAVING = ("leave", "leave_stream", "half")
ITEMS = {"wild": 40, "few": 25, "hole": 15, "paced": 20, "sick": 15, "multi": 15}  # where those of no endpoint go, in mixed batches
RUSH = 0.05  # of the batches: all at once to `again`, where most fail at first
HURRY = 0.04  # of the batches: more items than its rate lets start in its time


def url(name, path=""):
    return "http://127.0.0.1:%d%s" % (PORTS[name], path)


def config(version, swapped):
    """The configuration; `version` stands in what endpoints answer, so that a batch shows which one it ran under."""
    breaker = {"failures": BREAKER["failures"], "open": "%dms" % (1000 * BREAKER["open_s"]), "max_open": "%dms" % (1000 * BREAKER["max_open_s"])}
    more_of = {"few": {"concurrency": FEW}, "work": {"concurrency": WORK[swapped]}, "paced": {"rate_limit": "%g/s" % PACE},
               "hole": {"breaker": breaker}, "sick": {"breaker": breaker}, "multi": {"http2": "h2c"}, "wild": {"retry_budget": "50%"},
               "again": {"concurrency": AGAIN[0], "retry_budget": "%d%%" % AGAIN[1]}}
    rules = [{"match": "127.0.0.1:%d" % port, "connect_timeout": "%gs" % CONNECT_S, **more_of.get(name, {})} for name, port in PORTS.items()]
    endpoints = {name: {"url": url("work", "/e"), "timeout": "4s", **more,
                        "request": "{path: [.item.id], body: {id: .item.id, pad: .item.pad}}",
                        "response": '{version: "%s", got: .body}' % version,
                        "fallback": '{version: "%s", lost: .item.id}' % version} for name, more in ENDPOINTS.items()}
    return {
        "server": {"port": 0},
        "auth": {"keys": [{"name": n, "sha256": [h], "admin": n == "dave"} for n, (_, h) in KEYS.items()]},
        "pool": {"max_in_flight": MAX_IN_FLIGHT},
        "targets": {"public": False, "allow": ["127.0.0.1:%d" % p for p in PORTS.values()]},
        "upstreams": rules, "endpoints": endpoints,
    }


def bounds(trouble):
    """What the checker holds the run to; `trouble`: upstream -> [(from, to)], when it may have been impossible to connect."""
    return {"upstreams": {"few": FEW, "work": max(WORK), "again": AGAIN[0]}, "endpoints": {n: e["concurrency"] for n, e in ENDPOINTS.items()},
            "endpoint_rates": RATES, "upstream_rates": {"paced": PACE}, "max_in_flight": MAX_IN_FLIGHT, "http2": ["multi"],
            "breakers": {name: {**BREAKER, "connect_s": CONNECT_S} for name in ("hole", "sick")}, "trouble": trouble,
            "budgets": {"again": {"concurrency": AGAIN[0], "percent": AGAIN[1]}, "wild": {"concurrency": MAX_IN_FLIGHT, "percent": 50}}}


def body(rng, item):
    """Gives the item a body; its bytes."""
    text = answers.pad(rng, answers.size_of(rng))
    kind = rng.choice(("body", "body_text", "body_base64"))
    if kind == "body":
        item["body"] = {"n": rng.random(), "text": text}
        return json.dumps(item["body"]).encode()
    if kind == "body_text":
        item["body_text"] = text
        return text.encode()
    data = text.encode("utf-16")
    item["body_base64"] = base64.b64encode(data).decode()
    return data


def ad_hoc_item(rng, tag, weights, rush):
    name = "again" if rush else rng.choices(list(weights), list(weights.values()))[0]
    method = rng.choices(list(METHODS), list(METHODS.values()))[0]
    item = {"id": tag, "url": url(name, "/a/" + tag), "method": method}
    sent = body(rng, item) if method in ("POST", "PUT", "PATCH") else b""
    if rush or rng.random() < 0.6:
        item["timeout_ms"] = 1500 if rush else rng.choice((800, 1500, 2500, 4000))
    keyed = method in ("POST", "PATCH") and rng.random() < 0.3
    if keyed:
        item["headers"] = {"Idempotency-Key": "key-" + tag}
    retry = (3, 30) if rush else rng.choices(list(RETRIES), list(RETRIES.values()))[0]
    if retry:
        item["retry"] = {"max_attempts": retry[0], "backoff_ms": retry[1], "max_backoff_ms": 1000}
    return item, {"tag": tag, "id": tag, "upstream": name, "method": method, "sha": answers.sha(sent), "timeout_ms": item.get("timeout_ms", 6000),
                  "repeatable": keyed or method not in ("POST", "PATCH"), "key": "key-" + tag if keyed else None, "max_attempts": retry[0] if retry else 1}


def endpoint_item(rng, tag, name):
    item = {"id": tag, "pad": answers.pad(rng, answers.size_of(rng))}
    more = ENDPOINTS[name]
    return item, {"tag": tag, "id": tag, "upstream": "work", "method": "POST", "sha": answers.same_json(json.dumps(item).encode()), "timeout_ms": 4000,
                  "repeatable": more["idempotent"], "key": "any" if more["idempotent"] else None, "max_attempts": more["retry"]["max_attempts"]}


def batch(seed, client, number):
    """(the document to post, what the checker will want to know of it)."""
    rng = answers.chance(seed, "client", client, number)
    name = "c%d-%d" % (client, number)
    rush = rng.random() < RUSH
    hurry = not rush and rng.random() < HURRY
    plain = not (rush or hurry)
    endpoint = rng.choice((None, None, None, None, None, *ENDPOINTS)) if plain else None
    shapes = {s: w for s, w in SHAPES.items() if plain or s not in LEAVING}
    shape = rng.choices(list(shapes), list(shapes.values()))[0]
    options = {"include_timing": True, "concurrency": rng.choice((1, 2, 5, 10, 32)) if plain else 32}
    if plain and rng.random() < 0.12:
        options["stop_on_error"] = True
    options["batch_timeout_ms"] = 1000 if hurry else rng.choice((300, 1000, 3000)) if rng.random() < 0.05 else 60000
    if hurry or plain and rng.random() < 0.06:
        options["rate_limit"] = "20/s"
    if shape in ("input", "leave_stream") and rng.random() < 0.7:
        options["order"] = "input"
    weights = {n: w for n, w in ITEMS.items() if n != "sick" or shape not in LEAVING}  # of all that comes to `sick` the end is told
    one = options["concurrency"] == 1 or "stop_on_error" in options
    if one:
        weights = {rng.choice(list(weights)): 1}
    count = 24 if rush else 40 if hurry else rng.choice((1, 3, 6)) if one else rng.choice((1, 3, 8, 8, 20, 40))
    tags = ["%s-%d" % (name, n) for n in range(count)]
    made = [endpoint_item(rng, tag, endpoint) if endpoint else ad_hoc_item(rng, tag, weights, rush) for tag in tags]
    document = {"items": [item for item, _ in made], "options": options}
    if not endpoint:
        document["defaults"] = {"timeout_ms": 6000}
    facts = {"batch": name, "caller": CALLERS[client % len(CALLERS)], "endpoint": endpoint, "shape": shape,
             "ordered": options.get("order") == "input", "items": [f for _, f in made],
             "concurrency": options["concurrency"], "rate": 20.0 if "rate_limit" in options else None, "stop": bool(options.get("stop_on_error")),
             "batch_timeout_ms": options["batch_timeout_ms"], "patience": rng.uniform(0, 0.4), "take": rng.randrange(1 + count),
             "think": rng.uniform(0, 0.15)}
    return document, facts
