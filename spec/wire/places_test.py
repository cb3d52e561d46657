"""A value in the place of every string of a request, each in turn, in every protocol: nothing of it reaches a provider but
where docs/compliance.md says that nothing looks."""
import copy
import json
import os
import shutil
import tempfile
import unittest

from compliance_support import ALL_PATHS, play
from harness import GatewayCase
from upstream import Upstream, whole

VALUES = {"number": "110101199003070011", "key": "AKIAQYLPMN5HHHFPZAM2", "text": "my card 4111 1111 1111 1111"}
TOOL = {"type": "object", "properties": {"city": {"type": "string", "description": "where", "enum": ["Oslo"]}},
        "required": ["city"]}
CHAT = {
    "model": "n", "user": "u1", "service_tier": "auto", "reasoning_effort": "low", "stop": ["END"], "metadata": {"k": "v"},
    "prompt_cache_key": "pc", "safety_identifier": "si", "vendor_field": {"deep": ["word"]},
    "messages": [
        {"role": "system", "content": "be kind", "name": "sys"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {
            "url": "https://x.test/a.png", "detail": "low"}}, {"type": "file", "file": {"filename": "a.txt",
             "file_data": "data:text/plain;base64,aGVsbG8gd29ybGQ="}}]},
        {"role": "assistant", "content": "calling", "reasoning_content": "hm", "refusal": "no", "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"city\":\"Oslo\"}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "user", "content": "thanks"}],
    "tools": [{"type": "function", "function": {"name": "f", "description": "weather", "parameters": TOOL}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": TOOL}}}
MESSAGES = {
    "model": "n", "max_tokens": 9, "stop_sequences": ["END"], "metadata": {"user_id": "u1"}, "vendor_field": {"deep": ["word"]},
    "system": [{"type": "text", "text": "be kind", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "document", "title": "t", "context": "c",
          "source": {"type": "text", "media_type": "text/plain", "data": "a file"}},
          {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"city": "Oslo"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [
            {"type": "text", "text": "rain"}]}]}],
    "tools": [{"name": "f", "description": "weather", "input_schema": TOOL}]}
RESPONSES = {
    "model": "n", "instructions": "be kind", "user": "u1", "metadata": {"k": "v"}, "service_tier": "auto",
    "reasoning": {"effort": "low"}, "prompt_cache_key": "pc", "vendor_field": {"deep": ["word"]}, "store": False,
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "why"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"city\":\"Oslo\"}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "rain"}],
    "tools": [{"type": "function", "name": "f", "description": "weather", "parameters": TOOL}],
    "text": {"format": {"type": "json_schema", "name": "n", "schema": TOOL}}}
COMPLETIONS = {"model": "n", "prompt": ["hi", "there"], "suffix": "end", "user": "u1", "stop": "END"}
EMBEDDINGS = {"model": "n", "input": ["hi", "there"], "user": "u1", "encoding_format": "float"}
BODIES = {"chat": CHAT, "messages": MESSAGES, "responses": RESPONSES, "completions": COMPLETIONS, "embeddings": EMBEDDINGS}
PROVIDERS = {"o": "openai", "a": "anthropic", "r": "openai_responses"}
EXEMPT = {("model",)}  # the gateway's own names: an unknown one is refused


def leaves(value, path=()):
    """(path, is_key) of every string and every key."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield path + (key,), True
            yield from leaves(inner, path + (key,))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, path + (i,))
    elif isinstance(value, str):
        yield path, False


def changed(body, path, is_key, value):
    """The body with that string, or key, in the place of the one at the path."""
    made = copy.deepcopy(body)
    inside = made
    for step in path[:-1]:
        inside = inside[step]
    if not is_key:
        inside[path[-1]] = value
        return made
    members = [(value if key == path[-1] else key, old) for key, old in inside.items()]
    inside.clear()
    inside.update(members)
    return made


class Places(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-places-")
        cls.upstream = Upstream()
        os.makedirs(os.path.join(cls.root, "t"))
        with open(os.path.join(cls.root, "t", "tenant.lua"), "w") as file:
            file.write('return { policies = { { name = "pii", action = "block" }, "secrets" } }')
        cls.upstream.plays["m"] = cls.answer
        providers = {name: {"adapter": adapter, "base_url": cls.upstream.url + ("" if name == "a" else "/v1")}
                     for name, adapter in PROVIDERS.items()}
        return {"tenants": cls.root, "providers": providers, "scripts": {"cpu": "100ms", "wall": "2s"},
                "models": {name: {"targets": [name + "/m"]} for name in PROVIDERS},
                "keys": [{"name": "t", "key": "gy-places-key-1", "tenant": "t"}]}

    @staticmethod
    def answer(record):
        if record.path.endswith("/embeddings"):
            return [whole({"object": "list", "model": "m", "data": [
                {"object": "embedding", "index": i, "embedding": [0.1]} for i in range(2)], "usage": {
                    "prompt_tokens": 2, "total_tokens": 2}})]
        return play(record, "fine", "", 0)

    @classmethod
    def end(cls):
        super().end()
        shutil.rmtree(cls.root)
        cls.upstream.close()

    def passes(self, dialect, provider, body):
        """What of a value reached the provider; the status."""
        self.upstream.forget()
        path = "/v1/embeddings" if dialect == "embeddings" else ALL_PATHS[dialect]
        reply = self.ask(path, dict(body, model=provider), key="gy-places-key-1")
        seen = b"".join(r.body for r in self.upstream.requests("m")).decode("utf-8", "replace")
        return reply.status, seen

    def test_every_place(self):
        for dialect, body in BODIES.items():
            for provider in PROVIDERS if dialect not in ("completions", "embeddings") else ("o",):
                status, seen = self.passes(dialect, provider, body)
                self.assertTrue(seen, status)
                for path, is_key in leaves(body):
                    if path in EXEMPT:
                        continue
                    for kind, value in VALUES.items():
                        with self.subTest(dialect=dialect, provider=provider, path=path, is_key=is_key, kind=kind):
                            status, seen = self.passes(dialect, provider, changed(body, path, is_key, value))
                            self.assertNotIn(value, seen)
                            self.assertIn(status, (200, 400, 403))


if __name__ == "__main__":
    unittest.main()
