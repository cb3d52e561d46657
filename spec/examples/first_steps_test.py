"""docs/first-steps.md: what those who run the gateway and those who pay type there, typed as it is printed."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "spec", "wire"))

from harness import BINARY, Port, wait_for  # noqa: E402
from mock_support import Mock  # noqa: E402


def read(*parts):
    with open(os.path.join(*parts)) as file:
        return file.read()


def blocks(title):
    """The commands of a section, without those that start the gateway."""
    section = re.split(r"^## ", read(ROOT, "docs", "first-steps.md"), flags=re.M)
    found = [part for part in section if part.startswith(title)]
    return [text for text in re.findall(r"^```sh\n(.*?)^```$", found[0], re.S | re.M) if "scripts/run" not in text]


class Road(unittest.TestCase):
    """The repository's examples in a folder of their own, on ports of their own."""

    def setUp(self):
        self.mock, self.listen, self.admin = Mock(), Port(), Port()
        self.folder = tempfile.mkdtemp(prefix="gateyes-steps-")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEYES_")}
        self.environment["PATH"] = os.path.dirname(BINARY) + ":" + self.environment["PATH"]
        self.process = None

    def tearDown(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.log.close()
        self.mock.stop()
        self.listen.close()
        self.admin.close()
        shutil.rmtree(self.folder)

    def start(self, source, name):
        folder = os.path.join(self.folder, "examples", name)
        shutil.copytree(os.path.join(ROOT, "examples", source), folder, ignore=shutil.ignore_patterns(".*", "*.db*"))
        path = os.path.join(folder, "gateyes.lua")
        text = read(path)
        with open(path, "w") as file:
            file.write(self.here(text).replace("127.0.0.1:9100", "127.0.0.1:%d" % self.mock.port))
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen([BINARY, "serve", "--config", path], stdout=self.log, stderr=self.log,
                                        env=self.environment)
        wait_for(lambda: "admin on" in self.said() or self.process.poll() is not None, 20, "the gateway")

    def said(self):
        return read(self.folder, "log")

    def here(self, text):
        return text.replace("127.0.0.1:8080", self.listen.text).replace("127.0.0.1:8081", self.admin.text)

    def type(self, text, **more):
        """Waiting is for people: the caller waits for what the page says is to be seen."""
        text = self.here(re.sub(r"^sleep .*\n", "", text, flags=re.M))
        text = re.sub(r"/tmp/(\w)", self.folder + r"/\1", text)
        done = subprocess.run(["sh", "-e", "-c", text], cwd=self.folder, capture_output=True, text=True,
                              timeout=120, env=dict(self.environment, **more))
        self.assertEqual(done.returncode, 0, text + done.stdout + done.stderr)
        return done.stdout

    def wait_for_word(self, word):
        wait_for(lambda: word in self.said(), 60, word)


class Running(Road):
    def test_those_who_run_it(self):
        write, ask, break_it, mend = blocks("Those who run it")
        self.start("finance", "mine")
        self.assertIn(" 0 failures / 0 errors", self.type(write))
        self.wait_for_word("tenant acme: generation 2 runs")
        answer = self.type(ask)
        for words in (" 403 ", '"code":"no_poems"', "x-gateyes-generation: 2", "x-gateyes-trace: no_poems on_request deny"):
            self.assertIn(words, answer)
        change, listing = break_it.split("sleep 2\n")
        self.type(change)
        self.wait_for_word("running generation 2, generation 3 refused because")
        self.assertIn("generation 3 refused because spec policies/no_poems_spec.lua", self.type(listing))
        change, compare = mend.split("sleep 2\n")
        self.type(change)
        self.wait_for_word("tenant acme: generation 4 runs")
        shown = self.type(compare, GATEYES_CONFIG="examples/mine/gateyes.lua")
        self.assertIn("no poems here", shown)
        self.assertIn("acme: running generation 2", shown)


class Paying(Road):
    def test_those_who_pay(self):
        make, spend, hurry, report = blocks("Those who pay")
        self.start("basic", "basic")
        admin_key = re.search(r"the key for the admin API is (\S+)", self.said()).group(1)
        lines = [line for line in make.splitlines() if not line.startswith("export ")]
        keys = {"GATEYES_ADMIN_KEY": admin_key, "GATEYES_ADMIN_URL": "http://" + self.admin.text}
        shown = self.type("\n".join(lines), **keys)
        keys["KEY"] = re.search(r"^secret +(\S+)$", shown, re.M).group(1)
        self.assertEqual(re.findall(r"HTTP/1.1 (\d+)", self.type(spend, **keys)), ["200", "200", "402"])
        self.assertIn("429", re.findall(r"HTTP/1.1 (\d+)", self.type(hurry, **keys)))
        wait_for(lambda: "402" in self.type("gateyes requests list --tenant acme --status 402", **keys), 60, "the ledger")
        self.assertNotIn("unknown", self.type("gateyes requests list --tenant acme --status 402", **keys))
        shown = self.type(report, **keys)
        for words in ("0.90", "limit.create", "whole: "):
            self.assertIn(words, shown)


if __name__ == "__main__":
    unittest.main()
