"""upstreams - what the server calls: faultd, a name server, nginx, httpbin, or a few lines of the test itself; and what they were sent."""
import base64
import json
import os
import signal
import subprocess
import threading
import urllib.parse

from http_client import request
from process import Helper, PYTHON, Process, free_port, listening, need, wait_for


class Fault(Helper):
    def __init__(self, folder, tls=False, args=(), name="faultd", prefix=()):
        extra = ["--tls", os.path.join(folder, "tls")] if tls else []
        if tls:
            need("openssl")
            os.mkdir(extra[1])
        super().__init__("faultd.py", extra + list(args), folder, name, prefix)
        self.ca = os.path.join(folder, "tls", "ca.pem")
        self.address = "127.0.0.1"  # where it is called; a test that moves it says where it went

    def url(self, path="/ok", tls=None, host=None, **query):
        where = "%s://%s:%d%s" % ("https" if tls else "http", host or self.address, self.ports[tls or "http"], path)
        if query:
            where += "?" + urllib.parse.urlencode(query, doseq=True, encoding="latin-1", quote_via=urllib.parse.quote)
        return where

    @property
    def host(self):
        return "%s:%d" % (self.address, self.ports["http"])

    def ask(self, path):
        return request(self.ports["http"], "GET", path, host=self.address).json()

    def stats(self):
        return self.ask("/_stats")

    def hits(self, path="*"):
        return self.stats()["hits"].get(path, 0)

    def asked(self, path=""):
        return self.ask("/_requests?path=" + path)

    def reset(self):
        self.ask("/_reset")

    def open(self, key):
        """Lets go what waits, or will wait, at the gate of that key."""
        self.ask("/_open?key=" + urllib.parse.quote(str(key)))


class Names(Helper):
    def __init__(self, folder, zone, port=53):
        self.log_path = os.path.join(folder, "dns.log")
        zone_path = os.path.join(folder, "zone.json")
        with open(zone_path, "w", encoding="utf-8") as out:
            json.dump(zone, out)
        super().__init__("dnsd.py", ["--zone", zone_path, "--log", self.log_path, "--port", str(port)], folder, "dnsd")

    def asked(self, name=""):
        if not os.path.exists(self.log_path):
            return []
        with open(self.log_path, encoding="latin-1") as source:
            return [line.split() for line in source if name in ("", line.split()[0])]


class Nginx(Process):
    # One process: a master that is killed would leave its worker behind.
    CONF = """daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log access.log; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi; default_type text/plain; keepalive_requests %(requests)d;
  server { listen 127.0.0.1:%(port)d; root .; gzip on; gzip_min_length 1; gzip_types application/json;
    location = /json { default_type application/json; return 200 '{"uri": "$request_uri", "method": "$request_method"}'; }
    location = /busy { return 503 "busy"; }
    location = /moved { return 301 /json; }
    location = /large { default_type application/json; alias large.json; }
  }
}
"""

    def __init__(self, folder, keepalive_requests=1000):
        program = need("nginx")
        self.port = free_port()
        folder = os.path.join(folder, "nginx")
        os.mkdir(folder)
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="ascii") as out:
            out.write(self.CONF % {"port": self.port, "requests": keepalive_requests})
        with open(os.path.join(folder, "large.json"), "w", encoding="ascii") as out:
            json.dump({"rows": [{"n": i, "text": "x" * 50} for i in range(5000)]}, out)
        super().__init__([program, "-p", folder, "-c", os.path.join(folder, "nginx.conf")], folder, "nginx")
        wait_for("nginx to listen", lambda: self.alive() and listening(self.port))

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def log_lines(self):
        with open(os.path.join(self.folder, "access.log"), encoding="latin-1") as source:
            return source.read().splitlines()

    def stop(self):
        self.signal(signal.SIGTERM)
        self.wait()


class Httpbin(Process):
    def __init__(self, folder):
        probe = subprocess.run([PYTHON, "-c", "import httpbin"], capture_output=True, check=False)
        if probe.returncode:
            raise AssertionError("httpbin is missing: apt-get install python3-httpbin (and run with /usr/bin/python3)")
        self.port = free_port()
        super().__init__([PYTHON, "-W", "ignore", "-m", "httpbin.core", "--port", str(self.port)], folder, "httpbin")
        wait_for("httpbin to listen", lambda: self.alive() and listening(self.port))

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def stop(self):
        self.signal(signal.SIGTERM)
        self.wait()


def serve_each(listener, serve):
    """Calls serve(sock) for each connection, in a thread of its own, until the listener is closed."""
    def accept():
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def body_of(record):
    return base64.b64decode(record["body_base64"])


def headers_of(record, name):
    return [v for n, v in record["headers"] if n.lower() == name.lower()]


def echoed(result):
    """What faultd's /echo says it was sent."""
    assert result["success"], result
    return result["body"]


def sent_body(result):
    return base64.b64decode(echoed(result)["body_base64"])


def sent_headers(result, name):
    return headers_of(echoed(result), name)
