"""Who may do what: every route of the admin API, asked by every role, about its own tenant and another's; and secrets
that may show nowhere."""
import json
import os
import re
import subprocess
import time
import unittest

from admin_calls import Api
from harness import ADMIN_KEY, BINARY, SLACK, GatewayCase, chat_body, wait_for

ROLES = ("super_admin", "tenant_admin", "billing", "auditor", "developer", "member", "service")


class RolesCase(GatewayCase):
    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(), "workers": 2,
                "models": {"m": {"targets": ["o/m@in=10;out=20"], "max_output_tokens": 20, "price": {"input": 3, "output": 15}}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = Api(cls.gateway.admin.number, ADMIN_KEY)

    def good(self, method, path, body=None, **headers):
        status, answer = self.api(method, path, body, **headers)
        self.assertIn(status, (200, 201), answer)
        return answer


class Matrix(RolesCase):
    def rows_of(self, tenant):
        made = {"tenants": self.good("POST", "/admin/v1/tenants", {"id": tenant})["id"]}
        made["projects"] = self.good("POST", "/admin/v1/projects", {"tenant": tenant, "name": "p"})["id"]
        made["users"] = self.good("POST", "/admin/v1/users", {"tenant": tenant, "name": "u"})["id"]
        made["roles"] = self.good("POST", "/admin/v1/roles", {"tenant": tenant, "name": "own", "allow": ["chat"]})["id"]
        made["keys"] = self.good("POST", "/admin/v1/keys", {"tenant": tenant, "name": "k"})["id"]
        made["limits"] = self.good("POST", "/admin/v1/limits", {"tenant": tenant, "name": "l", "requests": 1000, "window": "1h"})["id"]
        service = made["services"] = self.good("POST", "/admin/v1/services", {"tenant": tenant, "name": "s"})["id"]
        made["service-versions"] = self.good("POST", "/admin/v1/service-versions", {"service": service, "model": "m"})["id"]
        made["subscriptions"] = self.good("POST", "/admin/v1/subscriptions", {"service": service, "name": "b"})["id"]
        return made

    @staticmethod
    def body_of(method, path, tenant, key):
        noun = path.split("/")[3] if path.startswith("/admin/v1/") else path
        bodies = {"tenants": {"id": tenant + "x"}, "projects": {"tenant": tenant, "name": "q"}, "users": {"tenant": tenant, "name": "q"},
                  "roles": {"tenant": tenant, "name": "q", "allow": ["chat"]}, "keys": {"tenant": tenant, "name": "q"},
                  "limits": {"tenant": tenant, "name": "q", "requests": 5, "window": "1h"}, "/key/generate": {"organization_id": tenant},
                  "services": {"tenant": tenant, "name": "q"}, "service-versions": {"service": tenant + ":s", "model": "m"},
                  "subscriptions": {"service": tenant + ":s", "name": "q"},
                  "/key/delete": {"keys": [key]}}
        if method == "POST" and not re.search(r"\}/\w+$", path):
            return bodies.get(noun, {"key": key})
        return {} if method != "GET" else None

    def allowed(self, roles, role, action):
        allow = roles[role]
        return any(re.fullmatch(pattern.replace(".", r"\.").replace("*", ".*"), action) for pattern in allow)

    def test_every_role_on_every_route_of_both_tenants(self):
        roles, reach = {}, {}
        folder = os.path.join(os.path.dirname(__file__), "..", "..", "lua", "rbac")
        for role in ROLES:
            with open(os.path.join(folder, role + ".lua")) as file:
                text = file.read()
            roles[role] = re.findall(r'"([^"]+)"', re.search(r"allow = \{(.*?)\}", text, re.S).group(1))
            reach[role] = re.search(r'reach = "(\w+)"', text).group(1) if "reach" in text else "own"
        document = self.good("GET", "/admin/openapi.json")
        mine, other = self.rows_of("mine"), self.rows_of("other")
        unexpected, asked = [], 0
        for role in ROLES:
            secret = self.good("POST", "/admin/v1/keys", {"tenant": "mine", "name": role, "roles": [role]})["secret"]
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    action = operation["x-gateyes-action"]
                    for tenant, rows in (("mine", mine), ("other", other)):
                        # What removes or blocks is asked about rows that are not there: who may, is told so.
                        removes = method == "delete" or re.search(r"/(block|unblock|revoke|rotate)$", path) or path == "/key/delete"
                        noun = path.split("/")[3] if path.startswith("/admin/v1/") else "keys" if path.startswith("/key") else "nothing"
                        row = "nothing" if removes and tenant == "mine" else rows.get(noun, "nothing")
                        where = path.replace("{id}", row).replace("{tenant}", tenant).replace("{generation}", "1")
                        if method == "get" and "{id}" not in path and "tenant" in [p["name"] for p in operation["parameters"] if p["in"] == "query"]:
                            where += "?tenant=" + tenant
                        if path == "/key/info":
                            where += "?key=" + rows["keys"]
                        status = self.api(method.upper(), where, self.body_of(method.upper(), path, tenant, row), key=secret)[0]
                        asked += 1
                        may = self.allowed(roles, role, action) and (tenant == "mine" or reach[role] == "all")
                        # Prices are the operator's for all; a role's own listing is about its own tenant only.
                        is_own_list = tenant == "other" and method == "get" and "tenant=" not in where and "{id}" not in path and path != "/key/info"
                        if status < 300 and not may and not (is_own_list and self.allowed(roles, role, action)):
                            unexpected.append((role, method, where, tenant, status))
                        hidden = [other[kind] for kind in other if kind != "tenants"]
                        if reach[role] != "all" and status < 300 and any('"%s"' % name in self.api.texts[-1] for name in hidden):
                            unexpected.append((role, method, where, tenant, "shows another tenant's rows"))
                        if may and reach[role] in ("tenant", "all") and method == "get" and status in (401, 403):
                            if path not in ("/admin/v1/audit/verify", "/admin/scripts"):  # of all tenants
                                unexpected.append((role, method, where, tenant, status))
                        if status >= 500:
                            unexpected.append((role, method, where, tenant, status))
        self.assertEqual(unexpected, [])
        self.assertGreater(asked, 7 * 2 * 45)
        denied = self.api.pages("/admin/v1/audit?target=", 1000)
        self.assertGreater(sum(row["outcome"] == "denied" for row in denied), 100)
        self.assertTrue(self.good("GET", "/admin/v1/audit/verify")["ok"])

    def test_another_tenant_is_as_one_that_is_not_there(self):
        """Named by a parameter, a member or a path: no answer tells whether it is there."""
        for tenant in ("asking", "hidden"):
            self.good("POST", "/admin/v1/tenants", {"id": tenant})
        admin = self.good("POST", "/admin/v1/keys", {"tenant": "asking", "name": "admin", "roles": ["tenant_admin"]})["secret"]
        plain = self.good("POST", "/admin/v1/keys", {"tenant": "asking", "name": "plain", "roles": ["service"]})["secret"]
        listings = [path for path, operations in self.good("GET", "/admin/openapi.json")["paths"].items()
                    if "tenant" in [p["name"] for p in operations.get("get", {}).get("parameters", ()) if p["in"] == "query"]]
        self.assertGreater(len(listings), 10)
        for path in listings:
            answers = [self.api("GET", path + "?tenant=" + tenant, key=admin) for tenant in ("hidden", "nobody")]
            self.assertEqual([status for status, _ in answers], [404, 404], path)
            self.assertEqual(str(answers[0]).replace("hidden", "nobody"), str(answers[1]), path)
            self.assertIn(self.api("GET", path + "?tenant=hidden", key=plain)[0], (403, 404), path)
        for noun, body in (("keys", {"name": "a"}), ("users", {"name": "a"}), ("projects", {"name": "a"}), ("services", {"name": "a"}),
                           ("roles", {"name": "a", "allow": ["chat"]}), ("limits", {"name": "a", "requests": 1, "window": "1h"})):
            answers = [self.api("POST", "/admin/v1/" + noun, dict(body, tenant=tenant), key=admin) for tenant in ("hidden", "nobody")]
            self.assertEqual([status for status, _ in answers], [404, 404], noun)
            self.assertEqual(str(answers[0]).replace("hidden", "nobody"), str(answers[1]), noun)

    def test_a_key_that_is_bound_makes_none_that_is_not(self):
        """A role says what somebody may do, and so do the models and paths of the key that they show."""
        self.good("POST", "/admin/v1/tenants", {"id": "binding"})
        self.good("POST", "/admin/v1/projects", {"tenant": "binding", "name": "p"})
        common = {"tenant": "binding", "project": "p", "roles": ["developer"]}
        until = int(time.time() * 1000) + 3600000
        own = self.good("POST", "/admin/v1/keys", dict(common, name="bound", models=["gpt-*"], paths=["/v1/chat/*"], networks=["127.0.0.0/8"], expires_ms=until))
        wide = self.good("POST", "/admin/v1/keys", dict(common, name="wide"))["id"]
        narrow = {"models": ["gpt-4?", "gpt-5*"], "paths": ["/v1/chat/completions"]}

        def ask(method, path, body):
            status, answer = self.api(method, path, body, key=own["secret"])
            return status if status < 300 else (status, answer["error"]["field"])
        made = self.api("POST", "/admin/v1/keys", dict(common, name="a", **narrow), key=own["secret"])
        self.assertEqual(made[0], 201, made)
        for field, change in (("models", {"models": ["*"]}), ("models", {"models": []}), ("models", {"models": ["gpt-4", "llama"]}),
                              ("models", {"models": None}), ("paths", {"paths": ["/v1/*"]}), ("paths", {"paths": None})):
            self.assertEqual(ask("POST", "/admin/v1/keys", dict(common, name="a", **dict(narrow, **change))), (403, field), change)
            for row in (made[1]["id"], own["id"]):
                self.assertEqual(ask("PATCH", "/admin/v1/keys/" + row, change), (403, field), change)
        self.assertEqual(ask("POST", "/key/generate", {"team_id": "p", "key_alias": "a", "allowed_routes": ["/v1/chat/*"]}), (403, "models"))
        self.assertEqual(ask("POST", "/admin/v1/keys/%s/rotate" % wide, {}), (403, "models"))
        for field, change in (("networks", {"networks": None}), ("networks", {"networks": ["127.0.0.1", "10.0.0.0/8"]}), ("networks", {"networks": ["0.0.0.0/0"]}),
                              ("expires_ms", {"expires_ms": None}), ("expires_ms", {"expires_ms": until + 1})):
            self.assertEqual(ask("PATCH", "/admin/v1/keys/" + own["id"], change), (403, field), change)
        self.assertEqual(ask("PATCH", "/admin/v1/keys/" + own["id"], {"networks": ["127.0.0.0/16"], "expires_ms": until - 1, "name": "closer"}), 200)
        self.assertEqual(ask("POST", "/admin/v1/keys/%s/rotate" % own["id"], {}), 200)

    def test_patterns_and_tags_of_roles_are_not_stretched(self):
        self.good("POST", "/admin/v1/tenants", {"id": "stretch"})

        def role(name, **fields):
            return self.good("POST", "/admin/v1/roles", dict({"tenant": "stretch", "name": name, "reach": "tenant", "allow": ["chat"]}, **fields))
        role("maker", allow=["chat", "roles.*", "keys.*"], models=["m?", "x*y"])
        role("night", allow=["chat", "embeddings"], tags=["night"])
        maker = self.good("POST", "/admin/v1/keys", {"tenant": "stretch", "name": "maker", "roles": ["maker"]})["secret"]
        for models, wanted in ((["m?"], 201), (["m1", "xay", "x*zy"], 201), (["m*"], 403), (["?"], 403), (["x*"], 403), (["m??"], 403)):
            body = {"tenant": "stretch", "name": "r%d" % len(self.api.texts), "reach": "tenant", "allow": ["chat"], "models": models}
            self.assertEqual(self.api("POST", "/admin/v1/roles", body, key=maker)[0], wanted, models)
        # What a tag opens is not opened by who may write the tag.
        role("keeper", allow=["keys.*"])
        both = self.good("POST", "/admin/v1/keys", {"tenant": "stretch", "name": "both", "roles": ["keeper", "night"]})
        self.assertEqual(self.api("PATCH", "/admin/v1/keys/" + both["id"], {"tags": ["night"]}, key=both["secret"])[0], 403)

    def test_a_role_s_name_is_given_once(self):
        for tenant in ("naming", "other-naming"):
            self.good("POST", "/admin/v1/tenants", {"id": tenant})
        body = {"tenant": "naming", "name": "mine", "reach": "tenant", "allow": ["chat"]}
        made = self.good("POST", "/admin/v1/roles", body)
        for name in ("mine", "developer"):
            status, answer = self.api("POST", "/admin/v1/roles", dict(body, name=name))
            self.assertEqual((status, answer["error"]["field"]), (409, "name"), answer)
        self.good("POST", "/admin/v1/roles", dict(body, tenant="other-naming"))
        self.good("PATCH", "/admin/v1/roles/" + made["id"], {"allow": ["chat", "embeddings"]})

    def test_nobody_gives_more_than_they_have(self):
        self.good("POST", "/admin/v1/tenants", {"id": "giving"})
        admin = self.good("POST", "/admin/v1/keys", {"tenant": "giving", "name": "admin", "roles": ["tenant_admin"]})["secret"]

        def status(path, body, key=admin):
            return self.api("POST", path, body, key=key)[0]
        self.assertEqual(status("/admin/v1/keys", {"tenant": "giving", "name": "a", "roles": ["developer"]}), 201)
        self.assertEqual(status("/admin/v1/keys", {"tenant": "giving", "name": "a", "roles": ["super_admin"]}), 403)
        self.assertEqual(status("/admin/v1/users", {"tenant": "giving", "name": "a", "roles": ["super_admin"]}), 403)
        self.assertEqual(status("/admin/v1/keys", {"tenant": "mine", "name": "a"}), 404)
        self.assertEqual(status("/admin/v1/tenants", {"id": "more"}), 403)
        self.assertIn(status("/admin/v1/roles", {"tenant": "giving", "name": "king", "reach": "all", "allow": ["*"]}), (400, 403))
        self.assertEqual(status("/admin/v1/limits", {"name": "all", "requests": 1, "window": "1h"}), 403)
        strong = self.good("POST", "/admin/v1/keys", {"tenant": "giving", "name": "strong", "roles": ["super_admin"]})["id"]
        self.assertEqual(status("/admin/v1/keys/%s/rotate" % strong, {}), 403)
        self.assertEqual(self.api("PATCH", "/admin/v1/keys/" + strong, {"name": "mine"}, key=admin)[0], 403)
        self.good("POST", "/admin/v1/tenants", {"id": "a-neighbour"})
        listed = self.api("GET", "/admin/v1/tenants?limit=1", key=admin)[1]
        self.assertEqual(([row["id"] for row in listed["data"]], listed["next_cursor"]), (["giving"], None))
        self.assertEqual(self.api("GET", "/admin/v1/keys", key="")[0], 401)


    def test_scripts_and_open_requests(self):
        for tenant in ("first", "second"):
            self.good("POST", "/admin/v1/tenants", {"id": tenant})
        keys = {role: self.good("POST", "/admin/v1/keys", {"tenant": "first", "name": role, "roles": [role]})["secret"]
                for role in ("super_admin", "tenant_admin", "member")}
        for method, path, wanted in (("GET", "/admin/exchanges", (200, 403, 403)), ("GET", "/admin/scripts", (200, 403, 403)),
                                     ("GET", "/admin/openapi.json", (200, 200, 200)), ("GET", "/admin/tenants/second/scripts", (404, 404, 403)),
                                     ("POST", "/admin/tenants/second/scripts/rollback", (404, 404, 403))):
            for (role, key), status in zip(keys.items(), wanted):
                self.assertEqual(self.api(method, path, {} if method == "POST" else None, key=key)[0], status, (role, path))
        rows = self.good("GET", "/admin/v1/audit?action=scripts.write&tenant=first")["data"]
        self.assertEqual(sorted(row["outcome"] for row in rows), ["asked", "denied", "denied"])


class Secrets(RolesCase):
    def test_planted_secrets_show_nowhere(self):
        self.good("POST", "/admin/v1/tenants", {"id": "planted"})
        secrets, keys = [ADMIN_KEY, "sk-provider-o"], []
        for i in range(18):
            key = self.good("POST", "/admin/v1/keys", {"tenant": "planted", "name": "k%d" % i, "roles": ["developer"]})
            secrets.append(key["secret"])
            keys.append(key)
        self.api.texts.clear()
        for i, key in enumerate(keys):
            self.assertEqual(self.ask("/v1/chat/completions", chat_body("m" if i % 2 else "nothing"), key=key["secret"],
                                      wait=10 * SLACK).status, 200 if i % 2 else 404)
            self.api("GET", "/admin/v1/keys/" + key["id"], key=key["secret"])
            self.api("POST", "/admin/v1/tenants", {"id": key["secret"], "name": 5}, key=key["secret"])
            self.api("GET", "/key/info?key=" + key["id"])
        self.good("PATCH", "/admin/v1/keys/" + keys[0]["id"], {"metadata": {"password": secrets[3], "note": secrets[4]}})
        self.api.texts.clear()
        self.api("GET", "/admin/v1/nothing")
        self.good("GET", "/admin/v1/audit?limit=1000")
        self.good("GET", "/admin/v1/keys/" + keys[5]["id"])
        wait_for(lambda: len(self.good("GET", "/admin/v1/requests?tenant=planted")["data"]) >= 9, 10, "the requests")
        with open(self.gateway.log_path) as file:
            texts = {"log": file.read(), "process": self.gateway.process_log(), "metrics": self.gateway.get_admin("/metrics")[1],
                     "answers": "".join(self.api.texts), "exchanges": self.gateway.get_admin("/admin/exchanges")[1]}
        for where, text in texts.items():
            for secret in secrets:
                self.assertNotIn(secret, text, where)
        with open(os.path.join(self.gateway.folder, "g.db"), "rb") as base:
            stored = base.read()
        for secret in secrets[:3] + secrets[6:]:
            self.assertNotIn(secret.encode(), stored, "the database holds hashes")


class Commands(RolesCase):
    def run_command(self, *words):
        environment = dict(os.environ, GATEYES_ADMIN_KEY=ADMIN_KEY)
        done = subprocess.run([BINARY] + list(words) + ["--config", self.gateway.path], capture_output=True, text=True,
                              timeout=60, env=environment)
        return done.returncode, done.stdout, done.stderr

    def test_the_same_from_the_command_line(self):
        self.assertEqual(self.run_command("tenants", "create", "--id", "cli")[0], 0)
        code, out, _ = self.run_command("keys", "create", "--tenant", "cli", "--name", "one", "--roles", "developer", "--json")
        key = json.loads(out)
        self.assertEqual((code, key["roles"]), (0, ["developer"]))
        self.assertEqual(self.ask("/v1/chat/completions", chat_body("m"), key=key["secret"]).status, 200)
        code, out, _ = self.run_command("keys", "list", "--tenant", "cli")
        self.assertEqual((code, out.splitlines()[0].split()[:2]), (0, ["id", "tenant"]))
        self.assertIn(key["id"], out)
        self.assertEqual(self.run_command("keys", "block", key["id"])[0], 0)
        self.assertEqual(self.ask("/v1/chat/completions", chat_body("m"), key=key["secret"]).status, 401)
        code, out, _ = self.run_command("limits", "create", "--name", "few", "--scope", "key=" + key["id"], "--requests", "3", "--window", "1h")
        self.assertEqual(code, 0)
        wait_for(lambda: "cli" in self.run_command("usage", "--by", "tenant")[1], 10, "usage")
        code, _, error = self.run_command("keys", "show", "key-nothing")
        self.assertEqual((code, error), (1, "gateyes keys: there is no such key\n"))
        self.assertEqual(self.run_command("keys", "dance")[0], 2)

    def run_elsewhere(self, **environment):
        folder = os.path.join(self.gateway.folder, "elsewhere")
        os.makedirs(folder, exist_ok=True)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("GATEYES_")}
        done = subprocess.run([BINARY, "roles", "list"], capture_output=True, text=True, timeout=60, cwd=folder,
                              env=dict(plain, **environment))
        return done.returncode, done.stderr

    def test_where_the_gateway_is(self):
        url = "http://localhost:%d" % self.gateway.admin.number
        self.assertEqual(self.run_elsewhere(GATEYES_ADMIN_URL=url, GATEYES_ADMIN_KEY=ADMIN_KEY), (0, ""))
        self.assertEqual(self.run_elsewhere(GATEYES_CONFIG=self.gateway.path, GATEYES_ADMIN_KEY=ADMIN_KEY), (0, ""))
        self.assertEqual(self.run_elsewhere(GATEYES_ADMIN_URL=url)[0], 1)
        for wrong, sentence in (("https://gateway", "ssh -L"), (url + "/admin", "has a path"), ("gateway:8081", "http://"),
                                ("http://nobody.invalid:8081", "not found"), ("unix:/nothing/there", "is it running?")):
            code, error = self.run_elsewhere(GATEYES_ADMIN_URL=wrong, GATEYES_ADMIN_KEY=ADMIN_KEY)
            self.assertEqual(code, 1)
            self.assertIn(sentence, error)
        code, error = self.run_elsewhere(GATEYES_CONFIG="/nothing.lua")
        self.assertEqual((code, "GATEYES_ADMIN_URL=" in error), (1, True))


if __name__ == "__main__":
    unittest.main()
