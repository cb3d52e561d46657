"""Failures before the first byte: which target is asked next, how often, and what the client sees."""
import email.utils
import socket
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from certificates import make, server_context
from harness import SLACK, Gateway, GatewayCase, chat_body, wait_for
from nameserver import SILENT, NameServer
from streams import BODIES, FRAMES, PATHS, is_complete, sse
from upstream import FIN, RST, STALL, Upstream, head, stream, whole

GOOD = {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}}
SECRET_BODY = "the account 4711 of this key is closed"


def refusal(status, **headers):
    return [whole({"error": {"message": SECRET_BODY, "type": "t", "code": "c", "param": None}}, status, **headers)]


def answer(record):
    return [stream(BODIES["chat"]) if record.json.get("stream") else whole(GOOD)]


def dead_port():
    """A port that refuses: bound, never listening."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held, held.getsockname()[1]


def mute_port():
    """A port that accepts connections and never says a word."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.listen(64)
    return held, held.getsockname()[1]


def full_port():
    """A port whose queue is full: the kernel lets further connections wait."""
    held = [socket.socket()]
    held[0].bind(("127.0.0.1", 0))
    held[0].listen(0)
    for _ in range(64):
        held.append(socket.socket())
        held[-1].settimeout(0.2)
        try:
            held[-1].connect(held[0].getsockname())
        except TimeoutError:
            return held, held[0].getsockname()[1]
    raise AssertionError("the queue takes everybody")


