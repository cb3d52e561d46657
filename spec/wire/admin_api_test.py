"""The admin API end to end: tenants, keys, limits, usage, audit, as an operator's script uses them."""
import os
import re
import sqlite3
import threading
import time
import unittest

from admin_calls import Api
from harness import ADMIN_KEY, SLACK, Gateway, GatewayCase, chat_body, wait_for


class ApiCase(GatewayCase):
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

    def fails(self, wanted, field, method, path, body=None, **headers):
        status, answer = self.api(method, path, body, **headers)
        self.assertEqual((status, answer["error"]["field"]), (wanted, field), answer)
        return answer["error"]["message"]

    def make_key(self, name, **fields):
        return self.good("POST", "/admin/v1/keys", dict({"tenant": self.tenant(), "name": name, "roles": ["developer"]}, **fields))

    def tenant(self):
        name = type(self).__name__.lower()
        if self.api("GET", "/admin/v1/tenants/" + name)[0] == 404:
            self.good("POST", "/admin/v1/tenants", {"id": name})
        return name

    def chat_with(self, secret):
        return self.ask("/v1/chat/completions", chat_body("m"), key=secret, wait=10 * SLACK).status


class Keys(ApiCase):
    def test_from_a_tenant_to_its_bill(self):
        tenant = self.tenant()
        project = self.good("POST", "/admin/v1/projects", {"tenant": tenant, "name": "research"})
        inner = self.good("POST", "/admin/v1/projects", {"tenant": tenant, "name": "vision", "parent": project["id"]})
        user = self.good("POST", "/admin/v1/users", {"tenant": tenant, "name": "ann", "roles": ["developer"]})
        key = self.make_key("first", project=inner["id"], user=user["id"])
        self.assertRegex(key["secret"], r"^gy-[A-Za-z0-9]{49}$")
        self.assertEqual(self.chat_with(key["secret"]), 200)
        rows = wait_for(lambda: self.good("GET", "/admin/v1/usage?by=project&key_id=" + key["id"])["data"], 10, "usage")
        self.assertEqual([(r["project"], r["requests"], r["input_tokens"], r["output_tokens"], r["cost_nanousd"]) for r in rows],
                         [("research/vision", 1, 10, 20, 10 * 3000 + 20 * 15000)])
        found = self.good("GET", "/admin/v1/requests?key_id=" + key["id"])["data"]
        whole = self.good("GET", "/admin/v1/requests/" + found[0]["request_id"])
        self.assertEqual((whole["user"], whole["status"], len(whole["attempts"])), ("ann", 200, 1))
        self.assertEqual(self.good("GET", "/admin/v1/usage?trend=day&key_id=" + key["id"])["data"][0]["requests"], 1)
        spend = self.good("GET", "/spend/logs")
        self.assertIn((key["id"], 10, 20), [(r["api_key"], r["prompt_tokens"], r["completion_tokens"]) for r in spend])
        self.fails(409, None, "DELETE", "/admin/v1/projects/" + project["id"])
        self.fails(409, None, "DELETE", "/admin/v1/tenants/" + tenant)

    def test_what_litellm_s_scripts_ask_about_spending(self):
        """A key about itself, lines by the key's token, and the sums of days."""
        key = self.good("POST", "/key/generate", {"organization_id": self.tenant(), "models": ["m"], "duration": "20m", "metadata": {"team": "core-infra"}})
        self.assertEqual([self.chat_with(key["key"]) for _ in range(2)], [200, 200])
        query, day = "/spend/logs?api_key=" + key["token"], time.strftime("%Y-%m-%d", time.gmtime())
        lines = wait_for(lambda: (lambda rows: rows if len(rows) == 2 else None)(self.good("GET", query)), 10, "two lines")
        self.assertEqual([(line["api_key"], line["call_type"], line["spend"]) for line in lines], [(key["token"], "acompletion", 0.00033)] * 2)
        info = self.good("GET", "/key/info", key=key["key"])
        self.assertEqual((info["key"], info["info"]["spend"], info["info"]["aliases"]), (key["token"], 0.00066, {}))
        self.assertEqual(self.api("GET", "/key/info?key=" + key["token"], key=key["key"])[0], 403)  # by name is an administrator's way
        self.assertEqual(self.api("GET", "/spend/logs", key=key["key"])[0], 403)
        self.fails(400, "key", "GET", "/key/info")  # the operator's is no row
        self.fails(400, "key", "GET", "/key/info?key=" + key["key"])
        self.fails(400, "api_key", "GET", "/spend/logs?api_key=" + key["key"])
        self.fails(400, "summarize", "GET", query + "&summarize=maybe")
        before = self.good("GET", "%s&start_date=%s&end_date=%s" % (query, "2026-01-01", "2026-01-02"))
        self.assertEqual(before, [])
        end = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
        sums = self.good("GET", "%s&start_date=%s&end_date=%s" % (query, "2026-01-01", end))
        self.assertEqual(sums[0], {"users": {"": 0.00066}, "models": {"m": 0.00066}, key["token"]: 0.00066, "spend": 0.00066, "startTime": sums[0]["startTime"]})
        self.assertIn((sums[0]["startTime"], sums[-1]), ((day, {"users": {}, "models": {}, "spend": 0.0, "startTime": end}), (end, sums[0])))
        lines = self.good("GET", "%s&start_date=%s&end_date=%s&summarize=false" % (query, day, end))
        self.assertEqual(len(lines), 2)

    def test_a_blocked_key_is_refused_by_every_worker(self):
        key = self.make_key("blocked")
        for action, status in (("block", 401), ("unblock", 200), ("revoke", 401)):
            self.good("POST", "/admin/v1/keys/%s/%s" % (key["id"], action))
            self.assertEqual({self.chat_with(key["secret"]) for _ in range(12)}, {status}, action)
        self.fails(409, None, "POST", "/admin/v1/keys/%s/unblock" % key["id"])
        self.assertEqual(self.good("GET", "/admin/v1/keys/" + key["id"])["state"], "revoked")

    def test_revoked_under_load(self):
        key, seen, revoked = self.make_key("load"), [], threading.Event()

        def work():
            while not revoked.is_set():
                self.chat_with(key["secret"])
            seen.append(self.chat_with(key["secret"]))
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        self.good("POST", "/admin/v1/keys/%s/revoke" % key["id"])
        revoked.set()
        for thread in threads:
            thread.join()
        self.assertEqual(seen, [401] * 4)

    def test_rotation_overlaps(self):
        key = self.make_key("turning")
        turned = self.good("POST", "/admin/v1/keys/%s/rotate" % key["id"], {"overlap_s": 600})
        self.assertIn("previous_until", turned)
        self.assertNotEqual(turned["secret"], key["secret"])
        self.assertEqual([self.chat_with(k["secret"]) for k in (key, turned)], [200, 200])
        last = self.good("POST", "/admin/v1/keys/%s/rotate" % key["id"], {"overlap_s": 0})
        self.assertEqual([self.chat_with(k["secret"]) for k in (key, turned, last)], [401, 401, 200])
        self.fails(400, "overlap_s", "POST", "/admin/v1/keys/%s/rotate" % key["id"], {"overlap_s": -1})

    def test_secrets_are_shown_once(self):
        key = self.make_key("once")
        before = len(self.api.texts)
        self.good("GET", "/admin/v1/keys/" + key["id"])
        self.good("GET", "/admin/v1/keys?limit=1000")
        self.good("PATCH", "/admin/v1/keys/" + key["id"], {"tags": ["a"]})
        self.good("GET", "/admin/v1/audit?limit=1000")
        self.good("GET", "/key/info?key=" + key["id"])
        for text in self.api.texts[before:]:
            self.assertNotIn(key["secret"], text)
            self.assertNotIn("lookup", text)
        self.assertEqual(key["last4"], key["secret"][-4:])
        self.fails(400, "key", "GET", "/key/info?key=" + key["secret"])

    def test_if_match(self):
        key = self.make_key("versions")
        path = "/admin/v1/keys/" + key["id"]
        self.good("GET", path)
        tag = self.api.headers["etag"]
        self.good("PATCH", path, {"name": "second"}, if_match=tag)
        self.fails(412, "If-Match", "PATCH", path, {"name": "third"}, if_match=tag)
        self.assertEqual(self.good("GET", path)["name"], "second")

    def test_idempotency(self):
        tenant = self.tenant()
        body = {"tenant": tenant, "name": "same"}
        first = self.good("POST", "/admin/v1/keys", body, idempotency_key="k-1")
        again = self.good("POST", "/admin/v1/keys", body, idempotency_key="k-1")
        self.assertEqual(again["id"], first["id"])
        self.assertNotIn("secret", again)
        self.fails(422, "Idempotency-Key", "POST", "/admin/v1/keys", dict(body, name="other"), idempotency_key="k-1")

    def test_every_change_is_made_once(self):
        """Sent again after an answer that was lost, each change is answered as the first time, and not made again."""
        tenant = self.tenant()
        made = {}

        def twice(method, path, body, name):
            first = self.good(method, path, body, idempotency_key="once-" + name)
            again = self.good(method, path, body, idempotency_key="once-" + name)
            first.pop("secret", None)
            self.assertEqual(again, first, (method, path))
            made[name] = first
            return first
        twice("POST", "/admin/v1/tenants", {"id": "twice"}, "tenant")
        for kind, body in (("projects", {"name": "p"}), ("users", {"name": "u"}), ("roles", {"name": "r", "allow": ["chat"]}), ("keys", {"name": "k"}),
                           ("limits", {"name": "l", "requests": 5, "window": "1m"}), ("services", {"name": "s"})):
            row = twice("POST", "/admin/v1/" + kind, dict({"tenant": tenant}, **body), kind)
            twice("PATCH", "/admin/v1/%s/%s" % (kind, row["id"]), {"description" if kind in ("services", "roles") else "soft" if kind == "limits" else "metadata":
                  "x" if kind in ("services", "roles") else True if kind == "limits" else {"a": 1}}, kind + "-patch")
        key = "/admin/v1/keys/" + made["keys"]["id"]
        for verb in ("block", "unblock", "rotate", "revoke"):
            twice("POST", key + "/" + verb, {}, "key-" + verb)
        service = made["services"]["id"]
        version = twice("POST", "/admin/v1/service-versions", {"service": service, "model": "m"}, "version")["id"]
        twice("POST", "/admin/v1/service-versions/%s/stage" % version, {}, "stage")
        twice("POST", "/admin/v1/services/%s/publish" % service, {"version": 1}, "publish")
        for name, end in (("approved", "approve"), ("rejected", "reject")):
            asked = twice("POST", "/admin/v1/subscriptions", {"service": service, "name": name}, name)["id"]
            twice("POST", "/admin/v1/subscriptions/%s/%s" % (asked, end), {}, end)
        self.assertEqual(len(self.good("GET", "/admin/v1/keys?limit=1000&name=approved")["data"]), 1)
        for kind in ("projects", "users", "roles", "limits"):
            twice("DELETE", "/admin/v1/%s/%s" % (kind, made[kind]["id"]), None, kind + "-delete")
        self.fails(422, "Idempotency-Key", "POST", "/admin/v1/keys/%s/revoke" % self.make_key("other")["id"], {}, idempotency_key="once-key-revoke")
        self.fails(400, "Idempotency-Key", "POST", "/admin/v1/tenants", {"id": "long"}, idempotency_key="x" * 256)

    def test_wrong_fields_are_named(self):
        tenant = self.tenant()
        for field, body in (("tenant", {"name": "a"}), ("tenant", {"name": "a", "tenant": "nobody"}), ("name", {"tenant": tenant}),
                            ("nme", {"tenant": tenant, "name": "a", "nme": 1}), ("models", {"tenant": tenant, "name": "a", "models": "m"}),
                            ("roles", {"tenant": tenant, "name": "a", "roles": ["king"]}), ("networks", {"tenant": tenant, "name": "a", "networks": ["x"]}),
                            ("project", {"tenant": tenant, "name": "a", "project": "project-nothing"}),
                            ("expires_ms", {"tenant": tenant, "name": "a", "expires_ms": 1000}), ("name", {"tenant": tenant, "name": "a\u0007"})):
            self.fails(400, field, "POST", "/admin/v1/keys", body)
        self.fails(400, None, "POST", "/admin/v1/keys", "{")
        self.fails(400, None, "POST", "/admin/v1/keys", "[]")
        self.fails(400, "nothing", "GET", "/admin/v1/keys?nothing=1")
        self.fails(400, "limit", "GET", "/admin/v1/keys?limit=0")
        key = self.make_key("fixed")
        self.fails(400, "tenant", "PATCH", "/admin/v1/keys/" + key["id"], {"tenant": "other"})
        self.fails(404, None, "GET", "/admin/v1/keys/key-nothing")

    def test_what_stands_twice_is_named(self):
        """Readers of JSON differ about which of two counts, so nothing is made of such a body."""
        tenant = self.tenant()
        for field, text in (("roles", '"roles":["service"],"roles":["developer"]'), ("roles", '"roles":["service"],"r\\u006fles":["developer"]'),
                            ("metadata.a", '"metadata":{"a":1,"b":2,"a":3}'), ("metadata.list[2].x", '"metadata":{"list":[1,{"x":1,"x":1}]}')):
            body = '{"tenant":"%s","name":"twice",%s}' % (tenant, text)
            self.assertIn("twice", self.fails(400, field, "POST", "/admin/v1/keys", body))
        key = self.make_key("once only")
        self.fails(400, "name", "PATCH", "/admin/v1/keys/" + key["id"], '{"name":"a","name":"b"}')
        self.fails(400, "key", "POST", "/key/block", '{"key":"%s","key":"none"}' % key["id"])
        self.good("PATCH", "/admin/v1/keys/" + key["id"], '{"metadata":{"a":{"a":1},"b":[{"a":1},{"a":1}]}}')
        many = "{" + ",".join('"k%d":0' % i for i in range(20000)) + "}"
        self.good("PATCH", "/admin/v1/keys/" + key["id"], '{"metadata":%s}' % many)

    def test_as_litellm(self):
        made = self.good("POST", "/key/generate", {"organization_id": self.tenant(), "key_alias": "script", "models": ["m"], "duration": "30d"})
        self.assertEqual(self.chat_with(made["key"]), 200)
        self.assertEqual(self.good("GET", "/key/info?key=" + made["token"])["info"]["models"], ["m"])
        self.good("POST", "/key/update", {"key": made["key"], "models": ["other"]})
        self.assertEqual(self.chat_with(made["key"]), 403)
        self.good("POST", "/key/block", {"key": made["token"]})
        self.assertEqual(self.chat_with(made["key"]), 401)
        self.good("POST", "/key/unblock", {"key": made["token"]})
        self.assertEqual(self.good("POST", "/key/delete", {"keys": [made["token"]]})["deleted_keys"], [made["token"]])
        self.assertEqual(self.chat_with(made["key"]), 401)

    def test_as_litellm_with_money_and_rates(self):
        """As LiteLLM's own client sends it: all members, most of them empty; no organization where there is only one."""
        tenant = self.tenant()
        user = self.good("POST", "/admin/v1/users", {"tenant": tenant, "name": "lee", "email": "Lee@example.com", "roles": ["developer"]})
        team = self.good("POST", "/admin/v1/projects", {"tenant": tenant, "name": "team"})
        empty = {"models": [], "aliases": {}, "config": {}, "permissions": {}, "spend": 0, "tags": None, "guardrails": [], "send_invite_email": False,
                 "model_max_budget": {}, "max_parallel_requests": None, "tpm_limit": None, "rpm_limit": None, "budget_duration": None, "metadata": {}}
        made = self.good("POST", "/key/generate", dict(empty, max_budget=0.00066, budget_duration="30d", rpm_limit=3, tpm_limit=1000, max_parallel_requests=2,
                                                       soft_budget=0.0001, key_alias="paid", user_id="lee", team_id=team["id"], duration="90d"))
        self.assertEqual((made["max_budget"], made["rpm_limit"], made["tpm_limit"], made["max_parallel_requests"], made["user_id"], made["organization_id"]),
                         (0.00066, 3, 1000, 2, user["id"], tenant))
        limits = {row["name"].split(".")[1]: row for row in self.good("GET", "/admin/v1/limits?name=" + made["token"])["data"]}
        self.assertEqual(sorted(limits), ["budget", "rate", "soft-budget"])
        self.assertEqual((limits["rate"]["window"], limits["budget"]["scope"], limits["soft-budget"]["soft"]), ("1m", {"key": made["token"]}, True))
        # A request is reserved at 20 output tokens and costs 0.00033: two fit.
        self.assertEqual([self.chat_with(made["key"]) for _ in range(3)], [200, 200, 402])
        info = wait_for(lambda: [i for i in [self.good("GET", "/key/info?key=" + made["token"])["info"]] if i["spend"] > 0.0006], 10, "what was spent")[0]
        self.assertEqual((info["spend"], info["max_budget"], info["budget_duration"]), (0.00066, 0.00066, "2592000s"))
        changed = self.good("POST", "/key/update", {"key": made["key"], "max_budget": 1, "budget_duration": "1mo", "rpm_limit": None})
        self.assertEqual((changed["max_budget"], changed["budget_duration"], changed["rpm_limit"], changed["tpm_limit"]), (1, "1mo", None, 1000))
        self.assertEqual(self.chat_with(made["key"]), 200)
        self.good("POST", "/key/update", {"key": made["key"], "max_parallel_requests": 0})
        self.assertEqual(self.chat_with(made["key"]), 403)
        self.good("POST", "/key/delete", {"keys": [made["key"]]})
        self.assertEqual(self.good("GET", "/admin/v1/limits?name=" + made["token"])["data"], [])
        for field, body in (("aliases", {"aliases": {"gpt": "m"}}), ("max_budget", {"max_budget": -1}), ("tpm_limit", {"tpm_limit": 1.5}),
                            ("budget_duration", {"max_budget": 1, "budget_duration": "2y"}), ("duration", {"duration": "soon"}), ("key", {"key": "sk-mine"}),
                            ("max_budget", {"max_budget": 1e300}), ("user_id", {"user_id": "nobody"}), ("team_id", {"team_id": "none"}),
                            ("model_max_budget", {"model_max_budget": {"m": 1}}), ("key_alias", {"key_alias": "a\u0007"})):
            message = self.fails(400, field, "POST", "/key/generate", dict({"organization_id": tenant}, **body))
            self.assertIn(field, message)
        before = len(self.api.pages("/admin/v1/limits", 100))
        again = [self.good("POST", "/key/generate", {"max_budget": 1, "duration": "1d", "organization_id": tenant}, idempotency_key="lite") for _ in range(2)]
        self.assertEqual((again[0]["token"], again[1]["key"], len(self.api.pages("/admin/v1/limits", 100))), (again[1]["token"], None, before + 1))
        self.assertEqual(again[0]["budget_duration"], "86400s")
        developer = self.make_key("dev", project=team["id"])["secret"]
        mine = self.good("POST", "/key/generate", {"max_budget": 1, "team_id": team["id"]}, key=developer)
        self.assertEqual(self.api("POST", "/key/update", {"key": mine["key"], "max_budget": 5}, key=developer)[0], 403)
        self.good("POST", "/key/update", {"key": mine["key"], "key_alias": "renamed"}, key=developer)

    def test_names_are_given_once_and_are_names(self):
        """Limits, reports and tokens know users by name and projects by path."""
        tenant = self.tenant()
        users = [self.good("POST", "/admin/v1/users", {"tenant": tenant, "name": name})["id"] for name in ("once", "other one")]
        top = self.good("POST", "/admin/v1/projects", {"tenant": tenant, "name": "once"})["id"]
        self.fails(409, "name", "POST", "/admin/v1/users", {"tenant": tenant, "name": "once"})
        self.fails(409, "name", "PATCH", "/admin/v1/users/" + users[1], {"name": "once"})
        self.good("PATCH", "/admin/v1/users/" + users[0], {"name": "once", "email": "a@b"})
        self.good("PATCH", "/admin/v1/users/" + users[0], {"name": "free again"})
        self.good("PATCH", "/admin/v1/users/" + users[1], {"name": "once"})
        self.fails(409, "name", "POST", "/admin/v1/projects", {"tenant": tenant, "name": "once"})
        self.good("POST", "/admin/v1/projects", {"tenant": tenant, "name": "once", "parent": top})
        self.fails(409, "name", "POST", "/admin/v1/projects", {"tenant": tenant, "name": "once", "parent": "once"})
        made = []
        threads = [threading.Thread(target=lambda: made.append(Api(self.gateway.admin.number, ADMIN_KEY)("POST", "/admin/v1/users", {"tenant": tenant, "name": "race"})[0]))
                   for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(made), [201] + [409] * 5)
        self.fails(400, "name", "POST", "/admin/v1/users", {"tenant": tenant, "name": ""})
        self.fails(400, "name", "POST", "/admin/v1/keys", {"tenant": tenant, "name": ""})
        self.fails(400, "id", "POST", "/admin/v1/tenants", {"id": ".."})
        self.fails(400, "name", "POST", "/admin/v1/projects", {"tenant": tenant, "name": ".hidden"})
        # A misspelt project would be none, and the role hold everywhere.
        self.fails(400, "roles", "POST", "/admin/v1/users", {"tenant": tenant, "name": "bound", "roles": [{"role": "developer", "projekt": top}]})

    def test_names_stand_for_ids(self):
        tenant = self.tenant()
        research = self.good("POST", "/admin/v1/projects", {"tenant": tenant, "name": "naming"})
        vision = self.good("POST", "/admin/v1/projects", {"tenant": tenant, "name": "vision", "parent": "naming"})
        self.assertEqual(vision["parent"], research["id"])
        user = self.good("POST", "/admin/v1/users", {"tenant": tenant, "name": "zoe", "email": "zoe@example.com"})
        for name in ("zoe", "ZOE@example.com", user["id"]):
            made = self.make_key("named", user=name, project="naming/vision")
            self.assertEqual((made["user"], made["project"]), (user["id"], vision["id"]))
        twin = self.good("POST", "/admin/v1/users", {"tenant": tenant, "name": "other", "email": "zoe@example.com"})
        message = self.fails(400, "user", "POST", "/admin/v1/keys", {"tenant": tenant, "name": "a", "user": "zoe@example.com"})
        self.assertTrue(user["id"] in message or twin["id"] in message, message)
        self.fails(400, "user", "POST", "/admin/v1/keys", {"tenant": tenant, "name": "a", "user": "zo"})
        self.good("POST", "/admin/v1/tenants", {"id": "namesakes"})
        self.fails(400, "user", "POST", "/admin/v1/keys", {"tenant": "namesakes", "name": "a", "user": "zoe"})


