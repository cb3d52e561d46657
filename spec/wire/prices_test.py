"""What an answer costs by the service that gave it and by the hour, through the real binary."""
import json
import time
import unittest

from client import Client
from harness import GatewayCase, chat_body, messages_body, responses_body
from streams import PATHS
from upstream import Upstream, stream, whole

USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
PRICE = {"input": 2, "output": 10, "batch": 0.5,
         "service": {"flex": {"factor": 0.5}, "priority": {"input": 4, "output": 17}}}
# 100 x 2 + 20 x 10, half of it, 100 x 4 + 20 x 17: thousandths of a millionth
STANDARD, FLEX, PRIORITY = 400000, 200000, 740000


def chat_answer(tier):
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE, "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}
    return answer | ({"service_tier": tier} if tier else {})


def frames(events):
    return stream("".join(("event: %s\n" % name if name else "") + "data: %s\n\n" % (data if isinstance(data, str) else json.dumps(data))
                          for name, data in events).encode())


def chat_stream(tier):
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "service_tier": tier}
    delta = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    return frames([(None, chunk | delta), (None, chunk | {"choices": [], "usage": USAGE}), (None, "[DONE]")])


def claude_answer(tier):
    return {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hi"}],
            "stop_reason": "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 100, "output_tokens": 20, "service_tier": tier}}


def claude_stream(tier):
    start = claude_answer(tier) | {"content": [], "stop_reason": None}
    return frames([("message_start", {"type": "message_start", "message": start}),
                   ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                   ("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}),
                   ("content_block_stop", {"type": "content_block_stop", "index": 0}),
                   ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}}),
                   ("message_stop", {"type": "message_stop"})])


def response_answer(tier):
    return {"id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "m", "service_tier": tier,
            "output": [{"type": "message", "id": "i", "role": "assistant", "status": "completed",
                        "content": [{"type": "output_text", "text": "hi", "annotations": []}]}],
            "usage": {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}}


def hours_around(inside):
    """Times of day in UTC that hold now, or do not, by an hour at least."""
    now = time.gmtime().tm_hour
    first, last = ((now + 22) % 24, (now + 2) % 24) if inside else ((now + 2) % 24, (now + 4) % 24)
    return [{"from": "%02d:00" % first, "to": "%02d:00" % last, "factor": 0.25}]


