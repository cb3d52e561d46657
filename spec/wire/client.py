"""A client that sends exact bytes and keeps what came, when, and how it ended."""
import json
import os
import socket
import ssl
import struct
import time

from events import parse_events

SLACK = float(os.environ.get("GATEYES_SLACK", "1"))


def request_bytes(path, body=None, headers=(), method=None):
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = ["%s %s HTTP/1.1" % (method or ("GET" if body is None else "POST"), path), "Host: gateway"]
    lines += ["%s: %s" % pair for pair in headers]
    if body is not None:
        lines.append("Content-Length: %d" % len(data))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data


class Reply:
    """One answer. whole: its framing was complete. ended: open, fin, rst or timeout."""

    def __init__(self, status, headers, head):
        self.status, self.headers, self.head = status, headers, head
        self.body, self.pieces = b"", []  # pieces: (time, bytes)
        self.whole, self.ended = False, "open"
        self.head_at = self.ended_at = time.monotonic()

    @property
    def id(self):
        return self.headers.get("x-request-id", "")

    def json(self):
        return json.loads(self.body)

    def error(self):
        return self.json()["error"]

    def events(self):
        return parse_events(self.body)

    def objects(self):
        return [json.loads(data) for _, data in self.events() if data != "[DONE]"]

    def text(self):
        """The text a client of any of the three protocols has put together."""
        said = ""
        for item in self.objects():
            if item.get("type") == "response.output_text.delta":
                said += item["delta"]
            elif item.get("type") == "content_block_delta":
                said += item["delta"].get("text", "")
            for choice in item.get("choices") or []:
                said += choice.get("delta", {}).get("content") or choice.get("text") or ""
        return said


class Client:
    """One connection. A wait is how long nothing may come before the reply counts as timed out."""

    def __init__(self, port, wait=10.0, host="127.0.0.1", tls=None, unix=None, receive_bytes=0):
        self.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(wait * SLACK)
        try:
            self.socket.connect(unix or (host, port))
        except OSError:
            self.socket.close()
            raise
        if not unix:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=host)
        self.left, self.ended = b"", "open"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Leaves with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def post(self, path, body, headers=(), key="gy-wire-key-1"):
        self.send(request_bytes(path, body, [("Authorization", "Bearer " + key)] + list(headers)))

    def ask(self, path, body, headers=(), key="gy-wire-key-1"):
        self.post(path, body, headers, key)
        return self.read()

    def get(self, path, headers=(), key="gy-wire-key-1", method="GET"):
        self.send(request_bytes(path, None, [("Authorization", "Bearer " + key)] + list(headers), method))
        return self.read(no_body=method == "HEAD")

    def receive(self):
        """More bytes; b"" when none will come, with self.ended saying why."""
        try:
            data = self.socket.recv(262144)
        except socket.timeout:
            self.ended = "timeout"
            return b""
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            self.ended = "rst"
            return b""
        if not data:
            self.ended = "fin"
        return data

    def read_head(self):
        """A reply with its head alone; None when the connection ended before one."""
        while b"\r\n\r\n" not in self.left:
            data = self.receive()
            if not data:
                return None
            self.left += data
        head, _, self.left = self.left.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Reply(int(lines[0].split(" ")[1]), headers, head)

    def _more(self, reply):
        data = self.receive()
        self.left += data
        reply.ended = self.ended if not data else "open"
        return bool(data)

    def read_chunk(self, reply):
        """The next chunk's bytes; b"" at the end, and None when it breaks off."""
        while b"\r\n" not in self.left:
            if not self._more(reply):
                return None
        line, _, rest = self.left.partition(b"\r\n")
        size = int(line, 16)
        while len(self.left) < len(line) + 2 + size + 2:
            if not self._more(reply):
                return None
        at = len(line) + 2
        data, self.left = self.left[at:at + size], self.left[at + size + 2:]
        if size:
            reply.pieces.append((time.monotonic(), data))
            reply.body += data
        return data

    def read(self, no_body=False):
        reply = self.read_head()
        while reply and 100 <= reply.status < 200:
            reply = self.read_head()
        if reply is None:
            return None
        self.read_body(reply, no_body)
        return reply

    def read_body(self, reply, no_body=False):
        if no_body or reply.status in (204, 304):
            reply.whole = True
        elif reply.headers.get("transfer-encoding") == "chunked":
            data = b"-"
            while data:
                data = self.read_chunk(reply)
            reply.whole = data == b""
        else:
            want = int(reply.headers.get("content-length", "-1"))
            while (want < 0 or len(self.left) < want) and self._more(reply):
                pass
            count = len(self.left) if want < 0 else want
            reply.body, self.left = self.left[:count], self.left[count:]
            reply.whole = want >= 0 and len(reply.body) == want
        reply.ended_at = time.monotonic()
        return reply

    def read_until(self, reply, mark):
        """Reads chunks until the body contains mark."""
        while mark not in reply.body:
            if not self.read_chunk(reply):
                raise AssertionError("the stream ended before %r: %r" % (mark, reply.body))
        return reply

    def wait_closed(self, seconds=5.0):
        """Reads to the end of the connection; returns how it ended and all bytes."""
        self.socket.settimeout(seconds * SLACK)
        data = self.left
        self.left = b""
        while True:
            more = self.receive()
            if not more:
                return self.ended, data
            data += more