class Failover(GatewayCase):
    uses_mock = False
    unreachable = ("refused", "nowhere", "untrusted", "silent-name", "mute-tls", "full-queue")

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.held, refused = dead_port()
        cls.folder = tempfile.TemporaryDirectory()
        cls.impostor = Upstream(server_context(*make(cls.folder.name, "impostor", ("localhost", "127.0.0.1"))))
        cls.impostor.plays = {"x": answer}
        cls.faults = {
            "s500": refusal(500), "s502": refusal(502), "s503": refusal(503), "s529": refusal(529), "s408": refusal(408),
            "s429": refusal(429), "s401": refusal(401), "s402": refusal(402), "s403": refusal(403),
            "rst": [RST], "fin": [FIN], "half-head": [b"HTTP/1.1 200 OK\r\nContent-", FIN],
            "garbage": [b"SSH-2.0-OpenSSH_9\r\n\r\n", FIN], "half-body": [head(200, "application/json") + b"Content-Length: 99\r\n\r\n{", FIN],
        }
        cls.upstream.plays = dict(cls.faults, good=answer)
        for status in (301, 302, 307):
            cls.faults["s%d" % status] = [whole(b"", status, Location=cls.impostor.url + "/v1/chat/completions")]
            cls.upstream.plays["s%d" % status] = cls.faults["s%d" % status]
        for status in (400, 404, 413, 422):
            cls.upstream.plays["c%d" % status] = refusal(status)
        cls.upstream.plays["error-frame"] = [stream(sse({"error": {"message": "overloaded", "type": "server_error"}}))]
        cls.upstream.plays["page"] = [whole(b"<html><p>no answer from 10.1.2.3:8000</p></html>", 503, "text/html")]
        cls.upstream.plays["line"] = [whole(b"no answer from 10.1.2.3:8000", 503, "text/plain")]
        cls.upstream.plays["echo"] = lambda record: [whole({"error": {"message": "bad headers: %s" % record.headers}}, 400)]
        cls.upstream.plays["echo-line"] = lambda record: [whole(b"bad key " + str(record.headers).encode(), 400, "text/plain")]
        begun = stream(b"".join(FRAMES["chat"][:3]))[:-5]
        cls.upstream.plays.update({"mute": [STALL], "cut": [begun, FIN], "silent": [begun, STALL], "tokenless": [begun[:begun.index(b"\r\n\r\n") + 4], STALL]})
        cls.upstream.plays["no-frames"] = [stream(b"")]
        cls.upstream.plays["no-stream"] = [whole(GOOD)]
        cls.names = NameServer({"silent.test": SILENT, "here.test": ["127.0.0.1"]})
        cls.mute, mute = mute_port()
        cls.full, full = full_port()
        openai = {"adapter": "openai", "base_url": cls.upstream.url + "/v1", "credential": "sk-wire-provider"}
        providers = {"o": openai, "refused": dict(openai, base_url="http://127.0.0.1:%d/v1" % refused),
                     "nowhere": dict(openai, base_url="http://nowhere.test/v1"),
                     "silent-name": dict(openai, base_url="http://silent.test/v1", timeouts={"dns": "200ms"}),
                     "mute-tls": dict(openai, base_url="https://127.0.0.1:%d/v1" % mute, timeouts={"tls": "200ms"}),
                     "full-queue": dict(openai, base_url="http://here.test:%d/v1" % full, timeouts={"connect": "200ms"}),
                     "untrusted": dict(openai, base_url=cls.impostor.url + "/v1"),
                     "claude": {"adapter": "anthropic", "base_url": cls.upstream.url, "credential": "sk-wire-claude"}, "quick": dict(openai, timeouts={"head": "200ms", "idle": "200ms", "first_token": "200ms"})}
        models = {name: {"targets": ["o/" + name]} for name in cls.upstream.plays}
        models.update({name + "+": {"targets": ["o/" + name, "o/good"]} for name in cls.upstream.plays if name != "good"})
        models.update({name: {"targets": ["quick/" + name]} for name in ("mute", "silent", "tokenless")})
        models.update({"claude-" + name: {"targets": ["claude/" + name]} for name in ("page", "line", "echo")})
        for name in cls.unreachable:
            models[name] = {"targets": [name + "/x"]}
            models[name + "+"] = {"targets": [name + "/x", "o/good"]}
        return {"providers": providers, "models": models, "limits": {"retry_min": 100},
                "upstream": {"nameservers": [cls.names.address]}}

    def test_the_next_target_answers(self):
        self.upstream.forget()
        for name in list(self.faults) + list(self.unreachable):
            for is_stream in (False, True):
                reply = self.chat(name + "+", is_stream, [("Idempotency-Key", "idem-1")])
                self.assertEqual(reply.status, 200, (name, reply.body))
                self.assertEqual(reply.headers["x-gateyes-attempts"], "2", name)
                self.assertEqual(is_complete("chat", reply) if is_stream else reply.json(), True if is_stream else GOOD)
                row = self.gateway.row(reply.id)
                self.assertEqual(len(row["attempts"]), 2)
                self.assertIn("failure", row["attempts"][0])
                self.assertNotIn("failure", row["attempts"][1])
        self.assertEqual({r.headers.get("idempotency-key") for r in self.upstream.records}, {"idem-1"})
        self.assertEqual(self.impostor.records, [])

    def test_streams_that_fail_in_their_first_frames(self):
        for name in ("error-frame", "no-frames", "no-stream"):
            reply = self.chat(name + "+", True)
            self.assertTrue(is_complete("chat", reply), (name, reply.body))
            self.assertEqual(reply.body, BODIES["chat"].replace(FRAMES["chat"][-2], b""))

    def test_codes_when_none_is_left(self):
        for name, status, code in (("refused", 502, "upstream_connect"), ("nowhere", 502, "upstream_dns"),
                                   ("silent-name", 504, "upstream_dns_timeout"), ("mute-tls", 504, "upstream_tls_timeout"),
                                   ("full-queue", 504, "upstream_connect_timeout"),
                                   ("untrusted", 502, "upstream_tls"), ("fin", 502, "upstream_cut"), ("rst", 502, "upstream_cut"),
                                   ("garbage", 502, "upstream_protocol"), ("half-body", 502, "upstream_cut"),
                                   ("s401", 502, "upstream_auth"), ("s402", 502, "upstream_auth"),
                                   ("s403", 502, "upstream_auth"), ("s302", 502, "upstream_protocol"),
                                   ("s307", 502, "upstream_protocol")):
            reply = self.chat(name)
            self.assertEqual((reply.status, reply.error()["code"]), (status, code), (name, reply.body))
            self.assertTrue(reply.error()["message"], name)

    def test_addresses_are_for_the_log_alone(self):
        hidden = ("127.0.0.1", "localhost", ".test", str(self.upstream.port), str(self.impostor.port), "errno", "OpenSSL")
        for name in list(self.unreachable) + ["rst", "fin", "half-head", "half-body", "garbage", "mute", "cut", "silent", "tokenless"]:
            for is_stream in (False, True):
                reply = self.chat(name, is_stream)
                for word in hidden:
                    self.assertNotIn(word.encode(), reply.head + reply.body, (name, is_stream))
                told = reply.body.decode()
                self.assertRegex(told, r"the provider [a-z-]+ .*; (try again|the operator)", name)
                row = self.gateway.row(reply.id)
                self.assertRegex(row["attempts"][0]["message"], r"127\.0\.0\.1|\.test|localhost", name)

    def test_what_a_proxy_says_is_for_the_log(self):
        for name in ("page", "line", "claude-page", "claude-line"):
            reply = self.chat(name)
            self.assertEqual((reply.status, reply.error()["message"]), (503, "The provider answered with status 503"), name)
            self.assertIn("10.1.2.3", self.gateway.row(reply.id)["attempts"][0]["message"])

    def test_a_provider_that_repeats_its_credential_is_not_repeated(self):
        for name in ("echo", "echo-line", "claude-echo"):
            reply = self.chat(name)
            self.assertEqual((reply.status, reply.error()["message"]), (400, "The provider answered with status 400"), name)
            self.assertNotIn(b"sk-wire", reply.head + reply.body)
            self.assertNotIn("sk-wire", str(self.gateway.row(reply.id)))

    def test_a_refused_credential_is_the_operators_affair(self):
        for name in ("s401", "s402", "s403"):
            reply = self.chat(name)
            self.assertNotIn(b"4711", reply.body)
            self.assertNotIn(b"sk-wire", reply.head + reply.body)
            row = self.gateway.row(reply.id)
            self.assertEqual((row["status"], row["failure"]), (502, "upstream_auth"))
            self.assertNotIn("4711", str(row))

    def test_the_clients_own_mistakes_go_nowhere_else(self):
        for status in (400, 404, 413, 422):
            self.upstream.forget()
            reply = self.chat("c%d+" % status)
            self.assertEqual(reply.status, status)
            self.assertEqual(reply.error()["message"], SECRET_BODY)
            self.assertEqual([r.json["model"] for r in self.upstream.records], ["c%d" % status])

    def test_the_environments_proxy_is_not_used(self):
        config = {name: self.gateway.config[name] for name in ("providers", "models")}
        other = Gateway(config, env={"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"})
        with other.client() as client:
            self.assertEqual(client.ask(PATHS["chat"], chat_body("good")).status, 200)
        self.assertEqual(other.stop(), 0)
        other.remove()

    def test_what_a_provider_sees_of_the_client(self):
        self.upstream.forget()
        self.chat("good", headers=[("Cookie", "a=b"), ("X-Forwarded-For", "10.0.0.1"), ("x-api-key", "mine"), ("X-Evil", "1")])
        headers = self.upstream.records[0].headers
        self.assertEqual(headers["authorization"], "Bearer sk-wire-provider")
        self.assertLessEqual(set(headers), {"host", "content-type", "content-length", "accept", "authorization", "user-agent"})

    def test_provider_errors_reach_the_client_in_its_protocol(self):
        reply = self.messages("c400")
        self.assertEqual((reply.status, reply.json()["type"]), (400, "error"))
        self.assertEqual(reply.error()["message"], SECRET_BODY)
        reply = self.chat("s500")
        self.assertEqual((reply.status, reply.error()["message"]), (500, SECRET_BODY))


    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.held.close()
        cls.folder.cleanup()


