"""runs - what tests of `batchgate run` share: an upstream, a folder for each test, and runs to their end or beside the test."""
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import unittest

import world

PRIVATE = "--targets-allow-private=true"


def lines_of(data):
    """The results, one a line, each of which must be whole."""
    text = data.decode() if isinstance(data, bytes) else data
    assert text == "" or text.endswith("\n"), text[-200:]
    return [json.loads(line) for line in text.split("\n")[:-1]]


class Case(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        world.need_binary()
        cls.folder = tempfile.mkdtemp(prefix="batchgate-run-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.fault = world.Fault(cls.folder)
        cls.addClassCleanup(cls.fault.kill)

    @classmethod
    def tearDownClass(cls):
        cls.fault.stop()

    def setUp(self):
        self.fault.reset()
        self.work = tempfile.mkdtemp(dir=self.folder)
        self.out = os.path.join(self.work, "out.ndjson")

    def path(self, name):
        return os.path.join(self.work, name)

    def write(self, name, text):
        with open(self.path(name), "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode())
        return self.path(name)

    def read(self, path=None):
        with open(path or self.out, "rb") as source:
            return source.read()

    def lines(self, items, name="in.ndjson"):
        return self.write(name, "".join(json.dumps(item) + "\n" for item in items))

    def items(self, count, path="/ok", **members):
        return [{"id": "i%d" % i, "url": self.fault.url(path, n=i), **members} for i in range(count)]

    def call(self, *args, stdin=b"", private=True, env=None):
        """(exit code, results, stderr), of a run to its end."""
        code, out, err = world.run_tool("run", *args, *([PRIVATE] if private else []), stdin=stdin, env=env)
        return code, lines_of(out), err

    def start(self, *args, **options):
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        child = subprocess.Popen([world.BINARY, "run", *args, PRIVATE], env=world.environment(), **options)
        self.addCleanup(self.end, child)
        return child

    @staticmethod
    def end(child):
        if child.poll() is None:
            child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()

    def finish(self, child):
        """(exit code, stdout, stderr) of one that ends by itself."""
        out, err = child.communicate(timeout=world.WAIT)
        world.check_report(err or b"")
        return child.returncode, out, (err or b"").decode()

    def hear(self, child, text):
        """Waits until it says so on standard error; what it has said is not heard again."""
        said = b""
        while text not in said:
            self.assertTrue(select.select([child.stderr], [], [], world.WAIT)[0], said)
            part = os.read(child.stderr.fileno(), 65536)
            self.assertTrue(part, said)
            said += part
        return said.decode()

    def assert_results(self, results, count, failed=()):
        self.assertEqual(sorted(r["index"] for r in results), list(range(count)))
        for result in results:
            self.assertEqual(set(result), world.RESULT)
            self.assertEqual(not result["success"], result["index"] in failed, result)
