"""What an attempt leaves behind: for the next one, for the target's health, for client and log."""
import json
import unittest

from harness import SLACK, GatewayCase, chat_body, messages_body, wait_for
from upstream import CHUNKED, FIN, RST, STALL, Upstream, chunk, head, stream, whole


def frame(**delta):
    return ("data: %s\n\n" % json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                                         "choices": [{"index": 0, "delta": delta}]})).encode()


DONE = b"data: [DONE]\n\n"
FAILED = b'data: {"error":{"message":"the engine died","type":"server_error"}}\n\n'
SPEAKS = frame(role="assistant", content="") + frame(content="one ")
REPLY = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}
ENDS = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",' \
    b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
LOCKED = b'data: {"error":{"message":"no such key sk-of-the-operator","code":401,"metadata":{}}}\n\n'
CLAUDE_SPEAKS = b"".join(b"event: %s\ndata: %s\n\n" % (body["type"].encode(), json.dumps(body).encode()) for body in (
    {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
                                          "stop_reason": None, "usage": {"input_tokens": 1, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "one "}}))
CLAUDE_LOCKED = b'event: error\ndata: {"type":"error","error":{"type":"authentication_error",' \
    b'"message":"no such key sk-of-the-operator"}}\n\n'


def failed_response(code):
    return whole({"id": "resp_1", "object": "response", "created_at": 1, "status": "failed", "model": "m", "output": [],
                  "error": {"code": code, "message": "it failed"}})


