#!/usr/bin/python3
"""upstream - a server that misbehaves at random, but by a seed, and keeps a record of every request it sees.

What happens to a request follows from the seed, the item's tag (the path's last segment) and how often that item has come. Each
request is one JSON line of --record, written when it is over:
  up, tag, hit (from 1), conn, method, path, key (Idempotency-Key), sha (of the body), start, end (monotonic; `end` is before the
  last byte goes out), what, status, out (hash of the body answered), wait (seconds that Retry-After asks for),
  fate: answer (whole and well-formed), cut (we broke it), left (the peer went first).
So is each time in which it refused: {"up": its name, "away": [from, to]}.
Prints its port as JSON and serves until stdin closes.
"""
import argparse
import asyncio
import gzip
import json
import socket
import struct
import sys
import time

import answers

MANNERS = {  # weights
    "fine": 52, "slow": 8, "chunked": 4, "gzip": 4, "last": 4, "500": 3, "404": 2, "503": 4, "429": 4, "reset": 3, "close": 2, "unread": 2,
    "short": 2, "shortchunk": 1, "torn": 2, "drip": 2, "stall": 1, "garbage": 1,
}
AFTER = {"stay": 94, "leave": 4, "die": 2}  # what becomes of a connection after a whole answer
AWAY = (5.0, 12.0, 0.2, 0.9)  # it is there for 5 to 12 s, then refuses for 0.2 to 0.9 s
ILL = (1.5, 3.0, 1.5, 3.0)  # it is well for 1.5 to 3 s, then answers nothing but 503 for as long
WAITS = {"slow": (0.3, 1.5), "ill": (0.3, 0.5)}  # before it answers; failures so late that no success is under way any more


def pick(rng, weights):
    return rng.choices(list(weights), list(weights.values()))[0]


class Left(Exception):
    """The peer went."""


class Upstream:
    def __init__(self, args):
        self.args = args
        self.hits, self.conns, self.open, self.ill = {}, 0, set(), False
        self.out = open(args.record, "w", encoding="ascii")

    def keep(self, record):
        self.out.write(json.dumps(record) + "\n")

    async def connection(self, reader, writer):
        self.conns += 1
        task = asyncio.current_task()
        self.open.add(task)
        try:
            conn = Connection(self, reader, writer, self.conns)
            while await conn.request():
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, Left):
            pass
        finally:
            self.open.discard(task)
            writer.close()

    async def listen(self, port):
        return await asyncio.start_server(self.connection, "127.0.0.1", port, limit=1 << 20, backlog=512)

    async def serve(self):
        server = await self.listen(self.args.port)
        port = server.sockets[0].getsockname()[1]
        print(json.dumps({"http": port}), flush=True)
        done = asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
        rng = answers.chance(self.args.seed, self.args.name, "away")
        while self.args.away and not await self.over(done, rng.uniform(*AWAY[:2])):
            since = time.monotonic()
            server.close()
            await self.over(done, rng.uniform(*AWAY[2:]))
            server = await self.listen(port)
            self.keep({"up": self.args.name, "away": [since, time.monotonic()]})
        while self.args.ill and not await self.over(done, rng.uniform(*ILL[:2])):
            self.ill = True
            await self.over(done, rng.uniform(*ILL[2:]))
            self.ill = False
        await done
        server.close()
        for task in list(self.open):
            task.cancel()
        await asyncio.gather(*self.open, return_exceptions=True)
        self.out.close()

    @staticmethod
    async def over(done, seconds):
        return bool((await asyncio.wait([done], timeout=seconds))[0])


