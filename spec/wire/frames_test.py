"""What a provider may legally, or illegally, do to the bytes of a stream."""
import gzip
import json
import re
import time
import unittest

from harness import SLACK, GatewayCase, chat_body, wait_for
from streams import BODIES, FRAMES, PATHS, WORDS, has_error_event, is_complete
from upstream import CHUNKED, FIN, Upstream, chunk, head, stream, whole

TEXT = "text=one%20two%20three%20four"
SHAPES = ["newline=crlf", "newline=cr", "space=0", "bom", "comments", "multiline", "pings=3", "burst=4", "split=1", "split=2",
          "split=3", "split=7", "split=64", "split=random;seed=3", "newline=crlf;split=1", "newline=cr;split=1",
          "multiline;newline=crlf;split=2", "comments;bom;space=0;split=5"]
TARGETS = {"o": ("openai", "chat"), "a": ("anthropic", "messages"), "r": ("openai_responses", "responses")}


class Shapes(GatewayCase):
    @classmethod
    def configuration(cls):
        models = {}
        for provider in TARGETS:
            for i, shape in enumerate(["usage=right"] + SHAPES):
                models["%s%d" % (provider, i)] = {"targets": ["%s/m@%s;%s" % (provider, TEXT, shape)]}
        return {"providers": cls.mock_providers(), "models": models}

    def stream(self, dialect, model):
        fields = {"stream_options": {"include_usage": True}} if dialect == "chat" else {}
        reply = {"chat": self.chat, "messages": self.messages, "responses": self.responses}[dialect](model, True, **fields)
        self.assertTrue(reply.whole)
        self.assertTrue(is_complete(dialect, reply), (dialect, model, reply.body))
        row = self.gateway.row(reply.id)
        self.assertEqual((row["usage_source"], row["finish_reason"][:3] in ("sto", "end", "com")), ("provider", True), row)
        return reply, (row["input_tokens"], row["output_tokens"])

    def meaning(self, reply):
        """The events without what differs from one request to the next."""
        text = json.dumps([(name, data) for name, data in reply.events()])
        return re.sub(r'(chatcmpl|msg|resp|item|fc|rs)[-_][A-Za-z0-9_-]+|\\"(created(_at)?|completed_at)\\": ?[0-9.]+', "X",
                      text).replace('\\": ', '\\":').replace(', \\"', ',\\"')

    def sweep(self, dialect, provider):
        plain, usage = self.stream(dialect, provider + "0")
        for i, shape in enumerate(SHAPES, 1):
            reply, counted = self.stream(dialect, "%s%d" % (provider, i))
            self.assertEqual(reply.text(), plain.text(), (dialect, provider, shape))
            self.assertEqual(counted, usage, (dialect, provider, shape))
            if TARGETS[provider][1] != dialect:
                self.assertEqual(self.meaning(reply), self.meaning(plain), (dialect, provider, shape))

    def test_chat(self):
        for provider in TARGETS:
            self.sweep("chat", provider)

    def test_messages(self):
        for provider in TARGETS:
            self.sweep("messages", provider)

    def test_responses(self):
        for provider in TARGETS:
            self.sweep("responses", provider)


