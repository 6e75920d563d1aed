#!/usr/bin/python3
"""Client certificates and authorities of an upstream's rule: nginx that asks for them, and files that are wrong."""
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import h2  # noqa: E402
import peers  # noqa: E402
import world  # noqa: E402


class Case(world.Case):
    @classmethod
    def class_config(cls):
        cls.authority = peers.Authority(cls.folder)
        cls.other = peers.Authority(cls.folder, "other")
        cls.tls_files = cls.authority.issue("upstream")
        cls.mine, cls.mine_key = cls.authority.issue("mine")
        cls.second, cls.second_key = cls.authority.issue("second")
        cls.strange, cls.strange_key = cls.other.issue("strange")
        return {}

    def rule(self, **more):
        return {"match": "127.0.0.1", "ca_file": self.authority.ca, **more}

    def nginx(self, how="on", **options):
        extra = "ssl_client_certificate %s; ssl_verify_client %s;" % (self.authority.ca, how)
        nginx = peers.NginxTls(self.folder, self.tls_files, extra=extra, name="nginx-%d" % world.free_port(), **options)
        self.addCleanup(nginx.kill)
        return nginx


class Mutual(Case):
    def test_nginx_lets_in_who_shows_it(self):
        for http2 in (True, False):
            nginx = self.nginx(http2=http2)
            server = self.start({"upstreams": [self.rule(client_cert=self.mine, client_key=self.mine_key)]})
            results = self.batch([{"url": nginx.url("/%d" % n), "method": "POST"} for n in range(60)], {"concurrency": 10}, server)["results"]
            self.assertEqual({(r["success"], r["body"]["dn"]) for r in results}, {(True, "CN=mine")}, results[0])

    def test_one_file_may_hold_both(self):
        both = os.path.join(self.folder, "both.pem")
        with open(both, "wb") as out:
            for path in (self.mine_key, self.mine):
                with open(path, "rb") as source:
                    shutil.copyfileobj(source, out)
        server = self.start({"upstreams": [self.rule(client_cert=both)]})
        self.assertTrue(self.one(server=server, url=self.nginx().url())["success"])

    def test_rules_never_share_a_certificate_or_a_connection(self):
        """Three upstreams beside each other, over the same workers and handles, each with what its own rule says."""
        a, b, c = self.nginx("optional"), self.nginx("optional"), self.nginx("optional")
        server = self.start({"pool": {"threads": 1}, "upstreams": [
            self.rule(match="127.0.0.1:%d" % a.port, client_cert=self.mine, client_key=self.mine_key),
            self.rule(match="127.0.0.1:%d" % b.port, client_cert=self.second, client_key=self.second_key), self.rule()]})
        items = [{"url": peer.url("/%d" % n)} for n in range(40) for peer in (a, b, c)]
        results = self.batch(items, {"concurrency": 12}, server)["results"]
        self.assertEqual([r["body"]["dn"] for r in results], ["CN=mine", "CN=second", ""] * 40)

    def test_a_reload_changes_who_we_are_at_once(self):
        nginx = self.nginx("optional")
        server = self.start({"upstreams": [self.rule(client_cert=self.mine, client_key=self.mine_key)]})
        self.assertEqual(self.one(server=server, url=nginx.url())["body"]["dn"], "CN=mine")
        for rule, dn in ((self.rule(client_cert=self.second, client_key=self.second_key), "CN=second"), (self.rule(), "")):
            world.write_config(os.path.dirname(server.config_path), world.merge(world.BASE, {"upstreams": [rule]}))
            before = len(server.events("reloaded")) or server.err().count(b"reload")
            server.signal(signal.SIGHUP)
            world.wait_for("the reload", lambda: (len(server.events("reloaded")) or server.err().count(b"reload")) > before)
            world.wait_for("dn " + dn, lambda: self.one(server=server, url=nginx.url())["body"]["dn"] == dn, 10)

    def test_an_upstream_that_refuses_it_says_so(self):
        for how, words in (({}, "none is configured"), ({"client_cert": self.strange, "client_key": self.strange_key}, "does not accept")):
            for version in ("", "ssl_protocols TLSv1.2;"):
                openssl_like = self.refusing(version)
                server = self.start({"upstreams": [self.rule(**how)]})
                result = self.one(server=server, url="https://127.0.0.1:%d/" % openssl_like)
                self.assert_error(result, "tls_failed", "handshake")
                if how or not version:  # TLS 1.2 has no word for a certificate that is missing
                    self.assertFalse(result["error"]["retryable"])
                    self.assertIn(words, result["error"]["message"])
                self.assertIn("127.0.0.1", result["error"]["message"])

    def refusing(self, version):
        """A server that ends the handshake itself, as nginx does not."""
        server = h2.Server(lambda conn, stream: conn.answer(stream.id), tls=self.tls_files)
        self.addCleanup(server.stop)
        server.context.verify_mode = h2.ssl.CERT_REQUIRED
        server.context.load_verify_locations(self.authority.ca)
        if version:
            server.context.maximum_version = h2.ssl.TLSVersion.TLSv1_2
        return server.port

    def test_nginxs_own_refusal_is_its_answer(self):
        server = self.start({"upstreams": [self.rule()]})
        result = self.one(server=server, url=self.nginx().url())
        self.assert_error(result, "upstream_status", status=400)


