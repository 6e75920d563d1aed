#!/usr/bin/python3
"""batchgate run, killed with SIGKILL at random moments and resumed: in the end each item has exactly one result, and a call
that may not be repeated was made at most once unless its result says that nobody knows."""
# ctest: timeout=900
# ctest: cost=20
import collections
import json
import os
import random
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

PRIVATE = "--targets-allow-private=true"


class Counter(socketserver.ThreadingTCPServer):
    """An upstream that counts whole requests by the item they name, and answers a little later, or with 503."""
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.received = collections.Counter()
        self.longest = 0.02
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def url(self, item):
        return "http://127.0.0.1:%d/%s" % (self.server_address[1], item)

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while self.one():
                pass
        except OSError:
            pass

    def one(self):
        head = self.rfile.readline()
        length = 0
        while True:
            line = self.rfile.readline()
            if not line:
                return False
            if line in (b"\r\n", b"\n"):
                break
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if len(self.rfile.read(length)) < length:
            return False
        item = int(head.split()[1][1:])
        with self.server.lock:
            self.server.received[item] += 1
        time.sleep(random.random() * self.server.longest)
        status = b"503 Service Unavailable" if item % 50 == 7 else b"200 OK"
        self.wfile.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        return True


def make_item(upstream, i):
    """A third each: GET, POST, and POST that may be repeated."""
    item = {"id": "item-%d" % i, "url": upstream.url(i)}
    if i % 3 == 1:
        item["body"] = {"i": i}
    elif i % 3 == 2:
        item.update(body={"i": i}, headers={"Idempotency-Key": "key-%d" % i})
    return item


def may_be_repeated(i):
    return i % 3 != 1