class Prices(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        plays = {"plain": whole(chat_answer(None)), "auto": whole(chat_answer("auto")), "default": whole(chat_answer("default")),
                 "unheard": whole(chat_answer("warp")), "flex": whole(chat_answer("flex")), "priority": whole(chat_answer("priority")),
                 "flex-stream": chat_stream("flex"), "claude-standard": whole(claude_answer("standard")),
                 "claude-priority": whole(claude_answer("priority")), "claude-batch": whole(claude_answer("batch")),
                 "claude-stream": claude_stream("priority"), "response": whole(response_answer("priority"))}
        cls.upstream.plays = {name: [play] for name, play in plays.items()}
        cls.upstream.plays["night"] = cls.upstream.plays["day"] = [whole(chat_answer("priority"))]
        url = cls.upstream.url + "/v1"
        models = {}
        for name in cls.upstream.plays:
            provider = "a/" if name.startswith("claude") else "r/" if name == "response" else "o/"
            models[name] = {"targets": [provider + name], "price": PRICE, "max_output_tokens": 20}
        models["night"]["price"] = PRICE | {"hours": hours_around(True)}
        models["day"]["price"] = PRICE | {"hours": hours_around(False)}
        models["pictures"] = {"targets": ["o/plain"], "max_output_tokens": 20, "price": PRICE | {"image": 0.003}}
        models["tight"] = {"targets": ["o/priority"], "max_output_tokens": 20, "price": {
            "input": 2000, "output": 10000, "service": {"priority": {"input": 4000, "output": 17000}}}}
        return {"providers": {"o": {"adapter": "openai", "base_url": url}, "r": {"adapter": "openai_responses", "base_url": url},
                              "a": {"adapter": "anthropic", "base_url": cls.upstream.url}},
                "models": models, "quotas": [
                    {"name": "tight", "scope": {"model": "tight"}, "money": 0.5, "window": "year"},
                    {"name": "pictures", "scope": {"model": "pictures"}, "money": 0.02, "window": "year"}]}

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.upstream.close()

    def cost(self, dialect, body):
        reply = self.ask(PATHS[dialect], body)
        self.assertEqual(reply.status, 200, reply.body)
        row = self.gateway.row(reply.headers["x-request-id"], 5)
        return row["cost_nanousd"], row["service_tier"]

    def test_what_the_answer_says_it_was(self):
        for name, wanted in (("plain", (STANDARD, "standard")), ("auto", (STANDARD, "standard")), ("default", (STANDARD, "standard")),
                             ("unheard", (STANDARD, "standard")), ("flex", (FLEX, "flex")), ("priority", (PRIORITY, "priority"))):
            self.assertEqual(self.cost("chat", chat_body(name)), wanted, name)
        self.assertEqual(self.cost("chat", chat_body("flex-stream", True)), (FLEX, "flex"))
        self.assertEqual(self.cost("messages", messages_body("claude-standard")), (STANDARD, "standard"))
        self.assertEqual(self.cost("messages", messages_body("claude-priority")), (PRIORITY, "priority"))
        self.assertEqual(self.cost("messages", messages_body("claude-batch")), (STANDARD // 2, "batch"))
        self.assertEqual(self.cost("messages", messages_body("claude-stream", True)), (PRIORITY, "priority"))
        self.assertEqual(self.cost("responses", responses_body("response")), (PRIORITY, "priority"))

    def test_translated_answers_say_it_too(self):
        self.assertEqual(self.cost("messages", messages_body("flex")), (FLEX, "flex"))
        self.assertEqual(self.cost("messages", messages_body("flex-stream", True)), (FLEX, "flex"))
        self.assertEqual(self.cost("chat", chat_body("claude-priority")), (PRIORITY, "priority"))
        self.assertEqual(self.cost("chat", chat_body("claude-stream", True)), (PRIORITY, "priority"))
        self.assertEqual(self.cost("chat", chat_body("response")), (PRIORITY, "priority"))

    def test_by_the_hour(self):
        self.assertEqual(self.cost("chat", chat_body("night")), (PRIORITY // 4, "priority"))
        self.assertEqual(self.cost("chat", chat_body("day")), (PRIORITY, "priority"))

    def test_images_by_the_piece(self):
        def body(count, words="Which is red?"):
            image = {"type": "image_url", "image_url": {"url": "https://example.com/one.png"}}
            return chat_body("pictures") | {"messages": [{"role": "user", "content": [{"type": "text", "text": words}] + [image] * count}]}
        self.assertEqual(self.cost("chat", body(2)), (STANDARD + 2 * 3_000_000, "standard"))
        self.assertEqual(self.cost("chat", body(0, "What is an image?")), (STANDARD, "standard"))
        refused = self.ask(PATHS["chat"], body(9))  # 27 thousandths
        self.assertEqual((refused.status, refused.error()["code"]), (400, "request_exceeds_limit"), refused.body)

    def test_priority_is_reserved_at_its_price(self):
        """Both requests fit the budget at the usual price; asked for as priority, the tokens of the prompt do not."""
        text = "word " * 120
        with Client(self.gateway.port) as client:
            body = chat_body("tight", max_tokens=10) | {"messages": [{"role": "user", "content": text}]}
            dear = client.ask(PATHS["chat"], body | {"service_tier": "priority"})
            self.assertEqual((dear.status, dear.error()["code"]), (400, "request_exceeds_limit"), dear.body)
            usual = client.ask(PATHS["chat"], body)
            self.assertEqual(usual.status, 200)
            self.assertRegex(usual.headers["x-gateyes-budget-reset"], r"^20\d\d-01-01T00:00:00Z$")


if __name__ == "__main__":
    unittest.main()
