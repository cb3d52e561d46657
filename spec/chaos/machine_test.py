"""A machine that runs out: disk, descriptors, memory over many reloads."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from harness import SANITIZER, SLACK, Gateway, Mock, chat_body, wait_for
from load import Load
from streams import PATHS, is_complete


class Machine(unittest.TestCase):
    def setUp(self):
        self.mock = Mock()
        self.gateway = None

    def start(self, config=None, **options):
        base = {"providers": {"o": {"adapter": "openai", "base_url": "http://127.0.0.1:%d/v1" % self.mock.port}},
                "models": {"m": {"targets": ["o/m@frames=5"]}, "slow": {"targets": ["o/m@frames=50;delay_frame=20"]}}}
        self.gateway = Gateway(dict(base, **(config or {})), **options)
        return self.gateway

    def tearDown(self):
        if self.gateway:
            self.assertEqual(self.gateway.stop(), 0, self.gateway.process_log()[-3000:])
            log = self.gateway.process_log()
            self.assertIsNone(SANITIZER.search(log), log)
            self.gateway.remove()
        self.mock.stop()

    def ask(self):
        with self.gateway.client() as client:
            return client.ask(PATHS["chat"], chat_body("m", True))

    def test_a_full_disk_under_the_log(self):
        self.start({"log": {"file": "/dev/full"}})
        with Load(self.gateway.port, "m", threads=4) as load:
            load.wait(3500 if SLACK == 1 else 2000, 60)
        self.assertEqual(load.failures, [])
        self.assertLess(self.gateway.rss(), (120 if SLACK == 1 else 900) * 2**20)
        # A mebibyte is held for better times; what is over it is dropped, and counted.
        self.assertGreater(self.gateway.metric("gateyes_log_dropped_total"), 0)
        self.assertEqual(self.gateway.process_log().count("/dev/full: No space left on device"), 1)

    @unittest.skipUnless(shutil.which("unshare") and subprocess.run(
        ["unshare", "-rm", "true"], capture_output=True).returncode == 0, "no user namespaces here")
    def test_a_small_file_system_that_fills(self):
        folder = tempfile.mkdtemp()
        log = os.path.join(folder, "requests.log")
        script = 'mount -t tmpfs -o size=64k none %s && exec "$@"' % folder
        self.start({"log": {"file": log}}, wrap=["unshare", "-rm", "sh", "-c", script, "sh"])
        with Load(self.gateway.port, "m", threads=4) as load:
            load.wait(300, 60)
        self.assertEqual(load.failures, [])
        path = "/proc/%d/root%s" % (self.gateway.process.pid, log)
        if os.access(path, os.W_OK):  # space again: what was held is written
            size = os.path.getsize(path)
            self.assertLessEqual(size, 65536)
            os.truncate(path, 0)
            self.assertTrue(is_complete("chat", self.ask()))
            wait_for(lambda: os.path.getsize(path) > 0, 2)
        os.rmdir(folder)

    def test_no_descriptors_left(self):
        script = 'ulimit -n 64 && exec "$@"'
        self.start(wrap=["sh", "-c", script, "sh"])
        clients = []
        for _ in range(120):
            try:
                clients.append(self.gateway.client(wait=0.3))
            except OSError:
                break
        for client in clients:
            try:
                client.post(PATHS["chat"], chat_body("m", True))
            except OSError:
                pass
        time.sleep(0.5)
        self.assertIsNone(self.gateway.process.poll())
        for client in clients:
            client.close()
        wait_for(self.works_again, 10, "the gateway to serve again")
        for _ in range(20):
            self.assertTrue(is_complete("chat", self.ask()))

    def test_standard_files_that_are_closed(self):
        """The places of 0, 1 and 2 must not go to a socket or a file: log lines would be written into it."""
        self.start(wrap=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"], wait=False)
        wait_for(self.works_again, 10, "the gateway to serve")
        folder = "/proc/%d/fd/" % self.gateway.process.pid
        if os.access(folder, os.R_OK):
            self.assertEqual({os.readlink(folder + name) for name in "012"}, {"/dev/null"})
        for _ in range(20):
            self.assertTrue(is_complete("chat", self.ask()))

    def works_again(self):
        try:
            reply = self.ask()
            return reply is not None and reply.status == 200
        except OSError:
            return False

    def test_many_reloads_under_load(self):
        # The store's cache of pages grows with the load for a minute; no ledger, no such growth.
        self.start({"workers": 2, "store": "none"})
        # What the allocator and the load keep levels off in the first half; what leaks does not.
        half = 700 if SLACK == 1 else 90
        with self.gateway.client(wait=60) as slow, Load(self.gateway.port, "m", threads=2) as load:
            slow.post(PATHS["chat"], chat_body("slow", True))
            self.reloads(half)
            fds, rss = self.gateway.fds(), self.gateway.rss()
            self.reloads(half)
            self.assertTrue(is_complete("chat", slow.read()))
        self.assertEqual(load.failures, [])
        self.assertGreater(load.count, 50)
        wait_for(lambda: self.gateway.fds() <= fds, 5)
        if SLACK == 1:  # a sanitizer keeps what was freed
            # A configuration or a Lua state that leaks is 20 KiB and more each time: 14 MiB.
            self.assertLess(self.gateway.rss() - rss, 4 * 2**20)

    def reloads(self, wanted):
        """Signals that come while one reload runs are one; so they are sent one after another."""
        while wanted > 0:
            before = self.gateway.reloads("ok")
            self.gateway.process.send_signal(signal.SIGHUP)
            wait_for(lambda: self.gateway.reloads("ok") > before, 10)
            wanted -= 1


if __name__ == "__main__":
    unittest.main()
