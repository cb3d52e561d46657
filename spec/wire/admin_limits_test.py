"""Limits made at run time: a scope that nobody bears is refused, names and ids are both understood, and people read
money in their currency."""
import json
import os
import subprocess
import tempfile
import time
import unittest

from admin_api_test import ApiCase
from harness import ADMIN_KEY, BINARY, KEY, chat_body, lua, wait_for


class LimitsCase(ApiCase):
    @classmethod
    def configuration(cls):
        return dict(super().configuration(), currency="EUR", models={
            name: {"targets": ["o/m@in=10;out=20"], "max_output_tokens": 20, "price": {"input": 3, "output": 15}}
            for name in ("m", "gpt-4", "gpt-5")} | {"short": {"alias": "m"}})

    def setUp(self):
        self.made = []

    def tearDown(self):
        for limit in self.made:
            self.good("DELETE", "/admin/v1/limits/" + limit)

    def body(self, name, scope, **fields):
        whole = {"tenant": self.tenant(), "name": name, "scope": scope, "requests": 1, "window": "1h"} | fields
        return {member: value for member, value in whole.items() if value is not None}

    def limit(self, name, scope, **fields):
        made = self.good("POST", "/admin/v1/limits", self.body(name, scope, **fields))
        self.made.append(made["id"])
        return made

    def ask_model(self, key, model="m"):
        return self.ask("/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "x"}]},
                        key=key["secret"], wait=30).status


