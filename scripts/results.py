#!/usr/bin/python3
"""results.py count PRESET JUNIT - what ctest recorded, a test a line: `passed PRESET: NAME` or `failed PRESET: NAME`.
results.py failures LIST       - what failed, and the telling part of what it said; bounded, for the end of a log.

LIST has lines `junit PRESET PATH` (a record of ctest) and `log PATH NAME...` (the output of a check that failed)."""
import re
import sys
import xml.etree.ElementTree as ElementTree

TEST_LINES = 60
ALL_LINES = 300
TAIL_LINES = 30
REPORT_LINES = 40
COLUMNS = 300

# What a test says before the lines that tell why it failed, by who says it. Sanitizers come first: their reports stand
# inside what the others say, too, and are taken out of it.
REPORT = re.compile(r"^.*(?:ERROR: (?:\w+Sanitizer|libFuzzer)|WARNING: ThreadSanitizer|: runtime error: ).*\n"
                    r"(?:(?!.*(?:ERROR: \w+Sanitizer|WARNING: ThreadSanitizer)).*\n)*?(?:.*SUMMARY: \w+.*\n|(?=={70}\n)|\Z)", re.M)
BLOCKS = (
    re.compile(r"^={70}\n((?:FAIL|ERROR|UNEXPECTED SUCCESS): .*?)(?=^={70}\n|^-{70}\nRan \d+ test|\Z)", re.M | re.S),  # unittest
    re.compile(r"^(\S+:\d+:[FE]:\S+:\S+:-?\d+: .*\n?)", re.M),  # Check
    re.compile(r"^([ ]*not ok \d+.*\n(?:[ ]*---\n(?:.*\n)*?[ ]*\.\.\.\n)?)", re.M),  # node:test
    re.compile(r"^(\S+:\d+:(?:\d+:)? (?:fatal )?error: .*\n(?:[ ]+.*\n)*)", re.M),  # compilers, clang-tidy
    re.compile(r"^(CMake Error.*\n(?:(?:[ ]+.*)?\n)*)", re.M),
)


def read(path):
    """The tests of a record: (name, failed, seconds, output)."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        # Anything but `run`: failed, or could not run at all.
        output = case.findtext("system-out") or ""
        yield case.get("name"), case.get("status") != "run", float(case.get("time") or 0), output


def share(sizes, room):
    """What each may have of the room: small ones all they want, large ones equal parts of what is left."""
    given = [0] * len(sizes)
    left = len(sizes)
    for size, index in sorted((size, index) for index, size in enumerate(sizes)):
        given[index] = min(size, room // left)
        room -= given[index]
        left -= 1
    return given


def cut(lines, most):
    """At most so many lines: the middle goes, since a block begins with what and ends with why."""
    if len(lines) <= most:
        return lines
    if most < 3:
        return lines[:most]
    head = most // 2
    tail = most - head - 1
    return [*lines[:head], "[... %d lines ...]" % (len(lines) - head - tail), *lines[len(lines) - tail:]]


def narrow(line):
    line = line.rstrip()
    if len(line) <= COLUMNS:
        return line
    return "%s[... %d characters ...]%s" % (line[:COLUMNS * 2 // 3], len(line) - COLUMNS, line[-(COLUMNS // 3):])


def blocks_of(text):
    reports = []
    for found in REPORT.findall(text):
        report = found.splitlines()[:REPORT_LINES]
        if report not in reports:
            reports.append(report)
    rest = REPORT.sub("", text)
    return reports + [block.splitlines() for blocks in BLOCKS for block in blocks.findall(rest)]


def telling(output, most=TEST_LINES):
    """The lines that say why: reports and failures, or the end where there are none."""
    text = re.sub(r"(?:\x1b|\[NON-XML-CHAR-0x1B\])\[[\d;]*m", "", output.rstrip() + "\n")
    blocks = blocks_of(text) or [text.splitlines()[-TAIL_LINES:]]
    blocks = [[narrow(line) for line in block if line.strip("-= ")] for block in blocks]
    rooms = share([len(block) for block in blocks], most)
    return [line for block, room in zip(blocks, rooms) for line in cut(block, room)] or ["(it said nothing)"]


def failed(source):
    """(headline, output) of each failure that a line of the list names."""
    kind, first, second = source.rstrip("\n").split(" ", 2)
    if kind == "log":
        with open(first, encoding="utf-8", errors="replace") as log:
            yield second, log.read()
        return
    try:
        for name, bad, seconds, output in read(second):
            if bad:
                yield "%s: %s, after %.1f s" % (first, name, seconds), output
    except (OSError, ElementTree.ParseError) as error:
        yield "ctest " + first, "no record of it: %s" % error


def count(preset, path):
    for name, bad, _, _ in read(path):
        print("failed" if bad else "passed", "%s: %s" % (preset, name))


def failures(path):
    with open(path, encoding="utf-8") as sources:
        found = [failure for source in sources for failure in failed(source)]
    rooms = share([len(telling(output)) + 2 for _, output in found], ALL_LINES)
    for (headline, output), room in zip(found, rooms):
        if room > 2:
            print("\n---- " + headline)
            print("\n".join(telling(output, room - 2)))


if __name__ == "__main__":
    {"count": count, "failures": failures}[sys.argv[1]](*sys.argv[2:])
