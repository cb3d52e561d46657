"""A provider that dies: at every byte of a stream, in every protocol, native and translated."""
import os
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from harness import SLACK, GatewayCase, chat_body, messages_body, responses_body
from streams import BODIES, FRAMES, PATHS, WORDS, has_error_event, is_complete
from upstream import CHUNKED, FIN, RST, Upstream, chunk, head

BODY = {"chat": chat_body, "messages": messages_body, "responses": responses_body}
ADAPTERS = {"chat": "openai", "messages": "anthropic", "responses": "openai_responses"}
STEP = int(os.environ.get("GATEYES_STRIDE", "1"))  # slow builds cut at each nth byte


def play(record):
    """Idempotency-Key says where to cut and how: "at-how"."""
    at, how = record.headers["idempotency-key"].split("-")
    dialect = record.json["model"]
    body, at = BODIES[dialect], int(at)
    if how == "half":
        return [head() + CHUNKED + b"%x\r\n" % (at + 100) + body[:at], FIN]
    if how == "clean":
        return [head() + CHUNKED + chunk(body[:at]) + b"0\r\n\r\n"]
    return [head() + CHUNKED + chunk(body[:at]), RST if how == "rst" else FIN]


def frames_before(dialect, at):
    """The provider's frames that are whole within the first at bytes."""
    whole, end = b"", 0
    for frame in FRAMES[dialect]:
        end += len(frame)
        if end > at:
            break
        whole += frame
    return whole


class Cuts(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {name: play for name in BODIES}
        providers = {name: {"adapter": ADAPTERS[name], "base_url": cls.upstream.url + "/v1"} for name in BODIES}
        models = {name: {"targets": ["%s/%s" % (name, name)]} for name in BODIES}
        return {"providers": providers, "models": models, "limits": {"retry_min": 1000}}

    def cut(self, client, dialect, provider, at, how="fin"):
        reply = client.ask(PATHS[dialect], BODY[dialect](provider, True), [("Idempotency-Key", "%d-%s" % (at, how))])
        self.upstream.forget()
        self.assertIsNotNone(reply, (dialect, provider, at, how))
        return reply

    def judge(self, dialect, provider, at, reply):
        where = (dialect, provider, at, reply.status, reply.body[-300:])
        self.assertFalse(is_complete(dialect, reply) if reply.status == 200 else False, where)
        if reply.status == 200:
            self.assertTrue(has_error_event(dialect, reply), where)
        else:
            self.assertEqual(reply.status, 502, where)
            self.assertEqual(reply.error().get("code"), "upstream_cut", where)
        said = reply.text() if reply.status == 200 else ""
        self.assertTrue("".join(WORDS).startswith(said), where)
        whole = frames_before(provider, at)
        expected = sum(("w%02d " % i).encode() in whole for i in range(20))
        self.assertEqual(len(said) // 4, expected, where)
        if dialect == provider and dialect == "messages" and said:
            self.assertTrue(reply.body.startswith(whole), where)

    def sweep(self, dialect, provider):
        body = BODIES[provider]
        # The end mark's last line break may be missing: what the client got is complete without it.
        last = len(body) - len(FRAMES[provider][-1])
        end = {"chat": last + len("data: [DONE]")}.get(provider, len(body) - 2)
        positions = list(range(0, end, STEP))

        def run(part):
            with self.gateway.client() as client:
                for at in part:
                    self.judge(dialect, provider, at, self.cut(client, dialect, provider, at))
        before = len(self.gateway.log())
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, [positions[i::4] for i in range(4)]))
        for row in self.gateway.new_rows(before, len(positions)):
            self.assertEqual(row["failure"], "upstream_cut", row)

    def test_native_chat(self):
        self.sweep("chat", "chat")

    def test_native_messages(self):
        self.sweep("messages", "messages")

    def test_native_responses(self):
        self.sweep("responses", "responses")

    def test_chat_over_anthropic(self):
        self.sweep("chat", "messages")

    def test_messages_over_openai(self):
        self.sweep("messages", "chat")

    def test_responses_over_openai(self):
        self.sweep("responses", "chat")

    def test_ways_to_die_at_each_frame(self):
        """RST, half a chunk, and an HTTP body that ends cleanly without the protocol's end mark."""
        for dialect, provider in (("chat", "chat"), ("messages", "messages"), ("responses", "responses"),
                                  ("messages", "chat"), ("chat", "messages")):
            ends = [len(b"".join(FRAMES[provider][:i])) for i in range(len(FRAMES[provider]))]
            with self.gateway.client() as client:
                for how in ("rst", "half", "clean"):
                    for at in ends[:-3] if provider == "chat" else ends[:-1]:
                        reply = self.cut(client, dialect, provider, at, how)
                        if how == "rst":  # the kernel may throw away what was on its way
                            self.assertFalse(reply.status == 200 and is_complete(dialect, reply))
                            self.assertTrue(reply.status != 200 or has_error_event(dialect, reply))
                        else:
                            self.judge(dialect, provider, at, reply)

    def test_the_row_comes_within_a_second_with_tokens(self):
        at = len(b"".join(FRAMES["chat"][:12]))
        for dialect, provider in (("chat", "chat"), ("messages", "chat"), ("responses", "chat")):
            with self.gateway.client() as client:
                reply = self.cut(client, dialect, provider, at)
            row = self.gateway.row(reply.id, 1.0)
            self.assertEqual(row["usage_source"], "estimated")
            self.assertTrue(3 <= row["output_tokens"] <= 60, row)
            self.assertTrue(1 <= row["input_tokens"] <= 60, row)
        for dialect in ("messages", "chat"):
            with self.gateway.client() as client:
                reply = self.cut(client, dialect, "messages", len(b"".join(FRAMES["messages"][:12])))
            row = self.gateway.row(reply.id, 1.0)
            self.assertEqual(row["input_tokens"], 5, row)  # the provider said so at the start
            self.assertTrue(3 <= row["output_tokens"] <= 60, row)

    def test_the_error_comes_at_once(self):
        at = len(b"".join(FRAMES["chat"][:10]))
        waits = []
        self.upstream.plays["chat"] = lambda _: [head() + CHUNKED + chunk(BODIES["chat"][:at]), 0.1, FIN]
        try:
            for _ in range(10):
                with self.gateway.client() as client:
                    reply = client.ask(PATHS["chat"], chat_body("chat", True))
                waits.append(reply.pieces[-1][0] - reply.pieces[-2][0] - 0.1)
        finally:
            self.upstream.plays["chat"] = play
        self.assertLess(sorted(waits)[5], 0.05 * SLACK)

    def test_after_content_there_is_exactly_one_request(self):
        """Two targets; the first dies after k frames: the second never hears of it."""
        other = dict(self.gateway.config)
        other["models"] = dict(other["models"])
        for k in range(1, 21):
            at = len(b"".join(FRAMES["chat"][:k + 1]))
            name = "first-%d" % k
            other["models"][name] = {"targets": ["chat/" + name, "chat/spare"]}
            self.upstream.plays[name] = [head() + CHUNKED + chunk(BODIES["chat"][:at]), FIN]
        self.gateway.reload(other)
        for k in range(1, 21):
            self.upstream.forget()
            reply = self.chat("first-%d" % k, True)
            self.assertEqual(reply.text(), "".join(WORDS[:k]))
            self.assertTrue(has_error_event("chat", reply))
            time.sleep(0.002)
            self.assertEqual([r.json["model"] for r in self.upstream.records], ["first-%d" % k])


