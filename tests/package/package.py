"""package - what the tests of installation share: an installed tree, and the unit as a mapping."""
import os
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BATCHGATE_BUILD_DIR") or os.path.join(ROOT, "build", "dev")
WAIT = 120
PACKAGES = {"mandoc": "mandoc", "man": "man-db", "systemd-analyze": "systemd", "systemd-sysusers": "systemd", "cmake": "cmake"}


def need(program):
    if not shutil.which(program):
        raise AssertionError("%s is missing: apt-get install %s, or `make deps`" % (program, PACKAGES.get(program, program)))


def run(*argv, env=None, code=0, **options):
    """What it printed, on both: fails where it ends otherwise than expected (None: with anything)."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WAIT, check=False, text=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}, **options)
    if code is not None and done.returncode != code:
        raise AssertionError("%s ended with %d:\n%s" % (" ".join(argv), done.returncode, done.stdout))
    return done.stdout


def install(prefix="/usr", into=None):
    """A folder with what `cmake --install` puts there."""
    into = into or tempfile.mkdtemp(prefix="batchgate-package-")
    run("cmake", "--install", BUILD, "--prefix", prefix, env={"DESTDIR": into})
    return into


def unit_of(path):
    """{key: [value, ...]} of the section [Service], lines as systemd reads them."""
    found, section = {}, None
    with open(path, encoding="utf-8") as lines:
        for line in lines.read().splitlines():
            if line.startswith("["):
                section = line
            elif section == "[Service]" and "=" in line and not line.startswith(("#", ";")):
                key, value = line.split("=", 1)
                found.setdefault(key, []).append(value)
    return found


def calls_of(name, ask, seen=()):
    """The system calls of a group as this systemd knows it, or of a name alone."""
    if not name.startswith("@"):
        return {name}
    found = set()
    for line in ask("systemd-analyze", "syscall-filter", name).splitlines():
        word = line.strip()
        if word and not word.startswith("#") and word != name and word not in seen:
            found |= calls_of(word, ask, (*seen, name))
    return found


def filter_of(unit, ask=run):
    """What SystemCallFilter leaves: its lines add, or take away where they begin with ~. What @default has is always there."""
    left = set(calls_of("@default", ask))
    for line in unit["SystemCallFilter"]:
        for name in line.lstrip("~").split():
            if line.startswith("~"):
                left -= calls_of(name, ask)
            else:
                left |= calls_of(name, ask)
    return left
