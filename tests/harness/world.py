"""world - what an integration test stands on: the real server, real upstreams, clients, and a check of how it all ended.

Each process is started here and stopped here by its own id. A server must end with exit code 0, without a sanitizer's report
and without a line that is not its own; a test that leaves one unstopped fails. Set BATCHGATE_BIN to choose the binary.
Time is only ever asserted with wide margins: the same tests run against slow, sanitized builds.
"""
import base64
import contextlib
import copy
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
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HARNESS = os.path.join(ROOT, "tests", "harness")
BINARY = os.path.abspath(os.environ.get("BATCHGATE_BIN") or os.path.join(ROOT, "build", "dev", "batchgate"))
PYTHON = sys.executable
WAIT = 60  # seconds until a thing that must happen counts as one that does not
REPORT = re.compile(rb"Sanitizer|runtime error:|\bbug:|LeakSan|DEADLYSIGNAL")
PACKAGES = {"nginx": "nginx-light", "openssl": "openssl", "nft": "nftables", "tc": "iproute2", "ip": "iproute2",
            "unshare": "util-linux", "mount": "mount", "strace": "strace", "curl": "curl"}


def need(program):
    """The path of a program, or a failure that names the package: a missing tool is never a reason to skip."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise AssertionError("%s is missing: apt-get install %s" % (program, PACKAGES[program]))
    return path


def sanitized():
    with open(BINARY, "rb") as source:
        text = source.read()
    return b"__tsan_init" in text or b"__asan_init" in text


def memory_bound(limit):
    """What RSS may reach under `limits.memory`; a sanitizer's shadow and quarantine are not the server's doing."""
    return limit if not sanitized() else 6 * limit + (1 << 30)


def free_port(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def wait_for(what, check, timeout=WAIT, pause=0.02):
    """Returns the first true value of check(), or fails with `what`."""
    end = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %d s: %s" % (timeout, what))
        time.sleep(pause)


def settled(read, span=0.5, timeout=WAIT):
    """The value of read() that has stood still for `span` seconds, however fast the machine is."""
    value, since = read(), time.monotonic()
    end = since + timeout
    while time.monotonic() < since + span:
        if time.monotonic() > end:
            raise AssertionError("still moving after %d s: %r" % (timeout, value))
        time.sleep(0.02)
        now = read()
        if now != value:
            value, since = now, time.monotonic()
    return value


def again(measure, times=3):
    """For what a hiccup of the machine can spoil: measure() may fail, but not so often in a row. What is wrong fails each time."""
    for left in reversed(range(times)):
        try:
            return measure()
        except AssertionError as error:
            if not left:
                raise
            print("measured again: %s" % str(error)[:300], file=sys.stderr)


def cpu_of(pid):
    """Clock ticks that a process has computed."""
    with open("/proc/%d/stat" % pid, encoding="ascii") as source:
        fields = source.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def merge(base, over):
    out = copy.deepcopy(base)
    for key, value in over.items():
        out[key] = merge(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def make_key():
    """A key and the hash that stands in the configuration."""
    key = secrets.token_urlsafe(24)
    return key, hashlib.sha256(key.encode()).hexdigest()


# --- HTTP -----------------------------------------------------------------------------------------------------------

class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name, default=None):
        return next((v for n, v in self.headers if n.lower() == name.lower()), default)

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "Answer(%d, %r)" % (self.status, self.body[:600])


def request(port, method, path, body=None, headers=(), timeout=WAIT * 2, host="127.0.0.1"):
    """One request on a connection of its own. `headers` is a dict or a list of pairs."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    conn = http.client.HTTPConnection(host, port, timeout=timeout)
    with contextlib.closing(conn):
        conn.putrequest(method, path, skip_accept_encoding=True, skip_host=any(n.lower() == "host" for n, _ in pairs))
        names = [n.lower() for n, _ in pairs]
        if body is not None and "content-length" not in names and "transfer-encoding" not in names:
            conn.putheader("Content-Length", str(len(body)))
        for name, value in pairs:
            conn.putheader(name, value)
        conn.endheaders(body)
        reply = conn.getresponse()
        return Answer(reply.status, reply.getheaders(), reply.read())


def parse_answers(data):
    """Every complete HTTP answer in `data`, and what is left."""
    found = []
    while b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        match = re.match(r"HTTP/1\.[01] (\d{3})", lines[0])
        if not match:
            break
        headers = [tuple(p.strip() for p in line.split(":", 1)) for line in lines[1:]]
        answer = Answer(int(match.group(1)), headers, b"")
        if answer.status >= 200:
            size = int(answer.header("content-length", "0"))
            if len(rest) < size:
                break
            answer.body, rest = rest[:size], rest[size:]
        found.append(answer)
        data = rest
    return found, data


