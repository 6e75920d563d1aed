"""world - what an integration test stands on: the real server, real upstreams, clients, and a check of how it all ended.

Each process is started here and stopped here by its own id. A server must end with exit code 0, without a sanitizer's report
and without a line that is not its own; a test that leaves one unstopped fails. Set BATCHGATE_BIN to choose the binary.
What its parts define is found here too, as world.NAME: most tests import nothing else.
Time is only ever asserted with wide margins: the same tests run against slow, sanitized builds.
"""
import json
import shutil
import tempfile
import unittest

from daemon import (  # noqa: F401 - used as world.NAME
    BASE, BINARY, REPORT, Samples, Server, check_report, environment, files_needed, frugal, limit_files, made_with,
    make_key, memory_bound, merge, need_binary, parse_metrics, run_tool, sanitized, shadowed, write_config)
from http_client import (  # noqa: F401 - used as world.NAME
    Answer, frame, parse_answers, read_all, read_answer, request)
from namespace import (  # noqa: F401 - used as world.NAME
    add_address, bind_over, enter_namespace, nft, nft_packets)
from process import (  # noqa: F401 - used as world.NAME
    HARNESS, Helper, PACKAGES, PYTHON, Process, ROOT, WAIT, again, cpu_of, free_port, held_ports, in_thread, listening,
    need, settled, wait_for)
from upstreams import (  # noqa: F401 - used as world.NAME
    Fault, Httpbin, Names, Nginx, body_of, echoed, headers_of, sent_body, sent_headers, serve_each)


class Case(unittest.TestCase):
    """A faultd and a server for the whole class; both are looked at after each test and stopped at the end."""
    config = {}
    base = None  # what config is laid over, where it is not BASE
    tls = False
    fault_args = ()
    env = None  # more of the server's environment
    maxDiff = 4000
    fault = server = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="batchgate-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.fault = Fault(cls.folder, cls.tls, cls.fault_args)
        cls.addClassCleanup(cls.fault.kill)
        cls.server = Server(cls.folder, cls.class_config(), env=cls.env, base=cls.base)
        cls.addClassCleanup(cls.server.kill)

    @classmethod
    def class_config(cls):
        return cls.config

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.fault.stop()

    def setUp(self):
        self.fault.reset()

    def tearDown(self):
        self.server.check()

    def start(self, config=None, **options):
        """One more server, for this test alone; stopped and judged when the test ends, if it is not before."""
        server = Server(self.folder, config, base=self.base, **options)
        self.addCleanup(server.kill)
        self.addCleanup(server.stop)
        return server

    def batch(self, items, options=None, server=None, **members):
        """Runs a batch that must be answered with 200, checks what holds for every answer, and returns it."""
        document = {"items": items, **members}
        if options is not None:
            document["options"] = options
        return self.batch_bytes(json.dumps(document).encode(), len(items), server)

    def batch_bytes(self, body, count, server=None, headers=()):
        answer = (server or self.server).post(body, headers=headers)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.header("content-type"), "application/json")
        document = answer.json()
        check_document(document, count)
        self.raw_answer = answer.body
        return document

    def one(self, options=None, server=None, **item):
        """The result of a batch of one."""
        return self.batch([item], options, server)["results"][0]

    def assert_error(self, result, code, reason=None, sent=None, retryable=None, status=None):
        self.assertFalse(result["success"], result)
        error = result["error"]
        self.assertEqual(error["code"], code, result)
        if reason is not None:
            if isinstance(reason, str):
                self.assertEqual(error.get("reason"), reason, result)
            else:
                self.assertIn(error.get("reason"), reason, result)
        if sent is not None:
            self.assertEqual(error["sent"], sent, result)
        if retryable is not None:
            self.assertEqual(error["retryable"], retryable, result)
        if status is not None:
            self.assertEqual(result["status"], status, result)

    def assert_problem(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.header("content-type"), "application/problem+json", answer)
        problem = answer.json()
        for member in ("type", "title", "status", "detail", "request_id", "code"):
            self.assertIn(member, problem)
        self.assertEqual(problem["code"], code, problem)
        self.assertEqual(problem["status"], status)
        self.assertEqual(problem["request_id"], answer.header("x-request-id"))
        self.assertTrue(problem["detail"])
        if status in (429, 503):
            self.assertRegex(answer.header("retry-after") or "", r"^[1-9]\d*$")
        return problem


RESULT = {"index", "id", "success", "status", "body", "body_encoding", "error", "attempts", "duration_ms"}


def check_document(document, count):
    """What holds for every whole answer, whatever was in the batch."""
    results, summary = document["results"], document["summary"]
    bad = lambda why, what=None: AssertionError("%s: %s" % (why, json.dumps(what or document)[:2000]))
    if set(document) != {"results", "summary"}:
        raise bad("members")
    if [r["index"] for r in results] != list(range(count)):
        raise bad("the results are not those of the items, in order")
    codes = {}
    for result in results:
        if not RESULT <= set(result) <= RESULT | {"headers", "timing"}:
            raise bad("a result's members", result)
        if result["success"] is not (result["error"] is None):
            raise bad("success and error disagree", result)
        if (result["body"] is None) != (result["body_encoding"] is None):
            if not (result["body_encoding"] == "json" and result["body"] is None):
                raise bad("body and body_encoding disagree", result)
        if result["error"]:
            error = result["error"]
            if not {"code", "message", "retryable", "sent"} <= set(error) <= {"code", "message", "retryable", "sent", "reason"}:
                raise bad("an error's members", result)
            if not error["message"]:
                raise bad("an error without words", result)
            codes[error["code"]] = codes.get(error["code"], 0) + 1
        elif not 200 <= result["status"] <= 299:
            raise bad("a success that is not 2xx", result)
        if result["attempts"] == 0 and (result["status"] is not None or (result["error"] or {}).get("sent")):
            raise bad("something came of no attempt", result)
        if result["duration_ms"] < 0:
            raise bad("a duration that cannot be", result)
    if not {"total", "succeeded", "failed", "by_code", "concurrency", "duration_ms", "request_id"} <= set(summary):
        raise bad("the summary's members")
    failed = sum(not r["success"] for r in results)
    if (summary["total"], summary["succeeded"], summary["failed"]) != (count, count - failed, failed):
        raise bad("the summary's counts", summary)
    if summary["by_code"] != codes:
        raise bad("by_code", summary)
    if summary["concurrency"] < 1 or not summary["request_id"]:
        raise bad("the summary", summary)


def main():
    try:
        need_binary()
    except AssertionError as error:
        raise SystemExit(str(error)) from None
    unittest.main(verbosity=2)
