"""net - an upstream behind links of its own: a faultd in a network namespace, reached over two veth pairs.

The *bad* link is what a test breaks (nft, tc, ip); the *good* one leads to the same process and stays whole: over it go the
neighbours that must not feel anything, and what the test itself asks. The caller is in a namespace of its own already
(world.enter_namespace), so nothing can leave.
"""
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import world

BAD, GOOD = "10.77.0.2", "10.77.1.2"
LINKS = {"bad": ("10.77.0.1", BAD), "good": ("10.77.1.1", GOOD)}


def run(*argv):
    done = subprocess.run([world.need(argv[0]), *argv[1:]], capture_output=True, check=False)
    if done.returncode:
        raise AssertionError("%s: %s" % (" ".join(argv), done.stderr.decode().strip()))
    return done.stdout


class Far(world.Fault):
    """faultd beyond the links. `url` is over the bad one, `good_url` over the other."""

    def __init__(self, folder, tls=False):
        super().__init__(folder, tls, ("--host", "0.0.0.0"), "far", (world.need("unshare"), "-n"))
        self.address = GOOD
        self.there("ip", "link", "set", "lo", "up")
        for name, (near, far) in LINKS.items():
            # the kernel takes those of a namespace that has just gone away a moment later
            subprocess.run([world.need("ip"), "link", "del", name], capture_output=True, check=False)
            run("ip", "link", "add", name, "type", "veth", "peer", "name", "far-" + name)
            run("ip", "link", "set", "far-" + name, "netns", str(self.pid))
            run("ip", "addr", "add", near + "/24", "dev", name)
            self.there("ip", "addr", "add", far + "/24", "dev", "far-" + name)
            self.up(name)

    def there(self, *argv):
        """Runs a program in the upstream's namespace."""
        return run("nsenter", "-t", str(self.pid), "-n", world.need(argv[0]), *argv[1:])

    def up(self, name="bad"):
        run("ip", "link", "set", name, "up")
        self.there("ip", "link", "set", "far-" + name, "up")

    def mtu(self, near, far, name="bad"):
        run("ip", "link", "set", name, "mtu", str(near))
        self.there("ip", "link", "set", "far-" + name, "mtu", str(far))

    def nft(self, text):
        argv = [world.need("nsenter"), "-t", str(self.pid), "-n", world.need("nft"), "-f", "-"]
        subprocess.run(argv, input=text.encode(), check=True)

    def url(self, path="/ok", tls=None, host=BAD, **query):
        return super().url(path, tls, host, **query)

    def good_url(self, path="/ok", tls=None, **query):
        return super().url(path, tls, GOOD, **query)

    def rule(self, rule):
        """What happens, from now on, to packets that cross the bad link, either way; "" for nothing."""
        near = rule and "add rule inet bad in iifname bad %s\n" % rule
        far = rule and "add rule inet bad in iifname far-bad %s\n" % rule
        clean = "add table inet bad\ndelete table inet bad\ntable inet bad {\n chain in { type filter hook input priority 0; }\n}\n"
        world.nft(clean + near)
        self.nft(clean + far)

    def thin(self, rate):
        """Both directions pass `rate` at most, with a queue; None: as fast as they can."""
        for run_there, device in ((run, "bad"), (self.there, "far-bad")):
            if rate:
                run_there("tc", "qdisc", "replace", "dev", device, "root", "tbf", "rate", rate, "burst", "16kb", "latency", "400ms")
            else:
                run_there("tc", "qdisc", "del", "dev", device, "root")

    def mend(self):
        """All that a test may have done to the bad link is undone."""
        self.rule("")
        self.up()
        self.mtu(1500, 1500)
        world.wait_for("the kernel to find its neighbour again", self.reachable)

    def reachable(self):
        with socket.socket() as sock:
            sock.settimeout(1)
            return sock.connect_ex((BAD, self.ports["http"])) == 0


class Neighbours:
    """Batches to the good link, one after the other, while the block runs. Each must be whole, right, and not held up."""

    def __init__(self, server, far, worst_s=8.0):
        self.server, self.far, self.worst_s = server, far, worst_s
        self.stop = threading.Event()
        self.took, self.failures = [], []
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        try:
            while not self.stop.is_set():
                self.batch()
                self.stop.wait(0.05)
        except BaseException as error:  # told at the end of the block
            self.failures.append(error)

    def batch(self):
        items = [{"url": self.far.good_url("/raw", ct="application/json", body=str(n)), "method": "POST"} for n in range(4)]
        began = time.monotonic()
        document = self.server.post({"items": items}).json()
        self.took.append(time.monotonic() - began)
        found = [r["body"] for r in document["results"]]
        if found != [0, 1, 2, 3]:
            raise AssertionError("a neighbour was harmed: %r" % document["results"])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stop.set()
        self.thread.join(world.WAIT)
        if kind:
            return
        if self.failures or self.thread.is_alive():
            raise AssertionError("a neighbour was harmed") from (self.failures or [None])[0]
        if not self.took or max(self.took) > self.worst_s:
            raise AssertionError("neighbours were held up: %r" % sorted(self.took)[-3:])


class Case(world.Case):
    """Rows of faults, each against a server of its own; all of them are looked at for what they kept when the class is over."""
    rows = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="batchgate-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.fault = Far(cls.folder, cls.tls)
        cls.addClassCleanup(cls.fault.kill)
        cls.rows = []

    @classmethod
    def tearDownClass(cls):
        try:
            for row in cls.rows:
                cls.nothing_kept(*row)
        finally:
            for _, server, _ in cls.rows:
                server.stop()
        cls.fault.stop()

    @staticmethod
    def nothing_kept(name, server, before):
        """Idle connections go after a while; then every descriptor must be one that was there before the first call."""
        def now():
            folder = "/proc/%d/fd" % server.serving_pid
            return sorted(os.readlink(os.path.join(folder, n)).partition(":")[0] for n in os.listdir(folder))
        try:
            world.wait_for("only the descriptors of the start", lambda: server.open_files() <= before)
        except AssertionError as error:
            raise AssertionError("%s: %d descriptors at the start, now %r" % (name, before, now())) from error

    def setUp(self):
        self.fault.mend()
        self.fault.reset()

    def tearDown(self):
        self.fault.mend()
        for name, server, _ in self.rows:
            if name == self.id():
                server.check()
                self.at_rest(server)

    def serve(self, config=None, **options):
        """A server that is judged at the end of the test, and for its descriptors at the end of the class."""
        server = world.Server(self.folder, config, **options)
        self.addClassCleanup(server.kill)
        self.rows.append((self.id(), server, world.settled(server.open_files)))
        self.server = server
        return server

    @staticmethod
    def count_packets(network):
        """world.nft_packets("denied") is then how many left for there."""
        world.nft("add table inet t\ndelete table inet t\ntable inet t {\n counter denied {}\n chain out {\n"
                  "  type filter hook output priority 0;\n  ip daddr %s counter name denied\n }\n}\n" % network)

    def at_rest(self, server):
        """Nothing runs, nothing waits, nothing is held."""
        def calm():
            metrics = server.metrics()
            return not any(metrics.total("batchgate_" + n) for n in ("in_flight", "queued", "batches_running", "memory_bytes"))
        world.wait_for("nothing in flight, queued or held", calm)

    def neighbours(self):
        return Neighbours(self.server, self.fault)
