"""What clients may send: limits, methods, framing, bytes that bite, and errors in the client's own protocol."""
import json
import os
import time
import unittest
import zlib

from harness import KEY, SLACK, GatewayCase, chat_body, messages_body, post_bytes, responses_body
from client import request_bytes
from streams import PATHS
from upstream import Upstream, whole

OK = {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
      "choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
      "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}


class Case(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {"m": [whole(OK)], "claude": [whole({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "fine"}],
            "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}})]}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"},
                              "a": {"adapter": "anthropic", "base_url": cls.upstream.url}},
                "models": {"m": {"targets": ["o/m"], "price": {"input": 1, "output": 2}, "created": 1700000000},
                           "claude": {"targets": ["a/claude"]}, "hidden/m": {"targets": ["o/m"]}, "nick": {"alias": "m"}},
                "keys": [{"name": "wire", "key": KEY}, {"name": "narrow", "key": "gy-narrow-key", "models": ["m", "hid*"]}],
                "cors": {"origins": ["https://app.example"]}, "limits": {"body_by_route": {"/v1/embeddings": "1KiB"}},
                "paths": {"aliases": {"/talk": "/v1/chat/completions"}}}

    def raw(self, data, wait=3.0):
        with self.gateway.client(wait=wait) as client:
            client.send(data)
            return client.read()


class Limits(Case):
    def test_too_much_of_something(self):
        fine = post_bytes(PATHS["chat"], chat_body("m"))
        deep = b'{"model":"m","messages":' + b"[" * 100000 + b"]" * 100000 + b"}"
        declared = b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode() + b"\r\nContent-Length: 1073741824\r\n\r\n"
        self.upstream.forget()
        cases = [
            ("head", fine.replace(b"Host: ", b"X-Pad: " + b"p" * 66000 + b"\r\nHost: "), 431, "headers_too_large"),
            ("lines", fine.replace(b"Host: ", b"".join(b"X-%d: 1\r\n" % i for i in range(101)) + b"Host: "), 431, "headers_too_large"),
            ("url", fine.replace(b"/v1/chat", b"/v1/" + b"u" * 9000 + b"/chat"), 414, "uri_too_long"),
            ("body", declared % b"/v1/chat/completions", 413, "request_too_large"),
            ("body by route", post_bytes("/v1/embeddings", {"model": "m", "input": "x" * 2000}), 413, "request_too_large"),
            ("deep", post_bytes(PATHS["chat"], deep), 400, "invalid_request"),
        ]
        for name, data, status, code in cases:
            started = time.monotonic()
            reply = self.raw(data)
            self.assertIsNotNone(reply, name)
            self.assertEqual((reply.status, reply.error()["code"]), (status, code), (name, reply.body))
            self.assertLess(time.monotonic() - started, 0.5 * SLACK, name)
        self.assertEqual(self.upstream.records, [])
        reply = self.raw(declared % b"/v1/messages")
        self.assertEqual((reply.status, reply.json()["type"]), (413, "error"))
        self.assertEqual(reply.json()["request_id"], reply.id)
        self.assertEqual(self.gateway.row(reply.id)["status"], 413)

    def test_a_compressed_body_is_not_unpacked(self):
        bomb = zlib.compress(b"{" + b" " * (10 << 20) + b"}")
        self.upstream.forget()
        for encoding in ("gzip", "deflate", "br", "gzip, identity", "x"):
            for path, body in ((PATHS["chat"], bomb), (PATHS["chat"], chat_body("m")), ("/v1/messages", messages_body("claude"))):
                reply = self.ask(path, body, [("Content-Encoding", encoding)])
                self.assertEqual(reply.status, 415, encoding)
                self.assertIn("Content-Encoding", reply.error()["message"])
        self.assertEqual(self.upstream.records, [])
        self.assertEqual(self.ask(PATHS["chat"], chat_body("m"), [("Content-Encoding", "identity")]).status, 200)

    def test_one_below_each_limit_passes(self):
        nested = "[" * 120 + "]" * 120
        body = json.dumps(chat_body("m")).replace('"Hello there"', '"Hello there", "x": ' + nested)
        self.assertEqual(self.ask(PATHS["chat"], body.encode()).status, 200)
        self.assertEqual(self.chat("m", headers=[("X-Pad", "p" * 60000)]).status, 200)
        self.assertEqual(self.chat("m", messages=[{"role": "user", "content": "x" * (19 << 20)}]).status, 200)


class Errors(Case):
    """Every refusal speaks the client's protocol, names the field, and says what to do."""

    def check(self, path, body, status, code, param=None, key=KEY, word=None):
        reply = self.ask(path, body, key=key)
        error = reply.error()
        where = (path, body if not isinstance(body, bytes) else body[:80], reply.status, reply.body)
        self.assertEqual(reply.status, status, where)
        self.assertTrue(error["message"], where)
        self.assertIn(word or "", error["message"], where)
        self.assertTrue(reply.headers["content-type"].startswith("application/json"), where)
        if path == PATHS["messages"]:
            self.assertEqual(reply.json()["type"], "error", where)
            self.assertEqual(reply.json()["request_id"], reply.headers["request-id"], where)
            self.assertNotIn("param", error)
        else:
            self.assertEqual(set(error), {"message", "type", "param", "code"}, where)
            self.assertEqual((error["code"], error["param"]), (code, param), where)
        self.assertEqual(self.gateway.row(reply.id)["status"], status)
        return error

    def test_each_refusal_in_each_protocol(self):
        bodies = {"chat": chat_body, "messages": messages_body, "responses": responses_body}
        for dialect, make in bodies.items():
            path = PATHS[dialect]
            self.check(path, make("m"), 401, "invalid_api_key", key="gy-wrong-key")
            self.check(path, make("claude"), 403, "model_not_allowed", "model", key="gy-narrow-key", word="claude")
            self.check(path, make("none"), 404, "model_not_found", "model", word="none")
            self.check(path, b"", 400, "invalid_request")
            self.check(path, b"{\"model\": \"m\", ", 400, "invalid_request", word="byte")
            self.check(path, b"[1]", 400, "invalid_request")
            self.check(path, {"messages": []}, 400, "invalid_value", "model")
            self.check(path, make(7), 400, "invalid_value", "model")
            self.check(path, make("m", "yes"), 400, "invalid_value", "stream")
            self.check(path, b'{"model":"m","model":"claude"}', 400, "invalid_value", "model", word="twice")
            self.check(path, b'{"model":"m","stream":true,"stream":false}', 400, "invalid_value", "stream", word="twice")
            for bad in ("a\nb", "a\r\nX-Evil: 1", "\u0000", "\u007f", ""):
                self.check(path, make(bad), 400, "invalid_value", "model")
        self.assertEqual(self.check(PATHS["messages"], messages_body("m"), 401, "", key="gy-wrong-key")["type"], "authentication_error")

    def test_no_key_at_all(self):
        reply = self.raw(request_bytes(PATHS["chat"], chat_body("m")))
        self.assertEqual((reply.status, reply.error()["code"]), (401, "invalid_api_key"))
        self.assertEqual(reply.headers["www-authenticate"], "Bearer")
        twice = [("Authorization", "Bearer " + KEY), ("Authorization", "Bearer other")]
        reply = self.raw(request_bytes(PATHS["chat"], chat_body("m"), twice))
        self.assertEqual((reply.status, reply.error()["code"]), (400, "bad_request"))
        reply = self.raw(request_bytes(PATHS["messages"], messages_body("m"), [("x-api-key", KEY)]))
        self.assertEqual(reply.status, 200)

    def test_unknown_paths_and_methods(self):
        with self.gateway.client() as client:
            reply = client.get("/v1/nothing")
            self.assertEqual((reply.status, reply.error()["code"]), (404, "not_found"))
            for path, allow in ((PATHS["chat"], "POST"), ("/v1/messages", "POST")):
                reply = client.get(path)
                self.assertEqual((reply.status, reply.headers["allow"]), (405, allow))
            reply = client.ask("/v1/models", {})
            self.assertEqual((reply.status, reply.headers["allow"]), (405, "GET, HEAD"))
            reply = client.get("/v1/messages/nothing")
            self.assertEqual((reply.status, reply.json()["type"]), (404, "error"))

    def test_odd_model_names_stay_one_log_line_and_one_header(self):
        names = ["q" + chr(i) for i in range(1, 256)] + ["m\u2028m", "\U0001f600", "m\\\"'", "../m", "m" * 5000]
        ids = []
        for name in names:
            reply = self.chat(name)
            self.assertIn(reply.status, (400, 404), repr(name))
            self.assertNotIn("x-evil", reply.headers)
            ids.append(reply.id)
        self.gateway.row(ids[-1])
        rows = [line for line in self.gateway.log() if line["request_id"] in ids]
        self.assertEqual(len(rows), len(names))

    def test_control_bytes_in_other_logged_fields(self):
        """Each byte in the path, a header that is kept, and the query: refused, or one parsed line."""
        for byte in list(range(0, 33)) + [127, 128, 255]:
            for template in (b"POST /v1/chat/%scompletions HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                             b"POST /v1/x?a=%sb HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                             b"POST /v1/x HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a%sb\r\nContent-Length: 0\r\n\r\n",
                             b"POST /v1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a%sb\r\nContent-Length: 0\r\n\r\n"):
                reply = self.raw(template % bytes([byte]), 0.3)
                self.assertTrue(reply is None or 400 <= reply.status < 500, (byte, template))
        self.gateway.log()
        self.assertEqual(self.chat("m").status, 200)


class Paths(Case):
    def test_all_names_of_an_endpoint(self):
        for path, body in (("/chat/completions", chat_body("m")), ("/talk", chat_body("m")), ("/messages", messages_body("claude")),
                           ("/openai/deployments/m/chat/completions?api-version=2024-10-21", {"messages": chat_body("m")["messages"]}),
                           ("/openai/v1/chat/completions", chat_body("m")), ("/v1/chat/completions?x=1", chat_body("nick"))):
            self.assertEqual(self.ask(path, body).status, 200, path)

    def test_paths_of_azure(self):
        """What its clients ask: deployments for what generates, everything else beside them; the path names the model."""
        for path, body in (("/openai/deployments/m/chat/completions", chat_body("nobody's")),
                           ("/openai/deployments/m/chat/completions", dict(chat_body("claude"), model=7)),
                           ("/openai/deployments/claude/chat/completions", {"messages": chat_body("m")["messages"]}),
                           ("/openai/responses", {"model": "m", "input": "Hello"})):
            reply = self.ask(path + "?api-version=2024-10-21", body)
            self.assertEqual(reply.status, 200, (path, reply.body))
            self.assertEqual(reply.headers["x-gateyes-model"], path.split("/")[3] if "deployments" in path else "m")
        with self.gateway.client() as client:
            stored = "/openai/responses/" + reply.json()["id"]
            self.assertEqual(client.get(stored + "?api-version=2024-10-21").json()["id"], reply.json()["id"])
            self.assertEqual(client.get("/openai/models?api-version=2024-10-21").json(), client.get("/v1/models").json())
            self.assertEqual(client.get("/openai/models/m").json()["id"], "m")
            self.assertEqual(client.get("/openai/assistants").status, 404)
        for path in ("/v1/responses/input_tokens", "/v1/responses/compact"):  # endpoints of OpenAI's, no ids
            self.assertEqual(self.ask(path, {"model": "m", "input": "Hello"}).status, 404)
        self.assertEqual(self.ask("/openai/deployments/nobody's/chat/completions", chat_body("m")).status, 404)

    def test_model_lists(self):
        with self.gateway.client() as client:
            listing = client.get("/v1/models").json()
            self.assertEqual(listing["object"], "list")
            self.assertEqual({m["id"] for m in listing["data"]}, {"m", "claude", "hidden/m", "nick"})
            self.assertEqual({tuple(sorted(m)) for m in listing["data"]}, {("created", "id", "object", "owned_by")})
            self.assertEqual(client.get("/models").json(), listing)
            anthropic = client.get("/v1/models", [("anthropic-version", "2023-06-01")]).json()
            self.assertEqual({m["type"] for m in anthropic["data"]}, {"model"})
            self.assertEqual((anthropic["has_more"], anthropic["first_id"], anthropic["last_id"]),
                             (False, anthropic["data"][0]["id"], anthropic["data"][-1]["id"]))
            self.assertEqual(client.get("/v1/models/m").json()["created"], 1700000000)
            self.assertEqual(client.get("/v1/models/claude").json()["created"],
                             int(os.stat(self.gateway.path).st_mtime))
            self.assertEqual(client.get("/v1/models/hidden/m").json()["id"], "hidden/m")
            self.assertEqual(client.get("/v1/models/m", [("anthropic-version", "2023-06-01")]).json()["created_at"],
                             "2023-11-14T22:13:20Z")
            self.assertEqual({m["id"] for m in client.get("/v1/models", key="gy-narrow-key").json()["data"]}, {"m", "hidden/m"})
            self.assertEqual(client.get("/v1/models/claude", key="gy-narrow-key").status, 404)
            head = client.get("/v1/models", method="HEAD")
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(int(head.headers["content-length"]), len(client.get("/v1/models").body))

    def test_a_key_may_use_its_models_only(self):
        self.assertEqual(self.ask(PATHS["chat"], chat_body("m"), key="gy-narrow-key").status, 200)
        self.assertEqual(self.ask(PATHS["chat"], chat_body("hidden/m"), key="gy-narrow-key").status, 200)
        self.upstream.forget()
        self.assertEqual(self.ask(PATHS["messages"], messages_body("claude"), key="gy-narrow-key").status, 403)
        self.assertEqual(self.ask(PATHS["chat"], chat_body("nick"), key="gy-narrow-key").status, 403)
        self.assertEqual(self.upstream.records, [])

    def test_cors(self):
        preflight = (b"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: x\r\nOrigin: %s\r\nAccess-Control-Request-Method: POST\r\n"
                     b"Access-Control-Request-Headers: authorization,content-type\r\n\r\n")
        reply = self.raw(preflight % b"https://app.example")
        self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]), (204, "https://app.example"))
        self.assertEqual(reply.headers["access-control-allow-headers"], "authorization,content-type")
        reply = self.raw(preflight % b"https://evil.example")
        self.assertEqual(reply.status, 405)
        self.assertNotIn("access-control-allow-origin", reply.headers)
        reply = self.chat("m", headers=[("Origin", "https://app.example")])
        self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]), (200, "https://app.example"))
        self.assertNotIn("access-control-allow-origin", self.chat("m", headers=[("Origin", "https://evil.example")]).headers)


