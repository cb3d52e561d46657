"""The store in trouble under a gateway that serves: locked, read-only, full, damaged, slow. Requests go on and none is lost; what needs
the store says so."""
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import time
import unittest

from admin_calls import Api
from harness import ADMIN_KEY, SLACK, Gateway, Mock, chat_body, wait_for

SLOW_S = 2
SHIM = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int is_on(const char *name) {
  const char *path = getenv(name);
  return path && access(path, F_OK) == 0;
}
static int slow(void) {
  if (is_on("TROUBLE_SLOW")) usleep(%d);
  return 0;
}
int fsync(int fd) { (void)fd; return slow(); }
int fdatasync(int fd) { (void)fd; return slow(); }
ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at) {
  ssize_t (*real)(int, const void *, size_t, off64_t) = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  if (!is_on("TROUBLE_READ_ONLY")) return real(fd, data, len, at);
  errno = EROFS;
  return -1;
}
""" % (SLOW_S * 1000000)


def may_mount():
    return subprocess.run(["unshare", "-rm", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


class Trouble(unittest.TestCase):
    def setUp(self):
        self.mock = Mock()
        self.gateway = None

    def start(self, database=None, **options):
        provider = {"adapter": "openai", "base_url": "http://127.0.0.1:%d/v1" % self.mock.port}
        config = {"providers": {"o": provider}, "models": {"m": {"targets": ["o/m@in=10;out=20"], "price": {"input": 1, "output": 2}}},
                  "quotas": [{"name": "all", "scope": {"model": "m"}, "requests": 100000, "window": "1h"}]}
        if database:
            config["store"] = "sqlite:" + database
            config["ledger"] = {"folder": tempfile.mkdtemp(prefix="gateyes-journal-")}
            self.addCleanup(shutil.rmtree, config["ledger"]["folder"], True)
        self.gateway = Gateway(config, **options)
        self.database = database or os.path.join(self.gateway.folder, "g.db")
        self.api = Api(self.gateway.admin.number, ADMIN_KEY)
        self.good("POST", "/admin/v1/tenants", {"id": "acme"})
        self.key = self.good("POST", "/admin/v1/keys", {"tenant": "acme", "name": "k", "roles": ["developer"]})["secret"]
        self.answers = []

    def tearDown(self):
        try:
            if self.gateway:
                self.assertEqual(self.gateway.stop(), 0, self.gateway.process_log()[-3000:])
        finally:
            if self.gateway:
                self.gateway.remove()
            self.mock.stop()

    def good(self, method, path, body=None):
        status, answer = self.api(method, path, body)
        self.assertIn(status, (200, 201), answer)
        return answer

    def chat(self, count=1):
        with self.gateway.client(wait=10 * SLACK) as client:
            for _ in range(count):
                reply = client.ask("/v1/chat/completions", chat_body("m"), key=self.key)
                self.assertEqual(reply.status, 200, reply.body)
                self.answers.append((reply.id, float(reply.headers["x-gateyes-overhead-ms"])))

    def metric(self, name):
        return self.gateway.metric("gateyes_" + name)

    def while_down(self, word):
        """Requests and limits go on, changes are refused with a reason, and the figures say what is wrong."""
        self.chat(20)
        wait_for(lambda: self.chat() or self.metric("store_up") == 0, 20, "the metric to say so")
        status, answer = self.api("POST", "/admin/v1/projects", {"tenant": "acme", "name": "late"})
        self.assertEqual((status, answer["error"]["code"]), (503, "unavailable"), answer)
        self.assertIn(word, answer["error"]["message"])
        self.assertEqual(self.api.headers["retry-after"], "1")
        self.assertEqual((self.metric("ledger_usable"), self.metric("ledger_lost_records_total")), (1, 0))
        self.assertGreater(self.metric("ledger_waiting_bytes"), 0)
        self.assertGreater(self.metric("store_failures_total"), 0)
        self.assertIn("the store does not take records, they wait in the journal", self.gateway.process_log())
        self.chat(5)
        self.assertEqual(self.gateway.get_admin("/healthz")[0], 200)

    def stored(self):
        try:
            return {row["request_id"] for row in self.api.pages("/admin/v1/requests", 1000)}
        except AssertionError:
            return set()

    def when_up(self):
        wait_for(lambda: {answer[0] for answer in self.answers} <= self.stored(), 30, "every record in the store")
        self.assertEqual(len(self.stored()), len(self.answers))
        wait_for(lambda: self.metric("store_up") == 1, 5, "the metric to say so")
        self.assertEqual(self.metric("ledger_lost_records_total"), 0)
        self.good("POST", "/admin/v1/projects", {"tenant": "acme", "name": "later"})
        self.assertIn("the store takes records again", self.gateway.process_log())

    def test_locked(self):
        self.start()
        other = sqlite3.connect(self.database, timeout=10, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        self.while_down("busy")
        other.execute("ROLLBACK")
        other.close()
        self.when_up()

    def test_damaged_and_replaced(self):
        self.start()
        self.chat(3)
        wait_for(lambda: len(self.stored()) == 3, 10, "the first rows")
        whole = os.path.join(self.gateway.folder, "whole.db")
        source, copy = sqlite3.connect(self.database), sqlite3.connect(whole)
        source.backup(copy)
        source.close()
        copy.close()
        with open(self.database + ".new", "wb") as file:
            file.write(b"this is no database" * 4000)
        self.replace(self.database + ".new")
        self.while_down("corrupt")
        self.assertIn("repair it", self.gateway.process_log())
        self.replace(whole)
        self.when_up()

    def test_a_start_while_the_store_is_away(self):
        """Whoever has a good key is not told that it is wrong, and nobody is locked out for it."""
        self.start()
        own = self.good("POST", "/admin/v1/keys", {"tenant": "acme", "name": "boss", "roles": ["tenant_admin"]})["secret"]
        self.gateway.process.kill()
        self.gateway.process.wait()
        for ending in ("", "-wal"):
            os.rename(self.database + ending, self.database + ".good" + ending)
        with open(self.database, "wb") as file:
            file.write(b"this is no database" * 400)
        self.gateway.crash()
        self.assertIn("keys go on from memory, since the store is damaged: repair its file, or move it away",
                      self.gateway.process_log())
        for path, body in (("/v1/chat/completions", chat_body("m")), ("/v1/messages", dict(chat_body("m"), max_tokens=5))):
            with self.gateway.client() as client:
                reply = client.ask(path, body, key=self.key)
            self.assertEqual(reply.status, 503, reply.body)
            self.assertIn(b"store is away", reply.body)
        with self.gateway.client() as client:
            self.assertEqual(client.ask("/v1/chat/completions", chat_body("m")).status, 200, "a key of the configuration")
        self.assertEqual({self.api("GET", "/admin/v1/keys", key=own)[0] for _ in range(8)}, {503})
        whole = sqlite3.connect(self.database + ".good")
        whole.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole.close()
        self.replace(self.database + ".good")
        wait_for(lambda: self.api("GET", "/admin/v1/keys", key=own)[0] == 200, 15, "the keys")
        self.chat()

    def replace(self, path):
        for ending in ("-wal", "-shm"):
            if os.path.exists(self.database + ending):
                os.remove(self.database + ending)
        os.rename(path, self.database)

    def inside(self, command):
        done = subprocess.run(["nsenter", "-t", str(self.gateway.process.pid), "-m", "-U", "--preserve-credentials", "sh", "-c", command],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def start_on_a_disk(self):
        disk = tempfile.mkdtemp(prefix="gateyes-disk-")
        self.addCleanup(os.rmdir, disk)
        self.start(database=os.path.join(disk, "g.db"),
                   wrap=["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=2m none "$0" && exec "$@"', disk])
        return disk

    @unittest.skipUnless(shutil.which("nsenter") and may_mount(), "no mounts of one's own are allowed here")
    def test_full(self):
        disk = self.start_on_a_disk()
        self.inside("head -c 4000000 /dev/zero >%s/filler 2>/dev/null; test -s %s/filler" % (disk, disk))
        self.while_down("full")
        self.inside("rm %s/filler" % disk)
        self.when_up()

    def test_files_that_may_not_grow(self):
        """A limit on the size of files, whose signal ends a process that does not expect it."""
        self.start()
        folder, unlimited = self.gateway.folder, resource.RLIM_INFINITY
        largest = max(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
        resource.prlimit(self.gateway.process.pid, resource.RLIMIT_FSIZE, (largest + 65536, unlimited))
        for _ in range(60):  # the first records go into the journal, what does not fit there waits
            self.chat(100)
            if self.metric("store_up") == 0:
                break
        self.assertEqual(self.metric("store_up"), 0)
        self.chat(100)
        resource.prlimit(self.gateway.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        wait_for(lambda: {answer[0] for answer in self.answers} <= self.stored(), 60, "every record in the store")
        self.assertEqual(self.metric("ledger_lost_records_total"), 0)

    def start_with_shim(self):
        """A library before the C library's own: files that are there turn the trouble on."""
        folder = tempfile.mkdtemp(prefix="gateyes-shim-")
        self.addCleanup(shutil.rmtree, folder, True)
        with open(folder + "/shim.c", "w") as file:
            file.write(SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", folder + "/shim.so", folder + "/shim.c", "-ldl"], check=True)
        self.start(env={"LD_PRELOAD": folder + "/shim.so", "TROUBLE_SLOW": folder + "/slow", "TROUBLE_READ_ONLY": folder + "/read_only"})
        return folder

    @unittest.skipUnless(shutil.which("cc"), "no compiler")
    @unittest.skipIf(SLACK > 1, "sanitizers want to be the first library")
    def test_a_disk_that_became_read_only(self):
        folder = self.start_with_shim()
        open(folder + "/read_only", "w").close()
        self.while_down("unavailable")
        os.remove(folder + "/read_only")
        self.when_up()

    @unittest.skipUnless(shutil.which("cc"), "no compiler")
    @unittest.skipIf(SLACK > 1, "sanitizers want to be the first library")
    def test_a_disk_that_takes_seconds_to_sync(self):
        folder = self.start_with_shim()
        open(folder + "/slow", "w").close()
        begun = time.monotonic()
        while time.monotonic() - begun < 3 * SLOW_S:
            self.chat(10)
            time.sleep(0.05)
        worst = max(overhead for _, overhead in self.answers)
        self.assertLess(worst, SLOW_S * 1000 / 4, "no request waits for a disk")
        os.remove(folder + "/slow")
        wait_for(lambda: {answer[0] for answer in self.answers} <= self.stored(), 60, "every record in the store")
        self.assertEqual(self.metric("ledger_lost_records_total"), 0)


if __name__ == "__main__":
    unittest.main()
