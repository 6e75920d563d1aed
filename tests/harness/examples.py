"""examples - the scripts in examples/, run as a user would run them, and a look at what they leave behind."""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import world

EXAMPLES = os.path.join(world.ROOT, "examples")
KEY = "key-that-must-not-be-told"


def of_session(session):
    """The processes that a script started, and what they started."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % entry, encoding="latin-1") as source:
                fields = source.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry))
    return found


def ask(url, method, path, value=None, accept="application/json", headers=()):
    """(status, body) of one request to an address such as http://127.0.0.1:8001."""
    body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    pairs = {"Content-Type": "application/json", "Accept": accept, **dict(headers)}
    conn = http.client.HTTPConnection(url.split("//")[1], timeout=2 * world.WAIT)
    try:
        conn.request(method, path, body, pairs)
        answer = conn.getresponse()
        return answer.status, answer.read().decode()
    finally:
        conn.close()


class Script:
    """A run of a script in a session of its own, with its output in files."""

    def __init__(self, case, name, *args, **env):
        self.folder = tempfile.mkdtemp(dir=case.folder)
        self.logs = os.path.join(self.folder, "logs")
        self.scratch = os.path.join(self.folder, "tmp")
        os.mkdir(self.logs)
        os.mkdir(self.scratch)
        env = {"BATCHGATE": world.BINARY, "LLM_API_KEY": KEY, "LOGS": self.logs, "TMPDIR": self.scratch, **env}
        for name_of in ("LLM_BASE_URL", "LLM_MODEL", "LLM_RATE_LIMIT", "CONFIG", "STAND_IN_OPTIONS"):
            env.setdefault(name_of, "")
        argv = ["bash", os.path.join(EXAMPLES, name, "run.sh"), *args]
        with open(self.path("out"), "wb") as out, open(self.path("err"), "wb") as err:
            self.child = subprocess.Popen(argv, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=self.folder,
                                          env=world.environment(env), start_new_session=True)
        case.addCleanup(self.kill)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def read(self, *names):
        with open(self.path(*names), encoding="utf-8") as source:
            return source.read()

    def out(self):
        return self.read("out")

    def served(self):
        """What `--serve` says: {name: value}."""
        def said():
            text = self.out()
            if self.child.poll() is not None:
                raise AssertionError("ended with %s:\n%s%s" % (self.child.returncode, text, self.read("err")))
            return text if "Ctrl-C" in text else None
        return dict(re.findall(r"\b([A-Z_]+)=(\S+)", world.wait_for("both to be ready", said)))

    def end(self, *codes):
        """Waits; checks the exit code, that nothing is left running, and what batchgate logged. Returns what was printed."""
        try:
            code = self.child.wait(4 * world.WAIT)
        except subprocess.TimeoutExpired:
            raise AssertionError("still running:\n%s%s" % (self.out(), self.read("err"))) from None
        world.wait_for("what it started to end", lambda: not of_session(self.child.pid))
        log = self.read("logs", "batchgate.err") if os.path.exists(self.path("logs", "batchgate.err")) else ""
        if code not in (codes or (0,)):
            raise AssertionError("exit code %s\n%s%s%s" % (code, self.out(), self.read("err"), log[-3000:]))
        world.check_report(log.encode())
        if KEY in log:
            raise AssertionError("the key is in the log")
        if "Traceback" in self.read("err"):
            raise AssertionError(self.read("err"))
        return self.out()

    def interrupt(self, number=signal.SIGINT):
        """As a terminal does it: to the group in the foreground."""
        os.killpg(self.child.pid, number)

    def kill(self):
        for pid in of_session(self.child.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.child.wait()


class Case(unittest.TestCase):
    example = ""
    maxDiff = 4000

    def setUp(self):
        world.need_binary()
        self.folder = tempfile.mkdtemp(prefix="batchgate-example-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def start(self, *args, **env):
        return Script(self, self.example, *args, **env)

    def serve(self, **env):
        """Both, until the test ends: (script, batchgate's address, the stand-in's)."""
        script = self.start("--serve", **env)
        said = script.served()
        self.addCleanup(script.end, 130)
        self.addCleanup(script.interrupt)
        return script, said["BATCH_URL"], said["LLM_BASE_URL"]
