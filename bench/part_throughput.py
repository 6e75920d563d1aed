"""part_throughput.py - what an item costs, beside a bare libcurl loop and beside what scripts do today."""

import json
import shutil
import statistics
import subprocess

from kit import MIB, ROOT, Gate, Peers, batch_of, start_nginx, tool


def batches(table, folder):
    """Batches of 100 small calls, 8 clients, 64 in flight, against the bare loop; alternating, the median counts."""
    with Peers() as peers:
        nginx = start_nginx(peers, folder)
        gate = Gate(peers, folder, [nginx], pool={"max_in_flight": 64})
        body = folder / "batch.json"
        body.write_bytes(batch_of(100, nginx))
        tool("load", gate.port, 8, 100, body)  # warm
        bare, own, rates, bare_rates, waits = [], [], [], [], []
        for _ in range(5):
            loop = tool("bareloop", 60000, 64, 1, 64, f"http://127.0.0.1:{nginx}/small")
            bare.append(loop["cpu_us"] / loop["calls"])
            bare_rates.append(loop["calls"] / loop["wall_us"] * 1e6)
            before = gate.cpu_us()
            load = tool("load", gate.port, 8, 600, body)
            if load["succeeded"] != 60000:
                raise RuntimeError(f"not all succeeded: {load}")
            own.append((gate.cpu_us() - before) / 60000)
            rates.append(60000 / load["wall_us"] * 1e6)
            waits.append(load["admitted_p99_us"] / 1000)
        table.add("bare curl-multi + epoll, 64 in flight: CPU a call", statistics.median(bare), "µs")
        table.add("batchgate, batches of 100, 8 clients, 64 in flight: CPU an item", statistics.median(own), "µs")
        table.add("ratio", statistics.median([b / a for a, b in zip(bare, own)]), "", 1.8, 2)
        table.add("bare loop", statistics.median(bare_rates), "calls/s", None, 0)
        table.add("batchgate", statistics.median(rates), "items/s", None, 0)
        table.add("batchgate, a batch's time, 99 %", statistics.median(waits), "ms")
        table.add("batchgate, memory at the end", gate.memory("VmRSS") / MIB, "MiB")


def endpoint(table, folder):
    """Batches of 100 POSTs through a named endpoint, with jq before and after each, against the same calls ad hoc."""
    count, batches = 60, 600
    words = "the quick brown fox jumps over the lazy dog " * 20  # 0.9 KB an item
    with Peers() as peers:
        nginx = start_nginx(peers, folder)
        url = f"http://127.0.0.1:{nginx}/small"
        request = '{body: {model: "m", messages: [{role: "user", content: "Rewrite for \\(.params.style): \\(.item)"}]}}'
        gate = Gate(peers, folder, [nginx], pool={"max_in_flight": 64}, endpoints={
            "plain": {"url": url, "concurrency": 64},
            "before": {"url": url, "params": {"style": {"default": "x"}}, "request": request},
            "both": {"url": url, "params": {"style": {"default": "x"}}, "request": request,
                     "response": "{original: .item, answer: .body.name, style: .params.style}"}})
        data, ad_hoc = folder / "data.json", folder / "adhoc.json"
        data.write_text(json.dumps({"items": [f"{i} {words}" for i in range(100)]}))
        body = {"model": "m", "messages": [{"role": "user", "content": "Rewrite for x: " + words}]}
        ad_hoc.write_text(json.dumps({"items": [{"url": url, "body": body} for _ in range(100)]}))
        kinds = {"ad hoc": (ad_hoc, "/v1/batch"), "plain": (data, "/v1/batch/plain"),
                 "before": (data, "/v1/batch/before"), "both": (data, "/v1/batch/both")}
        cpu = {kind: [] for kind in kinds}
        rates = {kind: [] for kind in kinds}
        for round_ in range(4):
            for kind, (path, target) in kinds.items():
                before = gate.tree_cpu_us()
                load = tool("load", gate.port, 8, batches if round_ else count, path, target)
                if load["succeeded"] != 100 * (batches if round_ else count):
                    raise RuntimeError(f"{kind}: not all succeeded: {load}")
                if round_:
                    cpu[kind].append((gate.tree_cpu_us() - before) / 100 / batches)
                    rates[kind].append(100 * batches / load["wall_us"] * 1e6)
        mid = {kind: statistics.median(values) for kind, values in cpu.items()}
        table.add("ad hoc, a body of 1 KB: CPU an item", mid["ad hoc"], "µs")
        table.add("an endpoint without templates: CPU an item", mid["plain"], "µs")
        table.add("an endpoint with `request`: CPU an evaluation adds", mid["before"] - mid["plain"], "µs", 60)
        table.add("with `response` too: CPU an evaluation adds", mid["both"] - mid["before"], "µs", 60)
        table.add("with both", statistics.median(rates["both"]), "items/s", None, 0)
        table.add("  memory of the server", gate.memory("VmRSS") / MIB, "MiB")


def peers(table, folder):
    """The same calls, made as scripts make them today."""
    with Peers() as peers:
        nginx = start_nginx(peers, folder)
        url = f"http://127.0.0.1:{nginx}/small"
        kinds = [("stdlib", "Python ThreadPoolExecutor + http.client")]
        if subprocess.run(["/usr/bin/python3", "-c", "import requests"], capture_output=True).returncode == 0:
            kinds.insert(0, ("requests", "Python ThreadPoolExecutor + requests"))
        for kind, name in kinds:
            done = subprocess.run(["/usr/bin/python3", str(ROOT / "bench" / "peers.py"), kind, url, "5000", "64"],
                                  capture_output=True, text=True, check=True)
            peer_rows(table, name, json.loads(done.stdout))
        if shutil.which("node"):
            done = subprocess.run(["node", str(ROOT / "bench" / "peer.mjs"), url, "20000", "64"],
                                  capture_output=True, text=True, check=True)
            peer_rows(table, "Node fetch", json.loads(done.stdout))


def peer_rows(table, name, found):
    if found["failed"]:
        raise RuntimeError(f"{name}: {found}")
    table.add(f"{name}, 64 in flight", found["calls"] / found["wall_us"] * 1e6, "calls/s", None, 0)
    table.add(f"{name}: CPU a call", found["cpu_us"] / found["calls"], "µs", None, 0)