class Cooling(GatewayCase):
    """429 with each form of the wish to be left alone."""
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        later = email.utils.formatdate(time.time() + 90, usegmt=True)
        cls.wishes = {
            "seconds": {"Retry_After": "2"}, "date": {"Retry_After": later}, "ms": {"retry_after_ms": "2000"},
            "openai": {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "2s"},
            "minutes": {"x_ratelimit_reset_tokens": "6m0s"},
            "anthropic": {"anthropic_ratelimit_requests_remaining": "0", "anthropic_ratelimit_requests_reset":
                          time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 90))},
        }
        cls.upstream.plays = {name: refusal(429, **headers) for name, headers in cls.wishes.items()}
        cls.upstream.plays.update(good=answer, s503=refusal(503, Retry_After="30"))
        models = {name + "+": {"targets": ["o/" + name, "o/good"]} for name in cls.upstream.plays if name != "good"}
        models.update({name: {"targets": ["o/" + name]} for name in cls.upstream.plays})
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}},
                "models": models, "limits": {"retry_min": 100}}

    def test_a_cooled_target_is_left_alone(self):
        for name in list(self.wishes) + ["s503"]:
            for i in range(10):
                reply = self.chat(name + "+", i % 2 == 0)
                self.assertEqual(reply.status, 200, (name, reply.body))
                self.assertEqual(reply.headers["x-gateyes-attempts"], "1" if i else "2", name)
            self.assertEqual(len(self.upstream.requests(name)), 1, name)

    def test_it_is_asked_again_when_the_time_is_over(self):
        self.upstream.plays["short"] = refusal(429, Retry_After="1")
        config = dict(self.gateway.config)
        config["models"] = dict(config["models"], **{"short+": {"targets": ["o/short", "o/good"]}})
        self.gateway.reload(config)
        started = time.monotonic()
        while len(self.upstream.requests("short")) < 2 and time.monotonic() - started < 5 * SLACK:
            self.assertEqual(self.chat("short+").status, 200)
            time.sleep(0.01)
        first, second = [r.at for r in self.upstream.requests("short")[:2]]
        self.assertGreater(second - first, 0.99)
        self.assertLess(second - first, 1.2 + 0.3 * SLACK)

    def test_the_wish_is_passed_on_when_no_other_target_is_left(self):
        for path, name in ((PATHS["chat"], "seconds"), (PATHS["messages"], "seconds")):
            reply = self.ask(path, dict(chat_body(name), max_tokens=5))
            self.assertEqual((reply.status, reply.headers.get("retry-after")), (429, "2"))
            self.assertEqual(reply.error()["message"], SECRET_BODY)
        self.assertEqual(self.chat("ms").headers.get("retry-after-ms"), "2000")


