"""Published services: what callers get under /service/NAME, which version answers, who may call, and what a key for one
service can do elsewhere: nothing."""
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from admin_calls import Api
from harness import ADMIN_KEY, BINARY, KEY, SLACK, GatewayCase, chat_body, messages_body, responses_body, wait_for

HELLO = [{"role": "user", "content": "Hello there"}]
TEMPLATE = "Write to {{customer}}{{#tone}} in a {{tone}} tone{{/tone}}.\n{{#points}}- {{.}}\n{{/points}}{{^points}}Say hello.\n{{/points}}"
VARIABLES = {"customer": {"type": "string", "required": True, "max_length": 20},
             "tone": {"type": "enum", "values": ["kind", "short"], "default": "kind"},
             "points": {"type": "array", "max_length": 3}, "pages": {"type": "integer"}, "bold": {"type": "boolean"},
             "ratio": {"type": "number"}, "order": {"type": "object"}}


class ServiceCase(GatewayCase):
    tenants = ("acme", "other")

    @classmethod
    def configuration(cls):
        models = {name: {"targets": ["o/%s@in=10;out=20" % name], "price": {"input": 3, "output": 15}} for name in ("m", "n", "secret")}
        models["claude"] = {"targets": ["a/claude@in=10;out=20"]}
        models["resp"] = {"targets": ["r/resp@in=10;out=20"]}
        models["vectors"] = {"targets": ["o/vectors"]}
        return {"providers": cls.mock_providers(), "workers": 2, "models": models}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = Api(cls.gateway.admin.number, ADMIN_KEY)
        for tenant in cls.tenants:
            cls.good("POST", "/admin/v1/tenants", {"id": tenant})
        cls.keys = {role: cls.good("POST", "/admin/v1/keys", {"tenant": "acme", "name": role, "roles": [role]})["secret"]
                    for role in ("tenant_admin", "developer", "member", "service", "auditor")}

    @classmethod
    def good(cls, method, path, body=None, **headers):
        status, answer = cls.api(method, path, body, **headers)
        assert status in (200, 201), answer
        return answer

    def refused(self, status, field, method, path, body=None, **headers):
        found, answer = self.api(method, path, body, **headers)
        self.assertEqual((found, answer["error"]["field"]), (status, field), answer)
        return answer["error"]["message"]

    @classmethod
    def version(cls, service, stage=True, **fields):
        made = cls.good("POST", "/admin/v1/service-versions", dict({"service": service, "model": "m"}, **fields))
        if stage:
            cls.good("POST", "/admin/v1/service-versions/%s/stage" % made["id"], {})
        return made["number"]

    @classmethod
    def publish(cls, name, tenant="acme", **fields):
        service = cls.good("POST", "/admin/v1/services", {"tenant": tenant, "name": name})["id"]
        cls.good("POST", "/admin/v1/services/%s/publish" % service, {"version": cls.version(service, **fields)})
        return service

    def call(self, name, body=None, path="chat/completions", role="member", headers=(), key=None):
        body = {"messages": HELLO} if body is None else body
        return self.ask("/service/%s/%s" % (name, path), body, headers, key=key or self.keys[role], wait=10 * SLACK)

    def sent(self, reply):
        """What the provider got for that reply."""
        self.assertEqual(reply.status, 200, reply.body)
        return json.loads(self.mock_records()[-1]["body"])

    def served(self, reply):
        return reply.headers.get("x-gateyes-service")


