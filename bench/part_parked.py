"""part_parked.py - what an item costs that waits: for one of a thousand upstreams, for a slot, for a rate."""

import json
import threading
import time

from kit import Gate, Peers, ask, batch_of, start_sleeper, tool, wait_for

BATCHES, ITEMS = 10, 10000
TOTAL = BATCHES * ITEMS
IN_FLIGHT, SERVICE_MS = 64, 4  # 16,000 calls a second in all cases: how many wake a worker at once changes what a call costs
RATE = IN_FLIGHT * 1000 // SERVICE_MS
PARKED_S = 10
ORIGINS = [f"127.0.{i // 250 + 1}.{i % 250 + 1}" for i in range(1000)]


class Flock:
    """The ten batches under way, a client each."""

    def __init__(self, gate, body, path="/v1/batch"):
        self.answers = []
        self.threads = [threading.Thread(target=lambda: self.answers.append(gate.post(body, 300, path)))
                        for _ in range(BATCHES)]
        for thread in self.threads:
            thread.start()

    def finish(self):
        for thread in self.threads:
            thread.join()
        for status, text, _ in self.answers:
            if status != 200 or b'"succeeded":%d,' % ITEMS not in text[-1000:]:
                raise RuntimeError(f"{status}: {text[:300]} ... {text[-300:]}")
        if len(self.answers) != BATCHES:
            raise RuntimeError(f"{len(self.answers)} answers")


def flowing(gate, body, path="/v1/batch"):
    """CPU an item, in microseconds."""
    before = gate.fine_cpu_us()
    Flock(gate, body, path).finish()
    return (gate.fine_cpu_us() - before) / TOTAL


def parked(table, gate, body, path, base, what, stop, go):
    """The same, but all of it is parked for a while first."""
    before, memory = gate.fine_cpu_us(), gate.memory("VmRSS")
    stop()
    flock = Flock(gate, body, path)
    wait_for(lambda: gate.gauge("batchgate_queued") + gate.gauge("batchgate_in_flight") > TOTAL - 5, 60)
    time.sleep(1)
    waiting = gate.gauge("batchgate_queued")
    held = (gate.memory("VmRSS") - memory) / TOTAL
    cpu, wakes = gate.fine_cpu_us(), gate.wakes()
    time.sleep(PARKED_S)
    cpu, wakes = gate.fine_cpu_us() - cpu, gate.wakes() - wakes
    go()
    flock.finish()
    own = (gate.fine_cpu_us() - before) / TOTAL
    table.add(f"{TOTAL:,} items parked on {what}: CPU of {PARKED_S} s of waiting", cpu / 1000, "ms", 10, 2,
              f"({waiting:.0f} parked, {wakes} wakes of threads)")
    table.add("  memory an item", held, "bytes", None, 0)
    table.add("  CPU an item, over all", own, "µs")
    table.add("  ratio to those that never parked", own / base, "", 2, 2)


def parked_items(table, folder):
    """100,000 items in ten batches: flowing, over 1,000 origins, and parked on each bound there is; 16,000 calls a second."""
    base = on_upstreams(table, folder)
    on_many_upstreams(table, folder)
    on_rates(table, folder, base)


def bare(port, hosts):
    """CPU a call of libcurl alone."""
    loop = tool("bareloop", TOTAL // 3, IN_FLIGHT, 1, IN_FLIGHT, *[f"http://{host}:{port}/small" for host in hosts])
    return loop["cpu_us"] / loop["calls"]


def on_upstreams(table, folder):
    with Peers() as peers:
        port = start_sleeper(peers, SERVICE_MS)
        body = batch_of(ITEMS, port)
        free = Gate(peers, folder, [port], pool={"max_in_flight": IN_FLIGHT})
        bound = Gate(peers, folder, [port], upstreams=[{"match": "*", "concurrency": IN_FLIGHT}])
        base = flowing(free, body)
        ask(port, "/reset")
        spread = flowing(free, batch_of(ITEMS, port, hosts=ORIGINS))
        made = ask(port, "/stats")["connections"]
        base = min(base, flowing(free, body))
        table.add("100,000 items, one upstream, 64 in flight, none parked: CPU an item", base, "µs")
        table.add("  over 1,000 upstreams: CPU an item", spread, "µs", None, 1, f"({made} connections made)")
        table.add("  ratio", spread / base, "", 2, 2)
        table.add("  ratio of the bare loop's", bare(port, ORIGINS) / bare(port, ORIGINS[:1]), "", None, 2)
        parked(table, bound, body, "/v1/batch", base, "an upstream of 64",
               lambda: ask(port, "/freeze"), lambda: ask(port, "/thaw"))
        return base


def on_many_upstreams(table, folder):
    with Peers() as peers:
        port = start_sleeper(peers, SERVICE_MS * 1000 // IN_FLIGHT)
        wide = {"pool": {"max_in_flight": 2000}, "limits": {"max_concurrency": 2000}}
        one = Gate(peers, folder, [port], upstreams=[{"match": "*", "concurrency": 1000}], **wide)
        many = Gate(peers, folder, [port], upstreams=[{"match": "*", "concurrency": 1}], **wide)
        base = flowing(one, batch_of(ITEMS, port, concurrency=2000))
        table.add("100,000 items, one upstream, 1,000 in flight: CPU an item", base, "µs")
        ask(port, "/reset")
        parked(table, many, batch_of(ITEMS, port, hosts=ORIGINS, concurrency=2000), "/v1/batch", base,
               "1,000 upstreams of one each", lambda: ask(port, "/freeze"), lambda: ask(port, "/thaw"))
        table.add("  connections made for them", ask(port, "/stats")["connections"], "", None, 0)


def on_rates(table, folder, ad_hoc):
    with Peers() as peers:
        port = start_sleeper(peers, SERVICE_MS)
        url = f"http://127.0.0.1:{port}/small"
        data = json.dumps({"items": list(range(ITEMS))}).encode()
        gate = Gate(peers, folder, [port], pool={"max_in_flight": IN_FLIGHT},
                    endpoints={"free": {"url": url}, "paced": {"url": url}})
        base = flowing(gate, data, "/v1/batch/free")
        table.add("100,000 items of an endpoint, none parked: CPU an item", base, "µs")
        parked(table, gate, data, "/v1/batch/paced", base, "an endpoint's rate_limit",
               lambda: gate.reload(endpoints={"paced": {"url": url, "rate_limit": "1/min"}}),
               lambda: gate.reload(endpoints={"paced": {"url": url, "rate_limit": f"{RATE}/s"}}))
        parked(table, gate, batch_of(ITEMS, port), "/v1/batch", ad_hoc, "an upstream's rate_limit",
               lambda: gate.reload(upstreams=[{"match": "*", "rate_limit": "1/min"}]),
               lambda: gate.reload(upstreams=[{"match": "*", "rate_limit": f"{RATE}/s"}]))
