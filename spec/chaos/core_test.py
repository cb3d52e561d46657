"""A gateway that crashes leaves nothing behind in which its keys could be read."""
import glob
import os
import shutil
import signal
import unittest

from client import Client
from harness import ADMIN_KEY, Env, Gateway, Mock, chat_body, wait_for

SECRETS = {name: ("planted-%s-" % name).ljust(40, "0") for name in (
    "client", "client2", "client3", "provider", "provider2", "provider3", "header", "admin", "webhook", "prompt")}
SECRETS["server"] = "0123456789abcdef" * 4
UNLIMITED = ("sh", "-c", 'ulimit -c unlimited 2>/dev/null; cd "$0" && exec "$@"')


def writes_files():
    with open("/proc/sys/kernel/core_pattern") as file:
        return not file.read().startswith("|")


class Cores(unittest.TestCase):
    def crash(self, **fields):
        """Folder of a gateway that was aborted in the middle of its work, and what lies there that is a core."""
        mock = Mock()
        self.addCleanup(mock.stop)
        folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), "gateyes-core-%d" % os.getpid())
        os.makedirs(folder, exist_ok=True)
        self.addCleanup(shutil.rmtree, folder, True)
        providers = {name: {"adapter": "openai", "base_url": "http://127.0.0.1:%d/v1" % mock.port, "credential": Env("PLANTED_" + name.upper()),
                            "headers": {"x-extra": SECRETS["header"]}} for name in ("provider", "provider2", "provider3")}
        config = {"providers": providers, "models": {name: {"targets": [name + "/m"]} for name in providers},
                  "auth": {"secret": SECRETS["server"]}, "keys": [{"name": name, "key": SECRETS[name], "roles": ["developer"]}
                                                                  for name in ("client", "client2", "client3")],
                  "webhooks": {"w": {"url": "https://127.0.0.1:9/hook", "secret": SECRETS["webhook"]}}, **fields}
        gateway = Gateway(config, env={"PLANTED_" + name.upper(): SECRETS[name] for name in providers}, admin_key=SECRETS["admin"],
                          wrap=UNLIMITED + (folder,))
        self.addCleanup(shutil.rmtree, gateway.folder, True)
        with Client(gateway.port) as client:
            for model in providers:
                reply = client.ask("/v1/chat/completions", chat_body(model) | {"messages": [{"role": "user", "content": SECRETS["prompt"]}]},
                                   key=SECRETS["client"])
                self.assertEqual(reply.status, 200, reply.body)
        gateway.get_admin("/admin/v1/keys", SECRETS["admin"])
        gateway.process.send_signal(signal.SIGABRT)
        gateway.process.wait(60)
        for opened in (gateway.listen, gateway.admin, gateway.errors):
            opened.close()
        self.assertEqual(gateway.process.returncode, -signal.SIGABRT)
        return glob.glob(os.path.join(folder, "*core*")) + glob.glob(os.path.join(gateway.folder, "*core*"))

    def found(self, cores):
        data = b""
        for path in cores:
            with open(path, "rb") as file:
                data += file.read()
        return sorted(name for name, secret in SECRETS.items() if secret.encode() in data)

    def test_a_crash_leaves_no_core_file(self):
        cores = self.crash()
        self.assertEqual((cores, self.found(cores)), ([], []))

    def test_the_switch_brings_it_back_with_all_that_is_in_it(self):
        """Else the other test would pass where no process ever leaves one."""
        cores = self.crash(core_dumps=True)
        if not cores:
            self.skipTest("this machine writes no core files" if writes_files() else "core files go to a program here")
        self.assertIn("provider", self.found(cores))


if __name__ == "__main__":
    unittest.main()
