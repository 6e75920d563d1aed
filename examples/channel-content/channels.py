#!/usr/bin/python3
"""channels.py - asks the endpoint channel-content for a text for each channel, and saves each as it comes.

run.sh starts what it needs. Standard library only."""
import argparse
import http.client
import json
import os
import sys
import time
import urllib.parse

CHANNELS = ("linkedin", "newsletter", "blog")


def post(url, document, accept):
    """The answer, still to be read. http.client asks no proxy for what is on this machine."""
    where = urllib.parse.urlsplit(url)
    conn = http.client.HTTPConnection(where.hostname, where.port, timeout=900)
    conn.request("POST", "/v1/batch/channel-content", json.dumps(document),
                 {"Content-Type": "application/json", "Accept": accept})
    answer = conn.getresponse()
    if answer.status != 200:
        sys.exit("channels: batchgate answered %d: %s" % (answer.status, answer.read().decode("utf-8", "replace")))
    return answer


def save(folder, result):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, result["channel"] + ".md")
    with open(path, "w", encoding="utf-8") as out:
        out.write(result["text"] + "\n")
    return path


def tell(result, folder):
    seconds = result["duration_ms"] / 1000
    if not result["success"]:
        print("[FAILED] %s (%.2f s): %s" % (result["id"], seconds, result["error"]["message"]), flush=True)
        return
    quality = result["result"]["quality"]
    print("[OK] %s (%.2f s) quality %s/10 -> %s" % (result["id"], seconds, "?" if quality is None else quality,
                                                  save(folder, result["result"])), flush=True)


def produce(args, name, concurrency):
    """One request for all channels; each result is told and saved as it arrives. Returns the seconds it took, and whether all
    succeeded."""
    document = {"items": [{"id": channel} for channel in CHANNELS], "params": {"topic": args.topic},
                "options": {"concurrency": concurrency}}
    began, summary = time.monotonic(), None
    for line in post(args.url, document, "application/x-ndjson"):
        value = json.loads(line)
        if "index" in value:
            tell(value, os.path.join(args.output, name))
        summary = value.get("summary", summary)
    if summary is None:
        sys.exit("channels: the stream was cut short")
    seconds = time.monotonic() - began
    print("%d of %d in %.1f s\n" % (summary["succeeded"], summary["total"], seconds), flush=True)
    if not summary["succeeded"]:
        sys.exit("channels: no channel succeeded")
    return seconds, not summary["failed"]


def change(stand_in, script):
    where = urllib.parse.urlsplit(stand_in)
    conn = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
    conn.request("PUT", "/script", json.dumps(script))
    if conn.getresponse().status != 200:
        sys.exit("channels: the stand-in did not take %r" % script)
    conn.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="where batchgate listens")
    parser.add_argument("--stand-in", default="", help="where the stand-in listens")
    parser.add_argument("--topic", default="remote onboarding")
    parser.add_argument("--output", default=os.path.join("build", "channels"), help="a folder; default: build/channels")
    args = parser.parse_args()

    print("One after the other:")
    alone, all_alone = produce(args, "sequential", 1)
    print("All at once:")
    together, all_together = produce(args, "parallel", len(CHANNELS))
    if all_alone and all_together:
        print("%.1f times as fast.\n" % (alone / together))
    if args.stand_in:
        print("The newsletter fails:")
        change(args.stand_in, {"fail": ["newsletter=503"]})
        produce(args, "one-failed", len(CHANNELS))


if __name__ == "__main__":
    main()