class Framing(Case):
    def test_pipelined_requests_are_answered_in_order(self):
        with self.gateway.client() as client:
            requests = [post_bytes(PATHS["chat"], chat_body("m")), post_bytes(PATHS["messages"], messages_body("none")),
                        request_bytes("/v1/models", None, [("Authorization", "Bearer " + KEY)]),
                        post_bytes("/v1/chat/nothing", {})] * 25
            client.send(b"".join(requests))
            self.assertEqual([client.read().status for _ in requests], [200, 404, 200, 404] * 25)

    def test_one_connection_carries_many_requests(self):
        with self.gateway.client() as client:
            for _ in range(200):
                self.assertEqual(client.ask(PATHS["chat"], chat_body("m")).status, 200)

    def test_every_split_of_a_request(self):
        data = post_bytes(PATHS["chat"], chat_body("m"))
        with self.gateway.client() as client:
            for at in range(1, len(data)):
                client.send(data[:at])
                if at % 16 == 0:
                    time.sleep(0.0005)
                client.send(data[at:])
                self.assertEqual(client.read().status, 200, at)

    def test_chunked_bodies(self):
        body = json.dumps(chat_body("m")).encode()
        head = ("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n"
                % KEY).encode()
        for size in (1, 7, 1000):
            chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size]) for i in range(0, len(body), size))
            reply = self.raw(head + chunks + b"0\r\nAuthorization: Bearer other\r\n\r\n")
            self.assertEqual(reply.status, 200)

    def test_expect_continue(self):
        data = post_bytes(PATHS["chat"], chat_body("m"), headers=[("Expect", "100-continue")])
        at = data.index(b"\r\n\r\n") + 4
        with self.gateway.client() as client:
            client.send(data[:at])
            self.assertEqual(client.read_head().status, 100)
            client.send(data[at:])
            self.assertEqual(client.read().status, 200)
        refused = data.replace(KEY.encode(), b"gy-wrong-key!")
        with self.gateway.client() as client:  # no body is asked for that nobody wants
            client.send(refused[:refused.index(b"\r\n\r\n") + 4])
            self.assertEqual(client.read_head().status, 401)

    def test_smuggling_is_refused_and_never_reaches_a_provider(self):
        smuggled = post_bytes(PATHS["chat"], chat_body("m"))
        start = b"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
        self.upstream.forget()
        for name, data in (
                ("both lengths", start + b"Host: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                ("two lengths", start + b"Host: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"),
                ("gzip, chunked", start + b"Host: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
                ("no host", start + b"Content-Length: 0\r\n\r\n"), ("two hosts", start + b"Host: x\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
                ("chunked in 1.0", start.replace(b"1.1", b"1.0") + b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                ("space before colon", start + b"Host: x\r\nContent-Length : 0\r\n\r\n"),
                ("bare CR", start + b"Host: x\rX: y\r\nContent-Length: 0\r\n\r\n"),
                ("folded", start + b"Host: x\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
                ("negative", start + b"Host: x\r\nContent-Length: -1\r\n\r\n"),
                ("chunk size", start + b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n"),
                ("http 2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ("version", start.replace(b"HTTP/1.1", b"HTTP/1.2") + b"Host: x\r\n\r\n")):
            with self.gateway.client(wait=3) as client:
                client.send(data + smuggled)
                reply = client.read()
                self.assertTrue(reply is None or 400 <= reply.status < 600, name)
                ended, rest = client.wait_closed(3)
                self.assertNotEqual(ended, "timeout", name)
                self.assertNotIn(b"HTTP/1.1 200", rest, name)
        self.assertEqual(self.upstream.records, [])

    def test_no_tunnel(self):
        upgrade = post_bytes(PATHS["chat"], chat_body("m"), headers=[("Connection", "Upgrade"), ("Upgrade", "websocket")])
        self.assertEqual(self.raw(upgrade).status, 200)
        reply = self.raw(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
        self.assertTrue(reply is None or reply.status >= 400)

    def test_http_1_0(self):
        data = post_bytes(PATHS["chat"], chat_body("m")).replace(b"HTTP/1.1", b"HTTP/1.0")
        with self.gateway.client() as client:
            client.send(data)
            _, raw = client.wait_closed()
        self.assertIn(b" 200 ", raw)


class Json(Case):
    """The client's bytes reach a provider of the same protocol as they are."""

    def test_bytes_pass_unchanged(self):
        odd = [b'"x": 1e400', b'"x": 123456789012345678901234567890.10', b'"x": "\\ud800"', b'"x": "\\udc00\\ud800"', b'"x": "\\u0000"',
               b'"x": -0.0', b'"x": "\xe2\x80\xa8"', b'"x" : [ ],"y":{ }', b'"seed": 9007199254740993', b'"x": 1, "x": 2']
        for text in odd:
            self.upstream.forget()
            body = b'{ "messages" : [{"role":"user","content":"hi"}],' + text + b', "model":"m" }'
            self.assertEqual(self.ask(PATHS["chat"], body).status, 200, text)
            self.assertEqual(self.upstream.records[-1].body, body, text)

    def test_the_model_is_replaced_and_nothing_else(self):
        self.upstream.forget()
        body = b'{"x":"nick","model" : "ni\\u0063k","messages":[{"role":"user","content":"model nick"}]}'
        self.assertEqual(self.ask(PATHS["chat"], body).status, 200)
        self.assertEqual(self.upstream.records[-1].body, body.replace(b'"ni\\u0063k"', b'"m"'))

    def test_bad_utf8(self):
        for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"):
            body = b'{"model":"m","messages":[{"role":"user","content":"' + bad + b'"}]}'
            for path in (PATHS["chat"], PATHS["messages"]):
                self.assertIn(self.ask(path, body).status, (200, 400), bad)
        self.assertEqual(self.ask(PATHS["chat"], b'{"model":"\xff"}').status, 400)

    def test_lone_surrogates_and_big_numbers_survive_translation_or_are_refused(self):
        for text in (b'"\\ud800"', b'"\\u0000x"', b'"\\udc00"'):
            body = b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":' + text + b'}]}'
            reply = self.ask(PATHS["messages"], body)
            self.assertIn(reply.status, (200, 400), reply.body)
        tools = b'[{"name":"f","input_schema":{"type":"object","properties":{},"maximum":123456789012345678901234567890,"required":[]}}]'
        self.upstream.forget()
        body = b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}],"tools":' + tools + b'}'
        self.assertEqual(self.ask(PATHS["messages"], body).status, 200)
        self.assertIn(b'123456789012345678901234567890', self.upstream.records[-1].body)
        self.assertIn(b'"required":[]', self.upstream.records[-1].body)


class Dropped(Case):
    def test_what_a_provider_cannot_take_is_named(self):
        reply = self.ask(PATHS["chat"], chat_body("claude", seed=3, logit_bias={"1": 2}, max_tokens=5))
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(set(reply.headers["x-gateyes-dropped"].split(", ")), {"seed", "logit_bias"})
        self.assertEqual(set(self.gateway.row(reply.id)["dropped"].split(", ")), {"seed", "logit_bias"})

    def test_names_of_speakers(self):
        messages = [{"role": "user", "name": "ann", "content": "Hello"}]
        reply = self.ask(PATHS["chat"], chat_body("claude", messages=messages))
        self.assertEqual(reply.headers["x-gateyes-dropped"], "messages.name")

    def test_strict(self):
        config = dict(self.gateway.config, strict=True)
        self.gateway.reload(config)
        self.upstream.forget()
        reply = self.ask(PATHS["chat"], chat_body("claude", seed=3, logit_bias={"1": 2}, max_tokens=5))
        self.assertEqual(reply.status, 400)
        for name in ("seed", "logit_bias"):
            self.assertIn(name, reply.error()["message"])
        self.assertEqual(self.upstream.records, [])
        self.assertEqual(self.ask(PATHS["chat"], chat_body("m", seed=3)).status, 200)
        self.gateway.reload(dict(self.gateway.config))


del Case  # has no tests of its own
if __name__ == "__main__":
    unittest.main()
