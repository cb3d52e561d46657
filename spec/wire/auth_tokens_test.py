"""Callers who show a signed token of an identity provider instead of a key."""
import shutil
import tempfile
import time
import unittest

from auth_support import Issuer, Rows, encode
from harness import GatewayCase, chat_body, wait_for


class Tokens(GatewayCase):
    @classmethod
    def configuration(cls):
        cls.folder = tempfile.mkdtemp(prefix="gateyes-tokens-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.issuer = Issuer(cls.folder)
        cls.addClassCleanup(cls.issuer.close)
        cls.issuer.rotate("k1")
        cls.other = Issuer(cls.folder)
        cls.addClassCleanup(cls.other.close)
        cls.other.keys["o1"] = cls.other.make("o1")
        corp = {"issuer": cls.issuer.url, "audience": ["gateyes"], "jwks_url": cls.issuer.url + "/jwks", "refetch": "1s",
                "tenant": "acme", "project_claim": "team", "roles_claim": "realm.roles", "roles": {"builders": "developer", "misspelt": "developr"}}
        return {"providers": cls.mock_providers(), "workers": 2, "models": {"m": {"targets": ["o/m"]}},
                "auth": {"oidc": {"corp": corp}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.good = {"realm": {"roles": ["builders", "others"]}, "team": "vision"}
        wait_for(lambda: cls.status(cls.issuer.token("k1", **cls.good)) == 200, 5, "the keys of the provider")

    @classmethod
    def status(cls, token):
        with cls.gateway.client() as client:
            return client.ask("/v1/chat/completions", chat_body("m"), key=token).status

    def test_claims_become_the_caller(self):
        self.assertEqual(self.status(self.issuer.token("k1", sub="bea", **self.good)), 200)
        line = wait_for(lambda: [r for r in self.gateway.log() if r.get("user") == "bea"], 2)[0]
        self.assertEqual((line["tenant"], line["project"], line["key"]), ("acme", "vision", "corp:bea"))

    def test_who_has_no_role_may_nothing(self):
        for roles in ([], ["others"], "builder", {"builders": 1}, None):
            self.assertEqual(self.status(self.issuer.token("k1", realm={"roles": roles})), 403, roles)

    def test_a_role_that_is_not_there_is_told(self):
        self.assertIn("auth.oidc.corp: there is no role developr; it gives nothing", self.gateway.process_log())
        self.assertEqual(self.status(self.issuer.token("k1", realm={"roles": ["misspelt"]})), 403)
        deep = self.issuer.token("k1", realm={"roles": ["builders"]}, team="a/b/c/d/e/f/g/h/i")
        self.assertEqual(self.status(deep), 401, "deeper than limits look")

    def test_what_is_refused(self):
        now = int(time.time())
        token = self.issuer.token("k1", **self.good)
        head, payload, signature = token.split(".")
        none = encode(b'{"alg":"none"}') + "." + payload
        cases = {"cut": token[:-4], "another's signature": head + "." + payload + "." + self.issuer.token("k1", sub="eve").split(".")[2],
                 "none": none + ".", "none, signed": none + "." + signature, "query": "",
                 "expired": self.issuer.token("k1", exp=now - 60, **self.good),
                 "early": self.issuer.token("k1", nbf=now + 120, **self.good),
                 "audience": self.issuer.token("k1", aud="others", **self.good),
                 "issuer": self.other.token("o1", **self.good),
                 "another key under this name": self.issuer.token("k1", path=self.other.keys["o1"], **self.good),
                 "crit": self.issuer.token("k1", head={"crit": ["x"], "x": 1}, **self.good),
                 "type": self.issuer.token("k1", head={"typ": "logout+jwt"}, **self.good),
                 "HS256": self.issuer.token("k1", head={"alg": "HS256"}, **self.good),
                 "nobody": self.issuer.token("k1", sub="", **self.good)}
        for name, bad in cases.items():
            self.assertEqual(self.status(bad), 401, name)
        self.assertEqual(self.status(token), 200)

    def test_a_blocked_user_is_out_whatever_the_token_says(self):
        token = self.issuer.token("k1", sub="mallory", **self.good)
        self.assertEqual(self.status(token), 200)
        rows = Rows(self.gateway)
        rows.write(Rows.row("users", "u9", "acme", name="mallory", state="blocked"))
        wait_for(lambda: self.status(token) == 401, 1, "the block")

    def test_keys_are_rotated_and_survive_the_provider(self):
        old = self.issuer.token("k1", **self.good)
        self.issuer.rotate("k2")
        token = self.issuer.token("k2", **self.good)
        wait_for(lambda: self.status(token) == 200, 5, "the new key")
        self.assertEqual(self.status(old), 401)
        self.issuer.is_down = True
        fetches = self.issuer.fetches
        unknown = self.issuer.token("k2", head={"kid": "k3"}, **self.good)
        begun = time.monotonic()
        while self.issuer.fetches < fetches + 2 and time.monotonic() < begun + 15:
            self.assertEqual(self.status(unknown), 401)
            time.sleep(0.02)
        self.assertLessEqual(self.issuer.fetches - fetches, time.monotonic() - begun + 2)  # not more than one each second
        self.assertEqual(self.status(token), 200)
        self.issuer.is_down = False
        self.issuer.rotate("k1")
        wait_for(lambda: self.status(self.issuer.token("k1", **self.good)) == 200, 5, "the first key again")


if __name__ == "__main__":
    unittest.main()
