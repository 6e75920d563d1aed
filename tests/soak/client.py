"""client - posts one batch and writes down what came back, in the form that the checker reads."""
import base64
import http.client
import json
import re
import socket
import time

import answers

ACCEPT = {"sync": "application/json", "completion": "application/x-ndjson", "input": "application/x-ndjson", "leave_stream": "application/x-ndjson",
          "sse": "text/event-stream", "leave": "application/json", "half": "application/json"}
WAIT = 180
DECODER = json.JSONDecoder()


class Wrong(Exception):
    """An answer that no rule of the checker could even be asked about."""


def raw_body(text):
    """The bytes of `body` as they stand in a result's text."""
    at = text.index(',"body":') + len(',"body":')
    _, end = DECODER.raw_decode(text, at)
    return text[at:end]


def out_of(value, text):
    """The hash of the upstream's body, as the result has it."""
    encoding = value.get("body_encoding")
    if encoding is None:
        return answers.sha(b"")
    if encoding == "json":
        return answers.sha(raw_body(text).encode())
    return answers.sha(base64.b64decode(value["body"]) if encoding == "base64" else value["body"].encode())


def result_of(text, endpoint):
    """A result object's text, boiled down."""
    value = json.loads(text)
    error = value["error"] or {}
    made = value.get("result") if endpoint else None
    out = out_of(value, text) if not endpoint else None
    if made and "got" in made:
        out = answers.same_json(json.dumps(made["got"]).encode())
    return {"index": value["index"], "id": value["id"], "success": value["success"], "status": value["status"], "code": error.get("code"),
            "reason": error.get("reason"), "message": error.get("message"), "sent": error.get("sent", value["success"]), "attempts": value["attempts"],
            "duration_ms": value["duration_ms"], "queue_ms": value["timing"]["queue_ms"], "out": out, "version": (made or {}).get("version"),
            "fallback_used": value.get("fallback_used")}


def results_in(text, endpoint):
    """The results of a whole document, each from its own text."""
    at, found = text.index("[", text.index('"results"')) + 1, []
    while True:
        at = re.compile(r"[\s,]*").match(text, at).end()
        if text[at] == "]":
            return found
        _, end = DECODER.raw_decode(text, at)
        found.append(result_of(text[at:end], endpoint))
        at = end


class Post:
    def __init__(self, port, key, document, facts):
        self.port, self.key, self.document, self.facts = port, key, document, facts
        facts.update(status=None, whole=False, gone=False, results=[], summary=None, posted=None, ended=None)

    def run(self):
        """Everything that happened, as the facts of the batch."""
        facts = self.facts
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        facts["posted"] = time.monotonic()
        try:
            path = "/v1/batch" + ("/" + facts["endpoint"] if facts["endpoint"] else "")
            conn.request("POST", path, json.dumps(self.document).encode(), {
                "Content-Type": "application/json", "Accept": ACCEPT[facts["shape"]], "Authorization": "Bearer " + self.key})
            self.read(conn)
        finally:
            conn.close()
            facts["ended"] = time.monotonic()
        return facts

    def read(self, conn):
        facts = self.facts
        if facts["shape"] == "leave":
            time.sleep(facts["patience"])
            facts["gone"] = True
            return
        if facts["shape"] == "half":
            time.sleep(facts["patience"])
            conn.sock.shutdown(socket.SHUT_WR)
        reply = conn.getresponse()
        facts["status"] = reply.status
        if reply.status != 200:
            facts["problem"] = json.loads(reply.read())["code"]
        elif ACCEPT[facts["shape"]] == "application/json":
            self.document_came(reply.read().decode())
        else:
            self.stream_comes(reply)

    def document_came(self, text):
        facts = self.facts
        whole = json.loads(text)
        if list(whole) != ["results", "summary"]:
            raise Wrong("members of a document: %r" % list(whole))
        facts["results"] = results_in(text, facts["endpoint"])
        facts["summary"], facts["whole"] = whole["summary"], True

    def stream_comes(self, reply):
        facts = self.facts
        event = self.events(reply) if facts["shape"] == "sse" else self.lines(reply)
        while True:
            if facts["shape"] == "leave_stream" and len(facts["results"]) >= facts["take"]:
                facts["gone"] = True
                return
            kind, text = next(event, (None, None))
            if kind is None:
                raise Wrong("a stream without its summary: %r" % facts["batch"])
            if kind == "result":
                facts["results"].append({**result_of(text, facts["endpoint"]), "came": time.monotonic()})
            elif kind == "summary":
                facts["summary"], facts["whole"] = json.loads(text), True
                if reply.read():
                    raise Wrong("something behind the summary: %r" % facts["batch"])
                return

    @staticmethod
    def lines(reply):
        for line in reply:
            text = line.decode()
            if not text.endswith("\n"):
                raise Wrong("a line without its end: %r" % text[-100:])
            kind = next((k for k in ("summary", "progress") if text.startswith('{"%s":' % k)), "result")
            yield (kind, text) if kind == "result" else (kind, json.dumps(json.loads(text)[kind]))

    @staticmethod
    def events(reply):
        fields = {}
        for line in reply:
            text = line.decode().rstrip("\n")
            if text:
                name, _, value = text.partition(":")
                fields[name] = value.removeprefix(" ")
            elif fields.get("event"):
                yield fields["event"], fields["data"]
                fields = {}
            else:
                fields = {}
