#!/usr/bin/python3
"""GET /docs: what a browser needs to be safe with it, caches, gzip; and what a build without it says."""
import gzip
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

BUILT = os.environ.get("BATCHGATE_DOCS_BUILT", "ON") == "ON"
FILES = {"start.js": "text/javascript", "swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css",
         "LICENSE": "text/plain", "NOTICE": "text/plain", "swagger-ui-bundle.js.LICENSE.txt": "text/plain"}
GZIP = {"swagger-ui-bundle.js", "swagger-ui.css"}
POLICY = {"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:", "connect-src": "'self'",
          "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}


class Keyed(world.Case):
    config = {"auth": {"keys": [{"name": "a", "sha256": [world.make_key()[1]]}]}}


class Page(Keyed):
    def test_nobody_needs_a_key_and_everything_has_its_type(self):
        self.assertEqual(self.server.get("/v1/upstreams").status, 401)
        page = self.server.get("/docs")
        self.assertEqual((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"))
        for name, kind in FILES.items():
            answer = self.server.get("/docs/" + name)
            self.assertEqual((answer.status, answer.header("content-type")), (200, kind + "; charset=utf-8"))

    def test_the_browser_is_told_to_load_from_here_alone(self):
        for path in ["/docs", *("/docs/" + name for name in FILES)]:
            answer = self.server.get(path)
            parts = dict(part.strip().split(" ", 1) for part in answer.header("content-security-policy").split(";"))
            self.assertEqual(parts, POLICY)
            self.assertEqual(answer.header("x-content-type-options"), "nosniff")
            self.assertEqual(answer.header("referrer-policy"), "no-referrer")

    def test_the_page_names_no_other_place_and_has_no_script_of_its_own(self):
        text = self.server.get("/docs").body.decode()
        self.assertEqual(set(re.findall(r'(?:src|href)="([^"]*)"', text)),
                         {"data:,", "docs/swagger-ui.css", "openapi.yaml", "docs/swagger-ui-bundle.js", "docs/start.js"})
        self.assertEqual(re.findall(r"<script[^>]*>([^<]+)", text) + re.findall(r"<style| on\w+=| style=", text), [])
        self.assertNotIn("http", text)

    def test_what_lies_there_compressed_is_whole(self):
        for name in FILES:
            answer = self.server.get("/docs/" + name, {"Accept-Encoding": "gzip"})
            self.assertEqual(answer.header("content-encoding"), "gzip" if name in GZIP else None)
            self.assertEqual(answer.header("vary"), "Accept-Encoding" if name in GZIP else None)
            text = gzip.decompress(answer.body) if name in GZIP else answer.body
            self.assertIn({"LICENSE": b"Apache License", "NOTICE": b"swagger-ui", "start.js": b"SwaggerUIBundle(",
                           "swagger-ui.css": b".swagger-ui{"}.get(name, b"License" if name.endswith("txt") else b"SwaggerUIBundle"), text)
        self.assertLess(len(self.server.get("/docs/swagger-ui-bundle.js").body), 600_000)

    def test_gzip_is_sent_to_who_takes_it_and_only_to_those(self):
        cases = {None: 200, "gzip": 200, "GZIP": 200, "deflate, gzip;q=0.5": 200, "*": 200, "br, *;q=0.1": 200, "gzip ; q=1.000": 200,
                 "identity": 406, "gzip;q=0": 406, "gzip; q=0.000, *": 406, "*;q=0": 406, "": 406, "x-gzip-not, br": 406}
        for accept, status in cases.items():
            answer = self.server.get("/docs/swagger-ui.css", {} if accept is None else {"Accept-Encoding": accept})
            self.assertEqual(answer.status, status, accept)
            self.assertEqual(answer.header("vary"), "Accept-Encoding")
            self.assertEqual(self.server.get("/docs", {} if accept is None else {"Accept-Encoding": accept}).status, 200)

    def test_each_has_a_tag_of_its_own_and_is_not_sent_twice(self):
        tags = set()
        for path in ["/docs", *("/docs/" + name for name in FILES)]:
            first = self.server.get(path)
            tag = first.header("etag")
            self.assertEqual(first.header("cache-control"), "no-cache")
            for known in (tag, "W/" + tag, '"other", ' + tag, "*"):
                again = self.server.get(path, {"If-None-Match": known})
                self.assertEqual((again.status, again.body, again.header("etag")), (304, b"", tag))
            for other in ('"other"', tag.strip('"'), tag[:-2] + '"'):
                self.assertEqual(self.server.get(path, {"If-None-Match": other}).status, 200, other)
            tags.add(tag)
        self.assertEqual(len(tags), 1 + len(FILES))

    def test_head_says_the_same_and_sends_nothing(self):
        for path in ["/docs", *("/docs/" + name for name in FILES)]:
            got, head = self.server.get(path), self.server.request("HEAD", path)
            self.assertEqual((head.status, head.body), (200, b""))
            for name in ("content-type", "content-length", "content-encoding", "etag", "content-security-policy"):
                self.assertEqual(head.header(name), got.header(name), name)

    def test_a_name_that_is_none_of_the_files_is_404(self):
        for name in ("nothing", "index.html", "start.js/", "%73tart.js", "..", "../openapi.yaml", "licence"):
            answer = self.server.get("/docs/" + name)
            self.assertEqual((answer.status, answer.header("content-type")), (404, "application/problem+json"), name)

    def test_readers_that_stop_hold_no_copy_each(self):
        before = self.server.rss()
        socks = [self.server.connect() for _ in range(100)]
        for sock in socks:
            sock.sendall(world.frame("GET", "/docs/swagger-ui-bundle.js"))
            sock.recv(64)
        grown = self.server.rss() - before
        for sock in socks:
            sock.close()
        if not world.sanitized():
            self.assertLess(grown, 25 << 20, "100 copies would be 46 MB")


class WithoutPage(Keyed):
    def test_the_document_is_there_as_text_with_a_word_about_it(self):
        page, document = self.server.get("/docs"), self.server.get("/openapi.yaml")
        self.assertEqual((page.status, page.header("content-type")), (200, "text/plain; charset=utf-8"))
        first, _, rest = page.body.partition(b"\n")
        self.assertIn(b"built without", first)
        self.assertTrue(first.startswith(b"#"), "still YAML")
        self.assertEqual(rest, document.body)
        self.assertEqual(self.server.request("HEAD", "/docs").header("content-length"), str(len(page.body)))

    def test_there_are_no_files(self):
        for name in FILES:
            self.assertEqual(self.server.get("/docs/" + name).status, 404)


class Slash(Keyed):
    def test_with_a_slash_behind_it_the_page_is_found_behind_a_proxys_prefix_too(self):
        for method in ("GET", "HEAD"):
            answer = self.server.request(method, "/docs/")
            self.assertEqual((answer.status, answer.header("location"), answer.body), (308, "../docs", b""))
        self.assertEqual(self.server.request("POST", "/docs/").status, 405)
        self.assertEqual(self.server.get("/docs//").status, 404)


if BUILT:
    del WithoutPage
else:
    del Page

if __name__ == "__main__":
    world.main()
