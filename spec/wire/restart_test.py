"""Two gateways get the same requests; one of them is killed again and again. Nobody can tell them apart."""
import os
import random
import unittest

from client import Client
from harness import Gateway, chat_body, messages_body
from streams import PATHS
from upstream import Upstream, whole

REQUESTS = int(os.environ.get("GATEYES_REQUESTS", "240"))
PRICE = {"input": 1000, "output": 3000}
# name, tenant, project, user
KEYS = [("k%d" % i, *rest) for i, rest in enumerate([
    ("acme", "top", "ann"), ("acme", "top/one", "bob"), ("acme", "top/one/deep", "ann"), ("acme", "other", ""),
    ("initech", "top", "ann"), ("initech", "top/one", "")])]
KINDS = [{"requests": 30}, {"input_tokens": 400}, {"output_tokens": 900}, {"total_tokens": 1200}, {"money": 3}]
WINDOWS = ["1h", "24h", "90d", "week", "month", "year"]
SHOWN = ("x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens", "x-gateyes-budget-remaining",
         "x-gateyes-limit-warning", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-input-tokens-remaining",
         "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-requests-remaining", "x-gateyes-provider")


def answer(number):
    tokens = 1 + number * 7 % 40
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5 + number % 9, "completion_tokens": tokens, "total_tokens": 5 + number % 9 + tokens}}


def scopes(dice):
    names = {"key": [k[0] for k in KEYS], "user": ["ann", "bob"], "project": ["top", "top/one", "other"],
             "tenant": ["acme", "initech"], "model": ["m", "n"], "provider": ["o", "p"], "customer": ["c", "d"]}
    return {subject: dice.choice(names[subject] + ["*"]) for subject in dice.sample(sorted(names), dice.choice((0, 1, 1, 2)))}


class Twin:
    def __init__(self, quotas):
        self.upstream, self.turn = Upstream(), 0
        self.upstream.plays = {"m": self.play, "n": self.play}
        url = self.upstream.url + "/v1"
        self.gateway = Gateway({
            "providers": {name: {"adapter": "openai", "base_url": url} for name in "op"},
            "models": {"m": {"targets": ["o/m"], "price": PRICE}, "n": {"targets": ["p/n"], "price": PRICE}},
            "keys": [dict({"name": n, "key": "gy-" + n, "tenant": t, "project": p}, **({"user": u} if u else {}))
                     for n, t, p, u in KEYS], "quotas": quotas})

    def play(self, _record):
        self.turn += 1
        if self.turn % 7 == 0:  # the model did nothing for it
            return [whole({"error": {"message": "no", "type": "invalid_request_error"}}, 400)]
        return [whole(answer(self.turn))]

    def ask(self, request):
        path, body, key, customer = request
        with Client(self.gateway.port) as client:
            reply = client.ask(path, body, [("x-gateyes-customer", customer)] if customer else [], key="gy-" + key)
        # Of several limits that refuse, the last to admit is named: that is a matter of milliseconds.
        status = "used up" if reply.status in (402, 429) else reply.status
        return status, {name: reply.headers.get(name) for name in SHOWN}

    def close(self):
        status = self.gateway.stop()
        self.gateway.remove()
        self.upstream.close()
        return status


class Restart(unittest.TestCase):
    def test_twins(self):
        seed = int(os.environ.get("GATEYES_SEED", "3"))
        dice = random.Random(seed)
        quotas = [dict({"name": "q%d" % i, "scope": scopes(dice), "window": dice.choice(WINDOWS)}, **dice.choice(KINDS))
                  for i in range(24)]
        twins = Twin(quotas), Twin(quotas)
        seen = set()
        try:
            for number in range(REQUESTS):
                if dice.random() < 0.06:
                    twins[1].gateway.crash()
                path, body = dice.choice((("chat", chat_body), ("messages", messages_body)))
                request = (PATHS[path], body(dice.choice("mn"), max_tokens=dice.choice((10, 50))), dice.choice(KEYS)[0],
                           dice.choice(("", "c", "d")))
                replies = [twin.ask(request) for twin in twins]
                self.assertEqual(*replies, "request %d of seed %d: %r" % (number, seed, request))
                seen.add(replies[0][0])
            self.assertGreaterEqual(len(seen), 3, "admitted, refused and failed ones: %s" % seen)
        finally:
            self.assertEqual([twin.close() for twin in twins], [0, 0])


if __name__ == "__main__":
    unittest.main()