def read_all(sock, timeout=WAIT):
    """What arrives until the peer closes. (bytes, closed)"""
    sock.settimeout(timeout)
    data = b""
    try:
        while True:
            part = sock.recv(65536)
            if not part:
                return data, True
            data += part
    except ConnectionResetError:
        return data, True
    except socket.timeout:
        return data, False


def read_answer(sock, timeout=WAIT):
    """One final answer from a socket (interim ones are passed over)."""
    sock.settimeout(timeout)
    data = b""
    while True:
        found, _ = parse_answers(data)
        final = [a for a in found if a.status >= 200]
        if final:
            return final[0]
        part = sock.recv(65536)
        if not part:
            raise AssertionError("closed before an answer: %r" % data[:300])
        data += part


def frame(method, path, body=b"", headers=()):
    """A request's bytes, written plainly."""
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: test"]
    lines += ["%s: %s" % h for h in headers]
    if body or method == "POST":
        lines.append("Content-Length: %d" % len(body))
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


# --- processes ------------------------------------------------------------------------------------------------------

class Process:
    """A child with its output in files; stopped by its own id."""

    def __init__(self, argv, folder, name, env=None, stdin=subprocess.DEVNULL):
        self.folder = folder
        self.out_path = os.path.join(folder, name + ".out")
        self.err_path = os.path.join(folder, name + ".err")
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.child = subprocess.Popen(argv, stdout=out, stderr=err, stdin=stdin, env=env, cwd=folder)

    @property
    def pid(self):
        return self.child.pid

    def out(self):
        with open(self.out_path, "rb") as source:
            return source.read()

    def err(self):
        with open(self.err_path, "rb") as source:
            return source.read()

    def alive(self):
        return self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout=WAIT):
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError("did not end within %d s:\n%s" % (timeout, self.err()[-3000:].decode("latin-1"))) \
                from None

    def kill(self):
        if self.alive():
            self.child.kill()
        self.child.wait()


class Helper(Process):
    """A harness server: prints one JSON line when it is ready, ends when its stdin closes."""

    def __init__(self, script, args, folder, name):
        super().__init__([PYTHON, os.path.join(HARNESS, script), *args], folder, name, stdin=subprocess.PIPE)
        line = wait_for(name + " to be ready", lambda: self.out() if b"\n" in self.out() or not self.alive() else None)
        if b"\n" not in line:
            raise AssertionError("%s did not start: %s" % (name, self.err().decode("latin-1")))
        self.ports = json.loads(line)

    def kill(self):
        super().kill()
        self.child.stdin.close()

    def stop(self):
        self.child.stdin.close()
        self.wait()
        if b"Traceback" in self.err():
            raise AssertionError(self.err().decode("latin-1"))


class Fault(Helper):
    def __init__(self, folder, tls=False, args=()):
        extra = ["--tls", os.path.join(folder, "tls")] if tls else []
        if tls:
            need("openssl")
            os.mkdir(extra[1])
        super().__init__("faultd.py", extra + list(args), folder, "faultd")
        self.ca = os.path.join(folder, "tls", "ca.pem")

    def url(self, path="/ok", tls=None, **query):
        where = "%s://127.0.0.1:%d%s" % ("https" if tls else "http", self.ports[tls or "http"], path)
        if query:
            where += "?" + urllib.parse.urlencode(query, doseq=True, encoding="latin-1", quote_via=urllib.parse.quote)
        return where

    @property
    def host(self):
        return "127.0.0.1:%d" % self.ports["http"]

    def ask(self, path):
        return request(self.ports["http"], "GET", path).json()

    def stats(self):
        return self.ask("/_stats")

    def hits(self, path="*"):
        return self.stats()["hits"].get(path, 0)

    def asked(self, path=""):
        return self.ask("/_requests?path=" + path)

    def reset(self):
        self.ask("/_reset")

    def open(self, key):
        """Lets go what waits, or will wait, at the gate of that key."""
        self.ask("/_open?key=" + urllib.parse.quote(str(key)))


class Names(Helper):
    def __init__(self, folder, zone, port=53):
        self.log_path = os.path.join(folder, "dns.log")
        zone_path = os.path.join(folder, "zone.json")
        with open(zone_path, "w", encoding="utf-8") as out:
            json.dump(zone, out)
        super().__init__("dnsd.py", ["--zone", zone_path, "--log", self.log_path, "--port", str(port)], folder, "dnsd")

    def asked(self, name=""):
        if not os.path.exists(self.log_path):
            return []
        with open(self.log_path, encoding="latin-1") as source:
            return [line.split() for line in source if name in ("", line.split()[0])]


