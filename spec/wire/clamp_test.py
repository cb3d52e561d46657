"""An answer cannot grow past what was reserved for it: the provider is told so, in its own words."""
import unittest

from harness import GatewayCase, chat_body, messages_body, responses_body
from streams import PATHS
from upstream import Upstream, whole

ANSWER = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}
PRICE = {"input": 1, "output": 1000}


class Clamp(GatewayCase):
    uses_mock = False
    clamps = True

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        names = ("m", "v", "soft", "rate", "gpu", "claude", "r")
        cls.upstream.plays = {name: [whole(ANSWER)] for name in names}
        url = cls.upstream.url + "/v1"

        def provider(**more):
            return dict({"adapter": "openai", "base_url": url}, **more)
        return {
            "providers": {"o": provider(), "vllm": provider(preset="vllm"), "gpu": provider(preset="vllm"),
                          "a": provider(adapter="anthropic", base_url=cls.upstream.url), "r": provider(adapter="openai_responses")},
            "models": {name: {"targets": [target], "price": PRICE, "max_output_tokens": 500} for name, target in (
                ("m", "o/m"), ("v", "vllm/v"), ("soft", "o/soft"), ("rate", "o/rate"), ("gpu", "gpu/gpu"), ("claude", "a/claude"),
                ("r", "r/r"))},
            "reserve": {"output_tokens": 77, "clamp": cls.clamps},
            "quotas": [{"name": name, "scope": {"model": name}, "money": 1000, "window": "day"} for name in ("m", "v", "claude", "r")]
            + [{"name": "soft", "scope": {"model": "soft"}, "money": 1000, "window": "day", "soft": True},
               {"name": "rate", "scope": {"model": "rate"}, "requests": 1000, "window": "day"},
               {"name": "gpu", "scope": {"provider": "gpu"}, "total_tokens": 100000, "window": "1m"}],
        }

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.upstream.close()

    def told(self, dialect, body):
        """What the provider was told of the answer's length, and what the client heard of that."""
        reply = self.ask(PATHS[dialect], body)
        sent = self.upstream.requests(body["model"])[-1].json
        self.assertEqual(self.gateway.row(reply.id).get("clamped"), reply.headers.get("x-gateyes-clamped"))
        return {name: sent[name] for name in sent if name.startswith("max_")}, reply.headers.get("x-gateyes-clamped")

    def check(self, dialect, body, sent, said):
        """`sent` where Gateyes clamps; without, what the client wrote."""
        if not self.clamps:
            sent, said = {name: body[name] for name in body if name.startswith("max_")}, None
        self.assertEqual(self.told(dialect, body), (sent, said))

    def test_a_request_without_a_maximum(self):
        self.check("chat", chat_body("m"), {"max_completion_tokens": 77}, "max_completion_tokens=77")
        self.check("chat", chat_body("v"), {"max_tokens": 77}, "max_tokens=77")
        self.check("chat", chat_body("m", max_completion_tokens=None), {"max_completion_tokens": 77}, "max_completion_tokens=77")
        self.check("responses", responses_body("r"), {"max_output_tokens": 77}, "max_output_tokens=77")
        self.check("chat", chat_body("gpu"), {"max_tokens": 77}, "max_tokens=77")

    def test_a_maximum_above_the_model_s(self):
        self.check("chat", chat_body("m", max_tokens=501), {"max_tokens": 500}, "max_tokens=500")
        self.check("messages", dict(messages_body("claude"), max_tokens=9000), {"max_tokens": 500}, "max_tokens=500")
        self.check("chat", chat_body("m", max_tokens=500), {"max_tokens": 500}, None)

    def test_no_hard_limit_depends_on_it(self):
        for model in ("soft", "rate"):
            self.check("chat", chat_body(model), {}, None)

    def test_a_translated_request(self):
        told, said = self.told("chat", chat_body("claude"))
        self.assertEqual((told["max_tokens"], said), (77, "max_tokens=77") if self.clamps else (500, None))
        told, said = self.told("responses", responses_body("v"))
        self.assertEqual((told.get("max_tokens"), said), (77, "max_tokens=77") if self.clamps else (None, None))

    def test_best_of_is_paid_for(self):
        reply = self.ask("/v1/completions", {"model": "m", "prompt": "x", "max_tokens": 400, "best_of": 3000})
        self.assertEqual(reply.status, 400, "a million tokens would cost more than the budget holds")


class NoClamp(Clamp):
    clamps = False


if __name__ == "__main__":
    unittest.main()
