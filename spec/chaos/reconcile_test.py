"""After many requests, whole and broken: ledger = counters = what the provider itself wrote down, to the nano-unit.

GATEYES_REQUESTS says how many (the default is short); the long form: GATEYES_REQUESTS=1000000 python3 reconcile_test.py."""
import collections
import json
import os
import random
import sqlite3
import threading
import unittest

from client import Client
from harness import GatewayCase, chat_body, messages_body, responses_body, wait_for
from streams import PATHS

REQUESTS = int(os.environ.get("GATEYES_REQUESTS", "1500"))
CLIENTS = 8
BODY = {"chat": chat_body, "messages": messages_body, "responses": responses_body}
KEYS = ["k0", "k1", "k2"]
MONEY, COUNT = 10**9, 10**12  # units; requests and tokens
# Prices in nano-units a token: odd, so that no error cancels out.
INPUT, READ, WRITE, OUTPUT = 1237, 311, 1549, 7919
PRICE = {"input": INPUT / 1000, "cache_read": READ / 1000, "cache_write": WRITE / 1000, "output": OUTPUT / 1000}


class Kind:
    """A model, what its provider says of each answer, and whom it is asked by."""

    def __init__(self, target, usage, dialects, streams=(False, True), faults=""):
        self.tokens, self.cached, self.written, self.out = usage
        self.knobs = "in=%d;cached=%d;cache_write=%d;out=%d" % usage
        self.target, self.dialects, self.streams, self.faults = target, dialects, streams, faults

    def name(self):
        return self.target + "@" + self.knobs + (";" + self.faults if self.faults else "")

    def cost(self):
        plain = self.tokens - self.cached - self.written
        return plain * INPUT + self.cached * READ + self.written * WRITE + self.out * OUTPUT


FINE = {"native": Kind("o/native", (31, 7, 0, 13), ("chat",)),
        "both": Kind("a/both", (57, 11, 17, 19), ("messages", "chat")),
        "other": Kind("o/other", (23, 0, 0, 29), ("messages", "responses")),
        "response": Kind("r/response", (41, 3, 0, 37), ("responses",)),
        # A provider that is busy is left for one that is not: only the second is paid.
        "retried": Kind("o/retried", (5, 0, 0, 3), ("chat", "messages"))}
FAULTY = {"cut": Kind("o/cut", (9, 0, 0, 9), ("chat", "messages"), (True,), "frames=8;size=40;cut=1500;rst"),
          "ended": Kind("a/ended", (9, 0, 0, 9), ("messages", "chat"), (True,), "frames=8;size=40;cut=1200;fin"),
          "stalled": Kind("o/stalled", (9, 0, 0, 9), ("chat",), (True,), "frames=8;size=40;stall=1500"),
          "busy": Kind("o/busy", (9, 0, 0, 9), ("chat", "messages"), faults="status=429"),
          "broken": Kind("a/broken", (9, 0, 0, 9), ("messages", "chat"), faults="status=500"),
          "left": Kind("o/left", (9, 0, 0, 9), ("chat", "messages"), (True,), "frames=20;delay_frame=20")}


