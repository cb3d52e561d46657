"""What the ledger says of requests, whole and broken, and of their customers."""
import contextlib
import json
import sqlite3
import unittest

from harness import SLACK, GatewayCase, chat_body, wait_for

PRICE = {"input": 3, "output": 15}
IN, OUT = 10, 20
COST = IN * 3000 + OUT * 15000  # 10^-9 of the currency


def keys(*names, **more):
    return [dict({"name": name, "key": "gy-wire-" + name, "tenant": "acme"}, **more) for name in names]


class MoneyCase(GatewayCase):
    def rows(self, where="1"):
        with contextlib.closing(sqlite3.connect(self.gateway.folder + "/g.db")) as base:
            return base.execute("select count(*), coalesce(sum(cost_nanousd), 0) from requests where " + where).fetchone()

    def chat_as(self, name, model="m", headers=(), **fields):
        return self.ask("/v1/chat/completions", chat_body(model, fields.pop("stream", False), **fields), headers,
                        key="gy-wire-" + name, wait=20 * SLACK)

    @classmethod
    def models(cls, **more):
        target = "o/m@in=%d;out=%d" % (IN, OUT)
        return dict({"m": {"targets": [target], "price": PRICE, "max_output_tokens": OUT}}, **more)


class Ledger(MoneyCase):
    @classmethod
    def configuration(cls):
        quotas = [{"name": "each", "scope": {"tenant": "acme", "key": "c", "customer": "*"}, "requests": 1, "window": "1h"}]
        cut = {"targets": ["o/m@frames=8;size=40;cut=1500;rst"], "price": PRICE}
        return {"providers": cls.mock_providers(), "models": cls.models(cut=cut), "keys": keys("a", project="x/y") + keys("b", "c"), "quotas": quotas}

    def test_each_customer_has_a_counter(self):
        self.assertEqual(self.chat_as("c", user="ann").status, 200)
        self.assertEqual(self.chat_as("c", user="ann").status, 429)
        self.assertEqual(self.chat_as("c", user="bob").status, 200)
        self.assertEqual(self.chat_as("c", headers=[("x-gateyes-customer", "cid")]).status, 200)
        self.assertEqual(self.chat_as("c", headers=[("x-gateyes-customer", "cid")]).status, 429)
        wait_for(lambda: self.rows("customer = 'cid'")[0] == 2, 10, "both requests of that customer")

    def test_usual_requests_are_stored_short(self):
        for _ in range(8):
            self.assertEqual(self.chat_as("b").status, 200)
        wait_for(lambda: self.rows("key_id = 'b'")[0] == 8, 10, "eight rows")
        with contextlib.closing(sqlite3.connect(self.gateway.folder + "/g.db")) as base:
            attempts = [json.loads(a)[0] for a, in base.execute("select attempts from requests where key_id = 'b' order by time_ms")]
            kept = [a for a, in base.execute("select json_extract(value, '$[7]') from request_blocks, json_each(rows),"
                                             " request_groups as g on g.id = group_id where key_id = 'b'")]
        self.assertEqual({(a["provider"], a["status"]) for a in attempts}, {("o", 200)})
        for attempt in attempts[1:]:
            self.assertNotIn("connect_ms", attempt, "the first one's connection was there")
        self.assertEqual(len([k for k in kept if "provider" not in k]), 7 if "connect_ms" in attempts[0] else 8)

    def test_rows_are_what_clients_were_billed(self):
        whole = self.chat_as("a")
        stream = self.chat_as("a", stream=True)
        self.assertTrue(stream.body.rstrip().endswith(b"[DONE]"))
        cut = self.chat_as("a", model="cut", stream=True)
        self.assertIn(b"error", cut.body)
        wait_for(lambda: self.rows("key_id = 'a'")[0] == 3, 10, "three rows")
        self.assertEqual(self.rows("model = 'm' and key_id = 'a'"), (2, 2 * COST))
        self.assertEqual(whole.headers["x-gateyes-cost"], "%.9f" % (COST / 1e9))
        count, cost = self.rows("model = 'cut' and failure <> '' and usage_source = 2")
        self.assertEqual(count, 1)
        self.assertGreater(cost, 0, "what a broken stream produced is billed")


if __name__ == "__main__":
    unittest.main()
