"""Personal data through the binary: the same verdict for the same words in every protocol, native and translated, as
JSON and as streams however they are cut; and what must not leave does not."""
import json
import os
import re
import shutil
import tempfile
import unittest

from compliance_support import ALL_PATHS, cut, play, read_stream, read_whole, request_body
from harness import GatewayCase, Port
from streams import has_error_event
from upstream import Upstream

STRIDE = int(os.environ.get("GATEYES_STRIDE", "1"))
MAIL, OTHER, CARD = "jane.canary@corp-mail.de", "joe.canary@other-mail.de", "4111 1111 1111 1111"
CALL = json.dumps({"to": OTHER, "card": 4111111111111111, "n": 1})
TENANTS = {
    "mask": '{ name = "pii" }',
    "token": '{ name = "pii", action = "token", output = "none" }',
    "stop": '{ name = "pii", action = "none", output = "block" }',
    "refuse": '{ name = "pii", action = "block" }, "secrets"',
    "later": '{ name = "pii", action = "local", models = { "mix*" } }, { name = "pii", models = { "masked-*" } }',
    "home": '{ name = "pii", action = "local" }',
    "all": '"pii", "secrets", { name = "keywords", lists = { labels = { "bluebird" } } }, "residency", "prompt_injection"',
}
PROVIDERS = {"o": "openai", "a": "anthropic", "r": "openai_responses"}
PAIRS = [(dialect, provider) for dialect in ("chat", "messages", "responses") for provider in PROVIDERS]
PAIRS.append(("completions", "o"))
NATIVE = [("chat", "o"), ("messages", "a"), ("responses", "r"), ("completions", "o")]