class Reconcile(GatewayCase):
    @classmethod
    def configuration(cls):
        models = {name: {"targets": [kind.name()], "price": PRICE} for name, kind in {**FINE, **FAULTY}.items()}
        models["retried"]["targets"].insert(0, FAULTY["busy"].name())
        models["probe"] = {"targets": ["a/probe@in=1;out=1"], "price": {"input": 0, "output": 0}}
        quotas = [{"name": "money", "scope": {"key": "*"}, "money": MONEY, "window": "year"},
                  {"name": "outputs", "scope": {"key": "*"}, "output_tokens": COUNT, "window": "24h"},
                  {"name": "requests", "scope": {"key": "*"}, "requests": COUNT, "window": "month"},
                  {"name": "provider", "scope": {"provider": "*"}, "total_tokens": COUNT, "window": "day"},
                  {"name": "project", "scope": {"project": "*", "model": "*"}, "total_tokens": COUNT, "concurrent": 1000,
                   "window": "week"}]
        return {"providers": cls.mock_providers(), "workers": 2, "models": models, "quotas": quotas,
                "limits": {"retry_min": 1000}, "upstream": {"idle": "300ms"}, "reserve": {"clamp": False},
                "keys": [{"name": key, "key": "gy-" + key, "tenant": "acme", "project": "top/" + key} for key in KEYS]}

    @classmethod
    def check_books(cls):
        """The log of a killed process says nothing: the rows are what counts here."""

    def setUp(self):
        self.asked, self.lock = collections.Counter(), threading.Lock()
        self.written_down, self.newest = collections.Counter(), 0

    def leave(self, body, key):
        """A client that goes away in the middle of a stream."""
        with Client(self.gateway.port, wait=10) as client:
            head = ("POST %s HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer gy-%s\r\nContent-Length: %d\r\n\r\n"
                    % (PATHS["chat"], key, len(body)))
            client.socket.sendall(head.encode() + body)
            self.assertTrue(client.socket.recv(2000))

    def work(self, seed, count):
        dice, clients = random.Random(seed), {}
        for _ in range(count):
            name = dice.choice(list(FAULTY)) if dice.random() < 0.05 else dice.choice(list(FINE))
            kind, key = {**FINE, **FAULTY}[name], dice.choice(KEYS)
            dialect, stream = dice.choice(kind.dialects), dice.choice(kind.streams)
            with self.lock:
                self.asked[name, key] += 1
            if name == "left":
                self.leave(json.dumps(chat_body(name, True, max_tokens=50)).encode(), key)
                continue
            client = clients.pop(None, None) or Client(self.gateway.port, wait=20)
            reply = client.ask(PATHS[dialect], BODY[dialect](name, stream), key="gy-" + key)
            if reply and reply.whole and reply.headers.get("connection") != "close":
                clients[None] = client
            else:
                client.close()
        for client in clients.values():
            client.close()

    def read_provider(self):
        """What the mock wrote down since the last time: it keeps the newest 10,000."""
        for record in self.mock_records("since=%d" % self.newest):
            if record["outcome"] == "open":
                break
            self.newest = record["id"]
            if record["status"] == 200:
                self.written_down[json.loads(record["body"])["model"].split("@")[0]] += 1

    def rows(self, sql):
        with sqlite3.connect(os.path.join(self.gateway.folder, "g.db"), timeout=10) as database:
            return database.execute(sql).fetchall()

    def counters(self, key):
        """Money, output tokens and requests of a key, by what a free request of one token leaves."""
        reply = self.ask(PATHS["messages"], messages_body("probe") | {"max_tokens": 1}, key="gy-" + key)
        self.assertEqual(reply.status, 200)
        whole, part = reply.headers["x-gateyes-budget-remaining"].split(".")
        left = int(whole) * 10**9 + int(part)
        names = ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-requests-remaining")
        return [MONEY * 10**9 - left] + [COUNT - int(reply.headers[name]) - 1 for name in names]

    def load(self):
        rounds = max(1, REQUESTS // 4000)
        for turn in range(rounds):
            threads = [threading.Thread(target=self.work, args=(turn * 100 + i, REQUESTS // rounds // CLIENTS))
                       for i in range(CLIENTS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            wait_for(lambda: self.gateway.exchanges() == [], 10, "no open request")
            self.read_provider()

    def test_sums(self):
        self.load()
        total = sum(self.asked.values())
        wait_for(lambda: self.rows("SELECT count(*) FROM requests")[0][0] == total, 20, "%d rows" % total)
        wait_for(lambda: self.read_provider() or self.mock_records("last=1")[0]["id"] == self.newest, 10, "the last record")
        for name, kind in FINE.items():
            got = self.rows("SELECT count(*), sum(cost_nanousd), sum(output_tokens) FROM requests WHERE model = '%s'"
                            " AND usage_source = 1 AND failure = ''" % name)[0]
            count = self.written_down[name]
            self.assertEqual(count, sum(n for (model, _), n in self.asked.items() if model == name), name)
            self.assertEqual(got, (count, count * kind.cost(), count * kind.out), name)
        for name in ("busy", "broken"):
            self.assertEqual(self.rows("SELECT total(cost_nanousd), total(usage_source) FROM requests WHERE model = '%s'" % name),
                             [(0, 0)], "nobody pays for %s" % name)
        for name in ("cut", "ended", "stalled", "left"):
            count, billed = self.rows("SELECT count(*), sum(cost_nanousd > 0 AND usage_source = 2 AND failure <> '') FROM requests"
                                      " WHERE model = '%s'" % name)[0]
            self.assertEqual((count, billed or 0), (self.written_down[name],) * 2, "what %s produced is billed" % name)
        sums = {key: list(self.rows("SELECT sum(cost_nanousd), sum(output_tokens), sum(usage_source <> 0) FROM requests"
                                    " WHERE key_id = '%s'" % key)[0]) for key in KEYS}
        for key in KEYS:
            self.assertEqual(self.counters(key), sums[key], "counters of " + key)
        self.gateway.crash()
        for key in KEYS:  # the probe of before is one more request with one token, for nothing
            self.assertEqual(self.counters(key), [a + b for a, b in zip(sums[key], (0, 1, 1))], "after a crash: " + key)
        print("%d requests, %d of them faulty, %d nano-units in ledger, counters and the provider's own records"
              % (total, sum(n for (name, _), n in self.asked.items() if name in FAULTY), sum(s[0] for s in sums.values())))


if __name__ == "__main__":
    unittest.main()
