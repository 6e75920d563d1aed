"""booted - the chroot with the package, booted: systemd as process 1 in a container without network, so that the unit is run by
the one it was written for. The container is podman's; nothing of this machine's systemd is used or changed."""
import json
import os
import re
import subprocess
import sys
import threading
import time

# What belongs to a machine, not to a container; the sysctls would be this machine's.
MASKED = """systemd-sysctl.service systemd-udevd.service systemd-modules-load.service systemd-udev-trigger.service
systemd-networkd.service systemd-resolved.service systemd-timesyncd.service systemd-logind.service systemd-binfmt.service
systemd-random-seed.service systemd-pstore.service console-getty.service getty@tty1.service sys-kernel-config.mount
sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount""".split()
# What a machine's systemd does itself: without it, credentials would be mounted where no service sees them.
BOOT = "mount --make-rshared / && exec /lib/systemd/systemd"
UPSTREAM = """
import http.server, json, sys, urllib.parse
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        n = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["n"][0]
        sys.stdout.write("%s %s\\n" % (n, self.headers.get("Authorization")))  # a line in one piece: there are several threads
        sys.stdout.flush()
        if n == "2000":
            sys.stdin.readline()
        body = json.dumps({"n": n, "key": self.headers.get("Authorization")}).encode()
        self.send_response(200); self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 9999), H).serve_forever()
"""
ASK = """
import json, sys, urllib.request
body = json.dumps({"items": json.loads(sys.argv[1])}).encode()
asked = urllib.request.Request("http://127.0.0.1:8080/v1/batch/double", body, {"Content-Type": "application/json"})
print(json.dumps([r["result"] for r in json.load(urllib.request.urlopen(asked, timeout=60))["results"]]))
"""
GET = """
import sys, urllib.request
with urllib.request.urlopen("http://127.0.0.1:8080" + sys.argv[1], timeout=60) as answer:
    print(answer.headers["Content-Type"])
"""
KEY = "Bearer of-the-credential"
KNOCK = "import socket; socket.create_connection(('127.0.0.1', 9999))"


def wait_for(what, check, seconds=60):
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.1)


