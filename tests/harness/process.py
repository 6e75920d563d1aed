"""process - programs beside a test: where they are found, how they are started, waited for and stopped, each by its own id."""
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HARNESS = os.path.join(ROOT, "tests", "harness")
PYTHON = sys.executable
WAIT = 60  # seconds until a thing that must happen counts as one that does not
PACKAGES = {"nginx": "nginx-light", "openssl": "openssl", "nft": "nftables", "tc": "iproute2", "ip": "iproute2",
            "unshare": "util-linux", "nsenter": "util-linux", "mount": "mount", "strace": "strace", "curl": "curl",
            "nghttpd": "nghttp2-server", "tinyproxy": "tinyproxy", "jq": "jq"}


def need(program):
    """The path of a program, or a failure that names the package: a missing tool is never a reason to skip."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise AssertionError("%s is missing: apt-get install %s" % (program, PACKAGES[program]))
    return path


held_ports = []  # a socket for each, until this process ends


def free_port(host="127.0.0.1"):
    """For who cannot be given 0 and asked: below those the kernel gives away, and no other test's, which a name without a file says."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as source:
        above = int(source.read().split()[0])
    while True:
        port = random.randrange(10240, above)
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            mark.bind("\0batchgate-test-port-%d" % port)
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
                sock.bind((host, port))
        except OSError:
            mark.close()
            continue
        held_ports.append(mark)
        return port


def listening(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


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

    def __init__(self, script, args, folder, name, prefix=()):
        super().__init__([*prefix, PYTHON, os.path.join(HARNESS, script), *args], folder, name, stdin=subprocess.PIPE)
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
