"""A provider whose every byte a test decides. It runs in threads of the test's own process."""
import json
import select
import socket
import struct
import threading
import time

RST, FIN, STALL = object(), object(), object()


class Record:
    def __init__(self, connection, path, headers, body, at):
        self.connection, self.path, self.headers, self.body, self.at = connection, path, headers, body, at
        self.left_at = None  # when the gateway closed while a STALL was played
        self.json = json.loads(body) if body else None


class Upstream:
    """plays: upstream model name -> function(record) -> list of bytes, seconds to wait, RST, FIN or STALL (wait
    until the gateway leaves). Without FIN or RST the connection stays open for the next request."""

    def __init__(self, tls=None, host="127.0.0.1", port=0):
        self.plays, self.records = {}, []
        self.lock, self.tls, self.connections, self.closed = threading.Lock(), tls, 0, 0
        self.socket = socket.create_server((host, port), backlog=512)
        self.port = self.socket.getsockname()[1]
        self.url = "%s://%s:%d" % (("https", "localhost", self.port) if tls else ("http", host, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.socket.close()

    def requests(self, model):
        with self.lock:
            return [r for r in self.records if r.json and r.json.get("model") == model]

    def forget(self):
        with self.lock:
            self.records = []

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection, number):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            left = b""
            while True:
                record, left = self._take(connection, number, left)
                if not record or not self._play(connection, record):
                    return
        except (OSError, ValueError):
            pass
        finally:
            connection.close()
            with self.lock:
                self.closed += 1

    def _take(self, connection, number, left):
        while b"\r\n\r\n" not in left:
            data = connection.recv(65536)
            if not data:
                return None, b""
            left += data
        head, _, left = left.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}
        length = int(headers.get("content-length", 0))
        while len(left) < length:
            data = connection.recv(65536)
            if not data:
                return None, b""
            left += data
        record = Record(number, lines[0].split(" ")[1], headers, left[:length], time.monotonic())
        with self.lock:
            self.records.append(record)
        return record, left[length:]

    def _play(self, connection, record):
        play = self.plays[record.json["model"]]
        for act in play(record) if callable(play) else play:
            if act is FIN:
                return False
            if act is RST:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            if act is STALL:
                self._wait_gone(connection, record)
                return False
            if isinstance(act, bytes):
                connection.sendall(act)
            else:
                time.sleep(act)
        return True

    @staticmethod
    def _wait_gone(connection, record):
        select.select([connection], [], [], 60)
        try:
            gone = not connection.recv(1)
        except OSError:
            gone = True
        if gone:
            record.left_at = time.monotonic()


def head(status=200, kind="text/event-stream", **headers):
    lines = ["HTTP/1.1 %d X" % status, "Content-Type: " + kind]
    lines += ["%s: %s" % (name.replace("_", "-"), value) for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n").encode()


def whole(body, status=200, kind="application/json", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(status, kind, **headers) + b"Content-Length: %d\r\n\r\n" % len(data) + data


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


def stream(body, **headers):
    """A complete stream in one write."""
    return head(**headers) + CHUNKED + chunk(body) + b"0\r\n\r\n"
