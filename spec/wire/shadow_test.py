"""A generation that decides beside the one that serves: at every hook, without effect, and at a bounded cost."""
import json
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

from harness import ADMIN_KEY, BINARY, KEY, GatewayCase, Port, chat_body, messages_body, responses_body, wait_for
from streams import BODIES, PATHS
from upstream import Upstream, stream, whole

MAKE = {"chat": chat_body, "messages": messages_body, "responses": responses_body}
WHOLE = {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
         "choices": [{"index": 0, "message": {"role": "assistant", "content": "the secret word"}, "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}}
PLAIN = "local policy = { name = 'first' }\nfunction policy.on_finish() end\nreturn policy\n"
GUARD = """local policy = { name = 'first' }
function policy.on_delta(delta, context)
  %s
end
return policy
"""
HOLD = "if not delta.last then return '', delta.text end"  # one piece at the end of each window
HELD = "policy.stream = 'hold'"


def policy(hook, body, before=""):
    return "local policy = { name = 'first' }\n%s\nfunction policy.%s\n%s\nend\nreturn policy\n" % (before, hook, body)


class Shadow(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-shadow-")
        cls.upstream, cls.outside = Upstream(), Port()
        cls.upstream.plays = {"m": lambda record: [stream(BODIES["chat"]) if record.json.get("stream")
                                                   else whole(WHOLE)]}
        cls.upstream.plays["vectors"] = [whole({"object": "list", "model": "vectors", "usage": {"prompt_tokens": 1, "total_tokens": 1},
                                                "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]})]
        for dialect in ("messages", "responses"):
            cls.upstream.plays[dialect] = [stream(BODIES[dialect])]
        url = cls.upstream.url
        providers = {"a": {"adapter": "openai", "base_url": url + "/v1"}, "b": {"adapter": "openai", "base_url": url + "/v1"},
                     "c": {"adapter": "anthropic", "base_url": url}, "r": {"adapter": "openai_responses", "base_url": url + "/v1"}}
        return {"tenants": cls.root, "tenant_hosts": ["127.0.0.1", "127.0.0.0/8"], "providers": providers,
                "models": {"m": {"targets": ["a/m", "b/m"]}, "messages": {"targets": ["c/messages"]},
                           "responses": {"targets": ["r/responses"]}, "vectors": {"targets": ["a/vectors"]}},
                "keys": [{"name": "wire", "key": KEY, "tenant": "acme"}]}

    @classmethod
    def end(cls):
        super().end()
        cls.outside.close()
        shutil.rmtree(cls.root)

    def scripts(self, path="", body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request("http://%s/admin/tenants/acme/scripts%s" % (self.gateway.admin.text, path), data,
                                         {"authorization": "Bearer " + ADMIN_KEY})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def files(self, text, tenant="policies = { 'first' }"):
        return {"tenant.lua": "return { %s }" % tenant, "policies/first.lua": text}

    def begin(self, running, shadow, **tenant):
        self.scripts("", {"files": self.files(running)})
        self.scripts("", {"files": self.files(shadow, **tenant), "shadow": True})

    def differences(self, requests):
        return wait_for(lambda: (lambda found: found if found["requests"] == requests else None)(
            self.scripts("/differences")), 5, "%d compared requests" % requests)

    def only(self, hook, requests=1):
        """The one difference, which is in that hook."""
        found = self.differences(requests)
        self.assertEqual([d["hook"] for d in found["differences"]], [hook], found)
        return found["differences"][0]

    def ask_whole(self):
        reply = self.chat("m")
        self.assertEqual((reply.status, json.loads(reply.body)["choices"]), (200, WHOLE["choices"]))
        return reply

    def ask_stream(self, dialect):
        reply = self.ask(PATHS[dialect], MAKE[dialect]("m" if dialect == "chat" else dialect, True))
        self.assertEqual(reply.status, 200)
        return reply

    def test_route(self):
        backwards = policy("route(request, candidates)", "return { candidates[2], candidates[1] }")
        self.begin(PLAIN, backwards)
        self.assertEqual(self.ask_whole().headers["x-gateyes-provider"], "a")
        found = self.only("route")
        self.assertEqual((found["running"], found["shadow"]), ("a/m, b/m", "b/m, a/m"))
        self.assertTrue(found["request_id"].startswith("req_"))
        self.begin(backwards, PLAIN)
        self.assertEqual(self.ask_whole().headers["x-gateyes-provider"], "b")
        found = self.only("route")
        self.assertEqual((found["running"], found["shadow"]), ("b/m, a/m", "a/m, b/m"))
        self.begin(PLAIN, policy("route(request, candidates, context)", "return {}"))
        self.ask_whole()
        self.assertEqual(self.only("route")["shadow"], "no target is left")
        self.begin(backwards, backwards)
        self.ask_whole()
        self.assertEqual(self.differences(1)["different"], 0)

    def test_targets(self):
        """Models of the tenant are part of its generation."""
        self.begin(PLAIN, PLAIN, tenant="policies = { 'first' }, models = { m = { targets = { 'b/m' } } }")
        self.assertEqual(self.ask_whole().headers["x-gateyes-provider"], "a")
        found = self.only("targets")
        self.assertEqual((found["running"], found["shadow"]), ("a/m, b/m, strategy priority", "b/m, strategy priority"))

    def test_whole_replies(self):
        masks = policy("on_reply(reply, context)", "reply:set_text(1, 'masked')", HELD)
        self.begin(PLAIN, masks)
        self.ask_whole()
        found = self.only("on_reply")
        self.assertTrue(found["running"].startswith("reply of 15 bytes "))
        self.assertTrue(found["shadow"].startswith("reply of 6 bytes "))
        self.begin(PLAIN, policy("on_reply(reply, context)", "return context:deny { code = 'no', message = 'not this' }", HELD))
        self.ask_whole()
        found = self.only("on_reply")
        self.assertEqual((found["shadow"], found["why"]), ("deny 403 no", "first deny: not this"))
        self.begin(masks, PLAIN)
        self.assertEqual(json.loads(self.chat("m").body)["choices"][0]["message"]["content"], "masked")
        self.assertTrue(self.only("on_reply")["running"].startswith("reply of 6 bytes "))
        self.begin(masks, "return nil", tenant="policies = {}")  # a shadow without policies lets all of it pass
        self.chat("m")
        self.assertTrue(self.only("on_reply")["shadow"].startswith("reply of 15 bytes "))

    def test_what_has_no_words(self):
        """Embeddings and counts of tokens have no reply for on_reply, in the shadow as in what runs."""
        self.begin(PLAIN, policy("on_reply(reply, context)", "return context:deny { code = 'no' }", HELD))
        reply = self.ask("/v1/embeddings", {"model": "vectors", "input": "words"})
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(self.differences(1)["different"], 0)

    def test_streams(self):
        """The client's bytes are those without a shadow; what would differ is listed."""
        for dialect in PATHS:
            self.begin(PLAIN, PLAIN)
            plain = self.ask_stream(dialect).body
            for body, wanted in (("return context:deny { code = 'no' }", "deny 403 no"),
                                 (HOLD + " return 'twelve bytes'", "reply of 12 bytes "), ("return ''", "reply of 0 bytes ")):
                self.begin(PLAIN, GUARD % body)
                reply = self.ask_stream(dialect)
                self.assertEqual(reply.body, plain)
                found = self.only("on_delta")
                self.assertTrue(found["shadow"].startswith(wanted), (dialect, found))
                self.assertTrue(found["running"].startswith("reply of 80 bytes "), found)
            held = policy("on_reply(reply, context)", "", HELD)
            for running, shadow in ((GUARD % HOLD, GUARD % ""), (GUARD % "", GUARD % HOLD), (PLAIN, held), (GUARD % "", PLAIN),
                                    (held, GUARD % HOLD)):
                self.begin(running, shadow)
                self.ask_stream(dialect)
                self.assertEqual(self.differences(1)["different"], 0, (dialect, running, shadow))
            self.begin(GUARD % "return context:deny { code = 'stop' }", PLAIN)
            self.ask(PATHS[dialect], MAKE[dialect]("m" if dialect == "chat" else dialect, True))
            self.assertEqual(self.only("on_delta")["running"], "deny 403 stop")

    def test_faults_of_a_shadow(self):
        """A shadow that spins, swells or raises is a difference, and no more."""
        spin = "while true do end"
        for hook, wanted in (("on_request(request)", "on_request"), ("route(request, candidates)", "route"),
                             ("on_delta(delta)", "on_delta"), ("on_reply(reply)", "on_delta"), ("on_finish(outcome)", None)):
            for body in (spin, "local t = {} for i = 1, 1e9 do t[i] = {} end", "error 'mine'",
                         "return pcall(function() %s end)" % spin, "local function f() return 1 + f() end f()"):
                self.begin(PLAIN, policy(hook, body, HELD if hook == "on_reply(reply)" else ""))
                reply = self.ask_stream("chat")
                self.assertEqual(reply.body.count(b"data: "), BODIES["chat"].count(b"data: ") - 1)  # without usage
                found = self.differences(1)["differences"]
                hooks = [d["hook"] for d in found if d["hook"] != "time"]
                self.assertEqual(hooks, [wanted] if wanted else [], (hook, body))
                for difference in found:
                    if difference["hook"] != "time":
                        self.assertIn("policy_error", difference["shadow"])
        self.assertNotIn("policy first of tenant acme failed", self.gateway.process_log())

    def test_long_streams(self):
        """Each event within its budget, and all of them far above it: the shadow stops to look."""
        slow = GUARD % "local n = 0 for i = 1, 60000 do n = n + #tostring(i) end"
        self.begin(PLAIN, slow)
        for _ in range(3):
            self.ask_stream("chat")
        hooks = {d["hook"] for d in self.differences(3)["differences"]}
        self.assertLessEqual(hooks, {"time", "on_delta"})
        self.assertTrue(hooks)

    def test_no_effect(self):
        """Nothing that a shadow does is seen: no store, no metric, no log, no fetch, no sleep."""
        counts = policy("on_request(request, context)", """
          local n = gateyes.store.add("n", 5)
          gateyes.store.put("kept", "yes")
          gateyes.store.expire("live", 0)
          gateyes.metric("shadowed")
          gateyes.log("said by a shadow")
          context:tag("n", tostring(n))
          context:tag("live", tostring(gateyes.store.get("live")))
          context:tag("tokens", tostring(gateyes.tokens.count(request) > 0))""", "local gateyes = require 'gateyes'")
        asks = policy("on_request(request, context)", """
          gateyes.store.put("live", "here")
          gateyes.store.add("n", 1)
          context:tag("seen", tostring(gateyes.store.get("kept")))""", "local gateyes = require 'gateyes'")
        self.begin(asks, counts)
        for number in (1, 2, 3):
            self.ask_whole()
            found = self.differences(number)["differences"][0]
            self.assertEqual(found["running"], "pass, tag seen=nil")
            self.assertEqual(found["shadow"], "pass, tag n=%d, tag live=here, tag tokens=true" % (number + 5))
        self.assertNotIn("said by a shadow", self.gateway.process_log())
        self.assertNotIn("shadowed", self.gateway.get_admin("/metrics")[1])
        before = self.upstream.connections
        for body in ("gateyes.fetch { url = '%s/x' }" % self.upstream.url, "gateyes.sleep(5)"):
            self.begin(PLAIN, policy("on_request(request, context)", body, "local gateyes = require 'gateyes'"))
            self.ask_whole()
            found = self.only("on_request")
            self.assertEqual(found["shadow"], "deny 500 policy_error")
            self.assertIn("first error: ", found["why"])
        self.assertLessEqual(self.upstream.connections, before + 1)  # no fetch went out

    def test_command(self):
        self.begin(PLAIN, policy("on_request(request, context)", "return context:deny { code = 'no', message = 'why not' }"))
        reply = self.ask_whole()
        self.differences(1)
        done = subprocess.run([BINARY, "scripts", "shadow", "acme", "--config", self.gateway.path], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout),
                         (0, "%s on_request: running pass, shadow deny 403 no (first deny: why not)\n"
                             "1 differences listed; 1 of 1 requests would differ\n" % reply.headers["x-request-id"]))


if __name__ == "__main__":
    unittest.main()
