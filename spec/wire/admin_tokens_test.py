"""Operators who show a signed token of an identity provider: what it lets them do, and what no forgery does."""
import base64
import hashlib
import hmac
import http.client
import json
import shutil
import subprocess
import tempfile
import time
import unittest

from admin_calls import Api
from auth_support import Issuer, encode
from harness import ADMIN_KEY, GatewayCase, wait_for

KEYS = "/admin/v1/keys"


class Tokens(GatewayCase):
    calls = 0

    @classmethod
    def configuration(cls):
        cls.folder = tempfile.mkdtemp(prefix="gateyes-tokens-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.issuer = Issuer(cls.folder)
        cls.addClassCleanup(cls.issuer.close)
        cls.issuer.rotate("k1")
        corp = {"issuer": cls.issuer.url, "audience": ["gateyes"], "jwks_url": cls.issuer.url + "/jwks", "refetch": "1s", "leeway": "1s",
                "tenant_claim": "org", "roles_claim": "groups",
                "roles": {"heads": "tenant_admin", "books": "auditor", "root": "super_admin"}}
        return {"providers": cls.mock_providers(), "models": {"m": {"targets": ["o/m"]}}, "auth": {"oidc": {"corp": corp}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator = Api(cls.gateway.admin.number, ADMIN_KEY)
        for tenant in ("acme", "beta"):
            assert cls.operator("POST", "/admin/v1/tenants", {"id": tenant})[0] == 201
            assert cls.operator("POST", KEYS, {"tenant": tenant, "name": "of-" + tenant, "roles": ["developer"]})[0] == 201
        cls.head = {"org": "acme", "groups": ["heads", "others"]}
        wait_for(lambda: "k1" in cls.issuer.keys and cls.issuer.fetches > 0, 10, "the keys of the provider")
        wait_for(lambda: cls.get(cls.issuer.token("k1", **cls.head))[0] == 200 or time.sleep(0.2), 10, "the keys of the provider")

    @classmethod
    def get(cls, token, path=KEYS, method="GET", body=None):
        """From an address of its own each time: wrong tokens count as guesses."""
        cls.calls += 1
        address = "127.%d.%d.1" % (1 + cls.calls // 200, cls.calls % 200)
        connection = http.client.HTTPConnection("127.0.0.1", cls.gateway.admin.number, timeout=30, source_address=(address, 0))
        headers = {"authorization": "Bearer " + token} if token else {}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        return reply.status, json.loads(content)

    def wait_until(self, token, status):
        end = time.monotonic() + 20
        while self.get(token)[0] != status and time.monotonic() < end:
            time.sleep(0.5)
        self.assertEqual(self.get(token)[0], status)

    def test_claims_become_roles(self):
        status, page = self.get(self.issuer.token("k1", sub="bea", **self.head))
        self.assertEqual((status, [row["tenant"] for row in page["data"]]), (200, ["acme"]))
        everywhere = self.get(self.issuer.token("k1", org="acme", groups=["root"]))[1]["data"]
        self.assertEqual(sorted(row["tenant"] for row in everywhere), ["acme", "beta"])
        made = {"tenant": "acme", "name": "new", "roles": ["developer"]}
        self.assertEqual(self.get(self.issuer.token("k1", sub="bea", **self.head), method="POST", body=made)[0], 201)
        self.assertEqual(self.get(self.issuer.token("k1", org="acme", groups=["books"]), method="POST", body=made)[0], 403)
        self.assertIn(self.get(self.issuer.token("k1", **self.head), method="POST", body=made | {"tenant": "beta"})[0], (403, 404))
        rows = self.operator("GET", "/admin/v1/audit?action=key.create")[1]["data"]
        self.assertIn("bea", rows[0]["actor"])

    def test_another_tenants_rows_are_not_there(self):
        theirs = next(row["id"] for row in self.operator("GET", KEYS + "?tenant=beta")[1]["data"])
        token = self.issuer.token("k1", **self.head)
        self.assertEqual(self.get(token, KEYS + "/" + theirs)[0], 404)
        self.assertEqual(self.get(token, KEYS + "/key-none")[0], 404)
        self.assertIn(self.get(token, KEYS + "?tenant=beta")[0], (403, 404))

    def test_without_a_role_or_a_tenant(self):
        for claims in ({"org": "acme"}, {"org": "acme", "groups": ["others"]}, {"org": "acme", "groups": {"root": 1}}):
            self.assertIn(self.get(self.issuer.token("k1", **claims))[0], (403,), claims)
        self.assertEqual(self.get(self.issuer.token("k1", groups=["heads"]))[0], 401)  # of no tenant

    def forged(self):
        now, good = int(time.time()), self.issuer.token("k1", org="acme", groups=["root"])
        head, payload, signature = good.split(".")
        public = subprocess.run(["openssl", "rsa", "-in", self.issuer.keys["k1"], "-pubout"], check=True, capture_output=True).stdout
        modulus = base64.urlsafe_b64decode(self.issuer.jwk("k1")["n"] + "==")
        cases = {"audience": self.issuer.token("k1", aud="others", **self.head), "expired": self.issuer.token("k1", exp=now - 60, **self.head),
                 "not yet": self.issuer.token("k1", nbf=now + 600, **self.head), "issuer": self.issuer.token("k1", iss="https://else", **self.head),
                 "unsigned": head + "." + payload + ".", "cut": good[:-8],
                 "raised": head + "." + encode(json.dumps({"iss": self.issuer.url, "aud": "gateyes", "exp": now + 300, "sub": "x", "org": "acme",
                                                           "groups": ["root"]}).encode()) + "." + signature[::-1]}
        for name in ("none", "None", "NONE", "nOnE"):
            fake = encode(json.dumps({"alg": name, "kid": "k1"}).encode()) + "." + payload
            cases["alg " + name] = fake + "."
            cases["alg %s, signed" % name] = fake + "." + signature
        # The public key as the secret of an HMAC: the confusion that gives the world the provider's seal.
        for name, secret in (("PEM", public), ("PEM, cut", public.strip()), ("modulus", modulus), ("kid", b"k1"), ("nothing", b"")):
            text = encode(json.dumps({"alg": "HS256", "kid": "k1"}).encode()) + "." + payload
            cases["HS256 by " + name] = text + "." + encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())
        return cases

    def test_no_forgery_opens_anything(self):
        for number, (name, token) in enumerate(self.forged().items()):
            way = (KEYS, "GET", None) if number % 2 else ("/admin/v1/tenants", "POST", {"id": "mine"})
            self.assertEqual(self.get(token, *way)[0], 401, name)
        self.assertEqual(len(self.operator("GET", "/admin/v1/tenants")[1]["data"]), 2)

    def test_not_in_the_query(self):
        token = self.issuer.token("k1", **self.head)
        self.assertEqual(self.get("", KEYS + "?access_token=" + token)[0], 401)
        self.assertEqual(self.get("", KEYS + "?key=" + ADMIN_KEY)[0], 401)

    def test_the_key_is_rotated(self):
        old = self.issuer.token("k1", **self.head)
        self.issuer.rotate("k2")
        new = self.issuer.token("k2", **self.head)
        self.wait_until(new, 200)
        self.assertEqual(self.get(old)[0], 401)
        self.assertEqual(self.get(new)[0], 200)
        self.issuer.rotate("k1")
        self.wait_until(self.issuer.token("k1", **self.head), 200)


if __name__ == "__main__":
    unittest.main()
