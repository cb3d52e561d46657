"""New generations of a tenant's scripts under load: none lost, none mixed, nothing kept.
GATEYES_SWAPS and GATEYES_STREAMS make it longer; 1000 and 500 are the full form."""
import json
import os
import shutil
import tempfile
import threading
import time
import unittest
import urllib.request

from client import Client
from harness import ADMIN_KEY, KEY, SLACK, GatewayCase, chat_body, wait_for
from streams import BODIES, FRAMES, PATHS, is_complete
from upstream import CHUNKED, Upstream, chunk, head, stream

SWAPS, STREAMS = int(os.environ.get("GATEYES_SWAPS", "25")), int(os.environ.get("GATEYES_STREAMS", "30"))
PART = b"".join(FRAMES["chat"][:6])
FIRST = """local mark = require "lib.mark"
local policy = { name = "first" }
function policy.on_request(request, context) request:set("user", mark) end
return policy
"""
SECOND = """local mark = require "lib.mark"
local policy = { name = "second" }
function policy.on_request(request, context) request:set("metadata", { mark = mark }) end
function policy.on_finish(request, context) context:trace(mark) end
return policy
"""
SPEC = """describe("the mark", function()
  it("is a text", function() assert.is_string(require "lib.mark") end)
end)
"""
BROKEN = (
    {"lib/mark.lua": "return {"}, {"lib/mark.lua": "error 'at init'"}, {"lib/mark.lua": "return 5"},
    {"tenant.lua": "return { policies = { 'third' } }"}, {"policies/first.lua": FIRST.replace("on_request", "on_reques")},
)


