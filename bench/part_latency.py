"""part_latency.py - how much later than it could a batch, or a streamed result, is there."""

import json
import statistics
import time

from kit import Gate, Peers, ask, batch_of, start_nginx, start_sleeper


def latency(table, folder):
    """100 calls of 100 ms at concurrency 10: ten rounds, one second."""
    with Peers() as peers:
        port = start_sleeper(peers, 100)
        gate = Gate(peers, folder, [port])
        body = batch_of(100, port, concurrency=10)
        times, ordered = [], True
        for _ in range(5):
            status, text, seconds = gate.post(body)
            results = json.loads(text)["results"]
            ordered = ordered and status == 200 and [r["body"]["path"] for r in results] == [
                f"/small?{i}" for i in range(100)] and [r["id"] for r in results] == list(range(100))
            times.append(seconds)
        stats = ask(port, "/stats")
        table.add("100 calls of 100 ms, concurrency 10: worst of 5", max(times), "s", 1.03, 3)
        table.add("  most at once, by the upstream's count", stats["most"], "calls", 10, 0)
        table.add("  results out of order", 0 if ordered else 1, "", 0, 0)


def streams(table, folder):
    """How late a result reaches its reader, and what a stream costs beside the one document."""
    with Peers() as peers:
        nginx = start_nginx(peers, folder)
        quick, slow = start_sleeper(peers, 100), start_sleeper(peers, 1000)
        gate = Gate(peers, folder, [nginx, quick, slow])
        items = [{"url": f"http://127.0.0.1:{slow}/small"}, {"url": f"http://127.0.0.1:{quick}/small"}]
        body = json.dumps({"items": items}).encode()
        gate.stream(body)  # warm
        direct, first = [], []
        for _ in range(15):
            began = time.monotonic()
            ask(quick, "/small")
            direct.append(time.monotonic() - began)
            seconds, text, _ = gate.stream(body)
            if json.loads(text.split(b"\n")[0])["index"] != 1:
                raise RuntimeError(f"the quick one was not the first: {text[:200]}")
            first.append(seconds)
        table.add("an answer of 100 ms, asked directly, median", statistics.median(direct) * 1000, "ms", None, 2)
        table.add("  the same as the first line of a stream, median", statistics.median(first) * 1000, "ms", None, 2)
        table.add("  so much later", (statistics.median(first) - statistics.median(direct)) * 1000, "ms", 5, 2)
        body, ratios = batch_of(10000, nginx, concurrency=64), []
        for _ in range(5):
            before = gate.cpu_us()
            gate.post(body)
            document = gate.cpu_us() - before
            before = gate.cpu_us()
            _, text, _ = gate.stream(body)
            ratios.append((gate.cpu_us() - before) / document)
            if text.count(b"\n") != 10001:
                raise RuntimeError(f"{text.count(10)} lines")
        table.add("10,000 results as lines: CPU against the one document", statistics.median(ratios), "", None, 2)
