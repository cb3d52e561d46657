#!/usr/bin/env python3
"""Installs the reference tokenizers (install), or compares with one kind of them (tiktoken, huggingface, gateway, node).
run.py <what> [number of texts] [seed]: the long form is a larger number.

Everything installed lies in GATEYES_TOKENIZER_HOME, in the build folder."""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
HOME = pathlib.Path(os.environ["GATEYES_TOKENIZER_HOME"]).resolve()
VENV = HOME / "venv"
PINS = ("requirements.txt", "node/package.json", "node/package-lock.json")


def wanted():
    digest = hashlib.sha256()
    for name in PINS:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def fill_home():
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    # Their own dependencies are for fetching files, which nothing here does.
    subprocess.run([VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r",
                    HERE / "requirements.txt"], check=True)
    for name in PINS[1:]:
        shutil.copy(HERE / name, HOME)
    path = f"{VENV / 'bin'}:{os.environ['PATH']}"
    subprocess.run([VENV / "bin/npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=HOME, check=True,
                   env={**os.environ, "PATH": path})


def install():
    HOME.mkdir(parents=True, exist_ok=True)
    stamp = HOME / "installed"
    with open(HOME / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted():
            stamp.unlink(missing_ok=True)
            fill_home()
            stamp.write_text(wanted())


if __name__ == "__main__":
    if sys.argv[1] == "install":
        install()
    else:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "GATEYES_NODE": str(VENV / "bin/node")}
        test = [VENV / "bin/python", HERE / f"{sys.argv[1]}_test.py", *sys.argv[2:]]
        sys.exit(subprocess.run(test, env=environment).returncode)
