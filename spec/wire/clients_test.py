"""Clients that leave, and clients that never read."""
import random
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from harness import SLACK, GatewayCase, chat_body, post_bytes, responses_body, messages_body, wait_for
from streams import BODIES, FRAMES, PATHS, is_complete
from upstream import CHUNKED, STALL, Upstream, chunk, head, stream

COUNT = 200
FIRST = b"".join(FRAMES["chat"][:11])  # ten words


class Leaving(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {
            "head": [STALL], "first": [head() + CHUNKED + chunk(FRAMES["chat"][0]), STALL],
            "mid": [head() + CHUNKED + chunk(FIRST), STALL], "whole": [STALL],
            "claude": [head() + CHUNKED + chunk(b"".join(FRAMES["messages"][:12])), STALL],
            "good": [stream(BODIES["chat"])],
        }
        models = {name: {"targets": ["o/" + name]} for name in cls.upstream.plays}
        models["claude"] = {"targets": ["a/claude"]}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"},
                              "a": {"adapter": "anthropic", "base_url": cls.upstream.url}}, "models": models}

    def leave(self, model, body, path, seen, nth):
        """Goes away once the provider is where the test wants it; returns how long the provider heard nothing."""
        with self.gateway.client() as client:
            client.post(path, body, [("Idempotency-Key", "%s-%d" % (model, nth))])
            if seen:
                client.read_until(client.read_head(), seen)
            record = wait_for(lambda: next((r for r in self.upstream.requests(model)
                                            if r.headers["idempotency-key"] == "%s-%d" % (model, nth)), None), 5)
            time.sleep(random.random() * 0.005)
            left = time.monotonic()
            if nth % 3 == 0:
                client.reset()
        wait_for(lambda: record.left_at, 5, "the provider's connection to be closed")
        return record.left_at - left

    def test_the_provider_hears_of_it_at_once(self):
        phases = [("head", chat_body("head", True), PATHS["chat"], None), ("first", chat_body("first", True), PATHS["chat"], None),
                  ("mid", chat_body("mid", True), PATHS["chat"], b"w09"), ("whole", chat_body("whole"), PATHS["chat"], None),
                  ("mid", messages_body("mid", True), PATHS["messages"], b"w09"),
                  ("mid", responses_body("mid", True), PATHS["responses"], b"w09"),
                  ("claude", messages_body("claude", True), PATHS["messages"], b"w09")]
        self.chat("good", True)
        fds, before = self.gateway.fds(), len(self.gateway.log())
        with ThreadPoolExecutor(4) as pool:
            waits = sorted(pool.map(lambda i: self.leave(*phases[i % len(phases)], i), range(COUNT)))
        # A FIN alone may be a half-close: it takes a probe that the client's machine answers with RST.
        self.assertLess(waits[int(COUNT * 0.99) - 1], 0.1 * SLACK)
        rows = self.gateway.new_rows(before, COUNT)
        self.assertEqual(len(rows), COUNT)
        for row in rows:
            self.assertEqual((row["status"], row["failure"]), (499, "client_closed_request"))
            if row["model"] in ("mid", "claude"):  # ten words, "wNN ": a tokenizer makes 10 to 40 of them
                self.assertEqual(row["usage_source"], "estimated")
                self.assertTrue(8 <= row["output_tokens"] <= 45, row)
                self.assertTrue(2 <= row["input_tokens"] <= 30, row)
        wait_for(lambda: self.gateway.fds() <= fds, 3, "the file descriptors to be closed")
        self.assertEqual(self.gateway.exchanges(), [])

    def test_leaving_in_the_middle_of_the_own_request(self):
        request = post_bytes(PATHS["chat"], chat_body("good"))
        self.gateway.row(self.chat("good").id)
        before = len(self.gateway.log())
        fds = self.gateway.fds()
        for cut in (1, 20, len(request) - 30, len(request) - 1):
            with self.gateway.client() as client:
                client.send(request[:cut])
                time.sleep(0.01)
        wait_for(lambda: self.gateway.fds() <= fds, 3)
        time.sleep(0.05)
        for row in self.gateway.log()[before:]:
            self.assertEqual((row["status"], row.get("attempts")), (499, None))

    def test_half_close_is_no_leaving(self):
        with self.gateway.client() as client:
            client.post(PATHS["chat"], chat_body("good", True))
            client.socket.shutdown(1)
            reply = client.read()
        self.assertTrue(is_complete("chat", reply))


