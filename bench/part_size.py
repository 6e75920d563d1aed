"""part_size.py - ten thousand calls at once, and the largest bodies."""

import json
import os
import threading

from kit import MIB, Gate, Peers, ask, batch_of, start_nginx, start_sleeper, tool


def wide(table, folder):
    """10,000 calls in flight on an upstream that sleeps a second, three times, against 64-transfer lanes."""
    wide, rounds = 10000, 3
    with Peers() as peers:
        # One upstream each: where one's closed connections still stand in TIME_WAIT, the other would pay for finding ports.
        port = start_sleeper(peers, 1000)
        url = f"http://127.0.0.1:{start_sleeper(peers, 1000)}/small"
        lanes = tool("bareloop", wide * rounds, wide, os.cpu_count(), 64, url)
        gate = Gate(peers, folder, [port], server={"port": 0, "max_connections": 64}, pool={"max_in_flight": wide},
                    limits={"max_concurrency": wide, "max_items": wide}, upstreams=[{"match": "*", "concurrency": wide}])
        body = batch_of(wide, port, concurrency=wide)
        failed, times = 0, []
        before = gate.cpu_us()
        for _ in range(rounds):
            status, text, seconds = gate.post(body)
            if status != 200:
                raise RuntimeError(f"refused: {text[:300]}")
            failed += json.loads(text)["summary"]["failed"]
            times.append(seconds)
        own = (gate.cpu_us() - before) / (wide * rounds)
        bare = lanes["cpu_us"] / lanes["calls"]
        most = ask(port, "/stats")["most"]
        table.add("10,000 in flight: calls that failed", failed, "", 0, 0)
        table.add("  most at once, by the upstream's count", most, "calls", None, 0)
        table.add("  time of a batch, first (connects)", times[0], "s", None, 2)
        table.add("  time of a batch, fastest", min(times), "s", None, 2)
        table.add("  lane loop: time of a wave, mean", lanes["wall_us"] / 1e6 / rounds, "s", None, 2)
        table.add("  lane loop: CPU a call", bare, "µs")
        table.add("  batchgate: CPU an item", own, "µs")
        table.add("  ratio", own / bare, "", 2.0, 2)
        table.add("  lane loop: memory", lanes["rss_kib"] / 1024, "MiB")
        table.add("  batchgate: memory", gate.memory() / MIB, "MiB", round(lanes["rss_kib"] / 1024 + 40, 1))


def memory(table, folder):
    """8 MiB bodies of tiny JSON objects, 32 at once (more than the limit holds), in every place a body has."""
    limit, size, clients = 128 * MIB, 8 * MIB, 32
    with Peers() as peers:
        nginx = start_nginx(peers, folder)
        gate = Gate(peers, folder, [nginx], limits={"memory": "128MiB", "max_items": 10000})
        url = f"http://127.0.0.1:{nginx}/small"
        base = gate.memory()
        shapes = {
            "items of {}": fill(b'{"items":[', b"{}", b"]}", size),
            "an item's body": fill(b'{"items":[{"url":"%s","body":[' % url.encode(), b"{}", b"]}]}", size),
            "an item's body, {\"a\":0}": fill(b'{"items":[{"url":"%s","body":[' % url.encode(), b'{"a":0}', b"]}]}", size),
            "defaults.query": fill(b'{"defaults":{"query":{"a":[', b"0", b"]}},\"items\":[]}", size),
            "defaults.headers": fill(b'{"defaults":{"headers":{"a":[', b'""', b"]}},\"items\":[]}", size),
            "options": fill(b'{"items":[],"options":{"retry":{"retry_on":[', b"{}", b"]}}}", size),
            "a member we do not know": fill(b'{"items":[],"x":[', b"{}", b"]}", size),
            "10,000 bodies": many_bodies(url, size),
        }
        alone = Gate(peers, folder, [nginx])
        for body in shapes.values():
            alone.post(body)
        table.add("8 MiB of tiny objects, one at a time, limits.memory 512 MiB: most memory", alone.memory() / MIB, "MiB", 512)
        for name, body in shapes.items():
            statuses = []
            threads = [threading.Thread(target=lambda: statuses.append(post_status(gate, body))) for _ in range(clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            tally = ", ".join(f"{statuses.count(status)} x {status}" for status in sorted(set(statuses), key=str))
            print(f"  {name}: {tally}; {gate.memory() / MIB:.0f} MiB at most so far", flush=True)
        if gate.post(batch_of(1, nginx))[0] != 200:
            raise RuntimeError("the server does not answer afterwards")
        table.add("the same, 32 at once, limits.memory 128 MiB: most memory", gate.memory() / MIB, "MiB",
                  round((limit + base) / MIB), note=f"({base / MIB:.0f} MiB of it idle)")


def post_status(gate, body):
    try:
        return gate.post(body)[0]
    except OSError as error:
        return type(error).__name__


def fill(head, element, tail, size):
    count = (size - len(head) - len(tail) + 1) // (len(element) + 1)
    return head + b",".join([element] * count) + tail


def many_bodies(url, size):
    filler = [{}] * ((size // 10000 - len(url) - 40) // 4)
    return json.dumps({"items": [{"url": url, "body": filler}] * 9990}).encode()