class Compliance(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-compliance-")
        cls.upstream, cls.dead = Upstream(), Port()
        for tenant, policies in TENANTS.items():
            os.makedirs(os.path.join(cls.root, tenant))
            with open(os.path.join(cls.root, tenant, "tenant.lua"), "w") as file:
                file.write("return { policies = { %s } }" % policies)
        cls.upstream.plays["m"] = lambda record: cls.answer(record)
        providers = {name: {"adapter": adapter, "residency": "cloud",
                            "base_url": cls.upstream.url + ("" if name == "a" else "/v1")}
                     for name, adapter in PROVIDERS.items()}
        providers["gpu"] = {"adapter": "openai", "base_url": "http://%s/v1" % cls.dead.text, "residency": "local"}
        models = {name: {"targets": [name + "/m"]} for name in PROVIDERS}
        models.update({"masked-" + name: {"targets": [name + "/m"]} for name in PROVIDERS})
        models["mixed"] = {"targets": ["o/m", "gpu/m"]}
        models["failing"] = {"targets": ["gpu/m", "o/m"]}
        return {"tenants": cls.root, "providers": providers, "models": models, "scripts": {"cpu": "100ms", "wall": "2s"},
                "keys": [{"name": tenant, "key": "gy-" + tenant + "-key-1", "tenant": tenant} for tenant in TENANTS]}

    @classmethod
    def end(cls):
        with open(cls.gateway.log_path) as log:
            text = cls.gateway.process_log() + log.read() + cls.gateway.get_admin("/metrics")[1]
        super().end()
        shutil.rmtree(cls.root)
        cls.upstream.close()
        cls.dead.close()
        for value in ("canary@", CARD, "4111111111111111"):
            if value in text:
                raise AssertionError("a value is in the logs or the metrics: " + text[max(0, text.index(value) - 200):][:400])

    text, call, sizes = "", "", 1

    @classmethod
    def answer(cls, record):
        """{T} in the text is the token that the request has in the place of the address."""
        token = re.search(r"\[EMAIL_[0-9a-f]{8}\]", record.body.decode())
        return play(record, cls.text.replace("{T}", token.group() if token else "{T}"),
                    cls.call.replace("{T}", token.group() if token else "{T}"), cls.sizes)

    def send(self, tenant, dialect, model, text="hi", stream=False, **fields):
        headers = fields.pop("headers", ())
        return self.ask(ALL_PATHS[dialect], request_body(dialect, model, text, stream, **fields), headers,
                        key="gy-" + tenant + "-key-1")

    def said(self, dialect, reply, stream):
        self.assertEqual(200, reply.status, reply.body)
        return (read_stream if stream else read_whole)(dialect, reply)

    def everywhere(self, tenant, text, call, wanted, asked="hi"):
        """JSON, and streams cut in several ways, by every pair of protocol and provider."""
        cls = type(self)
        cls.text = text
        for dialect, provider in PAIRS:
            cls.call = call if dialect != "completions" else ""
            for sizes in (0, 1, 2, 5, 1000):
                cls.sizes = sizes
                with self.subTest(tenant=tenant, dialect=dialect, provider=provider, sizes=sizes):
                    reply = self.send(tenant, dialect, provider, asked, sizes > 0)
                    said, arguments = self.said(dialect, reply, sizes > 0)
                    self.assertEqual(wanted[0], said)
                    self.assertEqual(json.loads(wanted[1]) if cls.call else "",
                                     json.loads(arguments) if cls.call else arguments)

    def test_masks(self):
        wanted = json.dumps({"to": "[EMAIL]", "card": "[PAYMENT_CARD]", "n": 1})
        self.everywhere("mask", "Ask %s, card %s." % (OTHER, CARD), CALL, ("Ask [EMAIL], card [PAYMENT_CARD].", wanted))

    def test_tokens(self):
        call = json.dumps({"to": "{T}", "n": 1})
        self.everywhere("token", "To {T} and [EMAIL_ and {T}", call,
                        ("To %s and [EMAIL_ and %s" % (MAIL, MAIL), call.replace("{T}", MAIL)), "mail " + MAIL)
        self.assertNotIn("canary", "".join(record.body.decode() for record in self.upstream.requests("m")))

    def test_every_cut(self):
        """Two pieces, cut at each place, in each protocol without translation."""
        cls = type(self)
        cls.text, cls.call = "It is %s, joe [%s]" % (CARD, OTHER), ""
        for dialect, provider in NATIVE:
            for at in range(1, len(cls.text), STRIDE):
                cls.sizes = [at]
                reply = self.send("mask", dialect, provider, "hi", True)
                self.assertEqual(("It is [PAYMENT_CARD], joe [[EMAIL]]", ""), self.said(dialect, reply, True), (dialect, at))

    def test_blocks_replies(self):
        cls = type(self)
        cls.text, cls.call = "Well, it is %s, then. " % CARD + "And more. " * 20, ""
        for dialect, provider in PAIRS:
            with self.subTest(dialect=dialect, provider=provider):
                reply = self.send("stop", dialect, provider)
                self.assertEqual(403, reply.status, reply.body)
                self.assertNotIn(b"4111", reply.body)
                for sizes in (1, 3, 1000):
                    cls.sizes = sizes
                    reply = self.send("stop", dialect, provider, "hi", True)
                    self.assertNotIn(b"4111", reply.body)
                    self.assertNotIn(b"And more", reply.body)
                    if reply.status == 200 and dialect != "completions":
                        self.assertTrue(has_error_event(dialect, reply), reply.body)
                row = self.gateway.row(reply.id)
                self.assertGreater(row["usage"]["output"] if "usage" in row else row["output_tokens"], 0, row)

    def test_blocks_requests(self):
        for dialect, provider in PAIRS:
            for stream in (False, True):
                self.upstream.forget()
                reply = self.send("refuse", dialect, provider, "my card is " + CARD, stream)
                self.assertEqual(403, reply.status)
                self.assertIn("pii_blocked", reply.body.decode() + self.gateway.row(reply.id).get("error_code", "pii_blocked"))
                self.assertEqual([], self.upstream.requests("m"))
        reply = self.ask("/v1/embeddings", {"model": "o", "input": ["x", MAIL]}, key="gy-refuse-key-1")
        self.assertEqual(403, reply.status)
        self.assertEqual([], self.upstream.requests("m"))

    def test_stored_responses(self):
        cls = type(self)
        cls.text, cls.call, cls.sizes = "Ask " + OTHER, "", 3
        for provider in PROVIDERS:
            for stream in (False, True):
                reply = self.send("mask", "responses", provider, "hi", stream, store=True)
                body = reply.objects()[-1]["response"] if stream else reply.json()
                with self.gateway.client() as client:
                    stored = client.get("/v1/responses/" + body["id"], key="gy-mask-key-1")
                self.assertEqual(200, stored.status)
                self.assertNotIn("canary", stored.body.decode())
                self.assertIn("Ask [EMAIL]", stored.body.decode())

    def test_history_is_looked_at(self):
        """What an earlier response holds is part of the next request."""
        cls = type(self)
        cls.text, cls.call, cls.sizes = "fine", "", 3
        for provider in PROVIDERS:
            for stream in (False, True):
                first = self.send("later", "responses", provider, "I am " + MAIL, store=True).json()
                more = {"previous_response_id": first["id"]}
                self.upstream.forget()
                reply = self.send("later", "responses", "mixed", "and now?", stream, **more)
                self.assertEqual(503, reply.status, reply.body)
                self.assertEqual([], self.upstream.requests("m"))
                reply = self.send("later", "responses", "masked-" + provider, "and now?", stream, **more)
                self.assertEqual(200, reply.status, reply.body)
                body = self.upstream.requests("m")[0].body.decode()
                self.assertIn("I am [EMAIL]", body)
                self.assertNotIn("canary", body)
                if provider == "r":
                    final = reply.objects()[-1]["response"] if stream else reply.json()
                    self.assertEqual(first["id"], final["previous_response_id"])

    def test_stays_local(self):
        """The local pool is down: a clear refusal, and not a byte to the cloud, in this request or later ones."""
        cls = type(self)
        cls.text, cls.call, cls.sizes = "fine", "", 3
        for dialect in ("chat", "messages", "responses"):
            for model in ("mixed", "failing"):
                for stream in (False, True):
                    self.upstream.forget()
                    session = [("x-session-id", "%s-%s-%s" % (dialect, model, stream))]
                    self.assertEqual(200, self.send("home", dialect, "mixed", "hi", stream, headers=session).status)
                    self.assertEqual(1, len(self.upstream.requests("m")))
                    self.upstream.forget()
                    for text in ("I am " + MAIL, "and now?"):
                        reply = self.send("home", dialect, model, text, stream, headers=session)
                        self.assertEqual(503, reply.status, reply.body)
                        self.assertIn("within residency local", reply.body.decode())
                    self.assertEqual([], self.upstream.requests("m"))

    def test_trace(self):
        cls = type(self)
        cls.text, cls.call, cls.sizes = "Ask " + OTHER, "", 3
        reply = self.send("all", "chat", "o", "mail " + OTHER, headers=[("x-gateyes-trace", "1")])
        self.assertNotIn("canary", str(reply.headers))
        trace = json.dumps(self.gateway.row(reply.id)["trace"])
        self.assertRegex(trace, r"mask email count=1 at user/1@6 [0-9a-f]{12}")
        self.assertNotIn("canary", trace)


if __name__ == "__main__":
    unittest.main()
