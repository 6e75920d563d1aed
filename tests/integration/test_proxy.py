#!/usr/bin/python3
"""Calls through a proxy: tinyproxy, and a scripted one for what a real one would not do."""
import base64
import contextlib
import os
import signal
import socket
import ssl
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import peers  # noqa: E402
import world  # noqa: E402

SECRET = "hunter2 & @hunter3"
QUOTED = "hunter2%20%26%20%40hunter3"


class Scripted:
    """Answers each connection's first request with the same bytes; heads are kept."""

    def __init__(self, answer, tls=None):
        self.answer, self.heads = answer, []
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        world.serve_each(self.listener, self.serve)

    def serve(self, sock):
        with contextlib.suppress(OSError, ValueError):
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            with sock:
                data = b""
                while b"\r\n\r\n" not in data:
                    part = sock.recv(65536)
                    if not part:
                        return
                    data += part
                self.heads.append(data.decode("latin-1"))
                self.answer(sock, data) if callable(self.answer) else sock.sendall(self.answer)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):  # what is left unread would become a reset, and the answer be lost
                    pass

    def stop(self):
        self.listener.close()


def relay(sock, data):
    """CONNECT, as a proxy does it."""
    host, _, port = data.split()[1].decode().rpartition(":")
    with socket.create_connection((host, int(port))) as there:
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

        def pump(a, b):
            with contextlib.suppress(OSError):
                while True:
                    part = a.recv(65536)
                    if not part:
                        break
                    b.sendall(part)
                b.shutdown(socket.SHUT_WR)
        back = threading.Thread(target=pump, args=(there, sock), daemon=True)
        back.start()
        pump(sock, there)
        back.join(world.WAIT)


class Proxies(world.Case):
    tls = True

    def through(self, proxy, **rule):
        rule = {"match": "*", "proxy": proxy, "ca_file": self.fault.ca, **rule}
        return self.start({"upstreams": [rule]})

    def tinyproxy(self, **options):
        proxy = peers.Tinyproxy(self.folder, name="tinyproxy-%d" % world.free_port(), **options)
        self.addCleanup(proxy.kill)
        return proxy

    def scripted(self, answer, tls=None):
        proxy = Scripted(answer, tls)
        self.addCleanup(proxy.stop)
        return proxy


