"""`gateyes try`: the verdict, edits, route and trace of one policy on one request."""
import json
import os
import subprocess
import tempfile
import unittest

BINARY = os.environ["GATEYES_BIN"]
POLICY = """
local words = require "lib.words"
local gateyes = require "gateyes"
local policy = { name = "guard" }
function policy.on_request(request, context)
  if request.last_user_text == words.bad then return context:deny { status = 451, code = "bad" } end
  if #gateyes.detect(request, "payment_card") > 0 then context:require { residency = "local" } end
  gateyes.sleep(2)
  context:tag("tokens", gateyes.tokens.count(request))
  request:set("metadata.seen", true)
end
function policy.route(request, candidates)
  return { candidates[#candidates] }
end
return policy
"""
CONFIG = """
return {
  listen = { "127.0.0.1:0" },
  providers = {
    gpu = { adapter = "openai", base_url = "http://127.0.0.1:1/v1", residency = "local" },
    gpu2 = { adapter = "openai", base_url = "http://127.0.0.1:2/v1", residency = "local" },
    cloud = { adapter = "openai", base_url = "http://127.0.0.1:3/v1", residency = "cloud" },
  },
  models = { m = { targets = { "gpu/a", "gpu2/a", "cloud/b" } } },
}
"""


class Try(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.write("policies/guard.lua", POLICY)
        self.write("lib/words.lua", 'return { bad = "stop" }')
        self.write("gateyes.lua", CONFIG)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def ask(self, content, *words, policy="policies/guard.lua"):
        body = {"model": "m", "messages": [{"role": "user", "content": content}]}
        self.write("request.json", json.dumps(body) + "\n")
        return subprocess.run([BINARY, "try", policy, "--request", "request.json", *words], cwd=self.folder.name,
                              capture_output=True, text=True, timeout=60)

    def test_pass(self):
        done = self.ask("card 4111 1111 1111 1111", "--config", "gateyes.lua", "--json")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        got = json.loads(done.stdout)
        self.assertEqual("pass", got["verdict"])
        self.assertEqual("local", got["requirements"]["residency"])
        self.assertEqual(["gpu2/a"], got["route"])
        self.assertIs(True, got["body"]["metadata"]["seen"])
        self.assertGreater(int(got["tags"]["tokens"]), 3)
        self.assertEqual(["require", "tag", "edit", "route"], [entry["what"] for entry in got["trace"]])

    def test_deny(self):
        done = self.ask("stop")
        self.assertEqual(0, done.returncode)
        self.assertTrue(done.stdout.startswith("verdict   deny 451\ncode      bad\n"), done.stdout)

    def test_wrong(self):
        self.assertEqual(1, self.ask("x", policy="policies/none.lua").returncode)
        self.assertEqual(2, self.ask("x", "--dialect", "telnet").returncode)
        self.write("policies/guard.lua", "return { name = 'guard', on_requst = function() end }")
        done = self.ask("x")
        self.assertEqual(1, done.returncode)
        self.assertIn("on_requst is not known; the nearest is on_request", done.stderr)


if __name__ == "__main__":
    unittest.main()
