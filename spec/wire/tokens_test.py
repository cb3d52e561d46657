"""Tokens that the gateway counts itself: exact where the model's tokenizer is known, and marked."""
import os
import tempfile
import unittest

from harness import Gateway, GatewayCase, chat_body, post_bytes, wait_for

HELLO = {"o200k_base": [24912, 2375], "cl100k_base": [15339, 1917]}  # as tiktoken has "hello world"


class Tokens(GatewayCase):
    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(), "models": {
            "gpt-4o": {"targets": ["o/gpt-4o"], "context_tokens": 128000}, "gpt-4-turbo": {"targets": ["o/gpt-4-turbo"]},
            "mine": {"targets": ["o/mine"], "tokenizer": "cl100k_base"}, "other": {"targets": ["o/other"]},
            "silent": {"targets": ["o/m@frames=9;usage=missing"], "tokenizer": "o200k_base"},
            "cut": {"targets": ["o/m@frames=9;cut_frame=6"], "tokenizer": "o200k_base"}}}

    def count(self, model, **fields):
        reply = self.ask("/v1/tokenize", dict(fields, model=model))
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json()

    def test_tokenize(self):
        for model, tokenizer in (("gpt-4o", "o200k_base"), ("gpt-4-turbo", "cl100k_base"), ("mine", "cl100k_base")):
            for field in ("input", "prompt"):
                got = self.count(model, **{field: "hello world"})
                self.assertEqual((got["tokenizer"], got["count"], got["tokens"]), (tokenizer, 2, HELLO[tokenizer]))
        self.assertEqual(self.count("gpt-4o", input="")["tokens"], [])
        self.assertEqual(self.count("gpt-4o", input="x")["max_model_len"], 128000)
        guessed = self.count("other", input="hello world")
        self.assertEqual((guessed["tokenizer"], guessed["count"], "tokens" in guessed), ("estimate", 2, False))
        self.assertEqual(self.ask("/tokenize", {"model": "mine", "input": "hello world"}).json()["count"], 2)

    def test_messages(self):
        # Three for each message, its role and text, three for the answer (OpenAI's cookbook).
        one = {"role": "user", "content": "hello world"}
        self.assertEqual(self.count("gpt-4o", messages=[one])["count"], 3 + 1 + 2 + 3)
        self.assertEqual(self.count("gpt-4o", messages=[one, one])["count"], 2 * (3 + 1 + 2) + 3)
        parts = {"role": "user", "content": [{"type": "text", "text": "hello \"world\"\n"}]}
        plain = {"role": "user", "content": "hello \"world\"\n"}
        self.assertEqual(self.count("gpt-4o", messages=[parts]), self.count("gpt-4o", messages=[plain]))
        counted = self.ask("/v1/messages/count_tokens", {"model": "gpt-4o", "messages": [one]})
        self.assertEqual(counted.json(), {"input_tokens": 9})

    def test_what_is_wrong(self):
        for fields in ({}, {"input": 3}, {"messages": "x"}):
            reply = self.ask("/v1/tokenize", dict(fields, model="gpt-4o"))
            self.assertEqual((reply.status, reply.error()["param"]), (400, "input"))
        self.assertEqual(self.ask("/v1/tokenize", {"model": "none", "input": "x"}).status, 404)

    def test_answers_without_usage(self):
        for model in ("silent", "cut"):
            for stream in (True, False) if model == "silent" else (True,):
                reply = self.ask("/v1/chat/completions", dict(chat_body(model, stream), messages=[
                    {"role": "user", "content": "hello world"}]))
                row = self.gateway.row(reply.id)
                text = reply.text() if stream else reply.json()["choices"][0]["message"]["content"]
                self.assertTrue(text)
                self.assertEqual((row["usage_source"], row["tokenizer"], row["input_tokens"], row["output_tokens"]),
                                 ("estimated", "o200k_base", 9, self.count("gpt-4o", input=text)["count"]))


