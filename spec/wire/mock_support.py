"""Starts the mock and talks to it in raw bytes, so that a test sees what really went over the wire."""
import json
import os
import re
import socket
import ssl
import subprocess
import time
import unittest

from events import parse_events

USED_KNOBS = set()


def knob_names(text):
    return {item.split("=")[0].strip() for item in text.split(";") if item.strip()}


class Mock:
    def __init__(self, *options, listeners=1):
        binary = os.environ["GATEYES_BIN"]
        words = [binary, "mock"]
        for _ in range(listeners):
            words += ["--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(words + list(options), stdout=subprocess.PIPE, text=True)
        self.lines = [self.process.stdout.readline() for _ in range(listeners)]
        self.ports = [int(line.rsplit(":", 1)[1]) for line in self.lines]
        self.port = self.ports[0]

    def stop(self):
        self.process.terminate()
        status = self.process.wait(10)
        self.process.stdout.close()
        return status


class Answer:
    """The bytes of one connection, cut into head and body. ended: fin, rst or open."""

    def __init__(self, raw, ended, times):
        self.raw, self.ended, self.times = raw, ended, times
        self.infos = []
        head, _, rest = raw.partition(b"\r\n\r\n")
        while re.match(rb"HTTP/1\.1 1\d\d ", head):
            self.infos.append(head.decode())
            head, _, rest = rest.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.first = lines[0]
        self.status = int(lines[0].split(" ")[1]) if lines[0] else 0
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        self.framed = rest
        self.whole = False
        self.pieces, self.sizes = [], []
        self.body = self._unframe(rest)

    def _unframe(self, rest):
        if self.headers.get("transfer-encoding") != "chunked":
            want = int(self.headers.get("content-length", len(rest)))
            self.whole = len(rest) >= want
            self.left = rest[want:]
            return rest[:want]
        body = b""
        while True:
            size, mark, after = rest.partition(b"\r\n")
            if not mark:
                return body
            count = int(size, 16)
            if count == 0:
                self.whole = after[:2] == b"\r\n"
                self.left = after[2:]
                return body
            self.pieces.append(after[:count])
            self.sizes.append(count)
            body += after[:count]
            if len(after) < count + 2:
                return body
            rest = after[count + 2:]

    def json(self):
        return json.loads(self.body)

    def events(self):
        return parse_events(self.body)

    def objects(self):
        return [json.loads(data) for _, data in self.events() if data != "[DONE]"]


def connect(port):
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def request_bytes(path, body=None, headers=(), method=None):
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = ["%s %s HTTP/1.1" % (method or ("GET" if body is None else "POST"), path), "Host: mock"]
    lines += ["%s: %s" % pair for pair in headers]
    if body is not None:
        lines.append("Content-Length: %d" % len(data))
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data


def read_answer(sock, wait=5.0):
    """Reads until a whole answer is there, the connection ends, or nothing comes for so long."""
    raw, times, ended = b"", [], "open"
    sock.settimeout(wait)
    while True:
        try:
            data = sock.recv(65536)
        except socket.timeout:
            break
        except (ConnectionResetError, ssl.SSLError):
            ended = "rst"
            break
        if not data:
            ended = "fin"
            break
        raw += data
        times.append((time.monotonic(), len(data)))
        if b"\r\n\r\n" in raw and Answer(raw, "open", []).whole:
            sock.settimeout(0.02)
    return Answer(raw, ended, times)


class MockCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()

    @classmethod
    def tearDownClass(cls):
        assert cls.mock.stop() == 0

    def send(self, path, body=None, knobs="", headers=(), method=None, wait=5.0):
        USED_KNOBS.update(knob_names(knobs))
        if knobs:
            headers = list(headers) + [("x-mock", knobs)]
        sock = connect(self.mock.port)
        try:
            sock.sendall(request_bytes(path, body, headers, method))
            return read_answer(sock, wait)
        finally:
            sock.close()

    def chat(self, knobs="", stream=False, wait=5.0, **fields):
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello there"}]}
        if stream:
            body["stream"] = True
        body.update(fields)
        body = {key: value for key, value in body.items() if value is not None}
        return self.send("/v1/chat/completions", body, knobs, wait=wait)

    def messages(self, knobs="", **fields):
        body = {"model": "claude", "max_tokens": 2000, "messages": [{"role": "user", "content": "Hello there"}]}
        body.update(fields)
        body = {key: value for key, value in body.items() if value is not None}
        return self.send("/v1/messages", body, knobs)

    def responses(self, knobs="", **fields):
        body = {"model": "gpt-4o", "input": "Hello there"}
        body.update(fields)
        body = {key: value for key, value in body.items() if value is not None}
        return self.send("/v1/responses", body, knobs)

    def records(self, query="last=1"):
        return self.send("/mock/requests?" + query).json()

    def last_record(self, outcome=None, seconds=2.0):
        """The newest record, once its outcome is the one asked for."""
        end = time.monotonic() + seconds
        while True:
            record = self.records()[0]
            if outcome is None or record["outcome"] == outcome or time.monotonic() > end:
                return record
            time.sleep(0.01)
