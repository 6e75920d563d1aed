"""streams - readers of answers that come bit by bit: when each part arrived, and whether the end was a whole one.

The framing is taken apart here, on a plain socket: what a library would smooth over is what these tests look for.
"""
import collections
import json
import os
import pty
import socket
import subprocess
import threading
import time
import tty

import world

NDJSON, SSE, TEXT, JSON = "application/x-ndjson", "text/event-stream", "text/plain", "application/json"
BAR_CELLS = " ▏▎▍▌▋▊▉█"


class Cut(Exception):
    """The connection ended where the answer did not."""


def frame(document, accept=NDJSON, version="1.1", headers=()):
    """A batch's request; `document` is a value, or the very bytes."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    lines = ["POST /v1/batch HTTP/" + version, "Host: test", "Content-Type: application/json",
             "Content-Length: %d" % len(body)]
    if accept is not None:
        lines.append("Accept: " + accept)
    lines += ["%s: %s" % h for h in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Wire:
    """One connection; what arrives is kept until somebody takes it. `receive` bounds what the kernel takes for us."""

    def __init__(self, port, receive=None):
        self.sock = socket.socket()
        self.sock.settimeout(world.WAIT)
        if receive:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.arrived = 0.0

    def fill(self, size=65536):
        data = self.sock.recv(size)
        self.arrived = time.monotonic()
        self.buffer += data
        return bool(data)

    def take_until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise Cut("after %r" % self.buffer[-200:])
        part, _, self.buffer = self.buffer.partition(mark)
        return part

    def take(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise Cut("after %r" % self.buffer[-200:])
        part, self.buffer = self.buffer[:count], self.buffer[count:]
        return part

    def take_head(self):
        """(status, fields) of a final answer."""
        while True:
            first, *lines = self.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(first.split(" ")[1])
            if status >= 200:
                return status, [tuple(p.strip() for p in line.split(":", 1)) for line in lines]

    def answer(self):
        """One answer of known size."""
        status, fields = self.take_head()
        answer = world.Answer(status, fields, b"")
        answer.body = self.take(int(answer.header("content-length")))
        return answer

    def send(self, data):
        self.sock.sendall(data)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def close(self):
        self.sock.close()

    def closed_by_peer(self, timeout=world.WAIT):
        """Nothing more came, and the connection ended."""
        data, closed = world.read_all(self.sock, timeout)
        return closed and not self.buffer + data

    def stream(self):
        return Stream(self)


class Stream:
    """The body of one streamed answer. `whole`: its framing said that it is over."""

    def __init__(self, wire):
        self.wire = wire
        self.status, self.headers = wire.take_head()
        self.chunked = self.header("transfer-encoding", "").lower() == "chunked"
        self.waiting = b""
        self.whole = False
        self.arrived = 0.0  # when the last line's last byte was here
        if self.status != 200 or self.header("content-length") is not None:
            raise AssertionError("no stream: %d %r" % (self.status, self.headers))

    header = world.Answer.header

    def part(self):
        """The next bytes as they came; b"" at the end."""
        if self.whole:
            return b""
        if not self.chunked:
            if not self.wire.buffer and not self.wire.fill():
                self.whole = True
            data, self.wire.buffer = self.wire.buffer, b""
            self.arrived = self.wire.arrived
            return data
        size = int(self.wire.take_until(b"\r\n").split(b";")[0], 16)
        data = self.wire.take(size)
        if self.wire.take(2) != b"\r\n":
            raise AssertionError("a chunk longer than it said, or trailers")
        self.arrived = self.wire.arrived
        self.whole = size == 0
        return data

    def line(self, mark=b"\n"):
        """The next line without its end, as soon as it is here; None at the end of the stream."""
        while mark not in self.waiting:
            data = self.part()
            if not data:
                if self.waiting:
                    raise AssertionError("the last line has no end: %r" % self.waiting[:300])
                return None
            self.waiting += data
        line, _, self.waiting = self.waiting.partition(mark)
        return line

    def lines(self):
        return list(iter(self.line, None))

    def value(self):
        line = self.line()
        return None if line is None else json.loads(line)

    def values(self):
        return list(iter(self.value, None))

    def event(self):
        """The next server-sent event or comment, as its fields."""
        text = self.line(b"\n\n")
        if text is None:
            return None
        fields = {}
        for line in text.decode().split("\n"):
            name, _, value = line.partition(":")
            if name in fields:
                raise AssertionError("two fields of one name: %r" % text)
            fields[name] = value.removeprefix(" ")
        return fields

    def rest(self):
        data, self.waiting = self.waiting, b""
        return data + b"".join(iter(self.part, b""))

    def silent(self, seconds):
        """Nothing arrives for so long."""
        if self.waiting or self.wire.buffer:
            return False
        self.wire.sock.settimeout(seconds)
        try:
            self.wire.fill()
            return False
        except socket.timeout:
            return True
        finally:
            self.wire.sock.settimeout(world.WAIT)


def check_values(values, count):
    """What holds for every whole NDJSON stream: a document's results once each, then its summary. Gives the document."""
    if not values or set(values[-1]) != {"summary"}:
        raise AssertionError("the last line is not the summary: %r" % values[-1:])
    results = [v for v in values[:-1] if set(v) != {"progress"}]
    order = collections.Counter(r.get("index") for r in results)
    if sorted(order) != list(range(count)) or len(results) != count:
        raise AssertionError("not each index once: %r" % [i for i in range(count) if order[i] != 1][:20])
    document = {"results": sorted(results, key=lambda r: r["index"]), "summary": values[-1]["summary"]}
    world.check_document(document, count)
    return document


