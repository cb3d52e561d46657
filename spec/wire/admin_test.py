"""The operators' side, and secrets that may show nowhere."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from certificates import client_context, make
from client import Client
from harness import ADMIN_KEY, KEY, SLACK, Env, Gateway, GatewayCase, chat_body, messages_body, wait_for
from streams import BODIES, PATHS, is_complete
from upstream import STALL, Upstream, stream, whole

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-zA-Z_]\w*="(\\.|[^"\\\n])*",?)*\})? (-?[0-9.e+-]+|\+Inf|NaN)$')


def parse_metrics(text):
    """{sample with labels: value}; every line must be of the exposition format, each family told once."""
    samples, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, line
            types[name] = kind
        elif not line.startswith("# HELP "):
            found = SAMPLE.match(line)
            assert found, line
            family = re.sub("_(bucket|sum|count)$", "", found.group(1))
            assert family in types or found.group(1) in types, line
            key = line.rsplit(" ", 1)[0]
            assert key not in samples, line
            samples[key] = float(line.rsplit(" ", 1)[1])
    return samples


class Admin(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {"m": [stream(BODIES["chat"])], "stuck": [STALL], "down": [whole({}, 500)]}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}}, "workers": 2,
                "models": {name: {"targets": ["o/" + name], "price": {"input": 1, "output": 2}} for name in cls.upstream.plays}}

    def test_a_wrong_method_is_told_the_right_ones(self):
        with Client(self.gateway.admin.number) as client:
            client.post("/healthz", {})
            reply = client.read()
        self.assertEqual((reply.status, reply.headers.get("allow")), (405, "GET, HEAD"))

    def test_who_may_ask_what(self):
        for path, key, status in (("/healthz", None, 200), ("/metrics", None, 200), ("/admin/exchanges", None, 401),
                                  ("/admin/exchanges", "wrong", 401), ("/admin/exchanges", KEY, 403),
                                  ("/admin/exchanges", ADMIN_KEY[:-1], 401), ("/admin/exchanges", ADMIN_KEY, 200),
                                  ("/admin/nothing", ADMIN_KEY, 404)):
            self.assertEqual(self.gateway.get_admin(path, key)[0], status, (path, key))
        with self.gateway.client() as client:  # clients' addresses know nothing of it
            for path in ("/admin/exchanges", "/metrics", "/healthz"):
                self.assertEqual(client.get(path).status, 404)

    def test_metrics(self):
        before = parse_metrics(self.gateway.get_admin("/metrics")[1])
        for _ in range(5):
            self.chat("m", True)
        self.chat("none\"}")
        wait_for(lambda: len(self.gateway.log()) >= 6)
        after = parse_metrics(self.gateway.get_admin("/metrics")[1])

        def grown(part):
            return sum(value - before.get(key, 0) for key, value in after.items() if all(word in key for word in part))
        self.assertEqual(grown(["gateyes_requests_total", 'model="m"', 'status="200"']), 5)
        self.assertEqual(grown(["gateyes_request_duration_seconds_count", 'model="m"']), 5)
        self.assertEqual(grown(["gateyes_cost_nanousd_total", 'model="m"']), 5 * (5 * 1000 + 20 * 2000))
        self.assertEqual(grown(["gen_ai_client_token_usage_sum", 'gen_ai_token_type="output"']), 100)
        self.assertEqual(grown(["gateyes_upstream_attempts_total", 'outcome="ok"']), 5)

    def test_metrics_please_prometheus(self):
        """ctest says where promtool is; by hand without it there is nothing to ask."""
        promtool = os.environ.get("GATEYES_PROMTOOL") or shutil.which("promtool")
        if not promtool:
            self.skipTest("GATEYES_PROMTOOL names no promtool")
        self.chat("m", True)
        wait_for(lambda: self.gateway.log())
        done = subprocess.run([promtool, "check", "metrics"], input=self.gateway.get_admin("/metrics")[1], text=True,
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_unknown_names_make_no_new_series(self):
        self.chat("unknown-0")
        count = len(parse_metrics(self.gateway.get_admin("/metrics")[1]))
        for i in range(1, 50):
            self.chat("unknown-%d" % i)
        self.assertLessEqual(len(parse_metrics(self.gateway.get_admin("/metrics")[1])), count + 3)

    def test_a_stuck_request_says_where_it_is(self):
        with self.gateway.client() as client, self.gateway.client() as half:
            client.post(PATHS["chat"], chat_body("stuck", True))
            half.send(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: " + KEY.encode() + b"\r\nContent-Length: 9\r\n\r\n{")
            found = wait_for(lambda: len(self.gateway.exchanges()) == 2 and self.gateway.exchanges())
            by_path = {x["path"]: x for x in found}
            stuck, waiting = by_path[PATHS["chat"]], by_path[PATHS["messages"]]
            self.assertEqual((stuck["step"], stuck["model"], stuck["target"], stuck["attempts"], stuck["key"]),
                             ("send", "stuck", "o/stuck", 1, "wire"))
            self.assertEqual((waiting["step"], waiting["attempts"]), ("body", 0))
            time.sleep(0.05)
            self.assertGreater({x["path"]: x for x in self.gateway.exchanges()}[PATHS["chat"]]["age_ms"], stuck["age_ms"])
        wait_for(lambda: self.gateway.exchanges() == [])

    def test_readiness_follows_the_targets(self):
        self.assertEqual(self.gateway.get_admin("/readyz")[0], 200)
        for _ in range(6):
            self.chat("down")
        status, body = self.gateway.get_admin("/readyz")
        self.assertEqual((status, "down" in body), (503, True))
        config = dict(self.gateway.config)
        config["models"] = {"m": config["models"]["m"]}
        self.gateway.reload(config)
        self.assertEqual(self.gateway.get_admin("/readyz")[0], 200)
        self.gateway.reload(self.gateway.config)


class Canaries(unittest.TestCase):
    """Unique strings where secrets are kept; then everything that the gateway ever says is searched."""

    def test_no_secret_shows_anywhere(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = make(folder, "canary", ("localhost",))
            pem = [line for line in open(key).read().splitlines() if not line.startswith("-")]
            secrets = {"client": "canary-client-0a1b2c3d", "provider": "canary-provider-4e5f6a7b", "admin": "canary-admin-8c9d0e1f",
                       "wrong": "canary-wrong-2a3b4c5d", "header": "canary-header-6e7f8a9b", "pem": pem[0], "body": "canary-body-1c2d3e4f"}
            upstream = Upstream()

            def leaks(record):
                return [whole({"error": {"message": "bad key " + record.headers["authorization"], "type": "x"}}, 401)]
            upstream.plays = {"m": [stream(BODIES["chat"])], "s401": leaks, "s500": [whole({"error": {"message": "x"}}, 500)]}
            config = {"providers": {
                "o": {"adapter": "openai", "base_url": upstream.url + "/v1", "credential": Env("CANARY_PROVIDER"),
                      "headers": {"x-extra": secrets["header"]}},
                "gone": {"adapter": "openai", "base_url": "http://127.0.0.1:1/v1", "credential": Env("CANARY_PROVIDER")},
                "claude": {"adapter": "anthropic", "base_url": "http://127.0.0.1:1", "credential": Env("CANARY_PROVIDER")}},
                "models": {"m": {"targets": ["o/m"]}, "s401": {"targets": ["o/s401"]}, "s500": {"targets": ["o/s500"]},
                           "gone": {"targets": ["gone/x"]}, "claude": {"targets": ["claude/x"]}},
                "keys": [{"name": "canary", "key": Env("CANARY_CLIENT")}], "tls": {"certificate": certificate, "key": key}}
            gateway = Gateway(config, env={"CANARY_CLIENT": secrets["client"], "CANARY_PROVIDER": secrets["provider"],
                                           "CANARY_ADMIN": secrets["admin"]},
                              admin_key=Env("CANARY_ADMIN"))
            said = [self.talk(gateway, secrets)]
            for bad in ("return { keys = { { name = 'x', key = '%s\\n' } } }" % secrets["client"],
                        "return { providers = { [env 'CANARY_PROVIDER'] = {} } }", "error(env 'CANARY_PROVIDER')",
                        "return { listen = { env 'CANARY_PROVIDER' } }", "return { store = env 'CANARY_PROVIDER' .. 'x', shared = 5 }"):
                gateway.reload(text=bad, wanted="refused")
            gateway.reload(gateway.config)
            self.assertTrue(any(r.headers.get("authorization") == "Bearer " + secrets["provider"] for r in upstream.records))
            self.assertEqual(gateway.get_admin("/admin/exchanges", secrets["admin"])[0], 200)
            self.assertNotIn(secrets["client"], str([(r.headers, r.body) for r in upstream.records]))
            with open("/proc/%d/cmdline" % gateway.process.pid) as file:
                said.append(file.read())
            said += [gateway.get_admin(path, secrets["admin"])[1] for path in ("/metrics", "/healthz", "/readyz", "/admin/exchanges")]
            said += [gateway.get_admin(path, secrets["wrong"])[1] for path in ("/admin/exchanges", "/metrics")]
            self.assertEqual(gateway.stop(), 0)
            said += [gateway.process_log(), open(gateway.log_path).read()]
            for name, secret in secrets.items():
                for text in said:
                    self.assertNotIn(secret, text, name)
            self.assertGreater(len(gateway.log()), 15)
            gateway.remove()
            upstream.close()

    def talk(self, gateway, secrets):
        """Everything that comes back, heads and bodies, successes and failures."""
        said = []
        prompt = [{"role": "user", "content": secrets["body"]}]
        for key in (secrets["client"], secrets["wrong"]):
            for model in ("m", "s401", "s500", "gone", "claude", "none"):
                for path, body in ((PATHS["chat"], chat_body(model, True, messages=prompt)),
                                   (PATHS["messages"], messages_body(model, False, messages=prompt))):
                    with gateway.client(tls=client_context()) as client:
                        reply = client.ask(path, body, [("x-api-key", secrets["wrong"]), ("cookie", secrets["wrong"])], key=key)
                    said.append(reply.head.decode() + reply.body.decode())
        with gateway.client(tls=client_context()) as client:
            said.append(client.get("/v1/models", key=secrets["client"]).body.decode())
            said.append(client.get("/v1/models/" + "x" * 20, key=secrets["client"]).body.decode())
            client.send(b"GET /v1 HTTP/1.1\r\nAuthorization: Bearer " + secrets["client"].encode() + b"\r\n\r\n")  # no Host
            said.append(client.read().body.decode())
        return "\n".join(said)


class Log(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {"m": [stream(BODIES["chat"], X_Request_Id="up\u00ff-1")],
                              "odd": [whole({"error": {"message": "a\nb\u0000\u001b[31m\u2028", "type": "t"}}, 400)]}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}}, "workers": 2,
                "models": {"m": {"targets": ["o/m"]}, "odd": {"targets": ["o/odd"]}}}

    def test_one_line_each_and_every_line_parses(self):
        before, ids = len(self.gateway.log()), set()
        for i in range(60):
            reply = self.chat(("m", "odd", "none\\u000a")[i % 3], i % 2 == 0)
            ids.add(reply.id)
            self.assertEqual(is_complete("chat", reply) if reply.status == 200 else True, True)
        rows = self.gateway.new_rows(before, 60)
        self.assertEqual({row["request_id"] for row in rows}, ids)
        with open(self.gateway.log_path, "rb") as file:
            text = file.read()
        self.assertEqual([b for b in text if b < 32 and b != 10], [])
        needed = {"time", "level", "event", "request_id", "method", "path", "peer", "status", "duration_ms", "overhead_ms"}
        for row in rows:
            self.assertLessEqual(needed, set(row))
        for line in self.gateway.process_log().splitlines():
            self.assertLessEqual({"time", "level", "message"}, set(json.loads(line)))

    def test_rotation(self):
        os.rename(self.gateway.log_path, self.gateway.log_path + ".1")
        self.gateway.reload()
        self.gateway.seen = 0
        reply = self.chat("m", True)
        self.assertEqual(self.gateway.row(reply.id, 2 * SLACK)["status"], 200)


if __name__ == "__main__":
    unittest.main()