class Retention(ApiCase):
    def test_a_tenant_has_ages_of_its_own(self):
        """Of two tenants' requests of 40 days ago the one's are gone, after a start as at any hour."""
        self.good("POST", "/admin/v1/tenants", {"id": "brief", "retention": {"requests_days": 30}})
        self.good("POST", "/admin/v1/tenants", {"id": "long"})
        for wrong in ({"requests_days": -1}, {"requests_days": "30"}, {"requests_days": 1.5}, {"hours": 1}, {"requests_days": 99999}):
            self.fails(400, "retention", "PATCH", "/admin/v1/tenants/long", {"retention": wrong})
        old = int((time.time() - 40 * 86400) * 1000)
        for tenant in ("brief", "long"):
            key = self.good("POST", "/admin/v1/keys", {"tenant": tenant, "name": "k", "roles": ["developer"]})
            self.assertEqual(self.chat_with(key["secret"]), 200)
            wait_for(lambda: self.good("GET", "/admin/v1/requests?tenant=" + tenant)["data"], 10, "the stored request")
        database = sqlite3.connect(os.path.join(self.gateway.folder, "g.db"), timeout=10)
        with database:
            database.execute("UPDATE requests SET time_ms = ?", (old,))
        database.close()
        self.gateway.crash()
        wait_for(lambda: not self.good("GET", "/admin/v1/requests?tenant=brief")["data"], 30, "the end of the old request")
        self.assertEqual(len(self.good("GET", "/admin/v1/requests?tenant=long")["data"]), 1)

    @classmethod
    def check_books(cls):
        """The counters of the process that was killed are gone; its lines are not."""


