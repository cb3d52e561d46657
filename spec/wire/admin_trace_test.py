"""One request's whole way as the admin API tells it afterwards: steps, targets with reasons, policies, attempts, usage, cost."""
import os
import shutil
import subprocess
import tempfile
import unittest

from admin_calls import Api
from harness import ADMIN_KEY, BINARY, SLACK, GatewayCase, chat_body, wait_for

STEPS = ["auth", "body", "permit", "policy", "route", "admit", "encode", "send", "relay", "settle", "finish"]
POLICY = """local policy = { name = "near" }
function policy.on_request(request, context)
  if request.last_user_text:find("quick", 1, true) then return context:answer "at once" end
  if request.last_user_text:find("near", 1, true) then context:require { residency = "local" } end
end
function policy.route(request, candidates, context)
  local kept = {}
  for _, one in ipairs(candidates) do if one.provider ~= "second" then kept[#kept + 1] = one end end
  return kept
end
return policy
"""


class Traces(GatewayCase):
    @classmethod
    def configuration(cls):
        cls.folder = tempfile.mkdtemp(prefix="gateyes-traces-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        os.makedirs(cls.folder + "/ruled/policies")
        for path, text in (("ruled/tenant.lua", 'return { policies = { "near" } }'), ("ruled/policies/near.lua", POLICY)):
            with open(os.path.join(cls.folder, path), "w") as file:
                file.write(text)
        providers = cls.mock_providers()
        for name, residency in (("first", "cloud"), ("second", "cloud"), ("third", "local")):
            providers[name] = dict(providers["o"], residency=residency)
        price = {"input": 3, "output": 15}
        three = [name + "/gpt@in=10;out=20" for name in ("first", "second", "third")]
        return {"providers": providers, "workers": 1, "tenants": cls.folder, "models": {
            "one": {"targets": three[:1], "price": price}, "three": {"targets": three, "price": price},
            "broken": {"targets": ["first/gpt@status=503;message=overrun", three[1]], "price": price},
            "cooled": {"targets": ["first/cooled@status=429;retry_after=600", three[1]], "price": price},
            "turned": {"targets": three, "strategy": "round_robin", "price": price}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = Api(cls.gateway.admin.number, ADMIN_KEY)
        for tenant in ("free", "ruled"):
            cls.good("POST", "/admin/v1/tenants", {"id": tenant})
        cls.good("POST", "/admin/v1/roles", {"tenant": "free", "name": "third_only", "reach": "own", "allow": ["chat"], "providers": ["third"]})
        cls.keys = {"free": cls.make("free"), "ruled": cls.make("ruled"), "narrow": cls.make("free", roles=["third_only"]),
                    "one": cls.make("free", models=["one"])}

    @classmethod
    def good(cls, method, path, body=None):
        status, answer = cls.api(method, path, body)
        assert status in (200, 201), answer
        return answer

    @classmethod
    def make(cls, tenant, **fields):
        return cls.good("POST", "/admin/v1/keys", dict({"tenant": tenant, "name": "k", "roles": ["developer"]}, **fields))["secret"]

    def trace(self, model, key="free", text="Hi", status=200, **fields):
        reply = self.ask("/v1/chat/completions", chat_body(model, messages=[{"role": "user", "content": text}], **fields), key=self.keys[key], wait=10 * SLACK)
        self.assertEqual(reply.status, status, reply.body)
        path = "/admin/v1/requests/" + reply.headers["x-request-id"]
        wait_for(lambda: self.api("GET", path)[0] == 200, 5, "the row")
        return self.good("GET", path)

    def results(self, row):
        return [(c["target"].split("/")[0], c["result"], c["reason"]) for c in row["candidates"]]

    def ended(self, row):
        """The step at which it ended, and how; the steps are whole."""
        self.assertEqual([step["step"] for step in row["steps"]], STEPS)
        ends = [(step["step"], step["result"]) for step in row["steps"] if step["result"] in ("failed", "answered")]
        return ends[0] if ends else None

    def test_a_plain_request(self):
        for stream in (False, True):
            row = self.trace("one", stream=stream)
            self.assertEqual({step["result"] for step in row["steps"]}, {"passed"})
            self.assertEqual(self.ended(row), None)
            self.assertEqual(row["candidates"], [{"target": "first/gpt@in=10;out=20", "result": "answered", "reason": None}])
            self.assertEqual((row["trace"], row["strategy_trace"]), ([], []))
            self.assertEqual((len(row["attempts"]), row["input_tokens"], row["output_tokens"], row["cost_nanousd"]), (1, 10, 20, 330000))

    def test_targets_that_were_not_needed(self):
        unneeded = "it was not needed, or no retry was left"
        self.assertEqual(self.results(self.trace("three")),
                         [("first", "answered", None), ("second", "not_asked", unneeded), ("third", "not_asked", unneeded)])

    def test_a_failure_has_the_providers_words(self):
        row = self.trace("broken")
        self.assertEqual([r[:2] for r in self.results(row)], [("first", "failed"), ("second", "answered")])
        self.assertTrue(row["candidates"][0]["reason"])
        self.assertEqual(len(row["attempts"]), 2)

    def test_what_was_set_aside(self):
        self.assertEqual([r[:2] for r in self.results(self.trace("cooled"))], [("first", "failed"), ("second", "answered")])
        self.assertEqual(self.results(self.trace("cooled")), [
            ("first", "left_out", "it was set aside after failures, or said to come back later"), ("second", "answered", None)])

    def test_what_a_role_leaves_out(self):
        why = "no role of the key allows its provider"
        self.assertEqual(self.results(self.trace("three", "narrow")),
                         [("first", "left_out", why), ("second", "left_out", why), ("third", "answered", None)])
        row = self.trace("one", "narrow", status=403)
        self.assertEqual((self.ended(row), self.results(row)), (("route", "failed"), [("first", "left_out", why)]))

    def test_what_policies_do(self):
        row = self.trace("three", "ruled")
        self.assertEqual([r[:2] for r in self.results(row)], [("second", "left_out"), ("first", "answered"), ("third", "not_asked")])
        self.assertEqual(row["candidates"][0]["reason"], "a policy's route left it out")
        self.assertEqual({step["policy"] for step in row["trace"]}, {"near"})
        row = self.trace("three", "ruled", "near")
        self.assertEqual([r[:2] for r in self.results(row)], [("first", "left_out"), ("second", "left_out"), ("third", "answered")])
        self.assertEqual(row["candidates"][0]["reason"], "a policy's requirements exclude it")
        row = self.trace("three", "ruled", "quick")
        self.assertEqual((self.ended(row), row["candidates"], row["attempts"]), (("policy", "answered"), [], None))
        self.assertEqual([step["result"] for step in row["steps"]][-3:], ["not_reached", "passed", "passed"])

    def test_where_a_request_was_refused(self):
        self.assertEqual(self.ended(self.trace("three", "one", status=403)), ("permit", "failed"))
        self.assertEqual(self.ended(self.trace("nothing", status=404)), ("route", "failed"))
        limit = self.good("POST", "/admin/v1/limits", {"tenant": "free", "name": "none", "money": 0, "window": "day"})
        row = self.trace("one", status=403)
        self.good("DELETE", "/admin/v1/limits/" + limit["id"])
        self.assertEqual(self.ended(row), ("admit", "failed"))
        self.assertEqual(self.results(row), [("first", "not_asked", "the request ended before a target was asked")])

    def test_a_strategy(self):
        row = self.trace("turned")
        self.assertEqual(sorted(r[1] for r in self.results(row)), ["answered", "not_asked", "not_asked"])
        self.assertIsInstance(row["strategy_trace"], list)

    def test_people_read_it(self):
        row = self.trace("broken")
        shown = subprocess.run([BINARY, "requests", "show", row["request_id"], "--config", self.gateway.path], capture_output=True, text=True,
                               timeout=30, check=True, env=dict(os.environ, GATEYES_ADMIN_KEY=ADMIN_KEY)).stdout
        self.assertRegex(shown, r"(?m)^candidates\n  target first/gpt@\S+  result failed  reason .+\n  target second/gpt@\S+  result answered  reason -$")
        self.assertRegex(shown, r"(?m)^steps\n  step auth  result passed\n")


if __name__ == "__main__":
    unittest.main()
