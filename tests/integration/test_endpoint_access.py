#!/usr/bin/python3
"""Named endpoints: who may use which, and where they lead and ad-hoc batches do not."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import named  # noqa: E402
import world  # noqa: E402


class Keys(named.Case):
    """Who may use which endpoint."""
    KEYS = {name: world.make_key() for name in ("all", "one", "none", "admin")}

    @classmethod
    def class_config(cls):
        def key(name, **more):
            return {"name": name, "sha256": [cls.KEYS[name][1]], **more}
        return {"auth": {"keys": [key("all"), key("one", endpoints=["a", "missing"], ad_hoc=False), key("none", endpoints=[]),
                                  key("admin", admin=True)]},
                "endpoints": {n: {"url": cls.fault.url("/ok")} for n in ("a", "b")}}

    def as_key(self, name):
        return {"Authorization": "Bearer " + self.KEYS[name][0]}

    def test_a_key_uses_what_its_list_names(self):
        wanted = {("all", "a"): 200, ("all", "b"): 200, ("one", "a"): 200, ("one", "b"): 403, ("none", "a"): 403,
                  ("one", "missing"): 404, ("all", "nobody"): 404, ("none", "nobody"): 404}
        for (who, name), status in wanted.items():
            self.assertEqual(self.send(name, [1], headers=self.as_key(who)).status, status, (who, name))
            self.assertEqual(self.server.get("/v1/endpoints/" + name, self.as_key(who)).status, status, (who, name))
        self.assert_problem(self.send("b", [1], headers=self.as_key("one")), 403, "forbidden")

    def test_without_a_key_nobody_learns_which_endpoints_there_are(self):
        for name in ("a", "nobody"):
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                self.assert_problem(self.send(name, [1], headers=headers), 401, "unauthorized")
                self.assert_problem(self.server.get("/v1/endpoints/" + name, headers), 401, "unauthorized")
        self.assert_problem(self.server.get("/v1/endpoints"), 401, "unauthorized")

    def test_the_list_has_what_the_caller_may_use(self):
        for who, names in (("all", ["a", "b"]), ("one", ["a"]), ("none", []), ("admin", ["a", "b"])):
            listed = self.server.get("/v1/endpoints", self.as_key(who)).json()["data"]
            self.assertEqual([e["name"] for e in listed], names)

    def test_a_key_without_ad_hoc_calls_endpoints_only(self):
        answer = self.server.post({"items": [{"url": self.fault.url("/ok")}]}, headers=self.as_key("one"))
        self.assert_problem(answer, 403, "forbidden")
        self.assertEqual(self.send("a", [1], headers=self.as_key("one")).status, 200)

    def test_a_body_is_not_read_for_one_who_may_not(self):
        with self.server.connect() as sock:
            sock.sendall(b"POST /v1/batch/b HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer " + self.KEYS["one"][0].encode() +
                         b"\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
            self.assertEqual(world.read_answer(sock).status, 403)


class Targets(named.Case):
    """The origin in an endpoint's url is open for that endpoint alone."""
    base = {"server": {"port": 0}}
    fault_args = ("--listen", "127.0.0.1:0")

    @classmethod
    def class_config(cls):
        return {"targets": {"public": False},
                "endpoints": {
                    "inner": {"url": cls.fault.url("/echo"), "request": "{path: .item}"},
                    "moved": {"url": cls.fault.url("/redirect", to="http://127.0.0.1:%d/ok" % cls.fault.ports["extra0"])},
                }}

    def test_a_private_upstream_is_reached_through_its_endpoint_and_not_ad_hoc(self):
        self.assertTrue(self.single("inner", "x")["success"])
        hits = self.fault.hits()
        for where in (self.fault.url("/ok"), "http://localhost:%d/ok" % self.fault.ports["http"]):
            self.assert_error(self.one(url=where), "blocked_target", sent=False)
        self.assertEqual(self.fault.hits(), hits)

    def test_no_path_leads_to_another_origin(self):
        other = "127.0.0.1:%d" % self.fault.ports["extra0"]
        paths = ["http://%s/ok" % other, "//%s/ok" % other, "@%s/ok" % other, ":%d/ok" % self.fault.ports["extra0"], "\\\\%s/ok" % other,
                 "/\\%s/ok" % other, ".%s/ok" % other, "/@%s/ok" % other, "%%40%s/ok" % other, ["..", "@" + other], ["@" + other, "ok"],
                 [":80"], "\t//%s" % other, "%s%s" % ("/" * 3, other)]
        here = "127.0.0.1:%d" % self.fault.ports["http"]
        for result in self.results("inner", paths):
            self.assertIn((result["error"] or {}).get("code"), (None, "transform_failed"), result)
        for record in self.fault.asked():
            self.assertEqual(record["local"], here)
            self.assertEqual(world.headers_of(record, "host"), [here])
            self.assertTrue(record["target"].startswith("/echo/"), record["target"])

    def test_a_redirect_elsewhere_is_the_answer(self):
        self.assert_error(self.single("moved", 1), "upstream_status", status=302)

    def test_without_ad_hoc_only_endpoints_are_served(self):
        server = self.start({"targets": {"public": False, "ad_hoc": False}, "endpoints": {"in": {"url": self.fault.url("/ok")}}})
        answer = server.post({"items": [{"url": self.fault.url("/ok")}]})
        self.assertIn(answer.status, (403, 404))
        self.assertEqual(self.single("in", 1, server=server)["result"], {"ok": True})

    def test_what_deny_names_is_no_endpoint(self):
        for denied in ("127.0.0.0/8", "127.0.0.1:%d" % self.fault.ports["http"], "127.0.0.1"):
            config = {"server": {"port": 0}, "targets": {"deny": [denied]}, "endpoints": {"in": {"url": self.fault.url("/ok")}}}
            path = world.write_config(self.folder, config, "denied.yaml")
            code, _, err = world.run_tool("check", "--config", path)
            self.assertEqual(code, 2, err)
            self.assertRegex(err, r"denied\.yaml:\d+: endpoints\.in\.url: .*targets\.deny")

    def test_a_name_that_leads_to_a_denied_address_is_blocked_when_it_is_called(self):
        server = self.start({"targets": {"deny": ["127.0.0.0/8", "::1/128"]},
                             "endpoints": {"in": {"url": "http://localhost:%d/ok" % self.fault.ports["http"]}}})
        self.assert_error(self.single("in", 1, server=server), "blocked_target", "address_denied", sent=False)
        self.assertEqual(self.fault.hits(), 0)


if __name__ == "__main__":
    world.main()