class Files(Case):
    def refused(self, words, member, **rule):
        path = world.write_config(self.folder, {"upstreams": [{"match": "a", **rule}]}, "bad.yaml")
        for command in (["check"], ["serve"]):
            code, out, err = world.run_tool(*command, "--config", path)
            self.assertEqual(code, 2, out + err)
            self.assertRegex(out + err, r"bad\.yaml:\d+: upstreams\[0\]\.%s: .*%s" % (member, words))

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
        os.chmod(path, mode)
        return path

    def test_what_is_not_there_or_is_none_stops_the_start(self):
        junk, fifo = self.write("junk.pem", "junk"), os.path.join(self.folder, "fifo")
        if not os.path.exists(fifo):
            os.mkfifo(fifo)
        for member in ("ca_file", "client_cert"):
            for path, words in (("/nonexistent.pem", "No such file"), (junk, "no certificate"), (fifo, "is no file"), (self.folder, "is no file"),
                                (self.mine_key, "no certificate")):
                self.refused(words, member, **{member: path})
        self.refused("no key", "client_cert", client_cert=self.mine)
        self.refused("has no client_cert", "client_key", client_key=self.mine_key)
        self.refused("No such file", "client_key", client_cert=self.mine, client_key="/nonexistent.key")
        self.refused("no private key", "client_key", client_cert=self.mine, client_key=junk)
        self.refused("another certificate", "client_key", client_cert=self.mine, client_key=self.second_key)

    def test_an_encrypted_key_is_refused_and_nobody_is_asked(self):
        locked = os.path.join(self.folder, "locked.key")
        peers.openssl(self.folder, "pkey", "-in", self.mine_key, "-aes128", "-passout", "pass:x", "-out", locked)
        self.refused("passphrase", "client_key", client_cert=self.mine, client_key=locked)

    def test_a_wrong_file_is_refused_at_a_reload_and_the_old_rule_stays(self):
        nginx = self.nginx()
        server = self.start({"upstreams": [self.rule(client_cert=self.mine, client_key=self.mine_key)]})
        world.write_config(os.path.dirname(server.config_path), world.merge(
            world.BASE, {"upstreams": [self.rule(client_cert=self.mine, client_key=self.second_key)]}))
        server.signal(signal.SIGHUP)
        world.wait_for("the refusal", lambda: b"another certificate" in server.err())
        self.assertTrue(self.one(server=server, url=nginx.url())["success"])

    def test_a_file_that_goes_bad_later_is_told(self):
        cert, key = os.path.join(self.folder, "later.pem"), os.path.join(self.folder, "later.key")
        shutil.copy(self.mine, cert)
        shutil.copy(self.mine_key, key)
        server = self.start({"upstreams": [self.rule(client_cert=cert, client_key=key)]})
        self.write("later.key", "junk")
        result = self.one(server=server, url=self.nginx().url())
        self.assert_error(result, "tls_failed", "handshake", sent=False, retryable=False)
        self.assertIn("client certificate", result["error"]["message"])


if __name__ == "__main__":
    world.main()