class Limits(ApiCase):
    def test_a_limit_holds_at_once_and_shows_its_use(self):
        key = self.make_key("limited")
        limit = self.good("POST", "/admin/v1/limits", {"tenant": self.tenant(), "name": "few", "scope": {"key": key["id"]}, "requests": 2, "window": "1h"})
        self.assertEqual([self.chat_with(key["secret"]) for _ in range(3)], [200, 200, 429])
        use = self.good("GET", "/admin/v1/limits/use?id=few")["data"]
        self.assertEqual([(u["amount"], u["used"], u["kind"]) for u in use], [(2, 2, "requests")])
        self.assertIn("resets_at", use[0])
        self.good("PATCH", "/admin/v1/limits/" + limit["id"], {"requests": 3})
        self.assertEqual([self.chat_with(key["secret"]) for _ in range(2)], [200, 429])
        self.good("DELETE", "/admin/v1/limits/" + limit["id"])
        self.assertEqual(self.chat_with(key["secret"]), 200)
        self.assertIn("limit: limits nothing", self.fails(400, None, "POST", "/admin/v1/limits", {"name": "none", "window": "1h"}))

    def test_limits_outlive_the_configuration_and_the_process(self):
        key = self.make_key("kept")
        limit = self.good("POST", "/admin/v1/limits", {"tenant": self.tenant(), "name": "kept", "scope": {"key": key["id"]}, "requests": 1, "window": "1h"})
        self.assertEqual([self.chat_with(key["secret"]) for _ in range(2)], [200, 429])
        self.gateway.reload()
        self.assertEqual(self.chat_with(key["secret"]), 429)
        wait_for(lambda: self.good("GET", "/admin/v1/requests?status=200&key_id=" + key["id"])["data"], 10, "the stored request")
        self.gateway.crash()
        self.assertEqual(self.chat_with(key["secret"]), 429)
        self.good("DELETE", "/admin/v1/limits/" + limit["id"])
        # The counters of the process that was killed are gone; its lines are not.
        type(self).check_books = classmethod(lambda cls: None)