class Scopes(LimitsCase):
    def people(self, name):
        top = self.good("POST", "/admin/v1/projects", {"tenant": self.tenant(), "name": name})
        below = self.good("POST", "/admin/v1/projects", {"tenant": self.tenant(), "name": "in", "parent": top["id"]})
        user = self.good("POST", "/admin/v1/users", {"tenant": self.tenant(), "name": "user of " + name, "roles": ["developer"]})
        return top, below, user, self.make_key("key-of-" + name, project=below["id"], user=user["id"])

    def check(self, what, scope, written, key):
        asked = "abcdefgh".index(what)  # by those before, which count although their limits are gone
        made = self.limit(what, scope, requests=asked + 1)
        self.assertEqual(made["scope"], written)
        self.assertEqual([self.ask_model(key) for _ in range(2)], [200, 429], what)
        self.good("DELETE", "/admin/v1/limits/" + self.made.pop())

    def test_names_and_ids_both_hold(self):
        top, below, user, key = self.people("both")
        self.check("a", {"project": "both/in"}, {"project": "both/in"}, key)
        self.check("b", {"project": below["id"]}, {"project": "both/in"}, key)
        self.check("c", {"project": top["id"]}, {"project": "both"}, key)
        self.check("d", {"user": user["id"]}, {"user": "user of both"}, key)
        self.check("e", {"user": "user of both"}, {"user": "user of both"}, key)
        self.check("f", {"key": "key-of-both"}, {"key": key["id"]}, key)
        self.check("g", {"key": key["id"]}, {"key": key["id"]}, key)
        self.check("h", {"model": "short", "key": "*"}, {"key": "*", "model": "m"}, key)

    def test_what_nobody_bears_is_refused(self):
        self.people("none")

        def refused(field, scope, **fields):
            return self.fails(400, "scope." + field, "POST", "/admin/v1/limits", self.body("x", scope, **fields))
        self.assertIn("did you mean none/in?", refused("project", {"project": "none/inn"}))
        self.assertIn("did you mean user of none?", refused("user", {"user": "user off none"}))
        self.assertIn("did you mean key-of-none?", refused("key", {"key": "key-of-nine"}))
        self.assertIn("did you mean gpt-4?", refused("model", {"model": "gpt-44"}))
        refused("provider", {"provider": "nobody"})
        refused("tenant", {"tenant": "other"})
        refused("tenant", {"tenant": "other"}, tenant=None)
        self.make_key("twins")
        self.make_key("twins")
        self.assertIn("name one by its id", refused("key", {"key": "twins"}))
        other = self.good("POST", "/admin/v1/tenants", {"id": "stranger"})
        theirs = self.good("POST", "/admin/v1/keys", {"tenant": other["id"], "name": "theirs", "roles": ["developer"]})
        refused("key", {"key": theirs["id"]})  # another tenant's key is not there

    def test_patterns_share_a_counter_or_have_one_each(self):
        key = self.make_key("globber")
        self.limit("together", {"key": "globber", "model": "gpt-*"}, requests=2)
        self.assertEqual([self.ask_model(key, m) for m in ("gpt-4", "gpt-5", "gpt-4", "m")], [200, 200, 429, 200])
        self.good("DELETE", "/admin/v1/limits/" + self.made.pop())
        key = self.make_key("parter")
        self.limit("apart", {"key": "parter", "model": "gpt-*"}, each=["model"])
        self.assertEqual([self.ask_model(key, m) for m in ("gpt-4", "gpt-5", "gpt-4", "gpt-5", "m")],
                         [200, 200, 429, 429, 200])
        uses = {u["scope"]: u["used"] for u in self.good("GET", "/admin/v1/limits/use?id=apart")["data"]}
        self.assertEqual(sorted(scope.split("model=")[1].split()[0] for scope in uses), ["gpt-4", "gpt-5"])

    def test_use_is_there_before_the_first_request_and_its_reset_stays(self):
        key = self.make_key("steady")
        self.limit("month", {"key": "steady"}, money=5, window="month", requests=None)
        self.limit("hour", {"key": "steady"}, requests=5)
        use = self.good("GET", "/admin/v1/limits/use?id=month")["data"]
        self.assertEqual([(u["amount_nanousd"], u["used_nanousd"], u["currency"]) for u in use], [(5 * 10**9, 0, "EUR")])
        self.assertEqual(self.ask_model(key), 200)
        for name in ("month", "hour"):
            seen = set()
            for _ in range(20):
                seen.add(self.good("GET", "/admin/v1/limits/use?id=" + name)["data"][0]["resets_at"])
                time.sleep(0.003)
            self.assertEqual(len(seen), 1, seen)

    def test_no_project_lies_too_deep_for_the_limits_above_it(self):
        self.good("POST", "/admin/v1/tenants", {"id": "deep"})
        path = ""
        for i in range(8):
            self.good("POST", "/admin/v1/projects", dict({"tenant": "deep", "name": "p%d" % i}, **({"parent": path} if path else {})))
            path = (path + "/" if path else "") + "p%d" % i
        self.fails(400, "parent", "POST", "/admin/v1/projects", {"tenant": "deep", "name": "p8", "parent": path})
        key = self.good("POST", "/admin/v1/keys", {"tenant": "deep", "name": "k", "project": path, "roles": ["developer"]})["secret"]
        self.assertEqual(self.chat_with(key), 200)
        self.good("POST", "/admin/v1/limits", {"tenant": "deep", "name": "top", "scope": {"project": "p0"}, "requests": 0, "window": "1h"})
        self.assertEqual(self.chat_with(key), 403)

    def test_numbers_in_quotes_are_reserved_as_engines_read_them(self):
        key = self.make_key("quoted")
        self.limit("out", {"key": "quoted"}, output_tokens=50, requests=None)
        for body, status in (({"n": 3}, 400), ({"n": "3"}, 400), ({"n": " \u0033 "}, 400), ({"max_tokens": "60", "n": "2", "best_of": "4"}, 400), ({"n": 2}, 200)):
            reply = self.ask("/v1/chat/completions", chat_body("m", max_tokens=body.pop("max_tokens", 20), **body), key=key["secret"])
            self.assertEqual(reply.status, status, body)
            if status == 400:
                self.assertEqual(reply.json()["error"]["code"], "request_exceeds_limit")

    def test_what_a_limit_says_wrong_is_named(self):
        for field, body in (("money", {"money": 1e19, "window": "day"}), ("window", {"requests": 1, "window": "fortnight"}), ("window", {"requests": 1, "window": "2y"}),
                            ("timezone", {"requests": 1, "window": "day", "timezone": "Mars/Olympus"}), ("start_day", {"requests": 1, "window": "day", "start_day": 3}),
                            ("burst", {"requests": 1, "window": "day", "burst": 3}), ("requests", {"requests": -1, "window": "day"}), ("warn", {"requests": 1, "window": "day", "warn": [90, 50]})):
            status, answer = self.api("POST", "/admin/v1/limits", dict(body, name="wrong"))
            self.assertEqual((status, answer["error"]["field"].split("[")[0]), (400, field), answer)
            self.assertNotIn("limit: limit", answer["error"]["message"])

    def test_long_names_that_begin_alike_are_two(self):
        limit = self.good("POST", "/admin/v1/limits", {"name": "long", "scope": {"tenant": "default", "customer": "*"}, "requests": 1, "window": "1h"})
        asked = [self.ask("/v1/chat/completions", chat_body("m", user="L" * 200 + letter), key=KEY).status for letter in "abab"]
        self.good("DELETE", "/admin/v1/limits/" + limit["id"])
        self.assertEqual(asked, [200, 200, 429, 429])

    def test_a_burst_is_named(self):
        limit = self.good("POST", "/admin/v1/limits", {"name": "gulp", "scope": {"tenant": "default"}, "total_tokens": 1000, "window": "1m", "burst": 15})
        reply = self.ask("/v1/chat/completions", chat_body("m"), key=KEY)
        self.good("DELETE", "/admin/v1/limits/" + limit["id"])
        self.assertEqual((reply.status, reply.json()["error"]["code"]), (400, "request_exceeds_limit"))
        self.assertIn("1000 tokens per 1m and 15 at once", reply.json()["error"]["message"])

    def test_a_name_is_given_once(self):
        self.limit("once", {})
        self.fails(409, None, "POST", "/admin/v1/limits", self.body("once", {}, requests=9))
        self.good("POST", "/admin/v1/tenants", {"id": "third"})
        self.limit("once", {}, tenant="third")

    def test_a_user_that_a_limit_names_keeps_the_name(self):
        user = self.good("POST", "/admin/v1/users", {"tenant": self.tenant(), "name": "named", "roles": ["developer"]})
        self.limit("by-name", {"user": user["id"]})
        self.assertIn("by-name", self.fails(409, "name", "PATCH", "/admin/v1/users/" + user["id"], {"name": "renamed"}))
        self.good("PATCH", "/admin/v1/users/" + user["id"], {"email": "a@b.c"})
        self.good("DELETE", "/admin/v1/limits/" + self.made.pop())
        self.good("PATCH", "/admin/v1/users/" + user["id"], {"name": "renamed"})

    def test_use_of_one_tenant(self):
        other = self.good("POST", "/admin/v1/tenants", {"id": "elsewhere"})
        theirs = self.good("POST", "/admin/v1/keys", {"tenant": other["id"], "name": "theirs", "roles": ["developer"]})
        self.limit("keys", {"key": theirs["id"]}, tenant=None)
        self.assertEqual(self.ask_model(theirs), 200)
        self.assertEqual(len(self.good("GET", "/admin/v1/limits/use?id=keys&tenant=elsewhere")["data"]), 1)
        self.assertEqual(self.good("GET", "/admin/v1/limits/use?id=keys&tenant=" + self.tenant())["data"], [])

    def command(self, *words):
        result = subprocess.run([BINARY, *words, "--config", self.gateway.path], capture_output=True, text=True, timeout=60,
                                env=dict(os.environ, GATEYES_ADMIN_KEY=ADMIN_KEY))
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_people_read_currency(self):
        key = self.make_key("reader")
        self.limit("spend", {"key": "reader"}, money=12.5, window="month", requests=None)
        self.assertEqual(self.ask_model(key), 200)
        table = self.command("limits", "use", "--tenant", self.tenant(), "--id", "spend")
        self.assertIn("12.50 EUR", table)
        self.assertIn("0.00033 EUR", table)
        self.assertNotIn("12500000000", table)
        self.assertEqual(json.loads(self.command("limits", "use", "--id", "spend", "--json"))["data"][0]["amount_nanousd"], 12500000000)
        wait = time.monotonic() + 20
        while "0.00033 EUR" not in self.command("usage", "--by", "user", "--key_id", key["id"]) and time.monotonic() < wait:
            time.sleep(0.2)
        usage = self.command("usage", "--by", "user", "--key_id", key["id"])
        self.assertIn("(none)", usage)
        self.assertIn("0.00033 EUR", usage)