class Bytes(GatewayCase):
    """The same dialect on both sides: not one byte changes."""
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.bodies = {}
        odd = b'data:{"choices" : [ {"delta":{"content":"\\u0000\\ud83d\\ude00 \xe2\x80\xa8"}, "vendor": 1e400} ] }\n\n'
        for name, text in (("lf", BODIES["chat"]), ("crlf", BODIES["chat"].replace(b"\n", b"\r\n")),
                           ("cr", BODIES["chat"].replace(b"\n", b"\r")), ("bom", b"\xef\xbb\xbf" + BODIES["chat"]),
                           ("comments", b": hello\n\n: more\n" + BODIES["chat"]), ("odd", odd + BODIES["chat"]),
                           ("fields", b"id: 7\nretry: 5\nnonsense\n" + BODIES["chat"]),
                           ("after", BODIES["chat"] + b": bye\n\n")):
            cls.bodies[name] = text
        cls.bodies["malformed"] = BODIES["chat"].replace(b'{"content":"w05 "}', b'{"content":"w05 "', 1)
        cls.bodies["asked"] = b"".join(frame for frame, _ in cls.asked)
        cls.upstream.plays = {name: cls.split for name in cls.bodies}
        models = {name: {"targets": ["o/" + name]} for name in cls.bodies}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}}, "models": models}

    # What a provider sends because the gateway asked for usage, and what it sends to a client that did not.
    asked = [
        (b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}\n\n',
         b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'),
        (b'data: {"usage":null,"choices":[{"delta":{"content":"a"}}]}\n\n', b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'),
        (b': c\nid: 4\ndata:{ "choices" : [{"delta":{"content":"\\"usage\\":null"}}] , "usage" : null , "x" : {"usage":null} }\r\n\r\n',
         b': c\nid: 4\ndata:{ "choices" : [{"delta":{"content":"\\"usage\\":null"}}] , "x" : {"usage":null} }\r\n\r\n'),
        (b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null,"obfuscation":"x"}\n\n',
         b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"obfuscation":"x"}\n\n'),
        (b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n', b""),
        (b'data: [DONE]\n\n', b'data: [DONE]\n\n'),
    ]

    @classmethod
    def split(cls, record):
        body, at = cls.bodies[record.json["model"]], int(record.headers.get("idempotency-key", "0"))
        return [head() + CHUNKED + chunk(body[:at]), 0.0005, chunk(body[at:]) + b"0\r\n\r\n"]

    def test_native_is_byte_identical(self):
        for name, body in self.bodies.items():
            for at in (0, 1, 2, 3, 40, 41, 77, len(body) // 2):
                reply = self.chat(name, True, [("Idempotency-Key", str(at))], stream_options={"include_usage": True})
                self.assertEqual((reply.status, reply.whole, reply.body), (200, True, body), (name, at))

    def test_asking_for_usage_leaves_no_trace(self):
        wanted = b"".join(frame for _, frame in self.asked)
        with self.gateway.client() as client:
            for at in range(len(self.bodies["asked"])):
                for options in ({}, {"stream_options": {"include_usage": False}}):
                    reply = client.ask(PATHS["chat"], chat_body("asked", True, **options), [("Idempotency-Key", str(at))])
                    self.assertEqual((reply.whole, reply.body), (True, wanted), at)
        self.assertEqual(self.gateway.row(reply.id)["output_tokens"], 2)

    def test_split_at_each_byte_of_the_first_frames(self):
        body, frame = self.bodies["crlf"], FRAMES["chat"][-2].replace(b"\n", b"\r\n")
        with self.gateway.client() as client:
            for at in list(range(0, 260)) + list(range(len(body) - 120, len(body))):
                reply = client.ask(PATHS["chat"], chat_body("crlf", True), [("Idempotency-Key", str(at))])
                self.assertEqual(reply.body, body.replace(frame, b""), at)  # usage was not asked for


class AtOnce(GatewayCase):
    """Nothing is collected on the way: a frame leaves when it has come."""
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream, cls.sent = Upstream(), []

        def slow(name):
            def play(_):
                yield head() + CHUNKED
                for frame in FRAMES[name]:
                    yield 0.01
                    cls.sent.append((time.monotonic(), frame))
                    yield chunk(frame)
                yield b"0\r\n\r\n"
            return play
        cls.upstream.plays = {"chat": slow("chat"), "messages": slow("messages")}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"},
                              "a": {"adapter": "anthropic", "base_url": cls.upstream.url}},
                "models": {"chat": {"targets": ["o/chat"]}, "messages": {"targets": ["a/messages"]}}}

    def test_each_word_comes_when_it_was_said(self):
        for model in ("chat", "messages"):
            for ask in (self.chat, self.messages, self.responses):
                del self.sent[:]
                reply, waits = ask(model, True), []
                for word in WORDS:
                    said = next(at for at, frame in self.sent if word.encode() in frame)
                    waits.append(next(at for at, piece in reply.pieces if word.encode() in piece) - said)
                self.assertLess(sorted(waits)[10], 0.005 * SLACK, (model, ask.__name__))


