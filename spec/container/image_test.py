"""The image: runs as the user it names, on a read-only root, serves, reports its health, drains on SIGTERM.

buildah runs without a container engine here (isolation chroot), so its processes share the machine's network and
process numbers. What only an engine can show is not tried: dropped capabilities, limits, the engine's own health timer.
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.request

from images import IMAGE, SOURCE, Buildah, build_image, run

KEY, USER = "gy-container-key", "10001"
SKIPPED = 77


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, body=None, seconds=5):
    headers = {"authorization": "Bearer " + KEY, "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request, timeout=seconds) as reply:
        return json.load(reply)


def wait_for(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = condition()
            if found:
                return found
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("waited %d s for %s" % (seconds, what))


def status_of(pid, name):
    for line in pathlib.Path("/proc/%s/status" % pid).read_text().splitlines():
        if line.startswith(name + ":"):
            return line.split()[1:]


def descendant(pid, name):
    """The process of that name below pid: buildah and a helper stand in between."""
    children = "".join(path.read_text() for path in pathlib.Path("/proc/%s/task" % pid).glob("*/children")).split()
    for child in children:
        if status_of(child, "Name") == [name]:
            return child
        found = descendant(child, name)
        if found:
            return found
    return None


class Container:
    def __init__(self, buildah, words, settings):
        self.buildah, self.name = buildah, buildah("from", "--pull-never", IMAGE)
        self.settings = [word for item in settings.items() for word in ("-e", "%s=%s" % item)]
        self.process = subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, text=True)
        try:
            self.pid = wait_for(lambda: descendant(self.process.pid, "gateyes"), "a process in the container")
        except BaseException:
            self.process.kill()
            raise

    def command(self, *words):
        return [str(word) for word in self.buildah.words("run", "--isolation", "chroot", *self.settings, self.name, "--",
                                                         "gateyes", *words)]

    def health(self):
        return subprocess.run(self.command("health"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def stop(self):
        if self.process.poll() is None:
            os.kill(int(self.pid), signal.SIGTERM)
        status = self.process.wait(20)
        self.output = self.process.stdout.read()
        self.process.stdout.close()
        self.buildah("rm", self.name)
        return status


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.buildah = Buildah()
        build_image(cls.buildah)
        port = free_port()
        cls.mock_url = "http://127.0.0.1:%d" % port
        cls.mock = Container(cls.buildah, ("mock", "--listen", "127.0.0.1:%d" % port), {})
        wait_for(lambda: get(cls.mock_url + "/v1/models"), "the mock")

    @classmethod
    def tearDownClass(cls):
        cls.mock.stop()

    def settings(self):
        self.port, self.admin_port = free_port(), free_port()
        return {"MOCK_URL": self.mock_url, "GATEYES_KEY": KEY, "GATEYES_LISTEN": "127.0.0.1:%d" % self.port,
                "GATEYES_ADMIN_LISTEN": "127.0.0.1:%d" % self.admin_port}

    def chat(self, text):
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
        return get("http://127.0.0.1:%d/v1/chat/completions" % self.port, body)["choices"][0]["message"]["content"]

    def wait_until_ready(self):
        wait_for(lambda: get("http://127.0.0.1:%d/readyz" % self.admin_port), "the gateway")

    def test_the_image_says_how_it_runs(self):
        config = self.buildah.config(IMAGE)
        self.assertEqual(config["User"], USER + ":" + USER)
        self.assertEqual(config["Entrypoint"], ["gateyes"])
        self.assertEqual(config["Cmd"], ["serve"])
        self.assertEqual(list(config["ExposedPorts"]), ["8080/tcp"])
        inspected = json.loads(self.buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]
        self.assertEqual(inspected["Healthcheck"]["Test"], ["CMD", "gateyes", "health"])
        self.assertEqual(inspected["StopSignal"], "SIGTERM")

    def test_it_serves_and_drains(self):
        gateway = Container(self.buildah, ("serve",), self.settings())
        try:
            self.wait_until_ready()
            self.assertEqual(status_of(gateway.pid, "Uid"), [USER] * 4)
            self.assertEqual(status_of(gateway.pid, "Gid"), [USER] * 4)
            self.assertIn("from a container", self.chat("Hello from a container"))
            health = gateway.health()
            self.assertEqual(health.returncode, 0, health.stdout)
        finally:
            status = gateway.stop()
        self.assertEqual(status, 0, gateway.output)
        self.assertIn('"stopped"', gateway.output)
        self.assertIn('"event":"request"', gateway.output)

    def test_health_tells_when_nothing_serves(self):
        container = Container(self.buildah, ("mock", "--listen", "127.0.0.1:0"), self.settings())
        try:
            health = container.health()
        finally:
            container.stop()
        self.assertEqual(health.returncode, 1)
        self.assertIn("no answer from 127.0.0.1:%d" % self.admin_port, health.stdout)

    def test_a_read_only_root_is_enough(self):
        name = self.buildah("from", "--pull-never", IMAGE)
        root = self.buildah("mount", name)
        script = ('mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && ! touch "$0/tmp/x" 2>/dev/null && '
                  'mount -t tmpfs -o uid=%s,mode=700 volume "$0/var/lib/gateyes" && '
                  'exec chroot --userspec=%s:%s "$0" /usr/local/bin/gateyes serve --config /etc/gateyes/gateyes.lua')
        gateway = subprocess.Popen(["unshare", "-m", "sh", "-c", script % (USER, USER, USER), root], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env=dict(self.settings(), GATEYES_STORE="sqlite:/var/lib/gateyes/gateyes.db"))
        try:
            self.wait_until_ready()
            self.assertEqual(status_of(gateway.pid, "Uid"), [USER] * 4)
            self.assertEqual(status_of(gateway.pid, "CapEff"), ["0" * 16])
            self.assertIn("read only", self.chat("Hello, read only"))
        finally:
            gateway.terminate()
            output = gateway.communicate(timeout=20)[0]
            self.buildah("umount", name)
            self.buildah("rm", name)
        self.assertEqual(gateway.returncode, 0, output)
        self.assertIn("the key for the admin API is gy-", output)

    def test_nothing_but_the_product_is_inside(self):
        name = self.buildah("from", "--pull-never", IMAGE)
        root = pathlib.Path(self.buildah("mount", name))
        try:
            self.assertFalse((root / "src").exists())
            self.assertFalse((root / "usr/bin/gcc").exists())
            kept = (root / "var/lib/gateyes").stat()
            self.assertEqual((str(kept.st_uid), kept.st_mode & 0o777), (USER, 0o700))
            self.assertEqual(sorted(path.name for path in (root / "usr/local/bin").iterdir()), ["gateyes"])
            missing = [line for line in run("chroot", root, "ldd", "/usr/local/bin/gateyes").splitlines() if "not found" in line]
            self.assertEqual(missing, [])
        finally:
            self.buildah("umount", name)
            self.buildah("rm", name)


def obstacle():
    """Why nothing can be tried here, or None."""
    if os.geteuid() != 0:
        return "without root there is neither debootstrap nor a chroot"
    mounts = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    if "/" not in mounts:
        return "buildah cannot unpack layers in a chroot whose root is no mount point; bind-mount it on itself"
    return None


if __name__ == "__main__":
    reason = obstacle()
    if reason:
        print("skipped: " + reason)
        sys.exit(SKIPPED)
    os.chdir(SOURCE)
    unittest.main(verbosity=2)
