#!/usr/bin/python3
"""The container image, built and run: `make test-image`.

docker where an engine answers, else buildah and podman (scripts/image.sh says which). Containers share this machine's network, so
that nothing but loopback is listened on; each is ended by its own id. BATCHGATE_IMAGE=name tests an image that is there already.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

SCRIPT = os.path.join(world.ROOT, "scripts", "image.sh")
HARD = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--memory", "256m", "--pids-limit", "200"]
# What the file of limits says holds here too: podman cannot raise them, and 1,024 files are too few for the default configuration.
LIMITS = ["--ulimit", "nofile=8192:8192", "--ulimit", "nproc=1024:1024"]
REMOTE, SOURCE = "https://someone:hunter2@git.example/batchgate.git", "https://git.example/batchgate.git"
ENGINE, IMAGE = [], ""


def setUpModule():
    global ENGINE, IMAGE
    ENGINE = subprocess.run(["sh", SCRIPT, "engine"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    IMAGE = os.environ.get("BATCHGATE_IMAGE", "")
    if not IMAGE:
        IMAGE = "localhost/batchgate:test"
        began = time.monotonic()
        env = {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "remote.origin.url", "GIT_CONFIG_VALUE_0": REMOTE}
        done = subprocess.run(["sh", SCRIPT, "build", IMAGE], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise AssertionError("the image cannot be built:\n" + done.stdout[-6000:])
        print("built with %s in %.0f s" % ("docker" if docker() else "buildah", time.monotonic() - began), file=sys.stderr)


def docker():
    return ENGINE[0] == "docker"


def engine(*args, check=True, text=None):
    done = subprocess.run([*ENGINE, *args], input=text, capture_output=True, text=True, check=False, timeout=300)
    if check and done.returncode:
        raise AssertionError("%s: %s" % (" ".join(args), done.stderr))
    return done


def inspect(name, what):
    """A member of what the engine knows of it, by a path as in .State.Pid."""
    value = json.loads(engine("inspect", name).stdout)[0]
    for member in what.split(".")[1:]:
        value = value[member]
    return value


class Container:
    """A container under this machine's network, hardened as the compose file has it."""

    def __init__(self, env=None, mounts=(), network="host", args=("serve",)):
        options = ["-d", "--network", network, *HARD, *LIMITS]
        if not docker():
            options.append("--no-healthcheck")  # podman wants systemd's timers for it
        for name, value in (env or {}).items():
            options += ["-e", "%s=%s" % (name, value)]
        for here, there in mounts:
            options += ["-v", "%s:%s:ro" % (here, there)]
        self.id = engine("run", *options, IMAGE, *args).stdout.strip().splitlines()[-1]

    def remove(self):
        engine("rm", "-f", "-v", self.id, check=False)

    def logs(self):
        done = engine("logs", self.id)
        return done.stdout + done.stderr

    def event(self, name):
        for line in self.logs().splitlines():
            if line.startswith("{") and json.loads(line).get("event") == name:
                return json.loads(line)
        return None

    def wait_listening(self):
        def listens():
            if not inspect(self.id, ".State.Running"):
                raise AssertionError("it ended:\n" + self.logs())
            return self.event("listening")
        return world.wait_for("the server to listen", listens)["port"]

    def pid(self):
        return inspect(self.id, ".State.Pid")

    def status(self):
        with open("/proc/%d/status" % self.pid(), encoding="ascii") as source:
            return dict(line.split(":\t", 1) for line in source.read().splitlines() if ":\t" in line)

    def exec(self, *args):
        return engine("exec", self.id, *args, check=False)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="batchgate-image-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        os.chmod(cls.folder, 0o755)
        cls.fault = world.Fault(cls.folder, tls=True)
        cls.addClassCleanup(cls.fault.kill)
        cls.key, cls.hash = world.make_key()

    @classmethod
    def tearDownClass(cls):
        cls.fault.stop()

    def setUp(self):
        self.fault.reset()

    def run_it(self, env=None, mounts=(), **options):
        own = {"BATCHGATE_AUTH_KEYS": "test:" + self.hash, "BATCHGATE_SERVER_HOST": "127.0.0.1", "BATCHGATE_SERVER_PORT": "0",
               "BATCHGATE_TARGETS_ALLOW": "127.0.0.1:%d" % self.fault.ports["http"]}
        container = Container({k: v for k, v in {**own, **(env or {})}.items() if v is not None}, mounts, **options)
        self.addCleanup(container.remove)
        return container

    def write(self, name, value):
        path = world.write_config(self.folder, value, name)
        os.chmod(path, 0o644)
        return path

    def ask(self, port, method, path, value=None, headers=()):
        body = None if value is None else json.dumps(value).encode()
        return world.request(port, method, path, body, {"Authorization": "Bearer " + self.key, "Content-Type": "application/json",
                                                        **dict(headers)})

    def batch(self, port, *urls):
        answer = self.ask(port, "POST", "/v1/batch", {"items": [{"url": url} for url in urls]})
        self.assertEqual(answer.status, 200, answer)
        document = answer.json()
        world.check_document(document, len(urls))
        return document["results"]


