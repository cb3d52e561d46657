"""Keys and roles of the store and of files: what they open, and how soon they are shut."""
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from auth_support import Rows
from harness import BINARY, KEY, SLACK, GatewayCase, chat_body, wait_for


class Keys(GatewayCase):
    @classmethod
    def configuration(cls):
        cls.tenants = tempfile.mkdtemp(prefix="gateyes-auth-")
        cls.addClassCleanup(shutil.rmtree, cls.tenants, True)
        cls.role("acme", "reader", 'return { name = "reader", allow = { "models" } }')
        cls.role("acme", "local", 'return { name = "local", allow = { "chat" }, residency = { "local" } }')
        cls.role("acme", "boss", 'return {\n  name = "boss",\n  allow = {\n    "chat",\n    "tenants.write",\n  },\n}')
        cls.role("acme", "judge", 'return { name = "judge", decide = { "chat" }, may = function(who, action, what)\n'
                 '  if what.model == "loop" then while true do end end\n'
                 '  if what.model == "bug" then return nil .. "x" end\n'
                 '  if what.model == "odd" then return 1 end\n'
                 '  return who.tenant == "acme" and who.tags[1] == "night" and action == "chat" and what.model == "m"\nend }')
        providers = cls.mock_providers()
        providers["o"]["residency"] = "cloud"
        return {"providers": providers, "workers": 2, "tenants": cls.tenants,
                "models": {name: {"targets": ["o/" + name]} for name in ("m", "n", "loop", "bug", "odd")}}

    @classmethod
    def role(cls, tenant, name, text):
        folder = os.path.join(cls.tenants, tenant, "rbac")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name + ".lua"), "w") as file:
            file.write(text)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rows = Rows(cls.gateway)
        row = Rows.row
        cls.rows.write(row("tenants", "acme"), row("projects", "p1", "acme", name="research"),
                       row("users", "u1", "acme", name="ann", roles=["member"]), cls.rows.key("gy-first"))
        wait_for(lambda: cls.status("gy-first") == 200, 2, "a key of the store")

    @classmethod
    def status(cls, key, path="/v1/chat/completions", body=None, model="m"):
        with cls.gateway.client() as client:
            return client.ask(path, body or chat_body(model), key=key).status

    def open_key(self, key, **body):
        self.rows.write(self.rows.key(key, **body))
        wait_for(lambda: self.status(key) != 401, 1, "the key " + key)

    def refusal(self, key, path="/v1/chat/completions", body=None):
        reply = self.ask(path, body or chat_body("m"), key=key)
        return reply.status, reply.json()["error"].get("code")

    def test_what_a_key_is_bound_to(self):
        for number, (body, code) in enumerate((({"models": ["x*"]}, "model_not_allowed"), ({"paths": ["/v1/emb*"]}, "path_not_allowed"),
                                               ({"networks": ["10.0.0.0/8"]}, "address_not_allowed"),
                                               ({"roles": ["reader"]}, "action_not_allowed"), ({"roles": ["auditor"]}, "action_not_allowed"),
                                               ({"roles": ["local"]}, "provider_not_allowed"))):
            key = "gy-bound-%d" % number
            self.open_key(key, **body)
            self.assertEqual(self.refusal(key), (403, code), body)
        self.open_key("gy-free", models=["m"], paths=["/v1/chat/*"], networks=["127.0.0.0/8"], user="u1", owner="p1")
        self.assertEqual(self.status("gy-free"), 200)
        self.assertEqual(self.refusal("gy-free", body=chat_body("n")), (403, "model_not_allowed"))
        line = wait_for(lambda: [r for r in self.gateway.log() if r.get("key") == "gy-free"], 2)[0]
        self.assertEqual((line["tenant"], line["project"], line["user"]), ("acme", "research", "ann"))

    def test_every_closed_key_gets_the_same_answer(self):
        now = int(time.time() * 1000)
        self.rows.write(self.rows.key("gy-blocked", "blocked"), self.rows.key("gy-revoked", "revoked"),
                        self.rows.key("gy-expired", expires_ms=now - 1), self.rows.key("gy-no-tenant", tenant="nobody"),
                        self.rows.key("gy-open"))
        wait_for(lambda: self.status("gy-open") == 200, 1)
        answers = set()
        for key in ("gy-blocked", "gy-revoked", "gy-expired", "gy-no-tenant", "gy-unknown", "x", "gy-" + "A" * 49, KEY[:-1]):
            reply = self.ask("/v1/chat/completions", chat_body("m"), key=key)
            answers.add((reply.status, reply.json()["error"]["message"], reply.json()["error"]["code"]))
        self.assertEqual(len(answers), 1, answers)
        self.assertEqual(answers.pop()[0], 401)

    def test_no_secret_in_a_query_string(self):
        for name in ("key", "api_key", "api-key", "access_token", "x-api-key"):
            with self.gateway.client() as client:
                reply = client.ask("/v1/chat/completions?%s=%s" % (name, KEY), chat_body("m"), key="")
            self.assertEqual(reply.status, 401, name)

    def test_a_rotated_key_goes_on_for_a_while(self):
        until = int(time.time() * 1000) + 60000
        self.open_key("gy-old")
        new = Rows.row("keys", "id-gy-old", "acme", "", "rotated", self.rows.hash("gy-new"),
                       previous={"lookup": self.rows.hash("gy-old"), "until_ms": until})
        self.rows.write(new)
        wait_for(lambda: self.status("gy-new") == 200, 1)
        self.assertEqual(self.status("gy-old"), 200)
        self.rows.write(Rows.row("keys", "id-gy-old", "acme", "", "rotated", self.rows.hash("gy-new"),
                                 previous={"lookup": self.rows.hash("gy-old"), "until_ms": until - 60001}))
        wait_for(lambda: self.status("gy-old") == 401, 1, "the end of the old secret")
        self.assertEqual(self.status("gy-new"), 200)

    def test_a_key_revoked_under_load_is_shut_in_every_worker(self):
        self.open_key("gy-loaded")
        seen, lock, stop = [], threading.Lock(), threading.Event()

        def call():
            with self.gateway.client() as client:  # one connection, so one worker
                while not stop.is_set():
                    begun = time.monotonic()
                    status = client.ask("/v1/chat/completions", chat_body("m"), key="gy-loaded").status
                    with lock:
                        seen.append((begun, status))

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: len(seen) > 50, 10)
            self.rows.write(self.rows.key("gy-loaded", "blocked"))
            shut = time.monotonic()
            time.sleep(1.5 * SLACK)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual({status for begun, status in seen}, {200, 401})
        self.assertEqual([status for begun, status in seen if begun > shut + SLACK and status != 401], [])

    def test_roles_of_a_tenant_stay_below_its_admin(self):
        log = self.gateway.process_log()
        self.assertIn("acme/rbac/boss.lua:5: tenants.write: is more than a tenant_admin of this tenant may", log)
        self.open_key("gy-boss", roles=["boss"])
        self.assertEqual(self.refusal("gy-boss"), (403, "action_not_allowed"))
        self.role("acme", "late", 'return { name = "late", allow = { "chat" } }')
        self.rows.write(self.rows.key("gy-late", roles=["late"]))
        wait_for(lambda: self.status("gy-late") == 200, 2, "a role that came later")
        self.role("acme", "late", 'return { name = "late", allow = { "models" } }\n')
        wait_for(lambda: self.status("gy-late") == 403, 2, "a role that was changed")

    def test_a_function_decides_what_data_cannot_say(self):
        self.open_key("gy-night", roles=["judge"], tags=["night"])
        self.open_key("gy-day", roles=["judge"], tags=["day"])
        for model, status in (("m", 200), ("n", 403), ("loop", 403), ("bug", 403), ("odd", 403), ("m", 200)):
            self.assertEqual(self.status("gy-night", model=model), status, model)
        self.assertEqual(self.refusal("gy-day"), (403, "model_not_allowed"))
        self.assertEqual(self.refusal("gy-night", "/v1/completions", {"model": "m", "prompt": "x"}), (403, "action_not_allowed"))
        self.assertIn("the role judge could not decide, so it denied", self.gateway.process_log())

    def test_a_store_that_is_away_shuts_nobody_out(self):
        self.open_key("gy-steady")
        self.rows.write(("ALTER TABLE keys RENAME TO keys_away", ()))
        try:
            wait_for(lambda: "keys go on from memory" in self.gateway.process_log(), 2)
            self.assertEqual(self.status("gy-steady"), 200)
            self.assertEqual(self.status("gy-not-there"), 401)
        finally:
            self.rows.write(("ALTER TABLE keys_away RENAME TO keys", ()))
        wait_for(lambda: "keys are read from the store again" in self.gateway.process_log(), 2)
        self.open_key("gy-after")


