"""The price table through the admin API: versions with dates, in force at once, and what an old bill was made of."""
import concurrent.futures
import json
import os
import subprocess
import tempfile
import time
import unittest

from admin_api_test import ApiCase
from harness import ADMIN_KEY, BINARY, KEY, chat_body, lua, wait_for

DAY = "2026-01-01"


class Prices(ApiCase):
    @classmethod
    def configuration(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.table = os.path.join(folder.name, "prices.json")
        with open(cls.table, "w") as file:
            json.dump({"format": 1, "versions": [{"version": "first", "from": DAY + "T00:00:00Z", "source": "hand", "sha256": "",
                                                  "prices": {"o/m": {"input": 3, "output": 15}}}]}, file)
        return {"providers": cls.mock_providers(), "workers": 2, "prices": cls.table, "markups": {"*": 10}, "models": {
            "m": {"targets": ["o/m@in=10;out=20"], "priced_as": "o/m"}, "own": {"targets": ["o/m@in=10;out=20"], "price": {"input": 1, "output": 1}}}}

    def chat(self, model="m"):
        reply = self.ask("/v1/chat/completions", chat_body(model), key=KEY)
        self.assertEqual(reply.status, 200)
        return reply.headers["x-request-id"], round(float(reply.headers["x-gateyes-cost"]) * 10**9)

    def explained(self, request):
        return wait_for(lambda: self.api("GET", "/admin/v1/requests/%s/price" % request)[0] == 200 and
                        self.good("GET", "/admin/v1/requests/%s/price" % request), 10, "the stored request")

    def test_a_version_is_in_force_at_once_and_the_old_bill_stays_explained(self):
        before, cost = self.chat()
        self.assertEqual(cost, (10 * 3000 + 20 * 15000) * 11 // 10)
        self.assertEqual(self.explained(before)["price_version"], "first")
        made = self.good("POST", "/admin/v1/prices", {"prices": {"o/m": {"input": 6, "output": 30}}, "source": "ticket 7"})
        begun = time.monotonic()
        after, dear = self.chat()
        self.assertLess(time.monotonic() - begun, 1)
        self.assertEqual(dear, 2 * cost)
        for request, version, paid in ((before, "first", cost), (after, made["version"], dear)):
            why = self.explained(request)
            self.assertEqual((why["price_version"], why["cost_nanousd"], why["again_nanousd"], why["is_same"]), (version, paid, paid, True))
            self.assertEqual(why["usage"]["input_tokens"], 10)
            self.assertEqual(why["markup"], 1.1)
        versions = self.good("GET", "/admin/v1/prices/versions")["data"]
        self.assertEqual([v["version"] for v in versions][:1] + [versions[-1]["version"]], [made["version"], "first"])
        self.assertEqual(self.good("GET", "/admin/v1/prices/versions/" + made["version"])["prices"], {"o/m": {"input": 6, "output": 30}})
        now = {p["model"]: p for p in self.good("GET", "/admin/v1/prices")["data"]}
        self.assertEqual((now["m"]["input"], now["m"]["source"], now["own"]["source"]), (6, "price table", "configuration"))
        row = self.good("GET", "/admin/v1/audit?action=prices.write")["data"][0]
        self.assertEqual((row["outcome"], row["after"]["version"], row["after"]["source"]), ("done", made["version"], "ticket 7"))

    def test_operators_are_answered_while_the_configuration_is_read_anew(self):
        """The answer to who wrote prices waits for it; nobody else does."""
        self.gateway.reload(text="local x = 0 for i = 1, 6000000 do x = x + i % 7 end\nreturn " + lua(self.gateway.config))
        waits = []
        for price in range(60, 65):
            worst, begun = 0, time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                writing = pool.submit(self.good, "POST", "/admin/v1/prices", {"prices": {"o/m": {"input": price, "output": price}}})
                while not writing.done():
                    asked = time.monotonic()
                    self.assertEqual(self.gateway.get_admin("/healthz")[0], 200)
                    worst = max(worst, time.monotonic() - asked)
            now = {p["model"]: p for p in self.good("GET", "/admin/v1/prices")["data"]}
            self.assertEqual((writing.result()["object"], now["m"]["input"]), ("price_version", price))
            waits.append((worst, time.monotonic() - begun))
        self.assertTrue(any(worst < total / 2 for worst, total in waits), waits)
        self.gateway.reload(self.gateway.config)

    def test_the_same_again_is_no_new_version(self):
        prices = [{"prices": {"o/m": {"input": amount, "output": 31}}} for amount in (7, 8)]

        def put(body, key):
            return self.good("POST", "/admin/v1/prices", body, idempotency_key=key)["version"]
        first = put(prices[0], "p-1")
        self.assertEqual(put(prices[0], "p-1"), first)
        second = put(prices[1], "p-2")
        third = put(prices[0], "p-3")
        self.assertEqual(len({first, second, third}), 3, "what was changed in between is changed back")
        self.assertEqual(put(prices[0], "p-3"), third)
        self.assertEqual(next(v["version"] for v in self.good("GET", "/admin/v1/prices/versions")["data"] if v["has_begun"]), third)

    def test_a_member_that_stands_twice_is_named(self):
        self.fails(400, "prices.o/m.input", "POST", "/admin/v1/prices", '{"prices":{"o/m":{"input":1,"output":1,"input":0}}}')

    def test_a_version_of_tomorrow_changes_nothing_today(self):
        _, before = self.chat("own")
        self.assertEqual(before, 33000)
        made = self.good("POST", "/admin/v1/prices", {"prices": {"o/m": {"input": 900, "output": 900}}, "from": "2100-01-01"})
        self.assertTrue(made["version"].startswith("2100-01-01."))
        self.assertEqual(made["has_begun"], False)
        self.assertLess(self.chat()[1], 30 * 900000)

    def test_what_is_refused_changes_nothing(self):
        with open(self.table) as file:
            whole = file.read()
        for field, body in (("prices", {}), ("prices", {"prices": {}}), ("prices", {"prices": {"o/m": {"input": -1, "output": 1}}}),
                            ("prices", {"prices": {"o/m": {"input": 1}}}), ("prices", {"prices": {"o/m": {"input": 1e300, "output": 1}}}),
                            ("from", {"prices": {"a/b": {"input": 1, "output": 1}}, "from": "soon"}), ("colour", {"colour": 1})):
            self.fails(400, field, "POST", "/admin/v1/prices", body)
        self.fails(404, None, "GET", "/admin/v1/prices/versions/none")
        self.fails(404, None, "GET", "/admin/v1/requests/none/price")
        key = self.good("POST", "/admin/v1/keys", {"tenant": self.tenant(), "name": "admin", "roles": ["tenant_admin"]})["secret"]
        status, _ = self.api("POST", "/admin/v1/prices", {"prices": {"o/m": {"input": 0, "output": 0}}}, key=key)
        self.assertEqual(status, 403)
        with open(self.table) as file:
            self.assertEqual(file.read(), whole)

    def command(self, *words):
        result = subprocess.run([BINARY, "prices", *words, "--config", self.gateway.path], capture_output=True, text=True, timeout=60,
                                env=dict(os.environ, GATEYES_ADMIN_KEY=ADMIN_KEY))
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_the_command_line(self):
        source = self.table + ".models"
        with open(source, "w") as file:
            json.dump({"x": {"models": {"y": {"cost": {"input": 1.5, "output": 2}}}}}, file)
        made = json.loads(self.command("push", source, "--from", DAY, "--json"))
        self.assertEqual((made["count"], made["source"]), (1, source))
        self.assertIn(made["version"], self.command("versions"))
        self.assertIn("x/y", self.command("show", made["version"]))
        self.assertIn("price table", self.command("current"))
        request, _ = self.chat()
        self.explained(request)
        self.assertIn("again_nanousd", self.command("explain", request))


class FromNothing(ApiCase):
    """No table is named, and none is there: the first push makes it, beside the store."""
    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(), "workers": 2, "models": {"m": {"targets": ["o/m@in=10;out=20"], "priced_as": "o/m"}}}

    def test_the_first_version(self):
        self.assertEqual(self.good("GET", "/admin/v1/prices/versions")["data"], [])
        self.assertEqual([p["known"] for p in self.good("GET", "/admin/v1/prices")["data"]], [False])
        self.fails(404, None, "GET", "/admin/v1/prices/versions/none")
        made = self.good("POST", "/admin/v1/prices", {"prices": {"o/m": {"input": 3, "output": 15}}})
        reply = self.ask("/v1/chat/completions", chat_body("m"), key=KEY)
        self.assertEqual(round(float(reply.headers["x-gateyes-cost"]) * 10**9), 10 * 3000 + 20 * 15000)
        self.good("POST", "/admin/v1/prices", {"prices": {"o/m": {"input": 6, "output": 30}}})
        self.assertTrue(os.path.exists(os.path.join(self.gateway.folder, "g.db.prices.json")))
        self.gateway.crash()
        self.assertEqual([v["version"] for v in self.good("GET", "/admin/v1/prices/versions")["data"]][-1], made["version"])
        reply = self.ask("/v1/chat/completions", chat_body("m"), key=KEY)
        self.assertEqual(round(float(reply.headers["x-gateyes-cost"]) * 10**9), 2 * (10 * 3000 + 20 * 15000))

    @classmethod
    def check_books(cls):
        """The counters of the process that was killed are gone; its lines are not."""


if __name__ == "__main__":
    unittest.main()
