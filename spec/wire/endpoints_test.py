"""The smaller endpoints: embeddings, completions, counting tokens, stored responses."""
import unittest

from harness import GatewayCase, chat_body, responses_body
from streams import BODIES, is_complete
from upstream import Upstream, stream, whole

WHOLE = {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
         "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
         "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
MESSAGE = {"messages": [{"role": "user", "content": "Hello there"}]}


class Endpoints(GatewayCase):
    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(), "limits": {"retry_min": 100}, "models": {
            "e": {"targets": ["o/e"]}, "e-pair": {"targets": ["a/e", "o/e"]}, "e-none": {"targets": ["a/e"]},
            "e-down": {"targets": ["o/e@status=503", "o/e"]}, "claude": {"targets": ["a/claude"]}, "gpt": {"targets": ["o/gpt"]},
            "gpt-cut": {"targets": ["o/gpt@frames=9;cut_frame=4"]}, "claude-cut": {"targets": ["a/c@frames=9;cut_frame=6"]}}}

    def test_headers_of_the_provider(self):
        """What SDKs read comes through; whose account it is, and what stands before the provider, does not."""
        shown = {"openai-processing-ms": "9", "openai-version": "2020-10-01", "x-ratelimit-remaining-requests": "7",
                 "request-id": "req_9"}
        hidden = {"openai-organization": "org-secret", "openai-project": "proj_secret", "set-cookie": "__cf_bm=1",
                  "anthropic-organization-id": "secret", "server": "cloudflare", "cf-ray": "1-FRA", "x-envoy-upstream": "1"}
        upstream = Upstream()
        upstream.plays = {"m": lambda record: [stream(BODIES["chat"], **shown, **hidden) if record.json.get("stream") else
                                               whole(WHOLE, **shown, **hidden)]}
        config = dict(self.gateway.config)
        config["providers"] = dict(config["providers"], seen={"adapter": "openai", "base_url": upstream.url + "/v1"})
        config["models"] = dict(config["models"], seen={"targets": ["seen/m"]})
        self.gateway.reload(config)
        for wants_stream in (False, True):
            reply = self.ask("/v1/chat/completions", chat_body("seen", wants_stream))
            self.assertEqual(reply.status, 200)
            self.assertEqual({name: reply.headers.get(name) for name in shown}, shown)
            self.assertEqual([name for name in hidden if name in reply.headers], [])
        self.gateway.reload(self.gateway.config)
        upstream.close()

    def test_embeddings(self):
        body = {"input": ["one", "two"]}
        reply = self.ask("/v1/embeddings", dict(body, model="e"))
        self.assertEqual((reply.status, len(reply.json()["data"])), (200, 2))
        row = self.gateway.row(reply.id)
        self.assertEqual((row["usage_source"], row["output_tokens"], row["input_tokens"] > 0), ("provider", 0, True))
        for model, attempts in (("e-pair", "1"), ("e-down", "2")):  # only targets that offer them are asked
            other = self.ask("/v1/embeddings", dict(body, model=model))
            self.assertEqual((other.status, other.headers["x-gateyes-attempts"]), (200, attempts))
            self.assertEqual(other.json()["data"], reply.json()["data"])
        reply = self.ask("/v1/embeddings", dict(body, model="e-none"))
        self.assertEqual((reply.status, reply.error()["param"]), (400, "model"))

    def test_completions(self):
        for model in ("gpt", "claude"):
            reply = self.ask("/v1/completions", {"model": model, "prompt": "Hello", "stream": True, "max_tokens": 50})
            self.assertTrue(is_complete("chat", reply), reply.body)
            self.assertTrue(reply.text())
            whole = self.ask("/v1/completions", {"model": model, "prompt": "Hello", "max_tokens": 50}).json()
            self.assertEqual((whole["object"], whole["choices"][0]["text"]), ("text_completion", reply.text()))
            broken = self.ask("/v1/completions", {"model": model + "-cut", "prompt": "Hello", "stream": True, "max_tokens": 50})
            self.assertFalse(is_complete("chat", broken))
            self.assertIn(b'"error"', broken.body)

    def test_counting_tokens(self):
        counted = self.ask("/v1/messages/count_tokens", dict(MESSAGE, model="claude"))
        self.assertEqual(counted.json()["input_tokens"], 10)  # the mock's own rule
        estimated = self.ask("/v1/messages/count_tokens", dict(MESSAGE, model="gpt"))
        self.assertTrue(2 <= estimated.json()["input_tokens"] <= 20, estimated.body)
        missing = self.ask("/v1/messages/count_tokens", dict(MESSAGE, model="none"))
        self.assertEqual((missing.status, missing.error()["type"]), (404, "not_found_error"))

    def test_stored_responses(self):
        for model in ("gpt", "claude"):
            first = self.responses(model).json()
            with self.gateway.client() as client:
                kept = client.get("/v1/responses/" + first["id"])
                self.assertEqual((kept.status, kept.json()["output"]), (200, first["output"]))
                for path in ("", "/input_items"):
                    whole = client.get("/v1/responses/" + first["id"] + path)
                    bare = client.get("/v1/responses/" + first["id"] + path, method="HEAD")
                    self.assertEqual((bare.status, bare.body), (200, b""))
                    self.assertEqual(bare.headers["content-length"], whole.headers["content-length"])
            second = self.ask("/v1/responses", responses_body(model, previous_response_id=first["id"]))
            self.assertEqual(second.status, 200, second.body)
            with self.gateway.client() as client:
                self.assertEqual(client.get("/v1/responses/" + first["id"], method="DELETE").status, 200)
                self.assertEqual(client.get("/v1/responses/" + first["id"]).status, 404)
            gone = self.ask("/v1/responses", responses_body(model, previous_response_id=first["id"]))
            self.assertIn(gone.status, (400, 404))


if __name__ == "__main__":
    unittest.main()
