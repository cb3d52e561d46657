"""Where a tenant's own providers and its policies' fetch lead: to hosts of the list, at addresses of the list, and with
no credential of the platform, whatever name servers, redirects and spellings say."""
import json
import shutil
import tempfile
import unittest
import urllib.error
import urllib.request

from harness import ADMIN_KEY, GatewayCase, chat_body, lua
from nameserver import NameServer
from streams import BODIES
from upstream import Upstream, head, stream

PLATFORM = "sk-platform-secret"
ALLOWED, INSIDE = "127.9.9.9", "127.0.0.1"
POLICY = """
local gateyes = require "gateyes"
local policy = { name = "asks" }
function policy.on_request(request, context)
  local reply, why, code = gateyes.fetch { url = request.last_user_text, json = { model = "m" } }
  return context:answer { body = { status = reply and reply.status or 0, why = why, code = code } }
end
return policy
"""
# How one may write the loopback address, and what stands for it in other clothes.
SPELLINGS = ("127.1", "127.0.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "0x7f.0.0.1", "127.0.0.1.", "127.0.0.01",
             "017700000001", "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
             "[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]",
             "[fe80::1%25lo]", "[fe80::1%lo]", "[::1%lo]", "localhost", "localhost.", "LOCALHOST", "\u2460\u2461\u2466.0.0.1",
             "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "127.0.0.1%2f", "a@127.0.0.1", "ok.tenant.test@127.0.0.1",
             "ok.tenant.test#@127.0.0.1", "ok.tenant.test\\@127.0.0.1", "127.0.0.1\\.tenant.test", "ok.tenant.test\t", "127.0.0.1?.tenant.test")


class TenantNetwork(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-network-")
        cls.inside = Upstream()
        cls.outside = Upstream(host=ALLOWED, port=cls.inside.port)
        for upstream in (cls.inside, cls.outside):
            upstream.plays = {"m": [stream(BODIES["chat"])]}
        cls.names = NameServer({"ok.tenant.test": [ALLOWED], "moves.tenant.test": [ALLOWED], "mixed.tenant.test": [INSIDE, ALLOWED], "in.tenant.test": [INSIDE]})
        return {"tenants": cls.root, "tenant_hosts": ["*.tenant.test", "127.9.9.0/24"], "workers": 2,
                "scripts": {"wall": "5s", "cpu": "500ms"}, "upstream": {"nameservers": [cls.names.address]},
                "providers": {"o": {"adapter": "openai", "base_url": cls.inside.url + "/v1", "credential": PLATFORM,
                                    "headers": {"x-platform": PLATFORM}}},
                "models": {"m": {"targets": ["o/m"]}}}

    @classmethod
    def end(cls):
        super().end()
        cls.names.close()
        cls.inside.close()
        cls.outside.close()
        shutil.rmtree(cls.root)

    def setUp(self):
        for upstream in (self.inside, self.outside):
            upstream.plays = {"m": [stream(BODIES["chat"])]}
            upstream.forget()

    def push(self, files):
        request = urllib.request.Request("http://%s/admin/tenants/default/scripts" % self.gateway.admin.text,
                                         json.dumps({"files": files}).encode(), {"authorization": "Bearer " + ADMIN_KEY})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            return {"status": error.code, "body": error.read().decode()}

    def serve_from(self, host, **more):
        """Whether a provider at that host, of the name of the operator's, is taken."""
        provider = {"adapter": "openai", "base_url": "http://%s:%d/v1" % (host, self.inside.port)}
        provider.update(more)
        done = self.push({"tenant.lua": "return " + lua({"providers": {"o": provider}})})
        return "status" not in done, done

    def ask_model(self):
        return self.ask("/v1/chat/completions", chat_body("m", True))

    def fetch(self, url):
        return self.ask("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": url}]}).json()

    def assert_untouched(self, what):
        self.assertEqual([], self.inside.records, what)

    def test_a_name_that_moves_inside(self):
        taken, why = self.serve_from("moves.tenant.test")
        self.assertTrue(taken, why)
        reply = self.ask_model()
        self.assertEqual(200, reply.status, reply.body)
        self.assertEqual(1, len(self.outside.records))
        self.outside.plays = {"m": [stream(BODIES["chat"], connection="close")]}
        self.names.names["moves.tenant.test"] = [INSIDE]
        for spelling in ("in.tenant.test", "IN.Tenant.Test.", "moves.tenant.test"):
            taken, why = self.serve_from(spelling, timeouts={"dns": "1s"})
            self.assertTrue(taken, why)
            self.ask_model()
            self.assert_untouched(spelling)
        taken, why = self.serve_from("in.tenant.test")
        reply = self.ask_model()
        self.assertGreaterEqual(reply.status, 500)
        self.assertNotIn(INSIDE.encode(), reply.body)

    def test_a_name_with_two_addresses(self):
        taken, why = self.serve_from("mixed.tenant.test")
        self.assertTrue(taken, why)
        for _ in range(6):
            self.ask_model()
        self.assert_untouched("mixed")

    def test_redirects_are_answers(self):
        taken, why = self.serve_from("ok.tenant.test")
        self.assertTrue(taken, why)
        for status in (301, 302, 303, 307, 308):
            self.outside.plays = {"m": [head(status, "text/plain", location="http://127.0.0.1:%d/v1/chat/completions" % self.inside.port)
                                        + b"Content-Length: 0\r\n\r\n"]}
            self.assertGreaterEqual(self.ask_model().status, 400)
            self.assert_untouched(status)

    def test_no_credential_of_the_platform(self):
        taken, why = self.serve_from("ok.tenant.test")
        self.assertTrue(taken, why)
        self.assertEqual(200, self.ask_model().status)
        self.push({"tenant.lua": "return { policies = { 'asks' } }", "policies/asks.lua": POLICY})
        self.fetch("http://ok.tenant.test:%d/" % self.outside.port)
        self.assertEqual(2, len(self.outside.records))
        for record in self.outside.records:
            self.assertNotIn(PLATFORM, str(record.headers))
            self.assertNotIn("gy-wire", str(record.headers))
            self.assertNotIn("authorization", record.headers)

    def test_spellings_of_providers(self):
        for spelling in SPELLINGS:
            taken, _ = self.serve_from(spelling)
            if taken:
                self.ask_model()
            self.assert_untouched(spelling)

    def test_spellings_of_fetch(self):
        done = self.push({"tenant.lua": "return { policies = { 'asks' } }", "policies/asks.lua": POLICY})
        self.assertNotIn("status", done)
        port = self.inside.port
        self.assertEqual(200, self.fetch("http://ok.tenant.test:%d/" % port)["status"])
        for spelling in SPELLINGS + ("in.tenant.test", "mixed.tenant.test"):
            for scheme in ("http", "HTTP", "http:/", "gopher", "file"):
                reply = self.fetch("%s://%s:%d/" % (scheme, spelling, port))
                self.assert_untouched((scheme, spelling, reply))
        self.outside.plays = {"m": [head(302, "text/plain", location="http://127.0.0.1:%d/" % port) + b"Content-Length: 0\r\n\r\n"]}
        self.assertEqual(302, self.fetch("http://ok.tenant.test:%d/" % port)["status"])
        self.assert_untouched("redirect")


if __name__ == "__main__":
    unittest.main()
