"""A client of the admin API for tests."""
import http.client
import json


class Api:
    def __init__(self, port, key):
        self.port, self.key, self.headers, self.texts = port, key, {}, []

    def __call__(self, method, path, body=None, key=None, **headers):
        """(status, JSON); the headers of the answer are kept in self.headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        key = self.key if key is None else key
        if key:
            sent["authorization"] = "Bearer " + key
        text = body if isinstance(body, (str, bytes)) or body is None else json.dumps(body)
        connection.request(method, path, text, sent)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        self.headers = {name.lower(): value for name, value in reply.getheaders()}
        self.texts.append(content.decode() + str(self.headers))
        return reply.status, json.loads(content) if content else None

    def pages(self, path, size):
        rows, cursor = [], None
        while True:
            more = ("&cursor=" + cursor) if cursor else ""
            status, page = self("GET", path + ("&" if "?" in path else "?") + "limit=%d" % size + more)
            assert status == 200, page
            rows += page["data"]
            if not page["has_more"]:
                return rows
            cursor = page["next_cursor"]
