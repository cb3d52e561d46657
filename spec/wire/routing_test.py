"""Which target gets how much: weights, limits of a provider, waiting for a slot."""
import collections
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from harness import SLACK, GatewayCase, chat_body, messages_body, wait_for
from streams import BODIES, PATHS, is_complete
from upstream import CHUNKED, STALL, Upstream, chunk, head, stream

COUNT = 400


class Weighted(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {name: [stream(BODIES["chat"])] for name in ("a", "b", "c", "zero")}
        targets = [{"target": "o/a", "weight": 6}, {"target": "o/b", "weight": 3}, {"target": "o/c", "weight": 1},
                   {"target": "o/zero", "weight": 0}]
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}},
                "models": {"w": {"targets": targets, "strategy": "weighted"}, "p": {"targets": ["o/b", "o/a"]}}}

    def test_shares(self):
        with self.gateway.client() as client:
            for _ in range(COUNT):
                client.ask(PATHS["chat"], chat_body("w", True))
        got = collections.Counter(r.json["model"] for r in self.upstream.records)
        # Five standard deviations of a binomial draw on each side.
        for name, share in (("a", 0.6), ("b", 0.3), ("c", 0.1)):
            slack = 5 * (COUNT * share * (1 - share)) ** 0.5
            self.assertTrue(abs(got[name] - COUNT * share) < slack, got)
        self.assertEqual(got["zero"], 0)

    def test_priority_keeps_its_order(self):
        self.upstream.forget()
        for _ in range(20):
            self.chat("p", True)
        self.assertEqual({r.json["model"] for r in self.upstream.records}, {"b"})


class Slots(GatewayCase):
    uses_mock = False
    WAIT = 0.6 * SLACK

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.open = cls.most = 0

        def counted(_):
            with cls.upstream.lock:
                cls.open += 1
                cls.most = max(cls.most, cls.open)
            yield head() + CHUNKED + chunk(BODIES["chat"][:300])
            yield 0.05
            with cls.upstream.lock:
                cls.open -= 1
            yield chunk(BODIES["chat"][300:]) + b"0\r\n\r\n"
        cls.upstream.plays = {"m": counted, "stuck": [STALL]}
        one = {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}
        return {"providers": {"few": dict(one, concurrency=4), "two": dict(one, concurrency=2), "free": one}, "workers": 2,
                "models": {"m": {"targets": ["few/m"]}, "stuck": {"targets": ["two/stuck"]},
                           "spill": {"targets": ["two/stuck", "free/m"]}}, "queue": {"wait": cls.WAIT}}

    def test_never_more_than_the_limit_and_nobody_is_lost(self):
        with ThreadPoolExecutor(24) as pool:
            replies = list(pool.map(lambda _: self.chat("m", True), range(24)))
        self.assertTrue(all(is_complete("chat", reply) for reply in replies))
        self.assertEqual(self.most, 4)

    def test_the_wait_has_an_end_and_leaving_frees_the_place(self):
        holders = [self.gateway.client() for _ in range(2)]
        for client in holders:
            client.post(PATHS["chat"], chat_body("stuck", True))
        wait_for(lambda: len(self.upstream.requests("stuck")) == 2)
        for path, body in ((PATHS["chat"], chat_body("stuck", True)), (PATHS["messages"], messages_body("stuck"))):
            started = time.monotonic()
            reply = self.ask(path, body)
            took = time.monotonic() - started
            self.assertEqual((reply.status, reply.error()["code"]), (503, "overloaded"), reply.body)
            self.assertIn("retry-after", reply.headers)
            self.assertGreater(took, self.WAIT - 0.05)
            self.assertLess(took, self.WAIT + 0.3 * SLACK)
        with self.gateway.client() as queued:  # one that leaves while it waits
            queued.post(PATHS["chat"], chat_body("stuck", True))
            wait_for(lambda: len(self.gateway.exchanges()) == 3)
        wait_for(lambda: [row for row in self.gateway.log() if row["status"] == 499], 2 * SLACK, "the row of the one that left")
        self.assertEqual(len(self.upstream.requests("stuck")), 2)
        self.upstream.plays["stuck"] = [stream(BODIES["chat"])]
        holders[0].close()
        self.assertTrue(is_complete("chat", self.chat("stuck", True)))
        holders[1].close()
        self.upstream.plays["stuck"] = [STALL]


if __name__ == "__main__":
    unittest.main()