class Ways(Proxies):
    def test_http_and_https_go_through_it(self):
        proxy = self.tinyproxy()
        server = self.through("http://127.0.0.1:%d" % proxy.port)
        for url in (self.fault.url("/echo"), self.fault.url("/echo", "good")):
            results = self.batch([{"url": url, "body": n} for n in range(40)], {"concurrency": 8, "include_timing": True}, server)["results"]
            for n, result in enumerate(results):
                self.assertTrue(result["success"], result)
                self.assertEqual(result["body"]["method"], "POST")
                self.assertEqual(result["timing"]["http_version"], "1.1")
                self.assertFalse(result["timing"]["remote_address"], result)  # a proxy's address says nothing of the upstream
        self.assertEqual(len(self.fault.asked("/echo")), 80)
        self.assertIn("CONNECT", proxy.log())

    def test_the_proxy_resolves_the_name_and_its_own_is_resolved_here(self):
        proxy = self.tinyproxy()
        server = self.through("http://localhost:%d" % proxy.port)
        self.assertTrue(self.one(server=server, url="http://localhost:%d/ok" % self.fault.ports["http"])["success"])
        result = self.one(server=server, url="http://nowhere.invalid:%d/ok" % self.fault.ports["http"])
        self.assert_error(result, "upstream_status")  # the proxy's own answer
        self.assertGreaterEqual(result["status"], 400)

    def test_http2_in_a_tunnel(self):
        nginx = peers.NginxTls(self.folder, (os.path.join(self.folder, "tls", "good.pem"), os.path.join(self.folder, "tls", "good.key")))
        self.addCleanup(nginx.kill)
        proxy = self.tinyproxy()
        server = self.through("http://127.0.0.1:%d" % proxy.port)
        results = self.batch([{"url": nginx.url("/%d" % n), "method": "POST"} for n in range(100)], {"concurrency": 20, "include_timing": True}, server)["results"]
        self.assertEqual({(r["success"], r["timing"]["http_version"]) for r in results}, {(True, "2")}, results[0])
        self.assertLessEqual(len({line.split()[0] for line in nginx.log_lines()}), 4)

    def test_a_user_and_password_reach_the_proxy_alone_and_are_shown_nowhere(self):
        proxy = self.scripted(relay)
        server = self.through("http://me:%s@127.0.0.1:%d" % (QUOTED, proxy.port))
        self.assertTrue(self.one(server=server, url=self.fault.url("/echo", "good"))["success"])
        wanted = base64.b64encode(("me:" + SECRET).encode()).decode()
        self.assertIn("Proxy-Authorization: Basic " + wanted, proxy.heads[0])
        self.assertNotIn("proxy-authorization", str(self.fault.asked("/echo")).lower())
        plain = self.scripted(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
        failing = self.through("http://me:%s@127.0.0.1:%d" % (QUOTED, plain.port))
        self.one(server=failing, url=self.fault.url())
        self.one(server=failing, url=self.fault.url("/ok", "good"))
        for running in (server, failing):
            text = self.raw_answer + running.err() + running.get("/metrics").body
            for secret in (b"hunter2", wanted.encode()):
                self.assertNotIn(secret, text)
        code, out, err = world.run_tool("check", "--print", "--config", failing.config_path)
        self.assertEqual(code, 0, err)
        self.assertIn('proxy: "***"', out)
        self.assertNotIn("hunter2", out + err)

    def test_tinyproxy_with_a_password(self):
        proxy = self.tinyproxy(user=("me", "hunter2"))
        good = self.through("http://me:hunter2@127.0.0.1:%d" % proxy.port)
        bad = self.through("http://me:other@127.0.0.1:%d" % proxy.port)
        for url in (self.fault.url(), self.fault.url("/ok", "good")):
            self.assertTrue(self.one(server=good, url=url)["success"])
            result = self.one(server=bad, url=url)
            if not url.startswith("https"):  # tinyproxy says 401, as if it were the upstream
                self.assert_error(result, "upstream_status", status=401)
                continue
            self.assert_error(result, "connect_failed", sent=False)
            self.assertRegex(result["error"]["message"], r"proxy 127\.0\.0\.1:%d .*40[17]" % proxy.port)
            self.assertIsNone(result["status"])

    def test_a_proxy_that_is_reached_by_tls(self):
        tls = tuple(os.path.join(self.folder, "tls", "good." + kind) for kind in ("pem", "key"))
        proxy = self.scripted(relay, tls)
        server = self.through("https://127.0.0.1:%d" % proxy.port)
        self.assertTrue(self.one(server=server, url=self.fault.url("/ok", "good"))["success"])
        wrong = tuple(os.path.join(self.folder, "tls", "selfsigned." + kind) for kind in ("pem", "key"))
        server = self.through("https://127.0.0.1:%d" % self.scripted(relay, wrong).port)
        result = self.one(server=server, url=self.fault.url("/ok", "good"))
        self.assert_error(result, "connect_failed", sent=False)
        self.assertIn("the proxy", result["error"]["message"])

    def test_the_environment_names_no_proxy_and_excepts_none(self):
        nowhere = "http://127.0.0.1:%d" % world.free_port()
        server = self.start(env={"http_proxy": nowhere, "https_proxy": nowhere, "all_proxy": nowhere})
        self.assertTrue(self.one(server=server, url=self.fault.url())["success"])
        proxy = self.scripted(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        server = self.start({"upstreams": [{"match": "*", "proxy": "http://127.0.0.1:%d" % proxy.port}]}, env={"no_proxy": "*"})
        self.assertEqual(self.one(server=server, url=self.fault.url())["status"], 403)

    def test_other_hosts_go_straight(self):
        server = self.start({"upstreams": [{"match": "elsewhere.test", "proxy": "http://127.0.0.1:%d" % world.free_port()}]})
        self.assertTrue(self.one(server=server, url=self.fault.url())["success"])


class Refusals(Proxies):
    def failed(self, proxy, words, url=None, **facts):
        result = self.one(server=self.through(proxy), url=url or self.fault.url("/ok", "good"), **facts)
        self.assert_error(result, "connect_failed", sent=False)
        self.assertIn("proxy", result["error"]["message"])
        self.assertRegex(result["error"]["message"], words)
        self.assertIsNone(result["status"])
        return result["error"]

    def test_one_that_is_not_there(self):
        port = world.free_port()
        for url in (self.fault.url(), self.fault.url("/ok", "good")):
            self.failed("http://127.0.0.1:%d" % port, "127.0.0.1:%d" % port, url)

    def test_one_whose_name_is_none(self):
        self.failed("http://nowhere.invalid:3128", "nowhere.invalid .*resolved")

    def test_refusals_of_connect_name_the_status(self):
        for status, words, retryable in ((407, "Proxy Authentication Required", False), (403, "Forbidden", False),
                                         (502, "Bad Gateway", True), (301, "Moved", False)):
            proxy = self.scripted(b"HTTP/1.1 %d No\r\nContent-Length: 3\r\n\r\nno\n" % status)
            error = self.failed("http://127.0.0.1:%d" % proxy.port, "with %d" % status)
            self.assertEqual(error["retryable"], retryable)
            self.assertEqual(len(proxy.heads), 1)

    def test_a_refusal_in_answer_to_the_request_itself_proves_nothing(self):
        proxy = self.scripted(b"HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nno\n")
        result = self.one(server=self.through("http://127.0.0.1:%d" % proxy.port), url=self.fault.url(), body=1)
        self.assert_error(result, "connect_failed", sent=True, retryable=False)
        self.assertIn("with 407", result["error"]["message"])
        self.assertIsNone(result["status"])
        self.assertEqual(len(proxy.heads), 1)

    def test_what_is_no_proxy(self):
        for answer in (b"", b"junk\r\n\r\n", b"HTTP/1.1 200", b"SSH-2.0-x\r\n"):
            self.failed("http://127.0.0.1:%d" % self.scripted(answer).port, "127.0.0.1")

    def test_one_that_says_nothing(self):
        result = self.one(server=self.through("http://127.0.0.1:%d" % self.fault.ports["mute"], connect_timeout="1s"),
                          url=self.fault.url("/ok", "good"))
        self.assert_error(result, "connect_failed", "timeout", sent=False)
        self.assertIn("proxy", result["error"]["message"])

    def test_tls_to_one_that_has_none(self):
        self.failed("https://127.0.0.1:%d" % self.fault.ports["http"], "TLS")

    def test_behind_the_tunnel_the_upstream_is_to_blame(self):
        server = self.through("http://127.0.0.1:%d" % self.scripted(relay).port)
        result = self.one(server=server, url=self.fault.url("/ok", "expired"))
        self.assert_error(result, "tls_failed", "expired", sent=False)
        self.assert_error(self.one(server=server, url=self.fault.url("/close", "good")), "upstream_protocol", sent=True)

    def test_faulty_words_stop_the_start_and_a_reload(self):
        proxy = self.tinyproxy()
        server = self.through("http://127.0.0.1:%d" % proxy.port)
        for words in ("socks5h://u:hunter2@h:1", "http://u:hunter2@h", "h:1", "http://u:hunter2@h:1/x"):
            path = world.write_config(self.folder, {"upstreams": [{"match": "*", "proxy": words}]}, "bad.yaml")
            code, out, err = world.run_tool("check", "--config", path)
            self.assertEqual(code, 2)
            self.assertRegex(out + err, r"bad\.yaml:\d+: upstreams\[0\]\.proxy: ")
            self.assertNotIn("hunter2", out + err)
        os.replace(path, server.config_path)
        server.signal(signal.SIGHUP)
        world.wait_for("the refusal", lambda: b"upstreams[0].proxy" in server.err())
        self.assertTrue(self.one(server=server, url=self.fault.url())["success"])


if __name__ == "__main__":
    world.main()
