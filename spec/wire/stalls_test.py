"""Providers that fall silent: three timers, and comments for the client that waits."""
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from harness import SLACK, GatewayCase, chat_body, messages_body, wait_for
from streams import BODIES, FRAMES, PATHS, has_error_event, is_complete, sse
from upstream import CHUNKED, STALL, Upstream, chunk, head, stream, whole

FIRST = len(FRAMES["chat"][0]) + len(FRAMES["chat"][1])
# Far enough apart that a wrong timer shows.
TIMERS = {"head": 0.4 * SLACK, "first_token": 0.8 * SLACK, "idle": 1.3 * SLACK, "total": 3 * SLACK}
EARLY, LATE = 0.02, 0.1 + 0.15 * SLACK

STALLS = {
    "stall-head": ([STALL], "head", "upstream_head_timeout"),
    "stall-first": ([head() + CHUNKED, STALL], "first_token", "upstream_first_token_timeout"),
    "stall-role": ([head() + CHUNKED + chunk(FRAMES["chat"][0]), STALL], "first_token", "upstream_first_token_timeout"),
    "stall-mid": ([head() + CHUNKED + chunk(BODIES["chat"][:FIRST]), STALL], "idle", "upstream_idle_timeout"),
}


class Stalls(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {name: acts for name, (acts, _, _) in STALLS.items()}
        cls.upstream.plays["good"] = [stream(BODIES["chat"])]
        cls.upstream.plays["slow-whole"] = [head(200, "application/json") + b"Content-Length: 9\r\n\r\n{", STALL]
        cls.upstream.plays["commented"] = lambda _: (
            [head() + CHUNKED] + [chunk(b": hm\n\n"), 0.1 * SLACK] * 20 + [STALL])
        models = {name: {"targets": ["o/" + name]} for name in cls.upstream.plays}
        for name in STALLS:
            models[name + "-then-good"] = {"targets": ["o/" + name, "o/good"]}
            models[name + "-again"] = {"targets": ["o/" + name]}
        models["patient"] = {"targets": ["o/stall-first"], "first_token": TIMERS["first_token"] + 1.0 * SLACK}
        models["own-timer"] = {"targets": ["quick/stall-head"]}
        url = cls.upstream.url + "/v1"
        providers = {"o": {"adapter": "openai", "base_url": url},
                     "quick": {"adapter": "openai", "base_url": url, "timeouts": {"head": 0.15 * SLACK}}}
        return {"providers": providers, "models": models, "upstream": TIMERS, "limits": {"retry_min": 100}}

    def timed(self, path, body):
        started = time.monotonic()
        reply = self.ask(path, body)
        return reply, time.monotonic() - started

    def check_time(self, took, wanted):
        self.assertGreater(took, wanted - EARLY)
        self.assertLess(took, wanted + LATE)

    def check_closed(self, model, reply_at):
        record = wait_for(lambda: self.upstream.requests(model), 1)[-1]
        wait_for(lambda: record.left_at, 2, "the provider's connection to be closed")
        self.assertLess(record.left_at - reply_at, 0.1 * SLACK)

    def stall(self, path, body, name):
        acts, timer, code = STALLS[name]
        reply, took = self.timed(path, body)
        self.check_time(took, TIMERS[timer])
        self.check_closed(name, time.monotonic())
        row = self.gateway.row(reply.id)
        self.assertEqual(row["failure"], code)
        if name == "stall-mid":
            self.assertEqual(reply.status, 200)
            self.assertFalse(is_complete("chat" if "chat" in path else "messages", reply))
            self.assertEqual((row["status"], row["usage_source"]), (200, "estimated"))
            self.assertGreater(row["output_tokens"], 0)
        elif name == "stall-role":  # no other target could have taken over, so the role was passed on at once
            self.assertTrue(has_error_event("chat" if "chat" in path else "messages", reply))
        else:
            self.assertEqual((reply.status, reply.error()["code"]), (504, code))
        return reply

    def test_each_stall_in_chat(self):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: self.stall(PATHS["chat"], chat_body(name, True), name), STALLS))

    def test_each_stall_translated_to_messages(self):
        with ThreadPoolExecutor(4) as pool:
            replies = pool.map(lambda name: self.stall(PATHS["messages"], messages_body(name, True), name), STALLS)
            for reply in replies:
                if reply.status == 200:
                    self.assertTrue(has_error_event("messages", reply))
                else:
                    self.assertEqual(reply.error()["type"], "timeout_error")

    def test_another_target_takes_over_only_before_content(self):
        def run(name):
            reply, took = self.timed(PATHS["chat"], chat_body(name + "-then-good", True))
            self.check_time(took, TIMERS[STALLS[name][1]])
            if name == "stall-mid":
                self.assertTrue(has_error_event("chat", reply))
                self.assertEqual(reply.text(), "w00 ")
                return
            self.assertTrue(is_complete("chat", reply), reply.body)
            self.assertEqual(reply.body, BODIES["chat"].replace(FRAMES["chat"][-2], b""))
            row = self.gateway.row(reply.id)
            self.assertEqual([a.get("failure") for a in row["attempts"]], [STALLS[name][2], None])
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, STALLS))

    def test_a_model_and_a_provider_may_have_timers_of_their_own(self):
        reply, took = self.timed(PATHS["chat"], chat_body("patient", True))
        self.check_time(took, TIMERS["first_token"] + 1.0 * SLACK)
        self.assertEqual(reply.error()["code"], "upstream_first_token_timeout")
        reply, took = self.timed(PATHS["chat"], chat_body("own-timer", True))
        self.check_time(took, 0.15 * SLACK)
        self.assertEqual(reply.error()["code"], "upstream_head_timeout")

    def test_a_body_that_stops_half_way(self):
        reply, took = self.timed(PATHS["chat"], chat_body("slow-whole"))
        self.check_time(took, TIMERS["idle"])
        self.assertEqual((reply.status, reply.error()["code"]), (504, "upstream_idle_timeout"))

    def test_comments_are_no_first_token(self):
        reply, took = self.timed(PATHS["chat"], chat_body("commented", True))
        self.check_time(took, TIMERS["first_token"])
        self.assertEqual(reply.error()["code"], "upstream_first_token_timeout")


