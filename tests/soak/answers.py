"""answers - what an upstream says for an item, made of the seed alone: upstream and checker both know it without talking."""
import hashlib
import json
import random

KINDS = ("json", "text", "binary")


def sha(data):
    return hashlib.sha1(data).hexdigest()


def same_json(data):
    """The hash of a JSON text's value: for what a template has rendered anew."""
    return sha(json.dumps(json.loads(data), sort_keys=True).encode())


def chance(*names):
    """A source of randomness that these names alone decide."""
    return random.Random("/".join(map(str, names)))


def size_of(rng):
    return rng.choice((0, 10, 100, 100, 1000, 3000)) if rng.random() < 0.97 else rng.randrange(20000, 120000)


def pad(rng, size):
    return "".join(rng.choices("abc \"\\/\u00e9\u4e2d\U0001f600\t", k=min(size, 60))) + "x" * max(0, size - 60)


def good(seed, tag, hit, kind):
    """(Content-Type, body) of a success."""
    rng = chance(seed, "answer", tag, hit)
    if kind == "endpoint":
        value = {"tag": tag, "hit": hit, "pad": pad(rng, size_of(rng))}
        return "application/json", json.dumps(value).encode()
    kind = kind if kind in KINDS else rng.choice(KINDS)
    text = pad(rng, size_of(rng))
    if kind == "json":  # digits and escapes that a reader would spell in another way
        return "application/json", ('{"tag":"%s", "n":%d.00, "big":123456789012345678901234567890,"pad" : %s}'
                                    % (tag, hit, json.dumps(text, ensure_ascii=hit % 2 == 0))).encode()
    if kind == "text":
        return "text/plain; charset=utf-8", ("%s %d %s" % (tag, hit, text)).encode()
    return "application/octet-stream", b"\xff\x00" + tag.encode() + text.encode("utf-16")
