#!/usr/bin/python3
"""dnsd - a name server for tests: A, AAAA and CNAME from a table, and the ways a name server can fail.

The zone is JSON: name -> {"A": [...], "AAAA": [...], "CNAME": name, "rcode": "NXDOMAIN" | "SERVFAIL" | "REFUSED", "drop": true,
"ttl": 60, "turns": [entry, entry, ...]}: each question of a type takes the next turn, and the last one stays. A name that is
not in the zone is NXDOMAIN. UDP and TCP on the same port; UDP answers past 512 bytes are truncated and asked again by TCP.
Every question is a line "name type transport" in --log. Prints its port and serves until its stdin closes.
"""
import argparse
import ipaddress
import json
import socket
import struct
import sys
import threading

TYPES = {1: "A", 28: "AAAA", 5: "CNAME"}
RCODES = {"NOERROR": 0, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}
UDP_MAX = 512


def pack_name(name):
    labels = [p.encode("ascii") for p in name.rstrip(".").split(".") if p]
    return b"".join(bytes([len(p)]) + p for p in labels) + b"\0"


def read_question(packet):
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
        at += 1 + packet[at]
    kind = struct.unpack("!H", packet[at + 1:at + 3])[0]
    return ".".join(labels).lower(), kind, packet[12:at + 5]


class Zone:
    def __init__(self, table, log):
        self.table, self.log = table, log
        self.lock = threading.Lock()
        self.asked = {}

    def entry(self, name, kind):
        entry = self.table.get(name, self.table.get("*", {"rcode": "NXDOMAIN"}))
        if "turns" in entry:
            with self.lock:
                turn = self.asked.get((name, kind), 0)
                self.asked[(name, kind)] = turn + 1
            entry = {**entry, **entry["turns"][min(turn, len(entry["turns"]) - 1)]}
        return entry

    def note(self, name, kind, transport):
        with self.lock, open(self.log, "a", encoding="latin-1") as out:
            out.write("%s %s %s\n" % (name, TYPES.get(kind, kind), transport))

    def records(self, name, kind, depth=0):
        """Answer records for a name, CNAMEs followed inside the zone. None: no answer at all."""
        entry = self.entry(name, kind)
        if entry.get("drop"):
            return None, 0
        ttl = entry.get("ttl", 60)
        if "CNAME" in entry and depth < 8:
            target = entry["CNAME"]
            data = pack_name(target)
            found = [pack_name(name) + struct.pack("!HHIH", 5, 1, ttl, len(data)) + data]
            more, rcode = self.records(target, kind, depth + 1) if target in self.table else ([], 0)
            return found + (more or []), rcode
        rcode = RCODES[entry.get("rcode", "NOERROR")]
        found = []
        for text in entry.get(TYPES.get(kind, ""), []):
            data = ipaddress.ip_address(text).packed
            found.append(pack_name(name) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data)
        return found, rcode

    def answer(self, packet, transport):
        name, kind, question = read_question(packet)
        self.note(name, kind, transport)
        records, rcode = self.records(name, kind)
        if records is None:
            return None
        body = question + b"".join(records)
        count, flags = len(records), 0x8580 | rcode
        if transport == "udp" and 12 + len(body) > UDP_MAX:
            body, count, flags = question, 0, flags | 0x0200
        return packet[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + body


def serve_udp(sock, zone):
    while True:
        packet, peer = sock.recvfrom(4096)
        try:
            reply = zone.answer(packet, "udp")
        except (IndexError, struct.error):
            continue
        if reply:
            sock.sendto(reply, peer)


def serve_tcp(listener, zone):
    def serve(sock):
        with sock, sock.makefile("rb") as source:
            while True:
                head = source.read(2)
                if len(head) < 2:
                    return
                reply = zone.answer(source.read(struct.unpack("!H", head)[0]), "tcp")
                if reply:
                    sock.sendall(struct.pack("!H", len(reply)) + reply)

    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--zone", required=True, help="a JSON file")
    parser.add_argument("--log", required=True)
    args = parser.parse_args()
    with open(args.zone, encoding="utf-8") as source:
        zone = Zone(json.load(source), args.log)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((args.host, args.port))
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind((args.host, udp.getsockname()[1]))
    tcp.listen(64)
    threading.Thread(target=serve_udp, args=(udp, zone), daemon=True).start()
    threading.Thread(target=serve_tcp, args=(tcp, zone), daemon=True).start()
    print(json.dumps({"port": udp.getsockname()[1]}), flush=True)
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
