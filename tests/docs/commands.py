"""commands - command lines of batchgate that are shown and not run, held against what the program itself says it takes."""
import functools
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402


def said(*args):
    done = subprocess.run([world.BINARY, *args], env=world.environment(), capture_output=True, check=True)
    return done.stdout.decode()


@functools.lru_cache(maxsize=None)
def known():
    """The flags of each subcommand."""
    everything = said("--help")
    settings = {"--" + re.sub(r"[._]", "-", path) for path in re.findall(r"^  ([a-z_]+\.[a-z_.]+)\n", everything, re.M)}
    assert {"--server-port", "--targets-public"} < settings
    table = {}
    for name in re.findall(r"^  batchgate ([a-z]+) ", everything, re.M):
        own = set(re.findall(r"^  (--[a-z-]+)(?: |$)", said(name, "--help"), re.M))
        table[name] = own | settings if "--config" in own else own
    table["serve"].add("--version")
    return table


def segments(text):
    """The simple commands of a shell text, each in one line; what stands in quotes is one word."""
    text = re.sub(r"<<-?\s*['\"]?(\w+)['\"]?([^\n]*)\n(?:.*?\n)?\s*\1$", r"\2", text.replace("\\\n", " "), flags=re.M | re.S)
    text = re.sub(r"'[^']*'|\"(?:\\.|[^\"\\])*\"", "QUOTED", re.sub(r"(^|\s)#.*", r"\1", text))
    if re.search(r"['\"]", text):
        raise ValueError("a quote without an end")
    return re.split(r"[|&;()\n]+", text)


def faults(text):
    """What is wrong with each command line of the program in a shell text."""
    try:
        lines = segments(text)
    except ValueError as error:
        yield "`%s`: %s" % (text, error)
        return
    for line in lines:
        # The last one: in `docker run --name batchgate batchgate key` the image.
        found = re.search(r"(?:^|.*[\s/])batchgate(?:\s(.*))?$", line)
        if not found or re.match(r"\s*(sudo )?(systemctl|journalctl|kubectl)\b", line):  # a unit, a namespace
            continue
        words = (found.group(1) or "").split()
        named = words and re.match(r"[a-z]", words[0])
        flags = known().get(words[0] if named else "serve")
        if flags is None:
            yield "`%s`: there is no command %s" % (line.strip(), words[0])
            continue
        for flag in (word.partition("=")[0] for word in words if word.startswith("--")):
            if flag not in flags:
                yield "`%s`: %s has no flag %s" % (line.strip(), words[0] if named else "serve", flag)


def faults_inline(text):
    """The same for what a page names between backquotes; brackets and bars of a usage are left out."""
    for code in re.findall(r"(?<!`)`(batchgate [^`\n]+)`(?!`)", text):
        if not code.startswith("batchgate COMMAND "):
            yield from faults(re.sub(r"[\[\]|…]|\.\.\.", " ", code))