class Swap(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-swap-")
        cls.upstream = Upstream()
        cls.is_open = threading.Event()
        cls.mixed, cls.lock = [], threading.Lock()

        def held(record):
            cls.judge(record)
            yield head() + CHUNKED + chunk(PART)
            cls.is_open.wait(600)
            yield chunk(BODIES["chat"][len(PART):]) + b"0\r\n\r\n"

        def plain(record):
            cls.judge(record)
            yield stream(BODIES["chat"])
        cls.upstream.plays = {"m": plain, "held": held}
        return {"tenants": cls.root, "workers": 2, "scripts": {"keep": 5, "cpu": "1s", "wall": "5s"},
                "limits": {"connections": 20000},
                "providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}},
                "models": {"m": {"targets": ["o/m"]}, "held": {"targets": ["o/held"]}},
                "keys": [{"name": "wire", "key": KEY, "tenant": "acme"}]}

    @classmethod
    def end(cls):
        super().end()
        shutil.rmtree(cls.root)

    @classmethod
    def judge(cls, record):
        """One request must have seen one generation only."""
        body = json.loads(record.body)
        with cls.lock:
            if body.get("user") is None or body["user"] != body.get("metadata", {}).get("mark"):
                cls.mixed.append(record.body)

    def push(self, files):
        data = json.dumps({"files": files}).encode()
        request = urllib.request.Request("http://%s/admin/tenants/acme/scripts" % self.gateway.admin.text, data,
                                         {"authorization": "Bearer " + ADMIN_KEY}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def files(self, number):
        return {"tenant.lua": "return { policies = { 'first', 'second' } }", "policies/first.lua": FIRST,
                "policies/second.lua": SECOND, "lib/mark.lua": "return 'mark %d'" % number, "lib/mark_spec.lua": SPEC}

    def open_streams(self, generation):
        clients = []
        for _ in range(STREAMS):
            client = Client(self.gateway.port, wait=600)
            client.post(PATHS["chat"], chat_body("held", True))
            reply = client.read_until(client.read_head(), b"w04")
            self.assertEqual(reply.headers["x-gateyes-generation"], str(generation))
            clients.append((client, reply))
        return clients

    def run_load(self, stopping, failures, seen):
        client = Client(self.gateway.port)
        while not stopping.is_set():
            reply = client.ask(PATHS["chat"], chat_body("m", True))
            if reply is None or reply.status != 200 or not is_complete("chat", reply):
                failures.append(reply and (reply.status, reply.body[-200:]))
                client.close()
                client = Client(self.gateway.port)
                continue
            seen.append(int(reply.headers["x-gateyes-generation"]))
            if reply.headers.get("connection") == "close":
                client.close()
                client = Client(self.gateway.port)
        client.close()

    def ask_scripts(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request("http://%s/admin/tenants/acme/scripts%s" % (self.gateway.admin.text, path), data,
                                         {"authorization": "Bearer " + ADMIN_KEY})
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.load(reply)

    def test_what_outlives_its_scripts(self):
        """drain.hard ends a request whose scripts were replaced that long ago."""
        self.is_open.clear()
        config = dict(self.gateway.config, drain={"hard": 1, "grace": 0})
        self.gateway.reload(config)
        self.push(self.files(0))
        with self.gateway.client(wait=60) as client, self.gateway.client(wait=60) as second:
            client.post(PATHS["chat"], chat_body("held", True))
            reply = client.read_until(client.read_head(), b"w04")
            self.push(self.files(1))
            second.post(PATHS["chat"], chat_body("held", True))
            other = second.read_until(second.read_head(), b"w04")
            client.read_body(reply)
            self.assertIn(b"were replaced", reply.body)
            self.assertEqual(len(self.gateway.exchanges()), 1)  # the other runs on the newest
            self.push(self.files(2))
            second.read_body(other)
            self.assertIn(b"were replaced", other.body)
        self.is_open.set()
        self.gateway.reload(dict(config, drain={"hard": 600}))

    def test_shadow_and_canary(self):
        """A shadow changes nothing and is compared; a canary gets its key's requests."""
        first = self.push(self.files(0))[1]["running"]
        deny = FIRST.replace('request:set("user", mark)', 'context:deny { code = "no_more" }')
        reply = self.ask_scripts("", {"files": dict(self.files(1), **{"policies/first.lua": deny}), "shadow": True})
        self.assertEqual((reply["running"], reply["shadow"]), (first, first + 1))
        for _ in range(3):
            with self.gateway.client() as client:
                answer = client.ask(PATHS["chat"], chat_body("m", True))
            self.assertEqual((answer.status, answer.headers["x-gateyes-generation"]), (200, str(first)))
        wait_for(lambda: self.ask_scripts("/differences")["requests"] == 3, 5, "three compared requests")
        found = self.ask_scripts("/differences")
        self.assertEqual((found["requests"], found["different"], len(found["differences"])), (3, 3, 3))
        self.assertEqual(found["differences"][0]["shadow"], "deny 403 no_more")
        self.assertTrue(found["differences"][0]["running"].startswith("pass, body "))
        self.ask_scripts("/drop", {})
        reply = self.ask_scripts("", {"files": self.files(2), "canary": {"percent": 0, "keys": ["wire"]}})
        self.assertEqual(reply["canary"], first + 2)
        with self.gateway.client() as client:
            answer = client.ask(PATHS["chat"], chat_body("m", True))
        self.assertEqual(answer.headers["x-gateyes-generation"], str(first + 2))
        self.ask_scripts("/drop", {})
        with self.gateway.client() as client:
            answer = client.ask(PATHS["chat"], chat_body("m", True))
        self.assertEqual(answer.headers["x-gateyes-generation"], str(first))

    def test_swaps(self):
        first = self.push(self.files(1))[1]["running"]
        self.is_open.clear()
        clients = self.open_streams(first)
        stopping, failures, seen = threading.Event(), [], []
        threads = [threading.Thread(target=self.run_load, args=(stopping, failures, seen)) for _ in range(4)]
        for thread in threads:
            thread.start()
        running, warm, began = first, None, time.monotonic()
        try:
            for number in range(2, SWAPS + 2):
                broken = number % 5 == 0
                files = dict(self.files(number), **(BROKEN[number // 5 % len(BROKEN)] if broken else {}))
                status, reply = self.push(files)
                self.assertEqual(status, 422 if broken else 200, reply)
                running = running if broken else first + number - 1
                if number == SWAPS // 4:
                    warm = self.gateway.rss()
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
        took = time.monotonic() - began
        self.assertEqual(failures, [])
        self.assertEqual(self.mixed, [])
        self.assertGreater(len(set(seen)), SWAPS // 10)
        grown = self.gateway.rss() - warm
        self.is_open.set()
        for client, reply in clients:  # they began with the first generation, and end with it
            client.read_body(reply)
            client.close()
            self.assertTrue(is_complete("chat", reply), reply.body[-200:])
        if SWAPS > 100:
            print("%d swaps in %.1f s, %d streams open, %d requests beside them, 0 failed, 0 mixed; memory grew by %.1f MiB"
                  % (SWAPS, took, STREAMS, len(seen), grown / 2**20))
        if SLACK == 1:  # a sanitizer keeps what was freed
            self.assertLess(grown, 24 * 2**20)
        with self.gateway.client() as client:
            reply = client.ask(PATHS["chat"], chat_body("m", True))
        self.assertEqual(reply.headers["x-gateyes-generation"], str(running))
        wait_for(lambda: self.gateway.exchanges() == [], 10, "the streams' end")


if __name__ == "__main__":
    unittest.main()
