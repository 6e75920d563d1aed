"""kit.py - what the parts of the bench have in common: batchgate and its upstreams as processes, clients, and tools."""

import contextlib
import hashlib
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
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


def wait_for(check, seconds=30):
    end = time.monotonic() + seconds
    while not (value := check()):
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds} s")
        time.sleep(0.02)
    return value


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


def new_key(name, **rights):
    """A key, and what stands of it in the configuration."""
    key = secrets.token_urlsafe(24)
    return key, {"name": name, "sha256": [hashlib.sha256(key.encode()).hexdigest()], **rights}


class Gate:
    """One batchgate with its own configuration, its CPU time and its memory."""

    def __init__(self, peers, folder, upstream_ports, **settings):
        self.settings = {"server": {"port": 0}, "log": {"level": "info"}, **settings}
        self.settings["targets"] = {"allow": [f"127.0.0.0/8:{port}" for port in upstream_ports]}
        self.path = folder / f"gate-{free_port()}.yaml"
        self.path.write_text(json.dumps(self.settings))  # JSON is YAML
        self.log = open(self.path.with_suffix(".log"), "w+")  # noqa: SIM115 - closed by the stack
        peers.callback(self.log.close)
        self.process = peers.start(SERVER, "serve", "--config", self.path, stderr=subprocess.PIPE, text=True)
        self.port = self.read_port()
        self.reloads = []
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
                if '"reloaded"' in line:
                    self.reloads.append(line)

    def reload(self, **settings):
        """With these settings in place of those before."""
        self.settings.update(settings)
        self.path.write_text(json.dumps(self.settings))
        before = len(self.reloads)
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(self.reloads) > before)

    def cpu_us(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1e6 / TICK

    def per_thread(self, name, read):
        tasks = Path(f"/proc/{self.process.pid}/task").glob(f"*/{name}")
        return sum(read(task.read_text()) for task in tasks)

    def fine_cpu_us(self):
        """As cpu_us, but in nanoseconds' steps."""
        return self.per_thread("schedstat", lambda text: int(text.split()[0])) / 1000

    def in_line_us(self):
        """How long its threads could have run and had no CPU: a busy machine's doing."""
        return self.per_thread("schedstat", lambda text: int(text.split()[1])) / 1000

    def wakes(self):
        """How often its threads have gone to sleep, which is how often they were woken."""
        return self.per_thread("status", lambda text: int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.M)[1]))

    def threads(self):
        return self.per_thread("comm", lambda text: 1)

    def gauge(self, name):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return float(re.search(rf"^{name} (\S+)", text, re.M)[1])

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

    def post(self, body, timeout=120, path="/v1/batch", key=None):
        """status, answer, seconds"""
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("POST", path, body, headers)
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


def batch_of(count, port, path="/small", hosts=("127.0.0.1",), **options):
    items = [{"id": i, "url": f"http://{hosts[i % len(hosts)]}:{port}{path}?{i}"} for i in range(count)]
    return json.dumps({"items": items, "options": options}).encode()


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer
