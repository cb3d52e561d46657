"""A gateway that has much to do at once: what it holds back to send together arrives whole, in order, and with its
own client, whoever else leaves meanwhile."""
import signal
import socket
import tempfile
import time
import unittest

from certificates import client_context, make
from client import request_bytes
from harness import GatewayCase, chat_body, post_bytes
from streams import PATHS

CLIENTS, ROUNDS = 40, 6
LONG = 40 * 1024  # an answer that leaves in more than one write


class Busy(GatewayCase):
    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(), "models": {"m": {"targets": ["o/m"]}, "echo": {"targets": ["o/m@echo"]}},
                "quotas": [{"name": "many", "scope": {"key": "*"}, "requests": 10 ** 9, "window": "1m"}]}

    def body(self, mark, stream=False, length=0):
        said = [{"role": "user", "content": mark + "x" * length}]
        return chat_body("echo" if length else "m", stream, messages=said)

    def send(self, client, mark, headers=(), **fields):
        client.send(post_bytes(PATHS["chat"], self.body(mark, **fields), headers=headers))

    def stopped(self, work):
        """What work sends is there all at once when the gateway goes on."""
        self.gateway.process.send_signal(signal.SIGSTOP)
        try:
            work()
            time.sleep(0.01)
        finally:
            self.gateway.process.send_signal(signal.SIGCONT)

    def check(self, reply, mark, is_stream=False):
        self.assertIsNotNone(reply, mark)
        self.assertEqual((reply.status, reply.whole), (200, True), mark)
        said = reply.text() if is_stream else reply.json()["choices"][0]["message"]["content"]
        self.assertIn(mark, said)
        if is_stream:
            self.assertTrue(reply.body.endswith(b"data: [DONE]\n\n"), mark)
        return said

    def open(self, count=CLIENTS):
        clients = [self.gateway.client(wait=30) for _ in range(count)]
        for client in clients:
            self.addCleanup(client.close)
        return clients

    def half_close(self, client):
        client.socket.shutdown(socket.SHUT_WR)

    def test_each_gets_its_own(self):
        clients = self.open()
        for turn in range(ROUNDS):
            marks = ["r%d-c%d." % (turn, i) for i in range(CLIENTS)]
            kinds = [{"stream": i % 3 == 1, "length": LONG if i % 5 == 2 else 0} for i in range(CLIENTS)]
            self.stopped(lambda: [self.send(c, m, **k) for c, m, k in zip(clients, marks, kinds)])
            for client, mark, kind in zip(clients, marks, kinds):
                said = self.check(client.read(), mark, kind["stream"])
                self.assertEqual("x" * LONG in said, kind["length"] > 0)

    def test_pipelined_answers_keep_their_order(self):
        clients = self.open()
        for turn in range(ROUNDS):
            def ask_twice():
                for i, client in enumerate(clients):
                    self.send(client, "first%d." % i, stream=i % 2 == 0)
                    self.send(client, "second%d." % i)
            self.stopped(ask_twice)
            for i, client in enumerate(clients):
                self.check(client.read(), "first%d." % i, i % 2 == 0)
                self.check(client.read(), "second%d." % i)

    def test_an_answer_leaves_before_its_connection_closes(self):
        for _ in range(ROUNDS):
            clients = self.open()
            self.stopped(lambda: [self.send(c, "last%d." % i, headers=[("Connection", "close")], stream=i % 2 == 0)
                                  for i, c in enumerate(clients)])
            for i, client in enumerate(clients):
                self.check(client.read(), "last%d." % i, i % 2 == 0)
                self.assertEqual(client.wait_closed()[0], "fin")

    def test_who_leaves_takes_nothing_from_others(self):
        for turn in range(ROUNDS):
            clients = self.open()
            before = len(self.gateway.log())
            self.stopped(lambda: [self.send(c, "stay%d." % i, stream=i % 2 == 0) for i, c in enumerate(clients)])
            for client in clients[::4]:
                client.reset()
            for client in clients[1::4]:
                self.half_close(client)
            for i, client in enumerate(clients):
                if i % 4:
                    self.check(client.read(), "stay%d." % i, i % 2 == 0)
            self.gateway.new_rows(before, CLIENTS, 10)

    def test_refusals_among_answers(self):
        clients = self.open()
        bad = request_bytes(PATHS["chat"], self.body("never"), [("Authorization", "Bearer gy-wrong")])

        def ask():
            for i, client in enumerate(clients):
                client.send(bad) if i % 2 else self.send(client, "fine%d." % i)
        for _ in range(ROUNDS):
            self.stopped(ask)
            for i, client in enumerate(clients):
                reply = client.read()
                self.assertEqual(reply.status, 401) if i % 2 else self.check(reply, "fine%d." % i)


class BusyTls(Busy):
    @classmethod
    def configuration(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.certificate, key = make(cls.folder.name, "busy", ("localhost", "127.0.0.1"))
        return dict(super().configuration(), tls={"certificate": cls.certificate, "key": key})

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    def open(self, count=CLIENTS):
        clients = [self.gateway.client(wait=30, tls=client_context(self.certificate)) for _ in range(count)]
        for client in clients:
            self.addCleanup(client.close)
        return clients

    def half_close(self, client):
        """Python's TLS has no such thing."""


if __name__ == "__main__":
    unittest.main()
