"""hostile - the rows of tests/data/hostile.tsv, their escapes undone. Each row: text as written, text and bytes meant."""
import collections
import os
import re

import world

PATH = os.path.join(world.ROOT, "tests", "data", "hostile.tsv")
Row = collections.namedtuple("Row", "text value data kind expected why")
ESCAPE = re.compile(r"\\(\\|r|n|t|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")


def undo(text):
    """(str, bytes): \\xHH is a byte there and a code point here; the rest is the same in both."""
    plain = {"\\": "\\", "r": "\r", "n": "\n", "t": "\t"}

    def as_text(match):
        code = match.group(1)
        return plain[code] if code in plain else chr(int(code[1:], 16))

    out, at = b"", 0
    for match in ESCAPE.finditer(text):
        out += text[at:match.start()].encode()
        code = match.group(1)
        out += bytes([int(code[1:], 16)]) if code[0] == "x" else as_text(match).encode()
        at = match.end()
    return ESCAPE.sub(as_text, text), out + text[at:].encode()


def rows(kind=None):
    found = []
    with open(PATH, encoding="utf-8", newline="\n") as source:
        for line in source:
            line = line.rstrip("\n")
            if line.startswith("# url\t") or line.startswith("# Escapes") or not line:
                continue
            text, row_kind, expected, why = line.split("\t")
            if kind in (None, row_kind):
                found.append(Row(text, *undo(text), row_kind, expected, why))
    if not found:
        raise AssertionError("no rows of kind %s in %s" % (kind, PATH))
    return found