class Long(GatewayCase):
    """Long texts are counted on another thread, while one worker goes on with everything else."""
    lines = 4000  # of "hello world" and a line end: three tokens each, more bytes than are counted in place

    @classmethod
    def configuration(cls):
        models = {name: {"targets": [target], "tokenizer": "o200k_base"} for name, target in (
            ("m", "o/m"), ("tight", "o/m"), ("silent", "o/m@frames=9;usage=missing"), ("cut", "o/m@frames=9;cut_frame=6"))}
        quotas = [{"name": "tight", "scope": {"model": "tight"}, "input_tokens": 12007, "window": "1h"}]
        return {"workers": 1, "providers": cls.mock_providers(), "models": models, "quotas": quotas}

    def prompt(self, lines):
        return [{"role": "user", "content": "hello world\n" * lines}]

    def test_counts(self):
        got = self.ask("/v1/tokenize", {"model": "m", "input": "hello world\n" * self.lines}).json()
        self.assertEqual(got["count"], 3 * self.lines)
        self.assertEqual(got["tokens"], (HELLO["o200k_base"] + [198]) * self.lines)
        for path, field in (("/v1/tokenize", "count"), ("/v1/messages/count_tokens", "input_tokens")):
            reply = self.ask(path, {"model": "m", "max_tokens": 9, "messages": self.prompt(self.lines)})
            self.assertEqual((reply.status, reply.json()[field]), (200, 3 * self.lines + 7), path)

    def test_limits(self):
        reply = self.ask("/v1/chat/completions", dict(chat_body("tight"), messages=self.prompt(self.lines + 1)))
        self.assertEqual(reply.status, 400, reply.body)
        reply = self.ask("/v1/chat/completions", dict(chat_body("tight"), messages=self.prompt(self.lines)))
        self.assertEqual(reply.status, 200, reply.body)

    def test_answers_without_usage(self):
        for model, stream in (("silent", True), ("silent", False), ("cut", True)):
            reply = self.ask("/v1/chat/completions", dict(chat_body(model, stream), messages=self.prompt(self.lines)))
            row = self.gateway.row(reply.id)
            self.assertEqual((row["usage_source"], row["tokenizer"], row["input_tokens"]),
                             ("estimated", "o200k_base", 3 * self.lines + 7))
            if model == "silent" and stream:
                self.assertEqual(reply.events()[-1][1], "[DONE]")

    def test_others_go_on(self):
        hostile = post_bytes("/v1/tokenize", {"model": "m", "input": "-" * 4000000})
        clients = [self.gateway.client(wait=60) for _ in range(4)]
        for client in clients:
            client.send(hostile)
        wait_for(lambda: len(self.gateway.exchanges()) == len(clients), 30, "the long texts")
        for _ in range(5):
            self.assertEqual(self.chat("m").status, 200)
        self.assertIn("/v1/tokenize", [one["path"] for one in self.gateway.exchanges()])
        for client in clients:
            self.assertEqual(client.read().json()["count"], 62500)
            client.close()

    def test_client_leaves(self):
        hostile = post_bytes("/v1/tokenize", {"model": "m", "input": "-" * 1000000})
        clients = [self.gateway.client(wait=60) for _ in range(3)]
        for client in clients:
            client.send(hostile)
        wait_for(lambda: len(self.gateway.exchanges()) == 3, what="three counts")
        for client in clients:
            client.close()
        wait_for(lambda: self.gateway.exchanges() == [], 30, "no open request")
        self.assertEqual(self.chat("m").status, 200)


class Missing(unittest.TestCase):
    def test_without_files(self):
        """The gateway serves; it says so, and estimates."""
        with tempfile.TemporaryDirectory() as folder:
            gateway = Gateway({"providers": {"o": {"adapter": "openai", "base_url": "http://127.0.0.1:9"}},
                               "models": {"m": {"targets": ["o/m"], "tokenizer": "o200k_base"}}},
                              env={"GATEYES_TOKENIZERS": folder})
            try:
                with gateway.client() as client:
                    reply = client.ask("/v1/tokenize", {"model": "m", "input": "hello world"})
                self.assertEqual((reply.status, reply.json()["tokenizer"]), (200, "estimate"))
                with open(gateway.error_path) as log:
                    self.assertIn(os.path.join(folder, "o200k_base.vocabulary"), log.read())
            finally:
                gateway.stop()


if __name__ == "__main__":
    unittest.main()