class Connection:
    def __init__(self, upstream, reader, writer, number):
        self.upstream, self.reader, self.writer, self.number = upstream, reader, writer, number
        self.dying = False
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def reset(self):
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise Left

    async def head(self):
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in text[1:] if line)}
        return (*text[0].split(" ")[:2], fields)

    async def request(self):
        """One request, read and dealt with; whether the connection goes on."""
        if self.dying:  # whatever comes next is not even read
            if await self.reader.read(1):
                self.reset()
            return False
        method, path, fields = await self.head()
        tag = path.rpartition("/")[2]
        up = self.upstream
        hit = up.hits[tag] = up.hits.get(tag, 0) + 1
        record = {"up": up.args.name, "tag": tag, "hit": hit, "conn": self.number, "method": method, "path": path,
                  "key": fields.get("idempotency-key"), "sha": None, "start": time.monotonic(), "end": None, "what": None,
                  "status": None, "out": None, "wait": 0, "fate": "left"}
        rng = answers.chance(up.args.seed, up.args.name, tag, hit)
        record["what"] = what = "ill" if up.ill else pick(rng, up.args.manners if hit == 1 else up.args.later or up.args.manners)
        try:
            size = int(fields.get("content-length", "0"))
            if what == "unread" and size == 0:
                record["what"] = what = "reset"
            if what != "unread":
                body = await self.reader.readexactly(size)
                record["sha"] = answers.same_json(body) if path.startswith("/e/") else answers.sha(body)
            return await self.behave(record, rng)
        finally:
            record["end"] = record["end"] or time.monotonic()
            up.keep(record)

    async def wait(self, seconds):
        """Waits, unless the peer goes first."""
        gone = asyncio.ensure_future(self.reader.read(1))
        try:
            done, _ = await asyncio.wait([gone], timeout=seconds)
            if done:
                raise Left
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def send(self, data, record=None, fate=None):
        """Writes; with a fate, this was the last of it."""
        if fate:
            record["end"], record["fate"] = time.monotonic(), fate
        self.writer.write(data)
        await self.writer.drain()

    async def behave(self, record, rng):
        what = record["what"]
        if what == "unread":  # its body lies there
            await asyncio.sleep(0.005)
            record["end"], record["fate"] = time.monotonic(), "cut"
            self.reset()
        await self.wait(rng.uniform(*WAITS[what]) if what in WAITS else rng.choice((0.002, 0.01, 0.03, 0.06)))
        if what == "stall":
            await self.wait(60)
        if what == "reset":
            record["end"], record["fate"] = time.monotonic(), "cut"
            self.reset()
        if what == "close":
            record["end"], record["fate"] = time.monotonic(), "cut"
            return False
        if what == "garbage":
            await self.send(b"\x00\x01 this is not HTTP\r\n\r\n", record, "cut")
            return False
        return await self.answer(record, rng)

    def body(self, record, rng):
        """(status, fields, body) of what will be said."""
        what, fields = record["what"], []
        if what in ("500", "404", "503", "429", "ill"):
            if what in ("503", "429"):
                name, value, record["wait"] = rng.choice((("Retry-After", "1", 1), ("retry-after-ms", "200", 0.2), ("Retry-After", "0", 0)))
                fields.append((name, value))
            kind, body = "text/plain", ("%s for %s, %d" % (what, record["tag"], record["hit"])).encode()
            return 503 if what == "ill" else int(what), [("Content-Type", kind), *fields], body
        kind = "endpoint" if record["path"].startswith("/e/") else None
        kind, body = answers.good(self.upstream.args.seed, record["tag"], record["hit"], kind)
        return 200, [("Content-Type", kind)], body

    async def answer(self, record, rng):
        what = record["what"]
        status, fields, body = self.body(record, rng)
        shown = b"" if record["method"] == "HEAD" else body
        made = status == 200 and record["path"].startswith("/e/")
        record["status"], record["out"] = status, (answers.same_json if made else answers.sha)(shown)
        wire = shown
        if what == "gzip":
            wire = gzip.compress(shown) if shown else b""
            fields.append(("Content-Encoding", "gzip"))
        chunked = what in ("chunked", "shortchunk")
        after = pick(rng, AFTER)
        if what == "last":
            fields.append(("Connection", "close"))
        short = what in ("short", "torn") and wire
        fields.append(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(wire) + 10 * bool(short))))
        head = ("HTTP/1.1 %d Said\r\n" % status + "".join("%s: %s\r\n" % f for f in fields) + "\r\n").encode()
        if record["method"] == "HEAD":
            await self.send(head, record, "answer")
            return what != "last"
        if what == "drip" and wire:
            await self.send(head)
            for at in range(0, max(1, len(wire) - 1), max(1, len(wire) // 8)):
                await self.send(wire[at:min(at + max(1, len(wire) // 8), len(wire) - 1)])
                await self.wait(rng.uniform(0.05, 0.3))
            await self.send(wire[-1:], record, "answer")
        elif chunked:
            whole = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (wire[:50], wire[50:]) if p)
            await self.send(head + whole + (b"" if what == "shortchunk" else b"0\r\n\r\n"), record, "cut" if what == "shortchunk" else "answer")
        else:
            await self.send(head + wire, record, "cut" if short else "answer")
            if what == "torn" and short:
                await asyncio.sleep(0.02)
                self.reset()
        if what in ("last", "short", "shortchunk") or what == "torn":
            return False
        if after == "leave":
            await asyncio.sleep(rng.uniform(0, 0.05))
            return False
        self.dying = after == "die"
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--away", action="store_true", help="refuse to accept for a while, now and then")
    parser.add_argument("--ill", action="store_true", help="answer nothing but 503 for a while, now and then")
    parser.add_argument("--manners", type=json.loads, default=MANNERS, help="JSON: manner -> weight")
    parser.add_argument("--later", type=json.loads, help="the same, for items that come again")
    asyncio.run(Upstream(parser.parse_args()).serve())


if __name__ == "__main__":
    main()