MESSAGES = {"messages": [{"role": "user", "content": "x"}]}
ENDPOINTS = {  # each way to a model; {} is where its name goes
    "/v1/chat/completions": dict(MESSAGES, model="{}"), "/openai/v1/chat/completions": dict(MESSAGES, model="{}"),
    "/v1/messages": dict(MESSAGES, model="{}", max_tokens=20), "/v1/responses": {"model": "{}", "input": "x"},
    "/v1/completions": {"model": "{}", "prompt": "x"}, "/v1/embeddings": {"model": "{}", "input": "x"},
    "/openai/deployments/{}/chat/completions": dict(MESSAGES, model="m"), "/openai/deployments/{}/completions": {"prompt": "x"},
    "/openai/deployments/{}/embeddings": {"input": "x"}}


class Ways(LimitsCase):
    """No way to a model leads around a budget, a limit, or what a key may use."""

    def status(self, path, model, key, **fields):
        body = json.loads(json.dumps(ENDPOINTS[path] | fields).replace("{}", model))
        return self.ask(path.replace("{}", model), body, key=key["secret"]).status

    def test_every_endpoint_by_every_limit(self):
        closed, spender = self.make_key("narrow", models=["m"]), self.make_key("spender")
        self.assertEqual(self.ask_model(spender, "gpt-4"), 200)
        ways = [(path, fields) for path in ENDPOINTS for fields in ({}, {"stream": True}, {"background": True})
                if not fields or "embeddings" not in path and ("background" not in fields or "responses" in path)]
        for path, fields in ways:
            self.assertEqual(self.status(path, "gpt-4", closed, **fields), 403, (path, fields))
        for refused, limit in ((402, {"money": 0.000331}), (429, {"total_tokens": 30}), (429, {"requests": 1}), (403, {"requests": 0})):
            self.limit("gate", {"key": "spender", "model": "gpt-*"}, **({"requests": None} | limit), window="1h")
            for path, fields in ways:
                self.assertEqual(self.status(path, "gpt-4", spender, **fields), refused, (path, fields, limit))
            self.good("DELETE", "/admin/v1/limits/" + self.made.pop())

        def spent():
            rows = self.good("GET", "/admin/v1/usage?by=model&key_id=" + spender["id"])["data"]
            return [(row["model"], row["cost_nanousd"]) for row in rows if row["cost_nanousd"]]
        self.assertEqual(wait_for(spent, 10, "the one request that was paid"), [("gpt-4", 330000)])


