"""Steady requests in the background while a test does something to the gateway."""
import threading
import time

from client import Client
from streams import PATHS, is_complete


class Load:
    """threads clients that each ask one request after another; failures are kept, nothing is raised in them."""

    def __init__(self, port, model, threads=4, stream=True, tls=None, reconnect=False):
        self.port, self.model, self.stream, self.tls, self.reconnect = port, model, stream, tls, reconnect
        self.count, self.failures, self.stopping = 0, [], False
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def wait(self, count, seconds=30):
        """Until so many more requests have been answered."""
        wanted, end = self.count + count, time.monotonic() + seconds
        while self.count < wanted and time.monotonic() < end:
            time.sleep(0.01)

    def _run(self):
        client = None
        body = {"model": self.model, "messages": [{"role": "user", "content": "Hello"}], "stream": self.stream}
        while not self.stopping:
            try:
                client = client or Client(self.port, tls=self.tls)
                reply = client.ask(PATHS["chat"], body)
                fine = reply is not None and reply.status == 200 and (not self.stream or is_complete("chat", reply))
                if not fine:
                    self.failures.append(reply and (reply.status, reply.body[-300:]))
                closes = reply is None or reply.headers.get("connection") == "close"
            except OSError as error:
                self.failures.append(repr(error))
                closes = True
            if client and (closes or self.reconnect):
                client.close()
                client = None
            self.count += 1
        if client:
            client.close()
