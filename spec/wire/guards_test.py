"""Guards that are services of their own, over real HTTP: webhook and moderation pass, refuse, replace, fail; on requests
and replies, JSON and streams. And words that are held back while a stream stands still."""
import http.client
import http.server
import json
import os
import shutil
import tempfile
import threading
import time

from harness import KEY, GatewayCase

REPLY = "the answer is fine"


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # the gateway does not wait for a slow guard


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["content-length"])))

    def give(self, status, data, kind="application/json"):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Guard(Handler):
    """What it does is a word of the text it is asked about."""
    asked = []

    def do_POST(self):
        body = self.body()
        Guard.asked.append((self.path, self.headers.get("authorization"), body))
        text = " ".join(t["text"] for t in body["texts"]) if self.path == "/check" else " ".join(body["input"])
        if "SLOW" in text:
            time.sleep(2)
        if "BROKEN" in text:
            return self.give(500, b"{}")
        if "GARBAGE" in text:
            return self.give(200, b"\x00\xff<html>no json", "text/html")
        if "ODD" in text:
            return self.give(200, b'{"action":{"a":[1]},"results":7,"texts":"x"}')
        if "CLOSE" in text:
            return self.connection.close()
        if "HUGE" in text:
            return self.give(200, b'{"action":"pass","message":"' + b"x" * (12 << 20) + b'"}')
        bad = "BAD" in text
        if self.path == "/check":
            answer = {"action": "block" if bad else "pass", "message": "not allowed", "reason": "bad word",
                      "tags": {"seen": body["direction"]}}
            if "CHANGE" in text:
                answer = {"action": "replace", "texts": [t["text"].replace("CHANGE", "changed") for t in body["texts"]]}
        else:
            answer = {"results": [{"flagged": "BAD" in t, "categories": {"violence": "BAD" in t},
                                   "category_scores": {"violence": 0.9 if "BAD" in t else 0.1}} for t in body["input"]]}
        return self.give(200, json.dumps(answer).encode())


