#!/usr/bin/python3
"""faultd - an upstream that misbehaves on purpose, one fault a path, over plain TCP and TLS.

Started as a process of its own; prints one JSON line with its ports and then serves until its stdin closes. Every request is
counted and kept: `/_stats`, `/_requests?path=/x` and `/_reset` read and clear the record, `/_open?key=x` lets go what waits at a
gate, `/_sent?key=x` says when that was answered, `/_mood?key=x&status=503&ms=0` what /mood answers from now on (they do not count
themselves).
Sockets and bytes only: no HTTP library stands between a fault and the wire.
"""
import argparse
import base64
import collections
import gzip
import json
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import zlib

KEEP = 4000  # requests remembered, over all paths
REASONS = {200: "OK", 302: "Found", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}


class Gone(Exception):
    """The peer left."""


class Record:
    """What has been asked of us so far; shared by all connections."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        self.hits = collections.Counter()
        self.methods = collections.Counter()
        self.active = collections.Counter()
        self.peak = collections.Counter()
        self.aborted = collections.Counter()
        self.connections = 0
        self.first_bytes = 0
        self.requests = collections.deque(maxlen=KEEP)
        self.counters = collections.Counter()
        self.gates = collections.defaultdict(threading.Event)
        self.sent = {}
        self.moods = {}

    def gate(self, key):
        with self.lock:
            return self.gates[key]

    def connected(self):
        with self.lock:
            self.connections += 1

    def enter(self, request, conn):
        with self.lock:
            for key in (request.path, "*"):
                self.hits[key] += 1
                self.active[key] += 1
                self.peak[key] = max(self.peak[key], self.active[key])
            self.methods[request.method + " " + request.path] += 1
            request.entry = {
                "path": request.path, "target": request.target, "method": request.method,
                "headers": request.headers, "body_base64": base64.b64encode(request.body[:65536]).decode(),
                "body_bytes": len(request.body), "connection": conn.number, "local": conn.local,
                "at": time.monotonic(), "until": None}
            self.requests.append(request.entry)

    def leave(self, request):
        with self.lock:
            request.entry["until"] = time.monotonic()
            for key in (request.path, "*"):
                self.active[key] = max(0, self.active[key] - 1)

    def abort(self, request):
        with self.lock:
            self.aborted[request.path] += 1
            self.aborted["*"] += 1

    def count(self, key):
        with self.lock:
            self.counters[key] += 1
            return self.counters[key]

    def stats(self):
        with self.lock:
            return {"hits": dict(self.hits), "methods": dict(self.methods), "active": dict(self.active),
                    "peak": dict(self.peak), "aborted": dict(self.aborted), "connections": self.connections}

    def asked(self, path):
        with self.lock:
            return [r for r in self.requests if path in ("", r["path"])]


class Request:
    def __init__(self, head, body):
        text = head.decode("latin-1")
        lines = text.split("\r\n")
        self.method, self.target, self.version = (lines[0].split(" ") + ["", ""])[:3]
        self.headers = [[n, v.strip()] for n, _, v in (line.partition(":") for line in lines[1:] if line)]
        self.head = head
        self.body = body
        path, _, query = self.target.partition("?")
        self.path = urllib.parse.unquote(path)
        self.raw_query = query
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True, encoding="latin-1"))
        self.lists = urllib.parse.parse_qs(query, keep_blank_values=True, encoding="latin-1")

    def header(self, name, default=None):
        return next((v for n, v in self.headers if n.lower() == name), default)

    def number(self, name, default):
        return int(self.query.get(name, default))


class Conn:
    """One accepted connection: reads requests one after another and lets the path decide what happens to it."""
    numbers = iter(range(1, 1 << 62))

    def __init__(self, sock, record, unwrap):
        self.sock, self.record, self.unwrap = sock, record, unwrap
        self.number = next(Conn.numbers)
        self.local = "%s:%d" % sock.getsockname()[:2]
        self.buffer = b""
        self.served = 0
        self.request = None
        self.left = True
        self.torn = False

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise Gone
        self.buffer += data

    def take_until(self, mark):
        while mark not in self.buffer:
            if len(self.buffer) > 1 << 20:
                raise Gone
            self.fill()
        part, _, self.buffer = self.buffer.partition(mark)
        return part

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        part, self.buffer = self.buffer[:count], self.buffer[count:]
        return part

    def read_chunked(self):
        body = b""
        while True:
            size = int(self.take_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while self.take_until(b"\r\n"):
                    pass
                return body
            body += self.take(size)
            self.take(2)

    def read_request(self):
        if not self.buffer:
            self.fill()
        if self.buffer[:1] == b"\x16":  # a TLS hello on the plain port
            self.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            raise Gone
        head = self.take_until(b"\r\n\r\n")
        request = Request(head, b"")
        if request.path == "/rstbody" and self.served > 0:
            self.reset()
        if request.header("expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in request.header("transfer-encoding", ""):
            request.body = self.read_chunked()
        else:
            request.body = self.take(int(request.header("content-length", "0")))
        return request

    def send(self, data):
        self.sock.sendall(data)

    def leave(self):
        if not self.left:
            self.left = True
            self.record.leave(self.request)

    def answer(self, status=200, body=b"", content_type="application/json", headers=(), reason=None, length=True):
        """A whole, well-formed answer. What it leaves of the count is given back before its last byte can be seen."""
        reason = REASONS.get(status, "Status") if reason is None else reason
        lines = ["HTTP/1.1 %d %s" % (status, reason)]
        if content_type:
            lines.append("Content-Type: " + content_type)
        if length and status not in (204, 304):
            lines.append("Content-Length: %d" % len(body))
        lines += ["%s: %s" % h for h in headers]
        if self.request.method == "HEAD" or status in (204, 304):
            body = b""
        self.leave()
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return True

    def wait_gone(self):
        """Blocks until the peer closes; then the request counts as aborted."""
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass
        self.record.abort(self.request)
        raise Gone

    def stream(self, chunk, count=1 << 62, pause=0.0):
        try:
            for _ in range(count):
                self.send(chunk)
                if pause:
                    time.sleep(pause)
        except OSError:
            self.record.abort(self.request)
            raise Gone from None

    def reset(self):
        self.leave()
        self.torn = True
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def run(self):
        try:
            keep = True
            while keep:
                self.request = self.read_request()
                if self.request.path.startswith("/_"):
                    keep = control(self, self.request)
                    continue
                self.left = False
                self.record.enter(self.request, self)
                self.served += 1
                try:
                    keep = route(self.request.path)(self, self.request)
                finally:
                    self.leave()
                if self.request.header("connection", "").lower() == "close":
                    keep = False
        except (Gone, OSError, ValueError):
            pass
        finally:
            self.close()

    def close(self):
        try:
            if self.torn:
                return self.sock.close()
            if self.unwrap and isinstance(self.sock, ssl.SSLSocket):
                self.sock.settimeout(2)
                self.sock.unwrap()
        except (OSError, ValueError):
            pass
        try:
            if not isinstance(self.sock, ssl.SSLSocket):
                self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return self.sock.close()


def control(conn, request):
    conn.request = request
    if request.path == "/_reset":
        conn.record.reset()
        value = {}
    elif request.path == "/_open":
        conn.record.gate(request.query["key"]).set()
        value = {}
    elif request.path == "/_sent":
        value = {"at": conn.record.sent.get(request.query["key"])}
    elif request.path == "/_mood":
        value = conn.record.moods[request.query["key"]] = {"status": request.number("status", 200), "ms": request.number("ms", 0)}
    elif request.path == "/_requests":
        value = conn.record.asked(request.query.get("path", ""))
    else:
        value = conn.record.stats()
    return conn.answer(body=json.dumps(value).encode())


# --- answers that are fine -------------------------------------------------------------------------------------------

def ok(conn, request):
    return conn.answer(body=b'{"ok":true}')


def echo(conn, request):
    return conn.answer(body=json.dumps({
        "method": request.method, "target": request.target, "query": request.raw_query, "headers": request.headers,
        "body_base64": base64.b64encode(request.body).decode(), "body_bytes": len(request.body),
        "head_base64": base64.b64encode(request.head).decode()}).encode())


def sleep(conn, request):
    time.sleep(request.number("ms", 100) / 1000)
    return conn.answer(body=json.dumps({"slept": request.number("ms", 100), "n": request.query.get("n")}).encode())


def gate(conn, request):
    """Holds the call until `/_open` names its `key`; the answer says when it was sent, on the machine's own clock. With `fail`, 503
    so many times first for each `n`."""
    if conn.record.count("gate %s %s" % (request.query.get("key", ""), request.query.get("n"))) <= request.number("fail", 0):
        return conn.answer(503, b"not yet", "text/plain")
    opened = conn.record.gate(request.query.get("key", ""))
    while not opened.wait(0.05):
        if select.select([conn.sock], [], [], 0)[0]:
            conn.wait_gone()
    sent_at = time.monotonic()
    conn.record.sent[request.query.get("key", "")] = sent_at
    return conn.answer(body=json.dumps({"sent_at": sent_at}).encode())


def status(conn, request):
    number = int(request.path.rsplit("/", 1)[1])
    return conn.answer(number, request.query.get("body", "status %d" % number).encode("latin-1"), "text/plain")


def mood(conn, request):
    """What `/_mood` said last of this `key`, as it was when the request came; 200 at once before."""
    now = conn.record.moods.get(request.query.get("key", ""), {"status": 200, "ms": 0})
    time.sleep(now["ms"] / 1000)
    return conn.answer(now["status"], b'{"status":%d}' % now["status"])


def deflate_raw(data):
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(data) + machine.flush()


ENCODERS = {"": lambda d: d, "gzip": gzip.compress, "deflate": zlib.compress, "rawdeflate": deflate_raw,
            "gzip2": lambda d: gzip.compress(d[:len(d) // 2]) + gzip.compress(d[len(d) // 2:])}


def raw(conn, request):
    """Any answer: ct, body, status, ce (and as: its spelling), hdr (repeated), fields (so many of 7000 bytes), chunked, until_close, reason."""
    body = request.query.get("body", "").encode("latin-1")
    if "n" in request.query:
        body = (request.query.get("fill", "x") * request.number("n", 0)).encode("latin-1")
    encoding = request.query.get("ce", "")
    headers = [tuple(h.split(": ", 1)) for h in request.lists.get("hdr", [])]
    headers += [("X-Many", "x" * 7000)] * request.number("fields", 0)
    if encoding:
        body = ENCODERS[encoding](body)
        headers.append(("Content-Encoding", request.query.get("as", encoding.replace("rawd", "d").replace("2", ""))))
    if "chunked" in request.query:
        headers.append(("Transfer-Encoding", "chunked"))
        pieces = [body[i:i + 7] for i in range(0, len(body), 7)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
    plain = "chunked" in request.query or "until_close" in request.query
    conn.answer(request.number("status", 200), body, request.query.get("ct", ""), headers,
                request.query.get("reason"), length=not plain)
    return "until_close" not in request.query


def told(conn, request):
    """What the request's own body says: status, body (latin-1), type, n (the body so many times), headers, ms, encoding;
    with `key`, each of `statuses` once before."""
    order = json.loads(request.body)
    status, body = order.get("status", 200), order.get("body", "").encode("latin-1") * order.get("n", 1)
    headers = [tuple(h) for h in order.get("headers", [])]
    before = order.get("statuses", [])
    seen = conn.record.count("told " + order["key"]) if before else 0
    if 1 <= seen <= len(before):
        status = before[seen - 1]
    if status == 0:
        return conn.reset()
    time.sleep(order.get("ms", 0) / 1000)
    if order.get("encoding"):
        body = ENCODERS[order["encoding"]](body)
        headers.append(("Content-Encoding", order["encoding"]))
    return conn.answer(status, body, order.get("type", "application/json"), headers)


def spell(conn, request):
    """The whole request back, as `how` spells it, in the body, a header and the reason phrase."""
    text = "%s|%s|%s" % (request.target, request.header(request.query.get("name", "authorization"), ""),
                         request.body.decode("latin-1"))
    def escape(form, which):
        return '"%s"' % "".join(form % ord(c) if not c.isalnum() and c != "%" and which(i, c) else c for i, c in enumerate(text))

    bodies = {"plain": text, "json": json.dumps({"said": text}), "slash": json.dumps(text).replace("/", "\\/"),
              "unicode": escape("\\u%04X", lambda i, c: True), "lower": escape("\\u%04x", lambda i, c: True),
              "mixed": escape("\\u%04x", lambda i, c: i % 2 or c in '"\\'),
              "percent": urllib.parse.quote(text, ""), "html": text.replace("&", "&amp;")}
    how = request.query.get("how", "plain")
    kind = "text/plain" if how in ("plain", "percent", "html") else "application/json"
    head = text.replace("\r", " ").replace("\n", " ")
    return conn.answer(request.number("status", 200), bodies[how].encode("latin-1"), kind, [("X-Said", head)], head)


def redirect(conn, request):
    time.sleep(request.number("ms", 0) / 1000)
    return conn.answer(request.number("status", 302), b"moved", "text/plain", [("Location", request.query["to"])])


def hops(conn, request):
    left = request.number("n", 1)
    to = "/hops?n=%d" % (left - 1) if left > 1 else request.query.get("to", "/echo")
    return conn.answer(302, b"", "text/plain", [("Location", to)])


def redirect_to(location):
    def handler(conn, request):
        return conn.answer(302, b"moved", "text/plain", [("Location", location)])
    return handler


def flaky(conn, request):
    """`fail` times the fault named by `how` (a status, rst, close, stall), then 200, each after `ms`. Counted by `key`."""
    seen = conn.record.count("flaky " + request.query.get("key", ""))
    time.sleep(request.number("ms", 0) / 1000)
    if seen > request.number("fail", 1):
        return conn.answer(body=json.dumps({"seen": seen}).encode())
    how = request.query.get("how", "503")
    if how == "rst":
        return conn.reset()
    if how == "close":
        return False
    if how == "stall":
        conn.wait_gone()
    headers = [tuple(h.split(": ", 1)) for h in request.lists.get("hdr", [])]
    return conn.answer(int(how), b"not yet", "text/plain", headers)


def retry_after(conn, request):
    """`fail` times `status` with a wait: `ra`, in a field of that `name`, if any; then 200; each after `ms`. Counted by `key`."""
    time.sleep(request.number("ms", 0) / 1000)
    if conn.record.count("503ra " + request.query.get("key", "")) > request.number("fail", 1):
        return conn.answer(body=b'{"ok":true}')
    name = request.query.get("name", "Retry-After")
    return conn.answer(request.number("status", 503), b"later", "text/plain", [(name, request.query.get("ra", "1"))] if name else [])


# --- connections that die --------------------------------------------------------------------------------------------

def rst(conn, request):
    return conn.reset()


def close(conn, request):
    return False


def stale(conn, request):
    if conn.served > 1:
        return False
    return conn.answer(body=b'{"ok":true}')


def stalerst(conn, request):
    if conn.served > 1:
        return conn.reset()
    return conn.answer(body=b'{"ok":true}')


def rstbody(conn, request):
    """A kept connection is reset while the body of the next request is on its way: Conn.read_request does that."""
    return conn.answer(body=b'{"ok":true}')


def idleclose(conn, request):
    """Answers, then closes without having said so: the next call may find a dead connection."""
    conn.answer(body=b'{"ok":true}')
    time.sleep(request.number("ms", 0) / 1000)
    return False


def stall(conn, request):
    conn.wait_gone()


def drip(conn, request):
    """`/_sent?key=/drip` says when the header section was sent."""
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    conn.record.sent[request.path] = time.monotonic()
    conn.stream(b"x", pause=0.3)


def driphdr(conn, request):
    conn.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    conn.stream(b"x", pause=0.3)


# --- answers without end or measure ----------------------------------------------------------------------------------

def endless(conn, request):
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    conn.stream(b"x" * 65536)


def endlesschunk(conn, request):
    conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    conn.stream(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def hugecl(conn, request):
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10995116277760\r\n\r\n")
    conn.wait_gone()


def ovcl(conn, request):
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\nabc")
    conn.wait_gone()


def longhdr(conn, request):
    conn.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    conn.stream(b"x" * 65536)


def manyhdr(conn, request):
    conn.send(b"HTTP/1.1 200 OK\r\n")
    conn.stream(b"X-Many: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n" * 1000)


def interim(code):
    def handler(conn, request):
        conn.stream(b"HTTP/1.1 %d Interim\r\nX-A: %s\r\n\r\n" % (code, b"b" * 200) * 100)
    return handler


def trailers(conn, request):
    conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n")
    conn.stream(b"X-T: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n" * 100, pause=0.005)


# --- answers that lie ------------------------------------------------------------------------------------------------

def wire(data, keep=False):
    def handler(conn, request):
        conn.leave()
        conn.send(data)
        return keep
    return handler


def truncgzip(conn, request):
    full = gzip.compress(os.urandom(3000).hex().encode())
    cut = full[:len(full) // 2]
    return conn.answer(body=cut, content_type="text/plain", headers=[("Content-Encoding", "gzip")])


def trailerless(conn, request):
    """All of the deflate stream, but not the eight bytes that prove it."""
    cut = gzip.compress(b"looks whole")[:-8]
    return conn.answer(body=cut, content_type="text/plain", headers=[("Content-Encoding", "gzip")])


BOMB = []
BOMB_LOCK = threading.Lock()


def bomb(conn, request):
    with BOMB_LOCK:
        if not BOMB:
            machine = zlib.compressobj(9, wbits=31)
            zeros = bytes(1 << 20)
            BOMB.append(b"".join(machine.compress(zeros) for _ in range(200)) + machine.flush())
    return conn.answer(body=BOMB[0], content_type="text/plain", headers=[("Content-Encoding", "gzip")])


def manyenc(conn, request):
    body = b"x"
    for _ in range(20):
        body = gzip.compress(body)
    return conn.answer(body=body, content_type="text/plain", headers=[("Content-Encoding", ", ".join(["gzip"] * 20))])


OK_HEAD = b"HTTP/1.1 200 OK\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n{\"ok\":true}"


def cutswitch(conn, request):
    """A 200 cut short, then, to the same `key`, another protocol."""
    first = conn.record.count("cutswitch " + request.query.get("key", "")) == 1
    return wire(OK_HEAD + b"Content-Length: 100\r\n\r\nonly this" if first else SWITCH)(conn, request)


def longtype(conn, request):
    """503 with a Content-Type of `n` bytes."""
    return conn.answer(503, b"later", "text/" + "x" * (request.number("n", 100) - 5), [("Retry-After", request.query.get("ra", "1"))])


ROUTES = {
    "/ok": ok, "/echo": echo, "/sleep": sleep, "/gate": gate, "/mood": mood, "/raw": raw, "/told": told, "/spell": spell, "/redirect": redirect, "/hops": hops, "/flaky": flaky,
    "/503ra": retry_after, "/rst": rst, "/close": close, "/stale": stale, "/stalerst": stalerst, "/rstbody": rstbody, "/count-stale": stale,
    "/idleclose": idleclose, "/stall": stall, "/drip": drip, "/driphdr": driphdr, "/endless": endless,
    "/endlesschunk": endlesschunk, "/hugecl": hugecl, "/ovcl": ovcl, "/longhdr": longhdr, "/manyhdr": manyhdr,
    "/1xx": interim(100), "/102": interim(102), "/trailers": trailers, "/truncgzip": truncgzip,
    "/trailerless": trailerless, "/bomb": bomb, "/manyenc": manyenc,
    "/trunccl": wire(OK_HEAD + b"Content-Length: 100\r\n\r\nonly this"),
    "/half": wire(OK_HEAD + b"X-A: b\r\nX-B: c\r\n"),
    "/halfline": wire(OK_HEAD + b"X-A: b\r\nX-B"),
    "/halfstatus": wire(OK_HEAD),
    "/halfempty": wire(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n"),
    "/halfafter103": wire(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK_HEAD + b"X-A: b\r\n"),
    "/only103": wire(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "/foldgzip": wire(OK_HEAD + b"X-A: b\r\n continued\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", True),
    "/foldtab": wire(OK_HEAD + b"X-A: b\r\n\tContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", True),
    "/foldhttp": wire(OK_HEAD + b"X-A: b\r\n HTTP/1.1: c\r\nContent-Length: 2\r\n\r\nok", True),
    "/foldblank": wire(OK_HEAD + b"X-A: b\r\n \t \r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", True),
    "/foldcl": wire(OK_HEAD + b"X-A: b\r\n c\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nokabc", True),
    "/httpfield": wire(OK_HEAD + b"Content-Length: 5\r\nHTTP/1.1: y\r\nContent-Length: 2\r\n\r\nokabc", True),
    "/httpgzip": wire(OK_HEAD + b"Content-Encoding: gzip\r\nHTTP/1.1: y\r\nContent-Length: 2\r\n\r\nok", True),
    "/noname": wire(OK_HEAD + b": b\r\nContent-Length: 2\r\n\r\nok", True),
    "/switch": wire(SWITCH), "/cutswitch": cutswitch, "/longtype": longtype,
    "/truncchunk": wire(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10\r\nhalf"),
    "/badchunk": wire(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"),
    "/badgzip": wire(OK_HEAD + b"Content-Encoding: gzip\r\nContent-Length: 11\r\n\r\nnot gzip at"),
    "/badstatus": wire(b"HTTP/1.1 banana OK\r\nContent-Length: 2\r\n\r\nok"),
    "/badversion": wire(b"HTTP/7.3 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    "/nulhdr": wire(OK_HEAD + b"X-A: a\x00b\r\nContent-Length: 2\r\n\r\nok"),
    "/nocolon": wire(OK_HEAD + b"this line has none\r\nContent-Length: 2\r\n\r\nok"),
    "/badtrailer": wire(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nthis line has none\r\n\r\n"),
    "/garbage": wire(bytes(range(256)) * 8),
    "/negcl": wire(OK_HEAD + b"Content-Length: -5\r\n\r\nok"),
    "/twocl": wire(OK_HEAD + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\nokabc", True),
    "/clte": wire(OK_HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
    "/extra": wire(OK_HEAD + b"Content-Length: 2\r\n\r\nok" + OK_HEAD + b"Content-Length: 6\r\n\r\nPOISON", True),
    "/redirmeta": redirect_to("http://169.254.169.254/latest/meta-data/"),
    "/redirfile": redirect_to("file:///etc/passwd"),
    "/redirloop": redirect_to("/redirloop"),
    "/redirok": redirect_to("/ok"),
    "/rediruser": redirect_to("http://user:pass@127.0.0.1/"),
    "/redirempty": redirect_to(""),
    "/redirnone": wire(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", True),
}


def route(path):
    if path.startswith("/status/"):
        return status
    if path.startswith("/echo/"):
        return echo
    return ROUTES.get(path, ok)


# --- listening -------------------------------------------------------------------------------------------------------

def openssl(*args, cwd):
    done = subprocess.run(["openssl", *args], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit("openssl %s: %s" % (" ".join(args), done.stderr))


def make_certificates(folder):
    """Our own authority, and one certificate for each way of being wrong."""
    database = "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n" \
               "policy=p\nunique_subject=no\ncopy_extensions=copy\n[p]\ncommonName=supplied\n" \
               "[req]\ndistinguished_name=n\n[n]\n"
    with open(os.path.join(folder, "ca.cnf"), "w", encoding="ascii") as out:
        out.write(database)
    open(os.path.join(folder, "index.txt"), "w", encoding="ascii").close()
    with open(os.path.join(folder, "serial"), "w", encoding="ascii") as out:
        out.write("1000\n")
    new = ["req", "-config", "ca.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(*new, "-x509", "-days", "30", "-subj", "/CN=faultd test authority", "-keyout", "ca.key", "-out", "ca.pem",
            "-addext", "basicConstraints=critical,CA:TRUE", cwd=folder)
    openssl(*new, "-x509", "-days", "30", "-subj", "/CN=127.0.0.1", "-keyout", "selfsigned.key", "-out",
            "selfsigned.pem", "-addext", "subjectAltName=IP:127.0.0.1", cwd=folder)
    for name, names, first, last in (
            ("good", "IP:127.0.0.1,DNS:localhost,DNS:secure.test", "20200101000000Z", "20991231000000Z"),
            ("expired", "IP:127.0.0.1,DNS:localhost", "20200101000000Z", "20200201000000Z"),
            ("wrongname", "DNS:elsewhere.example", "20200101000000Z", "20991231000000Z")):
        openssl(*new, "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr",
                "-addext", "subjectAltName=" + names, cwd=folder)
        openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-startdate",
                first, "-enddate", last, "-in", name + ".csr", "-out", name + ".pem", cwd=folder)


def listen(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((host, port))
    sock.listen(2048)
    return sock


def accept_all(listener, record, context, unwrap):
    def serve(sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context:
                sock.settimeout(30)
                sock = context.wrap_socket(sock, server_side=True)
                sock.settimeout(None)
        except (OSError, ValueError):
            sock.close()
            return
        Conn(sock, record, unwrap).run()

    while True:
        sock, _ = listener.accept()
        record.connected()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


def accept_mute(listener, record):
    """Takes connections and says nothing, not even in TLS."""
    kept = []
    while True:
        kept.append(listener.accept()[0])
        record.connected()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--listen", action="append", default=[], help="one more HOST:PORT, plain; [] around IPv6")
    parser.add_argument("--tls", metavar="FOLDER", help="makes certificates there and listens with each")
    args = parser.parse_args()
    threading.stack_size(256 * 1024)
    record = Record()
    ports = {}

    def start(name, sock, target, *rest):
        ports[name] = sock.getsockname()[1]
        threading.Thread(target=target, args=(sock, record, *rest), daemon=True).start()

    start("http", listen(args.host, args.port), accept_all, None, False)
    start("mute", listen(args.host, 0), accept_mute)
    for i, where in enumerate(args.listen):
        host, _, port = where.rpartition(":")
        start("extra%d" % i, listen(host.strip("[]"), int(port)), accept_all, None, False)
    if args.tls:
        make_certificates(args.tls)
        for name in ("good", "expired", "wrongname", "selfsigned", "abrupt"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            stem = os.path.join(args.tls, "good" if name == "abrupt" else name)
            context.load_cert_chain(stem + ".pem", stem + ".key")
            start(name, listen(args.host, 0), accept_all, context, name != "abrupt")
    print(json.dumps(ports), flush=True)
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
