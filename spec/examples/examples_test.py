"""Each scenario of examples/ on the mock: its specs, a request for each of its claims, and the trace that shows why."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "spec", "wire"))

from client import Client  # noqa: E402
from harness import BINARY, Port, wait_for  # noqa: E402
from mock_support import Mock  # noqa: E402


class Example(unittest.TestCase):
    name = None
    environment = {}

    @classmethod
    def setUpClass(cls):
        if cls.name is None:
            raise unittest.SkipTest("the scenarios are below")
        cls.mock, cls.listen, cls.admin = Mock(), Port(), Port()
        # A copy: the gateway keeps generations beside the folders that it watches.
        cls.folder = os.path.join(tempfile.mkdtemp(prefix="gateyes-example-"), cls.name)
        shutil.copytree(os.path.join(ROOT, "examples", cls.name), cls.folder, ignore=shutil.ignore_patterns(".*"))
        mock = "http://127.0.0.1:%d" % cls.mock.port
        variables = dict(os.environ, MOCK_URL=mock, GATEYES_LISTEN=cls.listen.text, GATEYES_ADMIN=cls.admin.text)
        variables.update({key: value.replace("MOCK", mock) for key, value in cls.environment.items()})
        cls.log = open(os.path.join(cls.folder, "log"), "w+")
        cls.process = subprocess.Popen([BINARY, "serve", "--config", os.path.join(cls.folder, "gateyes.lua")],
                                       stdout=cls.log, stderr=cls.log, env=variables)
        wait_for(lambda: "admin on" in cls.text() or cls.process.poll() is not None, 10, "the gateway")

    @classmethod
    def text(cls):
        with open(cls.log.name) as file:
            return file.read()

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        status = cls.process.wait(20)
        cls.mock.stop()
        cls.log.close()
        log = cls.text()
        cls.listen.close()
        cls.admin.close()
        shutil.rmtree(os.path.dirname(cls.folder))
        if status != 0:
            raise AssertionError("the gateway ended with %s: %s" % (status, log[-2000:]))

    def ask(self, model, text, key="gy-dev-key", headers=()):
        self.forget()
        with Client(self.listen.number) as client:
            body = {"model": model, "messages": [{"role": "user", "content": text}]}
            return client.ask("/v1/chat/completions", body, [("x-gateyes-trace", "1")] + list(headers), key=key)

    def forget(self):
        with Client(self.mock.port) as client:
            client.get("/mock/requests", method="DELETE")

    def who(self, *arguments, **more):
        reply = self.ask(*arguments, **more)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.headers["x-gateyes-provider"]

    def sent(self):
        """What the mock got of the newest request: every body, in every protocol."""
        with Client(self.mock.port) as client:
            return json.dumps(json.loads(client.get("/mock/requests").body), ensure_ascii=False)

    def run_specs(self):
        done = subprocess.run([BINARY, "test", os.path.join(self.folder, "tenants", "acme")], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn(" 0 successes", " " + done.stdout)


HARD = ("Prove step by step that this algorithm terminates, then refactor the recursive function to be iterative and "
        "analyse its complexity: ```def f(n): return n if n < 2 else f(n-1) + f(n-2)```")


class CostFirst(Example):
    name = "cost-first"

    def test_specs(self):
        self.run_specs()

    def test_simple_tasks_stay_and_hard_ones_go(self):
        self.assertEqual(self.who("assistant", "What is the capital of France?"), "gpu")
        reply = self.ask("assistant", HARD)
        self.assertEqual(reply.headers["x-gateyes-provider"], "openai")
        self.assertIn("complexity", reply.headers["x-gateyes-trace"])

    def test_translations_stay_however_hard(self):
        reply = self.ask("assistant", "Translate into German: " + HARD)
        self.assertEqual(reply.headers["x-gateyes-provider"], "gpu")
        self.assertIn("our own model first", reply.headers["x-gateyes-trace"])


class Finance(Example):
    name = "finance"
    SENSITIVE = ("card 4539 1488 0343 6467", "身份证 11010519491231002X", "IBAN GB29 NWBK 6016 1331 9268 19",
                 "How is Project Nightingale?", "夜莺计划进展如何")

    def test_specs(self):
        self.run_specs()

    def test_what_is_sensitive_stays(self):
        self.assertEqual(self.who("analyst", "What is a covered bond?"), "claude")
        for text in self.SENSITIVE:
            reply = self.ask("analyst", text)
            self.assertEqual((reply.status, reply.headers["x-gateyes-provider"]), (200, "gpu"), text)
            self.assertIn("require residency=local", reply.headers["x-gateyes-trace"])

    def test_the_session_stays_too(self):
        session = [("x-session-id", "s-1")]
        self.assertEqual(self.who("analyst", "And the fee?", headers=session), "claude")
        self.assertEqual(self.who("analyst", self.SENSITIVE[0], headers=session), "gpu")
        self.assertEqual(self.who("analyst", "And the fee?", headers=session), "gpu")


class FinanceWithoutGpus(Example):
    name = "finance"
    environment = {"GPU_URL": "http://127.0.0.1:9/v1"}

    def test_nothing_sensitive_reaches_the_cloud(self):
        for text in Finance.SENSITIVE:
            reply = self.ask("analyst", text)
            self.assertEqual(reply.status, 503, reply.body)
            self.assertEqual(self.sent(), "[]", "not one byte")
        self.assertEqual(self.who("analyst", "What is a covered bond?"), "claude")
        self.assertIn("covered bond", self.sent(), "the record does record")


class Redundancy(Example):
    name = "redundancy"

    def test_specs(self):
        self.run_specs()

    def test_the_first_vendor_answers(self):
        self.assertEqual(self.who("chat", "Hello"), "openai")
        self.assertEqual(self.who("chat", "Hello", key="gy-dev-key-eu"), "azure")


class RedundancyInTrouble(Example):
    name = "redundancy"
    environment = {"OPENAI_URL": "MOCK/mock=status=500/v1", "AZURE_URL": "http://127.0.0.1:9"}

    def test_the_next_one_does(self):
        reply = self.ask("chat", "Hello")
        self.assertEqual((reply.status, reply.headers["x-gateyes-provider"], reply.headers["x-gateyes-attempts"]),
                         (200, "claude", "3"), reply.body)

    def test_europe_stays_in_europe(self):
        reply = self.ask("chat", "Hello", key="gy-dev-key-eu")
        self.assertEqual(reply.status, 503, reply.body)
        self.assertEqual(self.sent(), "[]")


if __name__ == "__main__":
    unittest.main()
