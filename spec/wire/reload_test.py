"""A new configuration under load, refused configurations, and the ways to stop."""
import contextlib
import json
import os
import signal
import subprocess
import time
import unittest

from harness import BINARY, SANITIZER, SLACK, Gateway, GatewayCase, Port, chat_body, lua, messages_body, wait_for
from load import Load
from streams import BODIES, FRAMES, PATHS, has_error_event, is_complete
from upstream import CHUNKED, STALL, Upstream, chunk, head, stream

PART = b"".join(FRAMES["chat"][:6])


class Reload(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.gates = {}

        def held(record):
            """Half a stream, then the rest once the test says so."""
            yield head() + CHUNKED + chunk(PART)
            wait_for(lambda: cls.gates.get(record.headers["idempotency-key"]), 30)
            yield chunk(BODIES["chat"][len(PART):]) + b"0\r\n\r\n"
        cls.upstream.plays = {"m": [stream(BODIES["chat"])], "held": held}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}}, "workers": 2,
                "models": {"m": {"targets": ["o/m"]}, "held": {"targets": ["o/held"]}}}

    def next_config(self, number):
        config = dict(self.gateway.config)
        config["models"] = dict(config["models"], **{"new-%d" % number: {"targets": ["o/m"]}})
        return config

    def open_stream(self, name):
        client = self.gateway.client(wait=30)
        client.post(PATHS["chat"], chat_body("held", True), [("Idempotency-Key", name)])
        reply = client.read_until(client.read_head(), b"w04")
        return client, reply

    def finish(self, client, reply, name):
        self.gates[name] = True
        client.read_body(reply)
        client.close()
        self.assertTrue(is_complete("chat", reply), reply.body[-200:])

    def models(self):
        with self.gateway.client() as client:
            return {m["id"] for m in client.get("/v1/models").json()["data"]}

    def test_signals_under_load(self):
        first = self.open_stream("signals")
        with Load(self.gateway.port, "m") as load:
            for i in range(20):
                self.gateway.reload(self.next_config(i))
                load.wait(5)
                self.assertIn("new-%d" % i, self.models())
        self.assertEqual(load.failures, [])
        self.assertGreater(load.count, 100)
        self.finish(*first, "signals")

    def test_a_signal_reads_it_once(self):
        """The watch over the file does not read again what the signal has read."""
        self.gateway.reload(self.next_config(77))
        before = self.gateway.reloads("ok")
        time.sleep(2.5)  # the watch looks each second
        self.assertEqual(self.gateway.reloads("ok"), before)

    def test_the_file_alone(self):
        first = self.open_stream("file")
        before = self.gateway.reloads("ok")
        with Load(self.gateway.port, "m") as load:
            self.gateway.write(self.next_config(100))
            wait_for(lambda: self.gateway.reloads("ok") > before, 5, "the watch to see the file")
            load.wait(20)
        self.assertEqual(load.failures, [])
        self.assertIn("new-100", self.models())
        self.finish(*first, "file")

    def test_operators_are_answered_while_a_file_loops(self):
        """It has a second of a processor before it is refused; the loop that answers operators does not wait for it."""
        refused = self.gateway.reloads("refused")
        self.gateway.write(None, "while true do end")
        self.gateway.process.send_signal(signal.SIGHUP)
        answers = 0
        while self.gateway.reloads("refused") == refused:
            self.assertEqual(self.gateway.get_admin("/healthz")[0], 200)
            answers += 1
        self.assertGreater(answers, 5)
        self.gateway.reload(self.gateway.config)

    def longest_wait(self, text):
        """-> seconds that an operator waited at most while text was read and put in force, and what that took."""
        done, worst = self.gateway.process_log().count("is in force"), 0
        self.gateway.write(None, text)
        begun = time.monotonic()
        self.gateway.process.send_signal(signal.SIGHUP)
        while self.gateway.process_log().count("is in force") == done:
            asked = time.monotonic()
            self.assertEqual(self.gateway.get_admin("/healthz")[0], 200)
            worst = max(worst, time.monotonic() - asked)
        return worst, time.monotonic() - begun

    def test_operators_are_answered_while_a_good_file_computes(self):
        good = "return " + lua(self.gateway.config)
        usual = min(self.longest_wait("-- %d\n%s" % (i, good))[0] for i in range(3))
        waits = [self.longest_wait("local x = %d for i = 1, 6000000 do x = x + i %% 7 end\n%s" % (i, good)) for i in range(5)]
        self.assertTrue(any(worst < usual + total / 4 for worst, total in waits), (usual, waits))
        self.gateway.reload(self.gateway.config)

    def test_a_bad_file_changes_nothing(self):
        good = self.models()
        version = self.gateway.metric("gateyes_config_version")
        restart = dict(self.gateway.config, workers=3)
        with Load(self.gateway.port, "m") as load:
            for text, word in (("return {", "gateyes.lua:"), ("return { nonsense = 1 }", "gateyes.lua:1: nonsense"),
                               ("\n\nreturn { workers = 'many' }", "gateyes.lua:3: workers"), ("error 'no'", "gateyes.lua:1:"),
                               ("while true do end", "gateyes.lua"), ("return 5", "gateyes.lua"), ("", "gateyes.lua")):
                self.gateway.reload(text=text, wanted="refused")
                self.assertIn(word, self.gateway.process_log())
                load.wait(3)
            self.gateway.reload(restart, wanted="refused")
            self.assertIn("that takes a restart", self.gateway.process_log())
        self.assertEqual(load.failures, [])
        self.assertEqual(self.models(), good)
        self.assertEqual(self.gateway.metric("gateyes_config_version"), version)
        self.gateway.reload(self.gateway.config)
        for line in self.gateway.process_log().splitlines():
            json.loads(line)

    def test_keys_come_and_go(self):
        config = dict(self.gateway.config)
        config["keys"] = config["keys"] + [{"name": "guest", "key": "gy-guest-key"}]
        self.assertEqual(self.ask(PATHS["chat"], chat_body("m"), key="gy-guest-key").status, 401)
        self.gateway.reload(config)
        self.assertEqual(self.ask(PATHS["chat"], chat_body("m", True), key="gy-guest-key").status, 200)
        self.gateway.reload(self.gateway.config)
        self.assertEqual(self.ask(PATHS["chat"], chat_body("m", True), key="gy-guest-key").status, 401)


