"""varying - what differs from run to run, by its form, and the comparison of a block with what really came.

Each rule names one kind of thing and replaces it, where it has its form, on both sides. What has not that form stays and must be
equal: a duration that became a word, an id that is missing, is found."""
import re

MEASURED = "duration_ms queue_ms dns_ms connect_ms tls_ms first_byte_ms wait_ms elapsed_ms eta_ms open_ms uptime_ms".split()
RULES = [
    ("a time", r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "<time>"),
    ("a date of HTTP", r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", "<date>"),
    ("a hash", r"\b[0-9a-f]{64}\b", "<sha256>"),
    ("an id, a tag", r"\b[0-9a-f]{32}\b", "<id>"),
    ("a key", r"\bbg_[A-Za-z0-9_-]{20,}", "<key>"),
    ("a measured time", r'"(%s)": ?\d+(?:\.\d+)?' % "|".join(MEASURED), r'"\1":<ms>'),
    ("a duration", r"(?<=\()\d+\.\d\d(?= s\))|(?<= in )\d+\.\d\d(?= s\b)", "<s>"),
    ("a rate", r"\b\d+(?:\.\d+)?(?= items/s)", "<rate>"),
    ("a bar's clock", r"\[\d\d:\d\d<\d\d:\d\d, ", "[<clock>, "),
    ("the version", r"(?<=batchgate[/ ])\d+\.\d+\.\d+\b", "<version>"),
    ("the version in JSON", r'(?<="version":)( ?)"\d+\.\d+\.\d+"', r'\1"<version>"'),
    ("a process", r'"pid": ?\d+', '"pid":<pid>'),
    ("what bash says of a job that was ended", r"(?m)^.*: line \d+: +\d+ (?:Terminated|Killed|Hangup)\b.*\n?", ""),
]


def terminal(text):
    """What is left on the screen in the end."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            part, cleared = re.subn(r"\x1b\[[0-9]*K", "", part)
            part = re.sub(r"\x1b\[[0-9;]*m", "", part)
            shown = part if cleared else part + shown[len(part):]
        lines.append(shown.rstrip())
    return "\n".join(lines)


def normal(text):
    for _, form, stand_in in RULES:
        text = re.sub(form, stand_in, text)
    return text.strip("\n")


def tight(text):
    """JSON without the blanks between its tokens."""
    return re.sub(r'("(?:\\.|[^"\\])*")|\s+', lambda match: match.group(1) or "", text)


def pattern(text):
    return re.compile(".*?".join(re.escape(part) for part in text.split("…")), re.S)


def same_line(want, have):
    return pattern(want).fullmatch(have) is not None


def any_order(want, have):
    left = list(have)
    for line in sorted(want, key=lambda text: "…" in text):
        found = next((one for one in left if same_line(line, one)), None)
        if found is None:
            return False
        left.remove(found)
    return not left


def in_turn(want, have):
    left = iter(have)
    return all(any(same_line(line, one) for one in left) for line in want)


def fault(kind, want, have, order=False, some=False):
    """None where what came is what the page shows; else both, for a person."""
    want, have = normal(want), normal(terminal(have))
    if order or some:
        match = any_order if order else in_turn
        good = match([line.rstrip() for line in want.split("\n")], have.split("\n"))
    elif kind == "json":
        good = same_line(tight(want), tight(have))
    else:
        lines, came = [line.rstrip() for line in want.split("\n")], have.split("\n")
        good = len(lines) == len(came) and all(map(same_line, lines, came))
    return None if good else "the page shows\n%s\n--- what came\n%s\n---" % (want, have)
