"""The mock upstream: `python3 mock_test.py` with GATEYES_BIN set."""
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from certificates import make  # noqa: E402
from mock_faults import Bytes, Heads, Taking  # noqa: E402,F401
from mock_formats import Chat, Messages, Others, Responses  # noqa: E402,F401
from mock_support import Mock, MockCase, USED_KNOBS, connect, read_answer, request_bytes  # noqa: E402

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "mock.md")
HI = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Knobs(MockCase):
    def test_each_place_a_knob_can_stand(self):
        path = "/v1/chat/completions"
        self.assertEqual(self.send("/mock=status=418" + path, HI).status, 418)
        self.assertEqual(self.send(path + "?mock=status=418;code=teapot", HI).json()["error"]["code"], "teapot")
        self.assertEqual(self.send(path, HI, "status=418").status, 418)
        answer = self.send(path, dict(HI, model="gpt-4o@status=418;message=no tea"))
        self.assertEqual((answer.status, answer.json()["error"]["message"]), (418, "no tea"))
        self.assertEqual(self.send(path, dict(HI, model="claude-3@20240229")).json()["model"], "claude-3@20240229")
        self.assertEqual(self.send("/mock=status=418" + path, HI, "status=200").status, 200)

    def test_an_unknown_knob_is_refused(self):
        answer = self.chat("stauts=500")
        USED_KNOBS.discard("stauts")
        self.assertEqual(answer.status, 400)
        self.assertIn("stauts", answer.json()["error"]["message"])
        self.assertEqual(self.chat("cut=many").status, 400)

    def test_errors_carry_what_was_asked(self):
        error = self.chat("status=503;type=t;code=c;message=m;param=p").json()["error"]
        self.assertEqual(error, {"type": "t", "code": "c", "message": "m", "param": "p"})
        theirs = self.messages("status=529").json()
        self.assertEqual((theirs["type"], theirs["error"]["type"]), ("error", "overloaded_error"))
        self.assertTrue(theirs["request_id"].startswith("req_"))

    def test_the_first_requests_fail(self):
        first = [self.chat("fail_times=2;status=500;key=k1").status for _ in range(4)]
        self.assertEqual(first, [500, 500, 200, 200])
        self.assertEqual(self.chat("fail_times=1;key=k2").status, 503)
        self.send("/mock/reset", method="POST")
        self.assertEqual(self.chat("fail_times=2;status=500;key=k1").status, 500)

    def test_a_share_of_requests_fails(self):
        statuses = [self.send("/v1/models", knobs="fail_rate=30").status for _ in range(100)]
        self.assertTrue(29 <= statuses.count(503) <= 31, statuses.count(503))

    def test_credentials(self):
        for headers, status in (((), 401), ((("authorization", "Bearer k"),), 200), ((("x-api-key", "k"),), 200),
                                ((("api-key", "other"),), 401)):
            self.assertEqual(self.send("/v1/models", knobs="auth=k", headers=headers).status, status)


