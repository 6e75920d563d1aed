"""daemon - the program under test: its configuration, its environment, a server with its log, its metrics and its end."""
import copy
import hashlib
import json
import os
import re
import resource
import secrets
import signal
import socket
import subprocess
import tempfile

from http_client import read_all, request
from process import Process, ROOT, WAIT, wait_for

BINARY = os.path.abspath(os.environ.get("BATCHGATE_BIN") or os.path.join(ROOT, "build", "dev", "batchgate"))
REPORT = re.compile(rb"Sanitizer|runtime error:|\bbug:|LeakSan|DEADLYSIGNAL")
BASE = {"server": {"port": 0}, "targets": {"allow_private": True}}


def made_with(*marks):
    with open(BINARY, "rb") as source:
        text = source.read()
    return any(mark in text for mark in marks)


def sanitized():
    return made_with(b"__tsan_init", b"__asan_init")


def shadowed():
    """TSan keeps several times of what the server has, for as long as it likes; ASan can be told not to: see frugal()."""
    return made_with(b"__tsan_init")


def memory_bound(limit):
    """What RSS may reach under `limits.memory`; a sanitizer's shadow and quarantine are not the server's doing."""
    return limit if not sanitized() else 6 * limit + (1 << 30)


def merge(base, over):
    out = copy.deepcopy(base)
    for key, value in over.items():
        out[key] = merge(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def make_key():
    """A key and the hash that stands in the configuration."""
    key = secrets.token_urlsafe(24)
    return key, hashlib.sha256(key.encode()).hexdigest()


def files_needed(folder, config):
    """So many open files the server says it may need."""
    path = write_config(folder, config, "tight.yaml")
    done = subprocess.run([*limit_files(64), BINARY, "check", "--config", path], capture_output=True, env=environment(), timeout=WAIT,
                          check=False)
    return int(re.search(rb"(\d+) open files may be needed", done.stderr).group(1))


def limit_files(count):
    """What stands before a command that may have so many."""
    return ["sh", "-c", 'ulimit -n %d; "$@"; exit $?' % count, "sh"]


def write_config(folder, config, name="batchgate.yaml"):
    """JSON is YAML; what the loader reads is what an operator may write."""
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(config, out, indent=1)
    return path


def environment(extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("BATCHGATE_") and not k.lower().endswith("_proxy")}
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    env.setdefault("TSAN_OPTIONS", "halt_on_error=0")
    env.update(extra or {})
    return env


def frugal():
    """The environment of a server whose memory is judged: AddressSanitizer keeps next to nothing of what was freed (256 MiB else)."""
    return {"ASAN_OPTIONS": environment()["ASAN_OPTIONS"] + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"}


def need_binary():
    if not os.access(BINARY, os.X_OK):
        raise AssertionError("no server at %s: build it, or set BATCHGATE_BIN" % BINARY)


def run_tool(*args, env=None, stdin=None, timeout=WAIT):
    """The binary as a command line tool: (exit code, stdout, stderr)."""
    need_binary()
    done = subprocess.run([BINARY, *args], capture_output=True, env=environment(env), input=stdin, timeout=timeout,
                          check=False)
    check_report(done.stderr)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def check_report(err):
    found = REPORT.search(err)
    if found:
        raise AssertionError("a report on stderr:\n" + err[max(0, found.start() - 500):][:8000].decode("latin-1"))


class Server(Process):
    def __init__(self, folder, config=None, args=(), env=None, prefix=(), name="batchgate", base=None):
        need_binary()
        folder = tempfile.mkdtemp(prefix=name + "-", dir=folder)
        self.config = merge(BASE if base is None else base, config or {})
        self.config_path = write_config(folder, self.config)
        self.stopped = False
        super().__init__([*prefix, BINARY, "serve", "--config", self.config_path, *args], folder, name,
                         env=environment(env))
        try:
            self.port = wait_for("the log line `listening`", self.find_port)
            self.serving_pid = self.find_pid() if prefix else self.pid
        except BaseException:
            self.kill()
            raise

    def find_port(self):
        match = re.search(rb'listening.*?\bport\W+(\d+)', self.err())
        if match:
            return int(match.group(1))
        if not self.alive():
            raise AssertionError("the server ended with %s:\n%s" % (self.child.returncode, self.err().decode("latin-1")))
        return None

    def find_pid(self):
        """Behind a prefix such as unshare -f the server is a child of our child."""
        def below(pid):
            with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as source:
                children = [int(p) for p in source.read().split()]
            for child in children:
                if os.path.realpath("/proc/%d/exe" % child) == os.path.realpath(BINARY):
                    return child
                deeper = below(child)
                if deeper:
                    return deeper
            return None
        return wait_for("the server's own process", lambda: below(self.pid))

    # its logs
    def lines(self):
        return [line for line in self.err().decode("utf-8").split("\n")[:-1] if line]

    def events(self, name=None):
        found = []
        for line in self.lines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and name in (None, value.get("event")):
                found.append(value)
        return found

    def event(self, name):
        return next(iter(self.events(name)), None)

    # its answers
    def request(self, method, path, body=None, headers=(), **options):
        return request(self.port, method, path, body, headers, **options)

    def get(self, path, headers=(), **options):
        return self.request("GET", path, None, headers, **options)

    def post(self, value, path="/v1/batch", headers=(), **options):
        """POSTs JSON: a value, or the very bytes."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        if not any(n.lower() == "content-type" for n, _ in pairs):
            pairs.append(("Content-Type", "application/json"))
        return self.request("POST", path, body, pairs, **options)

    def connect(self, timeout=WAIT):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def raw(self, data, timeout=10):
        """Sends bytes on a new connection and reads until it is closed: (bytes, closed)."""
        with self.connect() as sock:
            try:
                sock.sendall(data)
            except OSError:
                pass
            return read_all(sock, timeout)

    def metrics(self, headers=()):
        answer = self.get("/metrics", headers)
        if answer.status != 200:
            raise AssertionError("metrics: %r" % answer)
        return parse_metrics(answer.body.decode())

    def rss(self, peak=True):
        with open("/proc/%d/status" % self.serving_pid, encoding="ascii") as source:
            text = source.read()
        return int(re.search(r"%s:\s+(\d+) kB" % ("VmHWM" if peak else "VmRSS"), text).group(1)) * 1024

    def forget_peak(self):
        with open("/proc/%d/clear_refs" % self.serving_pid, "w", encoding="ascii") as out:
            out.write("5")

    def threads(self):
        return len(os.listdir("/proc/%d/task" % self.serving_pid))

    def open_files(self):
        return len(os.listdir("/proc/%d/fd" % self.serving_pid))

    def leave_free(self, count):
        """From now on so many more files can be opened, and no more; gives the limits it had. Numbers may be free between those
        that are used: two threads that accept at once take one each, and the one that comes too late gives its own back."""
        used = {int(name) for name in os.listdir("/proc/%d/fd" % self.serving_pid)}
        limit = free = 0
        while free < count or limit in used:
            free += limit not in used
            limit += 1
        limits = resource.prlimit(self.serving_pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.serving_pid, resource.RLIMIT_NOFILE, (limit, limits[1]))
        return limits

    # its end
    def check(self):
        if not self.stopped and not self.alive():
            raise AssertionError("the server died with %s:\n%s" % (self.child.returncode,
                                                                   self.err()[-6000:].decode("latin-1")))
        check_report(self.err())
        for line in self.lines():
            if self.config.get("log", {}).get("format", "json") == "json":
                try:
                    json.loads(line)
                except ValueError:
                    raise AssertionError("a log line that is not JSON: %r" % line) from None

    def stop(self, code=0):
        if self.stopped:
            return
        self.check()
        os.kill(self.serving_pid, signal.SIGTERM)
        self.ended(code)

    def ended(self, *codes):
        """Waits for an end that has been asked for, and judges it."""
        found = self.wait()
        self.stopped = True
        self.check()
        if found not in codes:
            raise AssertionError("exit code %s instead of %s:\n%s" % (found, codes, self.err()[-6000:].decode("latin-1")))


def parse_metrics(text):
    """{(name, frozenset of label pairs): value}; refuses what Prometheus would."""
    found, types, helped = {}, {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name in types:
                raise AssertionError("two TYPE lines for " + name)
            types[name] = kind
        elif line.startswith("# HELP "):
            helped.add(line.split(" ")[2])
        elif line and not line.startswith("#"):
            match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)', line)
            if not match:
                raise AssertionError("not a sample: %r" % line)
            labels = frozenset(re.findall(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
            base = re.sub(r"_(bucket|sum|count)$", "", match.group(1))
            if match.group(1) not in types and base not in types:
                raise AssertionError("a sample without a TYPE: %r" % line)
            key = (match.group(1), labels)
            if key in found:
                raise AssertionError("the same sample twice: %r" % line)
            found[key] = float(match.group(3))
    missing = set(types) - helped
    if missing:
        raise AssertionError("no HELP for %s" % sorted(missing))
    return Samples(found, types)


class Samples(dict):
    def __init__(self, found, types):
        super().__init__(found)
        self.types = types

    def of(self, name, **labels):
        return self.get((name, frozenset(labels.items())), 0.0)

    def total(self, name):
        return sum(v for (n, _), v in self.items() if n == name)
