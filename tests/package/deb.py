#!/usr/bin/python3
"""deb.py PACKAGE [CONFINED] - the Debian package in a clean chroot: installs, starts, upgrades, is removed and purged.

Needs root, mmdebstrap, podman and Debian's mirror. First without systemd: the server runs in a network namespace of its own,
with loopback alone, as the service's user, without capabilities, over a read-only tree and behind the unit's filter (CONFINED,
the program made of confined.c). Then with it: booted.py. No service is started on this machine.

All of it lies in the folder `chroot` beside the package, and runs in namespaces of its own: processes and mounts end with this
program, however that ends; what a killed one left in the folder, the next one removes."""
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import booted  # noqa: E402
import package  # noqa: E402

UNIT = "usr/lib/systemd/system/batchgate.service"
CONFIG = "etc/batchgate/batchgate.yaml"
ENABLED = "etc/systemd/system/multi-user.target.wants/batchgate.service"
STATE = "var/lib/batchgate"
MINE = """
# mine
endpoints:
  double:
    url: http://127.0.0.1:9999/double
    request: '{query: {n: (.item * 2 | tostring)}}'
    response: '.body.n | tonumber'
"""


def say(text):
    print("%6.1f s  %s" % (time.monotonic() - BEGAN, text), flush=True)


def check(holds, what):
    if not holds:
        raise AssertionError(what)
    say("ok: " + what)


def run(*argv, **options):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=1800,
                          stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        raise AssertionError("%s ended with %d:\n%s" % (" ".join(argv), done.returncode, done.stdout[-6000:]))
    return done.stdout


def codename():
    """The package is made for the Debian it was built on."""
    with open("/etc/os-release", encoding="utf-8") as release:
        return next(line.split("=")[1].strip().strip('"') for line in release if line.startswith("VERSION_CODENAME="))