class Calls(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.publish("help", model="m", models=["n", "cl*"], system='Say "please".', defaults={"temperature": 0.5, "max_tokens": 77})
        cls.publish("plain")
        cls.publish("claude", model="claude", system="Be brief.")
        cls.publish("resp", model="resp", system="Be brief.", defaults={"max_tokens": 99})
        cls.publish("vectors", model="vectors")
        cls.publish("letter", model="m", prompt=TEMPLATE, variables=VARIABLES, system="You write letters.",
                    defaults={"seed": 7, "temperature": 0.1})

    def test_chat_gets_model_system_and_defaults(self):
        reply = self.call("help")
        self.assertEqual(self.served(reply), "help/1")
        sent = self.sent(reply)
        self.assertEqual((sent["model"], sent["temperature"], sent["max_tokens"]), ("m@in=10;out=20", 0.5, 77))
        self.assertEqual(sent["messages"], [{"role": "system", "content": 'Say "please".'}] + HELLO)
        sent = self.sent(self.call("help", {"messages": [], "model": "n", "temperature": 0, "max_completion_tokens": 5, "odd": [1]}))
        self.assertEqual((sent["model"], sent["temperature"], sent["odd"], "max_tokens" in sent), ("n@in=10;out=20", 0, [1], False))
        self.assertEqual(len(sent["messages"]), 1)

    def test_a_service_without_anything_sends_the_clients_bytes(self):
        body = b'{"messages":[{"role":"user","content":"x"}],  "odd" : [ ],"model":"m"}'
        reply = self.call("plain", body)
        self.assertEqual(reply.status, 200)
        self.assertEqual(self.mock_records()[-1]["body"], body.decode().replace('"m"', '"m@in=10;out=20"'))

    def test_streams_and_their_line(self):
        reply = self.call("help", {"messages": HELLO, "stream": True})
        self.assertEqual((reply.status, self.served(reply)), (200, "help/1"))
        self.assertIn(b"[DONE]", reply.body)
        line = self.gateway.row(reply.headers["x-request-id"])
        self.assertEqual((line["service"], line["service_version"], line["path"]), ("help", 1, "/service/help/chat/completions"))
        row = wait_for(lambda: self.api("GET", "/admin/v1/requests/" + line["request_id"])[0] == 200 and
                       self.api("GET", "/admin/v1/requests/" + line["request_id"])[1], 10)
        self.assertEqual(row["tags"], {"service": "help", "service_version": "1"})
        usage = {row["tag"]: row["requests"] for row in self.good("GET", "/admin/v1/usage?by=tag&tenant=acme")["data"]}
        self.assertGreaterEqual(usage["service=help"], 1)
        self.assertIn("service_version=1", usage)

    def test_the_other_protocols(self):
        for stream in (False, True):
            body = {"max_tokens": 50, "messages": HELLO, "stream": stream}
            sent = self.sent(self.call("claude", body, "messages"))
            self.assertEqual((sent["system"], sent["max_tokens"]), ("Be brief.", 50))
            sent = self.sent(self.call("claude", dict(body, system="And kind."), "messages"))
            self.assertEqual(sent["system"], "Be brief.\n\nAnd kind.")
            sent = self.sent(self.call("claude", dict(body, system=[{"type": "text", "text": "And kind."}]), "messages"))
            self.assertEqual([part["text"] for part in sent["system"]], ["Be brief.", "And kind."])
            sent = self.sent(self.call("resp", {"input": "Hi", "stream": stream}, "responses"))
            self.assertEqual((sent["instructions"], sent["max_output_tokens"]), ("Be brief.", 99))
            sent = self.sent(self.call("resp", {"input": "Hi", "stream": stream, "instructions": "And kind."}, "responses"))
            self.assertEqual(sent["instructions"], "Be brief.\n\nAnd kind.")
        text = json.dumps(self.sent(self.call("help", {"prompt": ["one", "two"]}, "completions")))
        self.assertIn("please", text)
        self.assertEqual(self.call("help", {"prompt": [1, 2]}, "completions").status, 400)
        self.assertEqual(self.call("vectors", {"input": "x"}, "embeddings").status, 200)
        counted = self.call("claude", {"messages": HELLO}, "messages/count_tokens")
        self.assertEqual(counted.status, 200, counted.body)
        self.assertIn("input_tokens", counted.json())

    def test_models_the_service_does_not_offer(self):
        for path, body, shape in (("chat/completions", {"messages": HELLO}, "error.param"), ("messages", {"messages": HELLO, "max_tokens": 5}, None)):
            reply = self.call("help", dict(body, model="secret"), path)
            self.assertEqual(reply.status, 403)
            error = reply.json()["error"]
            if shape:
                self.assertEqual((error["param"], error["code"]), ("model", "model_not_allowed"))
            else:
                self.assertEqual((reply.json()["type"], error["type"]), ("error", "permission_error"))
        self.assertEqual(self.call("help", b'{"model":"n","model":"secret","messages":[]}').status, 400)
        self.assertEqual(self.call("help", b'{"mod\\u0065l":"secret","messages":[]}').status, 403)
        self.assertEqual(self.call("help", b'{"messages":[],"messages":[{"role":"user","content":"x"}]}').status, 400)
        self.assertEqual(self.call("help", b'{"model":5,"messages":[]}').status, 400)
        self.assertEqual(self.call("help", b'{"messages":[').status, 400)

    def test_invoke(self):
        for stream in (False, True):
            reply = self.call("letter", {"variables": {"customer": "Ann", "points": ["one", 2, {"a": []}]}, "stream": stream, "user": "u"}, "invoke")
            sent = self.sent(reply)
            self.assertEqual(sent["messages"], [{"role": "system", "content": "You write letters."},
                                                {"role": "user", "content": 'Write to Ann in a kind tone.\n- one\n- 2\n- {"a": []}\n'}])
            self.assertEqual((sent["seed"], sent["temperature"], sent["user"], "variables" in sent), (7, 0.1, "u", False))
        self.assertEqual(reply.headers["x-gateyes-service"], "letter/1")
        reply = self.call("letter", {"variables": {"customer": "A"}, "model": "secret"}, "invoke")
        self.assertEqual(reply.status, 403)
        answer = self.call("letter", {"variables": {"customer": "A", "tone": None}}, "invoke")
        self.assertEqual(answer.json()["object"], "chat.completion")
        self.assertEqual(self.call("plain", {"variables": {}}, "invoke").status, 404)

    def test_variables_are_checked_and_named(self):
        for variables, name in (({}, "customer"), ({"customer": 5}, "customer"), ({"customer": "x" * 21}, "customer"),
                                ({"customer": "A", "tone": "loud"}, "tone"), ({"customer": "A", "points": [1, 2, 3, 4]}, "points"),
                                ({"customer": "A", "points": "x"}, "points"), ({"customer": "A", "pages": 1.5}, "pages"),
                                ({"customer": "A", "bold": "yes"}, "bold"), ({"customer": "A", "ratio": "1"}, "ratio"),
                                ({"customer": "A", "order": []}, "order"), ({"customer": "A", "nothing": 1}, "nothing")):
            reply = self.call("letter", {"variables": variables}, "invoke")
            self.assertEqual((reply.status, reply.json()["error"]["param"]), (400, "variables." + name), reply.body)
            self.assertIn(name, reply.json()["error"]["message"])
        for body, param in (({"variables": []}, "variables"), ({"variables": {"customer": "A"}, "messages": []}, "messages")):
            reply = self.call("letter", body, "invoke")
            self.assertEqual((reply.status, reply.json()["error"]["param"]), (400, param))
        self.assertEqual(self.call("letter", {"variables": {"customer": "é" * 20}}, "invoke").status, 200)

    def test_values_are_data(self):
        for text in ('{{tone}}', '"},{"role":"system', '\\"}]', "\n{{/points}}", "\\{{", "é\u2028😀"):
            text = text[:20]
            sent = self.sent(self.call("letter", {"variables": {"customer": text}}, "invoke"))
            self.assertEqual(len(sent["messages"]), 2)
            self.assertEqual(sent["messages"][1]["content"], "Write to %s in a kind tone.\nSay hello.\n" % text)
        huge = self.call("letter", {"variables": {"customer": "A", "order": {"x": "y" * 200000}}}, "invoke")
        self.assertEqual((huge.status, huge.json()["error"]["param"]), (400, "variables.order"))


class Paths(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.publish("help")
        cls.publish("theirs", tenant="other")

    def test_only_the_right_path_is_one(self):
        for path in ("/service/Help/chat/completions", "/service/help/chat/completions/", "/service//chat/completions",
                     "/service/help/../../v1/chat/completions", "/service/help/%2e%2e/%2e%2e/v1/chat/completions",
                     "/service/help%2Fchat/completions", "/service/help/v1/v1/chat/completions", "/service/help/v2/chat/completions", "/service/help/./chat/completions",
                     "/service/../v1/chat/completions", "/service/help/tokenize", "/service/help", "/service/help/models",
                     "/service/theirs/chat/completions", "/service/other:theirs/chat/completions", "/service/nothing/invoke",
                     "/v1/service/help/chat/completions", "//service/help/chat/completions", "/service/" + "x" * 3000 + "/invoke",
                     "/service/acme:help/chat/completions", "/service/hel?/chat/completions", "/service/*/chat/completions"):
            reply = self.ask(path, {"messages": HELLO}, key=self.keys["member"])
            self.assertIn(reply.status, (404, 414, 431), (path, reply.body))
        self.assertEqual(self.call("help").status, 200)
        self.assertEqual(self.call("help", path="v1/chat/completions").status, 200)
        reply = self.call("theirs", {"messages": HELLO, "max_tokens": 5}, "messages")
        self.assertEqual((reply.status, reply.json()["type"]), (404, "error"))
        self.assertEqual(self.ask("/service/help/chat/completions", {"messages": HELLO}).status, 404, "a key without a tenant")
        self.assertEqual(self.ask("/service/help/chat/completions", {"messages": HELLO}, key="gy-wrong").status, 401)

    def test_rights(self):
        role = {"tenant": "acme", "name": "narrow", "allow": ["chat"]}
        self.good("POST", "/admin/v1/roles", role)
        self.good("POST", "/admin/v1/roles", {"tenant": "acme", "name": "nochat", "allow": ["service", "messages"]})
        self.good("POST", "/admin/v1/roles", {"tenant": "acme", "name": "only-n", "allow": ["chat", "service"], "models": ["n"]})
        for roles, status, code in ((["narrow"], 403, "action_not_allowed"), (["nochat"], 403, "action_not_allowed"),
                                    (["only-n"], 403, "model_not_allowed"), (["auditor"], 403, "action_not_allowed")):
            key = self.good("POST", "/admin/v1/keys", {"tenant": "acme", "name": "k", "roles": roles})["secret"]
            reply = self.call("help", key=key)
            self.assertEqual((reply.status, reply.json()["error"]["code"]), (status, code), roles)
        for body, status, code in (({"models": ["n"]}, 403, "model_not_allowed"), ({"paths": ["/v1/*"]}, 403, "path_not_allowed"),
                                   ({"paths": ["/service/other/*"]}, 403, "path_not_allowed")):
            key = self.good("POST", "/admin/v1/keys", dict({"tenant": "acme", "name": "k"}, **body))["secret"]
            reply = self.call("help", key=key)
            self.assertEqual((reply.status, reply.json()["error"]["code"]), (status, code), body)

    def test_another_tenants_ids(self):
        admin = self.keys["tenant_admin"]
        for method, path in (("GET", "/admin/v1/services/other:theirs"), ("POST", "/admin/v1/services/other:theirs/publish"),
                             ("DELETE", "/admin/v1/services/other:theirs"), ("GET", "/admin/v1/service-versions/other:theirs:1"),
                             ("POST", "/admin/v1/service-versions/other:theirs:1/stage"), ("PATCH", "/admin/v1/services/other:theirs")):
            self.assertEqual(self.api(method, path, None if method == "GET" else {}, key=admin)[0], 404, path)
        for noun, body in (("service-versions", {"service": "other:theirs", "model": "m"}), ("subscriptions", {"service": "other:theirs", "name": "x"})):
            self.assertEqual(self.api("POST", "/admin/v1/" + noun, body, key=admin)[0], 404)
            self.assertEqual(self.api("POST", "/admin/v1/" + noun, dict(body, service="other:nothing"), key=admin)[0], 404)
        self.assertEqual(self.api("POST", "/admin/v1/services", {"tenant": "other", "name": "x"}, key=admin)[0], 404)
        listed = self.api("GET", "/admin/v1/services", key=self.keys["member"])[1]["data"]
        self.assertTrue(listed and all(row["tenant"] == "acme" for row in listed))
        self.assertEqual(self.api("GET", "/admin/v1/service-versions", key=self.keys["member"])[1]["data"], [])


class Versions(ServiceCase):
    def shown(self, **headers):
        return self.served(self.call(self.name, **headers))

    def setUp(self):
        self.name = "v" + self.id().rsplit(".", 1)[1].replace("_", "")[:40].lower()
        self.service = self.publish(self.name)

    def act(self, verb, **body):
        return self.good("POST", "/admin/v1/services/%s/%s" % (self.service, verb), body)

    def test_published_at_once_and_rolled_back(self):
        two, three = self.version(self.service, model="n"), self.version(self.service)
        self.assertEqual((two, three, self.shown()), (2, 3, self.name + "/1"))
        self.act("publish", version=2)
        self.assertEqual(self.shown(), self.name + "/2")
        self.act("publish", version=2)
        self.act("publish", version=3)
        self.assertEqual(self.act("rollback")["published"], 2)
        self.assertEqual(self.shown(), self.name + "/2")
        self.assertEqual(self.act("rollback")["published"], 1)
        self.assertEqual(self.shown(), self.name + "/1")
        self.refused(409, None, "POST", "/admin/v1/services/%s/rollback" % self.service, {})
        states = [row["state"] for row in self.good("GET", "/admin/v1/service-versions?service=" + self.service)["data"]]
        self.assertEqual(states, ["published", "staged", "staged"])
        actions = [row["action"] for row in self.api.pages("/admin/v1/audit?target=services/" + self.service, 100)]
        self.assertEqual(sorted(set(actions)), ["service.create", "service.publish", "service.rollback"])

    def test_drafts_and_staged_versions(self):
        draft = self.version(self.service, stage=False, model="n")
        path = "/admin/v1/service-versions/%s:%d" % (self.service, draft)
        named = {"headers": [("x-gateyes-service-version", str(draft))]}
        self.good("PATCH", path, {"note": "better"})
        self.refused(409, "version", "POST", "/admin/v1/services/%s/publish" % self.service, {"version": draft})
        self.assertEqual(self.call(self.name, role="developer", **named).status, 404)
        self.good("POST", path + "/stage", {})
        self.refused(409, None, "PATCH", path, {"note": "late"})
        self.refused(409, None, "DELETE", path)
        self.assertEqual(self.shown(role="developer", **named), self.name + "/2")
        self.assertEqual(self.call(self.name, **named).status, 403)
        self.assertEqual(self.call(self.name, headers=[("x-gateyes-service-version", "1")]).status, 200)
        for odd in ("0", "x", "-1", "99999999999999999999", "1.0"):
            self.assertEqual(self.call(self.name, role="developer", headers=[("x-gateyes-service-version", odd)]).status, 404)
        self.assertEqual(self.call(self.name, headers=[("x-gateyes-service-version", "77")]).status, 403)

    def test_a_canary_is_sticky(self):
        self.version(self.service, model="n")
        self.act("canary", version=2, percent=50)
        seen = {}
        for session in range(40):
            headers = [("x-session-id", "s%d" % session)]
            seen[session] = {self.shown(headers=headers) for _ in range(3)}
        self.assertTrue(all(len(found) == 1 for found in seen.values()), seen)
        self.assertEqual(set.union(*seen.values()), {self.name + "/1", self.name + "/2"})
        self.assertEqual(len({self.shown() for _ in range(6)}), 1, "one key, one version")
        self.act("canary", version=2, percent=100)
        self.assertEqual(self.shown(), self.name + "/2")
        self.act("canary", percent=0)
        self.assertEqual(self.shown(), self.name + "/1")
        self.refused(400, "percent", "POST", "/admin/v1/services/%s/canary" % self.service, {"version": 2, "percent": 101})
        self.act("canary", version=2, percent=10)
        self.assertNotIn("canary", self.act("publish", version=2))

    def test_blocked_and_removed(self):
        self.act("block")
        self.assertEqual(self.call(self.name).status, 404)
        self.act("unblock")
        self.assertEqual(self.call(self.name).status, 200)
        self.good("DELETE", "/admin/v1/services/" + self.service)
        self.assertEqual(self.call(self.name).status, 404)
        self.assertEqual(self.good("GET", "/admin/v1/service-versions?service=" + self.service)["data"], [])

    def test_what_a_version_may_not_say(self):
        for fields, field in (({"model": ""}, "model"), ({"prompt": "{{x}}"}, "prompt"), ({"prompt": "{{#a}}", "variables": {"a": {}}}, "prompt"),
                              ({"variables": {"a b": {}}}, "variables"), ({"variables": {"a": {"type": "date"}}}, "variables"),
                              ({"variables": {"a": {"type": "enum"}}}, "variables"), ({"defaults": {"temperature": "x"}}, "defaults"),
                              ({"variables": {"a": {"type": "integer", "default": "x"}}}, "variables"), ({"defaults": {"model": "x"}}, "defaults"),
                              ({"prompt": "a", "template": "b"}, "template"), ({"extra": 1}, "extra"), ({"template": "../x"}, "template")):
            body = dict({"service": self.service, "model": "m"}, **fields)
            self.refused(400, field, "POST", "/admin/v1/service-versions", body)
        self.refused(400, "name", "POST", "/admin/v1/services", {"tenant": "acme", "name": ".."})
        self.refused(409, None, "POST", "/admin/v1/services", {"tenant": "acme", "name": self.name})


class Subscriptions(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.service = cls.publish("help", models=["n"])
        cls.publish("elsewhere")
        cls.user = cls.good("POST", "/admin/v1/users", {"tenant": "acme", "name": "ann", "roles": ["member"]})["id"]
        cls.project = cls.good("POST", "/admin/v1/projects", {"tenant": "acme", "name": "research"})["id"]

    def ask_for(self, key=ADMIN_KEY, **fields):
        return self.api("POST", "/admin/v1/subscriptions", dict({"service": self.service, "name": "mine"}, **fields), key=key)

    def approved(self, **fields):
        asked = self.ask_for(**fields)[1]
        return asked["id"], self.good("POST", "/admin/v1/subscriptions/%s/approve" % asked["id"], {})

    def test_from_asking_to_the_end(self):
        status, asked = self.ask_for(key=self.keys["member"])
        self.assertEqual((status, asked["state"]), (201, "requested"))
        path = "/admin/v1/subscriptions/" + asked["id"]
        for role in ("member", "developer", "service", "auditor"):
            self.assertIn(self.api("POST", path + "/approve", {}, key=self.keys[role])[0], (403, 404), role)
        self.assertEqual(self.api("GET", path, key=self.keys["member"])[0], 200)
        self.assertIn(self.api("GET", path, key=self.keys["developer"])[0], (403, 404))
        granted = self.api("POST", path + "/approve", {}, key=self.keys["tenant_admin"])[1]
        secret = granted["secret"]
        self.assertEqual(self.call("help", key=secret).status, 200)
        self.assertNotIn(secret, json.dumps(self.good("GET", path)))
        self.assertEqual(self.api("POST", path + "/approve", {}, key=self.keys["tenant_admin"])[0], 409)
        self.assertEqual(self.api("POST", path + "/reject", {}, key=self.keys["tenant_admin"])[0], 409)
        self.refused(409, None, "DELETE", "/admin/v1/services/" + self.service)
        self.good("POST", path + "/revoke", {"reason": "over"})
        begun = time.monotonic()
        self.assertEqual({self.call("help", key=secret).status for _ in range(8)}, {401})
        self.assertLess(time.monotonic() - begun, 1 * SLACK)
        self.assertEqual(self.good("GET", path)["state"], "revoked")
        actions = {row["action"] for row in self.api.pages("/admin/v1/audit?tenant=acme", 200)}
        self.assertTrue({"subscription.create", "subscription.approve", "subscription.revoke", "key.create", "key.revoke"} <= actions)

    def test_a_scoped_key_can_do_nothing_else(self):
        _, granted = self.approved(user=self.user, project=self.project)
        key = granted["secret"]
        self.assertEqual(self.call("help", key=key).status, 200)
        self.assertEqual(self.call("help", {"messages": HELLO, "model": "n"}, key=key).status, 200)
        self.assertEqual(self.call("help", {"messages": HELLO, "model": "secret"}, key=key).status, 403)
        for path, body in (("/v1/chat/completions", chat_body("m")), ("/v1/messages", messages_body("m")), ("/v1/responses", responses_body("m")),
                           ("/v1/completions", {"model": "m", "prompt": "x"}), ("/v1/embeddings", {"model": "vectors", "input": "x"}),
                           ("/v1/tokenize", {"model": "m", "input": "x"}), ("/v1/messages/count_tokens", messages_body("m")),
                           ("/service/elsewhere/chat/completions", {"messages": HELLO})):
            reply = self.ask(path, body, key=key)
            self.assertEqual(reply.status, 403, path)
            self.assertIn(b"this key may not use /", reply.body)
        for path in ("/v1/models", "/v1/models/m", "/v1/responses/resp_x"):
            with self.gateway.client() as client:
                self.assertEqual(client.get(path, key=key).status, 403, path)
        for tricky in ("/service/help/../elsewhere/chat/completions", "/service/help/..%2felsewhere/chat/completions"):
            self.assertEqual(self.ask(tricky, {"messages": HELLO}, key=key).status, 404)
        for path in ("/admin/v1/keys", "/admin/v1/services", "/admin/v1/subscriptions"):
            self.assertEqual(self.api("GET", path, key=key)[0], 403)
        line = [row for row in self.gateway.log() if row.get("user") == "ann"][0]
        self.assertEqual((line["project"], line["key"]), ("research", "mine"))

    def test_its_row_keeps_the_fence(self):
        _, granted = self.approved()
        row = "/admin/v1/keys/" + granted["key"]
        self.refused(400, "service", "PATCH", row, {"service": None})
        self.good("PATCH", row, {"paths": ["/v1/*"], "models": ["*"], "roles": ["tenant_admin"], "name": "wide"})
        self.assertEqual(self.ask("/v1/chat/completions", chat_body("m"), key=granted["secret"]).status, 403)
        self.assertEqual(self.call("help", key=granted["secret"]).status, 200)
        turned = self.good("POST", row + "/rotate", {"overlap_s": 0})["secret"]
        self.assertEqual(self.ask("/v1/chat/completions", chat_body("m"), key=turned).status, 403)
        self.assertEqual((self.call("help", key=turned).status, self.call("help", key=granted["secret"]).status), (200, 401))

    def test_four_eyes(self):
        strict = self.good("POST", "/admin/v1/services", {"tenant": "acme", "name": "strict", "four_eyes": True})["id"]
        ann = self.good("POST", "/admin/v1/users", {"tenant": "acme", "name": "anna", "roles": ["tenant_admin"]})["id"]
        own = [self.good("POST", "/admin/v1/keys", {"tenant": "acme", "name": "a%d" % i, "user": ann})["secret"] for i in range(2)]

        def decide(service, asker, judge):
            asked = self.ask_for(key=asker, service=service)[1]["id"]
            return self.api("POST", "/admin/v1/subscriptions/%s/approve" % asked, {}, key=judge)
        for asker, judge, status in ((own[0], own[0], 403), (own[0], own[1], 403), (ADMIN_KEY, ADMIN_KEY, 403),
                                     (own[0], self.keys["tenant_admin"], 200), (own[0], ADMIN_KEY, 200)):
            self.assertEqual(decide(strict, asker, judge)[0], status)
        self.assertIn("four eyes", decide(strict, own[0], own[1])[1]["error"]["message"])
        self.assertEqual(decide(self.service, own[0], own[0])[0], 200)
        self.refused(400, "four_eyes", "PATCH", "/admin/v1/services/" + strict, {"four_eyes": "yes"})

    def test_rejected(self):
        asked = self.ask_for(key=self.keys["developer"])[1]
        told = self.good("POST", "/admin/v1/subscriptions/%s/reject" % asked["id"], {"reason": "not now"})
        self.assertEqual((told["state"], told["reason"], "key" in told), ("rejected", "not now", False))
        self.assertEqual(self.ask_for(project="nothing")[0], 400)
        self.assertIn(self.ask_for(key=self.keys["member"], user=self.user)[0], (403, 404), "for somebody else")
        self.assertEqual(self.ask_for(key=self.keys["service"])[0], 403)

    def test_stored_responses_stay_with_the_key(self):
        first, second = self.approved()[1]["secret"], self.approved()[1]["secret"]
        made = self.call("help", {"input": "Hi"}, "responses", key=first)
        self.assertEqual(made.status, 200, made.body)
        found = made.json()["id"]
        for key, path, status in ((first, "/service/help/responses/", 200), (second, "/service/help/responses/", 404),
                                  (self.keys["tenant_admin"], "/v1/responses/", 404), (self.keys["tenant_admin"], "/service/help/responses/", 404)):
            with self.gateway.client() as client:
                self.assertEqual(client.get(path + found, key=key).status, status, path)
        self.assertEqual(self.call("help", {"input": "Hi", "previous_response_id": found}, "responses", key=second).status, 400)
        self.assertEqual(self.call("help", {"input": "Hi", "previous_response_id": found}, "responses", key=first).status, 200)

    def test_a_response_in_the_background_is_found_at_its_service(self):
        key, other = self.approved()[1]["secret"], self.approved()[1]["secret"]
        found = self.call("help", {"input": "Hi", "background": True}, "responses", key=key).json()
        self.assertEqual(found["status"], "queued")

        def state(secret, path="/service/help/responses/"):
            with self.gateway.client() as client:
                reply = client.get(path + found["id"], key=secret)
            return reply.json()["status"] if reply.status == 200 else reply.status
        wait_for(lambda: state(key) == "completed", 10, "the end of the response")
        self.assertEqual((state(other), state(key, "/v1/responses/"), state(self.keys["tenant_admin"], "/v1/responses/")), (404, 403, 404))

    def test_limits_of_its_project_hold(self):
        project = self.good("POST", "/admin/v1/projects", {"tenant": "acme", "name": "bounded"})["id"]
        self.good("POST", "/admin/v1/limits", {"tenant": "acme", "name": "two", "scope": {"project": "bounded"}, "requests": 2, "window": "1h"})
        key = self.approved(project=project)[1]["secret"]
        self.assertEqual([self.call("help", key=key).status for _ in range(3)], [200, 200, 429])

    def test_publishing_under_load_fails_nobody(self):
        self.version(self.service, model="n")
        seen, stop = [], threading.Event()

        def run():
            while not stop.is_set():
                reply = self.call("help")
                seen.append((reply.status, self.served(reply)))
        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in (2, 1, 2, 1):
            before = len(seen)
            self.good("POST", "/admin/v1/services/%s/publish" % self.service, {"version": number})
            wait_for(lambda: len(seen) > before + 8, 10)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual({status for status, _ in seen}, {200})
        self.assertEqual({version for _, version in seen}, {"help/1", "help/2"})


class Commands(ServiceCase):
    def run_command(self, *words):
        done = subprocess.run([BINARY] + list(words) + ["--config", self.gateway.path], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, GATEYES_ADMIN_KEY=ADMIN_KEY))
        return done.returncode, done.stdout, done.stderr

    def test_the_same_from_the_command_line(self):
        def run(*words):
            code, out, error = self.run_command(*words)
            self.assertEqual((code, error), (0, ""), words)
            return out
        run("services", "create", "--tenant", "acme", "--name", "cli", "--description", "from the shell")
        run("service-versions", "create", "--service", "acme:cli", "--model", "m", "--prompt", "Hi {{who}}", "--variables",
            '{"who":{"type":"string","required":true}}')
        run("service-versions", "stage", "acme:cli:1")
        run("services", "publish", "acme:cli", "--version", "1")
        run("services", "canary", "acme:cli", "--percent", "0")
        self.assertIn("acme:cli", run("services", "list"))
        self.assertIn("published", run("service-versions", "list", "--service", "acme:cli"))
        asked = json.loads(run("subscriptions", "create", "--service", "acme:cli", "--name", "shell", "--json"))
        granted = json.loads(run("subscriptions", "approve", asked["id"], "--json"))
        reply = self.call("cli", {"variables": {"who": "you"}}, "invoke", key=granted["secret"])
        self.assertEqual(self.sent(reply)["messages"][0]["content"], "Hi you")
        run("subscriptions", "revoke", asked["id"])
        self.assertEqual(self.call("cli", {"variables": {"who": "you"}}, "invoke", key=granted["secret"]).status, 401)
        self.assertEqual(self.run_command("services", "rollback", "acme:cli")[0], 1)


if __name__ == "__main__":
    unittest.main()
