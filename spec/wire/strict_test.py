"""What a provider cannot take: each such field of each pair is named in x-gateyes-dropped and in the log, and refused by
that name where the configuration is strict. What asks for nothing is neither."""
import unittest

from harness import GatewayCase

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
SCHEMA = {"type": "object", "properties": {}}
CHAT = {"n": 2, "seed": 7, "logit_bias": {"1": 2}, "presence_penalty": 0.5, "frequency_penalty": 0.5,
        "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}, "unheard_of": 1,
        "prediction": {"type": "content", "content": "x"}, "context_management": {"edits": [1]}, "min_p": 0.1}
TIERS = {"metadata": {"a": "b"}, "prompt_cache_key": "k", "prompt_cache_retention": "24h", "service_tier": "flex"}
RESPONSES = {"truncation": "auto", "max_tool_calls": 3, "include": ["file_search_call.results"], "unheard_of": 1,
             "context_management": [{"type": "compaction"}]}
MESSAGES = {"container": {"skills": []}, "mcp_servers": [{"type": "url"}], "context_management": {"edits": [1]}, "speed": "fast",
            "inference_geo": "us", "top_k": 5, "unheard_of": 1, "cache_control": {"type": "ephemeral"}}


def tool(**more):
    return {"tools": [dict(FUNCTION, **more)]}


def claude_tool(**more):
    return {"tools": [dict({"name": "f", "input_schema": SCHEMA}, **more)]}


def each(fields):
    return [(name, {name: value}) for name, value in fields.items()]


# (dialect, provider of the mock): pairs of the field that is to be named and what to send
LOST = {
    ("chat", "a"): each(dict(CHAT, **TIERS)) + [
        ("logprobs", {"logprobs": True}), ("verbosity", {"verbosity": "low"}), ("temperature", {"temperature": 1.5}),
        ("web_search_options.search_context_size", {"web_search_options": {"search_context_size": "low"}}),
        ("tools", {"tools": [{"type": "custom", "custom": {"name": "c", "format": {
            "type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}}}]}),
        ("tools.0.function.x", {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "x": 1}}]})],
    ("chat", "r"): each(CHAT) + [("stop", {"stop": "a"}), ("top_k", {"top_k": 4}), ("reasoning_effort", {"reasoning_effort": "low"})],
    ("responses", "a"): each(dict(RESPONSES, **TIERS)) + [
        ("text.verbosity", {"text": {"verbosity": "low"}}), ("top_logprobs", {"top_logprobs": 2}),
        ("tools", {"tools": [{"type": "image_generation"}]}), ("tools[0].defer_loading", tool(defer_loading=True))],
    ("responses", "o"): each(RESPONSES) + [
        ("tools.image_generation", {"tools": [{"type": "image_generation"}]}), ("metadata", {"metadata": {"a": "b"}}),
        ("tools[0].defer_loading", tool(defer_loading=True)), ("reasoning.summary", {"reasoning": {"summary": "auto"}})],
    ("messages", "o"): each(MESSAGES) + [
        ("tools.bash", {"tools": [{"type": "bash_20250124", "name": "bash"}]}),
        ("tools.0.eager_input_streaming", claude_tool(eager_input_streaming=True)),
        ("thinking", {"thinking": {"type": "adaptive"}}), ("output_config.effort", {"output_config": {"effort": "low"}}),
        ("stop_sequences", {"stop_sequences": ["a", "b", "c", "d", "e"]})],
    ("messages", "r"): each(MESSAGES) + [
        ("tools.web_search.max_uses", {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]}),
        ("tools.0.defer_loading", claude_tool(defer_loading=True)), ("stop_sequences", {"stop_sequences": ["a"]})],
    ("completions", "a"): each({"suffix": "x", "best_of": 2, "logprobs": 2, "seed": 1, "n": 2}),
    ("completions", "r"): each({"suffix": "x", "best_of": 2, "stop": "a", "seed": 1, "n": 2}),
}
IDLE = {("chat", "a"): {"n": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "logprobs": False, "logit_bias": {},
                        "modalities": ["text"], "stop": [], "metadata": {}},
        ("chat", "r"): {"n": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "modalities": ["text"]},
        ("responses", "a"): {"top_logprobs": 0, "truncation": "disabled", "include": [], "metadata": {}},
        ("messages", "o"): {"mcp_servers": [], "metadata": {}, "tools": [], "thinking": {"type": "disabled"}},
        ("completions", "a"): {"n": 1, "best_of": 1, "echo": False}}
MODELS = {"a": "claude-opus-4-6", "o": "gpt-4o", "r": "gpt-4o"}
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages", "completions": "/v1/completions"}
PLAIN = {"chat": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 100}, "responses": {"input": "hi"},
         "messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 100},
         "completions": {"prompt": "hi", "max_tokens": 100}}


class Strict(GatewayCase):
    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(),
                "models": {name: {"targets": [name + "/" + model]} for name, model in MODELS.items()}}

    def send(self, pair, fields):
        return self.ask(PATHS[pair[0]], dict(PLAIN[pair[0]], model=pair[1], **fields))

    def names(self, reply):
        return [name for name in reply.headers.get("x-gateyes-dropped", "").split(", ") if name]

    def test_what_is_lost_is_told(self):
        for pair, cases in LOST.items():
            for name, fields in cases:
                reply = self.send(pair, fields)
                self.assertEqual((pair, name, reply.status), (pair, name, 200), reply.body)
                self.assertIn(name, self.names(reply), pair)
                self.assertIn(name, self.gateway.row(reply.id)["dropped"], pair)
        for pair, fields in IDLE.items():
            reply = self.send(pair, fields)
            self.assertEqual((reply.status, self.names(reply)), (200, []), pair)

    def test_strict_refuses_it_by_name(self):
        self.addCleanup(self.gateway.reload, self.gateway.config)
        self.gateway.reload(dict(self.gateway.config, strict=True))
        for pair, cases in LOST.items():
            for name, fields in cases:
                reply = self.send(pair, fields)
                self.assertEqual((pair, name, reply.status), (pair, name, 400), reply.body)
                self.assertIn(name, reply.error()["message"], pair)
                if pair[0] != "messages":
                    self.assertEqual(reply.error()["code"], "unsupported_parameter")
        for pair, fields in IDLE.items():
            reply = self.send(pair, fields)
            self.assertEqual((pair, reply.status), (pair, 200), reply.body)


if __name__ == "__main__":
    unittest.main()
