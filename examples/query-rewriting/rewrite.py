#!/usr/bin/python3
"""rewrite.py - sends search queries to the endpoint rewrite-queries in one request each time, and prints what that took.

run.sh starts what it needs. Standard library only."""
import argparse
import http.client
import json
import os
import re
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
STRATEGIES = ("conciseness", "specificity", "stepback")


def ask(url, method, path, value=None):
    """The JSON that a server answers with. http.client asks no proxy for what is on this machine."""
    where = urllib.parse.urlsplit(url)
    conn = http.client.HTTPConnection(where.hostname, where.port, timeout=900)
    try:
        body = None if value is None else json.dumps(value)
        conn.request(method, path, body, {"Content-Type": "application/json"})
        answer = conn.getresponse()
        document = json.loads(answer.read())
    finally:
        conn.close()
    if answer.status != 200:
        sys.exit("rewrite: %s answered %d: %s" % (path, answer.status, json.dumps(document)))
    return document


def rss(pid):
    """(resident memory of the process, and that of its helper processes) in MiB"""
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/status" % entry, encoding="utf-8", errors="replace") as source:
                text = source.read()
        except OSError:
            continue  # it has just ended
        kilobytes = re.search(r"^VmRSS:\s+(\d+)", text, re.M)
        parents[int(entry)] = int(re.search(r"^PPid:\s+(\d+)", text, re.M)[1]), int(kilobytes[1]) if kilobytes else 0
    below, helpers = {pid}, 0
    while True:
        more = {child for child, (parent, _) in parents.items() if parent in below} - below
        if not more:
            return parents[pid][1] / 1024, helpers / 1024
        helpers += sum(parents[child][1] for child in more)
        below |= more


class Run:
    """One batch of all queries, and what is to be told about it."""

    def __init__(self, args, queries, strategy, workers, rate_limit=None):
        options = {"concurrency": workers, "batch_timeout_ms": 600000}
        if rate_limit:
            options["rate_limit"] = rate_limit
        if args.stand_in:
            ask(args.stand_in, "PUT", "/script", {})  # counts anew
        began = time.monotonic()
        document = ask(args.url, "POST", "/v1/batch/rewrite-queries",
                       {"items": queries, "params": {"strategy": strategy}, "options": options})
        self.seconds = time.monotonic() - began
        self.results = document["results"]
        self.fell_back = sum(result["fallback_used"] for result in self.results)
        self.retries = sum(max(0, result["attempts"] - 1) for result in self.results)
        self.refused = ask(args.stand_in, "GET", "/stats")["rate_limited"] if args.stand_in else None
        self.memory = rss(args.pid)
        if not any(result["success"] for result in self.results):
            sys.exit("rewrite: none of %d queries succeeded; the first: %s" % (len(queries), self.results[0]["error"]["message"]))


def print_row(cells, run):
    """Only the stand-in counts its 429s."""
    if run.refused is None:
        del cells[3]
    print("| %s |" % " | ".join(map(str, cells)), flush=True)


def show_table(args, queries):
    """The strategy's first run, and those with more workers; the last of them."""
    rows = [(workers, None) for workers in args.workers]
    if args.rate_limit:
        rows.append((args.workers[-1], args.rate_limit))
    print("%d queries, strategy %s\n" % (len(queries), STRATEGIES[0]), flush=True)
    first = run = None
    for workers, rate_limit in rows:
        run = Run(args, queries, STRATEGIES[0], workers, rate_limit)
        if first is None:
            first = run.seconds
            print_row(["workers", "time", "speed-up", "429", "retries", "fell back", "server's memory"], run)
            print_row(["---"] + ["---:"] * 6, run)
        print_row([str(workers) + (", `rate_limit: %s`" % rate_limit if rate_limit else ""), "%.1f s" % run.seconds,
                   "%.1fx" % (first / run.seconds), run.refused, run.retries, run.fell_back, "%.1f MiB" % run.memory[0]], run)
    print("\nThe helper processes that run the config's jq programs: %.1f MiB, all together." % run.memory[1])
    return run


def save(folder, strategy, run):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, strategy + ".json"), "w", encoding="utf-8") as out:
        json.dump([result["result"] for result in run.results], out, ensure_ascii=False, indent=1)
        out.write("\n")


def read_queries(path):
    try:
        with open(path, encoding="utf-8") as source:
            queries = [line for line in source.read().splitlines() if line]
    except (OSError, ValueError) as error:
        sys.exit("rewrite: --queries %s: %s" % (path, getattr(error, "strerror", None) or error))
    if not queries:
        sys.exit("rewrite: --queries %s: there is no query in it" % path)
    return queries


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="where batchgate listens")
    parser.add_argument("--pid", type=int, required=True, help="its process, for its memory")
    parser.add_argument("--stand-in", default="", help="where the stand-in listens, for its counts")
    parser.add_argument("--queries", default=os.path.join(HERE, "queries.txt"), help="a file, one query a line")
    parser.add_argument("--workers", type=numbers, help="1,5,10,20; with a real provider 10")
    parser.add_argument("--rate-limit", help="one more run of the last number of workers, with this: 2280/min")
    parser.add_argument("--output", help="a folder for the rewritten queries, a file a strategy")
    args = parser.parse_args()
    if args.stand_in and not args.workers:
        args.rate_limit = args.rate_limit or "2280/min"
    args.workers = args.workers or ([1, 5, 10, 20] if args.stand_in else [10])
    queries = read_queries(args.queries)

    runs = {STRATEGIES[0]: show_table(args, queries)}
    for strategy in STRATEGIES[1:]:
        runs[strategy] = Run(args, queries, strategy, min(10, max(args.workers)))
    failed = [result for result in runs[STRATEGIES[0]].results if not result["success"]]
    shown = [0] + [result["index"] for result in failed[:1]]
    for index in shown:
        print("\n%s" % queries[index])
        for strategy, run in runs.items():
            result = run.results[index]
            print("  %-12s %s%s" % (strategy, result["result"]["processed_query"],
                                    "" if result["success"] else "   (%s)" % result["error"]["message"]))
    if args.output:
        for strategy, run in runs.items():
            save(args.output, strategy, run)
        print("\nAll of them: %s" % ", ".join(os.path.join(args.output, strategy + ".json") for strategy in runs))


if __name__ == "__main__":
    main()