class Nginx(Process):
    # One process: a master that is killed would leave its worker behind.
    CONF = """daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log access.log; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi; default_type text/plain; keepalive_requests %(requests)d;
  server { listen 127.0.0.1:%(port)d; root .; gzip on; gzip_min_length 1; gzip_types application/json;
    location = /json { default_type application/json; return 200 '{"uri": "$request_uri", "method": "$request_method"}'; }
    location = /busy { return 503 "busy"; }
    location = /moved { return 301 /json; }
    location = /large { default_type application/json; alias large.json; }
  }
}
"""

    def __init__(self, folder, keepalive_requests=1000):
        program = need("nginx")
        self.port = free_port()
        folder = os.path.join(folder, "nginx")
        os.mkdir(folder)
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="ascii") as out:
            out.write(self.CONF % {"port": self.port, "requests": keepalive_requests})
        with open(os.path.join(folder, "large.json"), "w", encoding="ascii") as out:
            json.dump({"rows": [{"n": i, "text": "x" * 50} for i in range(5000)]}, out)
        super().__init__([program, "-p", folder, "-c", os.path.join(folder, "nginx.conf")], folder, "nginx")
        wait_for("nginx to listen", lambda: self.alive() and listening(self.port))

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def log_lines(self):
        with open(os.path.join(self.folder, "access.log"), encoding="latin-1") as source:
            return source.read().splitlines()

    def stop(self):
        self.signal(signal.SIGTERM)
        self.wait()


class Httpbin(Process):
    def __init__(self, folder):
        probe = subprocess.run([PYTHON, "-c", "import httpbin"], capture_output=True, check=False)
        if probe.returncode:
            raise AssertionError("httpbin is missing: apt-get install python3-httpbin (and run with /usr/bin/python3)")
        self.port = free_port()
        super().__init__([PYTHON, "-W", "ignore", "-m", "httpbin.core", "--port", str(self.port)], folder, "httpbin")
        wait_for("httpbin to listen", lambda: self.alive() and listening(self.port))

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def stop(self):
        self.signal(signal.SIGTERM)
        self.wait()


def listening(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


# --- the server -----------------------------------------------------------------------------------------------------

BASE = {"server": {"port": 0}, "targets": {"allow_private": True}}


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


# --- test cases -----------------------------------------------------------------------------------------------------

class Case(unittest.TestCase):
    """A faultd and a server for the whole class; both are looked at after each test and stopped at the end."""
    config = {}
    base = None  # what config is laid over, where it is not BASE
    tls = False
    fault_args = ()
    maxDiff = 4000
    fault = server = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="batchgate-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.fault = Fault(cls.folder, cls.tls, cls.fault_args)
        cls.addClassCleanup(cls.fault.kill)
        cls.server = Server(cls.folder, cls.class_config(), base=cls.base)
        cls.addClassCleanup(cls.server.kill)

    @classmethod
    def class_config(cls):
        return cls.config

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.fault.stop()

    def setUp(self):
        self.fault.reset()

    def tearDown(self):
        self.server.check()

    def start(self, config=None, **options):
        """One more server, for this test alone; stopped and judged when the test ends, if it is not before."""
        server = Server(self.folder, config, base=self.base, **options)
        self.addCleanup(server.kill)
        self.addCleanup(server.stop)
        return server

    def batch(self, items, options=None, server=None, **members):
        """Runs a batch that must be answered with 200, checks what holds for every answer, and returns it."""
        document = {"items": items, **members}
        if options is not None:
            document["options"] = options
        return self.batch_bytes(json.dumps(document).encode(), len(items), server)

    def batch_bytes(self, body, count, server=None, headers=()):
        answer = (server or self.server).post(body, headers=headers)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.header("content-type"), "application/json")
        document = answer.json()
        check_document(document, count)
        self.raw_answer = answer.body
        return document

    def one(self, options=None, server=None, **item):
        """The result of a batch of one."""
        return self.batch([item], options, server)["results"][0]

    def assert_error(self, result, code, reason=None, sent=None, retryable=None, status=None):
        self.assertFalse(result["success"], result)
        error = result["error"]
        self.assertEqual(error["code"], code, result)
        if reason is not None:
            if isinstance(reason, str):
                self.assertEqual(error.get("reason"), reason, result)
            else:
                self.assertIn(error.get("reason"), reason, result)
        if sent is not None:
            self.assertEqual(error["sent"], sent, result)
        if retryable is not None:
            self.assertEqual(error["retryable"], retryable, result)
        if status is not None:
            self.assertEqual(result["status"], status, result)

    def assert_problem(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.header("content-type"), "application/problem+json", answer)
        problem = answer.json()
        for member in ("type", "title", "status", "detail", "request_id", "code"):
            self.assertIn(member, problem)
        self.assertEqual(problem["code"], code, problem)
        self.assertEqual(problem["status"], status)
        self.assertEqual(problem["request_id"], answer.header("x-request-id"))
        self.assertTrue(problem["detail"])
        if status in (429, 503):
            self.assertRegex(answer.header("retry-after") or "", r"^[1-9]\d*$")
        return problem