class Budget(GatewayCase):
    """All targets down: retries stay within their budget."""
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {"d%d" % i: [0.3] + refusal(500) for i in range(3)}
        cls.upstream.plays["good"] = answer
        numbers = iter(range(1000))
        cls.upstream.plays["third"] = lambda r: refusal(500) if next(numbers) % 10 < 3 else answer(r)
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}},
                "models": {"down": {"targets": ["o/d0", "o/d1", "o/d2"]}, "third": {"targets": ["o/third", "o/good"]}}}

    def test_all_down(self):
        """100 at once may have 20 retries in flight; three is what is always allowed."""
        self.upstream.forget()
        with ThreadPoolExecutor(100) as pool:
            replies = list(pool.map(lambda _: self.chat("down"), range(100)))
        self.assertTrue(all(reply.status == 500 for reply in replies))
        wait_for(lambda: len(self.upstream.records) >= 100)
        # The twenty may go on to the third target as far as the share of those still in flight, or three, allows.
        self.assertLessEqual(len(self.upstream.records), 100 + 20 + 4 + 3)

    def test_a_failing_third_is_not_seen_by_clients(self):
        for i in range(100):
            self.assertEqual(self.chat("third", i % 2 == 0).status, 200)


class Healing(GatewayCase):
    """Targets that fail together are tried all the same, and free again with their first success."""
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream, cls.is_down = Upstream(), True
        cls.upstream.plays = {name: lambda record: refusal(500) if cls.is_down else answer(record) for name in ("a", "b")}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}},
                "models": {"m": {"targets": ["o/a", "o/b"]}}}

    def test_no_target_is_no_help_to_anyone(self):
        for _ in range(10):
            self.assertEqual(self.chat("m").status, 500)
        self.assertEqual(self.gateway.get_admin("/readyz")[0], 503)
        type(self).is_down = False
        for _ in range(10):
            self.assertEqual(self.chat("m", True).status, 200)
        self.assertEqual(self.gateway.get_admin("/readyz")[0], 200)


class Stale(GatewayCase):
    """A pooled connection that the provider closed."""
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.seen = {}

        def second_dies(record):
            nth = cls.seen[record.connection] = cls.seen.get(record.connection, 0) + 1
            return [RST if record.headers.get("idempotency-key") == "rst" else FIN] if nth % 2 == 0 else answer(record)
        cls.upstream.plays = {"flaky": second_dies, "good": answer,
                              "closes": lambda record: answer(record) + [FIN]}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}},
                "models": {"flaky": {"targets": ["o/flaky"]}, "flaky+": {"targets": ["o/flaky", "o/good"]},
                           "closes": {"targets": ["o/closes"]}}}

    def test_a_request_that_was_read_is_never_sent_twice_in_silence(self):
        for i in range(40):
            self.upstream.forget()
            reply = self.chat("flaky", headers=[("Idempotency-Key", "rst" if i % 4 < 2 else "fin")])
            attempts = self.gateway.row(reply.id)["attempts"]
            self.assertEqual(len(self.upstream.records), len(attempts))
            self.assertIn(reply.status, (200, 502))

    def test_a_connection_that_was_closed_while_idle_is_not_used(self):
        for _ in range(20):
            closed = self.upstream.closed
            self.assertEqual(self.chat("closes").status, 200)
            wait_for(lambda: self.upstream.closed > closed)
            time.sleep(0.01)  # so much the loop may need to hear of it


if __name__ == "__main__":
    unittest.main()
