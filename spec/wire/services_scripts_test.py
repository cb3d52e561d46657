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


class ScriptCase(ServiceCase):
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

    def service(self, name, tenant="acme"):
        return self.good("POST", "/admin/v1/services", {"tenant": tenant, "name": name})["id"]

    def cannot_be_staged(self, field, name, tenant="acme", **fields):
        made = self.good("POST", "/admin/v1/service-versions", dict({"service": "%s:%s" % (tenant, name), "model": "m"}, **fields))
        path = "/admin/v1/service-versions/" + made["id"]
        message = self.refused(400, field, "POST", path + "/stage", {})
        self.assertEqual(self.good("GET", path)["state"], "draft")
        return message


class Scripts(ScriptCase):
    def test_a_template_of_the_folder(self):
        variables = {"who": {"required": True}, "lines": {"type": "array"}}
        self.publish("letter", template="letter", variables=variables)
        self.service("missing")
        self.assertIn("templates/nothing.prompt is not among", self.cannot_be_staged("template", "missing", template="nothing"))
        self.assertIn("templates/letter.prompt:1: {{who}}: there is no such variable", self.cannot_be_staged("template", "missing", template="letter"))

        def said():
            sent = self.sent(self.call("letter", {"variables": {"who": "Ann", "lines": ["a", "b"]}}, "invoke"))
            return sent["messages"][0]["content"]
        self.assertEqual(said(), "Dear Ann,\na\nb\n")
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

    def test_what_cannot_run_is_not_staged(self):
        self.service("strict")
        self.assertIn("model: there is no model gone", self.cannot_be_staged("model", "strict", model="gone"))
        for policies, why in ((["nothing"], "policies: there is no policy nothing; add policies/nothing.lua"),
                              ([{"name": "word"}], "the service's version: policies.word.word: is required; give it a value"),
                              ([{"name": "word", "word": 5}], "the service's version: policies.word.word: expects"),
                              ([{"name": "word", "word": "x", "wrod": "y"}], "the service's version: policies.word.wrod: ")):
            self.assertIn(why, self.cannot_be_staged("policies", "strict", policies=policies))
        self.service("strict", tenant="bare")
        for policies in ("x", [5], [{}], [{"name": "a b"}], [{"name": "a", "on_error": "maybe"}], [{"name": "../x"}]):
            self.refused(400, "policies", "POST", "/admin/v1/service-versions", {"service": "bare:strict", "model": "m", "policies": policies})

    def test_they_are_loaded_before_anybody_calls(self):
        """A policy whose loading takes longer than any request may: whoever calls first must not pay for it."""
        slow = WORD.replace("local policy", "local n = 0\nfor i = 1, 3e7 do n = n + i end\nlocal policy", 1)
        before = self.running()
        self.write("acme/policies/slow.lua", slow.replace('name = "word"', 'name = "slow"'))
        wait_for(lambda: self.running() > before, 10, "the new generation")
        self.publish("slow", policies=[{"name": "slow", "word": "Hello"}])
        for _ in range(6):
            reply = self.call("slow")
            self.assertEqual((reply.status, reply.json()["error"]["code"]), (403, "word"), reply.body)

    def running(self):
        return self.good("GET", "/admin/tenants/acme/scripts")["running"]

    def test_staging_leaves_a_canary_of_the_scripts_alone(self):
        files = {"tenant.lua": 'return { policies = { "first" } }', "policies/first.lua": FIRST, "policies/word.lua": WORD, "templates/letter.prompt": LETTER}
        canary = self.good("POST", "/admin/tenants/acme/scripts", {"files": files, "canary": {"percent": 100}})["canary"]
        self.publish("beside", policies=[{"name": "word", "word": "Hello", "code": "beside"}])
        reply = self.call("beside")
        self.assertEqual((reply.status, reply.headers["x-gateyes-generation"]), (403, str(canary)))
        self.assertEqual(self.good("GET", "/admin/tenants/acme/scripts")["canary"], canary)
        self.good("POST", "/admin/tenants/acme/scripts/drop", {})

    def test_scripts_that_take_a_policy_away_close_its_service(self):
        before = self.running()
        self.write("acme/policies/away.lua", WORD.replace('name = "word"', 'name = "away"'))
        wait_for(lambda: self.running() > before, 10, "the new generation")
        self.publish("closes", policies=[{"name": "away", "word": "Hello"}])
        number = self.version("acme:closes")
        self.good("POST", "/admin/v1/services/acme:closes/publish", {"version": number})
        self.good("POST", "/admin/v1/services/acme:closes/rollback", {})
        self.good("POST", "/admin/v1/services/acme:closes/publish", {"version": number})
        os.remove(os.path.join(self.folder, "acme/policies/away.lua"))
        wait_for(lambda: re.search(r"its services with the policies .*away.* are closed: ", self.gateway.process_log()), 10, "the log")
        self.assertEqual(self.call("closes").status, 200)
        self.refused(400, "policies", "POST", "/admin/v1/services/acme:closes/rollback", {})
        self.good("POST", "/admin/v1/services/acme:closes/unblock", {})
        self.assertEqual(self.call("closes").status, 200)


class Bare(ScriptCase):
    """A tenant without a folder; the counters of a process that was killed are gone, so nobody compares them with the log."""
    check_books = classmethod(lambda cls: None)

    def test_a_tenant_without_a_folder(self):
        self.service("nofolder", tenant="bare")
        self.assertIn("policies.keywords.lists: is required", self.cannot_be_staged("policies", "nofolder", tenant="bare", policies=["keywords"]))
        number = self.version("bare:nofolder", policies=[{"name": "keywords", "lists": {"greetings": {"words": ["Hello"]}}}])
        self.good("POST", "/admin/v1/services/bare:nofolder/publish", {"version": number})
        key = self.good("POST", "/admin/v1/keys", {"tenant": "bare", "name": "k"})["secret"]

        def check():
            reply = self.call("nofolder", key=key)
            self.assertEqual(reply.status, 403, reply.body)
            self.assertNotIn("x-gateyes-generation", reply.headers)
            self.assertEqual(self.ask("/v1/chat/completions", {"model": "m", "messages": HELLO}, key=key, wait=10 * SLACK).status, 200)
        check()
        self.gateway.reload(dict(self.gateway.config))
        check()
        self.gateway.crash()
        check()
        self.write("bare/tenant.lua", "return {")
        wait_for(lambda: "tenant bare: no generation runs" in self.gateway.process_log(), 10, "the broken folder")
        self.assertEqual(self.call("nofolder", key=key).status, 503, "the tenant's rules are not known")
        self.write("bare/tenant.lua", "return {}")
        wait_for(lambda: self.call("nofolder", key=key).headers.get("x-gateyes-generation"), 10, "the folder's generation")
        self.assertEqual(self.call("nofolder", key=key).status, 403)
        shutil.rmtree(os.path.join(self.folder, "bare"))
        wait_for(lambda: "tenant bare: its folder is gone" in self.gateway.process_log(), 20, "the folder to be gone")
        wait_for(lambda: self.call("nofolder", key=key).status == 403, 5, "what ships")
        check()


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
