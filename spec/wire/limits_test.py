"""Limits and budgets through the real binary: what is admitted, what it costs, and what a refusal says."""
import json
import os
import subprocess
import threading
import unittest

from client import Client
from harness import BINARY, KEY, Gateway, GatewayCase, chat_body, messages_body, wait_for
from streams import BODIES, PATHS
from upstream import STALL, Upstream, stream, whole

ANSWER = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 20, "total_tokens": 25}}
PRICE = {"input": 0, "output": 1000}  # 0.001 a token: 0.02 for each answer


class Limits(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        names = ("money", "streams", "rate", "tokens", "one", "soft", "two", "free", "vast")
        cls.upstream.plays = {name: [whole(ANSWER)] for name in names}
        cls.upstream.plays.update(streams=[stream(BODIES["chat"])], one=[STALL], broken=[whole({}, 500)])
        url = cls.upstream.url + "/v1"
        models = {name: {"targets": ["o/" + name], "price": PRICE} for name in cls.upstream.plays}
        models["two"]["targets"] = ["small/two", "o/two"]

        def quota(name, **fields):
            return dict({"name": name, "scope": {"model": name}, "window": "1h"}, **fields)
        return {
            "providers": {"o": {"adapter": "openai", "base_url": url}, "small": {"adapter": "openai", "base_url": url}},
            "workers": 2, "models": models, "unpriced": "allow_unpriced",
            "quotas": [quota("vast", money=2, window="year"), quota("money", money=2, window="year"), quota("streams", money=2, window="year"),
                       quota("broken", money=0.05, window="year"),
                       quota("rate", requests=3), quota("tokens", output_tokens=50),
                       {"name": "one", "scope": {"model": "one"}, "concurrent": 1},
                       quota("soft", requests=1, soft=True), quota("free", requests=0),
                       {"name": "small", "scope": {"provider": "small"}, "requests": 1, "window": "1h"}],
        }

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.upstream.close()

    def rush(self, model, is_stream, requests, threads):
        """Status and body of many requests at once, each thread on a connection of its own."""
        found, lock, start = [], threading.Lock(), threading.Barrier(threads)

        def run():
            with Client(self.gateway.port, wait=60) as client:
                start.wait()
                for _ in range(requests // threads):
                    reply = client.ask(PATHS["chat"], chat_body(model, stream=is_stream, max_tokens=20))
                    with lock:
                        found.append(reply)
        all_threads = [threading.Thread(target=run) for _ in range(threads)]
        for thread in all_threads:
            thread.start()
        for thread in all_threads:
            thread.join()
        self.assertEqual(len(found), requests)
        return found

    def check_budget(self, model, is_stream):
        """A budget for exactly 100 of 600."""
        replies = self.rush(model, is_stream, 600, 40)
        self.assertEqual(sum(r.status == 200 for r in replies), 100)
        self.assertEqual(sum(r.status == 402 for r in replies), 500)
        self.assertEqual(len(self.upstream.requests(model)), 100)
        paid = sum(line.get("cost_nanousd", 0) for line in self.gateway.log() if line.get("model") == model)
        self.assertEqual(paid, 2 * 10**9)
        error = next(r for r in replies if r.status == 402).error()
        self.assertEqual((error["type"], error["code"]), ("insufficient_quota", "insufficient_quota"))

    def test_a_budget_for_a_hundred_admits_a_hundred(self):
        self.check_budget("money", False)
        with Client(self.gateway.port) as client:
            reply = client.ask(PATHS["chat"], chat_body("money", max_tokens=20))
        self.assertEqual(reply.headers["x-should-retry"], "false")
        self.assertEqual(reply.headers["x-gateyes-limit"], "money")
        self.assertEqual(reply.headers["x-gateyes-budget-limit"], "2.000000000")
        self.assertEqual(reply.headers["x-gateyes-budget-remaining"], "0.000000000")
        self.assertGreater(int(reply.headers["retry-after"]), 0)
        self.assertIn("the limit money of 2 USD per calendar year for model=money is reached: 2 used", reply.error()["message"])
        wait_for(lambda: "limit money for model=money: 100 % reached" in self.gateway.process_log(), what="the event")

    def test_a_budget_for_a_hundred_admits_a_hundred_streams(self):
        self.check_budget("streams", True)

    def test_requests(self):
        with Client(self.gateway.port) as client:
            for left in (2, 1, 0):
                reply = client.ask(PATHS["chat"], chat_body("rate"))
                self.assertEqual((reply.status, reply.headers["x-ratelimit-limit-requests"],
                                  reply.headers["x-ratelimit-remaining-requests"]), (200, "3", str(left)))
            reply = client.ask(PATHS["chat"], chat_body("rate"))
            self.assertEqual((reply.status, reply.error()["code"]), (429, "rate_limit_exceeded"))
            self.assertEqual(reply.headers["x-ratelimit-remaining-requests"], "0")
            self.assertTrue(3500 < int(reply.headers["retry-after"]) <= 3600)
            reply = client.ask(PATHS["messages"], messages_body("rate"))
            self.assertEqual((reply.status, reply.error()["type"]), (429, "rate_limit_error"))
            self.assertEqual(reply.headers["anthropic-ratelimit-requests-remaining"], "0")
            self.assertRegex(reply.headers["anthropic-ratelimit-requests-reset"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_a_request_that_is_too_large_and_one_that_is_forbidden(self):
        with Client(self.gateway.port) as client:
            reply = client.ask(PATHS["chat"], chat_body("tokens", max_tokens=51))
            self.assertEqual((reply.status, reply.error()["code"]), (400, "request_exceeds_limit"))
            self.assertNotIn("retry-after", reply.headers)
            for status in (200, 200, 429):  # 50 are reserved and 20 used
                reply = client.ask(PATHS["chat"], chat_body("tokens", max_tokens=30))
                self.assertEqual(reply.status, status)
            reply = client.ask(PATHS["chat"], chat_body("free"))
            self.assertEqual((reply.status, reply.error()["code"]), (403, "forbidden"))
            whole = {"model": "vast", "max_tokens": 20}  # 0.02 for each prompt, of 2
            for prompt, is_too_large in (["x"] * 101, True), ([[1, 2]] * 101, True), ([1] * 101, False), ("x", False):
                reply = client.ask("/v1/completions", whole | {"prompt": prompt})
                self.assertEqual(b"request_exceeds_limit" in reply.body, is_too_large, reply.body)
            for tokens, choices in ((10**19, 1), (20, 10**19), (2**64 - 1, 2**64 - 1)):  # a cost beyond all figures fits no budget
                reply = client.ask(PATHS["chat"], chat_body("vast", max_tokens=tokens, n=choices))
                self.assertEqual((reply.status, reply.error()["code"]), (400, "request_exceeds_limit"))

    def test_one_at_a_time_until_the_client_leaves(self):
        with Client(self.gateway.port) as first, Client(self.gateway.port) as second:
            first.post(PATHS["chat"], chat_body("one"))
            wait_for(lambda: self.upstream.requests("one"), what="the first request")
            self.assertEqual(second.ask(PATHS["chat"], chat_body("one")).status, 429)
            first.reset()
            wait_for(lambda: self.gateway.exchanges() == [], what="the end of the first request")
            second.post(PATHS["chat"], chat_body("one"))
            wait_for(lambda: len(self.upstream.requests("one")) == 2, what="the next request")

    def test_a_soft_limit_warns(self):
        with Client(self.gateway.port) as client:
            first, second = (client.ask(PATHS["chat"], chat_body("soft")) for _ in range(2))
        self.assertEqual((first.status, second.status), (200, 200))
        self.assertNotIn("x-gateyes-limit-warning", first.headers)
        self.assertEqual(second.headers["x-gateyes-limit-warning"], "soft")

    def test_what_failed_costs_nothing(self):
        with Client(self.gateway.port) as client:
            for _ in range(5):
                self.assertEqual(client.ask(PATHS["chat"], chat_body("broken", max_tokens=20)).status, 500)

    def test_a_full_provider_is_passed_over(self):
        with Client(self.gateway.port) as client:
            replies = [client.ask(PATHS["chat"], chat_body("two")) for _ in range(3)]
        self.assertEqual([(r.status, r.headers["x-gateyes-provider"]) for r in replies],
                         [(200, "small"), (200, "o"), (200, "o")])


class Restart(unittest.TestCase):
    def test_a_killed_process_forgets_no_budget(self):
        upstream = Upstream()
        upstream.plays = {"m": [whole(ANSWER)]}
        scope = {"tenant": "*", "model": "m"}
        gateway = Gateway({
            "providers": {"o": {"adapter": "openai", "base_url": upstream.url + "/v1"}},
            "models": {"m": {"targets": ["o/m"], "price": PRICE}},
            "quotas": [{"name": "year", "scope": scope, "money": 0.2, "window": "year"},
                       {"name": "hour", "scope": {"key": "*"}, "requests": 8, "window": "1h"},
                       {"name": "o", "scope": {"provider": "o"}, "requests": 1000, "window": "1h"}]})
        try:
            for _ in range(3):
                with gateway.client() as client:
                    for status in (200, 200):
                        self.assertEqual(client.ask(PATHS["chat"], chat_body("m", max_tokens=20)).status, status)
                gateway.crash()
            with gateway.client() as client:
                reply = client.ask(PATHS["chat"], chat_body("m", max_tokens=100))
                self.assertEqual(reply.status, 402)
                self.assertIn("0.12 used", reply.error()["message"])
                reply = client.ask(PATHS["chat"], chat_body("m", max_tokens=20))
                self.assertEqual((reply.status, reply.headers["x-ratelimit-remaining-requests"]), (200, "1"))
        finally:
            self.assertEqual(gateway.stop(), 0)
            gateway.remove()
            upstream.close()


class Prices(unittest.TestCase):
    def test_import_and_use(self):
        upstream = Upstream()
        upstream.plays = {"gpt": [whole(ANSWER)]}
        gateway = Gateway({"providers": {"openai": {"adapter": "openai", "base_url": upstream.url + "/v1"}},
                           "models": {"gpt": {"targets": ["openai/gpt"]}}})
        table, source = (os.path.join(gateway.folder, name) for name in ("prices.json", "list.json"))
        with open(source, "w") as file:
            json.dump({"openai": {"models": {"gpt": {"cost": {"input": 1.5, "output": 6}}}}}, file)
        try:
            done = subprocess.run([BINARY, "prices", "import", source, "--to", table, "--from", "2026-01-01"],
                                  capture_output=True, text=True, check=True)
            self.assertIn("version 2026-01-01.1 with 1 prices", done.stdout)
            done = subprocess.run([BINARY, "prices", "list", table, "--json"], capture_output=True, text=True, check=True)
            self.assertEqual(json.loads(done.stdout)["versions"][0]["version"], "2026-01-01.1")
            gateway.reload(dict(gateway.config, prices="prices.json", quotas=[{"name": "q", "money": 1, "window": "day"}]))
            with gateway.client() as client:
                reply = client.ask(PATHS["chat"], chat_body("gpt", max_tokens=20), key=KEY)
            row = gateway.row(reply.id)
            self.assertEqual((row["cost_nanousd"], row["price_version"]), (5 * 1500 + 20 * 6000, "2026-01-01.1"))
        finally:
            self.assertEqual(gateway.stop(), 0)
            gateway.remove()
            upstream.close()


if __name__ == "__main__":
    unittest.main()
