"""A tenant's own adapters: for its own providers alone, in a sandbox, swapped like its policies."""
import json
import os
import shutil
import tempfile
import unittest

from harness import KEY, GatewayCase, chat_body, wait_for

# Speaks OpenAI's protocol under a field name of its own, and says so in each reply.
VENDOR = """local openai = require "adapters.openai"
local adapter = setmetatable({ name = "vendor", native = {}, headers = { ["x-vendor"] = "7" } }, { __index = openai })

function adapter.encode(request, context)
  local encoded, failure = openai.encode(request, context)
  if not encoded then return nil, failure end
  encoded.path = "/chat/completions"
  return encoded
end

return adapter
"""
SPINS = VENDOR.replace("local encoded, failure", "while true do end\n  local encoded, failure").replace("vendor", "spins")
# Asks for what is stored under another tenant's name.
PRIES = VENDOR.replace("local encoded, failure", 'require("gateyes.responses").get("5:other/", "resp_1")\n  '
                       "local encoded, failure").replace("vendor", "pries")
TENANT = """return {
  providers = {
    v = { adapter = "vendor", base_url = "%(url)s", residency = "local", credential = "sk-tenant" },
    s = { adapter = "spins", base_url = "%(url)s" }, p = { adapter = "pries", base_url = "%(url)s" },
  },
  models = { v = { targets = { "v/m" } }, s = { targets = { "s/m" } }, p = { targets = { "p/m" } },
             both = { targets = { "s/m", "o/m" } }, down = { targets = { "v/m@status=500", "a/m" } } },
}"""


class Adapters(GatewayCase):
    @classmethod
    def configuration(cls):
        cls.folder = tempfile.mkdtemp(prefix="gateyes-adapters-")
        url = "http://127.0.0.1:%d/v1" % cls.mock.port
        for path, text in (("tenant.lua", TENANT % {"url": url}), ("adapters/vendor.lua", VENDOR),
                           ("adapters/spins.lua", SPINS), ("adapters/pries.lua", PRIES)):
            cls.write(path, text)
        return {"tenants": cls.folder, "tenant_hosts": ["127.0.0.1", "127.0.0.0/8"], "workers": 2,
                "providers": cls.mock_providers(), "models": {"m": {"targets": ["o/m"]}},
                "keys": [{"name": "wire", "key": KEY, "tenant": "acme"}, {"name": "other", "key": "gy-other", "tenant": "other"}]}

    @classmethod
    def write(cls, path, text):
        whole = os.path.join(cls.folder, "acme", path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole + "~", "w") as file:
            file.write(text)
        os.rename(whole + "~", whole)

    @classmethod
    def end(cls):
        super().end()
        shutil.rmtree(cls.folder)

    def state(self):
        return json.loads(self.gateway.get_admin("/admin/tenants/acme/scripts")[1])

    def test_every_dialect_goes_through_it(self):
        for ask in (self.chat, self.messages, self.responses):
            for is_stream in (False, True):
                reply = ask("v", is_stream)
                self.assertEqual(reply.status, 200, reply.body)
                self.assertIn(b"Hello there", b"".join(reply.body.split(b"You said:")[1:]) if not is_stream else reply.text().encode())
                self.assertEqual(reply.headers["x-gateyes-provider"], "acme/v")
        record = self.mock_records()[-1]
        headers = {name.lower(): value for name, value in record["headers"]} if isinstance(
            record["headers"], list) else {name.lower(): value for name, value in record["headers"].items()}
        self.assertEqual((headers["x-vendor"], headers["authorization"]), ("7", "Bearer sk-tenant"))

    def test_one_that_spins_fails_its_request_alone(self):
        for _ in range(3):
            reply = self.chat("s")
            self.assertEqual((reply.status, reply.error()["code"]), (500, "translation_error"))
        self.assertEqual(self.ask("/v1/chat/completions", chat_body("m"), key="gy-other").status, 200)
        self.assertEqual(self.chat("m").status, 200, "the operator's provider is not translated there")

    def test_what_is_stored_of_others_is_out_of_reach(self):
        self.assertEqual(self.chat("p").status, 500)
        self.assertIn("not an owner of this tenant", self.gateway.process_log())

    def test_the_next_target_is_translated_by_its_own_scripts(self):
        for ask in (self.messages, self.chat):
            reply = ask("down")
            self.assertEqual((reply.status, reply.headers["x-gateyes-provider"]), (200, "a"), reply.body)

    def test_other_tenants_do_not_know_it(self):
        self.assertEqual(self.ask("/v1/chat/completions", chat_body("v"), key="gy-other").status, 404)

    def test_a_name_of_the_operators_is_refused(self):
        before = self.state()["running"]
        self.write("adapters/openai.lua", VENDOR)
        refused = wait_for(lambda: self.state().get("refused"), 10, "a refusal")
        self.assertIn("the operator has an adapter of this name", json.dumps(refused))
        self.assertEqual(self.state()["running"], before)
        os.remove(os.path.join(self.folder, "acme/adapters/openai.lua"))
        wait_for(lambda: not self.state().get("refused"), 10, "the refusal to be gone")


if __name__ == "__main__":
    unittest.main()
