"""Rows of the store as the admin side writes them, and tokens as an identity provider signs them."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import sqlite3
import subprocess
import threading
import time


class Rows:
    """Another process at the gateway's database."""

    def __init__(self, gateway):
        self.path = os.path.join(gateway.folder, "g.db")
        with open(self.path + ".secret") as file:
            self.secret = bytes.fromhex(file.read().strip())

    def hash(self, key):
        return hmac.new(self.secret, hashlib.sha256(key.encode()).digest(), hashlib.sha256).hexdigest()

    def write(self, *statements):
        db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                db.execute(sql, values)
            db.execute("INSERT INTO meta VALUES ('entities_version', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
            db.execute("COMMIT")
        finally:
            db.close()

    @staticmethod
    def row(table, key, tenant="", owner="", name="", lookup=None, state="", **body):
        return ("INSERT INTO %s VALUES (?, ?, ?, ?, ?, ?, ?, 1, 0, 0) ON CONFLICT (id) DO UPDATE SET lookup = excluded.lookup,"
                " state = excluded.state, body = excluded.body" % table,
                (key, tenant, owner, name, lookup, state, json.dumps(body)))

    def key(self, text, state="", tenant="acme", owner="", **body):
        return self.row("keys", "id-" + text, tenant, owner, text, self.hash(text), state, **body)


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An identity provider on a port of its own, with keys that can be rotated."""

    def __init__(self, folder):
        self.folder, self.fetches, self.is_down, self.keys = folder, 0, False, {}
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                issuer.fetches += 1
                body = json.dumps({"keys": [issuer.jwk(kid) for kid in issuer.keys]}).encode()
                self.send_response(500 if issuer.is_down else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def make(self, kid):
        path = os.path.join(self.folder, kid + ".pem")
        subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True, capture_output=True)
        return path

    def rotate(self, kid):
        self.keys = {kid: self.make(kid)}

    def jwk(self, kid):
        text = subprocess.run(["openssl", "rsa", "-in", self.keys[kid], "-noout", "-modulus"], check=True,
                              capture_output=True, text=True).stdout
        modulus = bytes.fromhex(text.strip().split("=", 1)[1])
        return {"kty": "RSA", "use": "sig", "kid": kid, "n": encode(modulus), "e": "AQAB"}

    def token(self, kid, path=None, head=None, **claims):
        now = int(time.time())
        payload = dict({"iss": self.url, "aud": "gateyes", "exp": now + 300, "iat": now, "sub": "ann"}, **claims)
        text = ".".join(encode(json.dumps(part).encode()) for part in (dict({"alg": "RS256", "kid": kid}, **(head or {})), payload))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", path or self.keys[kid]], input=text.encode(), check=True,
                                   capture_output=True).stdout
        return text + "." + encode(signature)