class Inside:
    """Programs of this machine in the network of a process: clients and upstreams of a server that sees loopback alone.

    The upstream holds the call with n=2000 until it is let go; `called` has the n of all calls that reached it,
    and the key each came with."""

    def __init__(self, pid):
        self.enter = ["nsenter", "-t", str(pid), "-n", sys.executable, "-c"]
        self.upstream = subprocess.Popen([*self.enter, UPSTREAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.called = []
        self.listening = threading.Thread(target=self.listen, daemon=True)
        self.listening.start()
        try:
            wait_for("the upstream", lambda: subprocess.run([*self.enter, KNOCK], stderr=subprocess.DEVNULL, check=False).returncode == 0)
        except BaseException:
            self.end()
            raise

    def listen(self):
        for line in self.upstream.stdout:
            self.called.append(line.rstrip("\n"))

    def run(self, program, argument):
        done = subprocess.run([*self.enter, program, argument], capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise AssertionError("no answer:\n" + done.stderr[-3000:])
        return done.stdout

    def ask(self, items):
        return json.loads(self.run(ASK, json.dumps(items)))

    def type_of(self, path):
        """The media type of what a GET is answered with."""
        return self.run(GET, path).strip()

    def let_go(self):
        self.upstream.stdin.write("\n")
        self.upstream.stdin.flush()

    def end(self):
        self.upstream.kill()
        self.upstream.wait()
        self.listening.join()
        self.upstream.stdin.close()
        self.upstream.stdout.close()


class Booted:
    def __init__(self, root, folder):
        for name in MASKED:
            os.symlink("/dev/null", os.path.join(root, "etc/systemd/system", name))
        self.podman = ["podman", "--storage-driver", "vfs", "--root", folder + "/store", "--runroot", folder + "/run",
                       "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", "runc"]
        self.id = self.call("run", "-d", "--systemd=always", "--network", "none", "--security-opt", "seccomp=unconfined",
                            "--security-opt", "apparmor=unconfined", "--ulimit", "nofile=20000:20000", "--ulimit",
                            "nproc=4096:4096", "--cap-add", "SYS_ADMIN,SYS_PTRACE,SYS_RESOURCE,SYS_CHROOT,SETPCAP,NET_ADMIN", "--rootfs", root,
                            "sh", "-c", BOOT).split()[-1]
        self.inside = None
        try:
            wait_for("systemd", lambda: self.run("systemctl", "is-system-running", fails=True).strip() in ("running", "degraded"))
            self.inside = Inside(self.call("inspect", "-f", "{{.State.Pid}}", self.id).strip())
        except BaseException:
            self.end()
            raise

    def call(self, *argv, fails=False):
        done = subprocess.run([*self.podman, *argv], capture_output=True, text=True, check=False, timeout=300,
                              stdin=subprocess.DEVNULL)
        if done.returncode and not fails:
            raise AssertionError("podman %s ended with %d:\n%s" % (" ".join(argv), done.returncode, done.stdout + done.stderr))
        return done.stdout

    def run(self, *argv, fails=False):
        return self.call("exec", self.id, *argv, fails=fails)

    def shown(self, key):
        return self.run("systemctl", "show", "-p", key, "--value", "batchgate").strip()

    def journal(self):
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", "batchgate")

    def end(self):
        if self.inside:
            self.inside.end()
        self.call("rm", "-f", "-t", "5", self.id)


def try_unit(booted, config, check):
    """The unit as systemd runs it."""
    pid = wait_for("the main process", lambda: int(booted.shown("MainPID")))
    check(booted.shown("ActiveState") == "active" and booted.shown("User") == "batchgate", "systemd starts it as batchgate")
    status = booted.run("cat", "/proc/%d/status" % pid)
    filters = re.search(r"Seccomp_filters:\s+(\d+)", status)
    check(re.search(r"CapBnd:\s0+\n", status) and int(filters.group(1)) > 10, "without capabilities, behind %s filters" % filters.group(1))
    wait_for("its port", lambda: '"listening"' in booted.journal())
    check(booted.inside.ask(list(range(20))) == [2 * n for n in range(20)], "a batch through templates is answered")
    check("template_sandbox" not in booted.journal(), "the helper processes have all their walls")
    wait_for("the key that is a credential, at the upstream", lambda: "38 " + KEY in booted.inside.called)
    shown = booted.run("batchgate", "check", "--config", "/etc/batchgate/batchgate.yaml")
    check(shown.startswith("ok:"), "root's check finds the credential, too")
    check(booted.inside.type_of("/docs").startswith("text/html"), "GET /docs is a page")
    booted.run("systemctl", "reload", "batchgate")
    wait_for("the reload", lambda: '"reloaded"' in booted.journal())
    right = config()
    config(right.replace("port:", "porz:"))
    booted.run("systemctl", "reload", "batchgate")
    wait_for("the refusal", lambda: '"reload_failed"' in booted.journal())
    check(booted.inside.ask([1]) == [2] and int(booted.shown("MainPID")) == pid, "reload: a right one is taken, a wrong one changes nothing")
    booted.run("systemctl", "restart", "batchgate", fails=True)
    wait_for("the end", lambda: booted.shown("ActiveState") == "failed")
    check((booted.shown("ExecMainStatus"), booted.shown("NRestarts")) == ("2", "0"), "a wrong configuration stops the start for good")
    config(right)
    booted.run("systemctl", "reset-failed", "batchgate")
    booted.run("systemctl", "start", "batchgate")
    booted.run("kill", "-KILL", booted.shown("MainPID"))
    wait_for("the new start", lambda: booted.shown("NRestarts") == "1" and booted.shown("ActiveState") == "active")
    check(wait_for("an answer", lambda: answer(booted)) == [2], "killed, it is started again")
    check_drain(booted, check)


def answer(booted):
    try:
        return booted.inside.ask([1])
    except AssertionError:
        return None


def check_drain(booted, check):
    """Stopped while a batch runs: that one is answered first."""
    found = []
    asking = threading.Thread(target=lambda: found.append(booted.inside.ask([1, 1000])))
    before = {what: booted.journal().count(what) for what in ('"event":"batch"', '"draining"', '"clean":true')}

    def more(what):
        return booted.journal().count(what) > before[what]
    asking.start()
    wait_for("the call", lambda: "2000 " + KEY in booted.inside.called)
    booted.run("systemctl", "stop", "--no-block", "batchgate")
    wait_for("the draining", lambda: more('"draining"'))
    booted.inside.let_go()
    asking.join()
    wait_for("the end", lambda: booted.shown("ActiveState") == "inactive")
    check(found == [[2, 2000]] and more('"clean":true'), "stop: what runs is answered")
    check((booted.shown("Result"), booted.shown("ExecMainStatus")) == ("success", "0"), "and it ends with 0")
    check(more('"event":"batch"'), "the batch is in the journal")
    booted.run("systemctl", "start", "batchgate")


def try_package(booted, younger, check):
    """dpkg where systemd runs: the service follows."""
    pid = booted.shown("MainPID")
    booted.run("dpkg", "--force-confold", "-i", younger)
    check(booted.shown("ActiveState") == "active" and booted.shown("MainPID") not in (pid, "0"), "an upgrade restarts it")
    wait_for("an answer", lambda: answer(booted) == [2])
    booted.run("dpkg", "-P", "batchgate")
    check(booted.shown("LoadState") == "not-found" and not booted.run("pgrep", "-x", "batchgate", fails=True), "a purge stops it first")
