"""kill -9 at random moments under load: what a client saw complete is in the ledger, once.

GATEYES_CRASHES says how often (the default is short); 100 is the long form: GATEYES_CRASHES=100 ctest -R chaos.ledger."""
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

from client import Client
from harness import Gateway, GatewayCase, Mock, chat_body, messages_body, wait_for
from streams import is_complete

CRASHES = int(os.environ.get("GATEYES_CRASHES", "8"))
CLIENTS = 6
NAMESPACES = ["-m"] if os.getuid() == 0 else ["-m", "-r"]
KINDS = (("/v1/chat/completions", chat_body, "chat"), ("/v1/messages", messages_body, "messages"))


class Ledger(GatewayCase):
    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(), "workers": 2, "limits": {"retry_min": 100},
                "models": {"m": {"targets": ["o/m@frames=8;delay_frame=2"], "price": {"input": 1, "output": 2}},
                           "limited": {"targets": ["o/m"]},
                           "dear": {"targets": ["o/m@frames=40"], "price": {"input": 0, "output": 1000}}},
                "reserve": {"output_tokens": 10, "clamp": False},
                "quotas": [{"name": "ten", "scope": {"model": "limited"}, "requests": 10, "window": "24h"},
                           {"name": "money", "scope": {"model": "dear", "key": "*"}, "money": 0.03, "window": "month"}]}

    @classmethod
    def check_books(cls):
        """The log of a killed process says nothing: the rows are what counts here."""

    def rows(self, sql):
        with sqlite3.connect(os.path.join(self.gateway.folder, "g.db"), timeout=10) as database:
            return database.execute(sql).fetchall()

    def client_loop(self, seed, stop, seen):
        dice = random.Random(seed)
        while not stop.is_set():
            path, body, dialect = dice.choice(KINDS)
            stream = dice.random() < 0.7
            try:
                with Client(self.gateway.port, wait=5) as client:
                    for _ in range(dice.randint(1, 5)):
                        reply = client.ask(path, body("m", stream))
                        if reply is None or not reply.whole or reply.status != 200:
                            break
                        if not stream or is_complete(dialect, reply):
                            seen.append(reply.id)
            except OSError:
                time.sleep(0.01)

    def test_kill_under_load(self):
        stop, seen, dice = threading.Event(), [], random.Random(os.environ.get("GATEYES_SEED", "7"))
        threads = [threading.Thread(target=self.client_loop, args=(i, stop, seen)) for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        asked = 0
        try:
            for _ in range(CRASHES):
                before = len(seen)
                wait_for(lambda: len(seen) > before + 5, 10, "replies")
                time.sleep(dice.random() * 0.6)
                self.gateway.crash()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        asked = len(self.mock_records("last=10000"))
        self.gateway.stop()
        self.gateway.errors = open(self.gateway.error_path, "ab")
        self.gateway.launch()
        wait_for(self.gateway.is_up, 10)
        stored = [row[0] for row in self.rows("SELECT request_id FROM requests")]
        self.assertEqual(len(stored), len(set(stored)), "a request was stored twice")
        self.assertEqual(sorted(set(seen) - set(stored)), [], "replies that were seen complete are missing")
        self.assertGreater(len(seen), CRASHES * 5)
        if asked < 10000:  # the mock keeps so many: nothing was billed that it did not answer
            self.assertLessEqual(len(stored), asked)
        (sums,), (daily,) = self.rows("SELECT count(*), sum(cost_nanousd), sum(output_tokens) FROM requests"), \
            self.rows("SELECT sum(requests), sum(cost_nanousd), sum(output_tokens) FROM rollups")
        self.assertEqual(sums, daily)
        print("%d crashes: %d replies seen complete, %d requests stored, %d asked of the provider"
              % (CRASHES, len(seen), len(stored), asked))

    def test_limits_go_on_after_a_crash(self):
        """The counters come from the ledger: neither forgotten nor counted twice."""
        seen = [self.chat("limited") for _ in range(6)]
        self.assertEqual([reply.status for reply in seen], [200] * 6)
        for _ in range(2):
            self.gateway.crash()
        seen = [self.chat("limited").status for _ in range(6)]
        self.assertEqual(seen, [200] * 4 + [429] * 2)
        refused = self.chat("dear")
        self.assertEqual(refused.status, 200)
        self.gateway.crash()
        self.assertEqual(self.chat("dear").status, 402)


def may_mount():
    return subprocess.run(["unshare", *NAMESPACES, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


@unittest.skipUnless(shutil.which("nsenter") and may_mount(), "no mounts of one's own are allowed here")
class FullDisk(GatewayCase):
    """The journal on a disk of its own, which somebody fills."""
    policy = "refuse"

    @classmethod
    def setUpClass(cls):
        cls.mock, cls.disk = Mock(), tempfile.mkdtemp(prefix="gateyes-disk-")
        mount = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
        cls.gateway = Gateway({
            "providers": cls.mock_providers(), "ledger": {"folder": os.path.join(cls.disk, "journal"), "on_error": cls.policy,
                                                          "memory": "64KiB"},
            "models": {"m": {"targets": ["o/m"], "price": {"input": 1, "output": 2}}}},
            wrap=["unshare", *NAMESPACES, "sh", "-c", mount, cls.disk])

    @classmethod
    def end(cls):
        super().end()
        os.rmdir(cls.disk)

    def inside(self, command):
        users = ["-U", "--preserve-credentials"] if len(NAMESPACES) > 1 else []
        done = subprocess.run(["nsenter", "-t", str(self.gateway.process.pid), "-m", *users, "sh", "-c", command, self.disk],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def stored(self):
        with sqlite3.connect(os.path.join(self.gateway.folder, "g.db"), timeout=10) as database:
            return {row[0] for row in database.execute("SELECT request_id FROM requests")}

    def test_full_disk(self):
        fine = [self.chat("m").id for _ in range(5)]
        # Segments keep some room for themselves: more records than that go in before the disk says no.
        self.inside('head -c 2000000 /dev/zero >"$0/filler" 2>/dev/null; test -s "$0/filler"')
        answers = []
        wait_for(lambda: answers.append(self.chat("m")) or
                 self.gateway.metric("gateyes_ledger_spilled_records_total") > 0, 30, "the disk to be full")
        if self.policy == "refuse":
            refused = self.chat("m", stream=True)
            self.assertEqual((refused.status, refused.error()["code"]), (503, "ledger_unavailable"))
        else:
            answers += [self.chat("m") for _ in range(10)]
            self.assertEqual({answer.status for answer in answers}, {200})
            wait_for(lambda: answers.append(self.chat("m")) or answers[-1].status == 503, 30, "the queue to be half full")
        wait_for(lambda: self.gateway.metric("gateyes_ledger_usable") == 0, 5, "the metric to say so")
        self.assertIn("No space left on device", self.gateway.process_log())
        status, body = self.gateway.get_admin("/readyz")
        self.assertEqual((status, "ledger_unavailable" in body), (503, True))
        fine += [answer.id for answer in answers if answer.status == 200]
        self.inside('rm "$0/filler"')
        wait_for(lambda: self.gateway.metric("gateyes_ledger_usable") == 1, 10, "the journal to be mended")
        self.assertEqual(self.gateway.get_admin("/readyz")[0], 200)
        last = self.chat("m")
        self.assertEqual(last.status, 200)
        wait_for(lambda: set(fine + [last.id]) <= self.stored(), 10, "every record in the store")
        self.assertEqual(self.gateway.metric("gateyes_ledger_lost_records_total"), 0)
        self.assertEqual(self.stored(), set(fine + [last.id]))


class FullDiskSpills(FullDisk):
    policy = "spill"


if __name__ == "__main__":
    unittest.main()
