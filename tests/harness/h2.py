"""h2 - an HTTP/2 server that does what a test says, down to the frame: h2c, or TLS with ALPN.

A stream that is complete is given to the script, on the connection's thread: script(conn, stream), with stream.id and
stream.body. Header blocks of requests are passed over: a test tells its calls apart by their bodies. conn.answer, conn.rst,
conn.goaway, conn.close may be called then or later, from any thread. Only frames that are asked for are sent.
"""
import contextlib
import json
import socket
import ssl
import struct
import threading

import peers
import world

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL = 0, 1, 2, 7, 8


def integer(value, bits, first):
    """HPACK's integer (RFC 7541 section 5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + [value])


def literal(name, value):
    """A field without indexing and without Huffman's code."""
    name, value = name.encode("latin-1"), value.encode("latin-1")
    return b"\0" + integer(len(name), 7, 0) + name + integer(len(value), 7, 0) + value


def fields(status, headers=()):
    return literal(":status", str(status)) + b"".join(literal(n, v) for n, v in headers)


class Stream:
    def __init__(self, number):
        self.id, self.body = number, b""

    def json(self):
        return json.loads(self.body or b"null")


class Conn:
    def __init__(self, sock, server, index):
        self.sock, self.server, self.index = sock, server, index
        self.lock = threading.Lock()
        self.streams, self.complete = {}, []
        self.resets = []  # (stream, code) that the peer sent
        self.goaways = []
        self.over, self.last = False, 0  # the script's
        self.grants = True  # as much window as was used
        self.ended = False  # our side has: what still comes is read, and passed over
        self.closed = threading.Event()

    # to the peer
    def raw(self, data):
        with self.lock, contextlib.suppress(OSError):
            self.sock.sendall(data)

    @staticmethod
    def frame(kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def send(self, kind, flags=0, stream=0, payload=b""):
        self.raw(self.frame(kind, flags, stream, payload))

    def headers(self, stream, status, headers=(), end=False):
        self.send(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, fields(status, headers))

    def data(self, stream, body, end=True):
        parts = [body[i:i + 16384] for i in range(0, len(body), 16384)] or [b""]
        for i, part in enumerate(parts):
            self.send(DATA, END_STREAM if end and i == len(parts) - 1 else 0, stream, part)

    def answer(self, stream, body=b"ok", status=200, headers=()):
        self.headers(stream, status, headers)
        self.data(stream, body)

    def rst(self, stream, code):
        self.send(RST_STREAM, 0, stream, struct.pack(">I", code))

    def goaway(self, last, code=NO_ERROR):
        self.send(GOAWAY, 0, 0, struct.pack(">II", last, code))

    def close(self, reset=False):
        """The TCP connection's end, without a frame, behind all that was sent. We go on reading: where something comes for one
        who reads no more, the kernel resets the connection, and the peer loses what it has not read yet."""
        with self.lock, contextlib.suppress(OSError):
            self.ended = True
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.sock.close()
            else:
                self.sock.shutdown(socket.SHUT_WR)

    @contextlib.contextmanager
    def at_once(self):
        """What is sent here goes out in one piece, and the connection's end with it: nobody can act on the one before the other."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        yield
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    def drop(self):
        """The end of both ways at once; also for one who is in the middle of sending, and holds the lock."""
        self.ended = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    # from the peer
    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.sock.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def run(self):
        try:
            if self.read(len(PREFACE)) != PREFACE:
                return
            self.server.begin(self)
            while not self.ended:
                head = self.read(9)
                payload = self.read(int.from_bytes(head[:3], "big"))
                if not self.ended:
                    self.frame_in(head[3], head[4], struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF, payload)
            while self.sock.recv(65536):
                pass
        except (OSError, EOFError, ValueError):
            pass
        finally:
            self.closed.set()
            with contextlib.suppress(OSError):
                self.sock.close()

    def frame_in(self, kind, flags, number, payload):
        if kind == SETTINGS and not flags & ACK:
            self.send(SETTINGS, ACK)
        elif kind == PING and not flags & ACK:
            self.send(PING, ACK, 0, payload)
        elif kind == HEADERS:
            self.streams[number] = Stream(number)
        elif kind == DATA:
            self.streams[number].body += payload
            if payload and self.grants:
                for stream in (0, number):
                    self.send(WINDOW_UPDATE, 0, stream, struct.pack(">I", len(payload)))
        elif kind == RST_STREAM:
            self.resets.append((number, struct.unpack(">I", payload)[0]))
        elif kind == GOAWAY:
            self.goaways.append(payload)
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.complete.append(self.streams[number])
            self.server.taken(self, self.streams[number])


class Server:
    """script(conn, stream) for each stream; greeting(conn) before the first, SETTINGS unless a test says otherwise."""

    def __init__(self, script, tls=None, settings=(), greeting=None):
        self.script, self.settings = script, settings
        self.greeting = greeting or (lambda conn: conn.send(SETTINGS, 0, 0, b"".join(
            struct.pack(">HI", name, value) for name, value in self.settings)))
        self.lock = threading.Lock()
        self.conns, self.bodies, self.errors = [], [], []
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
            self.context.set_alpn_protocols(["h2"])
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        world.serve_each(self.listener, self.serve)

    def url(self, path="/"):
        return "%s://127.0.0.1:%d%s" % ("https" if self.context else "http", self.port, path)

    def serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context:
            raw = sock.dup()  # what is left to read when TLS has failed: else the alert is lost to a reset
            try:
                sock = self.context.wrap_socket(sock, server_side=True)
            except (OSError, ValueError):
                with contextlib.suppress(OSError):
                    raw.shutdown(socket.SHUT_WR)
                    while raw.recv(65536):
                        pass
                raw.close()
                sock.close()
                return
            raw.close()
        with self.lock:
            conn = Conn(sock, self, len(self.conns))
            self.conns.append(conn)
        conn.run()

    def begin(self, conn):
        self.greeting(conn)

    def taken(self, conn, stream):
        with self.lock:
            self.bodies.append(stream.body)
        try:
            self.script(conn, stream)
        except Exception as error:  # told by check(), where the test looks
            self.errors.append(error)

    def check(self):
        if self.errors:
            raise AssertionError("the script failed: %r" % self.errors)

    def stop(self):
        self.listener.close()
        for conn in self.conns:
            conn.drop()
        self.check()


class Case(world.Case):
    """h2c for plain http, ALPN over TLS; one worker, so that connections can be counted."""
    threads = 1

    @classmethod
    def class_config(cls):
        cls.authority = peers.Authority(cls.folder)
        cls.tls_files = cls.authority.issue("upstream")
        return cls.config_with()

    @classmethod
    def config_with(cls, **rule):
        return {"pool": {"threads": cls.threads},
                "upstreams": [{"match": "127.0.0.1", "http2": "h2c", "ca_file": cls.authority.ca, **rule}]}

    def peer(self, process):
        self.addCleanup(process.kill)
        return process

    def scripted(self, script, **options):
        server = Server(script, **options)
        self.addCleanup(server.stop)
        return server

    def both(self, script, **options):
        """The scripted server in plain text and over TLS."""
        return [self.scripted(script, tls=tls, **options) for tls in (None, self.tls_files)]
