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


PROGRAMS = {  # an item {"do": name} -> what its template does
    "error": 'error("no: \\(.item.do)")',
    "error_object": "error({code: 7})",
    "error_null": "error(null)",
    "nothing": "empty",
    "two": "({}, {})",
    "then_error": '({}, error("late"))',
    "string": '"text"',
    "list": "[]",
    "nul": "null",
    "number": "1",
    "loop": "(def f: f; f)",
    "long_loop": "(reduce range(1e12) as $i (0; . + 1) | {})",
    "repeat": "([limit(1e9; repeat(1))] | {})",
    "swell": "([range(1e9)] | {})",
    "swell_text": '("x" * (.item | length * 1e9) | {})',  # jq 1.7 multiplies constants when it compiles
    "double": '({body: (reduce range(40) as $i ("xxxxxxxx"; . + .))})',
    "recursion": "(def f: 1 + f; {body: f})",
    "deep_recursion": "(def f(n): if n == 0 then 0 else 1 + f(n - 1) end; {body: f(100000000)})",
    "abort": "([] | .[536870912] = 1 | {body: .})",
    "deep": "{body: (reduce range(200) as $i (0; [.]))}",
    "deep_fine": "{body: (reduce range(50) as $i (0; [.]))}",
    "very_deep": "{body: (reduce range(20000) as $i (0; [.]))}",
    "large": '{body: ("x" * 9000000)}',
    "type": "(.item.do + 1)",
    "index_type": "{body: (.item.do | .a.b)}",
    "regex": '("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab" | test("^(a+)+$") | {})',
}


def program(fine):
    """One program for all of it: it chooses by the item, as a careless one would."""
    arms = "".join("elif .item.do == \"%s\" then %s\n" % pair for pair in PROGRAMS.items())
    return "if (.item | type) != \"object\" or .item.do == null then %s\n%selse .item.do end" % (fine, arms)


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

    def failed(self, result, reason="request", what=None):
        self.assert_error(result, "transform_failed", reason, sent=reason == "response", retryable=False)
        if what:
            self.assertIn(what, result["error"]["message"])
        self.assertLess(len(result["error"]["message"]), 600)