class Records(MockCase):
    def test_a_record_tells_what_was_received(self):
        headers = [("Authorization", "Bearer secret"), ("X-Two", "1"), ("x-two", "2")]
        answer = self.send("/v1/chat/completions?a=b", HI, headers=headers)
        record = self.last_record("complete")
        self.assertEqual((record["method"], record["path"], record["query"]), ("POST", "/v1/chat/completions", "a=b"))
        self.assertEqual(record["headers"]["authorization"], "Bearer secret")
        self.assertEqual(record["headers"]["x-two"], "1, 2")
        self.assertIn("X-Two: 1", record["header_lines"])
        self.assertEqual((record["status"], record["outcome"], record["abort_ms"]), (200, "complete", None))
        self.assertEqual(record["bytes_sent"], len(answer.raw))
        self.assertEqual(record["bytes_received"], len(record["body"]))
        self.assertEqual(record["port"], self.mock.port)

    def test_a_client_that_leaves_is_recorded_with_the_time(self):
        sock = connect(self.mock.port)
        sock.sendall(request_bytes("/v1/chat/completions", dict(HI, stream=True), [("x-mock", "stall=100")]))
        read_answer(sock, 0.25)
        sock.close()
        record = self.last_record("client_closed")
        self.assertEqual(record["outcome"], "client_closed")
        self.assertTrue(150 <= record["abort_ms"] <= 1500, record["abort_ms"])

    def test_a_client_that_leaves_during_its_upload(self):
        sock = connect(self.mock.port)
        sock.sendall(request_bytes("/v1/chat/completions", b"abc").replace(b"Length: 3", b"Length: 300"))
        read_answer(sock, 0.1)
        sock.close()
        record = self.last_record("client_closed")
        self.assertEqual((record["outcome"], record["bytes_received"]), ("client_closed", 3))

    def test_filters_and_clearing(self):
        self.send("/mock/requests", method="DELETE")
        ids = []
        for _ in range(3):
            self.send("/v1/models")
            ids.append(self.records()[0]["id"])
        self.assertEqual([r["id"] for r in self.records("since=%d" % ids[0])], ids[1:])
        self.assertEqual([r["id"] for r in self.records("last=2")], ids[1:])
        self.send("/mock/requests", method="DELETE")
        self.assertEqual(self.records("last=5"), [])

    def test_binary_bodies_and_counters(self):
        self.send("/v1/embeddings", b"\xff\xfe\x00")
        self.assertEqual(self.last_record("complete")["body_base64"], "//4A")
        stats = self.send("/mock/stats").json()
        self.assertGreaterEqual(stats["outcomes"]["complete"], 1)
        self.assertGreaterEqual(stats["connections_open"], 1)
        self.assertEqual(self.send("/mock/health").json(), {"status": "ok"})
        self.assertEqual(self.send("/mock/nothing").status, 404)

    def test_one_connection_serves_many_requests_in_order(self):
        sock = connect(self.mock.port)
        sock.sendall(b"".join(request_bytes("/v1/models/gpt-4o") for _ in range(200)))
        raw = b""
        sock.settimeout(5)
        while raw.count(b'"owned_by"') < 200:
            raw += sock.recv(65536)
        ids = [int(number) for number in re.findall(rb"req_mock(\d+)", raw)]
        self.assertEqual(ids, sorted(ids))
        self.assertEqual(len({r["connection"] for r in self.records("last=200")}), 1)
        sock.close()

    def test_nonsense_is_refused(self):
        sock = connect(self.mock.port)
        sock.sendall(b"NONSENSE\r\n\r\n")
        self.assertEqual(read_answer(sock).status, 400)
        sock.close()


class Scripts(MockCase):
    def tearDown(self):
        self.send("/mock/script", method="DELETE")

    def test_recorded_answers(self):
        reply = {"status": 201, "headers": {"X-Odd": "1", "content-type": "text/plain"}, "body_b64": "AAEC"}
        self.send("/mock/script", {"match": {"path": "/v1/messages", "model": "m"}, "times": 1, "reply": reply})
        answer = self.send("/v1/messages", {"model": "m@cut=2"})
        self.assertEqual((answer.status, answer.body, answer.headers["x-odd"]), (201, b"\x00\x01", "1"))
        self.assertEqual(self.send("/v1/messages", {"model": "m"}).status, 400)

    def test_recorded_frames(self):
        frames = ["data: {\"a\":1}\n\n", "data: [DONE]\n\n"]
        self.send("/mock/script", {"match": {}, "reply": {"frames": frames}})
        answer = self.send("/v1/anything", {})
        self.assertEqual([piece.decode() for piece in answer.pieces], frames)
        self.assertEqual(self.send("/mock/script", {"match": {}}).status, 400)


class Process(unittest.TestCase):
    def test_several_listeners_and_default_knobs(self):
        mock = Mock("--knobs", "status=429", listeners=2)
        try:
            self.assertEqual(len(set(mock.ports)), 2)
            for port in mock.ports:
                sock = connect(port)
                sock.sendall(request_bytes("/v1/models"))
                self.assertEqual(read_answer(sock).status, 429)
                sock.close()
        finally:
            self.assertEqual(mock.stop(), 0)

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                            "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                            "-keyout", key, "-out", certificate], check=True, capture_output=True)
            mock = Mock("--tls-certificate", certificate, "--tls-key", key)
            try:
                self.assertIn("https://127.0.0.1:", mock.lines[0])
                context = ssl.create_default_context(cafile=certificate)
                for knobs in ("frames=50;size=9000", "split=1", "cut=300;rst"):
                    sock = context.wrap_socket(connect(mock.port), server_hostname="127.0.0.1")
                    sock.sendall(request_bytes("/v1/chat/completions", dict(HI, stream=True), [("x-mock", knobs)]))
                    answer = read_answer(sock)
                    self.assertEqual(answer.status, 200)
                    self.assertEqual(answer.whole, "cut" not in knobs)
                    sock.close()
            finally:
                self.assertEqual(mock.stop(), 0)

    def test_faults_of_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = make(folder, "fault", ("localhost", "127.0.0.1"))
            context = ssl.create_default_context(cafile=certificate)
            for fault, error in (("stall", TimeoutError), ("reset", ConnectionResetError), ("old", ssl.SSLError)):
                mock = Mock("--tls-certificate", certificate, "--tls-key", key, "--tls-fault", fault)
                try:
                    sock = connect(mock.port)
                    sock.settimeout(0.3)
                    with self.assertRaises(error):
                        context.wrap_socket(sock, server_hostname="127.0.0.1")
                    sock.close()
                finally:
                    self.assertEqual(mock.stop(), 0)

    def test_a_scenario_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            file.write("""return function(request, knobs)
              if request.target == "/odd" then
                return { status = 299, headers = { "x-port", tostring(request.port) }, body = request.body }
              end
            end""")
            file.flush()
            mock = Mock("--scenario", file.name)
            try:
                for path, status in (("/odd", 299), ("/v1/models", 404)):
                    sock = connect(mock.port)
                    sock.sendall(request_bytes(path, b"hello"))
                    answer = read_answer(sock)
                    self.assertEqual(answer.status, status)
                    sock.close()
            finally:
                self.assertEqual(mock.stop(), 0)

    def test_wrong_usage(self):
        for options, status in ((["--listen"], 2), (["--nothing", "1"], 2), (["--tls-key", "k"], 2), (["--tls-fault", "stall"], 2),
                                (["--listen", "nowhere"], 1), (["--knobs", "nothing=1"], 1),
                                (["--scenario", "/nothing.lua"], 1)):
            done = subprocess.run([os.environ["GATEYES_BIN"], "mock"] + options, capture_output=True, text=True,
                                  timeout=10)
            self.assertEqual(done.returncode, status, options)
            self.assertTrue(done.stderr.startswith("gateyes mock: "), done.stderr)
            if status == 1:
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_many_clients_at_once(self):
        mock = Mock()
        failures = []

        def client():
            sock = connect(mock.port)
            for _ in range(20):
                sock.sendall(request_bytes("/v1/chat/completions", dict(HI, stream=True)))
                if not read_answer(sock).whole:
                    failures.append(1)
            sock.close()
        threads = [threading.Thread(target=client) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(mock.stop(), 0)
        self.assertEqual(failures, [])


class ZDocs(MockCase):
    """Last by name: by now every test has said which knobs it used."""

    def test_the_table_in_the_docs_is_the_code(self):
        table = self.send("/mock/knobs").body.decode()
        with open(DOCS, encoding="utf-8") as file:
            self.assertIn(table, file.read())

    def test_no_knob_is_without_a_test(self):
        names = set(re.findall(r"^\| `([\w.]+)`", self.send("/mock/knobs").body.decode(), re.M))
        used = {"header.NAME" if name.startswith("header.") else name for name in USED_KNOBS}
        here = os.path.dirname(os.path.abspath(__file__))
        for file in ("mock_faults.py", "mock_test.py"):
            with open(os.path.join(here, file), encoding="utf-8") as text:
                for knobs in re.findall(r'"x-mock", "([^"]+)"', text.read()):
                    used |= {item.split("=")[0] for item in knobs.split(";")}
        if len(sys.argv) > 1:
            self.skipTest("only some of the tests were run")
        self.assertEqual(sorted(names - used), [])


if __name__ == "__main__":
    unittest.main()
