"""http_client - HTTP as a test speaks it: whole requests, and answers read off a socket."""
import contextlib
import http.client
import json
import re
import socket

from process import WAIT


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name, default=None):
        return next((v for n, v in self.headers if n.lower() == name.lower()), default)

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "Answer(%d, %r)" % (self.status, self.body[:600])


def request(port, method, path, body=None, headers=(), timeout=WAIT * 2, host="127.0.0.1"):
    """One request on a connection of its own. `headers` is a dict or a list of pairs."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    conn = http.client.HTTPConnection(host, port, timeout=timeout)
    with contextlib.closing(conn):
        conn.putrequest(method, path, skip_accept_encoding=True, skip_host=any(n.lower() == "host" for n, _ in pairs))
        names = [n.lower() for n, _ in pairs]
        if body is not None and "content-length" not in names and "transfer-encoding" not in names:
            conn.putheader("Content-Length", str(len(body)))
        for name, value in pairs:
            conn.putheader(name, value)
        conn.endheaders(body)
        reply = conn.getresponse()
        return Answer(reply.status, reply.getheaders(), reply.read())


def parse_answers(data):
    """Every complete HTTP answer in `data`, and what is left."""
    found = []
    while b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        match = re.match(r"HTTP/1\.[01] (\d{3})", lines[0])
        if not match:
            break
        headers = [tuple(p.strip() for p in line.split(":", 1)) for line in lines[1:]]
        answer = Answer(int(match.group(1)), headers, b"")
        if answer.status >= 200:
            size = int(answer.header("content-length", "0"))
            if len(rest) < size:
                break
            answer.body, rest = rest[:size], rest[size:]
        found.append(answer)
        data = rest
    return found, data


def read_all(sock, timeout=WAIT):
    """What arrives until the peer closes. (bytes, closed)"""
    sock.settimeout(timeout)
    data = b""
    try:
        while True:
            part = sock.recv(65536)
            if not part:
                return data, True
            data += part
    except ConnectionResetError:
        return data, True
    except socket.timeout:
        return data, False


def read_answer(sock, timeout=WAIT):
    """One final answer from a socket (interim ones are passed over)."""
    sock.settimeout(timeout)
    data = b""
    while True:
        found, _ = parse_answers(data)
        final = [a for a in found if a.status >= 200]
        if final:
            return final[0]
        part = sock.recv(65536)
        if not part:
            raise AssertionError("closed before an answer: %r" % data[:300])
        data += part


def frame(method, path, body=b"", headers=()):
    """A request's bytes, written plainly."""
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: test"]
    lines += ["%s: %s" % h for h in headers]
    if body or method == "POST":
        lines.append("Content-Length: %d" % len(body))
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