class Beginnings(LimitsCase):
    @classmethod
    def check_books(cls):
        """The counts of the process that was killed are gone."""

    def test_a_limit_counts_its_window_from_the_beginning(self):
        """Whether what it counts was used before it was made, while another like it held, or before a restart."""
        key, cost = self.make_key("early"), 10 * 3000 + 20 * 15000
        kinds = {"month": ({"money": 5, "requests": None, "window": "month"}, cost), "long": ({"requests": 100, "window": "1h"}, 1),
                 "day": ({"requests": None, "output_tokens": 1000, "window": "day"}, 20)}

        def check(count):
            for name, (_, each) in kinds.items():
                use = self.good("GET", "/admin/v1/limits/use?id=" + name)["data"]
                self.assertEqual([u.get("used", u.get("used_nanousd")) for u in use], [count * each], name)
        self.assertEqual([self.ask_model(key) for _ in range(3)], [200] * 3)
        for name, (fields, _) in kinds.items():
            self.limit(name, {"key": "early"}, **fields)
        check(3)
        self.assertEqual(self.ask_model(key), 200)
        check(4)
        for _ in kinds:
            self.good("DELETE", "/admin/v1/limits/" + self.made.pop())
        self.assertEqual(self.ask_model(key), 200)
        for name, (fields, _) in kinds.items():
            self.limit(name, {"key": "early"}, **fields)
        check(5)
        self.limit("spent", {"key": "early"}, money=0.001, window="day", requests=None)
        self.assertEqual(self.ask_model(key), 402)
        wait_for(lambda: "limit spent for key=%s tenant=%s: 100 %% reached" % (key["id"], self.tenant()) in self.gateway.process_log(), 5, "the event")
        self.gateway.crash()
        check(5)
        self.assertEqual(self.ask_model(key), 402)


class Check(unittest.TestCase):
    def problems(self, **fields):
        config = {"store": "none", "providers": {"o": {"adapter": "openai", "base_url": "http://127.0.0.1:1/v1"}},
                  "models": {"m": {"targets": ["o/m"]}}, "keys": [
                      {"name": "ci", "key": KEY, "tenant": "acme", "project": "top/low", "user": "ann", "roles": ["developer"]}],
                  "quotas": [{"name": "q", "requests": 1, "window": "1h"} | fields]}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "gateyes.lua")
            with open(path, "w") as file:
                file.write("return " + lua(config) + "\n")
            return subprocess.run([BINARY, "check", "--config", path], capture_output=True, text=True, timeout=60).stderr

    def test_without_a_store_the_file_knows_everybody(self):
        for subject, name, wrong in (("key", "ci", "cj"), ("user", "ann", "anne"), ("project", "top", "topp"), ("tenant", "acme", "acne")):
            self.assertEqual(self.problems(scope={subject: name}), "")
            self.assertIn('quota q: scope.%s: there is no %s "%s", so it limits nobody (did you mean "%s"?)' % (subject, subject, wrong, name),
                          self.problems(scope={subject: wrong}))


if __name__ == "__main__":
    unittest.main()
