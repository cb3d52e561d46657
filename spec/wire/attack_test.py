"""A tenant whose policy never ends: its own requests are refused, everybody else's are served."""
import json
import os
import shutil
import tempfile
import threading
import time
import unittest
import urllib.request

from harness import ADMIN_KEY, SLACK, GatewayCase, chat_body, wait_for

SPINS = """local policy = { name = "spins" }
function policy.on_request(request)
  if request.last_user_text:find("spin", 1, true) then
    while true do pcall(function() while true do end end) end
  end
end
return policy
"""
BOMB = """local policy = { name = "bomb" }
function policy.on_request(request)
  if request.last_user_text:find("bomb", 1, true) then
    local text = "x"
    while true do text = text .. text end
  end
end
return policy
"""


class Attack(GatewayCase):
    @classmethod
    def configuration(cls):
        cls.folder = tempfile.mkdtemp(prefix="gateyes-attack-")
        for tenant, name, text in (("evil", "spins", SPINS), ("greedy", "bomb", BOMB), ("again", "spins", SPINS)):
            os.makedirs(os.path.join(cls.folder, tenant, "policies"))
            for path, content in (("tenant.lua", 'return { policies = { "%s" } }' % name), ("policies/%s.lua" % name, text)):
                with open(os.path.join(cls.folder, tenant, path), "w") as file:
                    file.write(content)
        return {"tenants": cls.folder, "workers": 1, "providers": cls.mock_providers(), "models": {"m": {"targets": ["o/m"]}},
                "keys": [{"name": name, "key": "gy-wire-" + name, "tenant": name} for name in ("evil", "greedy", "again", "good")]}

    @classmethod
    def end(cls):
        super().end()
        shutil.rmtree(cls.folder)

    def ask_as(self, tenant, text):
        body = chat_body("m", messages=[{"role": "user", "content": text}])
        return self.ask("/v1/chat/completions", body, key="gy-wire-" + tenant)

    def good_times(self, seconds):
        times, end = [], time.monotonic() + seconds
        with self.gateway.client() as client:
            while time.monotonic() < end:
                at = time.monotonic()
                reply = client.ask("/v1/chat/completions", chat_body("m"), key="gy-wire-good")
                self.assertEqual(reply.status, 200)
                times.append(time.monotonic() - at)
        return sorted(times)

    def attack(self, tenant, word, times):
        self.good_times(0.2)
        quiet = self.good_times(1)
        replies = []

        def run():
            for _ in range(times):
                replies.append(self.ask_as(tenant, word))
        attacker = threading.Thread(target=run)
        attacker.start()
        under_attack = self.good_times(1.5)
        attacker.join()
        for reply in replies:
            self.assertEqual((reply.status, reply.error()["code"], reply.error()["type"]), (500, "policy_error", "server_error"), reply.body)
        return quiet, under_attack

    def p99(self, times):
        return times[int(len(times) * 0.99)] * 1000

    def check(self, tenant, word):
        quiet, under_attack = self.attack(tenant, word, 15)
        print("%s: p99 of the others %.2f ms quiet, %.2f ms under attack (worst %.1f ms) in %d requests" % (
            tenant, self.p99(quiet), self.p99(under_attack), under_attack[-1] * 1000, len(under_attack)))
        # A request waits behind at most one stopped hook; most meet none, since a repeat offender is switched off.
        self.assertLess(under_attack[len(under_attack) // 2] * 1000, quiet[len(quiet) // 2] * 1000 + 5 * SLACK)
        state = json.loads(self.gateway.get_admin("/admin/tenants/%s/scripts" % tenant)[1])
        self.assertIn("running", state)
        return self.late(quiet, under_attack)

    def late(self, quiet, under_attack):
        """How many more requests than in quiet times took 5 ms longer than those of quiet times mostly do."""
        bound = self.p99(quiet) / 1000 + 0.005 * SLACK
        return sum(t > bound for t in under_attack) - sum(t > bound for t in quiet) * len(under_attack) / len(quiet)

    def few_are_late(self, tenant, word):
        """Ten stopped hooks switch an offender off for good, so that no more than ten requests in a minute wait for one:
        with 17 requests in a second that is not one in a hundred. Load of the machine makes others late: one quiet round of
        five is enough, and there is none where each request has to wait."""
        rounds = []
        for _ in range(5):
            rounds.append(self.check(tenant, word))
            if rounds[-1] <= 11:
                return
            self.scripts(tenant, "/rollback", {"generation": 1})
        self.fail("requests that were late, in each round: %s" % rounds)

    def test_a_loop(self):
        self.few_are_late("evil", "spin")

    def test_a_bomb(self):
        self.few_are_late("greedy", "bomb")

    def scripts(self, tenant, path="", body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request("http://%s/admin/tenants/%s/scripts%s" % (self.gateway.admin.text, tenant, path),
                                         data, {"authorization": "Bearer " + ADMIN_KEY})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def test_who_is_switched_off_is_named_and_can_start_afresh(self):
        gauge = 'gateyes_script_disabled_workers{tenant="again"}'
        self.assertEqual(self.ask_as("again", "hello").status, 200)
        for _ in range(10):
            self.assertEqual(self.ask_as("again", "spin").status, 500)
        self.assertEqual(self.ask_as("again", "hello").error()["code"], "policy_error")
        state = self.scripts("again")
        self.assertEqual(state["disabled"], {"workers": 1, "reason": "its scripts were stopped 10 times within 60 s, last for "
                                                                     "processor time"})
        self.assertEqual(state["state"], "running generation 1, disabled in 1 of 1 workers since " + state["disabled"]["reason"])
        self.assertEqual(self.gateway.metric(gauge), 1)
        self.assertIn("gateyes scripts rollback again --to 1", self.gateway.process_log())
        state = self.scripts("again", "/rollback", {"generation": 1})
        self.assertEqual((state["disabled"], state["state"]), (None, "running generation 1"))
        self.assertEqual(self.gateway.metric(gauge), 0)
        self.assertEqual(self.ask_as("again", "hello").status, 200)

    def test_the_attacker_is_served_again_where_it_behaves(self):
        reply = self.ask_as("greedy", "hello")
        self.assertIn(reply.status, (200, 500))
        wait_for(lambda: self.ask_as("good", "hello").status == 200, 5)


if __name__ == "__main__":
    unittest.main()