PLAYS = {
    "odd999": lambda r: [whole({"error": {"message": "denied"}}, 999)],
    "moved": lambda r: [whole({}, 302, location="http://elsewhere/")],
    "page": lambda r: [whole(b"<html>hello</html>", 200, "text/html")],
    "dies": lambda r: [stream(frame(role="assistant", content="") + FAILED)],
    "speaks-then-dies": lambda r: [stream(SPEAKS + FAILED)],
    "slow": lambda r: [head() + CHUNKED + chunk(frame(role="assistant", content="")), 0.3,
                       chunk(frame(content="two ")), 1.2 * SLACK, chunk(frame(content="three") + DONE) + b"0\r\n\r\n"],
    "limited": lambda r: [whole({"error": {"message": "slow down"}}, 429, Retry_After="7", X_Request_Id="first")],
    "reset": lambda r: [RST],
    "hang": lambda r: [STALL],
    "error": lambda r: [whole({"error": {"message": "no"}}, 500)],
    "late": lambda r: [head() + CHUNKED + chunk(SPEAKS), 0.1, chunk(FAILED), FIN],
    "cut": lambda r: [head() + CHUNKED + chunk(SPEAKS), 0.1, b"0\r\n\r\n"],
    "embed": lambda r: [whole({"object": "list", "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1},
                               "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]})],
    "mixed": lambda r: [whole({"error": {"message": "no"}}, 500)] if r.json.get("user") == "fail" else [STALL],
    "fine": lambda r: [whole(REPLY)],
    "sorry": lambda r: [whole({"error": {"message": "out of memory", "type": "server_error"}})],
    "slow-down": lambda r: [whole({"error": {"message": "slow down", "code": 429}})],
    "mistaken": lambda r: [whole({"error": {"message": "no such field", "code": 400}})],
    "locked-out": lambda r: [whole({"error": {"message": "no such key sk-of-the-operator", "code": 401}})],
    "overloaded": lambda r: [whole({"error": {"message": "overloaded", "code": 503}})],
    "failed": lambda r: [failed_response("rate_limit_exceeded")],
    "forbidden": lambda r: [failed_response("invalid_prompt")],
    "locked-midway": lambda r: [stream(SPEAKS + LOCKED)],
    "claude-locked-midway": lambda r: [stream(CLAUDE_SPEAKS + CLAUDE_LOCKED)],
    "lingers": lambda r: [head() + CHUNKED + chunk(SPEAKS + ENDS + DONE), STALL],
}


class Attempts(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = PLAYS
        models = {name: {"targets": ["o/" + name]} for name in PLAYS}
        models["dies-then-slow"] = {"targets": ["o/dies", "o/slow"], "first_token": "900ms"}
        models["speaks-then-dies-then-fine"] = {"targets": ["o/speaks-then-dies", "o/fine"]}
        models["limited-then-reset"] = {"targets": ["o/limited", "o/reset"]}
        models["sorry-then-fine"] = {"targets": ["o/sorry", "o/fine"]}
        for name in ("slow-down", "mistaken", "locked-out", "overloaded"):
            models[name + "-then-fine"] = {"targets": ["o/" + name, "o/fine"]}
        for name in ("failed", "forbidden"):
            models[name] = {"targets": ["r/" + name]}
            models[name + "-then-fine"] = {"targets": ["r/" + name, "o/fine"]}
        models["claude-locked-midway"] = {"targets": ["a/claude-locked-midway"]}
        models["meta/llama 3"] = {"targets": ["o/fine"]}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"},
                              "r": {"adapter": "openai_responses", "base_url": cls.upstream.url + "/v1"},
                              "a": {"adapter": "anthropic", "base_url": cls.upstream.url}}, "models": models,
                "limits": {"retry_min": 1000, "body": "64KiB"}}

    def unusable(self):
        return self.gateway.get_admin("/readyz")[1]

    def test_a_status_that_http_does_not_know_is_a_bad_gateway(self):
        for model in ("odd999", "moved"):
            reply = self.chat(model)
            self.assertEqual((reply.status, reply.error()["code"]), (502, "upstream_protocol"), model)

    def test_a_page_is_not_passed_off_as_an_answer(self):
        reply = self.chat("page")
        self.assertEqual((reply.status, reply.error()["code"]), (502, "upstream_protocol"))
        self.assertEqual(self.gateway.row(reply.id)["attempts"][0]["failure"], "upstream_protocol")

    def test_the_next_target_has_its_own_first_token(self):
        reply = self.chat("dies-then-slow", True, wait=10)
        self.assertEqual(reply.text(), "two three", reply.body)
        self.assertIn(b"[DONE]", reply.body)
        row = self.gateway.row(reply.id)
        self.assertGreater(row["time_to_first_token_ms"], 290)

    def test_content_and_an_error_in_one_read_are_content_and_an_error(self):
        reply = self.chat("speaks-then-dies-then-fine", True)
        self.assertEqual((reply.status, reply.headers["x-gateyes-attempts"], reply.text()), (200, "1", "one "))
        self.assertIn(b"the engine died", reply.body)
        self.assertNotIn(b"[DONE]", reply.body)

    def test_a_broken_translated_stream_names_its_request(self):
        reply = self.ask("/v1/messages", messages_body("speaks-then-dies", True))
        self.assertIn(b'"request_id":"' + reply.id.encode(), reply.body)

    def test_the_last_failure_does_not_wear_the_first_ones_head(self):
        reply = self.chat("limited-then-reset")
        self.assertEqual(reply.status, 502)
        self.assertNotIn("retry-after", reply.headers)
        self.assertNotIn("x-gateyes-upstream-request-id", reply.headers)

    def test_a_client_that_leaves_says_nothing_about_the_target(self):
        for user in ["fail"] * 4 + ["leave"] + ["fail"]:
            with self.gateway.client() as client:
                before = len(self.gateway.log())
                client.post("/v1/chat/completions", chat_body("mixed", user=user))
                if user == "leave":
                    wait_for(lambda: len(self.upstream.requests("mixed")) == 5, 5, "the request at the provider")
                    client.reset()
                else:
                    client.read()
                row = self.gateway.new_rows(before)[-1]
        self.assertEqual(row["status"], 500)
        left = [line for line in self.gateway.log() if line["status"] == 499][-1]["attempts"][0]
        self.assertEqual(left["failure"], "client_closed_request")
        self.assertIn("duration_ms", left)
        self.assertIn("model mixed has no usable target", self.unusable())

    def test_streams_that_break_count_against_the_target(self):
        for model in ("late", "cut"):
            for _ in range(5):
                reply = self.chat(model, True)
                self.assertEqual(reply.text(), "one ")
            row = self.gateway.row(reply.id)
            self.assertIn(row["attempts"][0].get("failure"), ("upstream_error", "upstream_cut"), model)
            self.assertIn("model %s has no usable target" % model, self.unusable())

    def test_a_models_name_may_come_percent_encoded(self):
        for path in ("/v1/models/meta%2Fllama%203", "/v1/models/meta%2fllama%203"):
            with self.gateway.client() as client:
                reply = client.get(path)
            self.assertEqual((reply.status, reply.json().get("id")), (200, "meta/llama 3"))
        for path in ("/v1/models/meta%2", "/v1/models/meta%zz", "/v1/models/%00"):
            with self.gateway.client() as client:
                self.assertEqual(client.get(path).status, 404, path)

    def test_only_what_can_stream_is_asked_to(self):
        reply = self.ask("/v1/embeddings", {"model": "embed", "input": "x", "stream": True})
        self.assertEqual((reply.status, len(reply.json()["data"])), (200, 1))
        reply = self.ask("/v1/messages/count_tokens", messages_body("fine", True))
        self.assertEqual(reply.status, 200)

    def test_an_error_with_status_200_is_a_failed_attempt(self):
        reply = self.chat("sorry-then-fine")
        self.assertEqual((reply.status, reply.headers["x-gateyes-attempts"]), (200, "2"))
        reply = self.chat("sorry")
        self.assertEqual((reply.status, reply.error()["message"]), (502, "out of memory"))

    def test_an_error_with_status_200_has_the_status_that_it_names(self):
        asked = {"/v1/chat/completions": chat_body, "/v1/messages": messages_body,
                 "/v1/responses": lambda model: {"model": model, "input": "Hello"}}
        for path, body in asked.items():
            for model, status, code in (("slow-down", 429, "rate_limit_exceeded"), ("mistaken", 400, "upstream_refused"),
                                        ("locked-out", 502, "upstream_auth"), ("overloaded", 503, "upstream_error")):
                with self.subTest(path=path, model=model):
                    reply = self.ask(path, body(model))
                    self.assertEqual(reply.status, status, reply.body)
                    self.assertEqual(b"sk-of-the-operator" in reply.body, False)
                    self.assertEqual(self.gateway.row(reply.id)["failure"], code)
                    reply = self.ask(path, body(model + "-then-fine"))
                    self.assertEqual(reply.status, 400 if status == 400 else 200, reply.body)

    def test_a_failed_response_of_the_provider_lets_the_next_target_try(self):
        for path, body in (("/v1/chat/completions", chat_body), ("/v1/messages", messages_body)):
            self.assertEqual(self.ask(path, body("failed-then-fine")).status, 200, path)
            self.assertEqual(self.ask(path, body("failed")).status, 429, path)
            self.assertEqual(self.ask(path, body("forbidden-then-fine")).status, 400, path)

    def test_a_lost_credential_in_the_middle_of_a_stream_is_the_operators_affair(self):
        for path, body in (("/v1/chat/completions", chat_body), ("/v1/messages", messages_body)):
            for model in ("locked-midway", "claude-locked-midway"):
                with self.subTest(path=path, model=model):
                    reply = self.ask(path, body(model, True))
                    self.assertIn(b"one ", reply.body)
                    for words in (b"sk-of-the-operator", b"authentication_error", b"401,"):
                        self.assertNotIn(words, reply.body)
                    self.assertIn(b"must mend them", reply.body)
                    self.assertEqual(self.gateway.row(reply.id)["failure"], "upstream_auth")

    def test_a_client_that_leaves_pays_for_the_prompt(self):
        with self.gateway.client() as client:
            before = len(self.gateway.log())
            asked = len(self.upstream.requests("hang"))
            client.post("/v1/chat/completions", chat_body("hang"))
            wait_for(lambda: len(self.upstream.requests("hang")) > asked, 5, "the request at the provider")
            client.reset()
            row = wait_for(lambda: [r for r in self.gateway.log()[before:] if r["requested_model"] == "hang"], 5, "its line")[-1]
        self.assertEqual((row["status"], row["usage_source"], row["output_tokens"]), (499, "estimated", 0))
        self.assertGreater(row["input_tokens"], 0)

    def test_after_the_end_mark_nobody_waits_long_for_the_provider_to_close(self):
        for path, body in (("/v1/chat/completions", chat_body("lingers", True)), ("/v1/messages", messages_body("lingers", True))):
            reply = self.ask(path, body)
            self.assertTrue(reply.whole and b"error" not in reply.body, reply.body)
            row = self.gateway.row(reply.id)
            self.assertEqual((row["status"], row.get("failure")), (200, None))
        wait_for(lambda: self.gateway.get_admin("/admin/exchanges")[1].strip() == "[]", 2 + SLACK, "both to be over")

    def test_the_log_says_what_the_client_got(self):
        before = len(self.gateway.log())
        reply = self.ask("/v1/chat/completions", b"x" * (65 * 1024))
        self.assertEqual(reply.status, 413)
        row = self.gateway.new_rows(before)[-1]
        self.assertEqual((row["status"], row["failure"]), (413, "request_too_large"))


if __name__ == "__main__":
    unittest.main()
