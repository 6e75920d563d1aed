#!/usr/bin/python3
"""Errors of the request itself: problem+json for each code, pointers, positions, the order of the checks, HEAD, OPTIONS, CORS."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

JSON = {"Content-Type": "application/json"}


class Syntax(world.Case):
    def test_bodies_that_are_not_json(self):
        cases = [(b"", 1, 1), (b"{", 1, 2), (b'{"items":[],}', 1, 13), (b'{"items":[]}x', 1, 13), (b'{"items":\n  [1,]}', 2, 6),
                 (b'{"items":[NaN]}', 1, 11), (b'{"items":["\\ud800"]}', 1, None), (b'{"items":["\xff"]}', 1, None),
                 (b'{"items":["\xc0\xaf"]}', 1, None), (b'{"items":["\xed\xa0\x80"]}', 1, None), (b"\xef\xbb\xbf{}", 1, 1),
                 (b'{"items":[01]}', 1, None), (b"{'items':[]}", 1, 2), (b'{"items":["a\tb"]}', 1, 13), (b"nul", 1, None),
                 (b'\n\n{"items" []}', 3, 10), (b'{"\xc3\xa9":1,}', 1, 9), (b"\x00", 1, 1), (b" \n ", None, None)]
        for body, line, column in cases:
            with self.subTest(body=body):
                problem = self.assert_problem(self.server.post(body), 400, "invalid_json")
                error = problem["errors"][0]
                self.assertIn("pointer", error)
                self.assertTrue(error["detail"])
                if line:
                    self.assertEqual(error["line"], line, error)
                if column:
                    self.assertEqual(error["column"], column, error)

    def test_sixty_one_brackets_are_too_many_wherever_they_stand(self):
        self.assert_problem(self.server.post(b"[" * 61 + b"]" * 61), 400, "invalid_json")
        self.assert_problem(self.server.post(b"[" * 100000), 400, "invalid_json")
        self.assert_problem(self.server.post(b'{"a":' * 100000), 400, "invalid_json")
        self.assert_problem(self.server.post(b"[" * 60 + b"]" * 60), 400, "invalid_request")

    def test_documents_of_the_wrong_shape(self):
        for body, pointer in ((b"1", ""), (b"[]", ""), (b'"x"', ""), (b"null", ""), (b"{}", "/items"), (b'{"items":{}}', "/items"),
                              (b'{"items":null}', "/items"), (b'{"items":[],"defaults":1}', "/defaults"),
                              (b'{"items":[],"options":[]}', "/options"), (b'{"items":[],"x":1}', "/x")):
            with self.subTest(body=body):
                problem = self.assert_problem(self.server.post(body), 400, "invalid_request")
                self.assertEqual(problem["errors"][0]["pointer"], pointer, problem)

    def test_the_envelope_refuses_duplicate_names(self):
        for body in (b'{"items":[],"items":[]}', b'{"items":[],"\\u0069tems":[]}', b'{"items":[],"options":{"strict":true,"strict":false}}',
                     b'{"items":[],"defaults":{"headers":{"A":"1","A":"2"}}}'):
            with self.subTest(body=body):
                answer = self.server.post(body)
                self.assertEqual(answer.status, 400)
                self.assertIn(answer.json()["code"], ("invalid_request", "invalid_json"))
        item = b'{"items":[{"url":"http://127.0.0.1/","url":"http://127.0.0.2/"},{"url":"%s"}]}' % self.fault.url().encode()
        document = self.batch_bytes(item, 2)
        self.assert_error(document["results"][0], "invalid_item", sent=False)
        self.assertTrue(document["results"][1]["success"])

    def test_several_faults_are_told_at_once(self):
        problem = self.assert_problem(self.server.post({"items": [], "options": {"concurrency": 0, "strict": 1, "nope": 2}}),
                                      400, "invalid_request")
        self.assertEqual({e["pointer"] for e in problem["errors"]}, {"/options/concurrency", "/options/strict", "/options/nope"})

    def test_idempotency_key_needs_a_job(self):
        answer = self.server.post({"items": []}, headers={"Idempotency-Key": '"k"'})
        self.assert_problem(answer, 400, "idempotency_needs_job")


class Routing(world.Case):
    config = {"server": {"cors_origins": ["https://app.example"]}}

    def test_404(self):
        for path in ("/", "/v1", "/v1/batch/", "/v1/batches", "/V1/batch", "/v1//batch", "/v1/batch/../batch", "/v1/%62atch", "/metrics/"):
            for method in ("GET", "POST"):
                with self.subTest(path=path, method=method):
                    self.assert_problem(self.server.request(method, path, b"{}" if method == "POST" else None, JSON), 404, "not_found")
        for path, says in (("/batch", "POST /v1/batch"), ("/v1/batch/", "did you mean /v1/batch, without the slash?")):
            self.assertIn(says, self.server.get(path).json()["detail"])

    def test_405_says_what_is_allowed(self):
        for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD"):
            answer = self.server.request(method, "/v1/batch")
            self.assertEqual(answer.status, 405)
            self.assertEqual({m.strip() for m in answer.header("allow").split(",")}, {"POST", "OPTIONS"})
            if method != "HEAD":
                self.assert_problem(answer, 405, "method_not_allowed")
                self.assertIn("of /v1/batch: POST, OPTIONS", answer.json()["detail"])
        answer = self.server.request("POST", "/healthz", b"")
        self.assert_problem(answer, 405, "method_not_allowed")
        self.assertEqual({m.strip() for m in answer.header("allow").split(",")}, {"GET", "HEAD", "OPTIONS"})

    def test_unknown_methods_are_405(self):
        answer = self.server.request("BREW", "/v1/batch")
        self.assertIn(answer.status, (405, 501))

    def test_a_query_is_no_part_of_the_path(self):
        self.assertEqual(self.server.get("/healthz?a=1").status, 200)

    def test_head_answers_like_get_without_a_body(self):
        for path in ("/healthz", "/readyz", "/version", "/metrics", "/openapi.yaml"):
            get, head = self.server.get(path), self.server.request("HEAD", path)
            self.assertEqual((head.status, head.body), (get.status, b""), path)
            self.assertEqual(head.header("content-type"), get.header("content-type"))
            if path != "/metrics":
                self.assertEqual(head.header("content-length"), get.header("content-length"))
        head = self.server.request("HEAD", "/nowhere")
        self.assertEqual((head.status, head.body), (404, b""))

    def test_options(self):
        answer = self.server.request("OPTIONS", "/v1/batch")
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual({m.strip() for m in answer.header("allow").split(",")}, {"POST", "OPTIONS"})
        self.assertIsNone(answer.header("access-control-allow-origin"))
        self.assertTrue(answer.header("x-request-id"))
        self.assertEqual(self.server.request("OPTIONS", "/nowhere").status, 404)

    def test_cors_for_origins_that_are_listed_only(self):
        preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type, authorization"}
        answer = self.server.request("OPTIONS", "/v1/batch", headers={"Origin": "https://app.example", **preflight})
        self.assertEqual(answer.status, 204)
        self.assertEqual(answer.header("access-control-allow-origin"), "https://app.example")
        self.assertIn("POST", answer.header("access-control-allow-methods"))
        allowed = answer.header("access-control-allow-headers").lower()
        self.assertIn("content-type", allowed)
        self.assertIn("authorization", allowed)
        self.assertIn("origin", (answer.header("vary") or "").lower())
        answer = self.server.post({"items": []}, headers={"Origin": "https://app.example"})
        self.assertEqual(answer.header("access-control-allow-origin"), "https://app.example")
        self.assertIn("x-request-id", (answer.header("access-control-expose-headers") or "").lower())
        answer = self.server.post(b"{", headers={"Origin": "https://app.example"})
        self.assertEqual((answer.status, answer.header("access-control-allow-origin")), (400, "https://app.example"))
        for origin in ("https://evil.example", "https://app.example.evil", "http://app.example", "null"):
            answer = self.server.request("OPTIONS", "/v1/batch", headers={"Origin": origin, **preflight})
            self.assertIsNone(answer.header("access-control-allow-origin"), origin)

    def test_request_ids(self):
        for given in ("abc", "A.b-c_9", "x" * 128):
            answer = self.server.post({"items": []}, headers={"X-Request-Id": given})
            self.assertEqual(answer.header("x-request-id"), given)
            self.assertEqual(answer.json()["summary"]["request_id"], given)
        seen = set()
        for bad in ("", "a b", "x" * 129, "a/b", "caf\u00e9", "a,b", '"a"', None):
            answer = self.server.get("/nowhere", headers={} if bad is None else {"X-Request-Id": bad})
            found = answer.header("x-request-id")
            self.assertRegex(found, r"^[A-Za-z0-9._-]{1,128}$")
            self.assertNotEqual(found, bad)
            self.assertNotIn(found, seen)
            seen.add(found)
        for path in ("/healthz", "/version", "/metrics", "/openapi.yaml", "/readyz"):
            self.assertEqual(self.server.get(path, headers={"X-Request-Id": "mine"}).header("x-request-id"), "mine")


class Media(world.Case):
    def post(self, headers, body=b'{"items":[]}'):
        return self.server.request("POST", "/v1/batch", body, headers)

    def test_content_types_that_are_json(self):
        for kind in ("application/json", "APPLICATION/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"',
                     "application/vnd.api+json", "application/json ; charset=UTF-8"):
            self.assertEqual(self.post({"Content-Type": kind}).status, 200, kind)

    def test_415_tells_a_curl_user_what_to_do(self):
        cases = [{}, {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "text/plain"}, {"Content-Type": ""},
                 {"Content-Type": "application/json; charset=iso-8859-1"}, {"Content-Type": "application/x-ndjson"},
                 {"Content-Type": "application/jsonp"}, {**JSON, "Content-Encoding": "gzip"}, {**JSON, "Content-Encoding": "identity"}]
        for headers in cases:
            with self.subTest(headers=headers):
                problem = self.assert_problem(self.post(headers), 415, "unsupported_media_type")
                if headers.get("Content-Type") == "application/x-ndjson":
                    for works in ("application/json", "batchgate run"):
                        self.assertIn(works, problem["detail"])
                    self.assertIn("/v1/jobs, which will take them, comes with a later version", problem["detail"])
                elif "Content-Encoding" not in headers and "charset" not in headers.get("Content-Type", ""):
                    self.assertIn("--json", problem["detail"])

    def test_accept(self):
        for accept in ("*/*", "application/*", "application/json", "text/html, application/json;q=0.1", "", "application/json;q=0.5, */*;q=0"):
            self.assertEqual(self.post({**JSON, "Accept": accept}).status, 200, accept)
        for accept in ("text/html", "image/*", "application/json;q=0", "application/json;q=0, */*;q=0"):
            self.assert_problem(self.post({**JSON, "Accept": accept}), 406, "not_acceptable")
        self.assertEqual(self.post(JSON).header("content-type"), "application/json")


class Sizes(world.Case):
    config = {"limits": {"max_body": "64KiB", "max_items": 10}}

    def body(self, size):
        return b'{"items":[]}' + b" " * (size - 12)

    def test_a_body_of_the_limit_passes_and_one_byte_more_does_not(self):
        self.assertEqual(self.server.post(self.body(65536)).status, 200)
        self.assert_problem(self.server.post(self.body(65537)), 413, "body_too_large")

    def test_a_refused_body_is_read_first_so_that_the_client_sees_the_answer(self):
        for size in (1 << 20, 9 << 20, 20 << 20):
            self.assert_problem(self.server.post(self.body(size)), 413, "body_too_large")
        answer = self.server.request("POST", "/nowhere", b"x" * (9 << 20), JSON)
        self.assert_problem(answer, 404, "not_found")
        answer = self.server.request("POST", "/v1/batch", b"x" * (9 << 20), {"Content-Type": "text/plain"})
        self.assert_problem(answer, 415, "unsupported_media_type")

    def chunked(self, size, chunk=8192):
        whole = self.body(size)
        parts = [whole[i:i + chunk] for i in range(0, size, chunk)]
        data = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
        head = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        with self.server.connect() as sock:
            sock.sendall(head + data)
            return world.read_answer(sock)

    def test_chunked_bodies(self):
        self.assertEqual(self.chunked(65536).status, 200)
        self.assertEqual(self.chunked(65536, 1000).status, 200)
        self.assert_problem(self.chunked(65537), 413, "body_too_large")
        self.assert_problem(self.chunked(3 << 20), 413, "body_too_large")

    def test_more_than_can_be_discarded_is_refused_at_once(self):
        with self.server.connect() as sock:
            sock.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000000\r\n\r\n")
            answer = world.read_answer(sock)
        self.assert_problem(answer, 413, "body_too_large")
        self.assertEqual(answer.header("connection", "").lower(), "close")

    def test_an_endless_chunked_body_is_cut(self):
        with self.server.connect() as sock:
            sock.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            sent = 0
            try:
                while sent < 200 << 20:
                    sock.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
                    sent += 65536
            except OSError:
                pass
        self.assertLess(sent, 80 << 20)

    def test_too_many_items(self):
        self.assertEqual(self.server.post({"items": [{}] * 10}).status, 200)
        self.assert_problem(self.server.post({"items": [{}] * 11}), 413, "too_many_items")

    def test_a_keep_alive_connection_serves_on_after_a_refusal(self):
        with self.server.connect() as sock:
            sock.sendall(world.frame("POST", "/v1/batch", b"x" * 100, [("Content-Type", "text/plain")]))
            self.assertEqual(world.read_answer(sock).status, 415)
            sock.sendall(world.frame("GET", "/healthz"))
            self.assertEqual(world.read_answer(sock).status, 200)


class Expect(world.Case):
    def test_100_continue_is_said_before_the_body_is_sent(self):
        body = b'{"items":[]}'
        with self.server.connect() as sock:
            sock.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                         b"Content-Length: %d\r\n\r\n" % len(body))
            sock.settimeout(30)
            self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 100 "))
            sock.sendall(body)
            self.assertEqual(world.read_answer(sock).status, 200)

    def test_a_refusal_comes_instead_of_100(self):
        for path, kind, size, status in (("/v1/batch", "text/plain", 10, 415), ("/nowhere", "application/json", 10, 404),
                                         ("/v1/batch", "application/json", 9 << 20, 413)):
            with self.server.connect() as sock:
                sock.sendall(("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
                              % (path, kind, size)).encode())
                data, closed = world.read_all(sock, 20)
                self.assertTrue(data.startswith(b"HTTP/1.1 %d " % status), data)
                self.assertNotIn(b"100 Continue", data)
                self.assertTrue(closed)

    def test_other_expectations_fail(self):
        answer = self.server.post({"items": []}, headers={"Expect": "a-miracle"})
        self.assert_problem(answer, 417, "expectation_failed")


class OrderOfChecks(world.Case):
    key, digest = world.make_key()

    @classmethod
    def class_config(cls):
        return {"auth": {"keys": [{"name": "only", "sha256": [cls.digest]}]}, "limits": {"max_body": "1KiB"}}

    def test_each_check_comes_before_the_next(self):
        good = {"Authorization": "Bearer " + self.key}
        big, bad = b"x" * 2000, b"x"
        steps = [  # every request is wrong in all the ways that come after the one it must be told
            ("POST", "/nowhere", {"Accept": "image/png"}, big, 404), ("PUT", "/v1/batch", {"Accept": "image/png"}, big, 405),
            ("POST", "/v1/batch", {"Accept": "image/png"}, big, 401), ("POST", "/v1/batch", {**good, "Accept": "image/png"}, big, 406),
            ("POST", "/v1/batch", {**good}, big, 415), ("POST", "/v1/batch", {**good, **JSON}, big, 413),
            ("POST", "/v1/batch", {**good, **JSON}, bad, 400)]
        for method, path, headers, body, status in steps:
            with self.subTest(path=path, status=status):
                self.assertEqual(self.server.request(method, path, body, headers).status, status)

    def test_a_length_past_every_limit_is_judged_at_its_place_too(self):
        good = "Authorization: Bearer %s\r\n" % self.key
        for line, fields, status in (("POST /nowhere", "", 404), ("PUT /v1/batch", "", 405), ("POST /v1/batch", "", 401),
                                     ("POST /v1/batch", good + "Accept: image/png\r\n", 406), ("POST /v1/batch", good, 415),
                                     ("POST /v1/batch", good + "Content-Type: application/json\r\n", 413)):
            with self.subTest(line=line, status=status), self.server.connect() as sock:
                sock.sendall(("%s HTTP/1.1\r\nHost: x\r\n%sContent-Length: 99999999999\r\n\r\n" % (line, fields)).encode())
                answer = world.read_answer(sock, 10)
                self.assertEqual((answer.status, answer.header("connection", "").lower()), (status, "close"))
                self.assertEqual(world.read_all(sock, 10), (b"", True))

    def test_the_detail_never_repeats_what_was_sent_as_a_secret(self):
        answer = self.server.post({"items": []}, headers={"Authorization": "Bearer not-the-key-1234"})
        self.assert_problem(answer, 401, "unauthorized")
        self.assertNotIn(b"not-the-key", answer.body)


class Shape(world.Case):
    def test_a_problem_is_one_json_document_with_a_uri_for_its_type(self):
        answer = self.server.get("/nowhere")
        problem = json.loads(answer.body)
        self.assertTrue(re.match(r"^(about:blank$|[a-z]+:|/)", problem["type"]), problem)
        self.assertEqual(answer.header("cache-control", "no-store"), "no-store")
        self.assertEqual(answer.header("x-content-type-options", "nosniff"), "nosniff")


if __name__ == "__main__":
    world.main()