class MidStream(GatewayCase):
    """What providers say themselves in the middle of a stream, and ends without the end mark: 3 protocols over 3."""
    FAULTS = {"error": "error_frame=8", "no-end": "no_done", "cut": "cut_frame=8", "rst": "cut_frame=8;rst", "half": "cut_frame=8;half_chunk",
              "clean": "cut_frame=8;clean"}

    @classmethod
    def configuration(cls):
        models = {"%s-%s" % (provider, fault): {"targets": ["%s/m@frames=20;%s" % (provider, knobs)]}
                  for provider in "oar" for fault, knobs in cls.FAULTS.items()}
        models.update({provider: {"targets": [provider + "/m@frames=20"]} for provider in "oar"})
        return {"providers": cls.mock_providers(), "models": models, "limits": {"retry_min": 100}}

    def test_each_fault_in_each_pair(self):
        for dialect, ask in (("chat", self.chat), ("messages", self.messages), ("responses", self.responses)):
            for provider in "oar":
                good = ask(provider, True)
                self.assertTrue(is_complete(dialect, good))
                for fault in self.FAULTS:
                    where = (dialect, provider, fault)
                    reply = ask("%s-%s" % (provider, fault), True)
                    row = self.gateway.row(reply.id)
                    self.assertEqual(row["failure"], "upstream_error" if fault == "error" else "upstream_cut", where)
                    if reply.status != 200:
                        self.assertIn(fault, ("rst", "error"), where)  # nothing had reached the client
                        continue
                    self.assertFalse(is_complete(dialect, reply), where)
                    self.assertTrue(has_error_event(dialect, reply), (where, reply.body[-300:]))
                    self.assertTrue(good.text().startswith(reply.text()), where)
                    self.assertEqual(row["usage_source"] in ("estimated", "provider"), True, where)
                    self.assertGreater(row["output_tokens"], 0, where)


if __name__ == "__main__":
    unittest.main()