class Image(Case):
    def test_it_is_small(self):
        size = inspect(IMAGE, ".Size")
        print("image: %.1f MB" % (size / 1e6), file=sys.stderr)
        with open(os.path.join(world.ROOT, "docs", "deployment.md"), encoding="utf-8") as source:
            (said,) = re.findall(r": (\d+) MB unpacked", source.read())
        self.assertAlmostEqual(size / 1e6, int(said), delta=1)

    def test_what_it_says_of_itself(self):
        config = inspect(IMAGE, ".Config")
        self.assertEqual(config["User"], "10001:10001")
        self.assertEqual(config["Entrypoint"], ["/usr/bin/batchgate"])
        self.assertEqual(config["Cmd"], ["serve"])
        self.assertEqual(config["StopSignal"], "SIGTERM")
        self.assertEqual(config["WorkingDir"], "/var/lib/batchgate")
        self.assertEqual(list(config["ExposedPorts"]), ["8080/tcp"])
        self.assertEqual(list(config["Volumes"]), ["/var/lib/batchgate"])
        labels = config["Labels"]
        for name in ("title", "description", "licenses", "source"):
            self.assertIn("org.opencontainers.image." + name, labels)
        if not os.environ.get("BATCHGATE_IMAGE"):
            self.assertEqual(labels["org.opencontainers.image.source"], SOURCE)
            for told in (engine("inspect", IMAGE), engine("history", "--no-trunc", IMAGE)):
                self.assertNotIn("hunter2", told.stdout)
        code = engine("run", "--rm", "--network", "none", *LIMITS, IMAGE, "--version")
        self.assertEqual(code.stdout.split()[:2], ["batchgate", labels["org.opencontainers.image.version"]])
        health = config.get("Healthcheck") or inspect(IMAGE, ".Healthcheck")
        self.assertEqual(health["Test"], ["CMD", "/usr/bin/batchgate", "health"])
        self.assertGreater(health["Timeout"], 3e9)

    def test_nothing_else_is_in_it(self):
        """No shell, no interpreter, nothing that gives rights; and what there is can be looked up by a scanner."""
        name = engine("create", *LIMITS, *([] if docker() else ["--no-healthcheck"]), IMAGE).stdout.strip()
        self.addCleanup(engine, "rm", "-f", "-v", name, check=False)
        path = os.path.join(self.folder, "image.tar")
        engine("export", "-o", path, name)
        with tarfile.open(path) as tar:
            members = {member.name.strip("./"): member for member in tar.getmembers()}
        files = {name: member for name, member in members.items() if member.isfile()}
        # Empty ones are what an engine mounts over, such as etc/hosts.
        programs = [name for name, member in files.items() if member.mode & 0o111 and member.size and ".so" not in name]
        self.assertEqual(programs, ["usr/bin/batchgate"])
        self.assertFalse([name for name, member in members.items() if member.mode & 0o6000])
        self.assertFalse([name for name in files if name.startswith(("src", "root", "home", "build")) or "authorities" in name])
        for folder in ("proc", "dev", "sys", "tmp", "etc/batchgate"):
            self.assertTrue(members[folder].isdir(), folder)
        state = members["var/lib/batchgate"]
        self.assertEqual((state.uid, state.gid, state.mode & 0o777), (10001, 10001, 0o750))
        self.assertTrue([name for name in files if name.startswith("var/lib/dpkg/status.d/libcurl4")])
        self.assertTrue([name for name in files if name.startswith("usr/share/doc/libmicrohttpd12")])

    def test_it_does_not_start_without_keys(self):
        container = self.run_it(dict.fromkeys(("BATCHGATE_AUTH_KEYS", "BATCHGATE_SERVER_HOST")), network="none")
        engine("wait", container.id)
        self.assertEqual(inspect(container.id, ".State.ExitCode"), 2, container.logs())
        self.assertIn("auth.keys", container.logs())

    def test_as_it_stands_it_needs_a_key_and_nothing_else(self):
        """All addresses, its own port, no file: in a network of its own."""
        container = self.run_it({"BATCHGATE_SERVER_HOST": None, "BATCHGATE_SERVER_PORT": None, "BATCHGATE_TARGETS_ALLOW": None},
                                network="none")
        self.assertEqual(container.wait_listening(), 8080)
        self.assertEqual(container.event("listening")["host"], "0.0.0.0")
        done = container.exec("/usr/bin/batchgate", "health")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        ill = container.exec("/usr/bin/batchgate", "health", "--server-port=9")
        self.assertEqual(ill.returncode, 3)
        if docker():
            world.wait_for("docker to find it healthy", lambda: inspect(container.id, ".State.Health.Status") == "healthy")