class Check(unittest.TestCase):
    """What `gateyes check` says of the roles of keys in the file."""

    def test_an_unknown_role_is_told_with_its_line_and_with_the_rest(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "gateyes.lua")
            with open(path, "w") as file:
                file.write('return {\n  lissten = {},\n  keys = {\n    { name = "a", key = "gy-a",\n      roles = { "member", "developr" } },\n'
                           '    { name = "b", key = "gy-b", roles = { env "SECRET_ROLE" } },\n'
                           '    { name = "c", key = "gy-c", roles = "zzzzzzzzzz", models = { "none" } },\n  },\n}\n')
            result = subprocess.run([BINARY, "check", path], capture_output=True, text=True, timeout=60,
                                    env=dict(os.environ, SECRET_ROLE="sk-canary-4711"))
        self.assertEqual(result.returncode, 1)
        tail = "; correct the name, or write the role as a file in rbac/"
        self.assertEqual(result.stderr.replace(path, "F").splitlines(), [
            'F:2: lissten: unknown key; did you mean "listen"?',
            'F:5: keys[1].roles: no role is called "developr" (did you mean "developer"?)' + tail,
            'F:6: keys[2].roles: no role is called "(a secret value)"' + tail,
            'F:7: keys[3].models: no model is called "none"; correct the name or use * in it',
            'F:7: keys[3].roles: no role is called "zzzzzzzzzz"' + tail])


if __name__ == "__main__":
    unittest.main()