class Lists(ApiCase):
    def test_pages(self):
        tenant = self.tenant()
        made = {self.good("POST", "/admin/v1/projects", {"tenant": tenant, "name": "p%d" % i})["id"] for i in range(1005)}
        listed = [row["id"] for row in self.api.pages("/admin/v1/projects?tenant=" + tenant, 200)]
        self.assertEqual((len(listed), set(listed)), (1005, made))
        audit = self.api.pages("/admin/v1/audit?tenant=" + tenant, 300)
        self.assertEqual(sum(row["action"] == "project.create" for row in audit), 1005)
        self.assertEqual(self.good("GET", "/admin/v1/audit/verify")["ok"], True)
        self.assertEqual(len(self.good("GET", "/admin/v1/projects?name=p20&tenant=" + tenant)["data"]), 11)

    def test_prices_and_headers(self):
        price = self.good("GET", "/admin/v1/prices")["data"][0]
        self.assertEqual((price["model"], price["input"], price["output"]), ("m", 3, 15))
        headers = self.api.headers
        self.assertEqual((headers["cache-control"], headers["x-content-type-options"], headers["x-frame-options"]),
                         ("no-store", "nosniff", "DENY"))
        self.assertFalse([name for name in headers if name.startswith("access-control")])


class Guesses(ApiCase):
    @classmethod
    def check_books(cls):
        """Nobody is listened to here any more."""

    def test_guessing_locks_out(self):
        statuses = [self.api("GET", "/admin/v1/keys", key="gy-guess-%d" % i)[0] for i in range(50)]
        self.assertEqual(statuses, [401] * 5 + [429] * 45)
        self.assertGreater(int(self.api.headers["retry-after"]), 0)
        self.assertEqual(self.api("GET", "/admin/v1/keys")[0], 429, "nor is the right key listened to")


class FirstStart(unittest.TestCase):
    def test_a_key_is_printed_once(self):
        gateway = Gateway({"providers": {"o": {"adapter": "openai", "base_url": "http://127.0.0.1:1/v1"}}, "models": {"m": {"targets": ["o/m"]}}},
                          admin_key=None)
        try:
            key = re.search(r"admin API is (gy-[A-Za-z0-9]{49})\n", gateway.process_log()).group(1)
            api = Api(gateway.admin.number, key)
            self.assertEqual(api("POST", "/admin/v1/tenants", {"id": "acme"})[0], 201)
            self.assertEqual(api("GET", "/admin/v1/tenants", key="")[0], 401, "this machine, too, needs a key")
            gateway.crash()
            self.assertNotIn("gy-", gateway.process_log())
            self.assertEqual(api("GET", "/admin/v1/tenants/acme")[0], 200)
        finally:
            self.assertEqual(gateway.stop(), 0, gateway.process_log())
            gateway.remove()


if __name__ == "__main__":
    unittest.main()
