#!/usr/bin/python3
"""coverage.py BUILD ROOT - lines that ran, by file; fails where pool/ or batch/ is below 90 %.

Reads gcov's own records. A line that cannot be reached in a test carries `/* uncovered: why */` and is left out."""

import json
import subprocess
import sys
from pathlib import Path

GATE = 90.0
GATED = ("pool", "batch")
HOUSES = ("common", "pool", "batch", "server", "handlers", "cli")


def main(build, root):
    hits = {}  # file -> line -> times
    build = Path(build).resolve()
    notes = sorted(build.rglob("*.gcno"))
    if not any(build.rglob("*.gcda")):
        sys.exit("coverage: no records; run the tests of the coverage preset first")
    for note in notes:  # the notes, not the records: what never ran counts too
        text = subprocess.run(["gcov", "--json-format", "--stdout", str(note)], cwd=build,
                              capture_output=True, text=True, check=True).stdout
        for line in text.splitlines():
            for entry in json.loads(line)["files"]:
                path = Path(build, entry["file"]).resolve()
                if not path.is_relative_to(root):
                    continue
                name = str(path.relative_to(root))
                if name.split("/")[0] not in HOUSES:
                    continue
                lines = hits.setdefault(name, {})
                for found in entry["lines"]:
                    number = found["line_number"]
                    lines[number] = lines.get(number, 0) + found["count"]
    sums = {}
    for name in sorted(hits):
        source = (root / name).read_text().splitlines()
        lines = {n: c for n, c in hits[name].items() if "/* uncovered:" not in source[n - 1]}
        ran = sum(1 for count in lines.values() if count)
        house = sums.setdefault(name.split("/")[0], [0, 0])
        house[0] += ran
        house[1] += len(lines)
        missing = [n for n in sorted(lines) if not lines[n]]
        print(f"{100 * ran / max(1, len(lines)):6.1f} %  {name}  {ranges(missing)}")
    print()
    below = False
    for house, (ran, lines) in sums.items():
        percent = 100 * ran / max(1, lines)
        verdict = ""
        if house in GATED:
            verdict = "ok" if percent >= GATE else f"below {GATE:.0f} %"
            below = below or percent < GATE
        print(f"{percent:6.1f} %  {house}/  {verdict}")
    sys.exit(1 if below else 0)


def ranges(numbers):
    """3, 4, 5, 9 -> 3-5 9"""
    parts = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts[:12])


main(sys.argv[1], Path(sys.argv[2]).resolve())
