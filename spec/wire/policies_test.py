"""Strategies by what they choose over many requests, with targets that fail and come back."""
import collections
import re
import unittest

from harness import GatewayCase, wait_for
from streams import BODIES, PATHS
from upstream import STALL, Upstream, stream

COUNT = 240
FAILS = [b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"]
TARGETS = ["o/a", "p/b", "q/c"]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def within(case, count, total, share):
    """Five standard deviations of a binomial draw on each side: wrong once in two million runs."""
    slack = 5 * (total * share * (1 - share)) ** 0.5
    case.assertLess(abs(count - total * share), slack, (count, total, share))


class Policies(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        url = cls.upstream.url + "/v1"
        weighted = [{"target": "o/a", "weight": 3}, {"target": "p/b", "weight": 1}]
        priced = [{"target": "o/a", "price": {"input": 5, "output": 5}},
                  {"target": "p/b", "price": {"input": 1, "output": 1}},
                  {"target": "q/c", "price": {"input": 0.1, "output": 0.1}}]
        rules = [{"when": {"tools": True}, "targets": "q"}, {"when": {"images": True}, "targets": "p/b"},
                 {"when": {"text": ["合同"]}, "targets": "q/*", "only": True}, {"when": {"stream": True, "header": {"x-tier": "gold"}}, "targets": "p"},
                 {"when": {"tags": "batch"}, "targets": "p"}]
        each = {"random": "random", "shares": {"name": "weighted", "shares": {"o": 1, "p/*": 3}},
                "canary": {"name": "canary", "target": "q", "percent": 20}, "sticky": "sticky",
                "tags": {"name": "tags", "targets": {"batch": "q", "vip": ["p"]}, "header": "x-tags", "otherwise": ["o"]},
                "rules": {"name": "rules", "rules": rules},
                "local": {"name": "priority", "inflight": 2},
                "complexity": {"name": "complexity", "simple": ["o"], "hard": ["q"]}}
        models = {name: {"targets": TARGETS, "strategy": strategy} for name, strategy in each.items()}
        models["sticky"]["targets"] = ["o/x", "p/y", "q/z"]  # of their own: one of them will be out of health
        models["weights"] = {"targets": weighted, "strategy": "weighted"}
        models["drawn"] = {"targets": weighted, "strategy": "random"}
        models["cost"] = {"targets": priced, "strategy": "cost"}
        return {"workers": 2, "providers": {name: {"adapter": "openai", "base_url": url, "residency": where}
                                            for name, where in zip("opq", ("cloud", "local", "local"))}, "models": models}

    def setUp(self):
        self.upstream.plays = {name: [stream(BODIES["chat"])] for name in "abcxyz"}
        self.upstream.forget()

    def ask_one(self, client, model, headers=None, text="hi", **fields):
        body = dict({"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}, **fields)
        before = len(self.upstream.records)
        reply = client.ask(PATHS["chat"], body, headers=[("x-gateyes-trace", "1")] + list((headers or {}).items()))
        self.assertEqual(200, reply.status, reply.body)
        return "".join(r.json["model"] for r in self.upstream.records[before:]), reply

    def counts(self, model, headers=None, count=COUNT):
        with self.gateway.client() as client:
            return collections.Counter(self.ask_one(client, model, headers(i) if headers else None)[0][0] for i in range(count))

    def test_shares(self):
        within(self, self.counts("weights")["a"], COUNT, 0.75)
        within(self, self.counts("drawn")["a"], COUNT, 0.75)
        within(self, self.counts("shares")["a"], COUNT, 0.25)
        for name, count in self.counts("random").items():
            within(self, count, COUNT, 1 / 3)

    def test_canary(self):
        found = self.counts("canary", lambda i: {"x-session-id": "s%d" % i})
        within(self, found["c"], COUNT, 0.2)
        again = self.counts("canary", lambda i: {"x-session-id": "s%d" % i})
        self.assertEqual(found, again)  # a session stays where it is

    def test_sticky_moves_only_its_own(self):
        sessions = ["s%d" % i for i in range(30)]
        with self.gateway.client() as client:
            homes = {s: self.ask_one(client, "sticky", {"x-session-id": s})[0] for s in sessions}
            self.assertEqual(set("xyz"), set(homes.values()))
            self.upstream.plays["x"] = FAILS
            for s in sessions:
                asked, _ = self.ask_one(client, "sticky", {"x-session-id": s})
                if homes[s] == "x":
                    self.assertIn(asked[-1], "yz")
                else:
                    self.assertEqual(homes[s], asked)

    def test_cost(self):
        with self.gateway.client() as client:
            asked, reply = self.ask_one(client, "cost")
            self.assertEqual("c", asked)
            self.upstream.plays["c"] = FAILS
            self.assertEqual("cb", self.ask_one(client, "cost")[0][-2:])  # the next cheapest

    def test_tags(self):
        with self.gateway.client() as client:
            for tags, wanted in (("batch", "c"), ("vip", "b"), ("", "a"), ("moon", "a"), ("moon, batch", "c")):
                self.assertEqual(wanted, self.ask_one(client, "tags", {"x-tags": tags})[0], tags)

    def test_rules(self):
        image = [{"role": "user", "content": [{"type": "text", "text": "look"}, IMAGE]}]
        with self.gateway.client() as client:
            self.assertEqual("a", self.ask_one(client, "rules")[0])
            self.assertEqual("c", self.ask_one(client, "rules", tools=[TOOL])[0])
            self.assertEqual("b", self.ask_one(client, "rules", messages=image)[0])
            self.assertEqual("b", self.ask_one(client, "rules", {"x-tier": "gold"})[0])
            asked, reply = self.ask_one(client, "rules", text="请看合同")
            self.assertEqual("c", asked)
            self.assertIn("rule", reply.headers["x-gateyes-trace"])
            self.upstream.plays["c"] = FAILS
            body = {"model": "rules", "messages": [{"role": "user", "content": "请看合同"}]}
            self.upstream.forget()
            self.assertGreaterEqual(client.ask(PATHS["chat"], body).status, 500)
            self.assertEqual({"c"}, {r.json["model"] for r in self.upstream.records})  # only: no other is tried

    def test_local_first_and_cloud_when_full(self):
        """Two open requests fill each local target; the fifth goes to the cloud, and the sixth home again."""
        self.upstream.plays.update(b=[STALL], c=[STALL])
        holders = []
        try:
            for i in range(4):
                client = self.gateway.client()
                holders.append(client)
                client.post(PATHS["chat"], {"model": "local", "stream": True, "messages": [{"role": "user", "content": "hi"}]})
                wait_for(lambda n=i + 1: len(self.upstream.records) == n, 5, "the request to arrive")
            self.assertEqual("bbcc", "".join(sorted(r.json["model"] for r in self.upstream.records)))
            with self.gateway.client() as client:
                asked, reply = self.ask_one(client, "local")
            self.assertEqual("a", asked)
            self.assertTrue(re.search(r"p/b \(is full: 2 requests|2 requests are open there", reply.headers["x-gateyes-trace"]),
                            reply.headers["x-gateyes-trace"])
        finally:
            for client in holders:
                client.close()
        self.upstream.plays.update({name: [stream(BODIES["chat"])] for name in "bc"})
        wait_for(lambda: self.gateway.exchanges() == [], 5, "the end of those that left")
        with self.gateway.client() as client:
            self.assertIn(self.ask_one(client, "local")[0], "bc")

    def test_complexity_has_hysteresis(self):
        hard = "Prove step by step that this algorithm is optimal, then analyse its complexity"
        mark = {"x-session-id": "h1"}
        with self.gateway.client() as client:
            self.assertEqual("a", self.ask_one(client, "complexity", mark, "thanks")[0])
            self.assertEqual("c", self.ask_one(client, "complexity", mark, hard)[0])
            middle = "Design a schema for orders and explain the trade-offs"  # below the threshold, by less than the margin
            self.assertEqual("a", self.ask_one(client, "complexity", {}, middle)[0])
            self.assertEqual("c", self.ask_one(client, "complexity", mark, middle)[0])
            self.assertEqual("a", self.ask_one(client, "complexity", mark, "thanks")[0])
            self.assertEqual("a", self.ask_one(client, "complexity", mark, middle)[0])
            self.assertEqual("a", self.ask_one(client, "complexity", {"x-session-id": "h2"}, middle)[0])


if __name__ == "__main__":
    unittest.main()
