"""Configurations that the pages show: every key and setting in them is one that there is."""
import glob
import os
import re
import subprocess
import tempfile
import unittest

BINARY = os.environ["GATEYES_BIN"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What a page says is there already: other files, and things of the rest of the configuration.
ELSEWHERE = re.compile(r"is called \"|cannot read (file|folder)|there is no file policies/|secret file")
# What a tenant's file may name; policies are looked at only where the rest is fine.
OPERATOR = """return { tenant_hosts = { "api.openai.com" }, models = { ["gpt-4o"] = { targets = { "gpu/m" } } },
  providers = { gpu = { adapter = "openai", base_url = "http://127.0.0.1:9/v1" } } }"""
TOP = re.compile(r"^(store|ledger|retention|content|quotas|reserve|models|providers|prices|markups|webhooks|scripts|auth|upstream|client)\s*=", re.M)


def blocks():
    for path in sorted(glob.glob(os.path.join(ROOT, "docs", "*.md"))):
        with open(path, encoding="utf-8") as file:
            for block in re.findall(r"^```lua\n(.*?)^```$", file.read(), re.S | re.M):
                yield os.path.basename(path), block


class Blocks(unittest.TestCase):
    def check(self, name, text, *words):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(os.path.join(folder, "gateyes.lua"), "w", encoding="utf-8") as file:
                file.write(OPERATOR)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            given = dict(os.environ)
            for variable in re.findall(r'env "(\w+)"', text):  # one that is missing would be all that is said
                given[variable] = given["GATEYES_TENANT_ACME__" + variable] = "0" * 64
            done = subprocess.run([BINARY, "check", os.path.join(folder, *words)], capture_output=True, text=True, timeout=60,
                                  env=given, check=False)
        said = done.stderr.splitlines() if done.returncode else []
        return [line for line in said if not ELSEWHERE.search(line)]

    def test_tenants(self):
        count = 0
        for page, block in blocks():
            if "tenant.lua" in block.split("\n", 1)[0]:
                count += 1
                self.assertEqual(self.check("acme/tenant.lua", block, "acme"), [], page + ":\n" + block)
        self.assertGreater(count, 1)

    def test_parts_of_configurations(self):
        count = 0
        for page, block in blocks():
            if TOP.match(block):
                count += 1
                whole = "return {\n%s}" % re.sub(r"^}$", "},", block.replace("…", ""), flags=re.M)
                self.assertEqual(self.check("gateyes.lua", whole, "gateyes.lua"), [], page + ":\n" + block)
        self.assertGreater(count, 5)


if __name__ == "__main__":
    unittest.main()
