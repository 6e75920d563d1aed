"""front - nginx before an upstream, so that the server speaks HTTP/2 without TLS with it."""
import os
import signal

import world


class Front(world.Process):
    """From `port` to `behind`. Now and then it ends a connection with GOAWAY: each that has had so many requests."""
    REQUESTS = 100
    # One process: a master that is killed would leave its worker behind.
    CONF = """daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr error;
events { worker_connections 4096; }
http {
  log_format one '$connection $server_protocol'; access_log access.log one; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi; keepalive_requests %(requests)d;
  server { listen 127.0.0.1:%(port)d http2; client_max_body_size 0; client_body_buffer_size 1m;
    location / { proxy_pass http://127.0.0.1:%(behind)d; proxy_http_version 1.1; proxy_buffering off; proxy_next_upstream off;
      proxy_read_timeout 90; }
  }
}
"""

    def __init__(self, folder, port, behind, name):
        home = os.path.join(folder, name + "-front")
        os.mkdir(home)
        with open(os.path.join(home, "nginx.conf"), "w", encoding="ascii") as out:
            out.write(self.CONF % {"port": port, "behind": behind, "requests": self.REQUESTS})
        super().__init__([world.need("nginx"), "-p", home, "-c", os.path.join(home, "nginx.conf")], home, name)
        world.wait_for("nginx to listen", lambda: self.alive() and world.listening(port))

    def requests(self):
        """(how many came over HTTP/2, over how many connections)"""
        with open(os.path.join(self.folder, "access.log"), encoding="ascii") as source:
            lines = [line.split() for line in source]
        return sum(protocol == "HTTP/2.0" for _, protocol in lines), len({number for number, _ in lines})

    def stop(self):
        self.signal(signal.SIGTERM)
        self.wait()
