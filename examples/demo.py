#!/usr/bin/python3
"""demo.py BATCHGATE - a first look: an upstream, the server, one batch of real calls, its results in order.

Everything runs on loopback, on ports that are free, and has ended when this script has."""

import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USERS = ["Ada", "Grace", "Edsger", "Barbara", "Donald"]


class Upstream(BaseHTTPRequestHandler):
    """/users/N answers after (5 - N) tenths of a second: the first asked is the last to answer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        number = int(self.path.rsplit("/", 1)[1])
        if number > len(USERS):
            self.answer(404, {"detail": f"there is no user {number}"})
            return
        time.sleep((len(USERS) - number) / 10)
        self.answer(200, {"id": number, "name": USERS[number - 1]})

    def answer(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


def main(program):
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    target = f"127.0.0.1:{upstream.server_port}"
    server = subprocess.Popen([program, "serve", "--server-port=0", f"--targets-allow={target}"],
                              stderr=subprocess.PIPE, text=True)
    try:
        show(listening_port(server), target)
    finally:
        server.terminate()
        server.wait(30)
        upstream.shutdown()
    print(f"""
What to try next:
  # a service of your own, and a server on 127.0.0.1:8080 that may call it
  python3 -m http.server --bind 127.0.0.1 9000 >/dev/null 2>&1 & files=$!
  {program} --targets-allow=127.0.0.1:9000 2>batchgate.log & gate=$!
  sleep 1; cat batchgate.log
  curl -s --json '{{"items":[{{"method":"HEAD","url":"http://127.0.0.1:9000/LICENSE"}}]}}' http://127.0.0.1:8080/v1/batch
  # every field, with examples
  curl -s http://127.0.0.1:8080/openapi.yaml
  # stop both
  kill $gate $files; rm batchgate.log
  # every setting
  {program} --help
  # what it is held to
  make test""")


def listening_port(server):
    said = []
    for line in server.stderr:
        said.append(line)
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("event") == "listening":
            # Its log must not fill the pipe while the batch runs.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return event["port"]
    sys.exit("demo: batchgate did not start:\n" + "".join(said))


def show(port, target):
    numbers = [1, 2, 3, 4, 5, 6]
    batch = {
        "items": [{"id": f"user-{number}", "url": f"http://{target}/users/{number}"} for number in numbers],
        "options": {"concurrency": 6},
    }
    url = f"http://127.0.0.1:{port}/v1/batch"
    print(f"\nSix calls in one request. The upstream takes longest for the first, and knows no sixth user.\n\n"
          f"$ curl --json @batch.json {url}\n")
    print("batch.json:")
    print(compact(batch, "items"))
    # --json is younger than some curls that are still about; these headers are what it stands for.
    answer = subprocess.run(["curl", "--silent", "--show-error", "--noproxy", "*", "-H", "Content-Type: application/json",
                             "-H", "Accept: application/json", "--data-binary", "@-", url],
                            input=json.dumps(batch), capture_output=True, text=True, check=True).stdout
    document = json.loads(answer)
    print("\nThe answer:")
    print(compact(document, "results"))
    ids = [result["id"] for result in document["results"]]
    if ids != [item["id"] for item in batch["items"]] or document["summary"]["succeeded"] != 5:
        sys.exit("demo: this is not the answer it should be")
    slowest = (len(USERS) - 1) * 100
    took = document["summary"]["duration_ms"]
    alone = sum(result["duration_ms"] for result in document["results"])
    print(f"\nThe results stand in the order of the items. One failed, and says why; the others are whole.\n"
          f"All of it took {took:.0f} ms: the slowest call alone takes {slowest} ms, one after the other {alone:.0f} ms.")


def compact(document, name):
    """The document with one entry of `name` a line."""
    rows = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in document[name])
    rest = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items() if key != name]
    return "{\n" + ",\n".join([f'  "{name}": [\n{rows}\n  ]'] + rest) + "\n}"


if __name__ == "__main__":
    main(str(Path(sys.argv[1])))