class Chroot:
    def __init__(self, folder):
        self.root = os.path.join(folder, "root")
        run("mmdebstrap", "--variant=minbase", "--aptopt=APT::Install-Recommends \"false\"", codename(), self.root,
            env={**os.environ, "TMPDIR": folder})
        self.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        for name in ("proc", "dev"):
            run("mount", "--rbind", "/" + name, self.path(name))

    def leave(self):
        for name in ("dev", "proc"):
            subprocess.run(["umount", "-R", "-l", self.path(name)], stderr=subprocess.DEVNULL, check=False)

    def path(self, name):
        return os.path.join(self.root, name)

    def has(self, name):
        return os.path.lexists(self.path(name))

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def write(self, name, text, mode=0o644, how="w"):
        with open(self.path(name), how, encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def run(self, *argv):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        return run("chroot", self.root, *argv, env=env)

    def apt(self, *argv):
        return self.run("apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", *argv)

    def files(self):
        """Everything there is but for logs, caches and what apt notes."""
        leave = ("proc", "dev", "sys", "tmp", "var/cache", "var/log", "var/lib/apt", "var/lib/dpkg", "run")
        found = set()
        for at, folders, names in os.walk(self.root):
            here = os.path.relpath(at, self.root)
            folders[:] = [name for name in folders if os.path.normpath(os.path.join(here, name)) not in leave]
            found |= {os.path.normpath(os.path.join(here, name)) for name in folders + names}
        return found


def younger(deb, folder, root):
    """The same package as 99.0-1, with another example configuration: what was changed meets what changed."""
    tree = os.path.join(folder, "younger")
    run("dpkg-deb", "-R", deb, tree)
    for name, old, new in (("DEBIAN/control", r"(?m)^Version: .*$", "Version: 99.0-1"), (CONFIG, r"\Z", "# of the new version\n")):
        with open(os.path.join(tree, name), "r+", encoding="utf-8") as file:
            text = re.sub(old, new, file.read(), count=1)
            file.seek(0)
            file.write(text)
            file.truncate()
    run("dpkg-deb", "--root-owner-group", "-b", tree, root.path("var/cache/younger.deb"))


class Service:
    """The unit's ExecStart, by hand: as its user, over a read-only tree, without network but for loopback."""

    def __init__(self, root, confined):
        self.root = root
        unit = package.unit_of(root.path(UNIT))
        shutil.copy(confined, root.path("tmp/confined"))
        root.write("tmp/calls", "\n".join(sorted(package.filter_of(unit, root.run))) + "\n")
        user = root.run("id", "-u", "batchgate").strip(), root.run("id", "-g", "batchgate").strip()
        os.makedirs(root.path(STATE), mode=0o700, exist_ok=True)
        os.chown(root.path(STATE), int(user[0]), int(user[1]))
        start = ("set -e; ip link set lo up; mount --bind \"$1\" \"$1\"; mount --rbind /proc \"$1/proc\"\n"
                 "mount --rbind /dev \"$1/dev\"; mount --bind \"$1/$2\" \"$1/$2\"; mount -o remount,bind,ro \"$1\"\n"
                 "ulimit -n 20000; exec chroot \"$1\" setpriv --reuid batchgate --regid batchgate --clear-groups --inh-caps=-all"
                 " --bounding-set=-all --no-new-privs env -i PATH=/usr/bin:/bin sh -c \"$3\"")
        command = "cd /%s && exec /tmp/confined /tmp/calls 1,2,10,16 %s" % (STATE, unit["ExecStart"][0])
        self.log = open(os.path.join(os.path.dirname(root.root), "log"), "w+b")
        self.child = subprocess.Popen(["unshare", "-m", "-n", "sh", "-c", start, "sh", root.root, STATE, command],
                                      stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.inside = None

    def text(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def wait_for(self, event):
        end = time.monotonic() + 60
        while '"event":"%s"' % event not in self.text().replace(": ", ":"):
            if self.child.poll() is not None or time.monotonic() > end:
                raise AssertionError("no `%s` in the log; ended with %s:\n%s" % (event, self.child.poll(), self.text()[-4000:]))
            time.sleep(0.05)

    def ask(self, items):
        self.inside = self.inside or booted.Inside(self.child.pid)
        return self.inside.ask(items)

    def status(self):
        with open("/proc/%d/status" % self.child.pid, encoding="ascii") as file:
            return file.read()

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(timeout=90)

    def end(self):
        if self.inside:
            self.inside.end()
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self.log.close()


def serve(root, confined):
    service = Service(root, confined)
    try:
        service.wait_for("listening")
        status = service.status()
        check(re.search(r"Uid:\t%s\t" % root.run("id", "-u", "batchgate").strip(), status), "it runs as batchgate")
        check(re.search(r"CapBnd:\t0+\n", status) and re.search(r"NoNewPrivs:\t1\n", status), "without a capability, none can be got")
        check(service.ask(list(range(20))) == [2 * n for n in range(20)], "a batch through templates is answered")
        check("template_sandbox" not in service.text(), "the helper processes have all their walls")
        check(service.inside.type_of("/docs").startswith("text/html"), "GET /docs is a page")
        service.child.send_signal(signal.SIGHUP)
        service.wait_for("reloaded")
        check(service.stop() == 0, "SIGHUP reloads, SIGTERM ends it with 0")
    finally:
        service.end()


def cycle(deb, confined, folder):
    root = Chroot(folder)
    say("a clean " + codename())
    shutil.copy(deb, root.path("tmp/first.deb"))
    root.apt("update")
    root.apt("install", "/tmp/first.deb", "systemd", "man-db")
    check(root.has("usr/bin/batchgate"), "apt installs it with what it depends on")
    check(root.has(ENABLED), "the service is enabled")
    root.apt("purge", "batchgate")
    check(not [name for name in root.files() if "batchgate" in name], "after a purge no file has its name")
    before = root.files()

    root.apt("install", "/tmp/first.deb")
    check("batchgate " in root.run("batchgate", "--version"), "it runs: " + root.run("batchgate", "--version").split("\n", 1)[0])
    check(root.run("batchgate", "check", "--config", "/" + CONFIG).startswith("ok:"), "its configuration is taken")
    check(root.run("dpkg", "--verify", "batchgate") == "", "dpkg finds every file as it was packed")
    check("batchgate:" in root.run("getent", "passwd", "batchgate"), "the user is there")
    check(root.run("man", "-w", "8", "batchgate").strip().endswith("batchgate.8.gz"), "man finds the page")
    shown = root.run("systemd-analyze", "verify", "/" + UNIT)
    check("batchgate.service" not in shown, "systemd has nothing to say of the unit")
    score = re.search(r"exposure level for \S+: (\S+ \w+)", root.run("systemd-analyze", "security", "--offline=true", "/" + UNIT))
    say("systemd-analyze security: " + score.group(1))
    root.write(CONFIG, root.read(CONFIG) + MINE)
    serve(root, confined)
    root.write(STATE + "/kept", "state\n")

    younger(deb, folder, root)
    root.apt("install", "/var/cache/younger.deb")
    check("99.0-1" in root.run("dpkg-query", "-W", "batchgate"), "it is upgraded")
    check("# mine" in root.read(CONFIG) and "# of the new version" in root.read(CONFIG + ".dpkg-dist"),
          "a changed configuration stays, the new one lies beside it")
    check(root.has(ENABLED) and root.has(STATE + "/kept"), "it is still enabled, and has its state")
    serve(root, confined)

    root.apt("remove", "batchgate")
    check(not root.has("usr/bin/batchgate") and root.has(CONFIG) and root.has(STATE + "/kept"), "removed: configuration and state stay")
    root.apt("install", "/tmp/first.deb")
    check(root.has(ENABLED) and "# mine" in root.read(CONFIG), "installed again: enabled, with its configuration")
    root.write("etc/batchgate/environment", "KEY=secret\n", 0o600)
    root.apt("purge", "batchgate")
    left = root.files() ^ before
    check(not left, "purged: nothing is left, nothing else is gone%s" % (": %s" % sorted(left) if left else ""))
    boot(root, folder)


def of_the_page(pattern):
    """What docs/packages.md shows."""
    with open(os.path.join(package.ROOT, "docs", "packages.md"), encoding="utf-8") as page:
        return re.search(pattern, page.read(), flags=re.M).group(1)


def boot(root, folder):
    root.apt("install", "/tmp/first.deb", "systemd-sysv", "dbus")
    os.remove(root.path("usr/sbin/policy-rc.d"))
    headers = of_the_page(r"^(    headers: .*/run/credentials/.*\n)")
    root.write(CONFIG, root.read(CONFIG) + MINE.replace("    request:", headers + "    request:"))
    drop_in = of_the_page(r"^```ini\n(\[Service\]\nLoadCredential=.*\n)```")
    root.write(drop_in.split(":", 1)[1].strip().lstrip("/"), booted.KEY.split()[1] + "\n", 0o600)
    os.mkdir(root.path("etc/systemd/system/batchgate.service.d"))
    root.write("etc/systemd/system/batchgate.service.d/override.conf", drop_in)
    root.leave()
    machine = booted.Booted(root.root, folder)
    try:
        say("systemd is booted in a container")
        booted.try_unit(machine, lambda text=None: root.write(CONFIG, text) if text else root.read(CONFIG), check)
        booted.try_package(machine, "/var/cache/younger.deb", check)
    except BaseException:
        print(machine.run("systemctl", "--no-pager", "--lines=40", "status", "batchgate", fails=True))
        raise
    finally:
        machine.end()


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: deb.py PACKAGE [CONFINED]")
    deb = os.path.abspath(sys.argv[1])
    confined = os.path.abspath(sys.argv[2] if len(sys.argv) == 3 else os.path.join(package.BUILD, "confined"))
    if os.geteuid() != 0:
        sys.exit("deb.py: a chroot needs root: sudo make test-deb")
    for program in ("mmdebstrap", "dpkg-deb", "unshare", "lintian", "podman", "runc"):
        if not shutil.which(program):
            sys.exit("deb.py: %s is missing: sh scripts/install-deps.sh package-test" % program)
    if not os.environ.get("BATCHGATE_DEB_INSIDE"):
        os.environ["BATCHGATE_DEB_INSIDE"] = "1"
        # The shell is process 1: it reaps, and a signal that ends this program lets that clean up first.
        os.execvp("unshare", ["unshare", "-m", "--propagation", "private", "-p", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; exit $?',
                              "sh", sys.executable, os.path.abspath(__file__), deb, confined])
    signal.signal(signal.SIGTERM, interrupted)
    check("E: " not in run("sh", "-c", 'lintian --allow-root --fail-on none "$1"', "sh", deb), "lintian finds no error")
    with open(os.path.join(os.path.dirname(deb), "chroot.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = os.path.join(os.path.dirname(deb), "chroot")
        run("rm", "-rf", "--one-file-system", folder)
        os.mkdir(folder)
        try:
            cycle(deb, confined, folder)
        finally:
            for name in ("dev", "proc"):
                subprocess.run(["umount", "-R", "-l", os.path.join(folder, "root", name)], stderr=subprocess.DEVNULL, check=False)
            run("rm", "-rf", "--one-file-system", folder)
    say("passed; the package has %d kB" % (os.path.getsize(deb) // 1024))


def interrupted(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


BEGAN = time.monotonic()
if __name__ == "__main__":
    main()