class Wrong(GatewayCase):
    """What is no stream, or too much of one."""
    uses_mock = False
    FRAME = 64 * 1024

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        content = FRAMES["chat"][1]
        huge = b'data: {"choices":[{"delta":{"content":"' + b"x" * (cls.FRAME + 100) + b'"}}]}\n\n'
        fits = b'data: {"choices":[{"delta":{"content":"' + b"x" * (cls.FRAME - 200) + b'"}}]}\n\n'
        rest = b"".join(FRAMES["chat"][2:])
        cls.upstream.plays = {
            "huge": [head() + CHUNKED + chunk(content) + chunk(huge) + chunk(rest) + b"0\r\n\r\n"],
            "huge-first": [head() + CHUNKED + chunk(huge) + b"0\r\n\r\n"],
            "fits": [stream(content + fits + rest)],
            "endless": lambda _: [head() + CHUNKED + chunk(content)] + [chunk(b"y" * 65536)] * 400 + [FIN],
            "html": [whole(b"<html>hello</html>", 200, "text/html")],
            "text": [whole(b"not json at all", 200, "application/json")],
            "spaced": [whole(b' \n{"choices":[{"message":{"role":"assistant","content":"hi"}}]}\n\n')],
            "gzip": [whole(gzip.compress(BODIES["chat"]), 200, "text/event-stream", Content_Encoding="gzip")],
            "gzip-json": [whole(gzip.compress(b'{"id":"c"}'), 200, "application/json", Content_Encoding="gzip")],
            "garbage": [stream(content + bytes(range(128, 256)) * 4 + b"\n\n" + rest)],
            "broken-json": [stream(content + b'data: {"choices":[{"delta":\n\n' + rest)],
            "broken-anthropic": [stream(b'event: message_start\ndata: {"type":"message_start","message":{\n\n' + BODIES["messages"])],
            "big-head": [head(X_Big="z" * 100000) + CHUNKED + chunk(BODIES["chat"]) + b"0\r\n\r\n"],
            "cookies": [stream(BODIES["chat"], Set_Cookie="a=b", Server="secret-server", X_Custom="1", X_Request_Id="up-1")],
            "infos": lambda _: [b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"] * 3 + [stream(BODIES["chat"])],
        }
        models = {name: {"targets": ["o/" + name]} for name in cls.upstream.plays}
        models["claude"] = {"targets": ["a/broken-anthropic"]}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"},
                              "a": {"adapter": "anthropic", "base_url": cls.upstream.url}},
                "models": models, "limits": {"frame": cls.FRAME, "retry_min": 100}}

    def test_a_frame_over_the_limit_ends_the_stream(self):
        for dialect, ask in (("chat", self.chat), ("messages", self.messages)):
            reply = ask("huge", True)
            self.assertTrue(has_error_event(dialect, reply), reply.body[-200:])
            self.assertEqual(reply.text(), "w00 ")
            self.assertEqual(self.gateway.row(reply.id)["failure"], "upstream_frame_too_large")
            reply = ask("huge-first", True)
            self.assertEqual(reply.status, 502)
        self.assertEqual(len(self.chat("fits", True).text()), 20 * 4 + self.FRAME - 200)

    def test_an_endless_line_takes_no_memory(self):
        self.chat("endless", True)
        before = self.gateway.rss()
        for _ in range(5):
            reply = self.chat("endless", True)
            self.assertTrue(has_error_event("chat", reply))
        self.assertLess(self.gateway.rss() - before, 3 * 2**20 * SLACK)

    def test_what_is_no_event_stream(self):
        for name in ("html", "gzip"):
            reply = self.chat(name, True)
            self.assertEqual((reply.status, reply.error()["code"]), (502, "upstream_protocol"), (name, reply.body[:200]))

    def test_what_is_no_json(self):
        for name in ("html", "text", "gzip-json"):
            for ask in (self.messages, self.chat):
                reply = ask(name)
                self.assertEqual((reply.status, reply.error()["code"]), (502, "upstream_protocol"), (name, reply.body[:200]))

    def test_white_space_around_json_is_fine(self):
        self.assertEqual(self.chat("spaced").json()["choices"][0]["message"]["content"], "hi")
        self.assertEqual(self.messages("spaced").json()["content"][0]["text"], "hi")

    def test_garbage_between_frames(self):
        reply = self.chat("garbage", True)
        self.assertTrue(reply.whole)
        self.assertIn(bytes(range(128, 256)), reply.body)

    def test_malformed_json_is_passed_on_or_an_error(self):
        reply = self.chat("broken-json", True)
        self.assertIn(b'data: {"choices":[{"delta":\n\n', reply.body)
        for ask, dialect in ((self.messages, "messages"), (self.responses, "responses")):
            reply = ask("broken-json", True)
            self.assertTrue(reply.status == 502 or has_error_event(dialect, reply), reply.body)
        reply = self.chat("claude", True)
        self.assertTrue(reply.status == 502 or has_error_event("chat", reply), reply.body)

    def test_a_head_over_the_limit(self):
        reply = self.chat("big-head", True)
        self.assertEqual((reply.status, reply.error()["code"]), (502, "upstream_protocol"))

    def test_only_headers_meant_for_clients_pass(self):
        reply = self.chat("cookies", True)
        self.assertTrue(is_complete("chat", reply))
        for name in ("set-cookie", "server", "x-custom"):
            self.assertNotIn(name, reply.headers)
        self.assertEqual(reply.headers["x-gateyes-upstream-request-id"], "up-1")
        self.assertTrue(is_complete("chat", self.chat("infos", True)))

    def test_the_worker_lives_on(self):
        wait_for(lambda: self.gateway.exchanges() == [], 2, "no open request")


if __name__ == "__main__":
    unittest.main()