class Provider(Handler):
    """Says what the test has put into pieces: text, members of a delta, or an Event to wait for."""
    pieces = [REPLY]
    bodies = []

    def do_POST(self):
        body = self.body()
        Provider.bodies.append(body)
        texts = [p for p in Provider.pieces if isinstance(p, str)]
        if not body.get("stream"):
            reply = {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                     "choices": [{"index": 0, "message": {"role": "assistant", "content": "".join(texts)},
                                  "finish_reason": "stop"}],
                     "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}}
            return self.give(200, json.dumps(reply).encode())
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for piece in Provider.pieces:
            if isinstance(piece, str):
                self.frame({"content": piece})
            elif isinstance(piece, dict):
                self.frame(piece)
            else:
                piece.wait(60)
        self.frame({}, "stop")
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def frame(self, delta, finish=None):
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                 "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.flush()


def serve(handler):
    server = Quiet(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, "http://127.0.0.1:%d" % server.server_address[1]


class Stream:
    """A stream read as it comes."""

    def __init__(self, port, tenant, text):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}
        self.connection.request("POST", "/v1/chat/completions", json.dumps(body),
                                {"authorization": "Bearer gy-%s-key-1" % tenant, "content-type": "application/json"})
        self.reply = self.connection.getresponse()
        self.said, self.called, self.error, self.done = "", "", None, False
        if self.reply.status != 200:
            self.error, self.done = json.loads(self.reply.read())["error"], True

    def step(self):
        line = self.reply.readline().decode().strip()
        if line.startswith("data: [DONE]"):
            self.done = True
        elif line.startswith("data: "):
            event = json.loads(line[6:])
            if "error" in event:
                self.error, self.done = event["error"], True
            for choice in event.get("choices", []):
                self.said += choice["delta"].get("content") or ""
                for call in choice["delta"].get("tool_calls") or []:
                    self.called += call["function"].get("arguments") or ""
        elif not line and self.reply.isclosed():
            self.done = True

    def until(self, wanted):
        while wanted not in self.said and not self.done:
            self.step()
        return self.said

    def rest(self):
        while not self.done:
            self.step()
        self.connection.close()
        return self.said


class Guards(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-guards-")
        cls.guard, url = serve(Guard)
        cls.provider, provider_url = serve(Provider)
        rule = '{ name = "%s", url = "%s", timeout_ms = 1000, on_failure = "%s" }'
        tenants = {"hook": rule % ("webhook", url + "/check", "deny"), "lax": rule % ("webhook", url + "/check", "pass"),
                   "mod": rule % ("moderation", url + "/mod", "deny"),
                   "modlax": rule % ("moderation", url + "/mod", "pass"),
                   "mask": '"pii"', "stop": '{ name = "pii", action = "block" }, { name = "secrets", output = "block" }',
                   "word": '{ name = "keywords", lists = { names = { "project bluebird" } } }'}
        for name, policies in tenants.items():
            os.makedirs(os.path.join(cls.root, "tenants", name))
            with open(os.path.join(cls.root, "tenants", name, "tenant.lua"), "w") as file:
                file.write('return { policies = { %s }, scripts = { wall = "20s" } }' % policies)
        os.makedirs(os.path.join(cls.root, "secrets", "hook"))
        with open(os.path.join(cls.root, "secrets", "hook", "webhook_token"), "w") as file:
            file.write("hush\n")
        return {"tenants": cls.root + "/tenants", "tenant_secrets": cls.root + "/secrets", "tenant_hosts": ["127.0.0.1"],
                "scripts": {"cpu": "500ms", "wall": "20s", "hold": "200ms"},
                "providers": {"o": {"adapter": "openai", "base_url": provider_url + "/v1"}},
                "models": {"m": {"targets": ["o/m"]}},
                "keys": [{"name": name, "key": "gy-%s-key-1" % name, "tenant": name} for name in tenants]}

    @classmethod
    def end(cls):
        super().end()
        for server in (cls.guard, cls.provider):
            server.shutdown()
            server.server_close()
        shutil.rmtree(cls.root)

    def setUp(self):
        Provider.pieces = [REPLY]
        Provider.bodies.clear()
        Guard.asked.clear()

    def whole(self, tenant, text):
        reply = self.ask("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": text}]},
                         key="gy-%s-key-1" % tenant, wait=30)
        body = json.loads(reply.body)
        if reply.status != 200:
            return reply.status, body["error"]["code"]
        return 200, body["choices"][0]["message"]["content"]

    def open(self, tenant, text):
        return Stream(self.gateway.port, tenant, text)

    def test_requests(self):
        for tenant in ("hook", "mod"):
            with self.subTest(tenant=tenant):
                self.assertEqual((200, REPLY), self.whole(tenant, "fine"))
                name = "webhook" if tenant == "hook" else "moderation"
                count = len(Provider.bodies)
                self.assertEqual((403, name + "_blocked"), self.whole(tenant, "BAD"))
                self.assertEqual(count, len(Provider.bodies), "the provider saw a request that was refused")
        self.assertEqual("Bearer hush", next(a for p, a, _ in Guard.asked if p == "/check"))
        self.assertEqual((200, REPLY), self.whole("hook", "CHANGE this"))
        self.assertEqual("changed this", Provider.bodies[-1]["messages"][0]["content"])

    def test_failures(self):
        for word in ("SLOW", "BROKEN", "GARBAGE", "ODD", "CLOSE", "HUGE"):
            for strict, lax, name in (("hook", "lax", "webhook"), ("mod", "modlax", "moderation")):
                with self.subTest(word=word, policy=name):
                    self.assertEqual((503, name + "_unavailable"), self.whole(strict, word))
                    self.assertEqual((200, REPLY), self.whole(lax, word))

    def test_replies(self):
        for tenant, name in (("hook", "webhook"), ("mod", "moderation")):
            with self.subTest(tenant=tenant):
                Provider.pieces = ["this is ", "BAD", " indeed"]
                self.assertEqual((403, name + "_blocked"), self.whole(tenant, "fine"))
                stream = self.open(tenant, "fine")
                self.assertNotIn("BAD", stream.rest())
                self.assertEqual(name + "_blocked", stream.error["code"])
                Provider.pieces = ["this is ", "fine"]
                self.assertEqual((200, "this is fine"), self.whole(tenant, "fine"))
                self.assertEqual("this is fine", self.open(tenant, "fine").rest())
        Provider.pieces = ["to be CHA", "NGEd"]
        self.assertEqual((200, "to be changedd"), self.whole("hook", "fine"))
        self.assertEqual("to be changedd", self.open("hook", "fine").rest())

    def test_failures_on_replies(self):
        for word in ("BROKEN", "GARBAGE", "CLOSE"):
            Provider.pieces = ["it is ", word]
            with self.subTest(word=word):
                self.assertEqual((503, "webhook_unavailable"), self.whole("hook", "fine"))
                stream = self.open("hook", "fine")
                self.assertEqual("", stream.rest())
                self.assertEqual("webhook_unavailable", stream.error["code"])
                self.assertEqual("it is " + word, self.open("lax", "fine").rest())

    def sent(self, tenant, *messages):
        reply = self.ask("/v1/chat/completions", {"model": "m", "messages": list(messages)}, key="gy-%s-key-1" % tenant)
        return reply.status, Provider.bodies[-1]["messages"] if Provider.bodies else None

    def test_values_split_over_parts(self):
        def parts(*texts):
            return {"role": "user", "content": [{"type": "text", "text": t} for t in texts]}
        status, got = self.sent("mask", parts("card 4111 1111", " 1111 1111, thanks"))
        self.assertEqual([200, parts("card [PAYMENT_CARD]", "[PAYMENT_CARD], thanks")], [status] + got)
        status, got = self.sent("mask", parts("card 4111", "1111", "1111", "1111 thanks", "mail jo@corp-mail.de"))
        self.assertEqual([parts(*["card [PAYMENT_CARD]"] + ["[PAYMENT_CARD]"] * 2 + ["[PAYMENT_CARD] thanks", "mail [EMAIL]"])],
                         got)
        long = "x " * 2000
        status, got = self.sent("mask", parts(long + "jane", "@corp-mail.de " + long, "and on"))
        self.assertEqual([parts(long + "[EMAIL]", "[EMAIL] " + long, "and on")], got)
        plain = parts("4111 1111", "and", "1111 1111")
        self.assertEqual((200, [plain]), self.sent("mask", plain))
        Provider.bodies.clear()
        self.assertEqual((403, None), self.sent("stop", parts("card 4111 1111", " 1111 1111")))
        many = parts(*["%d " % (n % 10) for n in range(30000)] + ["4111", "111111111111"])
        status, got = self.sent("mask", many)
        self.assertEqual("[PAYMENT_CARD]", got[0]["content"][-1]["text"])

    def turns(self, tenant, *texts):
        """What the provider sees of a talk in which the user says these texts, and the model a word in between."""
        messages = []
        for text in texts:
            messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "go on, step 2 of 4"}]
        status, got = self.sent(tenant, *messages[:-1])
        return [m["content"] for m in got[::2]] if status == 200 else status

    def test_values_split_over_turns(self):
        cases = [(["my card is 4111 1111", "1111 1111 it goes on", "thanks"],
                  ["my card is [PAYMENT_CARD]", "[PAYMENT_CARD] it goes on", "thanks"]),
                 (["my id is 110101", "199003070011"], ["my id is [CN_RESIDENT_ID]", "[CN_RESIDENT_ID]"]),
                 (["4111", "1111", "1111", "1111."], ["[PAYMENT_CARD]"] * 3 + ["[PAYMENT_CARD]."]),
                 (["\uff14\uff11\uff11\uff11 1111", "\u200b11111111"], ["[PAYMENT_CARD]", "[PAYMENT_CARD]"]),
                 (["x " * 3000 + "4111 1111", "1111 1111" + " y" * 3000],
                  ["x " * 3000 + "[PAYMENT_CARD]", "[PAYMENT_CARD]" + " y" * 3000])]
        for said, wanted in cases:
            with self.subTest(said=said[0][-20:]):
                self.assertEqual(wanted, self.turns("mask", *said))
        self.assertEqual(403, self.turns("stop", "4111 1111", "1111 1111"))
        adjacent = [{"role": "user", "content": "card 4111 1111"}, {"role": "user", "content": "1111 1111"}]
        self.assertEqual([{"role": "user", "content": "card [PAYMENT_CARD]"}, {"role": "user", "content": "[PAYMENT_CARD]"}],
                         self.sent("mask", *adjacent)[1])

    def test_turns_that_hold_no_value(self):
        """Answers to questions, rows of numbers, words that happen to meet."""
        for said in (["35", "72", "94107", "1985"], ["order 4111 1111 for 12 boxes", "1111 1111 is the other"],
                     ["in 2024 we sold 4111", "apples, 1111 1111 1111 of them"], ["5 + 4111", "1111 * 11111112"],
                     ["call 138", "00138000 times"], ["jane", "@channel.com is a place"]):
            with self.subTest(said=said):
                self.assertEqual(said, self.turns("mask", *said))
        rows = ["4111 1111", "1111 1111"]
        status, got = self.sent("mask", {"role": "user", "content": rows[0]}, {"role": "assistant", "content": rows[1]})
        self.assertEqual(rows, [m["content"] for m in got])

    # Words that are held back.

    def stalled(self, tenant, before, wanted, after):
        """What the client reads while the provider stands still behind `before`, and all of it in the end."""
        go_on = threading.Event()
        Provider.pieces = before + [go_on] + after
        stream = self.open(tenant, "hi")
        try:
            said = stream.until(wanted)
            self.assertIn(wanted, said)
        finally:
            go_on.set()
        return said, stream.rest(), stream

    def test_an_ordinary_word_goes_out_in_time(self):
        said, all_of_it, _ = self.stalled("mask", ["ask ", "john"], "john", [" about it"])
        self.assertEqual(("ask john", "ask john about it"), (said, all_of_it))

    def test_the_rest_of_a_value_is_masked(self):
        _, all_of_it, _ = self.stalled("mask", ["ask john"], "john", ["@corp-mail.de", " today"])
        self.assertEqual("ask john[EMAIL] today", all_of_it)

    def test_digits_are_not_shown_in_part(self):
        said, all_of_it, _ = self.stalled("mask", ["card 4111 1111 11"], "[HELD]", ["11 1111, thanks"])
        self.assertEqual("card [HELD]", said)
        self.assertEqual("card [HELD][PAYMENT_CARD], thanks", all_of_it)

    def test_a_whole_value_at_the_end_is_masked_at_once(self):
        said, all_of_it, _ = self.stalled("mask", ["card 4111 1111 1111 1111"], "]", [" thanks"])
        self.assertEqual(("card [PAYMENT_CARD]", "card [PAYMENT_CARD] thanks"), (said, all_of_it))

    def test_a_value_that_is_refused_stays_refused(self):
        said, all_of_it, stream = self.stalled("stop", ["ask john"], "john", ["@corp-mail.de", " today"])
        self.assertEqual(("ask john", "ask john"), (said, all_of_it))
        self.assertEqual("pii_blocked", stream.error["code"])
        said, all_of_it, stream = self.stalled("word", ["about Project Blue"], "Blue", ["bird, that is"])
        self.assertEqual("about Project Blue", all_of_it)
        self.assertEqual("keywords_blocked", stream.error["code"])

    def test_a_guard_is_asked_about_what_is_there(self):
        said, all_of_it, _ = self.stalled("hook", ["first part"], "first part", [" second"])
        self.assertEqual("first part second", all_of_it)


if __name__ == "__main__":
    import unittest
    unittest.main()