class NeverReading(GatewayCase):
    uses_mock = False
    STREAMS, FRAMES_EACH, FRAME_BYTES = 50, 20 * 64, 16 * 1024  # 20 MiB each

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        frame = chunk(FRAMES["chat"][1].replace(b"w00 ", b"x" * cls.FRAME_BYTES))
        end = chunk(FRAMES["chat"][-3] + FRAMES["chat"][-1]) + b"0\r\n\r\n"
        cls.upstream.plays = {"big": [head() + CHUNKED] + [frame] * cls.FRAMES_EACH + [end],
                              "medium": [head() + CHUNKED] + [frame] * 100 + [end], "small": [stream(BODIES["chat"])]}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}}, "client": {"write_stall": "3s"},
                "models": {"big": {"targets": ["o/big"]}, "medium": {"targets": ["o/medium"]}, "small": {"targets": ["o/small"]}}}

    def test_memory_stays_bounded_and_others_are_served(self):
        for _ in range(20):
            self.chat("small", True)
        before, started = self.gateway.rss(), time.monotonic()
        clients = [self.gateway.client(receive_bytes=4096) for _ in range(self.STREAMS)]
        for client in clients:
            client.post(PATHS["chat"], chat_body("big", True))
        waits = []
        while time.monotonic() - started < 1.5:
            at = time.monotonic()
            self.assertTrue(is_complete("chat", self.chat("small", True)))
            waits.append(time.monotonic() - at)
        grown = (self.gateway.rss() - before) / self.STREAMS
        # What a stream may hold: 64 KiB queued, a read of 16 KiB, a write in flight. Sanitizers keep freed memory too.
        self.assertLess(grown, 256 * 1024 * (10 if SLACK > 1 else 1), "bytes for each stalled stream")
        self.assertLess(sorted(waits)[len(waits) // 2], 0.05 * SLACK)
        # Their stall ends in write_stall: the provider is told, the log says so.
        wait_for(lambda: sum(r["status"] == 499 for r in self.gateway.log()) == self.STREAMS, 10, "the stalled streams to end")
        self.assertGreaterEqual(time.monotonic() - started, 2.5)
        for client in clients:
            client.close()

    def test_a_slow_reader_gets_every_byte(self):
        with self.gateway.client(receive_bytes=65536) as client:
            client.post(PATHS["chat"], chat_body("medium", True))
            reply = client.read_head()
            time.sleep(0.5)
            client.read_body(reply)
        self.assertTrue(is_complete("chat", reply))
        self.assertEqual(len(reply.text()), 100 * self.FRAME_BYTES)


class Slow(GatewayCase):
    """Slowloris and the timers against it."""

    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(), "models": {"small": {"targets": ["o/m"]}},
                "client": {"header": 0.6 * SLACK, "body_total": 1.2 * SLACK, "body_idle": 0.5 * SLACK, "keepalive": 0.7 * SLACK}}

    def drip(self, data, gap, seconds):
        """One byte each gap; returns (seconds until the answer or close, status or None)."""
        started = time.monotonic()
        with self.gateway.client(wait=gap) as client:
            client.socket.settimeout(gap)
            raw, at = b"", 0
            while time.monotonic() - started < seconds:
                try:
                    if at < len(data):
                        client.socket.send(data[at:at + 1])
                        at += 1
                except OSError:
                    break
                try:
                    more = client.socket.recv(4096)
                except TimeoutError:
                    continue
                except OSError:
                    break
                if not more:
                    break
                raw += more
            return time.monotonic() - started, int(raw.split(b" ")[1]) if raw else None

    def test_each_timer(self):
        whole = post_bytes(PATHS["chat"], chat_body("small", messages=[{"role": "user", "content": "x" * 4000}]))
        head_bytes = whole.index(b"\r\n\r\n") + 4
        cases = [
            ("head by drops", lambda: self.drip(whole, 0.02, 9), 0.6, 408),
            ("nothing at all", lambda: self.drip(b"", 0.02, 9), 0.6, None),
            ("half a head", lambda: self.send_part(whole[:30]), 0.6, 408),
            ("half a body", lambda: self.send_part(whole[:head_bytes + 10]), 0.5, 408),
            ("body by drops", lambda: self.body_drops(whole, head_bytes), 1.2, 408),
            ("after an answer", self.keepalive, 0.7, None),
        ]
        with ThreadPoolExecutor(len(cases) + 1) as pool:
            good = pool.submit(lambda: [self.chat("small").status for _ in range(100)])
            results = list(pool.map(lambda case: case[1](), cases))
            self.assertEqual(set(good.result()), {200})
        for (name, _, seconds, status), (took, got) in zip(cases, results):
            self.assertEqual(got, status, name)
            self.assertGreater(took, seconds * SLACK - 0.15, name)
            self.assertLess(took, seconds * SLACK + 0.4 + 0.4 * SLACK, name)

    def send_part(self, data):
        with self.gateway.client() as client:
            client.send(data)
            started = time.monotonic()
            _, raw = client.wait_closed(10)
            return time.monotonic() - started, int(raw.split(b" ")[1]) if raw else None

    def body_drops(self, whole, head_bytes):
        with self.gateway.client() as client:
            client.send(whole[:head_bytes])
            return self.drip_on(client, whole[head_bytes:])

    def drip_on(self, client, data):
        started = time.monotonic()
        client.socket.settimeout(0.02)
        for i in range(len(data)):
            try:
                client.socket.send(data[i:i + 1])
                raw = client.socket.recv(4096)
                return time.monotonic() - started, int(raw.split(b" ")[1])
            except TimeoutError:
                continue
        return time.monotonic() - started, None

    def keepalive(self):
        with self.gateway.client() as client:
            assert client.ask(PATHS["chat"], chat_body("small")).status == 200
            started = time.monotonic()
            _, raw = client.wait_closed(10)
            return time.monotonic() - started, None if not raw else raw

    def test_many_slow_ones_do_not_hinder_the_others(self):
        clients = [self.gateway.client() for _ in range(300)]
        for client in clients:
            client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-")
        for _ in range(50):
            self.assertEqual(self.chat("small").status, 200)
        for client in clients:
            client.close()


if __name__ == "__main__":
    unittest.main()
