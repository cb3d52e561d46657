#!/usr/bin/env python3
"""Installs the oracles (install), or runs one suite against detect_probe: oracles, variants, vectors. GATEYES_DETECT_ROUNDS makes the
samples larger than ctest's, GATEYES_DETECT_SEED others."""
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import oracles
import variants
import vectors

HERE = pathlib.Path(__file__).resolve().parent
HOME = pathlib.Path(os.environ.get("GATEYES_DETECT_HOME", HERE.parent.parent / "build" / "detect")).resolve()
VENV = HOME / "venv"
FILES = ("package.json", "package-lock.json", "oracle.mjs")


def wanted():
    digest = hashlib.sha256((HERE / "requirements.txt").read_bytes())
    for name in FILES[:2]:
        digest.update((HERE / "node" / name).read_bytes())
    return digest.hexdigest()


def install_into(home):
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r",
                    HERE / "requirements.txt"], check=True)
    for name in FILES[:2]:
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


def main(suite):
    probe, rounds = os.environ["GATEYES_PROBE"], int(os.environ.get("GATEYES_DETECT_ROUNDS", 6))
    seed = int(os.environ.get("GATEYES_DETECT_SEED", 2024))
    if suite == "vectors":
        vectors.check(probe, seed, rounds)
    elif suite == "variants":
        text = (HERE.parent.parent / "runtime/detect/kinds.def").read_text()
        if not variants.check(probe, re.findall(r'^KIND\(\w+, "(\w+)"', text, re.M)):
            raise SystemExit(1)
    else:
        shutil.copy(HERE / "node" / "oracle.mjs", HOME / "oracle.mjs")
        oracles.compare(probe, str(VENV / "bin/node"), HOME, 2 * rounds, seed)


if __name__ == "__main__":
    if sys.argv[1] == "install":
        install()
    else:
        main(sys.argv[1])
