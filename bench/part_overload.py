"""part_overload.py - ten times what there is room for, for a while: what is admitted keeps its time, the rest is told so."""

import os
import statistics
import sys
import threading

from kit import MIB, Gate, Peers, batch_of, start_sleeper, tool

SERVICE_MS, SLOTS, ITEMS = 50, 50, 5  # 1,000 items a second, 200 batches
CAPACITY = SLOTS * 1000 / SERVICE_MS  # items a second
TIMES = 10
CLIENTS = 200  # under way at once, at most: each costs the server 32 KiB


def seconds():
    return int(os.environ.get("SECONDS", 60 if sys.argv[1:] == ["overload"] else 20))


class Watch(threading.Thread):
    """The most memory and threads, looked at all the time."""

    def __init__(self, gate):
        super().__init__()
        self.gate, self.over = gate, threading.Event()
        self.memory = self.threads = 0

    def run(self):
        while not self.over.wait(0.25):
            self.memory = max(self.memory, self.gate.memory("VmRSS"))
            self.threads = max(self.threads, self.gate.threads())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def offered(gate, body, rate, for_seconds):
    """What became of batches that come at this rate, whatever becomes of them; and the CPU time."""
    before = gate.fine_cpu_us()
    load = tool("load", "-r", rate, gate.port, CLIENTS, int(rate * for_seconds), body)
    if load["other"] or load["succeeded"] != load["admitted"] * ITEMS:
        raise RuntimeError(f"{load}")
    return load, gate.fine_cpu_us() - before


def overload(table, folder):
    """An upstream of 50 ms and 50 slots: 200 batches of 5 a second; 2,000 are offered (SECONDS=, 60 where named alone)."""
    bound = {"upstreams": [{"match": "*", "concurrency": SLOTS}]}
    body = folder / "five.json"
    with Peers() as peers:
        port = start_sleeper(peers, SERVICE_MS)
        body.write_bytes(batch_of(ITEMS, port))
        gate = Gate(peers, folder, [port], **bound)
        tool("load", gate.port, 10, 200, body)  # connects
        alone = statistics.median(tool("load", gate.port, 1, 150, body)["admitted_p99_us"] for _ in range(3))
        table.add("one client, unloaded: a batch of 5, 99 %", alone / 1000, "ms")
        limit = max(round(CAPACITY * alone / 1e6 / 2), ITEMS)
        flood(table, gate, body, alone, limit)


def flood(table, gate, body, alone, limit):
    rate = CAPACITY / ITEMS
    gate.reload(pool={"queue_limit": limit})
    half, cpu = offered(gate, body, rate / 2, 5)
    table.add("half of capacity offered: refused", half["refused"] / (half["admitted"] + half["refused"]) * 100, "%", None, 1,
              f"(pool.queue_limit {limit})")
    table.add("  99 % of the admitted", half["admitted_p99_us"] / 1000, "ms")
    per_batch = cpu / half["admitted"]
    idle, threads = gate.memory("VmRSS"), gate.threads()
    offered(gate, body, rate * TIMES, 3)  # its connections are there, and what it keeps for them
    memory = gate.memory("VmRSS")
    in_line = gate.in_line_us()
    with Watch(gate) as watch:
        load, cpu = offered(gate, body, rate * TIMES, seconds())
    in_line = (gate.in_line_us() - in_line) / load["wall_us"] * 100
    wall, all_ = load["wall_us"] / 1e6, load["admitted"] + load["refused"]
    table.add(f"{TIMES} times capacity for {wall:.0f} s: 99 % of the admitted", load["admitted_p99_us"] / 1000, "ms", None, 1,
              f"(50 %: {load['admitted_p50_us'] / 1000:.1f} ms)")
    table.add("  against unloaded", load["admitted_p99_us"] / alone, "", 2, 2,
              f"(its threads stood in line for a CPU for {in_line:.0f} % of the time; clients' lag, 99 %: "
              f"{load['begun_p99_us'] / 1000:.1f} ms)")
    table.add("  capacity that was not used", 100 - load["admitted"] / wall / rate * 100, "%", 10,
              note=f"({load['admitted'] / wall:.0f} of {rate:.0f} batches a second)")
    table.add("  refused with 503", load["refused"] / all_ * 100, "%", None, 1,
              f"({load['refused'] / wall:.0f} a second; all else: {load['other']}; more than {CLIENTS} at once: {load['late']})")
    table.add("  refusals without Retry-After", load["refused"] - load["hints"], "", 0, 0,
              f"(it said {load['hint_least_s']} to {load['hint_most_s']} s)")
    table.add("  time of a refusal, 99 %", load["refused_p99_us"] / 1000, "ms")
    table.add("  CPU a refusal", (cpu - load["admitted"] * per_batch) / max(load["refused"], 1), "µs", None, 0,
              f"(a batch that is admitted: {per_batch:.0f})")
    after = gate.memory("VmRSS")
    table.add("  memory above that after the first 3 s", (watch.memory - memory) / MIB, "MiB", 8, 1,
              f"(idle {idle / MIB:.1f}, first 3 s {memory / MIB:.1f}, most {watch.memory / MIB:.1f}, after {after / MIB:.1f})")
    table.add("  threads above those before", watch.threads - threads, "", 0, 0, f"({threads})")
