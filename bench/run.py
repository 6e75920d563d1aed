#!/usr/bin/python3
"""run.py [NAME...] - measures batchgate against its yardsticks, in one run on one machine, and prints a table.

Names: batches, endpoint, latency, wide, memory, hostile, run, peers; all without one. nginx (one worker) and bench/sleeper are the
upstreams, on loopback. Figures of two machines say nothing to each other: look at the ratios. A missed target is shown,
not an error: the exit code is not 0 only where something could not run. The figures also go to build/bench.json."""

import contextlib
import http.client
import json
import os
import platform
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
SERVER = Path(os.environ.get("BATCHGATE_BIN", BUILD / "batchgate"))
TICK = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20


class Peers(contextlib.ExitStack):
    """What this run starts, ended by its id when the run ends."""

    def start(self, *args, **options):
        process = subprocess.Popen([str(arg) for arg in args], **options)
        self.callback(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_nginx(peers, folder):
    port = free_port()
    (folder / "nginx.conf").write_text(f"""
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
    access_log off; default_type application/json; keepalive_requests 1000000000; keepalive_timeout 1h;
    client_max_body_size 64m; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{{"id": 1, "name": "Ada"}}'; }} }}
}}
""")
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    process = peers.start(nginx, "-p", folder, "-c", folder / "nginx.conf", stderr=subprocess.DEVNULL)
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return port
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("nginx did not start: " + (folder / "nginx.log").read_text())


def start_sleeper(peers, milliseconds):
    process = peers.start(BUILD / "bench_sleeper", milliseconds, 0, stdout=subprocess.PIPE, text=True)
    return int(process.stdout.readline().split()[0])


class Gate:
    """One batchgate with its own configuration, its CPU time and its memory."""

    def __init__(self, peers, folder, upstream_ports, **settings):
        settings = {"server": {"port": 0}, "log": {"level": "info"}, **settings}
        settings["targets"] = {"allow": [f"127.0.0.1:{port}" for port in upstream_ports]}
        path = folder / f"gate-{free_port()}.yaml"
        path.write_text(json.dumps(settings))  # JSON is YAML
        self.log = open(path.with_suffix(".log"), "w+")  # noqa: SIM115 - closed by the stack
        peers.callback(self.log.close)
        self.process = peers.start(SERVER, "serve", "--config", path, stderr=subprocess.PIPE, text=True)
        self.port = self.read_port()
        self.reader = threading.Thread(target=self.copy_log, daemon=True)
        self.reader.start()

    def read_port(self):
        for line in self.process.stderr:
            self.log.write(line)
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event.get("event") == "listening":
                    return int(event["port"])
        self.log.seek(0)
        raise RuntimeError("batchgate did not start: " + self.log.read())

    def copy_log(self):
        with contextlib.suppress(ValueError):
            for line in self.process.stderr:
                self.log.write(line)

    def cpu_us(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1e6 / TICK

    def tree_cpu_us(self):
        """Its own and that of its helper processes, also of those that have ended."""
        parents, ticks = {}, {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = path.read_text().rsplit(")", 1)[1].split()
                pid = int(path.parent.name)
                parents[pid] = int(fields[1])
                ticks[pid] = sum(map(int, fields[11:15]))
        mine = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
            mine |= more
        return sum(ticks.get(pid, 0) for pid in mine) * 1e6 / TICK

    def memory(self, name="VmHWM"):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"no {name}")

    def stream(self, body, accept="application/x-ndjson", timeout=120):
        """seconds until the first line, lines, seconds in all"""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("POST", "/v1/batch", body, {"Content-Type": "application/json", "Accept": accept})
            answer = connection.getresponse()
            first = answer.readline()
            seconds = time.monotonic() - began
            return seconds, first + answer.read(), time.monotonic() - began
        finally:
            connection.close()

    def post(self, body, timeout=120):
        """status, answer, seconds"""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("POST", "/v1/batch", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, text, time.monotonic() - began
        finally:
            connection.close()


def tool(name, *args):
    done = subprocess.run([str(BUILD / f"bench_{name}"), *map(str, args)], capture_output=True, text=True)
    if not done.stdout:
        raise RuntimeError(f"{name}: {done.stderr}")
    return json.loads(done.stdout)


def batch_of(count, port, path="/small", **options):
    items = [{"id": i, "url": f"http://127.0.0.1:{port}{path}?{i}"} for i in range(count)]
    return json.dumps({"items": items, "options": options}).encode()


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, value, unit, target=None, digits=1, note=""):
        """`target` is the most it may be."""
        verdict = "" if target is None else ("ok" if value <= target else "MISSED")
        shown = f"{value:.{digits}f} {unit}".strip()
        self.rows.append({"what": what, "value": value, "shown": shown, "unit": unit, "target": target,
                          "verdict": verdict, "note": note})
        goal = "" if target is None else f" (at most {target:g}: {verdict})"
        print(f"  {what}: {shown}{goal} {note}", flush=True)

    def markdown(self):
        lines = ["| what | figure | at most | |", "| --- | ---: | ---: | --- |"]
        for row in self.rows:
            target = "" if row["target"] is None else f"{row['target']:g}"
            tail = " ".join(word for word in (row["verdict"], row["note"]) if word)
            lines.append(f"| {row['what']} | {row['shown']} | {target} | {tail} |")
        return "\n".join(lines)


def bench_batches(table, folder):
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
            waits.append(load["p99_us"] / 1000)
        table.add("bare curl-multi + epoll, 64 in flight: CPU a call", statistics.median(bare), "µs")
        table.add("batchgate, batches of 100, 8 clients, 64 in flight: CPU an item", statistics.median(own), "µs")
        table.add("ratio", statistics.median([b / a for a, b in zip(bare, own)]), "", 1.8, 2)
        table.add("bare loop", statistics.median(bare_rates), "calls/s", None, 0)
        table.add("batchgate", statistics.median(rates), "items/s", None, 0)
        table.add("batchgate, a batch's time, 99 %", statistics.median(waits), "ms")
        table.add("batchgate, memory at the end", gate.memory("VmRSS") / MIB, "MiB")


def bench_endpoint(table, folder):
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


def bench_latency(table, folder):
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


def bench_streams(table, folder):
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


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def bench_wide(table, folder):
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


def bench_memory(table, folder):
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


def bench_hostile(table, folder):
    """200 clients that dawdle, and one that does not."""
    with Peers() as peers:
        nginx = start_nginx(peers, folder)
        gate = Gate(peers, folder, [nginx])
        body = batch_of(10, nginx)
        gate.post(body)
        calm = sorted(gate.post(body)[2] for _ in range(200))
        stop = threading.Event()
        dawdlers = threading.Thread(target=dawdle, args=(gate.port, stop))
        dawdlers.start()
        time.sleep(1)
        try:
            times = []
            until = time.monotonic() + 15  # longer than server.header_timeout
            while time.monotonic() < until:
                times.append(gate.post(body)[2])
                time.sleep(0.02)
        finally:
            stop.set()
            dawdlers.join()
        times.sort()
        table.add("a batch of 10 alone, 99 %", calm[len(calm) * 99 // 100] * 1000, "ms")
        table.add("beside 200 hostile clients, 50 %", times[len(times) // 2] * 1000, "ms")
        table.add("beside 200 hostile clients, 99 %", times[len(times) * 99 // 100] * 1000, "ms",
                  round(2 * calm[len(calm) * 99 // 100] * 1000 + 5, 1))


def dawdle(port, stop):
    """Slow headers, slow bodies, and connections that say nothing; what the server cuts comes again."""
    begins = [b"POST /v1/batch HTTP/1.1\r\nHost: a\r\nX-Slow: ",
              b"POST /v1/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{",
              b""]
    clients = {}
    while not stop.wait(0.25):
        for i in range(200):
            kind = i % len(begins)
            try:
                if i not in clients:
                    clients[i] = socket.create_connection(("127.0.0.1", port), 1)
                    clients[i].sendall(begins[kind])
                elif begins[kind]:
                    clients[i].sendall(b" ")
            except OSError:
                with contextlib.suppress(KeyError):
                    clients.pop(i).close()
    for client in clients.values():
        client.close()


def bench_run(table, folder):
    """A million lines through `batchgate run`, 64 in flight, and the bare loop; memory must not grow with the lines."""
    with Peers() as peers:
        nginx = start_nginx(peers, folder)
        url = f"http://127.0.0.1:{nginx}/small"
        few, many = 100_000, 1_000_000
        loop = tool("bareloop", few, 64, 1, 64, url)
        small, large = run_lines(folder, url, nginx, few), run_lines(folder, url, nginx, many)
        bare = loop["cpu_us"] / loop["calls"]
        table.add("bare loop, 64 in flight", loop["calls"] / loop["wall_us"] * 1e6, "calls/s", None, 0)
        table.add("batchgate run, 1,000,000 lines", many / large["wall_s"], "items/s", None, 0)
        table.add("  CPU an item", large["cpu_us"] / many, "µs", None, 1, f"(bare loop {bare:.1f})")
        table.add("  ratio", large["cpu_us"] / many / bare, "", None, 2)
        table.add("  most memory, 100,000 lines", small["peak"] / MIB, "MiB")
        table.add("  most memory, 1,000,000 lines", large["peak"] / MIB, "MiB", round(small["peak"] / MIB + 4, 1))


def run_lines(folder, url, port, count):
    """One run of so many lines: seconds, CPU time and most memory."""
    out = folder / f"run-{count}.ndjson"
    args = [SERVER, "run", "-", "--output", out, "--concurrency=64", f"--targets-allow=127.0.0.1:{port}"]
    began = time.monotonic()
    child = subprocess.Popen([str(arg) for arg in args], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    with child.stdin as lines:
        for start in range(0, count, 1000):
            lines.write("".join(f'{{"id":{i},"url":"{url}?{i}"}}\n' for i in range(start, start + 1000)).encode())
    words = child.stderr.read().decode()
    child.stderr.close()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    with open(out, "rb") as source:
        written = sum(part.count(b"\n") for part in iter(lambda: source.read(1 << 20), b""))
    out.unlink()
    if child.returncode or written != count:
        raise RuntimeError(f"exit code {child.returncode}, {written} results: {words[:300]}")
    return {"wall_s": wall, "cpu_us": (used.ru_utime + used.ru_stime) * 1e6, "peak": used.ru_maxrss * 1024}


def bench_peers(table, folder):
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


BENCHES = {"batches": bench_batches, "endpoint": bench_endpoint, "latency": bench_latency, "streams": bench_streams,
           "wide": bench_wide, "memory": bench_memory, "hostile": bench_hostile, "run": bench_run, "peers": bench_peers}


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    table, broken = Table(), []
    with tempfile.TemporaryDirectory(prefix="batchgate-bench-") as folder:
        for name in sys.argv[1:] or BENCHES:
            print(f"{name}: {BENCHES[name].__doc__}", flush=True)
            try:
                BENCHES[name](table, Path(folder))
            except Exception as error:  # one that cannot run does not hide the others
                broken.append(f"{name}: {type(error).__name__}: {error}")
                print(f"  could not run: {broken[-1]}", flush=True)
    about = f"{os.cpu_count()} CPUs, {platform.platform()}"
    out = ROOT / "build" / "bench.json"
    out.write_text(json.dumps({"machine": about, "rows": table.rows, "broken": broken}, indent=1))
    print(f"\n{about}\n\n{table.markdown()}\n")
    missed = sum(1 for row in table.rows if row["verdict"] == "MISSED")
    met = sum(1 for row in table.rows if row["verdict"] == "ok")
    print(f"{met} targets met, {missed} missed, {len(broken)} could not run")
    sys.exit(1 if broken else 0)


main()
