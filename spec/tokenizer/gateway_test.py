#!/usr/bin/env python3
"""tokenizer.json of each family in the configuration of a real gateway: /v1/tokenize gives PyPI's tokens, a prompt counts as the
chat template of its family makes it, and streams without usage are billed by it.
gateway_test.py [number of texts] [seed]"""
import os
import sys
import tempfile
import unittest

from tokenizers import AddedToken

import huggingface_test as families
import texts

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "wire"))
from client import Client  # noqa: E402
from harness import KEY, Gateway, Mock, messages_body  # noqa: E402
from streams import PATHS  # noqa: E402

COUNT, SEED = int((sys.argv[1:2] or ["8"])[0]), int((sys.argv[2:3] or ["5"])[0])
# One turn of the user's as the template in the family's tokenizer_config.json writes it. What is not an added token there, and
# neither role nor text, is one token of the family's own vocabulary; the small one trained here may have more of it.
ROLE, TEXT, ONE = "user", None, 1
TEMPLATES = {
    "qwen": ["<|im_start|>", ROLE, ONE, TEXT, "<|im_end|>", ONE, "<|im_start|>", ONE, ONE],
    "llama3": ["<|begin_of_text|>", "<|start_header_id|>", ROLE, "<|end_header_id|>", ONE, TEXT, "<|eot_id|>",
               "<|start_header_id|>", ONE, "<|end_header_id|>", ONE],
    "deepseek": ["<｜begin▁of▁sentence｜>", "<｜User｜>", TEXT, "<｜Assistant｜>"],
    "tekken": ["<s>", "[INST]", TEXT, "[/INST]"],
}


FAMILIES = (*TEMPLATES, "gpt_oss", "llama2", "mistral_v1")


def added_of(name):
    return [piece for piece in TEMPLATES.get(name, ()) if isinstance(piece, str) and piece != ROLE]


class Families(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder, cls.made, cls.mock = tempfile.TemporaryDirectory(), {}, Mock()
        models = {}
        for names, train in ((families.BYTE_LEVEL, families.train_byte_level), (families.SENTENCES, families.train_sentences)):
            for name in names:
                if name not in FAMILIES:
                    continue
                made, _ = train(name)
                made.add_special_tokens([AddedToken(token, normalized=False) for token in added_of(name)])
                cls.made[name], path = made, os.path.join(cls.folder.name, name + ".json")
                made.save(path)
                models[name] = {"targets": ["o/m@frames=9;usage=missing"], "tokenizer": path}
        cls.gateway = Gateway({"providers": {"o": {"adapter": "openai", "base_url": "http://127.0.0.1:%d/v1" % cls.mock.port}},
                               "workers": 2, "models": models})

    @classmethod
    def tearDownClass(cls):
        status = cls.gateway.stop()
        cls.gateway.remove()
        cls.mock.stop()
        cls.folder.cleanup()
        assert status == 0, status

    def ask(self, path, body):
        with Client(self.gateway.port, wait=60) as client:
            reply = client.ask(path, body, key=KEY)
        self.assertEqual(reply.status, 200, reply.body)
        return reply

    def encode(self, name, text):
        return self.made[name].encode(text, add_special_tokens=False).ids

    def test_tokens(self):
        for name in self.made:
            for text in texts.samples(SEED, COUNT):
                if not text:
                    continue
                got = self.ask("/v1/tokenize", {"model": name, "input": text}).json()
                self.assertEqual(got["tokens"], self.encode(name, text), (name, text))
                self.assertEqual((got["count"], got["tokenizer"].endswith(name + ".json")), (len(got["tokens"]), True))

    def test_prompts(self):
        for name, pieces in TEMPLATES.items():
            for text in ("Hello, how are you?", "x", "def f(a):\n    return a + 1", "今天天气怎么样？"):
                wanted = sum(len(self.encode(name, text)) if piece is TEXT else 1 if piece == ONE else len(self.encode(name, piece))
                             for piece in pieces)
                messages = {"messages": [{"role": "user", "content": text}]}
                counted = self.ask("/v1/messages/count_tokens", messages_body(name) | messages).json()["input_tokens"]
                asked = self.ask("/v1/tokenize", messages | {"model": name}).json()["count"]
                self.assertEqual((counted, asked), (wanted, wanted), (name, text))

    def test_streams_without_usage(self):
        for name in ("qwen", "llama2"):
            reply = self.ask(PATHS["chat"], {"model": name, "stream": True, "messages": [{"role": "user", "content": "Say it again, please."}]})
            said = "".join(choice["delta"].get("content") or "" for event in reply.objects() for choice in event.get("choices", ()))
            row = self.gateway.row(reply.id)
            self.assertEqual((row["usage_source"], row["output_tokens"]), ("estimated", len(self.encode(name, said))), said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