class Context(unittest.TestCase):
    def test_what_the_build_is_not_sent(self):
        """By .dockerignore: history, tests, secrets."""
        kept = {"CMakeLists.txt", "server/main.c", "scripts/install-deps.sh", "docker/Dockerfile", "LICENSE", "cmake/flags.cmake", "openapi.yaml",
                "handlers/docs/package-lock.json", "handlers/docs/.npmrc", "scripts/npm-ci.sh", "authorities.crt"}
        dropped = {".git/config", ".env", "docker/.env", "docker/compose.yaml", "docker/tls/server.key", "docker/tls/server.pem", "docs/run.md",
                   "tests/unit/x.c", "build/dev/batchgate", "tests/node_modules/x.js", "README.md", "docker/grafana/dashboard.json",
                   "docker/kubernetes/secret.yaml"}
        with tempfile.TemporaryDirectory(prefix="batchgate-context-") as folder:
            shutil.copy(os.path.join(world.ROOT, ".dockerignore"), folder)
            for name in kept | dropped:
                os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
                with open(os.path.join(folder, name), "w", encoding="ascii") as out:
                    out.write("x")
            recipe = os.path.join(folder, "Recipe")
            with open(recipe, "w", encoding="ascii") as out:
                out.write("FROM scratch\nCOPY . /sent/\nCMD [\"/none\"]\n")
            engine("build", *([] if docker() else ["--isolation", "chroot"]), "-t", "localhost/batchgate-context:test", "-f", recipe, folder)
            self.addCleanup(engine, "rmi", "localhost/batchgate-context:test", check=False)
            name = engine("create", *LIMITS, "localhost/batchgate-context:test").stdout.strip()
            self.addCleanup(engine, "rm", "-f", "-v", name, check=False)
            engine("export", "-o", os.path.join(folder, "sent.tar"), name)
            with tarfile.open(os.path.join(folder, "sent.tar")) as tar:
                sent = {m.name[5:] for m in tar.getmembers() if m.isfile() and m.name.startswith("sent/")}
        self.assertEqual(sent & (kept | dropped), kept)


