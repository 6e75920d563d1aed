#!/usr/bin/python3
"""peers.py KIND URL CALLS IN_FLIGHT - the same calls, made the way people make them today; prints JSON like bareloop.

KIND `requests` is ThreadPoolExecutor with a requests.Session a thread; `stdlib` the same with http.client."""

import http.client
import json
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

local = threading.local()


def with_requests(url):
    import requests
    if not hasattr(local, "session"):
        local.session = requests.Session()
        local.session.trust_env = False
    return local.session.get(url, timeout=30).status_code == 200


def with_stdlib(url):
    parts = urlsplit(url)
    if not hasattr(local, "connection"):
        local.connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    local.connection.request("GET", parts.path or "/")
    answer = local.connection.getresponse()
    answer.read()
    return answer.status == 200


def main():
    call = {"requests": with_requests, "stdlib": with_stdlib}[sys.argv[1]]
    url, calls, in_flight = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    began = time.monotonic()
    with ThreadPoolExecutor(in_flight) as pool:
        good = sum(pool.map(call, [url] * calls))
    wall = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"calls": calls, "failed": calls - good, "cpu_us": (used.ru_utime + used.ru_stime) * 1e6,
                      "wall_us": wall * 1e6, "rss_kib": used.ru_maxrss}))


main()
