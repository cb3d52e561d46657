"""Tenants' scripts: folders, generations, refusals, roll back, canaries, and what survives a restart."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

from harness import ADMIN_KEY, BINARY, KEY, Gateway, GatewayCase, chat_body, wait_for
from streams import BODIES
from upstream import Upstream, stream

POLICY = """local policy = { name = "residency" }
function policy.on_request(request, context)
  if request.last_user_text:find "%d%d%d" then context:require { residency = "local" } end
end

return policy
"""
SPEC = """local policy = require "policies.residency"

describe("residency", function()
  it("keeps numbers at home", function()
    local context = { require = spy.new(function() end), tag = function() end }
    policy.on_request({ last_user_text = "my card is 1234" }, context)
    -- no other call will do
    assert.spy(context.require).was.called_with(context, { residency = "local" })
  end)
end)
"""


class Scripts(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-tenants-")
        return {"tenants": cls.root, "workers": 2, "scripts": {"keep": 3},
                "providers": {"o": {"adapter": "openai", "base_url": "http://127.0.0.1:1/v1"}},
                "models": {"m": {"targets": ["o/m"]}}}

    @classmethod
    def end(cls):
        super().end()
        shutil.rmtree(cls.root)

    def put(self, tenant, files, root=None):
        """Writes files; each appears whole."""
        for path, text in files.items():
            whole = os.path.join(root or self.root, tenant, path)
            os.makedirs(os.path.dirname(whole), exist_ok=True)
            with open(whole + "~", "w") as file:
                file.write(text)
            os.rename(whole + "~", whole)

    def admin(self, path, method="GET", body=None, key=ADMIN_KEY):
        url = "http://%s/admin/%s" % (self.gateway.admin.text, path)
        data = None if body is None else json.dumps(body).encode()
        if method == "POST" and data is None:
            data = b""
        request = urllib.request.Request(url, data, {"authorization": "Bearer " + key}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def state(self, tenant):
        return self.admin("tenants/%s/scripts" % tenant)[1]

    def wait_running(self, tenant, number):
        wait_for(lambda: self.state(tenant).get("running") == number, 10, "generation %d" % number)

    def wait_refused(self, tenant, number):
        def refused():
            found = self.state(tenant).get("refused")
            return found and found["generation"] == number and found
        return wait_for(refused, 10, "the refusal of generation %d" % number)

    def push(self, tenant, files, **more):
        return self.admin("tenants/%s/scripts" % tenant, "POST", dict(more, files=files))

    def test_folder(self):
        self.put("folder", {"tenant.lua": "return { models = { own = { targets = { 'o/x' } } } }"})
        self.wait_running("folder", 1)
        self.put("folder", {"tenant.lua": "return {\n  modles = {} }"})
        refused = self.wait_refused("folder", 2)
        self.assertEqual(refused["problems"],
                         [self.root + '/folder/tenant.lua:2: modles: unknown key; did you mean "models"?'])
        state = self.state("folder")
        self.assertEqual(state["running"], 1)
        self.assertTrue(state["state"].startswith("running generation 1, generation 2 refused because "))
        self.put("folder", {"tenant.lua": "return {}"})
        self.wait_running("folder", 3)
        self.assertIsNone(self.state("folder")["refused"])
        self.assertEqual(self.gateway.metric('gateyes_script_generation{tenant="folder"}'), 3)
        self.assertEqual(self.gateway.metric('gateyes_script_swaps_total{tenant="folder",result="refused"}'), 1)
        os.remove(os.path.join(self.root, "folder", "tenant.lua"))
        os.rmdir(os.path.join(self.root, "folder"))
        wait_for(lambda: self.state("folder")["running"] is None, 20, "the folder's end")
        self.assertEqual(self.state("folder")["state"], "no scripts")

    def test_a_folder_that_is_replaced(self):
        """Between its going and its coming back nobody is served without its rules."""
        self.put("replaced", {"tenant.lua": "return {}"})
        self.wait_running("replaced", 1)
        folder = os.path.join(self.root, "replaced")
        os.rename(folder, os.path.join(self.root, ".away"))
        self.put("seen", {"tenant.lua": "return {}"})
        self.wait_running("seen", 1)  # the keeper has looked meanwhile
        self.assertEqual(self.state("replaced")["running"], 1)
        os.rename(os.path.join(self.root, ".away"), folder)
        self.put("replaced", {"tenant.lua": "return { policies = {} }"})
        self.wait_running("replaced", 2)

    def test_a_folder_that_is_nobodys(self):
        self.put("two words", {"tenant.lua": "return {}"})
        wait_for(lambda: self.root + "/two words: its scripts are not read" in self.gateway.process_log(), 10, "the warning")
        shutil.rmtree(os.path.join(self.root, "two words"))

    def test_what_is_no_script(self):
        self.put("odd", {"tenant.lua": "return {}"})
        self.wait_running("odd", 1)
        folder = os.path.join(self.root, "odd")
        os.symlink("/etc/passwd", folder + "/passwd.lua")
        refused = wait_for(lambda: self.state("odd")["refused"], 10, "the refusal")
        self.assertEqual(refused["problems"], [folder + "/passwd.lua: cannot be read: it is a link that leaves the folder"])
        os.remove(folder + "/passwd.lua")
        wait_for(lambda: not self.state("odd")["refused"], 10, "the end of the refusal: the files are those that run")
        self.assertEqual(self.state("odd")["state"], "running generation 1")
        os.mkfifo(folder + "/fifo.lua")
        os.makedirs(folder + "/many")
        for number in range(2100):
            open("%s/many/%d" % (folder, number), "w").close()
        refused = wait_for(lambda: self.state("odd")["refused"], 10, "the refusal")
        self.assertEqual(refused["problems"], [folder + ": cannot be read: it holds more than 2000 files"])
        shutil.rmtree(folder + "/many")
        self.put("odd", {"tenant.lua": "return { policies = {} }"})
        wait_for(lambda: (self.state("odd")["running"] or 0) > 1, 10, "a generation beside a fifo")

    def test_push_and_roll_back(self):
        self.assertEqual(self.push("pushed", {"tenant.lua": "return {}"})[1]["running"], 1)
        status, reply = self.push("pushed", {"tenant.lua": "return { policies = { 'none' } }"})
        self.assertEqual(status, 422)
        self.assertIn("policies/none.lua", reply["error"]["problems"][0])
        self.assertEqual(self.push("pushed", {"lib/a.lua": "return 1"})[1]["running"], 3)
        self.assertEqual(self.admin("tenants/pushed/scripts/3")[1]["files"], {"lib/a.lua": "return 1"})
        self.assertEqual(self.admin("tenants/pushed/scripts/rollback", "POST")[1]["running"], 1)
        self.assertEqual(self.admin("tenants/pushed/scripts/rollback", "POST", {"generation": 3})[1]["running"], 3)
        self.assertEqual(self.admin("tenants/pushed/scripts/rollback", "POST", {"generation": 77})[0], 404)
        for number in range(4, 9):
            self.assertEqual(self.push("pushed", {"a.txt": str(number)})[1]["running"], number)
        kept = [g["generation"] for g in self.state("pushed")["generations"]]
        self.assertEqual(kept, [8, 7, 6])

    def roll_back(self, tenant, **body):
        return self.admin("tenants/%s/scripts/rollback" % tenant, "POST", body)

    def test_roll_back_step_by_step(self):
        """Each goes one step further back, and never forward; a generation that never ran is no step."""
        for number in range(1, 5):
            self.push("steps", {"a": str(number)}, **({"shadow": True} if number == 3 else {}))
        self.assertEqual(self.state("steps")["running"], 4)
        self.assertEqual(self.state("steps")["before"], 2)
        self.assertEqual(self.roll_back("steps")[1]["running"], 2)
        status, reply = self.roll_back("steps")  # scripts.keep is 3: the first is gone
        self.assertEqual((status, reply["error"]["message"]),
                         (409, "nothing that ran before generation 2 is kept, so there is nothing to roll back to; "
                               "kept are: 4, 3, 2"))
        self.assertEqual(self.push("steps", {"a": "5"})[1]["before"], 2)
        self.assertEqual(self.roll_back("steps")[1]["running"], 2)  # not 4, which was rolled back
        status, reply = self.roll_back("steps", generation=77)
        self.assertEqual((status, reply["error"]["message"]),
                         (404, "generation 77 of steps is not kept; those that are: 5, 4, 2"))
        status, reply = self.admin("tenants/steps/scripts/promote", "POST", {})
        self.assertEqual(status, 409)
        self.assertIn("no canary and no shadow", reply["error"]["message"])
        self.assertEqual(self.admin("tenants/steps/scripts/shadow", "POST", {})[0], 400)

    def test_policies_that_do_not_load(self):
        tenant = {"tenant.lua": "return { policies = { 'residency' } }"}
        self.assertEqual(self.push("broken", dict(tenant, **{"policies/residency.lua": POLICY}))[1]["running"], 1)
        for text, sentence in (
                ("local policy = {\nreturn policy", "policies/residency.lua:2:"),
                ("error 'no start'", "policies/residency.lua:1: no start"),
                ("return 7", "policies/residency.lua: returns no table"),
                (POLICY.replace("on_request", "on_reqest"), "the nearest is on_request"),
                ("while true do end", "processor time"),
                ("local t = {} for i = 1, 1e9 do t[i] = {} end", "KiB of memory"),
                ("return require 'lib.none'", "lib.none"),
                ("\27LJ\2", "policies/residency.lua")):
            status, reply = self.push("broken", dict(tenant, **{"policies/residency.lua": text}))
            self.assertEqual(status, 422, text)
            self.assertIn(sentence, reply["error"]["problems"][0])
            self.assertEqual(self.state("broken")["running"], 1)

    def test_specs_decide(self):
        """The policy and its spec are dropped in; a spec that fails keeps the old generation in place."""
        self.put("specs", {"policies/residency.lua": POLICY, "policies/residency_spec.lua": SPEC,
                           "tenant.lua": "return { policies = { 'residency' } }"})
        wait_for(lambda: self.state("specs").get("running"), 10, "a generation that passes its spec")
        before = self.state("specs")["running"]
        self.put("specs", {"policies/residency.lua": POLICY.replace("context:require", "context:tag")})
        refused = wait_for(lambda: self.state("specs")["refused"], 10, "the refusal")
        self.assertEqual(len(refused["problems"]), 1)
        for part in ("policies/residency_spec.lua", "line 4", "keeps numbers at home", "policies/residency_spec.lua:8:",
                     "called"):
            self.assertIn(part, refused["problems"][0])
        self.assertEqual(self.state("specs")["running"], before)
        self.put("specs", {"policies/residency.lua": POLICY + "\n"})
        wait_for(lambda: self.state("specs")["running"] > before, 10, "the repaired generation")
        for line in self.gateway.process_log().splitlines():
            json.loads(line)

    def test_specs_that_do_not_end(self):
        status, reply = self.push("loop", {"lib/loop_spec.lua": "it('ends', function() while true do end end)"})
        self.assertEqual(status, 422)
        self.assertIn("processor time", reply["error"]["problems"][0])

    def test_canary_and_shadow(self):
        self.push("birds", {"a": "1"})
        status, state = self.push("birds", {"a": "2"}, canary={"percent": 10, "keys": ["ci"]})
        self.assertEqual((status, state["running"], state["canary"]), (200, 1, 2))
        self.assertEqual(state["state"], "running generation 1, generation 2 as a canary for 10 % of the requests and those of ci")
        self.assertEqual((state["canary_percent"], state["canary_keys"]), (10, ["ci"]))
        for body in ({"generation": 2}, {"generation": 2, "percent": 0, "keys": []}):
            status, reply = self.admin("tenants/birds/scripts/canary", "POST", body)
            self.assertEqual(status, 400)
            self.assertIn("give percent, above 0, or keys", reply["error"]["message"])
        self.assertEqual(self.admin("tenants/birds/scripts/promote", "POST")[1]["running"], 2)
        state = self.push("birds", {"a": "3"}, shadow=True)[1]
        self.assertEqual((state["running"], state["canary"], state["shadow"]), (2, None, 3))
        self.assertEqual(state["state"], "running generation 2, generation 3 as a shadow")
        state = self.admin("tenants/birds/scripts/drop", "POST")[1]
        self.assertEqual((state["running"], state["shadow"]), (2, None))
        state = self.push("birds", {"tenant.lua": "return { canary = { percent = 1 } }"})[1]
        self.assertEqual((state["running"], state["canary"]), (2, 4))
        self.assertEqual(self.push("birds", {"a": "x"}, canary={"percent": 101})[0], 422)

    def test_a_reload_while_a_generation_is_built(self):
        """What is built anew over the configuration is what runs then, not what ran when the signal came."""
        slow = "it('takes its time', function() local n = 0 for i = 1, 6e6 do n = n + i end end)"
        self.push("busy", {"a": "1"})
        replies = []
        pushing = threading.Thread(target=lambda: replies.append(self.push("busy", {"a": "2", "lib/slow_spec.lua": slow})))
        pushing.start()
        while not replies:  # several, since nobody sees when the build begins
            self.gateway.reload()
        pushing.join()
        self.assertEqual((replies[0][0], replies[0][1]["running"]), (200, 2))
        self.gateway.reload()
        self.push("other", {"a": "1"})  # in line behind all that was to be built
        self.assertEqual(self.state("busy")["running"], 2)

    def test_what_is_no_text(self):
        """Generations are kept as JSON: bytes that are no UTF-8 would be others after a restart."""
        self.put("words", {"tenant.lua": "return {}"})
        self.wait_running("words", 1)
        file = os.path.join(self.root, "words", "list.lua")
        with open(file, "wb") as out:
            out.write("return {\n'\u4f60\u597d'}".encode("gbk"))
        refused = wait_for(lambda: self.state("words")["refused"], 10, "the refusal")
        wanted = file + ":2: is no UTF-8 text; save it as UTF-8, or keep it elsewhere"
        self.assertEqual(refused["problems"], [wanted])
        for words in (("check", os.path.join(self.root, "words")), ("scripts", "push", "words", os.path.dirname(file))):
            status, _, error = self.run_command(*words)
            self.assertEqual(status, 1)
            self.assertIn(wanted, error)
        self.assertEqual(self.state("words")["running"], 1)

    def test_rules_do_not_go_by_accident(self):
        """A copy that was interrupted, or a full disk, leaves an empty file; it is not a tenant without policies."""
        self.put("kept", {"tenant.lua": "return { policies = { 'residency' } }", "policies/residency.lua": POLICY})
        self.wait_running("kept", 1)
        path = os.path.join(self.root, "kept", "tenant.lua")
        cases = ((lambda: open(path, "w").close(), path + ": is empty; write return {} to have no rules"),
                 (lambda: os.mkfifo(path), path + ": cannot be read: it is no file"),
                 (lambda: os.makedirs(path), path + ": cannot be read: it is no file"))
        for make, wanted in cases:
            other, running = os.path.join(self.root, "kept", ".was"), self.state("kept")["running"]
            os.rename(path, other)
            make()
            wait_for(lambda: wanted in ((self.state("kept")["refused"] or {}).get("problems") or []), 10, wanted)
            self.assertEqual(self.state("kept")["running"], running)
            os.rmdir(path) if os.path.isdir(path) else os.remove(path)
            os.rename(other, path)
            wait_for(lambda: not self.state("kept")["refused"], 10, "the files that were there before")

    def test_what_editors_know(self):
        """Every global of specs and of tenant.lua that stock Lua has not is named for LuaLS, and nothing else is."""
        names = "local names = {} for name in pairs(_G) do names[#names + 1] = name end error('<' .. table.concat(names, ' ') .. '>')"
        folder = os.path.join(self.gateway.folder, "known")
        self.put("known", {"tenant.lua": "return {}", "a_spec.lua": "it('x', function() %s end)" % names}, self.gateway.folder)
        _, text, error = self.run_command("test", folder)
        self.assertIn("<", text, error)
        found = set(text.split("<")[1].split(">")[0].split())
        os.remove(os.path.join(folder, "a_spec.lua"))
        self.put("known", {"tenant.lua": "error('<' .. type(env) .. type(file) .. type(secret_file) .. '>')"}, self.gateway.folder)
        self.assertIn("<functionfunctionfunction>", self.run_command("check", folder)[2])
        found |= {"env", "file", "secret_file"}
        stock = subprocess.run(["luajit", "-e", "for name in pairs(_G) do print(name) end"], capture_output=True, text=True, check=True)
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".luarc.json")) as file:
            known = json.load(file)["diagnostics.globals"]
        self.assertEqual(sorted(known), sorted(found - set(stock.stdout.split())))

    def test_what_a_terminal_would_obey(self):
        clean, text = "-- plain\n", "-- \x1b]0;x\x07 \x9b31m \x7f\n"
        self.push("screen", {"a.lua": clean})
        number = self.push("screen", {"a.lua": text})[1]["running"]
        for words in (("show", "screen", str(number), "a.lua"), ("diff", "screen")):
            status, shown, _ = self.run_command("scripts", *words)
            self.assertEqual(status, 0)
            self.assertIn("-- ?]0;x? ?31m ?\n", shown)
            self.assertEqual([c for c in shown if c != "\n" and (c < " " or "\x7f" <= c < "\xa0")], [])

    def test_what_is_no_push(self):
        self.assertEqual(self.admin("tenants/x/scripts", key="wrong")[0], 401)
        self.assertEqual(self.admin("tenants/x/scripts", "POST", {"files": {}}, key="wrong")[0], 401)
        self.assertEqual(self.admin("tenants/nobody/scripts")[0], 404)
        self.assertEqual(self.admin("tenants/nobody/scripts/rollback", "POST")[0], 404)
        self.assertEqual(self.admin("tenants/x/scripts/rollback")[0], 405)
        self.assertEqual(self.admin("tenants/x/scripts/other")[0], 404)
        self.assertEqual(self.push("..", {"a": "1"})[0], 404)
        self.assertEqual(self.push("%2e%2e", {"a": "1"})[0], 404)
        self.assertEqual(self.push("a%2fb", {"a": "1"})[0], 404)
        for files in ({"../a": "1"}, {"/etc/x": "1"}, {"a": 1}, []):
            self.assertEqual(self.push("x", files)[0], 422)
        self.assertFalse(os.path.exists(os.path.join(self.root, "..", "a")))

    def run_command(self, *words):
        done = subprocess.run([BINARY] + list(words) + ["--config", self.gateway.path], capture_output=True, text=True,
                              timeout=120)
        return done.returncode, done.stdout, done.stderr

    def test_commands(self):
        folder = os.path.join(self.gateway.folder, "outside")
        self.put("outside", {"lib/a.lua": "return 1\nline two\n", "b.txt": "b"}, self.gateway.folder)
        self.assertEqual(self.run_command("scripts", "push", "cli", folder), (0, "cli: running generation 1\n", ""))
        self.put("outside", {"lib/a.lua": "return 2\nline two\n", "c.txt": "c"}, self.gateway.folder)
        os.remove(os.path.join(folder, "b.txt"))
        self.assertEqual(self.run_command("scripts", "push", "cli", folder)[0], 0)
        status, text, _ = self.run_command("scripts", "diff", "cli")
        self.assertEqual((status, text), (0, "--- b.txt (removed)\n@@ line 1: 1 removed, 0 added @@\n-b\n"
                                             "--- lib/a.lua\n@@ line 1: 1 removed, 1 added @@\n-return 1\n+return 2\n"
                                             "--- c.txt (new)\n@@ line 1: 0 removed, 1 added @@\n+c\n"))
        self.assertEqual(self.run_command("scripts", "show", "cli", "1", "b.txt")[1], "b")
        self.assertEqual(self.run_command("scripts", "show", "cli", "1", "c.txt"),
                         (1, "", "gateyes scripts: generation 1 of cli has no file c.txt\n"))
        self.assertEqual(self.run_command("scripts", "rollback", "cli")[1], "cli: running generation 1\n")
        self.put("outside", {"tenant.lua": "return { policies = { 'nothing' } }"}, self.gateway.folder)
        status, text, error = self.run_command("scripts", "push", "cli", folder)
        self.assertEqual((status, text), (1, ""))
        self.assertIn("policies/nothing.lua", error)
        self.assertIn("generation 3 was refused; nothing has changed", error)
        status, text, _ = self.run_command("scripts", "list", "cli")
        self.assertIn("cli: running generation 1, generation 3 refused because", text)
        self.assertEqual([line[0] for line in text.splitlines()], ["c", " ", " ", "*"])
        for words in (("rollback", "cli", "--to", "2"), ("rollback", "cli", "1")):
            status, text, _ = self.run_command("scripts", *words)
            self.assertEqual((status, text.split(",")[0]), (0, "cli: running generation " + words[-1]))
        status, text, error = self.run_command("scripts", "rollback", "cli")
        self.assertEqual((status, text), (1, ""))
        self.assertIn("nothing that ran before generation 1 is kept", error)
        self.assertEqual(json.loads(self.run_command("scripts", "list", "--json", "cli")[1])["running"], 1)
        self.assertIn("cli: running", self.run_command("scripts", "list")[1])
        for words in ((), ("list", "a", "b"), ("show",), ("canary", "cli", "x"), ("none",), ("push", "cli", "--what"),
                      ("rollback", "cli", "2", "--to", "1"), ("show", "cli", "--to", "1"), ("rollback", "cli", "--to", "x")):
            self.assertEqual(self.run_command("scripts", *words)[0], 2)

    def test_check(self):
        good, bad, worse = "good", "bad", "worse"
        root = os.path.join(self.gateway.folder, "checked")
        self.put(good, {"policies/residency.lua": POLICY, "policies/residency_spec.lua": SPEC,
                        "tenant.lua": "return { policies = { 'residency' } }"}, root)
        status, text, error = self.run_command("check", root + "/")
        self.assertEqual((status, error), (0, ""))
        self.assertIn("1 tenants", text)
        self.put(bad, {"tenant.lua": "return {\n polices = 1,\n shadow = 2 }"}, root)
        self.put(worse, {"lib/x_spec.lua": "it('fails', function() assert.is_true(false) end)",
                         "tenant.lua": "return { policies = { 'gone',\n { name = 'typed', limit = 9.5, more = 1 } } }",
                         "policies/typed.lua": "local policy = { name = 'typed', settings = { limit = { type = 'integer' } } }\n"
                                               "function policy.on_request() end\nreturn policy\n"}, root)
        status, text, error = self.run_command("check", root)
        self.assertEqual((status, text), (1, ""))
        self.assertEqual([line.split(": ")[0] for line in error.splitlines()[:3]],
                         [root + "/bad/tenant.lua:2", root + "/bad/tenant.lua:3", root + "/worse/tenant.lua:1"])
        for sentence in ("/worse/tenant.lua:1: policies: there is no file policies/gone.lua",
                         "/worse/tenant.lua:2: policies.typed.limit: expects an integer, not",
                         "/worse/tenant.lua:2: policies.typed.more: no such setting"):
            self.assertIn(sentence, error)
        self.assertIn('tenant worse: spec lib/x_spec.lua, line 1, "fails": ', error)
        self.assertEqual(self.run_command("check", os.path.join(root, good))[0], 0)

    def run_plain(self, folder, *words, **more):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEYES_")}
        done = subprocess.run([BINARY] + list(words), capture_output=True, text=True, timeout=60, cwd=folder,
                              env=dict(environment, **more))
        return done.returncode, done.stdout, done.stderr

    def test_check_says_what_it_was_given(self):
        folder = os.path.join(self.gateway.folder, "named")
        self.put("acme", {"policies/some.lua": "return {}", "tenant.lua": "return { models = { own = { alias = 'base' } } }"},
                 os.path.join(folder, "tenants"))
        os.makedirs(os.path.join(folder, "nothing"))
        os.makedirs(os.path.join(folder, "site"))
        site = os.path.join(folder, "site", "gateyes.lua")
        with open(os.path.join(folder, "gateyes.lua"), "w") as file:
            file.write("return { models = { base = { targets = { 'p/base' } } },\n"
                       "providers = { p = { adapter = 'openai', base_url = 'http://127.0.0.1:9/v1' } } }")
        with open(site, "w") as file:
            file.write("return {}")
        for word, place in ((".", folder), ("gateyes.lua", folder), ("site/", folder), ("tenants/", folder),
                            ("named/tenants", self.gateway.folder), ("named/tenants/acme/", self.gateway.folder)):
            status, text, error = self.run_plain(place, "check", word)
            self.assertEqual((status, error), (0, ""), word)
            self.assertIn(": fine: ", text)
        self.assertIn("tenants: fine: 1 tenants, over tenants/../gateyes.lua", self.run_plain(folder, "check", "tenants")[1])
        for word, sentence in (("nothing", "nothing: no gateyes.lua is in it"), ("none.lua", "none.lua: No such file"),
                               ("tenants/acme/policies/some.lua", "`gateyes check tenants/acme`")):
            status, text, error = self.run_plain(folder, "check", word)
            self.assertEqual((status, text), (1, ""), word)
            self.assertIn(sentence, error)
        self.assertEqual(self.run_plain(folder, "check", "tenants", "site")[0], 2)
        self.assertIn("0 models", self.run_plain(folder, "check", GATEYES_CONFIG=site)[1])

    def test_restart(self):
        root = tempfile.mkdtemp(prefix="gateyes-restart-")
        config = {"tenants": root, "providers": self.gateway.config["providers"],
                  "models": self.gateway.config["models"]}
        self.put("kept", {"tenant.lua": "return {}"}, root)
        self.put("lost", {"tenant.lua": "return nonsense("}, root)
        first = Gateway(config)

        def state(gateway, tenant):
            return json.loads(gateway.get_admin("/admin/tenants/%s/scripts" % tenant)[1])
        try:
            self.assertEqual(state(first, "kept")["running"], 1)
            self.assertTrue(state(first, "lost")["is_blocked"])
            self.put("kept", {"a.txt": "2"}, root)
            wait_for(lambda: state(first, "kept")["running"] == 2, 10, "generation 2")
            self.assertEqual(state(first, "kept")["before"], 1)
            done = subprocess.run([BINARY, "scripts", "rollback", "kept", "--config", first.path],
                                  stdout=subprocess.DEVNULL, timeout=60)
            self.assertEqual(done.returncode, 0)
            self.assertEqual(first.stop(), 0, first.process_log())
            second = Gateway(config)
            try:
                self.assertEqual(state(second, "kept")["running"], 1)  # the folder still holds generation 2
                self.assertEqual([g["generation"] for g in state(second, "kept")["generations"]], [2, 1])
                self.put("kept", {"tenant.lua": "return 5"}, root)
                wait_for(lambda: state(second, "kept")["refused"], 10, "the refusal")
                self.assertEqual(second.stop(), 0, second.process_log())
                third = Gateway(config)  # the folder's files were refused: what ran before runs on
                self.assertEqual(state(third, "kept")["running"], 1)
                self.put("lost", {"tenant.lua": "return {}"}, root)
                wait_for(lambda: state(third, "lost")["running"], 10, "the repaired tenant")
                self.assertFalse(state(third, "lost")["is_blocked"])
                self.assertEqual(third.stop(), 0, third.process_log())
                third.remove()
            finally:
                second.stop()
                second.remove()
        finally:
            first.stop()
            first.remove()
            shutil.rmtree(root)

    def test_signal(self):
        self.put("signal", {"tenant.lua": "return {}"})
        self.gateway.process.send_signal(signal.SIGHUP)
        self.wait_running("signal", 1)


class Layers(GatewayCase):
    """The operator's folders below the tenants', and providers that a tenant names."""
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.folder = tempfile.mkdtemp(prefix="gateyes-layers-")
        for name in ("tenants/acme", "site/lib", "site/policies"):
            os.makedirs(os.path.join(cls.folder, name))
        here = os.path.dirname(os.path.abspath(__file__))
        shutil.copytree(os.path.join(here, "..", "..", "lua"), os.path.join(cls.folder, "lua"))
        cls.write("site/policies/shared.lua", 'local word = require "lib.word"\nlocal policy = { name = "shared" }\n'
                  'function policy.on_request(request) request:set("user", word) end\nreturn policy\n')
        cls.write("site/lib/word.lua", "return 'one'")
        cls.write("tenants/acme/tenant.lua", "return { policies = { 'shared' } }")
        cls.upstream, cls.private = Upstream(), Upstream()
        for upstream in (cls.upstream, cls.private):
            upstream.plays = {"m": [stream(BODIES["chat"])]}
        return {"tenants": cls.folder + "/tenants", "site": cls.folder + "/site", "lua": cls.folder + "/lua",
                "tenant_hosts": ["127.0.0.1", "127.0.0.0/8"], "workers": 2,
                "providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1", "credential": "sk-platform"}},
                "models": {"m": {"targets": ["o/m"]}},
                "keys": [{"name": "wire", "key": KEY, "tenant": "acme"}, {"name": "other", "key": "gy-other"}]}

    @classmethod
    def end(cls):
        super().end()
        shutil.rmtree(cls.folder)

    @classmethod
    def write(cls, path, text):
        whole = os.path.join(cls.folder, path)
        with open(whole + "~", "w") as file:
            file.write(text)
        os.rename(whole + "~", whole)

    def state(self):
        return json.loads(self.gateway.get_admin("/admin/tenants/acme/scripts")[1])

    def user(self, upstream, key=KEY):
        upstream.forget()
        reply = self.ask("/v1/chat/completions", chat_body("m", True), key=key)
        self.assertEqual(reply.status, 200, reply.body)
        return upstream.requests("m")[0].json.get("user")

    def test_layers(self):
        self.assertEqual(self.user(self.upstream), "one")
        self.assertIsNone(self.user(self.upstream, "gy-other"))
        running = self.state()["running"]
        self.write("site/lib/word.lua", "return 'two'")
        wait_for(lambda: self.user(self.upstream) == "two", 10, "a generation over the new site folder")
        self.assertGreater(self.state()["running"], running)
        self.write("site/lib/word.lua", "return (")
        wait_for(lambda: self.state()["refused"], 10, "the refusal")
        self.assertEqual(self.user(self.upstream), "two")
        self.write("site/lib/word.lua", "return 'two'")
        wait_for(lambda: not self.state()["refused"], 10, "the repaired site folder")

    def test_layers_under_what_was_pushed(self):
        """A site that changes lays itself under what runs: the folder's files do not come back with it."""
        before = self.state()["running"]
        self.write("site/lib/word.lua", "return 'two'")
        files = {"tenant.lua": "return { policies = { 'shared', 'more' } }", "policies/more.lua":
                 "local policy = { name = 'more' }\nlocal word = require 'lib.word'\n"
                 "function policy.on_request(request) request:set('user', 'pushed ' .. word) end\nreturn policy\n"}
        wait_for(lambda: self.state()["running"] > before or self.user(self.upstream) == "two", 10, "the site's word")
        before = self.push(files)["running"]
        self.assertEqual(self.user(self.upstream), "pushed two")
        self.write("site/lib/word.lua", "return 'three'")
        wait_for(lambda: self.user(self.upstream) != "pushed two", 10, "a generation over the new site folder")
        self.assertEqual(self.user(self.upstream), "pushed three")
        self.assertGreater(self.state()["running"], before)
        before = self.state()["running"]
        self.write("tenants/acme/tenant.lua", "return { policies = { 'shared' } } -- changed")
        wait_for(lambda: self.user(self.upstream) == "three", 10, "the folder's generation")

    def push(self, files):
        request = urllib.request.Request("http://%s/admin/tenants/acme/scripts" % self.gateway.admin.text,
                                         json.dumps({"files": files}).encode(), {"authorization": "Bearer " + ADMIN_KEY})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def test_lua_folder(self):
        before, path = self.gateway.reloads("ok"), "lua/adapters/openai.lua"
        with open(os.path.join(self.folder, path)) as file:
            text = file.read()
        self.write(path, text + "-- changed\n")
        wait_for(lambda: self.gateway.reloads("ok") > before, 10, "a reload for the changed adapter")
        refused = self.gateway.reloads("refused")
        self.write(path, "return {")
        wait_for(lambda: self.gateway.reloads("refused") > refused, 10, "the refusal of a broken adapter")
        self.assertEqual(self.chat("m", True).status, 200)
        before = self.gateway.reloads("ok")
        self.write(path, text)
        wait_for(lambda: self.gateway.reloads("ok") > before, 10, "the repaired adapter")

    def test_adapters_and_dialects_of_the_site(self):
        """They serve tenants without scripts, too, and change without a signal; broken ones change nothing."""
        adapter = 'local base = require "adapters.openai"\nlocal adapter = {}\n' \
                  'for name, value in pairs(base) do adapter[name] = value end\nadapter.name, adapter.native = "ours", {}\n' \
                  'function adapter.encode(request, context)\n local call = base.encode(request, context)\n' \
                  ' call.headers = { { "x-ours", "%s" } }\n return call\nend\nreturn adapter\n'
        os.makedirs(self.folder + "/site/adapters", exist_ok=True)
        os.makedirs(self.folder + "/site/dialects", exist_ok=True)
        self.write("site/adapters/ours.lua", adapter % "one")
        config = dict(self.gateway.config)
        config["providers"] = dict(config["providers"], ours={"adapter": "ours", "base_url": self.upstream.url + "/v1"})
        config["models"] = dict(config["models"], ours={"targets": ["ours/m"]})
        self.gateway.reload(config)

        def ours():
            self.upstream.forget()
            replies = [self.ask("/v1/chat/completions", chat_body("ours", True), key=key) for key in (KEY, "gy-other")]
            self.assertEqual([reply.status for reply in replies if reply.status != 404], [200] * len(self.upstream.requests("m")))
            return [request.headers.get("x-ours") for request in self.upstream.requests("m")]
        wait_for(lambda: ours() == ["one", "one"], 10, "the model in the tenant's generation, too")
        self.write("site/adapters/ours.lua", adapter % "two")
        wait_for(lambda: ours() == ["two", "two"], 10, "the changed adapter")
        refused = self.gateway.reloads("refused")
        self.write("site/adapters/ours.lua", "return {")
        wait_for(lambda: self.gateway.reloads("refused") > refused, 10, "the refusal of a broken adapter")
        self.assertEqual(ours(), ["two", "two"])
        self.write("site/adapters/ours.lua", adapter % "three")
        wait_for(lambda: ours() == ["three", "three"], 10, "the repaired adapter")
        with open(self.folder + "/lua/dialects/chat.lua") as file:
            dialect = file.read()
        self.write("site/dialects/chat.lua", dialect.replace("return dialect", '''
          local decode = dialect.decode
          function dialect.decode(...)
            local request, failure = decode(...)
            if request then table.insert(request.turns, { role = "user", parts = { { type = "text", text = "appended" } } }) end
            return request, failure
          end
          return dialect'''))

        def appended():
            ours()
            return [request.json["messages"][-1]["content"] for request in self.upstream.requests("m")]
        wait_for(lambda: appended() == ["appended", "appended"], 10, "the changed dialect")
        os.remove(self.folder + "/site/dialects/chat.lua")
        wait_for(lambda: "appended" not in appended(), 10, "the dialect that ships")
        self.gateway.reload(dict(self.gateway.config))

    def test_providers_of_a_tenant(self):
        running = self.state()["running"]
        self.write("tenants/acme/tenant.lua", """return { policies = { 'shared' },
          providers = { o = { adapter = 'openai', base_url = '%s/v1' } } }""" % self.private.url)
        wait_for(lambda: self.state()["running"] > running, 10, "the tenant's provider")
        self.assertIsNotNone(self.user(self.private))
        record = self.private.requests("m")[0]
        self.assertNotIn("authorization", record.headers)  # the platform's key stays at home
        self.assertIsNone(self.user(self.upstream, "gy-other"))
        counted = 'gateyes_upstream_attempts_total{provider="acme/o",outcome="ok"}'
        wait_for(lambda: self.gateway.metric(counted) == 1, 5, "an attempt under the tenant's own name")
        running = self.state()["running"]
        self.write("tenants/acme/tenant.lua", "return { policies = { 'shared' } }")
        wait_for(lambda: self.state()["running"] > running, 10, "the operator's provider")


if __name__ == "__main__":
    unittest.main()