def exact(line):
    """A JSON value with everything its text says: digits as written, members in their order and number."""
    return json.loads(line, parse_int=lambda t: ("number", t), parse_float=lambda t: ("number", t),
                      object_pairs_hook=lambda pairs: ("object", pairs))


class Case(world.Case):
    """world.Case with streams; every connection is closed at the test's end."""

    def wire(self, server=None, port=None, receive=None):
        wire = Wire(port or (server or self.server).port, receive)
        self.addCleanup(wire.close)
        return wire

    def stream(self, items, options=None, accept=NDJSON, server=None, port=None, receive=None, **members):
        """Posts a batch and gives its answer as soon as that begins."""
        wire = self.wire(server, port, receive)
        wire.send(frame({"items": items, "options": options or {}, **members}, accept))
        return wire.stream()

    def whole(self, stream, count):
        """Reads to the end; the document that the stream's results and summary make."""
        document = check_values(stream.values(), count)
        self.assertTrue(stream.whole)
        return document

    def gates(self, count, prefix="g", **members):
        return [{"id": n, "url": self.fault.url("/gate", key="%s%d" % (prefix, n)), **members} for n in range(count)]

    def idle(self, server=None, bytes_left=True):
        """Everything that was held has been given back."""
        def check():
            metrics = (server or self.server).metrics()
            names = ["batchgate_in_flight", "batchgate_queued"] + ["batchgate_memory_bytes"] * bytes_left
            return not any(metrics.total(name) for name in names)
        world.wait_for("nothing in flight, queued or held", check)


# --- curl, and the screen it writes to ------------------------------------------------------------------------------

class Curl:
    """`curl -N` with a batch, its output to a pipe or to a terminal, and when each piece of it came."""

    def __init__(self, port, document, accept=TEXT, terminal=False, args=()):
        argv = [world.need("curl"), "-q", "-sS", "-N", "--noproxy", "*", "--max-time", str(world.WAIT), "--json", json.dumps(document)]
        argv += ["-H", "Accept: " + accept] if accept else []
        self.pieces, master = [], None
        if terminal:
            master, slave = pty.openpty()
            tty.setraw(slave)  # what curl writes, not what the terminal makes of its line ends
        self.child = subprocess.Popen([*argv, *args, "http://127.0.0.1:%d/v1/batch" % port], stdin=subprocess.DEVNULL,
                                      stdout=slave if terminal else subprocess.PIPE, stderr=subprocess.PIPE)
        if terminal:
            os.close(slave)
        self.source = master if terminal else self.child.stdout.fileno()
        self.terminal = terminal
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            try:
                data = os.read(self.source, 65536)
            except OSError:  # a terminal whose other side is closed
                return
            if not data:
                return
            self.pieces.append((time.monotonic(), data))

    def text(self):
        """What has come so far."""
        return b"".join(data for _, data in self.pieces).decode("utf-8", "replace")

    def end(self, code=0):
        """Waits for curl; everything it wrote, which must be UTF-8."""
        err = self.child.stderr.read()
        found = self.child.wait(world.WAIT)
        self.reader.join(world.WAIT)
        self.close()
        if found != code:
            raise AssertionError("curl ended with %d: %r" % (found, err))
        return b"".join(data for _, data in self.pieces).decode("utf-8")

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.reader.join(world.WAIT)
        self.close()

    def close(self):
        self.child.stderr.close()
        if self.terminal and self.source is not None:
            os.close(self.source)
        elif not self.terminal:
            self.child.stdout.close()
        self.source = None


def screen(text):
    """The lines a terminal shows after `text`; refuses what could do more than write, return and erase to the end."""
    lines, column, at = [[]], 0, 0
    while at < len(text):
        c = text[at]
        if text.startswith("\x1b[K", at):
            del lines[-1][column:]
            at += 3
            continue
        if c == "\r":
            column = 0
        elif c == "\n":
            lines.append([])
            column = 0
        elif ord(c) < 32 or 127 <= ord(c) < 160:
            raise AssertionError("%r reaches the terminal: %r" % (c, text[max(0, at - 60):at + 60]))
        else:
            lines[-1][column:column + 1] = [c]
            column += 1
        at += 1
    return ["".join(line).rstrip() for line in lines]
