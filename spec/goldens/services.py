"""The two processes around a case: one gateway for all of them, and a provider that answers what the case says."""
import http.client
import http.server
import json
import os
import socket
import subprocess
import tempfile
import threading
import time

KEY = "gy-goldens-key"
PREFIXES = {"openai": "/v1", "openai_responses": "/v1", "anthropic": "", "azure_openai": "", "azure_responses": ""}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A gateway that hangs up on a broken answer is no news."""


class Provider:
    """Records the request, then plays the answer set for it, in pieces that fit no frame."""

    def __init__(self):
        provider = self
        self.received, self.answer = [], None

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                size = int(self.headers.get("content-length") or 0)
                provider.received.append((self.path, dict(self.headers.items()), self.rfile.read(size)))
                status, content_type, body = provider.answer
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                if content_type.startswith("text/event-stream"):
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for start in range(0, len(body), 211):
                        piece = body[start:start + 211]
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def configuration(port, admin_port, provider_port, cases):
    """cases: list of Case; the model of the case at index i is called golden-i."""
    providers, models = {}, []
    for index, case in enumerate(cases):
        name = case.adapter + ("-" + case.preset if case.preset else "")
        providers[name] = "adapter = %s, base_url = %s%s%s" % (
            quoted(case.adapter), quoted("http://127.0.0.1:%d%s" % (provider_port, PREFIXES[case.adapter])),
            ", preset = " + quoted(case.preset) if case.preset else "",
            ', api_version = "2024-10-21"' if case.adapter.startswith("azure") else "")
        models.append("[%s] = { targets = { %s } }" % (quoted("golden-%d" % index), quoted(name + "/" + case.model)))
    return """return {
  listen = { "127.0.0.1:%d" }, admin = { listen = { "127.0.0.1:%d" } }, workers = 1, log = { file = "log.jsonl" },
  providers = { %s },
  models = { %s },
  keys = { { name = "goldens", key = %s, roles = { "developer" } } },
}
""" % (port, admin_port, ", ".join("[%s] = { %s, credential = \"secret\" }" % (quoted(name), text)
                                for name, text in providers.items()), ",\n    ".join(models), quoted(KEY))


class Gateway:
    def __init__(self, binary, provider_port, cases):
        self.folder = tempfile.TemporaryDirectory(prefix="goldens-")
        self.port = free_port()
        path = os.path.join(self.folder.name, "gateyes.lua")
        with open(path, "w", encoding="utf-8") as out:
            out.write(configuration(self.port, free_port(), provider_port, cases))
        self.errors = open(os.path.join(self.folder.name, "stderr"), "w+b")
        self.process = subprocess.Popen([binary, "serve", "--config", path], stdout=self.errors, stderr=self.errors,
                                        cwd=self.folder.name)
        self.wait()

    def wait(self):
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.errors.seek(0)
        raise SystemExit("the gateway did not start:\n" + self.errors.read().decode())

    def post(self, path, body):
        """-> status, headers (lower case), body bytes"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
            connection.request("POST", path, text.encode(), {
                "Authorization": "Bearer " + KEY, "Content-Type": "application/json",
                "anthropic-version": "2023-06-01"})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def stop(self):
        """-> exit status and what it printed; a sanitizer's findings are in there."""
        self.process.terminate()
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.errors.seek(0)
        text = self.errors.read().decode(errors="replace")
        self.errors.close()
        self.folder.cleanup()
        return status, text
