#!/usr/bin/python3
"""Keys: who may call what, and that the server does not open itself to the world by accident."""
import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

OPEN = ("/healthz", "/readyz", "/version", "/openapi.yaml")


def bearer(key):
    return {"Authorization": "Bearer " + key}


class Keys(world.Case):
    user, user_hash = world.make_key()
    second, second_hash = world.make_key()
    named, named_hash = world.make_key()
    admin, admin_hash = world.make_key()

    @classmethod
    def class_config(cls):
        return {"auth": {"keys": [{"name": "user", "sha256": [cls.user_hash, cls.second_hash]},
                                  {"name": "named-only", "sha256": [cls.named_hash], "ad_hoc": False},
                                  {"name": "ops", "sha256": [cls.admin_hash.upper()], "admin": True}]}}

    def run_batch(self, headers):
        return self.server.post({"items": [{"url": self.fault.url("/ok")}]}, headers=headers)

    def test_a_known_key_runs_a_batch(self):
        for key in (self.user, self.second, self.admin):
            self.assertEqual(self.run_batch(bearer(key)).status, 200)
        self.assertEqual(self.run_batch({"authorization": "bearer " + self.user}).status, 200)

    def test_anything_else_is_401(self):
        wrong = [{}, bearer(""), bearer("x"), bearer(self.user[:-1]), bearer(self.user + "x"), bearer(self.user_hash),
                 bearer(self.user.swapcase()), {"Authorization": self.user}, {"Authorization": "Basic " + self.user},
                 {"Authorization": ""}, {"Authorization": "Bearer"}, {"X-Api-Key": self.user}]
        for headers in wrong:
            with self.subTest(headers=headers):
                answer = self.run_batch(headers)
                self.assert_problem(answer, 401, "unauthorized")
                self.assertTrue(answer.header("www-authenticate").startswith("Bearer"))
        self.assertEqual(self.fault.hits(), 0)

    def test_401_comes_before_the_body_is_read(self):
        with self.server.connect() as sock:
            sock.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
                         b"Expect: 100-continue\r\n\r\n")
            self.assertEqual(world.read_answer(sock).status, 401)

    def test_ad_hoc_false_is_403(self):
        self.assert_problem(self.run_batch(bearer(self.named)), 403, "forbidden")
        self.assertEqual(self.fault.hits(), 0)

    def test_metrics_need_admin(self):
        self.assertEqual(self.server.get("/metrics").status, 401)
        self.assert_problem(self.server.get("/metrics", bearer(self.user)), 403, "forbidden")
        self.assertEqual(self.server.get("/metrics", bearer(self.admin)).status, 200)

    def test_what_is_open_stays_open(self):
        for path in OPEN:
            for headers in ({}, bearer("wrong")):
                self.assertEqual(self.server.get(path, headers).status, 200, path)

    def test_404_and_405_come_first(self):
        self.assertEqual(self.server.get("/nowhere").status, 404)
        self.assertEqual(self.server.get("/v1/batch").status, 405)

    def test_keys_never_appear_in_the_log(self):
        self.run_batch(bearer(self.user))
        self.run_batch(bearer("wrong-key-in-log"))
        log = self.server.err()
        for secret in (self.user, self.user_hash, "wrong-key-in-log"):
            self.assertNotIn(secret.encode(), log)


class Start(world.Case):
    def refused(self, *args, config=None, env=None):
        path = world.write_config(self.folder, config or {"server": {"port": 0}}, "refused.yaml")
        code, _, err = world.run_tool("serve", "--config", path, *args, env=env)
        self.assertEqual(code, 2, err)
        return err

    def test_other_addresses_need_keys_or_a_word(self):
        for host in ("0.0.0.0", "::"):
            err = self.refused("--server-host=" + host)
            self.assertIn("allow_anonymous", err)
        key, digest = world.make_key()
        server = self.start({"server": {"host": "0.0.0.0"}, "auth": {"keys": [{"name": "a", "sha256": [digest]}]}})
        self.assertEqual(server.post({"items": []}, headers=bearer(key)).status, 200)
        server = self.start({"server": {"host": "0.0.0.0"}, "auth": {"allow_anonymous": True}})
        self.assertEqual(server.post({"items": []}).status, 200)

    def test_loopback_is_fine(self):
        for host in ("127.0.0.1", "127.0.0.2"):
            self.start({"server": {"host": host}}).stop()

    def test_anonymous_beside_keys(self):
        key, digest = world.make_key()
        server = self.start({"auth": {"allow_anonymous": True, "keys": [{"name": "a", "sha256": [digest], "admin": True}]}})
        self.assertEqual(server.post({"items": []}).status, 200)
        self.assertEqual(server.post({"items": []}, headers=bearer("wrong")).status, 401)
        self.assertEqual(server.get("/metrics").status, 401)
        self.assertEqual(server.get("/metrics", bearer(key)).status, 200)

    def test_keys_from_the_environment(self):
        key, digest = world.make_key()
        other, other_digest = world.make_key()
        server = self.start(env={"BATCHGATE_AUTH_KEYS": "one:%s,two:%s" % (digest, other_digest)})
        self.assertEqual(server.post({"items": []}).status, 401)
        for each in (key, other):
            self.assertEqual(server.post({"items": []}, headers=bearer(each)).status, 200)

    def test_bad_keys_are_told(self):
        for keys in ([{"name": "a", "sha256": ["abc"]}], [{"name": "a"}], [{"sha256": ["0" * 64]}], [{"name": "a", "sha256": []}],
                     [{"name": "a", "sha256": ["z" * 64]}], [{"name": "a", "sha256": ["0" * 64], "role": "x"}],
                     [{"name": "a", "sha256": ["0" * 64]}, {"name": "a", "sha256": ["1" * 64]}]):
            with self.subTest(keys=keys):
                err = self.refused(config={"server": {"port": 0}, "auth": {"keys": keys}})
                self.assertIn("keys", err)

    def test_batchgate_key_makes_one_that_works(self):
        code, out, err = world.run_tool("key")
        self.assertEqual(code, 0, err)
        words = out.replace('"', " ").replace(",", " ").replace("[", " ").replace("]", " ").replace("=", " ").split()
        digest = next(w for w in words if len(w) == 64 and all(c in "0123456789abcdef" for c in w))
        key = next(w for w in words if hashlib.sha256(w.encode()).hexdigest() == digest)
        self.assertGreaterEqual(len(key), 22, "at least 128 bits")
        server = self.start({"auth": {"keys": [{"name": "made", "sha256": [digest]}]}})
        self.assertEqual(server.post({"items": []}, headers=bearer(key)).status, 200)
        self.assertNotEqual(world.run_tool("key")[1], out)

    def test_ad_hoc_off_for_everybody(self):
        server = self.start({"targets": {"ad_hoc": False}})
        answer = server.post({"items": [{"url": self.fault.url("/ok")}]})
        self.assertIn(answer.status, (403, 404))
        self.assertEqual(self.fault.hits(), 0)


if __name__ == "__main__":
    world.main()
