"""peers - servers and proxies of others that tests stand on, and certificates for them.

Each is a process that the test starts and stops by its own id (see world.Process).
"""
import os
import signal
import subprocess

import world

CA_CONF = "[req]\ndistinguished_name=n\n[n]\n"


def openssl(folder, *args):
    done = subprocess.run([world.need("openssl"), *args], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError("openssl %s: %s" % (" ".join(args), done.stderr))


class Authority:
    """Makes certificates: each is NAME.pem with its key in NAME.key, in `folder`."""

    def __init__(self, folder, name="authority"):
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        with open(os.path.join(self.folder, "req.cnf"), "w", encoding="ascii") as out:
            out.write(CA_CONF)
        self.new = ["req", "-config", "req.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        openssl(self.folder, *self.new, "-x509", "-days", "30", "-subj", "/CN=" + name, "-keyout", "ca.key", "-out", "ca.pem",
                "-addext", "basicConstraints=critical,CA:TRUE")
        self.ca = self.path("ca.pem")

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, names="IP:127.0.0.1,DNS:localhost"):
        """(certificate, key)"""
        openssl(self.folder, *self.new, "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
        with open(self.path(name + ".ext"), "w", encoding="ascii") as out:
            out.write("subjectAltName=%s\n" % names)
        openssl(self.folder, "x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "30", "-extfile", name + ".ext", "-out", name + ".pem")
        return self.path(name + ".pem"), self.path(name + ".key")


def rows_to(pid, port):
    """The rows of /proc/net/tcp of the connections that a process has to that port of this machine and that stand."""
    own = set()
    for entry in os.listdir("/proc/%d/fd" % pid):
        try:
            link = os.readlink("/proc/%d/fd/%s" % (pid, entry))
        except OSError:
            continue
        if link.startswith("socket:["):
            own.add(link[8:-1])
    with open("/proc/%d/net/tcp" % pid, encoding="ascii") as source:
        rows = [line.split() for line in source.read().splitlines()[1:]]
    return [row for row in rows if row[9] in own and row[3] == "01" and int(row[2].rpartition(":")[2], 16) == port]


def connections(pid, port):
    """How many connections a process has to that port."""
    return len(rows_to(pid, port))


def unread(pid, port):
    """Bytes that came from that port and that the process has not read yet."""
    return sum(int(row[4].rpartition(":")[2], 16) for row in rows_to(pid, port))


class Nghttpd(world.Process):
    def __init__(self, folder, tls=None, args=(), name="nghttpd"):
        self.port, self.tls = world.free_port(), tls
        home = os.path.join(folder, name)
        os.mkdir(home)
        for file, text in (("hello.json", '{"hello": "you"}'), ("large.json", "[%s]" % ",".join(["12345678"] * 20000))):
            with open(os.path.join(home, file), "w", encoding="ascii") as out:
                out.write(text)
        # its own log of frames goes to stdout: each request is a line there
        super().__init__([world.need("nghttpd"), "-v", "-a", "127.0.0.1", "-d", home, "--echo-upload", *args,
                          *([] if tls else ["--no-tls"]), str(self.port), *([tls[1], tls[0]] if tls else [])], home, name)
        world.wait_for("nghttpd to listen", lambda: self.alive() and world.listening(self.port))

    def url(self, path="/hello.json"):
        return "%s://127.0.0.1:%d%s" % ("https" if self.tls else "http", self.port, path)

    def seen(self):
        """How many connections brought a request, and how many requests there were."""
        ids = [line.split(b"]")[0] for line in self.out().splitlines() if b"recv HEADERS frame" in line]
        return len({i.split()[0] for i in ids}), len(ids)

    def stop(self):
        self.signal(signal.SIGTERM)
        self.wait()


class NginxTls(world.Process):
    """TLS, with HTTP/2 or without; `extra` goes into the server block."""
    CONF = """daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr warn;
events { worker_connections 4096; }
http {
  log_format one '$connection $connection_requests $server_protocol $status $ssl_client_verify "$ssl_client_s_dn" $request_uri';
  access_log access.log one; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi; default_type text/plain; keepalive_requests %(requests)d;
  server { listen 127.0.0.1:%(port)d ssl%(http2)s; root .;
    ssl_certificate %(cert)s; ssl_certificate_key %(key)s;
    %(extra)s
    location / { default_type application/json; return 200 '{"uri": "$request_uri", "dn": "$ssl_client_s_dn"}'; }
    location /file { default_type application/json; alias file.json; }
  }
}
"""

    def __init__(self, folder, tls, http2=True, extra="", requests=1000, name="nginx-tls"):
        self.port = world.free_port()
        home = os.path.join(folder, name)
        os.mkdir(home)
        with open(os.path.join(home, "nginx.conf"), "w", encoding="ascii") as out:
            out.write(self.CONF % {"port": self.port, "cert": tls[0], "key": tls[1], "http2": " http2" if http2 else "",
                                   "extra": extra, "requests": requests})
        with open(os.path.join(home, "file.json"), "w", encoding="ascii") as out:
            out.write('{"n": 1}')
        super().__init__([world.need("nginx"), "-p", home, "-c", os.path.join(home, "nginx.conf")], home, name)
        world.wait_for("nginx to listen", lambda: self.alive() and world.listening(self.port))

    def url(self, path="/"):
        return "https://127.0.0.1:%d%s" % (self.port, path)

    def log_lines(self):
        with open(os.path.join(self.folder, "access.log"), encoding="latin-1") as source:
            return source.read().splitlines()

    def stop(self):
        self.signal(signal.SIGTERM)
        self.wait()


class Tinyproxy(world.Process):
    def __init__(self, folder, user=None, name="tinyproxy"):
        self.port = world.free_port()
        home = os.path.join(folder, name)
        os.mkdir(home)
        lines = ["Port %d" % self.port, "Listen 127.0.0.1", "Timeout 60", "MaxClients 200", "Allow 127.0.0.1",
                 'LogFile "%s"' % os.path.join(home, "log"), "LogLevel Info"]
        if user:
            lines.append("BasicAuth %s %s" % user)
        path = os.path.join(home, "tinyproxy.conf")
        with open(path, "w", encoding="ascii") as out:
            out.write("\n".join(lines) + "\n")
        super().__init__([world.need("tinyproxy"), "-d", "-c", path], home, name)
        world.wait_for("tinyproxy to listen", lambda: self.alive() and world.listening(self.port))

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="latin-1") as source:
            return source.read()

    def stop(self):
        self.signal(signal.SIGTERM)
        self.wait()
