"""Webhooks through the real binary: who is told what, how often, and what becomes of news that nobody takes."""
import hashlib
import hmac
import http.server
import json
import os
import sqlite3
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

from harness import ADMIN_KEY, BINARY, KEY, Gateway, chat_body, wait_for
from upstream import Upstream, whole

SECRET = "whsec-0123456789abcdef"
ANSWER = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 20, "total_tokens": 25}}
PRICE = {"input": 0, "output": 1000}  # 0.02 for each answer


class Receiver:
    """Keeps what is posted to it; answers with the statuses of `plays`, then 204."""

    def __init__(self):
        self.news, self.plays, self.lock = [], [], threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with owner.lock:
                    owner.news.append((dict(self.headers), body))
                    status = owner.plays.pop(0) if owner.plays else 204
                self.send_response(status)
                if status == 302:
                    self.send_header("location", "http://127.0.0.1:1/")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d/hook" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, kind):
        with self.lock:
            return [json.loads(body) for _, body in self.news if json.loads(body)["type"] == kind]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Webhooks(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.receiver, self.upstream = Receiver(), Upstream()
        self.upstream.plays = {"paid": [whole(ANSWER)] * 1000, "broken": [whole({}, 500)] * 1000}
        self.addCleanup(self.receiver.close)
        self.addCleanup(self.upstream.close)

    def start(self, env=None, hook=None, **more):
        self.gateway = Gateway(dict({
            "providers": {"o": {"adapter": "openai", "base_url": self.upstream.url + "/v1"}},
            "models": {name: {"targets": ["o/" + name], "price": PRICE} for name in self.upstream.plays},
            "keys": [{"name": "wire", "key": KEY, "tenant": "acme"}],
            "quotas": [{"name": "month", "scope": {"tenant": "acme"}, "money": 0.2, "window": "month"}],
            "webhook_hosts": ["127.0.0.0/8"],
            "webhooks": {"ops": dict({"url": self.receiver.url, "secret": SECRET, "retry": "100ms"}, **(hook or {}))},
        }, **more), env)
        self.addCleanup(self.gateway.remove)
        self.addCleanup(self.stop)
        return self.gateway

    def stop(self):
        if self.gateway:
            self.assertEqual(self.gateway.stop(), 0, self.gateway.process_log()[-3000:])
        self.gateway = None

    def chat(self, model="paid", count=1):
        with self.gateway.client() as client:
            return [client.ask("/v1/chat/completions", chat_body(model, max_tokens=20)).status for _ in range(count)]

    def database(self):
        connection = sqlite3.connect(os.path.join(self.gateway.folder, "g.db"), timeout=10, isolation_level=None)
        self.addCleanup(connection.close)
        return connection

    def rows(self, database, state):
        return database.execute("SELECT id FROM deliveries WHERE state = ?", (state,)).fetchall()

    def admin(self, method, path):
        request = urllib.request.Request("http://%s/admin/v1/deliveries%s" % (self.gateway.admin.text, path), method=method,
                                         headers={"authorization": "Bearer " + ADMIN_KEY})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def command(self, *words):
        result = subprocess.run([BINARY, "webhooks", *words, "--config", self.gateway.path], capture_output=True,
                                text=True, timeout=30)
        return result.returncode, result.stdout, result.stderr

    def test_budget_thresholds_are_told_once_and_signed(self):
        self.start()
        self.assertEqual(self.chat(count=10), [200] * 10)
        self.assertEqual(self.chat(), [402])
        wait_for(lambda: len(self.receiver.of("budget.threshold")) >= 3, 10, "three thresholds")
        news = self.receiver.of("budget.threshold")
        self.assertEqual(sorted(n["data"]["percent"] for n in news), [50, 80, 100])
        for n in news:
            self.assertEqual((n["tenant"], n["data"]["limit"], n["data"]["kind"]), ("acme", "month", "money"))
            self.assertEqual(n["data"]["amount"], 0.2)
        for headers, body in self.receiver.news:
            signed = headers["x-gateyes-timestamp"].encode() + b"." + body
            wanted = "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
            self.assertEqual(headers["x-gateyes-signature"], wanted)
            self.assertLess(abs(time.time() - int(headers["x-gateyes-timestamp"])), 60)
            self.assertNotIn(SECRET, str(headers) + body.decode())
        database = self.database()
        wait_for(lambda: len(self.rows(database, "delivered")) == 3, 5, "deliveries stored as delivered")

    def test_nothing_is_told_twice_after_a_crash(self):
        rate = {"name": "rate", "scope": {"tenant": "acme"}, "requests": 2, "window": "1s", "soft": True, "warn": [100]}
        gateway = self.start(quotas=[rate])

        def cross():
            before = gateway.process_log().count("100 % reached")

            def is_crossed():
                self.chat(count=3)
                return gateway.process_log().count("100 % reached") > before
            wait_for(is_crossed, 10, "the threshold to be crossed")
            time.sleep(1.2)
        cross()
        database = self.database()
        wait_for(lambda: self.rows(database, "delivered"), 10, "the delivery stored as delivered")
        cross()
        gateway.crash()
        cross()
        self.chat("broken", count=8)
        wait_for(lambda: self.receiver.of("provider.down"), 10, "later news")
        self.assertEqual([n["data"]["amount"] for n in self.receiver.of("limit.threshold")], [2])

    def test_failures_are_tried_again_and_redirects_not_followed(self):
        self.receiver.plays = [500, 302]
        self.start(hook={"events": ["budget.*"]}, quotas=[
            {"name": "month", "scope": {"tenant": "acme"}, "money": 0.2, "window": "month", "warn": [10]}])
        self.chat()
        wait_for(lambda: len(self.receiver.news) == 3, 10, "three attempts")
        self.assertEqual(len({headers["x-gateyes-delivery"] for headers, _ in self.receiver.news}), 1)
        database = self.database()
        wait_for(lambda: len(self.rows(database, "delivered")) == 1, 5, "the delivery to be done")

    def test_dead_ones_are_seen_and_tried_again_by_hand(self):
        self.receiver.plays = [503, 503]
        self.start(hook={"attempts": 2}, quotas=[
            {"name": "month", "scope": {"tenant": "acme"}, "money": 0.2, "window": "month", "warn": [10]}])
        self.chat()
        database = self.database()
        dead = wait_for(lambda: self.rows(database, "dead"), 10, "a dead delivery")
        status, text, _ = self.command("list", "--state", "dead", "--json")
        listed = json.loads(text)
        self.assertEqual((status, [d["id"] for d in listed]), (0, [dead[0][0]]))
        self.assertEqual((listed[0]["webhook"], listed[0]["attempts"], listed[0]["status"]), ("ops", 2, 503))
        self.assertIn("is dead after 2 attempts", self.gateway.process_log())
        status, body = self.admin("GET", "?state=dead")
        self.assertEqual((status, [d["id"] for d in body["data"]]), (200, [dead[0][0]]))
        self.assertEqual((body["data"][0]["webhook"], body["data"][0]["status"]), ("ops", 503))
        self.assertEqual(self.command("retry", dead[0][0])[0], 0)
        wait_for(lambda: len(self.receiver.news) == 3, 10, "one more attempt")
        wait_for(lambda: self.rows(database, "delivered") == dead, 5, "the delivery to be done")
        for path, status in (("/%s/retry" % dead[0][0], 200), ("/dlv_unknown/retry", 404)):
            self.assertEqual(self.admin("POST", path)[0], status)
        wait_for(lambda: len(self.receiver.news) == 4, 10, "the delivery sent once more")
        status, _, error = self.command("retry", "dlv_unknown")
        self.assertEqual(status, 1)
        self.assertIn("no delivery", error)

    def test_what_waits_outlives_the_process(self):
        self.receiver.plays = [500]
        gateway = self.start(hook={"retry": "2s", "events": ["budget.*"]}, quotas=[
            {"name": "month", "scope": {"tenant": "acme"}, "money": 0.2, "window": "month", "warn": [10]}])
        self.chat()
        database = self.database()
        wait_for(lambda: [r for r in database.execute("SELECT body FROM deliveries") if '"attempts":1' in r[0]], 5,
                 "a failed attempt to be stored")
        gateway.crash()
        wait_for(lambda: len(self.receiver.news) == 2, 10, "the second attempt, of the next process")

    def test_providers_down_and_up(self):
        self.start(hook={"events": ["provider.*"]}, quotas=[])
        self.chat("broken", count=8)
        wait_for(lambda: self.receiver.of("provider.down"), 10, "provider.down")
        data = self.receiver.of("provider.down")[0]["data"]
        self.assertEqual((data["provider"], data["model"]), ("o", "broken"))
        self.upstream.plays["broken"] = [whole(ANSWER)] * 1000

        def is_up():
            self.chat("broken")
            return self.receiver.of("provider.up")
        wait_for(is_up, 20, "provider.up")
        self.assertEqual(len(self.receiver.of("provider.down")), 1)

    def test_keys_that_change(self):
        gateway = self.start(hook={"tenant": "acme", "events": ["key.*"]})
        database = self.database()
        for number, (tenant, action, outcome) in enumerate([
                ("acme", "key.rotate", "done"), ("acme", "key.revoke", "denied"), ("globex", "key.block", "done")], 1):
            database.execute("INSERT INTO audit VALUES (?, ?, ?, 'user:ann', ?, 'keys/key_1', ?, '', '', '', '', x'', "
                             "x'')", (number, int(time.time() * 1000), tenant, action, outcome))
        wait_for(lambda: self.rows(database, "delivered"), 10, "news of a key")
        gateway.crash()
        wait_for(lambda: "listening" in gateway.process_log(), 5)
        database.execute("INSERT INTO audit VALUES (4, ?, 'acme', 'user:ann', 'key.block', 'keys/key_2', 'done', '', '',"
                         " '', '', x'', x'')", (int(time.time() * 1000),))
        wait_for(lambda: len(self.receiver.news) >= 2, 10, "more news of keys")
        self.assertEqual([(json.loads(body)["type"], json.loads(body)["data"]["key"]) for _, body in
                          self.receiver.news], [("key.rotate", "key_1"), ("key.block", "key_2")])

    def test_unusual_spending(self):
        gateway = self.start(hook={"events": ["spend.*"]}, spend_alert={"percent": 300, "minimum": 0.01}, quotas=[])
        self.chat(count=2)
        self.assertEqual(gateway.stop(), 0)
        database = self.database()
        for table in ("rollups", "rollups_by"):  # yesterday: a tenth of it
            columns = [r[1] for r in database.execute("PRAGMA table_info(%s)" % table)]
            picked = ", ".join({"day": "day - 1", "cost_nanousd": "cost_nanousd / 10"}.get(c, c) for c in columns)
            database.execute("INSERT INTO %s SELECT %s FROM %s" % (table, picked, table))
        self.gateway.errors = open(self.gateway.error_path, "ab")
        self.gateway.launch()
        wait_for(lambda: self.receiver.of("spend.anomaly"), 10, "spend.anomaly")
        news = self.receiver.of("spend.anomaly")[0]
        self.assertEqual((news["tenant"], news["data"]["today"]), ("acme", 0.04))
        self.assertAlmostEqual(news["data"]["usual"], 0.004 / 7, 8)

    def test_reloads_change_who_is_told(self):
        gateway = self.start(quotas=[{"name": "month", "scope": {"tenant": "acme"}, "money": 0.2, "window": "month",
                                      "warn": [10, 50]}])
        hooks = gateway.config.pop("webhooks")
        gateway.reload(gateway.config)
        self.chat()  # 10 %: nobody is told
        wait_for(lambda: "10 % reached" in gateway.process_log(), 5, "the first threshold")
        gateway.reload(dict(gateway.config, webhooks={"late": hooks["ops"]}))
        self.chat(count=5)
        wait_for(lambda: self.receiver.news, 10, "the second threshold")
        self.assertEqual([n["data"]["percent"] for n in self.receiver.of("budget.threshold")], [50])

    def test_internal_addresses_are_refused(self):
        config = {"providers": {}, "models": {}, "keys": [], "webhooks": {"ops": {
            "url": self.receiver.url, "secret": SECRET, "attempts": 1}}}
        gateway = Gateway(dict(config, providers={"o": {"adapter": "openai", "base_url": self.upstream.url + "/v1"}},
                               models={"paid": {"targets": ["o/paid"], "price": PRICE}},
                               keys=[{"name": "wire", "key": KEY, "tenant": "acme"}],
                               quotas=[{"name": "day", "money": 0.02, "window": "day"}]))
        self.gateway = gateway
        self.addCleanup(gateway.remove)
        self.addCleanup(self.stop)
        self.chat()
        wait_for(lambda: "is dead after 1 attempt" in gateway.process_log(), 10, "dead deliveries")
        self.assertEqual(self.receiver.news, [])

    def test_mistakes_are_named(self):
        for hook, sentence in (({"url": "ftp://x", "secret": SECRET}, "write https://host/path"),
                               ({"url": "https://x.example"}, "has no secret"),
                               ({"secret": SECRET}, "has no url"),
                               ({"url": "https://x.example", "secret": "short"}, "shorter than 16"),
                               ({"url": "http://127.0.0.1:1/", "secret": SECRET, "event": "x"}, "unknown key")):
            gateway = Gateway({"webhooks": {"ops": hook}}, wait=False)
            gateway.process.wait(20)
            self.assertIn(sentence, gateway.process_log())
            gateway.stop()
            gateway.remove()


if __name__ == "__main__":
    unittest.main(verbosity=2)