class Running(Case):
    def test_a_batch_and_what_the_process_may(self):
        container = self.run_it()
        port = container.wait_listening()
        self.assertEqual(self.ask(port, "GET", "/healthz").json(), {"status": "ok"})
        self.assertEqual(world.request(port, "GET", "/v1/endpoints").status, 401)
        good, bad = self.batch(port, self.fault.url("/ok"), self.fault.url("/status/404"))
        self.assertTrue(good["success"], good)
        self.assertEqual((bad["status"], bad["error"]["code"]), (404, "upstream_status"))

        status = container.status()
        self.assertEqual(status["Uid"].split(), ["10001"] * 4)
        self.assertEqual(status["Gid"].split(), ["10001"] * 4)
        self.assertEqual({name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")},
                         dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0))
        self.assertEqual(status["NoNewPrivs"].strip(), "1")
        self.assertEqual(status["NSpid"].split()[-1], "1")
        # An item that cannot be called makes no call and one line of output: 1. What cannot be written to is told before that: 2.
        for path, ends in (("/new", 2), ("/etc/batchgate/new", 2), ("/var/lib/batchgate/new", 1)):
            done = engine("exec", "-i", container.id, "/usr/bin/batchgate", "run", "-", "--output", path, check=False, text='{"url": "x"}')
            self.assertEqual(done.returncode, ends, (path, done.stderr))
            self.assertEqual("Read-only" in done.stderr, ends == 2, done.stderr)
        self.stop(container)

    def test_the_api_reference_is_a_page_and_what_it_loads_is_there(self):
        port = self.run_it().wait_listening()
        page = world.request(port, "GET", "/docs")
        self.assertEqual((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"))
        text = page.body.decode()
        for kind, pattern in (("text/css", r'<link rel="stylesheet" href="([^"]+)"'), ("text/javascript", r'<script src="([^"]+)"')):
            names = re.findall(pattern, text)
            self.assertTrue(names, text)
            for name in names:
                answer = world.request(port, "GET", "/" + name, None, {"Accept-Encoding": "gzip"})
                self.assertEqual((answer.status, answer.header("content-type")), (200, kind + "; charset=utf-8"), name)
                self.assertTrue(answer.body, name)

    def stop(self, container):
        """A clean end, as `docker stop` asks for it."""
        began = time.monotonic()
        engine("stop", "-t", "30", container.id)
        self.assertEqual(inspect(container.id, ".State.ExitCode"), 0, container.logs())
        self.assertTrue(container.event("stopped")["clean"])
        return time.monotonic() - began

    def test_stop_lets_a_running_batch_end_and_its_answer_arrive(self):
        container = self.run_it()
        port = container.wait_listening()
        running = world.in_thread(self.batch, port, *[self.fault.url("/gate", key="g%d" % i) for i in range(5)])
        world.wait_for("the calls to be made", lambda: self.fault.hits("/gate") == 5)
        stopping = world.in_thread(self.stop, container)
        world.wait_for("the draining", lambda: container.event("draining"))
        refused = self.ask(port, "POST", "/v1/batch", {"items": []})
        self.assertEqual((refused.status, refused.json()["code"]), (503, "draining"))
        for i in range(5):
            self.fault.open("g%d" % i)
        self.assertEqual([r["success"] for r in running.result()], [True] * 5)
        self.assertLess(stopping.result(), 29)

    def test_a_second_sigterm_ends_it_at_once(self):
        container = self.run_it()
        port = container.wait_listening()
        world.in_thread(lambda: self.assertRaises(Exception, self.batch, port, self.fault.url("/gate", key="never")))
        world.wait_for("the call to be made", lambda: self.fault.hits("/gate"))
        engine("kill", "--signal", "TERM", container.id)
        world.wait_for("the draining", lambda: container.event("draining"))
        engine("kill", "--signal", "TERM", container.id)
        engine("wait", container.id)
        self.assertEqual(inspect(container.id, ".State.ExitCode"), 128 + signal.SIGTERM)
        self.fault.open("never")

    def test_a_mounted_file_with_a_template_and_a_tls_upstream(self):
        """Over the empty one that the image has; jq runs in helper processes that confine themselves further."""
        secure = "https://localhost:%d" % self.fault.ports["good"]
        path = self.write("mounted.yaml", {
            "auth": {"keys": [{"name": "op", "sha256": [self.hash], "admin": True}]},
            "upstreams": [{"match": "localhost", "ca_file": "/etc/batchgate/ca.pem"}],
            "endpoints": {"shout": {"method": "POST", "url": secure + "/echo",
                                    "request": "{body: {said: (.item | ascii_upcase)}}",
                                    "response": "{heard: (.status), item}"}}})
        os.chmod(self.fault.ca, 0o644)
        os.chmod(os.path.dirname(self.fault.ca), 0o755)
        allow = "localhost:%d,127.0.0.1:%d" % (self.fault.ports["good"], self.fault.ports["good"])
        container = self.run_it({"BATCHGATE_AUTH_KEYS": None, "BATCHGATE_TARGETS_ALLOW": allow},
                                [(path, "/etc/batchgate/batchgate.yaml"), (self.fault.ca, "/etc/batchgate/ca.pem")])
        port = container.wait_listening()
        self.assertEqual(container.event("starting")["config"], "/etc/batchgate/batchgate.yaml")
        answer = self.ask(port, "POST", "/v1/batch/shout", {"items": ["a", "b"]})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual([r["result"] for r in answer.json()["results"]], [{"heard": 200, "item": "a"}, {"heard": 200, "item": "b"}])
        self.assertEqual(json.loads(world.body_of(self.fault.asked("/echo")[0])), {"said": "A"})
        trusted, stranger = self.batch(port, secure + "/ok", "https://127.0.0.1:%d/ok" % self.fault.ports["good"])
        self.assertTrue(trusted["success"], trusted)
        self.assertEqual(stranger["error"]["code"], "tls_failed", stranger)  # its rule names no authority

        processes = [container.pid(), *below(container.pid())]
        filters = [int(status_of(pid)["Seccomp_filters"]) for pid in processes]
        self.assertGreater(max(filters), filters[0], "no process that confined itself further")
        metrics = self.ask(port, "GET", "/metrics").body.decode()
        limit = float(re.search(r"^batchgate_memory_limit_bytes (\S+)", metrics, re.M).group(1))
        self.assertLessEqual(limit, 128 << 20)  # half of what --memory grants

    def test_the_file_of_compose_with_its_stand_in(self):
        """docker/batchgate.example.yaml, called as docs/deployment.md shows."""
        stand_in = world.Process([world.PYTHON, os.path.join(world.ROOT, "examples", "llm-upstream", "llm_upstream.py"), "--port", "0",
                                  "--key", "k1", "--latency", "0"], self.folder, "stand-in")
        self.addCleanup(stand_in.kill)
        world.wait_for("the stand-in's address", lambda: b"\n" in stand_in.out())
        other_key, other_hash = world.make_key()
        container = self.run_it({"BATCHGATE_AUTH_KEYS": None, "BATCHGATE_TARGETS_ALLOW": None, "TEAM_A_SHA256": self.hash,
                                 "OPERATOR_SHA256": other_hash, "LLM_BASE_URL": stand_in.out().decode().split("\n")[0], "LLM_API_KEY": "k1"},
                                [(os.path.join(world.ROOT, "docker", "batchgate.example.yaml"), "/etc/batchgate/batchgate.yaml")])
        port = container.wait_listening()
        answer = self.ask(port, "POST", "/v1/batch/answer", {"items": ["Why is the sky blue?"]})
        self.assertEqual(answer.status, 200, answer)
        (result,) = answer.json()["results"]
        self.assertTrue(result["success"] and result["result"], result)
        self.assertEqual(self.ask(port, "GET", "/metrics").status, 403)
        operator = {"Authorization": "Bearer " + other_key}
        self.assertEqual(world.request(port, "GET", "/metrics", None, operator).status, 200)
        for path, items in (("/v1/batch", [{"url": self.fault.url("/ok")}]), ("/v1/batch/answer", ["Why is the sky blue?"])):
            refused = self.ask(port, "POST", path, {"items": items}, operator.items())
            self.assertEqual((refused.status, refused.json()["code"]), (403, "forbidden"), path)


def status_of(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as source:
        return {line.split(":", 1)[0]: line.split(":", 1)[1].strip() for line in source}


def below(pid):
    """Every process that descends from it."""
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as source:
        children = [int(word) for word in source.read().split()]
    return children + [far for near in children for far in below(near)]


if __name__ == "__main__":
    unittest.main(verbosity=2)