RESULT = {"index", "id", "success", "status", "body", "body_encoding", "error", "attempts", "duration_ms"}


def check_document(document, count):
    """What holds for every whole answer, whatever was in the batch."""
    results, summary = document["results"], document["summary"]
    bad = lambda why, what=None: AssertionError("%s: %s" % (why, json.dumps(what or document)[:2000]))
    if set(document) != {"results", "summary"}:
        raise bad("members")
    if [r["index"] for r in results] != list(range(count)):
        raise bad("the results are not those of the items, in order")
    codes = {}
    for result in results:
        if not RESULT <= set(result) <= RESULT | {"headers", "timing"}:
            raise bad("a result's members", result)
        if result["success"] is not (result["error"] is None):
            raise bad("success and error disagree", result)
        if (result["body"] is None) != (result["body_encoding"] is None):
            if not (result["body_encoding"] == "json" and result["body"] is None):
                raise bad("body and body_encoding disagree", result)
        if result["error"]:
            error = result["error"]
            if not {"code", "message", "retryable", "sent"} <= set(error) <= {"code", "message", "retryable", "sent", "reason"}:
                raise bad("an error's members", result)
            if not error["message"]:
                raise bad("an error without words", result)
            codes[error["code"]] = codes.get(error["code"], 0) + 1
        elif not 200 <= result["status"] <= 299:
            raise bad("a success that is not 2xx", result)
        if result["attempts"] == 0 and (result["status"] is not None or (result["error"] or {}).get("sent")):
            raise bad("something came of no attempt", result)
        if result["duration_ms"] < 0:
            raise bad("a duration that cannot be", result)
    if not {"total", "succeeded", "failed", "by_code", "concurrency", "duration_ms", "request_id"} <= set(summary):
        raise bad("the summary's members")
    failed = sum(not r["success"] for r in results)
    if (summary["total"], summary["succeeded"], summary["failed"]) != (count, count - failed, failed):
        raise bad("the summary's counts", summary)
    if summary["by_code"] != codes:
        raise bad("by_code", summary)
    if summary["concurrency"] < 1 or not summary["request_id"]:
        raise bad("the summary", summary)


def body_of(record):
    return base64.b64decode(record["body_base64"])


def headers_of(record, name):
    return [v for n, v in record["headers"] if n.lower() == name.lower()]


def in_thread(function, *args, **options):
    """Runs a call beside the test; .result() waits and raises what it raised."""
    box = {}

    def run():
        try:
            box["value"] = function(*args, **options)
        except BaseException as error:  # handed to whoever asks for the result
            box["error"] = error
    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result(timeout=WAIT * 2):
        thread.join(timeout)
        if thread.is_alive():
            raise AssertionError("still running after %d s" % timeout)
        if "error" in box:
            raise box["error"]
        return box["value"]
    thread.result = result
    return thread


def enter_namespace(pid=False):
    """Starts this program again without any network but its own loopback, and with mounts of its own."""
    if os.environ.get("BATCHGATE_TEST_NAMESPACE") == "1":
        subprocess.run([need("ip"), "link", "set", "lo", "up"], check=True)
        return
    argv = [need("unshare"), "-n", "-m"] + (["-r"] if os.geteuid() else []) + (["-p", "-f"] if pid else [])
    os.environ["BATCHGATE_TEST_NAMESPACE"] = "1"
    os.execv(argv[0], argv + [sys.executable, *sys.argv])


def bind_over(path, text):
    """Replaces a system file, for this mount namespace alone."""
    handle, name = tempfile.mkstemp(prefix="batchgate-")
    with os.fdopen(handle, "w", encoding="ascii") as out:
        out.write(text)
    os.chmod(name, 0o644)
    subprocess.run([need("mount"), "--bind", name, path], check=True)


def add_address(address):
    length = 128 if ":" in address else 32
    subprocess.run([need("ip"), "addr", "add", "%s/%d" % (address, length), "dev", "lo"]
                   + (["nodad"] if ":" in address else []), check=True)


def nft(text):
    subprocess.run([need("nft"), "-f", "-"], input=text.encode(), check=True)


def nft_packets(name):
    """Packets seen by a named counter of table inet t."""
    done = subprocess.run([need("nft"), "-j", "list", "counter", "inet", "t", name], capture_output=True, check=True)
    return next(e["counter"]["packets"] for e in json.loads(done.stdout)["nftables"] if "counter" in e)


def main():
    try:
        need_binary()
    except AssertionError as error:
        raise SystemExit(str(error)) from None
    unittest.main(verbosity=2)
