#!/usr/bin/python3
"""run.py [NAME...] - measures batchgate against its yardsticks, in one run on one machine, and prints a table.

The names are those of PARTS, below; all without one. nginx (one worker) and bench/sleeper are the upstreams, on
loopback. Figures of two machines say nothing to each other: look at the ratios. A missed target is shown, not an
error: the exit code is not 0 only where something could not run. The figures also go to build/bench.json."""

import json
import os
import platform
import resource
import sys
import tempfile
from pathlib import Path

import part_fairness
import part_hostile
import part_latency
import part_overload
import part_parked
import part_run
import part_size
import part_throughput
from kit import ROOT

PARTS = {
    "batches": part_throughput.batches,
    "endpoint": part_throughput.endpoint,
    "latency": part_latency.latency,
    "streams": part_latency.streams,
    "wide": part_size.wide,
    "memory": part_size.memory,
    "hostile": part_hostile.hostile,
    "fairness": part_fairness.fairness,
    "parked": part_parked.parked_items,
    "overload": part_overload.overload,
    "run": part_run.lines,
    "peers": part_throughput.peers,
}


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, value, unit, target=None, digits=1, note=""):
        """`target` is the most it may be."""
        verdict = "" if target is None else ("ok" if value <= target else "MISSED")
        shown = f"{value:.{digits}f} {unit}".strip()
        self.rows.append({"what": what, "value": value, "shown": shown, "unit": unit, "target": target,
                          "verdict": verdict, "note": note})
        goal = "" if target is None else f" (at most {target:g}: {verdict})"
        print(f"  {what}: {shown}{goal} {note}", flush=True)

    def markdown(self):
        lines = ["| what | figure | at most | |", "| --- | ---: | ---: | --- |"]
        for row in self.rows:
            target = "" if row["target"] is None else f"{row['target']:g}"
            tail = " ".join(word for word in (row["verdict"], row["note"]) if word)
            lines.append(f"| {row['what']} | {row['shown']} | {target} | {tail} |")
        return "\n".join(lines)


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    table, broken = Table(), []
    with tempfile.TemporaryDirectory(prefix="batchgate-bench-") as folder:
        for name in sys.argv[1:] or PARTS:
            print(f"{name}: {PARTS[name].__doc__}", flush=True)
            try:
                PARTS[name](table, Path(folder))
            except Exception as error:  # one that cannot run does not hide the others
                broken.append(f"{name}: {type(error).__name__}: {error}")
                print(f"  could not run: {broken[-1]}", flush=True)
    about = f"{os.cpu_count()} CPUs, {platform.platform()}"
    out = ROOT / "build" / "bench.json"
    out.write_text(json.dumps({"machine": about, "rows": table.rows, "broken": broken}, indent=1))
    print(f"\n{about}\n\n{table.markdown()}\n")
    missed = sum(1 for row in table.rows if row["verdict"] == "MISSED")
    met = sum(1 for row in table.rows if row["verdict"] == "ok")
    print(f"{met} targets met, {missed} missed, {len(broken)} could not run")
    sys.exit(1 if broken else 0)


main()
