"""Services and a tenant's scripts: prompts from templates/, policies of a version behind the tenant's own, and the page of the
manual that shows how to begin."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import ADMIN_KEY, BINARY, SLACK, wait_for
from services_test import HELLO, ServiceCase

FIRST = """local policy = { name = "first" }
function policy.on_request(request, context)
  context:tag("first", "1")
  context:tag("service", "forged")
end
return policy
"""
WORD = """local policy = { name = "word", settings = { word = { type = "string", required = true }, code = { type = "string", default = "word" } } }
function policy.on_request(request, context)
  local settings = context.settings
  context:tag("word", settings.word)
  if request.last_user_text:find(settings.word, 1, true) then return context:deny { code = settings.code, message = "not that word" } end
end
return policy
"""
LETTER = "Dear {{who}},\n{{#lines}}{{.}}\n{{/lines}}"


class Scripts(ServiceCase):
    tenants = ("acme", "bare")

    @classmethod
    def configuration(cls):
        cls.folder = tempfile.mkdtemp(prefix="gateyes-services-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.write("acme/tenant.lua", 'return { policies = { "first" } }')
        cls.write("acme/policies/first.lua", FIRST)
        cls.write("acme/policies/word.lua", WORD)
        cls.write("acme/templates/letter.prompt", LETTER)
        cls.write("acme/templates/chat.jinja", "{% for m in messages %}{{ m }}")
        return dict(super().configuration(), tenants=cls.folder)

    @classmethod
    def write(cls, path, text):
        path = os.path.join(cls.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def test_a_template_of_the_folder(self):
        variables = {"who": {"required": True}, "lines": {"type": "array"}}
        self.publish("letter", template="letter", variables=variables)
        self.publish("missing", template="nothing")

        def said():
            sent = self.sent(self.call("letter", {"variables": {"who": "Ann", "lines": ["a", "b"]}}, "invoke"))
            return sent["messages"][0]["content"]
        self.assertEqual(said(), "Dear Ann,\na\nb\n")
        reply = self.call("missing", {"variables": {}}, "invoke")
        self.assertEqual((reply.status, reply.json()["error"]["code"]), (503, "policy_error"))
        self.assertIn("templates/nothing.prompt", reply.json()["error"]["message"])
        self.write("acme/templates/letter.prompt", "Hello\n{{who")
        wait_for(lambda: "templates/letter.prompt:2: {{ without its }}" in self.gateway.process_log(), 10, "the refusal")
        self.assertEqual(said(), "Dear Ann,\na\nb\n")
        self.write("acme/templates/letter.prompt", "Hello {{who}}!")
        wait_for(lambda: said() == "Hello Ann!", 10, "the new template")
        self.write("acme/templates/letter.prompt", "Hello {{whom}}!")

        def refusal():
            reply = self.call("letter", {"variables": {"who": "Ann"}}, "invoke")
            return reply.status == 400 and reply.json()["error"]
        error = wait_for(refusal, 10, "the template with another name")
        self.assertEqual((error["param"], error["message"]), ("variables", "{{whom}}: there is no such variable"))
        self.write("acme/templates/letter.prompt", LETTER)

    def test_policies_of_a_version(self):
        self.publish("careful", policies=[{"name": "word", "word": "Hello", "code": "no_hello"}])
        self.publish("free", policies=["first"])
        self.publish("two", policies=[{"name": "word", "word": "xyz"}])
        for stream in (False, True):
            reply = self.call("careful", {"messages": HELLO, "stream": stream})
            self.assertEqual((reply.status, reply.json()["error"]["code"]), (403, "no_hello"))
            self.assertEqual(self.call("two", {"messages": HELLO, "stream": stream}).status, 200)
        self.assertEqual(self.call("careful", {"messages": [{"role": "user", "content": "Good day"}]}).status, 200)
        reply = self.ask("/v1/chat/completions", {"model": "m", "messages": HELLO}, key=self.keys["member"])
        self.assertEqual(reply.status, 200, "the tenant's own requests do not meet them")
        reply = self.call("two")
        row = wait_for(lambda: self.api("GET", "/admin/v1/requests/" + reply.headers["x-request-id"])[0] == 200 and
                       self.api("GET", "/admin/v1/requests/" + reply.headers["x-request-id"])[1], 10)
        self.assertEqual(row["tags"], {"service": "two", "service_version": "1", "first": "1", "word": "xyz"})

    def test_a_shadow_sees_what_the_service_adds(self):
        self.publish("watched", policies=[{"name": "word", "word": "Hello", "code": "no_hello"}])
        changed = WORD.replace("function policy.on_request(request, context)", "function policy.on_request(request, context)\n  if true then return end")
        for word, wanted in ((WORD, []), (changed, ["pass"])):
            files = {"tenant.lua": 'return { policies = { "first" } }', "policies/first.lua": FIRST, "policies/word.lua": word, "templates/letter.prompt": LETTER}
            shadow = self.good("POST", "/admin/tenants/acme/scripts", {"files": files, "shadow": True})["shadow"]
            self.assertEqual(self.call("watched").status, 403)

            def compared():
                found = self.good("GET", "/admin/tenants/acme/scripts/differences")
                return found["generation"] == shadow and found["requests"] == 1 and found
            seen = wait_for(compared, 5, "a compared request")["differences"]
            self.assertEqual([found["shadow"].split(",")[0] for found in seen], wanted, seen)
        self.good("POST", "/admin/tenants/acme/scripts/drop", {})

    def test_policies_that_cannot_be_loaded_close_the_service(self):
        for name, policies, why in (("unknown", ["nothing"], "policies.nothing"), ("wrong", [{"name": "word"}], "word"),
                                    ("odd", [{"name": "word", "word": 5}], "word")):
            self.publish(name, policies=policies)
            for _ in range(2):
                reply = self.call(name)
                self.assertEqual((reply.status, reply.json()["error"]["code"]), (503, "policy_error"), reply.body)
                self.assertIn(why, reply.json()["error"]["message"])
        self.publish("nofolder", tenant="bare", policies=["length"])
        key = self.good("POST", "/admin/v1/keys", {"tenant": "bare", "name": "k"})["secret"]
        self.assertEqual(self.call("nofolder", key=key).status, 503)
        for policies in ("x", [5], [{}], [{"name": "a b"}], [{"name": "a", "on_error": "maybe"}], [{"name": "../x"}]):
            self.refused(400, "policies", "POST", "/admin/v1/service-versions", {"service": "bare:nofolder", "model": "m", "policies": policies})


class Manual(ServiceCase):
    tenants = ("acme",)

    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(), "models": {"gpt-4o-mini": {"targets": ["o/gpt-4o-mini"]}}}

    def test_the_page_works_as_printed(self):
        page = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "services.md")
        with open(page) as file:
            blocks = re.findall(r"```sh\n(.*?)```", file.read(), re.S)
        script = "set -eu\n" + "".join(blocks).replace("gateyes tenants create --id acme\n", "").replace("127.0.0.1:8080", self.gateway.listen.text)
        folder = tempfile.mkdtemp(prefix="gateyes-manual-")
        self.addCleanup(shutil.rmtree, folder, True)
        with open(os.path.join(folder, "gateyes"), "w") as file:
            file.write('#!/bin/sh\nexec %s "$@" --config %s\n' % (BINARY, self.gateway.path))
        os.chmod(os.path.join(folder, "gateyes"), 0o755)
        done = subprocess.run(["sh", "-c", script.replace("curl ", "curl -fsS --noproxy '*' ")], capture_output=True, text=True, timeout=60 * SLACK,
                              env=dict(os.environ, PATH=folder + ":" + os.environ["PATH"], GATEYES_ADMIN_KEY=ADMIN_KEY))
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        sent = [json.loads(record["body"]) for record in self.mock_records()]
        self.assertEqual(sent[-2]["messages"][1]["content"], "Write to Ann in a kind tone. Mention: the new door. Mention: Tuesday.")
        self.assertEqual([message["role"] for message in sent[-1]["messages"]], ["system", "user"])
        self.assertEqual((sent[-1]["temperature"], sent[-1]["max_tokens"]), (0.2, 400))


if __name__ == "__main__":
    unittest.main()