class Crash(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        world.need_binary()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="batchgate-crash-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.upstream = Counter()
        self.addCleanup(self.upstream.stop)
        self.input = os.path.join(self.folder, "in.ndjson")
        self.out = os.path.join(self.folder, "out.ndjson")

    def write_items(self, count):
        with open(self.input, "w", encoding="ascii") as out:
            for i in range(count):
                out.write(json.dumps(make_item(self.upstream, i)) + "\n")

    def results(self):
        with open(self.out, "rb") as source:
            data = source.read()
        self.assertTrue(data.endswith(b"\n") or not data)
        return [json.loads(line) for line in data.split(b"\n")[:-1]]

    def start(self, *args):
        return subprocess.Popen([world.BINARY, "run", self.input, "--resume", self.out, "--concurrency=32", PRIVATE, *args],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                env=world.environment())

    def kill_after(self, seconds, *args):
        """True where it was killed before it ended."""
        child = self.start(*args)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
        err = child.stderr.read()
        child.stderr.close()
        if child.returncode != -signal.SIGKILL:
            self.assertIn(child.returncode, (0, 1), err)
            return False
        return True

    def kill_when_grown(self, size, seconds):
        """Kills a run `seconds` after its output has so many bytes more: True where it had not ended by then."""
        child = self.start()
        size += os.path.getsize(self.out) if os.path.exists(self.out) else 0
        while child.poll() is None and (os.path.getsize(self.out) if os.path.exists(self.out) else 0) < size:
            time.sleep(0.001)
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        return child.returncode == -signal.SIGKILL

    def finish(self, *args):
        child = self.start(*args)
        _, err = child.communicate(timeout=world.WAIT * 2)
        world.check_report(err)
        return child.returncode, err.decode()

    def check(self, count):
        results = self.results()
        self.assertEqual(sorted(r["index"] for r in results), list(range(count)))
        unknown = 0
        for result in results:
            i = result["index"]
            self.assertEqual(result["id"], "item-%d" % i)
            received = self.upstream.received[i]
            error = result["error"] or {}
            if error.get("code") == "cancelled":
                self.assertFalse(may_be_repeated(i), result)
                self.assertEqual((error["reason"], error["sent"], error["retryable"]), ("client_gone", True, True))
                self.assertIn("is not known", error["message"])
                unknown += 1
            else:
                self.assertGreaterEqual(received, 1, result)
                self.assertEqual(result["status"], 503 if i % 50 == 7 else 200, result)
            if not may_be_repeated(i):
                self.assertLessEqual(received, 1, result)
        self.assertFalse(os.path.exists(self.out + ".inflight"))
        return unknown

    def test_kill_and_resume_in_a_loop_end_with_one_result_for_each_item(self):
        count, kills = 12000, 0
        self.write_items(count)
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        print("seed %d" % seed, file=sys.stderr)
        while kills < 20:  # each lets some 300 of the items through, however fast the machine is, unless it hiccups
            if not self.kill_when_grown(chance.randrange(100000), chance.uniform(0.0, 0.005)):
                break
            kills += 1
        self.assertGreater(kills, 4, "it was done too early")
        code, err = self.finish()
        self.assertEqual(code, 1, err)  # the 503s
        unknown = self.check(count)
        self.assertGreater(unknown, 0, "no call was under way when it was killed")
        print("%d kills, %d unknown, %d made twice or more" % (
            kills, unknown, sum(1 for n in self.upstream.received.values() if n > 1)), file=sys.stderr)

    def test_retry_failed_is_as_safe_and_makes_the_unknown_calls_again(self):
        count = 900
        self.write_items(count)
        seconds = 0.15 if not world.sanitized() else 0.8
        while self.kill_after(seconds):
            seconds *= 1.2  # however slow the machine is, it comes to its end
        before = {r["index"] for r in self.results() if (r["error"] or {}).get("code") == "cancelled"}
        failed = {r["index"] for r in self.results() if not r["success"]}
        received = dict(self.upstream.received)
        for seconds in (0.02, 0.05, 0.05, 0.1):
            self.kill_after(seconds, "--retry-failed")
        self.finish()
        code, err = self.finish("--retry-failed")
        self.assertEqual(code, 1, err)
        results = self.results()
        self.assertEqual(sorted(r["index"] for r in results), list(range(count)))
        for i in range(count):
            if i not in failed:
                self.assertEqual(self.upstream.received[i], received[i])
        self.assertEqual({r["index"] for r in results if not r["success"]},
                         {i for i in range(count) if i % 50 == 7})
        self.assertTrue(all(self.upstream.received[i] >= received.get(i, 0) for i in before))

    def test_a_killed_run_without_a_result_is_not_begun_anew(self):
        """The output is empty, the journal is not: only --resume goes on."""
        self.write_items(1)
        with open(self.out + ".inflight", "w", encoding="ascii") as journal:
            journal.write("0\n1")
        code, _, err = world.run_tool("run", self.input, "--output", self.out, PRIVATE)
        self.assertEqual((code, ".inflight is there" in err), (2, True), err)
        code, err = self.finish()  # item 0 is a GET: it may be made again
        self.assertEqual(code, 0, err)
        self.assertEqual(self.upstream.received[0], 1)
        with open(self.out + ".inflight", "w", encoding="ascii") as journal:
            journal.write("garbage\n")
        code, err = self.finish()
        self.assertEqual((code, "is not what a run has written" in err), (2, True), err)

    def test_a_call_that_cannot_be_noted_is_not_made(self):
        """A full disk: 512 bytes hold neither the results nor the journal of what was begun."""
        self.write_items(600)
        self.upstream.longest = 20
        full = subprocess.run(["/bin/sh", "-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh", world.BINARY, "run", self.input,
                               "--output", self.out, "--concurrency=600", PRIVATE], capture_output=True,
                              env=world.environment(), timeout=world.WAIT, check=False)
        self.assertEqual((full.returncode, b": File too large\n" in full.stderr), (3, True), full.stderr)
        self.assertEqual(os.path.getsize(self.out + ".inflight"), 512)
        self.upstream.longest = 0.02
        self.finish()
        self.check(600)

    def test_what_is_lost_stays_lost_until_its_turn_comes(self):
        """A run that is stopped before it comes to a lost item leaves it noted."""
        self.write_items(200)
        with open(self.out + ".inflight", "w", encoding="ascii") as journal:
            journal.write("198\n196\n")
        child = self.start("--rate-limit=20/s")
        world.wait_for("a first call", lambda: self.upstream.received)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=world.WAIT)
        self.assertEqual(child.returncode, 130)
        with open(self.out + ".inflight", encoding="ascii") as journal:
            self.assertEqual(journal.read(), "196\n198\n")
        self.finish()
        self.check(200)
        self.assertEqual([self.upstream.received[196], self.upstream.received[198]], [0, 1])


if __name__ == "__main__":
    world.main()
