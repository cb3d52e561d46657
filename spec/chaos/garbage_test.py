"""Bytes that are no requests, and requests that are damaged, for some seconds."""
import json
import random
import threading
import time
import unittest

from harness import GatewayCase, chat_body, messages_body, post_bytes, responses_body, wait_for
from streams import BODIES, PATHS, is_complete
from upstream import CHUNKED, FIN, Upstream, chunk, head, stream

SECONDS = 4


class Garbage(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {"m": [stream(BODIES["chat"])], "claude": [stream(BODIES["messages"])], "damaged": cls.damaged}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"},
                              "a": {"adapter": "anthropic", "base_url": cls.upstream.url}}, "workers": 2,
                "models": {"m": {"targets": ["o/m"]}, "claude": {"targets": ["a/claude"]},
                           "odd-o": {"targets": ["o/damaged"]}, "odd-a": {"targets": ["a/damaged"]}}, "limits": {"retry_min": 1000}}

    @classmethod
    def damaged(cls, record):
        """A provider's stream with some bytes changed, taken out or put in; the seed is the client's."""
        dice = random.Random(record.headers["idempotency-key"])
        body = cls.damage(BODIES["messages" if record.path.endswith("messages") else "chat"], dice)
        if dice.random() < 0.2:
            return [cls.damage(stream(body), dice), FIN]
        return [head() + CHUNKED + chunk(body) + b"0\r\n\r\n", FIN]

    @staticmethod
    def damage(data, dice):
        data = bytearray(data)
        for _ in range(dice.choice((1, 1, 2, 5, 20))):
            at = dice.randrange(len(data))
            kind = dice.randrange(4)
            if kind == 0:
                data[at] = dice.randrange(256)
            elif kind == 1:
                del data[at:at + dice.choice((1, 3, 40))]
            elif kind == 2:
                data[at:at] = dice.choice((b"\r\n", b"\n\n", b"\x00", b"{", b'"', b"[" * 300, b"9" * 400, b"\xff\xfe", b"data: "))
            else:
                data[at:at] = data[at:at + 50]
            if not data:
                data = bytearray(b"x")
        return bytes(data)

    def for_some_seconds(self, one_round, threads=4):
        end, errors = time.monotonic() + SECONDS, []

        def run(seed):
            dice = random.Random(seed)
            while time.monotonic() < end:
                try:
                    one_round(dice)
                except (OSError, ValueError, IndexError):
                    pass  # the client's side of damaged answers; what counts is that the gateway lives
                except AssertionError as error:
                    errors.append(error)
        workers = [threading.Thread(target=run, args=(seed,)) for seed in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(errors, [])
        self.assertIsNone(self.gateway.process.poll(), self.gateway.process_log()[-2000:])
        # A pooled connection may be one that the damage has closed: that request fails, the next one does not.
        wait_for(lambda: is_complete("chat", self.chat("m", True)), 5, "a whole answer")
        wait_for(lambda: self.gateway.exchanges() == [], 15)

    def test_noise(self):
        def one_round(dice):
            with self.gateway.client(wait=0.02) as client:
                client.send(bytes(dice.randrange(256) for _ in range(dice.choice((1, 10, 1000, 70000)))))
                client.receive()
        self.for_some_seconds(one_round)

    def test_damaged_requests(self):
        whole = [post_bytes(PATHS["chat"], chat_body("m", True)), post_bytes(PATHS["messages"], messages_body("m", True)),
                 post_bytes(PATHS["responses"], responses_body("claude", True)), post_bytes(PATHS["chat"], chat_body("claude"))]

        def one_round(dice):
            with self.gateway.client(wait=0.02) as client:
                data = self.damage(dice.choice(whole), dice) + dice.choice(whole)
                at = dice.randrange(len(data))
                client.send(data[:at])
                client.send(data[at:])
                client.receive()
        self.for_some_seconds(one_round)

    def test_damaged_bodies(self):
        """The head is right, so that the damage reaches JSON and translation."""
        bodies = [(PATHS["chat"], chat_body("claude", True, max_tokens=5, tools=[{"type": "function", "function": {
                      "name": "f", "parameters": {"type": "object", "properties": {}}}}])),
                  (PATHS["messages"], messages_body("m", True, system=[{"type": "text", "text": "hi"}])),
                  (PATHS["responses"], responses_body("m", True)), (PATHS["responses"], responses_body("claude"))]

        def one_round(dice):
            path, body = dice.choice(bodies)
            with self.gateway.client() as client:
                reply = client.ask(path, self.damage(json.dumps(body).encode(), dice))
                assert reply is not None and reply.status in (200, 400, 404, 502), (reply and (reply.status, reply.body))
                assert reply.status == 200 or json.loads(reply.body)["error"]["message"]
        self.for_some_seconds(one_round)

    def test_damaged_providers(self):
        asks = [(PATHS[dialect], make_body(model, True), dialect)
                for dialect, make_body in (("chat", chat_body), ("messages", messages_body), ("responses", responses_body))
                for model in ("odd-o", "odd-a")]

        def one_round(dice):
            path, body, _ = dice.choice(asks)
            with self.gateway.client() as client:
                reply = client.ask(path, body, [("Idempotency-Key", "%x" % dice.getrandbits(64))])
                assert reply is not None, "no answer at all"
                assert reply.whole, "an answer that breaks off"
                assert reply.status in (200, 502, 503, 400, 429, 500), reply.status
        self.for_some_seconds(one_round)


if __name__ == "__main__":
    unittest.main()
