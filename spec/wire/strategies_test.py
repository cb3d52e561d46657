"""Routing policies as the strategy of a model, and prices of single targets."""
import collections
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import BINARY, GatewayCase, chat_body, lua, wait_for
from streams import BODIES, PATHS
from upstream import Upstream, stream

NAMES = ("a", "b", "c", "dear", "cheap")


class Strategies(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {name: [stream(BODIES["chat"])] for name in NAMES}
        cls.root = tempfile.mkdtemp(prefix="gateyes-strategies-")
        three = ["o/a", "o/b", "o/c"]
        weighted = [{"target": "o/a", "weight": 5}, "o/b", "o/c"]
        price = {"input": 1, "output": 2}
        priced = [{"target": "o/dear", "price": {"input": 100, "output": 200}}, {"target": "o/cheap"}]
        hard = {"name": "complexity", "simple": ["o/cheap"], "hard": ["o/dear"]}
        return {"tenants": cls.root, "workers": 2,
                "providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}},
                "models": {
                    "turns": {"targets": weighted, "strategy": "round_robin"},
                    "sticky": {"targets": three, "strategy": {"name": "sticky", "by": "header", "header": "x-team"}},
                    "cost": {"targets": priced, "price": price, "strategy": "cost"},
                    "dear": {"targets": [priced[0]], "price": price},
                    "task": {"targets": ["o/dear", "o/cheap"], "strategy": hard},
                    "first": {"targets": three, "strategy": {"name": "priority", "order": ["o/c"]}}}}

    @classmethod
    def end(cls):
        super().end()
        shutil.rmtree(cls.root)

    def setUp(self):
        self.upstream.forget()

    def asked(self):
        return [r.json["model"] for r in self.upstream.records]

    def send(self, client, model, headers=None, text="hi"):
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}
        reply = client.ask(PATHS["chat"], body, headers=list((headers or {}).items()))
        self.assertEqual(200, reply.status, reply.body)
        return reply

    def test_takes_turns(self):
        with self.gateway.client() as client:  # one connection: one worker, which counts for itself
            for _ in range(14):
                self.send(client, "turns")
        self.assertEqual("aabacaaaabacaa", "".join(self.asked()))

    def test_sticks(self):
        homes = {}
        for turn in range(3):
            if turn == 2:
                self.gateway.reload()
            for team in range(8):
                self.upstream.forget()
                with self.gateway.client() as client:
                    self.send(client, "sticky", {"x-team": "team%d" % team})
                self.assertEqual(homes.setdefault(team, self.asked()), self.asked())
        self.assertGreater(len({home[0] for home in homes.values()}), 1)

    def test_is_priced_by_target(self):
        with self.gateway.client() as client:
            cheap = self.gateway.row(self.send(client, "cost").id)
            dear = self.gateway.row(self.send(client, "dear").id)
        self.assertEqual(["cheap", "dear"], self.asked())
        self.assertGreater(cheap["cost_nanousd"], 0)
        self.assertEqual(100 * cheap["cost_nanousd"], dear["cost_nanousd"])

    def test_says_why(self):
        with self.gateway.client() as client:
            easy = self.send(client, "task", {"x-gateyes-trace": "1"}, "thanks")
            hard = self.send(client, "task", {"x-gateyes-trace": "1"}, "Prove step by step that this is optimal")
        self.assertEqual(["cheap", "dear"], self.asked())
        self.assertIn("simple", easy.headers["x-gateyes-trace"])
        self.assertIn("words of reasoning", hard.headers["x-gateyes-trace"])

    def test_goes_on_after_a_failure(self):
        plays = self.upstream.plays
        self.upstream.plays = dict(plays, c=[b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"])
        with self.gateway.client() as client:
            self.send(client, "first")
        self.upstream.plays = plays
        self.assertEqual(["c", "a"], self.asked())

    def test_works_for_models_of_tenants(self):
        folder = os.path.join(self.root, "default")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "tenant.lua.new"), "w", encoding="utf-8") as file:
            file.write('return { models = { mine = { targets = { "o/a", "o/b" }, strategy = "round_robin" } } }')
        os.rename(file.name, os.path.join(folder, "tenant.lua"))
        with self.gateway.client() as client:
            body = chat_body("mine", True)
            wait_for(lambda: client.ask(PATHS["chat"], body).status == 200, 10, "the tenant's model")
            self.upstream.forget()
            for _ in range(4):
                client.ask(PATHS["chat"], body)
            self.send(client, "first")  # the operator's strategies hold for tenants with scripts, too
        self.assertEqual({"a": 2, "b": 2, "c": 1}, collections.Counter(self.asked()))

    def test_refuses_what_is_wrong(self):
        self.assertIn("policies.sticky.by", self.check({"name": "sticky", "by": "moon"}))
        self.assertIn("needs header", self.check({"name": "sticky", "by": "header"}))
        self.assertIn("no such setting; this policy has by, ", self.check({"name": "sticky", "zzzzzzzzzz": 1}))
        rules = [{"when": {"modle": "x"}, "targets": "o"}]
        self.assertIn("rules[1].when.modle", self.check({"name": "rules", "rules": rules}))
        self.assertIn("policies.nothing", self.check("nothing"))
        self.assertEqual("", self.check("latency"))

    def check(self, strategy):
        config = {"providers": {"o": {"adapter": "openai", "base_url": self.upstream.url}},
                  "models": {"m": {"targets": ["o/a"], "strategy": strategy}}}
        path = os.path.join(self.gateway.folder, "checked.lua")
        with open(path, "w", encoding="utf-8") as file:
            file.write("return " + lua(config))
        done = subprocess.run([BINARY, "check", "--config", path], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode == 0, done.stderr == "")
        served = subprocess.run([BINARY, "serve", "--config", path], capture_output=True, text=True, timeout=60) \
            if done.returncode else done
        self.assertEqual(done.returncode, served.returncode)
        return done.stderr

    def test_written_rules(self):
        """Whoever knows no Lua writes JSON; a change of it is a generation like any other. The last test by its name:
        each generation begins to take turns anew."""
        folder = os.path.join(self.root, "default")
        os.makedirs(folder, exist_ok=True)

        def put(name, text):
            with open(os.path.join(folder, name + ".new~"), "w", encoding="utf-8") as file:
                file.write(text)
            os.rename(file.name, os.path.join(folder, name))

        def state():
            return json.loads(self.gateway.get_admin("/admin/tenants/default/scripts")[1])

        def asked(text):
            self.upstream.forget()
            with self.gateway.client() as client:
                body = chat_body("ruled", True, messages=[{"role": "user", "content": text}])
                self.assertEqual(client.ask(PATHS["chat"], body).status, 200)
            return self.asked()
        put("rules.json", json.dumps([{"when": {"text": ["contract", "合同"]}, "targets": "o/b"}]))
        put("tenant.lua", 'return { models = { ruled = { targets = { "o/a", "o/b" } } }, '
                          'policies = { { name = "rules", rules = file "rules.json" } } }')
        wait_for(lambda: self.ask(PATHS["chat"], chat_body("ruled", True)).status == 200, 10, "the tenant's model")
        self.assertEqual((asked("请看合同"), asked("hello")), (["b"], ["a"]))
        put("rules.json", json.dumps([{"when": {"text": "hello"}, "targets": "o/b"}]))
        wait_for(lambda: asked("hello") == ["b"], 10, "the new rows")
        self.assertEqual(asked("请看合同"), ["a"])
        put("rules.json", '[{"when": {"txt": "hello"}, "targets": "o/a"}]')
        refused = wait_for(lambda: state()["refused"], 10, "the refusal")
        self.assertIn("policies.rules: rules[1].when.txt", refused["problems"][0])
        put("rules.json", "[{")
        wait_for(lambda: "is no JSON" in str(state()["refused"]), 10, "the next refusal")
        self.assertEqual(asked("hello"), ["b"])
        os.remove(os.path.join(folder, "rules.json"))
        wait_for(lambda: "there is no file rules.json in the tenant's folder" in str(state()["refused"]), 10, "that it is missed")
        put("tenant.lua", "return {}")
        wait_for(lambda: not state()["refused"], 10, "the end of the rules")


if __name__ == "__main__":
    unittest.main()
