"""part_run.py - `batchgate run`, from lines to lines."""

import os
import subprocess
import time

from kit import MIB, SERVER, Peers, start_nginx, tool


def lines(table, folder):
    """A million lines through `batchgate run`, 64 in flight, and the bare loop; memory must not grow with the lines."""
    with Peers() as peers:
        nginx = start_nginx(peers, folder)
        url = f"http://127.0.0.1:{nginx}/small"
        few, many = 100_000, 1_000_000
        loop = tool("bareloop", few, 64, 1, 64, url)
        small, large = run_lines(folder, url, nginx, few), run_lines(folder, url, nginx, many)
        bare = loop["cpu_us"] / loop["calls"]
        table.add("bare loop, 64 in flight", loop["calls"] / loop["wall_us"] * 1e6, "calls/s", None, 0)
        table.add("batchgate run, 1,000,000 lines", many / large["wall_s"], "items/s", None, 0)
        table.add("  CPU an item", large["cpu_us"] / many, "µs", None, 1, f"(bare loop {bare:.1f})")
        table.add("  ratio", large["cpu_us"] / many / bare, "", None, 2)
        table.add("  most memory, 100,000 lines", small["peak"] / MIB, "MiB")
        table.add("  most memory, 1,000,000 lines", large["peak"] / MIB, "MiB", round(small["peak"] / MIB + 4, 1))


def run_lines(folder, url, port, count):
    """One run of so many lines: seconds, CPU time and most memory."""
    out = folder / f"run-{count}.ndjson"
    args = [SERVER, "run", "-", "--output", out, "--concurrency=64", f"--targets-allow=127.0.0.1:{port}"]
    began = time.monotonic()
    child = subprocess.Popen([str(arg) for arg in args], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    with child.stdin as lines:
        for start in range(0, count, 1000):
            lines.write("".join(f'{{"id":{i},"url":"{url}?{i}"}}\n' for i in range(start, start + 1000)).encode())
    words = child.stderr.read().decode()
    child.stderr.close()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    with open(out, "rb") as source:
        written = sum(part.count(b"\n") for part in iter(lambda: source.read(1 << 20), b""))
    out.unlink()
    if child.returncode or written != count:
        raise RuntimeError(f"exit code {child.returncode}, {written} results: {words[:300]}")
    return {"wall_s": wall, "cpu_us": (used.ru_utime + used.ru_stime) * 1e6, "peak": used.ru_maxrss * 1024}
