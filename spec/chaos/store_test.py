"""What the store keeps beside requests: sealed responses over a restart, and the audit log's chain."""
import hashlib
import json
import os
import sqlite3
import subprocess
import unittest

from harness import BINARY, GatewayCase, wait_for

KEY = "00112233445566778899aabbccddeeff" * 2


class Store(GatewayCase):
    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(), "content": {"key": KEY, "tenants": ["kept"], "no_responses": ["kept"]},
                "keys": [{"name": "wire", "key": "gy-wire-key-1"}, {"name": "k", "key": "gy-kept-key-1", "tenant": "kept"}],
                "models": {"m": {"targets": ["o/m@frames=8"]}}}

    @classmethod
    def check_books(cls):
        """The log of a killed process says nothing."""

    def rows(self, sql):
        with sqlite3.connect(os.path.join(self.gateway.folder, "g.db"), timeout=10) as database:
            return database.execute(sql).fetchall()

    def test_responses_outlive_a_restart(self):
        first = self.responses("m").json()
        wait_for(lambda: self.rows("SELECT count(*) FROM texts WHERE kind = 0")[0][0] > 0, 5, "the response in the store")
        self.assertEqual(self.rows("SELECT count(*) FROM texts WHERE instr(sealed, 'output')")[0][0], 0)
        self.gateway.crash()
        with self.gateway.client() as client:
            kept = client.get("/v1/responses/" + first["id"])
            self.assertEqual((kept.status, kept.json()["output"]), (200, first["output"]))
            self.assertEqual(client.get("/v1/responses/" + first["id"], method="DELETE").status, 200)
        wait_for(lambda: self.rows("SELECT count(*) FROM texts WHERE kind = 0")[0][0] == 0, 5, "the response gone from the store")

    def test_content_of_tenants_that_want_it(self):
        def texts():
            return self.rows("SELECT kind, id, length(sealed) FROM texts WHERE tenant = 'kept' ORDER BY kind")

        secret = "the patient is called Ann"
        body = {"model": "m", "messages": [{"role": "user", "content": secret}]}
        other = self.ask("/v1/chat/completions", body)
        for stream in (False, True):
            reply = self.ask("/v1/chat/completions", dict(body, stream=stream), key="gy-kept-key-1")
            self.assertEqual((reply.status, other.status), (200, 200))
            wait_for(lambda: [row[0] for row in texts() if row[1] == reply.id] == [1, 2], 5, "prompt and reply in the store")
            sizes = {row[0]: row[2] for row in texts() if row[1] == reply.id}
            self.assertEqual(sizes[2], len(reply.body) + 29)  # version, nonce and tag beside the sealed text
        self.assertEqual(self.rows("SELECT count(*) FROM texts WHERE tenant <> 'kept' AND kind > 0"), [(0,)])
        kept = self.ask("/v1/responses", {"model": "m", "input": secret}, key="gy-kept-key-1")
        self.assertEqual(kept.status, 200)
        self.assertEqual(self.rows("SELECT count(*) FROM texts WHERE tenant = 'kept' AND kind = 0"), [(0,)])
        for name in os.listdir(self.gateway.folder):
            path = os.path.join(self.gateway.folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    self.assertNotIn(secret.encode(), file.read(), name)

    def audit(self, *words):
        """What the running gateway says and what the store itself holds must be the same."""
        said = [subprocess.run([BINARY, "audit", *words, "--config", self.gateway.path, "--json", *more], capture_output=True,
                               text=True, check=False) for more in ([], ["--offline"])]
        answers = [(done.returncode, json.loads(done.stdout)) for done in said]
        self.assertEqual(answers[0][0], answers[1][0], said)
        if words[0] == "verify":
            self.assertEqual(answers[0][1], answers[1][1])
        return answers[0]

    def test_audit_verify(self):
        """The chain as an outsider computes it: SHA-256 of the digest before and of "length:text" of each field."""
        previous, database = bytes(32), sqlite3.connect(os.path.join(self.gateway.folder, "g.db"), timeout=10)
        for number in range(1, 6):
            texts = ["acme", "user:ann", "key.create", "keys/%d" % number, "done", "", '{"name":"ci é"}', "10.0.0.1", "req"]
            fields = "".join("%d:%s" % (len(text.encode()), text) for text in texts)
            digest = hashlib.sha256(previous + ("%d,%d,%s" % (number, 1000 + number, fields)).encode()).digest()
            database.execute("INSERT INTO audit VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                             [number, 1000 + number] + texts + [previous, digest])
            previous = digest
        database.commit()
        status, report = self.audit("verify")
        self.assertEqual((status, report["ok"], report["rows"], report["head"]), (0, True, 5, previous.hex()))
        self.assertEqual([row["number"] for row in self.audit("list")[1]["data"]], [5, 4, 3, 2, 1])
        few = subprocess.run([BINARY, "audit", "list", "--limit", "2", "--tenant", "acme", "--config", self.gateway.path],
                             capture_output=True, text=True, check=True).stdout.splitlines()
        self.assertEqual([line.split()[0] for line in few[:3]], ["number", "5", "4"])
        database.execute("UPDATE audit SET target = 'keys/9' WHERE number = 3")
        database.commit()
        status, report = self.audit("verify")
        self.assertEqual((status, report["ok"], report["broken_at"]), (1, False, 3))
        database.close()

    def test_a_store_that_is_not_there_is_not_whole(self):
        other = os.path.join(self.gateway.folder, "other.lua")
        with open(other, "w") as file:
            file.write('return { listen = { "127.0.0.1:1" }, admin = { listen = { "127.0.0.1:2" } }, store = "sqlite:nowhere.db" }')
        for words in (["audit", "verify"], ["audit", "list"], ["webhooks", "list"]):
            done = subprocess.run([BINARY, *words, "--config", other], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""), words)
            self.assertIn("there is no %s/nowhere.db" % self.gateway.folder, done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.gateway.folder, "nowhere.db")))


if __name__ == "__main__":
    unittest.main()
