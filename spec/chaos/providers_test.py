"""Providers that are killed, stopped and started again while requests run."""
import signal
import subprocess
import time
import unittest

from harness import BINARY, SLACK, Gateway, Mock, wait_for
from load import Load


class Restarted(Mock):
    """A mock on the port of an earlier one."""

    def __init__(self, port):
        self.process = subprocess.Popen([BINARY, "mock", "--listen", "127.0.0.1:%d" % port],
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        self.port = port


class Providers(unittest.TestCase):
    def setUp(self):
        self.first, self.second = Mock(), Mock()
        providers = {name: {"adapter": "openai", "base_url": "http://127.0.0.1:%d/v1" % mock.port}
                     for name, mock in (("first", self.first), ("second", self.second))}
        knobs = "m@frames=10;delay_frame=2"
        self.gateway = Gateway({"providers": providers, "workers": 2, "limits": {"retry_min": 20}, "models": {
            "both": {"targets": ["first/" + knobs, "second/" + knobs]}, "one": {"targets": ["first/" + knobs]}},
            "upstream": {"head": 0.4 * SLACK, "idle": 0.4 * SLACK, "first_token": 0.4 * SLACK}})

    def tearDown(self):
        for mock in (self.first, self.second):
            mock.process.kill()
            mock.process.wait()
            mock.process.stdout.close()
        self.assertEqual(self.gateway.stop(), 0, self.gateway.process_log())
        self.gateway.remove()

    def kill_first(self):
        self.first.process.kill()
        self.first.process.wait()
        self.first.process.stdout.close()

    def test_killed_and_restarted(self):
        """Only streams that had content when the provider died may fail, and each with an error event."""
        with Load(self.gateway.port, "both", threads=8) as load:
            load.wait(100)
            self.kill_first()
            load.wait(200)
            failed = list(load.failures)
            self.first = Restarted(self.first.port)
            load.wait(200)
        self.assertLessEqual(len(failed), 8)
        self.assertEqual(load.failures, failed)
        for failure in failed:
            self.assertEqual(failure[0], 200)
            self.assertIn(b'"error"', failure[1])
        rows = self.gateway.new_rows(0, load.count)
        self.assertEqual(len(rows), load.count)

    def test_the_only_one_comes_back(self):
        with Load(self.gateway.port, "one", threads=4) as load:
            load.wait(50)
            self.kill_first()
            load.wait(100)
            self.assertGreater(len(load.failures), 90)
            self.first = Restarted(self.first.port)
            time.sleep(0.2)
            before = len(load.failures)
            load.wait(100)
            self.assertLessEqual(len(load.failures) - before, 4)

    def test_stopped_like_a_stuck_machine(self):
        """SIGSTOP: the kernel still accepts; the timers and the other target do the rest."""
        with Load(self.gateway.port, "both", threads=8) as load:
            load.wait(100)
            self.first.process.send_signal(signal.SIGSTOP)
            load.wait(200)
            failed = list(load.failures)
            self.first.process.send_signal(signal.SIGCONT)
            load.wait(100)
        self.assertLessEqual(len(failed), 8)
        self.assertEqual(load.failures, failed)
        wait_for(lambda: self.gateway.exchanges() == [], 5)


if __name__ == "__main__":
    unittest.main()