# Every kind of problem in one file, and what is said of each: line, place, what is wrong, what was probably meant.
FAULTY = """return {
  listen = "%(listen)s", admin = { listen = "%(admin)s" }, store = "sqlite:%(store)s",
  wrokers = 2,
  ping = "soon",
  providers = {
    openai = { adapter = "openai", base_url = "http://127.0.0.1:1/v1",
      credential = env "WIRE_KYE" },
    local_gpu = { adapter = "openai", base_url = "http://127.0.0.1:1/v1", credential = secret_file "wire-kye.txt" },
  },
  models = {
    m = { targets = { "opnai/gpt" }, price = { input = 1, output = 1 } },
    m = { targets = { "openai/gpt" }, price = { input = 1, output = 1 } },
    free = { targets = { "openai/free" } }, cheap = { targets = { "opnai/cheap" } },
  },
  quotas = {
    { name = "all", scope = { tenant = "*" }, window = "month", money = 5 },
    { name = "all", scope = { model = "fre" }, window = "month", requests = 5 },
  },
  shared = "redis://127.0.0.1",
}
"""
PROBLEMS = [
    (3, 'wrokers: unknown key; did you mean "workers"?'),
    (4, "ping: expects a duration"),
    (7, 'providers.openai.credential: environment variable WIRE_KYE is not set (did you mean "WIRE_KEY"?)'),
    (8, "providers.local_gpu.credential: secret file "),
    (8, '(did you mean "wire-key.txt"?)'),
    (12, "models.m: stands in this table already, on line 11"),
    (13, 'models.cheap.targets[1]: no provider is called "opnai" (did you mean "openai"?)'),
    (16, "quotas[1].money: covers the models "),
    (17, "quotas[2].name: "),
    (17, 'quotas[2].scope.model: no model is called "fre" (did you mean "free"?)'),
    (19, "shared: "),
]


