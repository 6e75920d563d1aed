#!/usr/bin/python3
"""A kept connection dies under a call that may be repeated, and the second try finds a black hole."""
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

HOLE = "add table inet kept\ndelete table inet kept\ntable inet kept {\n chain in { type filter hook input priority 0; tcp dport %d tcp flags & (syn | ack) == syn drop; }\n}\n"


class Kept(world.Case):
    config = {"upstreams": [{"match": "*", "connect_timeout": "1s"}]}

    def die_in_a_hole(self, **member):
        """The result of a call on a kept connection: its request is read, no further connection comes through, and it is closed."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        port = listener.getsockname()[1]

        def serve():
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                peer.recv(65536)
                world.nft(HOLE % port)
        thread = threading.Thread(target=serve)
        thread.start()
        url = "http://127.0.0.1:%d/" % port
        results = self.batch([{"url": url}, {"url": url, "method": "PUT", "timeout_ms": 8000, **member}], {"concurrency": 1, "include_timing": True})["results"]
        thread.join()
        self.assertTrue(results[0]["success"], results[0])
        return results[1]

    def test_its_clock_has_not_run_out(self):
        result = self.die_in_a_hole()
        self.assert_error(result, "upstream_protocol", "closed", sent=True, retryable=True)
        self.assertLess(result["duration_ms"], 7000)

    def test_a_retry_is_made_where_it_was_asked_for(self):
        result = self.die_in_a_hole(retry={"max_attempts": 2, "backoff_ms": 1})
        self.assertGreaterEqual(result["attempts"], 2, result)
        self.assertTrue(result["error"]["sent"])


if __name__ == "__main__":
    world.enter_namespace()
    world.main()
