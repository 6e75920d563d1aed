"""named - what tests of named endpoints share: requests, and what holds for every answer to one."""
import json
import os

import world

MEMBERS = ["index", "id", "success", "result", "fallback_used", "status", "error", "attempts", "duration_ms"]
FAILED = MEMBERS[:6] + ["body", "body_encoding"] + MEMBERS[6:]
CUT = FAILED[:8] + ["body_truncated"] + FAILED[8:]


def check_result(result, index):
    bad = lambda why: AssertionError("%s: %s" % (why, json.dumps(result)[:2000]))
    if [m for m in result if m not in ("headers", "timing")] not in (MEMBERS, FAILED, CUT):
        raise bad("members, or their order")
    if index is not None and result["index"] != index:
        raise bad("not the result of item %d" % index)
    if result["success"] is not (result["error"] is None):
        raise bad("success and error disagree")
    if result["success"] and (result["fallback_used"] or "body" in result or not 200 <= result["status"] <= 299):
        raise bad("a success that is none")
    if result["error"]:
        error = result["error"]
        if not {"code", "message", "retryable", "sent"} <= set(error) <= {"code", "message", "retryable", "sent", "reason"}:
            raise bad("an error's members")
        if not result["fallback_used"] and result["result"] is not None:
            raise bad("a failed item's result came from nowhere")
        if error["code"] == "transform_failed" and (error["retryable"] or error["reason"] not in ("request", "response")):
            raise bad("a template's failure")
    if result["attempts"] == 0 and result["status"] is not None:
        raise bad("something came of no attempt")


def check_summary(summary, results):
    failed = [r["error"]["code"] for r in results if r["error"]]
    found = (summary["total"], summary["succeeded"], summary["failed"], summary["by_code"])
    if found != (len(results), len(results) - len(failed), len(failed), {c: failed.count(c) for c in failed}):
        raise AssertionError("the summary does not fit the results: %s" % json.dumps(summary))


def check_document(document, count):
    if list(document) != ["results", "summary"] or len(document["results"]) != count:
        raise AssertionError("no document of %d results: %s" % (count, json.dumps(document)[:2000]))
    for index, result in enumerate(document["results"]):
        check_result(result, index)
    check_summary(document["summary"], document["results"])


def told(status=200, body=b"", content_type="application/json", **members):
    """An item that says what /told is to answer."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"status": status, "body": body.decode("latin-1"), "type": content_type, **members}


def children(pid):
    """The processes of one."""
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task), encoding="ascii") as source:
                found += [int(p) for p in source.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="latin-1") as source:
            return source.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def forker(server):
    return next(p for p in children(server.serving_pid) if alive(p))


def helpers(server):
    """The helper processes that are alive."""
    return [h for p in children(server.serving_pid) for h in children(p) if alive(h)]


class Case(world.Case):
    """Posts data to endpoints; each answer is looked at as a whole."""

    def send(self, name, items, params=None, options=None, server=None, headers=(), **more):
        document = {"items": items, **more}
        if params is not None:
            document["params"] = params
        if options is not None:
            document["options"] = options
        return (server or self.server).post(document, "/v1/batch/" + name, headers)

    def document(self, name, items, params=None, options=None, server=None, headers=()):
        answer = self.send(name, items, params, options, server, headers)
        self.assertEqual(answer.status, 200, answer)
        document = answer.json()
        check_document(document, len(items))
        return document

    def results(self, name, items, *args, **named):
        return self.document(name, items, *args, **named)["results"]

    def single(self, name, item, *args, **named):
        return self.results(name, [item], *args, **named)[0]

    def at_rest(self, server=None, headers=()):
        """Waits until nothing runs and nothing waits."""
        server = server or self.server

        def calm():
            found = server.metrics(headers)
            return found.of("batchgate_in_flight") == 0 and found.of("batchgate_queued") == 0
        world.wait_for("nothing to be in flight", calm)