class Commands(unittest.TestCase):
    def run_command(self, *words, text=None):
        self.gateway.write(None, text)
        return subprocess.run([BINARY, *words, "--config", self.gateway.path], capture_output=True, text=True, timeout=20 * SLACK)

    def setUp(self):
        self.gateway = Gateway({"models": {}}, env={"WIRE_KEY": "sk-env"})
        with open(self.gateway.path) as file:
            self.good = file.read()

    def tearDown(self):
        self.assertEqual(self.gateway.stop(), 0)
        self.gateway.remove()

    def test_check(self):
        done = self.run_command("check", text=self.good)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = self.run_command("check", "--json", text=self.good)
        self.assertEqual(json.loads(done.stdout), {"ok": True, "problems": []})
        bad = "return {\n  wrokers = 2,\n  models = { m = { targets = { 'nobody/m' } } },\n  ping = 'soon' }"
        done = self.run_command("check", "--json", text=bad)
        report = json.loads(done.stdout)
        self.assertEqual((done.returncode, report["ok"], len(report["problems"])), (1, False, 3), done.stdout)
        for line, word in ((2, "wrokers"), (3, "nobody"), (4, "ping")):
            self.assertTrue(any("gateyes.lua:%d" % line in p and word in p for p in report["problems"]), report)
        done = self.run_command("check", text=bad)
        self.assertEqual((done.returncode, len(done.stderr.strip().splitlines())), (1, 3))
        self.assertEqual(self.run_command("serve", text=bad).returncode, 1)
        for words in (["check", "--config", "/nonexistent.lua"], ["serve", "--config", "/nonexistent.lua"]):
            done = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=20 * SLACK)
            self.assertEqual(done.returncode, 1)
            self.assertIn("/nonexistent.lua", done.stderr)
        self.assertEqual(subprocess.run([BINARY, "frobnicate"], capture_output=True, timeout=20 * SLACK).returncode, 2)

    def faulty(self, **values):
        with open(os.path.join(self.gateway.folder, "wire-key.txt"), "w") as file:
            file.write("sk-wire")
        return FAULTY % dict({"listen": self.gateway.listen.text, "admin": self.gateway.admin.text, "store": "other.db"}, **values)

    def check_problems(self, text):
        for line, words in PROBLEMS:
            self.assertTrue(any("gateyes.lua:%d: " % line in one and words in one for one in text.splitlines()), (line, words, text))

    def test_all_that_is_wrong_is_told_at_once_and_nothing_starts(self):
        with contextlib.closing(Port()) as listen, contextlib.closing(Port()) as admin:
            for words in (["serve"], ["check"]):
                self.gateway.write(None, self.faulty(listen=listen.text, admin=admin.text))
                done = subprocess.run([BINARY, *words, "--config", self.gateway.path], capture_output=True, text=True,
                                      timeout=20 * SLACK, env=dict(os.environ, WIRE_KEY="sk-env"))
                self.assertEqual(done.returncode, 1)
                self.check_problems(done.stderr)
                self.assertEqual(len(done.stderr.strip().splitlines()), len(PROBLEMS) - 1, done.stderr)
                self.assertNotIn("sk-", done.stderr)
                self.assertNotIn("listening on", done.stderr + done.stdout)
        self.assertFalse(os.path.exists(os.path.join(self.gateway.folder, "other.db")))
        self.gateway.write(None, self.good)

    def test_a_reload_takes_all_of_a_file_or_nothing(self):
        self.gateway.reload(text=self.faulty(), wanted="refused")
        log = self.gateway.process_log()
        self.check_problems("\n".join(json.loads(line)["message"] for line in log.splitlines()))
        self.assertIn("stays in force", log)
        self.assertEqual(self.gateway.metric('gateyes_config_reloads_total{result="ok"}'), 0)
        self.gateway.write(None, self.good)

    def test_health(self):
        self.assertEqual(self.run_command("health", text=self.good).returncode, 0)
        other = self.good.replace(self.gateway.admin.text, "127.0.0.1:1")
        done = self.run_command("health", text=other)
        self.assertEqual((done.returncode, "no answer" in done.stderr), (1, True))
        self.gateway.write(None, self.good)

    def test_an_address_in_use_is_one_clear_sentence(self):
        import socket
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            done = self.run_command("serve", text=self.good.replace(self.gateway.listen.text, address))
        self.assertEqual(done.returncode, 1)
        self.assertIn(address, done.stderr)
        self.gateway.write(None, self.good)


