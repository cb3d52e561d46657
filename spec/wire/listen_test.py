"""Where and how the gateway listens: TLS, unix sockets, IPv6, several workers."""
import os
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from certificates import client_context, make, make_expired, server_context
from client import Client
from harness import BINARY, SLACK, Gateway, GatewayCase, Mock, Port, chat_body, post_bytes, wait_for
from load import Load
from streams import BODIES, PATHS, is_complete
from upstream import Upstream, stream


class Tls(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.certificate, cls.key = make(cls.folder.name, "first", ("localhost", "127.0.0.1"))
        cls.upstream = Upstream()
        cls.upstream.plays = {"m": [stream(BODIES["chat"])]}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}}, "workers": 2,
                "models": {"m": {"targets": ["o/m"]}}, "tls": {"certificate": cls.certificate, "key": cls.key},
                "client": {"tls_handshake": 0.5 * SLACK}}

    def handshake(self, context):
        with socket.create_connection(("127.0.0.1", self.gateway.port), 5 * SLACK) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                return secure.version(), secure.selected_alpn_protocol(), secure.getpeercert(True)

    def test_a_stream(self):
        with self.gateway.client(tls=client_context(self.certificate)) as client:
            for _ in range(20):
                self.assertTrue(is_complete("chat", client.ask(PATHS["chat"], chat_body("m", True))))

    def test_versions(self):
        for version, name in ((ssl.TLSVersion.TLSv1_3, "TLSv1.3"), (ssl.TLSVersion.TLSv1_2, "TLSv1.2")):
            context = client_context()
            context.minimum_version = context.maximum_version = version
            self.assertEqual(self.handshake(context)[0], name)
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = client_context()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            with self.assertRaises((ssl.SSLError, ConnectionResetError)):
                self.handshake(context)

    def test_alpn(self):
        for offered, chosen in ((["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), ([], None)):
            context = client_context()
            if offered:
                context.set_alpn_protocols(offered)
            self.assertEqual(self.handshake(context)[1], chosen, offered)

    def test_plain_text_and_silence_are_closed(self):
        with self.gateway.client() as client:
            client.send(post_bytes(PATHS["chat"], chat_body("m")))
            ended, raw = client.wait_closed(3)
            self.assertNotEqual(ended, "timeout")
            self.assertNotIn(b" 200 ", raw)
        with self.gateway.client() as client:
            started = time.monotonic()
            self.assertNotEqual(client.wait_closed(5)[0], "timeout")
            self.assertLess(time.monotonic() - started, 0.5 * SLACK + 0.5 * SLACK)

    def test_a_new_certificate_under_load(self):
        first = self.handshake(client_context())[2]
        second, key = make(self.folder.name, "second", ("localhost", "127.0.0.1"))
        context = client_context()
        with Load(self.gateway.port, "m", tls=context, threads=2, reconnect=True) as fresh, \
                Load(self.gateway.port, "m", tls=context, threads=2) as kept:
            fresh.wait(10)
            os.replace(second, self.certificate)
            os.replace(key, self.key)
            self.gateway.reload()
            fresh.wait(20)
            kept.wait(20)
        self.assertEqual((fresh.failures, kept.failures), ([], []))
        self.assertNotEqual(self.handshake(client_context())[2], first)
        with open(self.certificate) as file:
            text = file.read()
        for bad in ("nonsense", ""):
            with open(self.certificate, "w") as file:
                file.write(bad)
            self.gateway.reload(wanted="refused")
            self.assertIn("tls.certificate: %s is no certificate in PEM" % self.certificate, self.gateway.process_log())
            self.assertEqual(self.handshake(client_context())[0], "TLSv1.3")
        with open(self.certificate, "w") as file:
            file.write(text)
        self.gateway.reload()

    def test_a_certificate_that_has_ended_is_named(self):
        old, old_key = make_expired(self.folder.name, "ended", "localhost")
        config = dict(self.gateway.config)
        config["tls"] = {"certificate": old, "key": old_key}
        self.gateway.reload(config)
        said = "tls.certificate: %s ended at 2020-01-02T00:00:00.000Z; clients refuse it: put a newer one in its place" % old
        wait_for(lambda: said in self.gateway.process_log(), what="the log to say so")
        self.assertEqual(self.gateway.metric("gateyes_tls_certificate_expiration_timestamp_seconds"), 1577923200)
        checked = subprocess.run([BINARY, "check", "--config", self.gateway.path], capture_output=True, text=True,
                                 env=self.gateway.variables, timeout=60)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn(said, checked.stderr)
        self.gateway.reload(self.gateway.config)
        wait_for(lambda: self.gateway.metric("gateyes_tls_certificate_expiration_timestamp_seconds") > time.time(),
                 what="the new certificate to be shown")
        self.assertIn("%s ends at" % self.certificate, self.gateway.process_log())  # within two days
        self.assertEqual(self.gateway.process_log().count(said), 1)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()


class Addresses(unittest.TestCase):
    def test_unix_ipv6_and_tcp_at_once(self):
        six = Port("::1")
        upstream = Upstream()
        upstream.plays = {"m": [stream(BODIES["chat"])]}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "g.sock")
            four = Port()
            gateway = Gateway({"listen": [four.text, six.text, "unix:" + path], "workers": 3, "models": {"m": {"targets": ["o/m"]}},
                               "providers": {"o": {"adapter": "openai", "base_url": upstream.url + "/v1"}}})
            for options in ({"port": four.number}, {"port": six.number, "host": "::1"}, {"port": 0, "unix": path}):
                for _ in range(10):
                    with Client(**options) as client:
                        reply = client.ask(PATHS["chat"], chat_body("m", True))
                        self.assertTrue(is_complete("chat", reply))
            peers = [row["peer"] for row in gateway.log()]
            self.assertEqual({peer[:4] for peer in peers}, {"127.", "[::1", "unix"})
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o666)
            self.assertEqual(gateway.stop(), 0)
            self.assertFalse(os.path.exists(path), "a clean end takes the socket's file along")
            # What another process left behind is no obstacle.
            left = socket.socket(socket.AF_UNIX)
            left.bind(path)
            left.close()
            again = Gateway({"listen": ["unix:" + path], "unix_mode": "0600", "models": {}})
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            os.unlink(path)
            with open(path, "w") as file:
                file.write("another's")
            self.assertEqual(again.stop(), 0)
            self.assertTrue(os.path.exists(path), "what another process has put there stays")
            gateway.remove()
            again.remove()
        upstream.close()
        four.close()
        six.close()

    def test_a_file_in_the_place_of_a_unix_socket_is_kept_and_named(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "notes.txt")
            with open(path, "w") as file:
                file.write("mine")
            gateway = Gateway({"listen": ["unix:" + path], "models": {}}, wait=False)
            self.addCleanup(gateway.remove)
            self.assertEqual(gateway.stop(sign=None), 1)
            with open(gateway.error_path) as log:
                self.assertIn("cannot listen on unix:%s: there is a file of that name that is no socket" % path, log.read())
            with open(path) as file:
                self.assertEqual(file.read(), "mine")

    def test_a_unix_socket_stays_plain_beside_tls(self):
        upstream = Upstream()
        upstream.plays = {"m": [stream(BODIES["chat"])]}
        four = Port()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "g.sock")
            certificate, key = make(folder, "own", ("localhost", "127.0.0.1"))
            gateway = Gateway({"listen": [four.text, "unix:" + path], "models": {"m": {"targets": ["o/m"]}},
                               "tls": {"certificate": certificate, "key": key},
                               "providers": {"o": {"adapter": "openai", "base_url": upstream.url + "/v1"}}})
            for options in ({"port": four.number, "tls": client_context(certificate)}, {"port": 0, "unix": path}):
                with Client(**options) as client:
                    self.assertTrue(is_complete("chat", client.ask(PATHS["chat"], chat_body("m", True))))
            self.assertEqual(gateway.stop(), 0)
            gateway.remove()
        upstream.close()
        four.close()

    def test_a_second_gateway_does_not_share_the_port(self):
        first = Gateway({"models": {}})
        for taken in ({"listen": [first.listen.text]}, {"admin": {"listen": [first.admin.text]}}):
            second = Gateway({"models": {}, **taken}, wait=False)
            self.assertEqual(second.process.wait(10 * SLACK), 1)
            self.assertIn("another process already listens there", second.process_log())
            second.remove()
        self.assertTrue(first.is_up())
        self.assertEqual(first.stop(), 0)
        first.remove()

    def test_connections_spread_over_the_workers(self):
        upstream = Upstream()
        upstream.plays = {"m": lambda _: [1.0 * SLACK, stream(BODIES["chat"])]}
        gateway = Gateway({"workers": 4, "models": {"m": {"targets": ["o/m"]}},
                           "providers": {"o": {"adapter": "openai", "base_url": upstream.url + "/v1"}}})
        clients = [gateway.client() for _ in range(64)]
        for client in clients:
            client.post(PATHS["chat"], chat_body("m", True))
        wait_for(lambda: len(gateway.exchanges()) == 64, 5)
        self.assertEqual({x["worker"] for x in gateway.exchanges()}, {0, 1, 2, 3})
        for client in clients:
            self.assertTrue(is_complete("chat", client.read()))
            client.close()
        self.assertEqual(gateway.stop(), 0)
        gateway.remove()
        upstream.close()

    def test_without_a_file_left_new_clients_are_turned_away(self):
        upstream = Upstream()
        upstream.plays = {"m": lambda _: [stream(BODIES["chat"])]}
        gateway = Gateway({"models": {"m": {"targets": ["o/m"]}},
                           "providers": {"o": {"adapter": "openai", "base_url": upstream.url + "/v1"}}},
                          wrap=["prlimit", "--nofile=150:150"])
        old = gateway.client(wait=10)
        self.assertTrue(is_complete("chat", old.ask(PATHS["chat"], chat_body("m", True))))
        crowd = [socket.create_connection(("127.0.0.1", gateway.port), 10) for _ in range(300)]
        for one in crowd:
            one.setblocking(False)

        def turned_away():
            def is_closed(one):
                try:
                    return one.recv(1) == b""
                except BlockingIOError:
                    return False
                except ConnectionError:
                    return True
            return sum(map(is_closed, crowd))
        wait_for(lambda: 150 < turned_away() < 300, 10, "most of the crowd to be turned away")
        time.sleep(0.2)
        before, away = self.cpu(gateway), turned_away()
        for _ in range(5):
            self.assertTrue(is_complete("chat", old.ask(PATHS["chat"], chat_body("m", True))), "who was there is served")
            time.sleep(0.1)
        self.assertEqual(turned_away(), away, "who was let in stays")
        self.assertLess(self.cpu(gateway) - before, 0.3 * SLACK, "the loop sleeps")
        for one in crowd:
            one.close()
        with gateway.client(wait=10) as new:
            self.assertTrue(is_complete("chat", new.ask(PATHS["chat"], chat_body("m", True))), "and there is room again")
        old.close()
        self.assertEqual(gateway.stop(), 0)
        gateway.remove()
        upstream.close()

    def cpu(self, gateway):
        with open("/proc/%d/stat" % gateway.process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class UpstreamTls(GatewayCase):
    """Bad providers get nothing, least of all a credential."""
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.folder = tempfile.TemporaryDirectory()
        good, wrong_host = make(cls.folder.name, "good", ("localhost", "127.0.0.1")), make(cls.folder.name, "wrong", ("other.example",))
        expired = make_expired(cls.folder.name, "expired", "localhost")
        old = server_context(*good)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        cls.upstreams = {"good": Upstream(server_context(*good)), "unknown": Upstream(server_context(*good)),
                         "wrong": Upstream(server_context(*wrong_host)), "expired": Upstream(server_context(*expired)),
                         "old": Upstream(old), "plain": Upstream(), "pinned": Upstream(server_context(*good))}
        providers, ca = {}, {"good": good[0], "wrong": wrong_host[0], "expired": expired[0], "old": good[0], "plain": good[0],
                             "pinned": good[0]}
        for name, upstream in cls.upstreams.items():
            upstream.plays = {"m": [stream(BODIES["chat"])]}
            providers[name] = {"adapter": "openai", "base_url": "https://localhost:%d/v1" % upstream.port, "credential": "sk-tls-canary"}
            if name in ca:
                providers[name]["tls"] = {"ca": ca[name]}
        providers["pinned"]["tls"]["pin"] = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        return {"providers": providers, "models": {name: {"targets": [name + "/m"]} for name in providers},
                "upstream": {"tls": 1 * SLACK, "connect": 1 * SLACK}}

    def test_only_the_good_one_is_asked(self):
        for name, upstream in self.upstreams.items():
            reply = self.chat(name, True)
            if name == "good":
                self.assertTrue(is_complete("chat", reply), reply.body)
                self.assertEqual(len(upstream.records), 1)
                continue
            codes = ("upstream_tls", "upstream_tls_timeout") if name == "plain" else ("upstream_tls",)
            self.assertIn(reply.error()["code"], codes, (name, reply.body))
            self.assertEqual(upstream.records, [], name)
            self.assertNotIn(b"sk-tls-canary", reply.body)

    def test_an_answer_in_plain_text_is_named(self):
        mock = Mock()
        config = dict(self.gateway.config)
        config["providers"] = {"text": {"adapter": "openai", "base_url": "https://localhost:%d/v1" % mock.port}}
        config["models"] = {"text": {"targets": ["text/m"]}}
        self.gateway.reload(config)
        reply = self.chat("text")
        self.assertEqual(reply.error()["code"], "upstream_tls")
        row = self.gateway.row(reply.id)
        self.assertIn("no TLS is spoken there; is it http://?", row["attempts"][0]["message"])
        self.gateway.reload(self.gateway.config)
        mock.stop()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()


if __name__ == "__main__":
    unittest.main()
