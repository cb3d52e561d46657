"""Starts the real gateway and talks to it in raw bytes. Providers are the mock, or a scripted upstream."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

from client import Client, request_bytes
from mock_support import Mock

BINARY = os.environ["GATEYES_BIN"]
SLACK = float(os.environ.get("GATEYES_SLACK", "1"))  # how much longer than usual this build may take
KEY, ADMIN_KEY = "gy-wire-key-1", "gy-wire-admin"
SANITIZER = re.compile(r"Sanitizer|runtime error:|LeakSanitizer|must\(|Assertion")

__all__ = ["ADMIN_KEY", "BINARY", "KEY", "SLACK", "Env", "Gateway", "GatewayCase", "Mock", "Port", "lua", "wait_for"]


class Env(str):
    """A configuration value that is read from the environment."""


def lua(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nil"
    if isinstance(value, (int, float)):
        return repr(round(value, 3))
    if isinstance(value, Env):
        return 'env "%s"' % value
    if isinstance(value, str):
        return '"' + "".join(c if " " <= c <= "~" and c not in '"\\' else "".join("\\%03d" % b for b in c.encode())
                             for c in value) + '"'
    if isinstance(value, dict):
        return "{" + ", ".join("[%s] = %s" % (lua(k), lua(v)) for k, v in value.items()) + "}"
    return "{" + ", ".join(lua(item) for item in value) + "}"


def wait_for(condition, seconds=5.0, what="the expected state"):
    """Polls until condition() is truthy and returns that."""
    end = time.monotonic() + seconds * SLACK
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError("waited %.1f s for %s; last: %r" % (seconds * SLACK, what, found))
        time.sleep(0.005)


class Port:
    """A free port, kept from everyone else by a bound socket that never listens."""

    def __init__(self, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.bind((host, 0))
        self.host, self.number = host, self.socket.getsockname()[1]
        self.text = ("[%s]:%d" if ":" in host else "%s:%d") % (host, self.number)

    def close(self):
        self.socket.close()


class Gateway:
    def __init__(self, config, env=None, wrap=(), admin_key=ADMIN_KEY, wait=True):
        self.folder = tempfile.mkdtemp(prefix="gateyes-wire-")
        self.path = os.path.join(self.folder, "gateyes.lua")
        self.log_path = os.path.join(self.folder, "requests.log")
        self.error_path = os.path.join(self.folder, "process.log")
        self.listen, self.admin = Port(), Port()
        self.port = self.listen.number
        self.config = {
            "listen": [self.listen.text], "workers": 1, "store": "sqlite:" + os.path.join(self.folder, "g.db"),
            "admin": {"listen": [self.admin.text], "key": admin_key}, "log": {"file": self.log_path},
            "keys": [{"name": "wire", "key": KEY}],
        }
        self.config.update(config)
        self.write(self.config)
        # The quarantine of freed memory is cut, or it would be most of what tests of memory measure.
        variables = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:quarantine_size_mb=32",
                         UBSAN_OPTIONS="print_stacktrace=1")
        variables.update(env or {})
        self.errors = open(self.error_path, "ab")
        self.command, self.variables = list(wrap) + [BINARY, "serve", "--config", self.path], variables
        self.launch()
        self.seen, self.lines, self.log_lock = 0, [], threading.Lock()
        if wait:
            wait_for(self.is_up, 10, "the gateway to answer")

    def launch(self):
        self.process = subprocess.Popen(self.command, env=self.variables, stdout=self.errors, stderr=self.errors,
                                        stdin=subprocess.DEVNULL)

    def crash(self):
        """kill -9, and the same again in the same folder."""
        self.process.kill()
        self.process.wait()
        self.errors.truncate(0)
        self.launch()
        wait_for(self.is_up, 10, "the gateway to answer after a crash")

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError("the gateway ended at its start: " + self.process_log())
        try:
            with socket.create_connection(("127.0.0.1", self.admin.number), 1):
                return "listening on" in self.process_log() and "admin on" in self.process_log()
        except OSError:
            return False

    def write(self, config, text=None):
        """Replaces the file in one step, so that a reload never sees half of it."""
        with open(self.path + ".new", "w") as file:
            file.write(text if text is not None else "return " + lua(config) + "\n")
        os.rename(self.path + ".new", self.path)

    def reload(self, config=None, text=None, wanted="ok"):
        """SIGHUP; returns once the reload has been counted."""
        before = self.reloads(wanted)
        if config is not None or text is not None:
            self.write(config, text)
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.reloads(wanted) > before, 5, "a reload with the result " + wanted)

    def reloads(self, result):
        return self.metric('gateyes_config_reloads_total{result="%s"}' % result)

    def process_log(self):
        with open(self.error_path, errors="replace") as file:
            return file.read()

    def log(self):
        """All whole lines of the request log so far, parsed: each must be JSON."""
        with self.log_lock:
            if os.path.exists(self.log_path):
                with open(self.log_path, "rb") as file:
                    file.seek(self.seen)
                    text = file.read()
                whole = text[:text.rfind(b"\n") + 1]
                self.seen += len(whole)
                self.lines += [json.loads(line) for line in whole.splitlines()]
            return list(self.lines)

    def row(self, request_id, seconds=1.0):
        def find():
            return [line for line in self.log() if line["request_id"] == request_id]
        return wait_for(find, seconds, "the log line of " + request_id)[0]

    def new_rows(self, since, count=1, seconds=2.0):
        wait_for(lambda: len(self.log()) >= since + count, seconds, "%d log lines" % count)
        return self.log()[since:]

    def get_admin(self, path, key=ADMIN_KEY):
        headers = {"authorization": "Bearer " + key} if key else {}
        request = urllib.request.Request("http://%s%s" % (self.admin.text, path), headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10 * SLACK) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name):
        for line in self.get_admin("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def exchanges(self):
        return json.loads(self.get_admin("/admin/exchanges")[1])

    def fds(self):
        return self.metric("process_open_fds")

    def rss(self):
        return self.metric("process_resident_memory_bytes")

    def client(self, **options):
        return Client(self.port, **options)

    def stop(self, seconds=15.0, sign=signal.SIGTERM):
        """Ends the process in its own way and returns its exit status."""
        if self.process.poll() is None and sign:
            self.process.send_signal(sign)
        try:
            status = self.process.wait(seconds * SLACK)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = "killed, did not stop: " + self.process_log()[-2000:]
        self.errors.close()
        self.listen.close()
        self.admin.close()
        return status

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class GatewayCase(unittest.TestCase):
    """One mock and one gateway for the tests of a class. `config` is what its file says beside the
    defaults; `providers` and `models` are made by the class."""
    maxDiff = None
    mock_options = ()
    uses_mock = True

    @classmethod
    def configuration(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.mock = Mock(*cls.mock_options) if cls.uses_mock else None
        cls.gateway = Gateway(cls.configuration())

    @classmethod
    def check_books(cls):
        """When all is quiet: nothing is open, and each counted request has its one line."""
        wait_for(lambda: cls.gateway.exchanges() == [], 5, "no open request")
        wait_for(lambda: cls.gateway.metric("gateyes_active_requests") == 0, 1)
        counted = sum(float(line.rsplit(" ", 1)[1]) for line in cls.gateway.get_admin("/metrics")[1].splitlines()
                      if line.startswith("gateyes_requests_total{"))
        wait_for(lambda: len(cls.gateway.log()) == counted, 2, "%d log lines" % counted)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.check_books()
        finally:
            cls.end()

    @classmethod
    def end(cls):
        status = cls.gateway.stop()
        log = cls.gateway.process_log()
        cls.gateway.log()
        cls.gateway.remove()
        if cls.mock:
            cls.mock.stop()
        if status != 0 or SANITIZER.search(log):
            raise AssertionError("the gateway ended with %s: %s" % (status, log[-4000:]))

    @classmethod
    def mock_providers(cls):
        url = "http://127.0.0.1:%d" % cls.mock.port
        return {"o": {"adapter": "openai", "base_url": url + "/v1", "credential": "sk-provider-o"},
                "r": {"adapter": "openai_responses", "base_url": url + "/v1"},
                "a": {"adapter": "anthropic", "base_url": url}}

    def mock_records(self, query=""):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                "http://127.0.0.1:%d/mock/requests?%s" % (self.mock.port, query)) as reply:
            return json.loads(reply.read())

    def ask(self, path, body, headers=(), wait=10.0, key=KEY):
        with self.gateway.client(wait=wait) as client:
            return client.ask(path, body, headers, key=key)

    def chat(self, model, stream=False, headers=(), wait=10.0, **fields):
        return self.ask("/v1/chat/completions", chat_body(model, stream, **fields), headers, wait)

    def messages(self, model, stream=False, headers=(), wait=10.0, **fields):
        return self.ask("/v1/messages", messages_body(model, stream, **fields), headers, wait)

    def responses(self, model, stream=False, headers=(), wait=10.0, **fields):
        return self.ask("/v1/responses", responses_body(model, stream, **fields), headers, wait)


def chat_body(model, stream=False, **fields):
    return dict({"model": model, "messages": [{"role": "user", "content": "Hello there"}], "stream": stream}, **fields)


def messages_body(model, stream=False, **fields):
    return dict({"model": model, "max_tokens": 2000, "messages": [{"role": "user", "content": "Hello there"}],
                 "stream": stream}, **fields)


def responses_body(model, stream=False, **fields):
    return dict({"model": model, "input": "Hello there", "stream": stream}, **fields)


def post_bytes(path, body, key=KEY, headers=()):
    return request_bytes(path, body, [("Authorization", "Bearer " + key)] + list(headers))