class Stopping(unittest.TestCase):
    def setUp(self):
        self.upstream = Upstream()
        rest = chunk(BODIES["chat"][len(PART):]) + b"0\r\n\r\n"
        self.upstream.plays = {"slow": [head() + CHUNKED + chunk(PART), 0.8 * SLACK, rest],
                               "stuck": [head() + CHUNKED + chunk(PART), STALL],
                               "stuck-claude": [head() + CHUNKED + chunk(b"".join(FRAMES["messages"][:6])), STALL],
                               "waiting": [STALL]}
        config = {"providers": {"o": {"adapter": "openai", "base_url": self.upstream.url + "/v1"},
                                "a": {"adapter": "anthropic", "base_url": self.upstream.url}},
                  "models": {name: {"targets": [("a/" if "claude" in name else "o/") + name]} for name in self.upstream.plays},
                  "drain": {"grace": "300ms", "hard": 1.5 * SLACK}, "workers": 2}
        self.gateway = Gateway(config)
        self.clients = []

    def tearDown(self):
        for client in self.clients:
            client.close()
        self.gateway.stop()
        log = self.gateway.process_log()
        self.assertIsNone(SANITIZER.search(log), log)
        self.gateway.remove()
        self.upstream.close()

    def start(self, path, body, seen=b"w04"):
        client = self.gateway.client(wait=20)
        self.clients.append(client)
        client.post(path, body)
        if not seen:
            return client, None
        return client, client.read_until(client.read_head(), seen)

    def refused(self):
        try:
            with self.gateway.client(wait=1) as client:
                return client.get("/v1/models") is None
        except OSError:
            return True

    def test_open_streams_finish_and_nobody_new_comes_in(self):
        client, reply = self.start(PATHS["chat"], chat_body("slow", True))
        self.gateway.process.send_signal(signal.SIGTERM)
        wait_for(self.refused, 2, "new connections to be refused")
        status, body = self.gateway.get_admin("/readyz")
        self.assertEqual((status, "draining" in body), (503, True))
        self.assertEqual(self.gateway.get_admin("/healthz")[0], 200)
        client.read_body(reply)
        self.assertTrue(is_complete("chat", reply))
        self.assertEqual(self.gateway.stop(sign=None), 0)
        self.assertEqual([row["status"] for row in self.gateway.log() if row["path"] == PATHS["chat"]], [200])

    def test_an_idle_gateway_stops_at_once(self):
        started = time.monotonic()
        with self.gateway.client() as client:
            client.get("/v1/models")
            self.assertEqual(self.gateway.stop(), 0)
        self.assertLess(time.monotonic() - started, 1.5 * SLACK)

    def test_connections_in_use_may_still_ask_and_quiet_ones_close(self):
        """As it is without any settings: drain.grace is 30 s, and no pool of idle connections is waited for."""
        self.gateway.reload({name: value for name, value in self.gateway.config.items() if name != "drain"})
        quiet, used = self.gateway.client(wait=10), self.gateway.client(wait=10)
        self.clients += [quiet, used]
        quiet.get("/v1/models")
        time.sleep(1.3)
        used.get("/v1/models")
        started = time.monotonic()
        self.gateway.process.send_signal(signal.SIGTERM)
        wait_for(self.refused, 2, "the drain to begin")
        if time.monotonic() - started < 0.7:  # else this machine is too busy to tell
            goodbye = None
            while goodbye is None:  # its worker may hear of the drain after the one that refuses
                reply = used.get("/v1/models")
                self.assertEqual(reply.status, 200)
                goodbye = reply.headers.get("connection")
            self.assertEqual(goodbye, "close")
        self.assertEqual(quiet.socket.recv(1), b"")
        self.assertEqual(self.gateway.stop(sign=None), 0)
        self.assertLess(time.monotonic() - started, 15)

    def test_hard_limit_ends_streams_with_an_error(self):
        chat = self.start(PATHS["chat"], chat_body("stuck", True))
        claude = self.start(PATHS["messages"], messages_body("stuck-claude", True), b"w03")
        waiting = self.start(PATHS["chat"], chat_body("waiting"), None)
        wait_for(lambda: self.upstream.requests("waiting"), 5)
        started = time.monotonic()
        self.gateway.process.send_signal(signal.SIGTERM)
        for dialect, (client, reply) in (("chat", chat), ("messages", claude)):
            client.read_body(reply)
            self.assertTrue(has_error_event(dialect, reply), reply.body[-200:])
            self.assertIn(b"shutting down", reply.body)
        reply = waiting[0].read()
        self.assertEqual((reply.status, reply.error()["code"]), (503, "draining"))
        took = time.monotonic() - started
        self.assertGreater(took, 1.5 * SLACK - 0.1)
        self.assertLess(took, 1.5 * SLACK + 1.0)
        self.assertEqual(self.gateway.stop(sign=None), 0)
        self.assertEqual([row["failure"] for row in self.gateway.log()], ["draining"] * 3)

    def test_a_second_signal_ends_it_now(self):
        self.start(PATHS["chat"], chat_body("stuck", True))
        started = time.monotonic()
        self.gateway.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        self.gateway.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.gateway.stop(sign=None), 0)
        self.assertLess(time.monotonic() - started, 1.2 * SLACK)
        wait_for(lambda: self.upstream.requests("stuck")[0].left_at, 2)
        self.assertEqual(len(self.gateway.log()), 1)


if __name__ == "__main__":
    unittest.main()
