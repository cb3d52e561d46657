#!/usr/bin/env python3
"""Installs the official clients (install), or runs one suite against the real binary and its mock (node, python).

Everything installed lies in GATEYES_SDK_HOME, in the build folder.
"""
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
HOME = pathlib.Path(os.environ.get("GATEYES_SDK_HOME", HERE.parent.parent / "build" / "sdk")).resolve()
VENV = HOME / "venv"
KEY = "gy-sdk-key-1"


def wanted():
    digest = hashlib.sha256()
    for name in ("requirements.txt", "node/package.json", "node/package-lock.json"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def install_into(home):
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r",
                    HERE / "requirements.txt"], check=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "node" / name, home / name)
    path = f"{VENV / 'bin'}:{os.environ['PATH']}"
    subprocess.run([VENV / "bin/npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=home, check=True,
                   env={**os.environ, "PATH": path})


def install():
    HOME.mkdir(parents=True, exist_ok=True)
    stamp = HOME / "installed"
    with open(HOME / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted():
            return
        stamp.unlink(missing_ok=True)
        install_into(HOME)
        stamp.write_text(wanted())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(url, process):
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"the gateway ended with {process.returncode} before it served")
        try:
            request = urllib.request.Request(url, headers={"authorization": f"Bearer {KEY}"})
            return urllib.request.urlopen(request, timeout=1).read()
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing serves {url}")


class Stage:
    """A mock and a gateway before it, on free ports, with their files in a folder of their own."""

    def __enter__(self):
        binary = os.environ["GATEYES_BIN"]
        self.folder = tempfile.mkdtemp(prefix="gateyes-sdk-")
        self.mock = subprocess.Popen([binary, "mock", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        mock_url = "http://127.0.0.1:" + self.mock.stdout.readline().rsplit(":", 1)[1].strip()
        port = free_port()
        settings = {"MOCK_URL": mock_url, "GATEWAY_LISTEN": f"127.0.0.1:{port}",
                    "ADMIN_LISTEN": f"127.0.0.1:{free_port()}", "GATEWAY_FOLDER": self.folder}
        self.gateway = subprocess.Popen([binary, "serve", "--config", HERE / "gateyes.lua"],
                                        env={**os.environ, **settings})
        url = f"http://127.0.0.1:{port}"
        wait_until_up(url + "/v1/models", self.gateway)
        self.env = {"GATEWAY_URL": url, "MOCK_URL": mock_url, "GATEWAY_LOG": self.folder + "/gateway.log",
                    "GATEWAY_KEY": KEY, "ADMIN_URL": "http://" + settings["ADMIN_LISTEN"]}
        return self

    def __exit__(self, *_):
        status = stop(self.gateway)
        stop(self.mock)
        self.mock.stdout.close()
        if not os.environ.get("GATEYES_SDK_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        if status != 0:
            raise SystemExit(f"the gateway did not stop as it should: {status}")


def stop(process):
    """The exit status; None when it had to be killed."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        if os.environ.get("GATEYES_SDK_KEEP"):
            print("left running:", process.pid)
            return None
        process.kill()
        process.wait()
        return None


def suite_command(suite, arguments):
    if suite == "python":
        return [VENV / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *(arguments or [HERE / "python"])]
    # The tests find their packages from where they stand.
    shutil.rmtree(HOME / "node", ignore_errors=True)
    shutil.copytree(HERE / "node", HOME / "node")
    tests = arguments or sorted(path.name for path in (HOME / "node").glob("*.test.mjs"))
    return [VENV / "bin/node", "--test", "--test-reporter=spec", "--test-concurrency=2",
            *(HOME / "node" / name for name in tests)]


def run(suite, arguments):
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(("OPENAI_", "ANTHROPIC_")) and not name.lower().endswith("_proxy")}
    with Stage() as stage:
        command = suite_command(suite, arguments)
        return subprocess.run(command, env={**clean, **stage.env, "PYTHONDONTWRITEBYTECODE": "1"}).returncode


if __name__ == "__main__":
    if sys.argv[1] == "install":
        install()
    else:
        sys.exit(run(sys.argv[1], sys.argv[2:]))
