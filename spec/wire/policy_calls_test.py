"""What policies reach outside of Lua: other services by the operator's list, secrets, the store of all workers."""
import http.server
import json
import os
import shutil
import socket
import tempfile
import threading
import time
import unittest
import urllib.request

from harness import ADMIN_KEY, GatewayCase, chat_body, wait_for
from streams import BODIES
from upstream import Upstream, stream, whole

POLICY = """
local gateyes = require "gateyes"
local token = gateyes.secret("guard_token", "Bearer ")
local policy = { name = "guard" }
function policy.on_request(request, context)
  local text = request.last_user_text
  if text == "count" then return context:answer { body = { sum = gateyes.store.add("count") } } end
  if text == "elsewhere" then
    local reply, why, code = gateyes.fetch "http://%s:%d/"
    return context:answer { body = { why = why, code = code, status = reply and reply.status } }
  end
  local reply = gateyes.fetch { url = "http://127.0.0.1:%d/check", json = { text = text },
    headers = { authorization = token } }
  gateyes.sleep(1)
  local verdict = gateyes.json.decode(reply.body)
  if not verdict.ok then return context:deny { status = 422, code = "guard", message = verdict.why } end
  return context:answer { body = verdict }
end
return policy
"""

WHOLE = {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
         "choices": [{"index": 0, "message": {"role": "assistant", "content": "words"}, "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}}


class Guard(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if body["text"] == "slow":
            time.sleep(1)
        verdict = {"ok": body["text"] != "bad", "why": "not this", "token": self.headers["authorization"]}
        data = json.dumps(verdict).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # the gateway does not wait for a slow guard


class PolicyCalls(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.guard = Server(("127.0.0.1", 0), Guard)
        threading.Thread(target=cls.guard.serve_forever, daemon=True).start()
        port = cls.guard.server_address[1]
        cls.root = tempfile.mkdtemp(prefix="gateyes-calls-")
        cls.write("tenants/default/tenant.lua", 'return { policies = { "guard" } }')
        cls.write("tenants/default/policies/guard.lua", POLICY % ("localhost", port, port))
        cls.write("secrets/default/guard_token", "hush\n")
        return {"tenants": cls.root + "/tenants", "tenant_secrets": cls.root + "/secrets",
                "tenant_hosts": ["127.0.0.1"], "workers": 2, "scripts": {"cpu": "500ms", "wall": "500ms"},
                "providers": {"o": {"adapter": "openai", "base_url": "http://127.0.0.1:1/v1"}},
                "models": {"m": {"targets": ["o/m"]}}}

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    @classmethod
    def end(cls):
        super().end()
        cls.guard.shutdown()
        cls.guard.server_close()
        shutil.rmtree(cls.root)

    def say(self, text):
        reply = self.ask("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": text}]})
        return reply.status, json.loads(reply.body)

    def test_fetch(self):
        self.assertEqual((200, {"ok": True, "why": "not this", "token": "Bearer hush"}), self.say("fine"))
        status, body = self.say("bad")
        self.assertEqual((422, "guard", "not this"), (status, body["error"]["code"], body["error"]["message"]))

    def test_other_hosts(self):
        status, body = self.say("elsewhere")
        self.assertEqual(200, status)
        self.assertNotIn("status", body)
        self.assertIn("code", body)

    def test_slow(self):
        started = time.monotonic()
        status, body = self.say("slow")
        self.assertEqual((500, "policy_error"), (status, body["error"]["code"]))
        self.assertLess(time.monotonic() - started, 5)

    def test_store(self):
        sums = [self.say("count")[1]["sum"] for _ in range(20)]
        self.assertEqual(list(range(1, 21)), sums)


WAITS = """
local gateyes = require "gateyes"
local policy = { name = "waits" %s }
function policy.%s
  %s
end
function policy.on_finish() gateyes.metric("finished") end
return policy
"""
HOOKS = {"on_request": ("", "on_request(request, context)"), "route": ("", "route(request, candidates, context)"),
         "on_delta": ("", "on_delta(delta, context)"), "on_reply": (", stream = 'hold'", "on_reply(reply, context)")}


class Leaving(GatewayCase):
    """The request ends while a hook waits: its client leaves, or drain.hard cuts it."""
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-leaving-")
        cls.silent = socket.create_server(("127.0.0.1", 0))
        cls.silent.settimeout(10)
        cls.upstream = Upstream()
        cls.upstream.plays = {"m": lambda record: [stream(BODIES["chat"]) if record.json["stream"] else whole(WHOLE)]}
        return {"tenants": cls.root, "tenant_hosts": ["127.0.0.1", "127.0.0.0/8"], "scripts": {"wall": "60s"},
                "drain": {"hard": 600, "grace": 0},
                "providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}},
                "models": {"m": {"targets": ["o/m"]}}}

    @classmethod
    def end(cls):
        super().end()
        cls.silent.close()
        shutil.rmtree(cls.root)

    def push(self, hook, wait):
        more, head = HOOKS[hook]
        files = {"tenant.lua": "return { policies = { 'waits' } }", "policies/waits.lua": WAITS % (more, head, wait)}
        request = urllib.request.Request("http://%s/admin/tenants/default/scripts" % self.gateway.admin.text,
                                         json.dumps({"files": files}).encode(), {"authorization": "Bearer " + ADMIN_KEY})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def finished(self):
        return self.gateway.metric('gateyes_policy_events_total{tenant="default",policy="waits",name="finished",value=""}')

    def wait_for_end(self, before):
        wait_for(lambda: self.gateway.exchanges() == [], 5, "the request's end")
        self.assertEqual(self.finished(), before + 1)

    def test_the_client_leaves(self):
        url = "http://127.0.0.1:%d/" % self.silent.getsockname()[1]
        for hook in HOOKS:
            for streams in (False, True):
                self.push(hook, "gateyes.fetch { url = '%s', timeout_ms = 60000 }" % url)
                before = self.finished()
                client = self.gateway.client()
                client.post("/v1/chat/completions", chat_body("m", streams))
                service = self.silent.accept()[0]
                service.recv(65536)
                client.close()
                service.settimeout(10)
                self.assertEqual(service.recv(65536), b"", (hook, streams))  # cancelled
                service.close()
                self.wait_for_end(before)

    def test_it_is_cut(self):
        for hook in HOOKS:
            self.push(hook, "gateyes.sleep(50000)")
            before = self.finished()
            with self.gateway.client(wait=30) as client:
                client.post("/v1/chat/completions", chat_body("m", True))
                wait_for(lambda: self.gateway.exchanges(), 5, "the request")
                self.gateway.reload(dict(self.gateway.config, drain={"hard": 1, "grace": 0}))
                reply = client.read_head()
                client.read_body(reply)
                self.assertIn(b"were replaced", reply.body, hook)
            self.gateway.reload(dict(self.gateway.config, drain={"hard": 600, "grace": 0}))
            self.wait_for_end(before)


if __name__ == "__main__":
    unittest.main()
