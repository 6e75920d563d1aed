#!/usr/bin/python3
# ctest: cost=15
"""`batchgate health`: what a container's health check runs."""
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

OK = (0, "", "")


@contextlib.contextmanager
def answering(answer):
    """A port of something else: `answer` to whoever connects, after the request; None is silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve(sock):
            with sock:
                if answer is None:
                    sock.recv(65536)  # the request
                    sock.recv(1)  # until the other side has enough
                else:
                    sock.recv(65536)
                    sock.sendall(answer)
        world.serve_each(listener, serve)
        yield listener.getsockname()[1]


class Health(world.Case):
    def ask(self, *args, port=None, env=None):
        return world.run_tool("health", "--server-port", str(port or self.server.port), *args, env=env)

    def assert_ill(self, found, *words):
        code, out, err = found
        self.assertEqual((code, out), (3, ""), err)
        self.assertRegex(err, r"\Abatchgate health: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, err)

    def test_a_server_that_is_well(self):
        self.assertEqual(self.ask(), OK)

    def test_it_reads_what_serve_reads(self):
        self.assertEqual(world.run_tool("health", env={"BATCHGATE_SERVER_PORT": str(self.server.port)}), OK)
        with tempfile.TemporaryDirectory() as folder:
            path = world.write_config(folder, {"server": {"port": self.server.port, "host": "localhost"}})
            self.assertEqual(world.run_tool("health", "--config", path), OK)
            self.assertEqual(world.run_tool("health", env={"BATCHGATE_CONFIG": path}), OK)

    def test_it_needs_no_secret_of_the_configuration(self):
        with tempfile.TemporaryDirectory() as folder:
            path = world.write_config(folder, {
                "server": {"port": self.server.port, "host": "0.0.0.0"}, "auth": {"keys": [{"name": "a", "sha256": ["${NOT_SET}"]}]},
                "endpoints": {"x": {"url": "${NOT_SET}", "headers": {"Authorization": "Bearer ${file:/no/such/file}"}}}})
            self.assertEqual(world.run_tool("check", "--config", path)[0], 2)
            self.assertEqual(world.run_tool("health", "--config", path), OK)
            path = world.write_config(folder, {"server": {"port": "${NOT_SET}"}})
            code, _, err = world.run_tool("health", "--config", path)
            self.assertEqual(code, 2)
            self.assertIn("server.port: the environment has no NOT_SET; set it, or write ${NOT_SET:-default}", err)

    def test_all_addresses_are_asked_on_loopback(self):
        self.assertEqual(self.ask("--server-host=0.0.0.0", "--auth-allow-anonymous=true"), OK)
        six = self.start({"server": {"host": "::1"}})
        self.assertEqual(self.ask("--server-host=::", "--auth-allow-anonymous=true", port=six.port), OK)

    def test_no_server(self):
        port = world.free_port()
        self.assert_ill(self.ask(port=port), "127.0.0.1 port %d" % port, "refused")

    def test_a_server_that_says_nothing_is_given_up_after_three_seconds(self):
        with answering(None) as port:
            began = time.monotonic()
            self.assert_ill(self.ask(port=port), "3 s")
            took = time.monotonic() - began
        self.assertGreater(took, 2.5)
        self.assertLess(took, 30)

    def test_what_answers_otherwise_is_not_well(self):
        head = b"Content-Type: application/json\r\n\r\n"
        for answer, word in ((b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "503"), (b"HTTP/1.1 404 Not Found\r\n" + head, "404"),
                             (b"HTTP/1.1 200 OK\r\n" + head + b'{"status": "ill"}', "not as batchgate"),
                             (b"HTTP/1.1 200 OK\r\n\r\n", "not as batchgate"), (b"", "without an answer"),
                             (b"SSH-2.0-x\r\n", "HTTP"), (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100000, "")):
            with self.subTest(answer=answer[:60]), answering(answer) as port:
                self.assert_ill(self.ask(port=port), word)

    def test_a_configuration_that_is_wrong_is_told_as_serve_tells_it(self):
        code, out, err = self.ask("--no-such=1")
        self.assertEqual((code, out), (2, ""))
        self.assertIn("no-such", err)
        code, _, err = self.ask("--server-port=0")
        self.assertEqual(code, 2)
        self.assertIn("--server-port", err)

    def test_a_server_that_drains_is_alive(self):
        server = self.start({"server": {"drain_timeout": "60s"}})
        running = world.in_thread(self.batch, [{"url": self.fault.url("/gate", key="g")}], server=server)
        world.wait_for("the call to be made", lambda: self.fault.hits("/gate"))
        server.signal(signal.SIGTERM)
        world.wait_for("the draining", lambda: server.event("draining"))
        self.assertEqual(self.ask(port=server.port), OK)
        self.fault.open("g")
        self.assertTrue(running.result()["results"][0]["success"])
        server.ended(0)
        self.assert_ill(self.ask(port=server.port), "refused")


if __name__ == "__main__":
    world.main()
