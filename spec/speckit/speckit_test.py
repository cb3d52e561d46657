"""The same specs under busted and under `gateyes test`: the same verdicts, names and places."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from xml.etree import ElementTree

BINARY = os.environ["GATEYES_BIN"]
HERE = os.path.dirname(os.path.abspath(__file__))
TITLE = re.compile(r"^(Failure|Error|Pending) (?:→|->) (\S+) @ (\d+)\n(.*)$", re.M)
TOTALS = re.compile(r"(\d+) success\w* / (\d+) failures? / (\d+) errors? / (\d+) pending")


def run(words, folder):
    done = subprocess.run(words, cwd=os.path.join(HERE, folder), capture_output=True, text=True, timeout=60,
                          errors="replace")
    return done.returncode, done.stdout + done.stderr


def verdicts(text):
    return TOTALS.search(text).groups(), sorted(TITLE.findall(text))


class SpecKit(unittest.TestCase):
    maxDiff = None

    def both(self, folder, name):
        busted = shutil.which("busted")
        self.assertTrue(busted, "busted is missing; scripts/setup test installs it")
        theirs = run([busted, "--lua=luajit", "-m", "./?.lua", name], folder)
        ours = run([BINARY, "test", name], folder)
        self.assertEqual(verdicts(ours[1]), verdicts(theirs[1]))
        return ours, theirs

    def test_a_path_that_is_not_there(self):
        status, text = run([BINARY, "test", "nowhere"], ".")
        self.assertEqual((status, text), (1, "nowhere: No such file or directory\n"))

    def test_what_passes(self):
        ours, theirs = self.both("kit", "lib/words_spec.lua")
        self.assertEqual((ours[0], theirs[0]), (0, 0), ours[1])

    def test_what_fails(self):
        ours, theirs = self.both("faulty", "lib/faults_spec.lua")
        self.assertEqual(ours[0], 1)
        self.assertNotEqual(theirs[0], 0)
        for text in ("faults_spec.lua:6: Expected objects to be equal.\nPassed in:\n(number) 2\nExpected:\n(number) 1",
                     "faults_spec.lua:24: not this time\n", "faults_spec.lua:10: broken"):
            self.assertIn(text, ours[1])
            self.assertIn(text, theirs[1])

    def test_json_and_tap(self):
        status, text = run([BINARY, "test", "faulty", "--json"], ".")
        found = json.loads(text)
        self.assertEqual((status, found["success"], found["failure"], found["error"]), (1, 3, 3, 9))
        self.assertEqual(found["specs"][0]["file"], "lib/faults_spec.lua")
        status, text = run([BINARY, "test", "kit", "--tap"], ".")
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        self.assertEqual((status, lines[0], len(lines)), (0, "1..15", 16))

    def test_junit(self):
        """For CI: one suite for each file, one case for each spec, and a document that XML parsers take."""
        with tempfile.TemporaryDirectory() as folder:
            for tenant in ("acme", "globex"):
                os.makedirs(os.path.join(folder, tenant, "lib"))
                with open(os.path.join(folder, tenant, "lib", "a_spec.lua"), "w") as file:
                    file.write('describe("<a>", function()\n it("is & \\"fine\\"", function() end)\n pending "later"\n'
                               ' it("\\1 \\255 # 漢\\n", function() error("]]> \\0\\nsecond") end)\n'
                               ' it("fails", function() assert.equal(1, 2) end)\nend)\n')
            status, text = run([BINARY, "test", folder, "--output", "junit"], ".")
            tap = run([BINARY, "test", folder, "-o", "TAP"], ".")[1]
        self.assertEqual(status, 1)
        root = ElementTree.fromstring(text)
        self.assertEqual({k: v for k, v in root.attrib.items() if k not in ("name", "time")},
                         {"tests": "8", "failures": "2", "errors": "2", "skipped": "2"})
        suites = root.findall("testsuite")
        self.assertEqual([suite.get("name") for suite in suites], ["acme/lib/a_spec.lua", "globex/lib/a_spec.lua"])
        for suite in suites:
            self.assertEqual((suite.get("tests"), suite.get("failures"), suite.get("errors")), ("4", "1", "1"))
            self.assertGreater(float(suite.get("time")), 0)
            cases = suite.findall("testcase")
            self.assertEqual([case.get("name") for case in cases],
                             ['<a> is & "fine"', "<a> later", "<a> \ufffd \ufffd # 漢\n", "<a> fails"])
            self.assertEqual([[child.tag for child in case] for case in cases], [[], ["skipped"], ["error"], ["failure"]])
            self.assertIn("]]> \ufffd\nsecond", cases[2][0].text)
            self.assertEqual((cases[3].get("line"), cases[3].get("file")), ("5", "lib/a_spec.lua"))
        names = [line for line in tap.splitlines() if line.startswith(("ok", "not ok"))]
        self.assertEqual((len(names), names[1]), (8, "ok 2 - <a> later # SKIP"))
        self.assertIn("\\# 漢", names[2])

    def test_wrong_words(self):
        for words in (["--output"], ["--output", "html"], ["-o", "junit", "a", "b"], ["--tapp"]):
            self.assertEqual(run([BINARY, "test"] + words, ".")[0], 2)
        self.assertEqual(run([BINARY, "test", "--nonsense"], ".")[0], 2)
        self.assertEqual(run([BINARY, "test", "nowhere"], ".")[0], 1)

    def test_nothing_to_run(self):
        with tempfile.TemporaryDirectory() as folder:
            status, text = run([BINARY, "test", folder], ".")
        self.assertEqual(status, 1)
        self.assertIn(folder + ": no specs are there; put them into files such as policies/NAME_spec.lua", text)


if __name__ == "__main__":
    unittest.main()
