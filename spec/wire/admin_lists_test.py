"""Every list of the admin API: its pages, its filters, and what it says of parameters that are none."""
import os
import subprocess
import unittest
import urllib.parse

from admin_calls import Api
from harness import ADMIN_KEY, BINARY, GatewayCase

STATES = {"tenants": "active blocked", "users": "active blocked", "services": "active blocked", "keys": "active blocked revoked",
          "service-versions": "draft staged published canary", "subscriptions": "requested approved rejected revoked",
          "deliveries": "waiting delivered dead"}
PLAIN = ("projects", "roles", "limits")


class Lists(GatewayCase):
    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(), "workers": 1, "models": {"m": {"targets": ["o/m"], "price": {"input": 3, "output": 15}}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = Api(cls.gateway.admin.number, ADMIN_KEY)
        for tenant in ("acme", "beta", "gamma"):
            cls.good("POST", "/admin/v1/tenants", {"id": tenant})

    @classmethod
    def good(cls, method, path, body=None, **headers):
        status, answer = cls.api(method, path, body, **headers)
        assert status in (200, 201), answer
        return answer

    def refused(self, field, path):
        status, answer = self.api("GET", "/admin/v1/" + path)
        self.assertEqual((status, answer["error"]["code"], answer["error"]["field"]), (400, "bad_request", field), (path, answer))
        return answer["error"]["message"]

    def ids(self, path):
        return [row["id"] for row in self.good("GET", "/admin/v1/" + path)["data"]]

    def test_a_state_that_is_none_is_refused_with_those_there_are(self):
        for name, states in STATES.items():
            self.assertIn(states, self.refused("state", name + "?state=weird"))
            for state in states.split():
                self.good("GET", "/admin/v1/%s?state=%s" % (name, state))
        for name in PLAIN:
            self.assertIn("no parameter here", self.refused("state", name + "?state=active"))

    def test_the_document_says_the_same(self):
        paths = self.good("GET", "/admin/openapi.json")["paths"]
        for name, states in STATES.items():
            found = [p["schema"] for p in paths["/admin/v1/" + name]["get"]["parameters"] if p["name"] == "state"]
            self.assertEqual(found, [{"type": "string", "enum": states.split()}])
        for path, operations in paths.items():
            for parameter in operations.get("get", {}).get("parameters", ()):
                if parameter["in"] == "query" and "{id}" not in path:
                    status, answer = self.api("GET", "%s?%s=" % (path, parameter["name"]))
                    self.assertNotIn("no parameter", str(answer), path)

    def test_each_list_refuses_what_it_does_not_know(self):
        for path, operations in self.good("GET", "/admin/openapi.json")["paths"].items():
            if "get" not in operations or not path.startswith("/admin/v1/"):
                continue
            path = path[len("/admin/v1/"):].replace("{id}", "x")
            self.assertIn("tennant is no parameter here", self.refused("tennant", path + "?tennant=acme"))
        self.assertIn("stands twice", self.refused("limit", "keys?limit=5&limit=7"))
        self.assertIn("there are: limit cursor tenant name state", self.refused("project", "users?project=x"))

    def test_cursors_are_those_that_were_given(self):
        first = self.good("GET", "/admin/v1/tenants?limit=2")
        rest = self.good("GET", "/admin/v1/tenants?limit=2&cursor=" + urllib.parse.quote(first["next_cursor"]))
        self.assertEqual([row["id"] for row in first["data"] + rest["data"]], ["acme", "beta", "gamma"])
        self.assertEqual((rest["has_more"], rest["next_cursor"]), (False, None))
        for name in list(STATES) + list(PLAIN):
            for cursor in ("zzz", "beta", "beta~00000000", "~"):
                self.assertIn("next_cursor", self.refused("cursor", "%s?cursor=%s" % (name, cursor)))
        self.refused("cursor", "users?cursor=" + first["next_cursor"])
        for name in ("requests", "audit"):
            self.refused("cursor", name + "?cursor=zzz")

    def test_a_page_goes_on_behind_a_row_that_has_gone(self):
        for name in ("p1", "p2", "p3"):
            self.good("POST", "/admin/v1/projects", {"tenant": "beta", "name": name})
        page = self.good("GET", "/admin/v1/projects?tenant=beta&limit=1")
        rest = sorted(set(self.ids("projects?tenant=beta")) - {page["data"][0]["id"]})
        self.good("DELETE", "/admin/v1/projects/" + page["data"][0]["id"])
        self.assertEqual(self.ids("projects?tenant=beta&cursor=" + page["next_cursor"]), rest)

    def test_states_are_found_as_they_are_shown(self):
        self.good("POST", "/admin/v1/tenants/gamma/block")
        self.assertEqual((self.ids("tenants?state=blocked"), self.ids("tenants?state=active")), (["gamma"], ["acme", "beta"]))
        self.good("POST", "/admin/v1/tenants/gamma/unblock")
        self.assertEqual(self.ids("tenants?state=active"), ["acme", "beta", "gamma"])
        self.good("POST", "/admin/v1/services", {"tenant": "acme", "name": "s"})
        for number in (1, 2, 3, 4):
            self.good("POST", "/admin/v1/service-versions", {"service": "acme:s", "model": "m"})
            if number < 4:
                self.good("POST", "/admin/v1/service-versions/acme:s:%d/stage" % number)
        self.good("POST", "/admin/v1/services/acme:s/publish", {"version": 1})
        self.good("POST", "/admin/v1/services/acme:s/canary", {"version": 2, "percent": 5})
        for state, number in (("published", 1), ("canary", 2), ("staged", 3), ("draft", 4)):
            self.assertEqual(self.ids("service-versions?service=acme:s&state=" + state), ["acme:s:%d" % number])

    def test_kinds_and_times(self):
        for path in ("requests", "usage"):
            self.assertIn("chat", self.refused("dialect", path + "?dialect=weird"))
            self.assertIn("rate_limit_exceeded", self.refused("failure", path + "?failure=weird"))
        self.assertIn("model", self.refused("by", "usage?by=weird"))
        self.assertIn("day", self.refused("trend", "usage?trend=weird"))
        for path in ("requests", "audit"):
            self.refused("to", path + "?from=2026-12-01&to=2026-11-01")
            self.refused("from", path + "?from=yesterday")

    def test_an_id_may_be_escaped(self):
        self.good("POST", "/admin/v1/services", {"tenant": "beta", "name": "odd"})
        self.assertEqual(self.good("GET", "/admin/v1/services/beta%3Aodd")["id"], "beta:odd")

    def test_405_names_each_method(self):
        self.assertEqual(self.api("PUT", "/admin/v1/tenants/acme")[0], 405)
        self.assertEqual(self.api.headers["allow"], "GET, PATCH, DELETE")

    def test_errors_have_one_shape(self):
        for method, path in (("GET", "/admin/v1/nothing"), ("POST", "/metrics"), ("PUT", "/admin/v1/keys"), ("GET", "/admin/v1/keys/none"),
                             ("PUT", "/admin/tenants/acme/scripts"), ("GET", "/admin/tenants/nobody/scripts")):
            status, answer = self.api(method, path)
            self.assertGreaterEqual(status, 400)
            self.assertEqual(set(answer["error"]), {"code", "message", "field"}, (path, answer))

    def command(self, *words, key=ADMIN_KEY):
        done = subprocess.run([BINARY, *words, "--config", self.gateway.path], capture_output=True, text=True, timeout=30, check=False,
                              env=dict(os.environ, GATEYES_ADMIN_KEY=key))
        return done.returncode, done.stdout, done.stderr

    def test_a_key_that_is_not_known(self):
        status, _, said = self.command("keys", "list", key="gy-nobody")
        self.assertEqual(status, 1)
        self.assertIn("the gateway does not know that key; it is GATEYES_ADMIN_KEY", said)

    def test_the_log_reads_the_same_with_and_without_a_gateway(self):
        self.assertEqual(self.command("audit", "verify"), self.command("audit", "verify", "--offline"))
        self.assertRegex(self.command("audit", "verify")[1], r"^whole: \d+ rows, the last is number \d+\nhead [0-9a-f]{64}\n$")
        there, here = (self.command("audit", "list", *more)[1].splitlines() for more in ((), ("--offline",)))
        self.assertEqual(here[:3], there[:3])
        self.assertEqual(self.command("webhooks", "list", "--state", "weird"),
                         (2, "", "gateyes webhooks: --state: expects one of: waiting delivered dead\n"))
        self.assertEqual(self.command("scripts", "list"), (0, "no tenant has scripts\n", ""))
        self.assertEqual(self.command("webhooks", "list")[1].split(), ["id", "updated_at", "state", "webhook", "type", "attempts", "error"])


if __name__ == "__main__":
    unittest.main()