class NotTaking(GatewayCase):
    """Providers that leave our body in their socket."""

    @classmethod
    def configuration(cls):
        url = "http://127.0.0.1:%d/" % cls.mock.port
        return {"providers": {"never": {"adapter": "openai", "base_url": url + "mock=read=never/v1"},
                              "slow": {"adapter": "openai", "base_url": url + "mock=read=slow;read_bytes=262144;read_ms=50/v1"},
                              "early": {"adapter": "openai", "base_url": url + "mock=early;status=413/v1"}},
                "models": {name: {"targets": [name + "/m"]} for name in ("never", "slow", "early")},
                "upstream": {"idle": TIMERS["idle"], "head": 5 * SLACK}}  # the kernel takes much of a body before they do

    def big(self, model, size=4 << 20):
        return chat_body(model, messages=[{"role": "user", "content": "x" * size}])

    def test_a_body_that_nobody_takes(self):
        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: self.ask(PATHS["chat"], self.big("never")), range(8)))
        self.assertEqual({(r.status, r.error()["code"]) for r in replies}, {(504, "upstream_idle_timeout")})
        self.assertLess(time.monotonic() - started, TIMERS["idle"] + 2 * SLACK)

    def test_a_body_that_is_taken_slowly_is_no_stall(self):
        reply = self.ask(PATHS["chat"], self.big("slow", 1 << 20))
        self.assertEqual(reply.status, 200, reply.body)

    def test_an_answer_before_the_body_has_gone(self):
        self.assertEqual(self.ask(PATHS["chat"], self.big("early")).status, 413)


class SlowReaders(GatewayCase):
    """The end of a stream arrives while its client has not taken what came before."""

    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        delta = sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x" * 4000}},
                    "content_block_delta")
        # The client's buffers are full after a length that is not known: some of these fill them with the last read.
        # The framing ends later than the stream.
        cls.names = ["m%d" % i for i in range(40)]
        for i, name in enumerate(cls.names):
            frames = FRAMES["messages"]
            cls.upstream.plays[name] = [head() + CHUNKED + chunk(b"".join(frames[:3] + [delta] * 2 * i + frames[3:])), 0.3,
                                        b"0\r\n\r\n"]
        return {"providers": {"a": {"adapter": "anthropic", "base_url": cls.upstream.url}},
                "limits": {"write_high": 4096, "write_low": 1024},
                "models": {name: {"targets": ["a/" + name]} for name in cls.names}}

    def test_nothing_stays_open(self):
        clients = [self.gateway.client(receive_bytes=4096) for _ in self.names]
        for client, name in zip(clients, self.names):
            client.post(PATHS["chat"], chat_body(name, True))
        time.sleep(0.3)
        for client in clients:
            self.assertTrue(is_complete("chat", client.read()))
            client.close()
        wait_for(lambda: self.gateway.exchanges() == [], 5, "the requests to be over")


class Pings(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {
            "slow": [0.5, head() + CHUNKED + chunk(BODIES["chat"][:FIRST]), 0.5, chunk(BODIES["chat"][FIRST:]) + b"0\r\n\r\n"],
            "fails": [0.5, whole({"error": {"message": "no"}}, 500)],
            "slow-anthropic": [0.5, stream(BODIES["messages"])],
        }
        models = {"slow": {"targets": ["o/slow"]}, "failing": {"targets": ["o/fails", "o/slow"]},
                  "lost": {"targets": ["o/fails"]}, "claude": {"targets": ["a/slow-anthropic"]}}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"},
                              "a": {"adapter": "anthropic", "base_url": cls.upstream.url}},
                "models": models, "ping": "100ms"}

    def pings(self, reply):
        return [at for at, data in reply.pieces if data.startswith(b":")]

    def test_comments_while_waiting_and_between_tokens(self):
        reply = self.chat("slow", True)
        self.assertTrue(is_complete("chat", reply))
        first = next(at for at, data in reply.pieces if b"w00" in data)
        self.assertGreaterEqual(sum(at < first for at in self.pings(reply)), 2)
        self.assertGreaterEqual(sum(at > first for at in self.pings(reply)), 2)
        self.assertEqual(b"".join(data for _, data in reply.pieces if not data.startswith(b":")),
                         BODIES["chat"].replace(FRAMES["chat"][-2], b""))

    def test_another_target_may_still_take_over(self):
        reply = self.chat("failing", True)
        self.assertTrue(is_complete("chat", reply))
        self.assertGreaterEqual(len(self.pings(reply)), 4)
        self.assertEqual(len(self.gateway.row(reply.id)["attempts"]), 2)

    def test_a_failure_after_pings_is_an_error_event(self):
        for path, body, dialect in ((PATHS["chat"], chat_body("lost", True), "chat"),
                                    (PATHS["messages"], messages_body("lost", True), "messages")):
            reply = self.ask(path, body)
            self.assertEqual(reply.status, 200)
            self.assertTrue(has_error_event(dialect, reply), reply.body)
            self.assertFalse(is_complete(dialect, reply))

    def test_messages(self):
        reply = self.messages("claude", True)
        self.assertGreaterEqual(len(self.pings(reply)), 2)
        self.assertTrue(is_complete("messages", reply))


if __name__ == "__main__":
    unittest.main()
