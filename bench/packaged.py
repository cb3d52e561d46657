"""Load from the programs that Debian packages: wrk in a closed loop, h2load at a fixed rate. What they measure comes
back in the form of our own generator's results (programs.load)."""
import json
import os
import subprocess
import time

import programs
import servers

HEADERS = ["Content-Type: application/json", "Authorization: Bearer " + servers.KEY, "anthropic-version: 2023-06-01"]
# h2load starts what is due every 10 ms, and each of its connections asks one thing at a time.
RATE_PER_CONNECTION = 2500


def has(name):
    return servers.which(name) is not None


def cpu_us(pids):
    """CPU time so far of all threads of those processes."""
    total = 0
    for pid in pids.split(",") if pids else []:
        folder = "/proc/%s/task" % pid
        for thread in os.listdir(folder):
            with open(os.path.join(folder, thread, "schedstat")) as f:
                total += int(f.read().split()[0])
    return total / 1000


def run(command, core):
    out = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         preexec_fn=lambda: servers.pin(core))
    if out.returncode:
        raise servers.Failed("%s failed: %s" % (command[0], out.stderr[-500:]))
    return out


def wrk(target, core, connections, seconds):
    """target: port, path, body (a file) and pids of the server, and the seconds that warm it up. One thread."""
    def ask(duration):
        url = "http://127.0.0.1:%d%s" % (target["port"], target["path"])
        script = os.path.join(programs.HERE, "tools", "wrk.lua")
        command = [servers.which("wrk"), "-t", 1, "-c", connections, "-d", "%ds" % duration, "--timeout", "30s", "-s",
                   script, url, "--", target["body"]] + HEADERS[1:]
        return json.loads(run(command, core).stderr.splitlines()[-1])
    if target["warm"]:
        ask(target["warm"])
    before = cpu_us(target["pids"])
    result = ask(max(1, round(seconds)))
    spent = cpu_us(target["pids"]) - before
    return {"requests": result["requests"], "seconds": result["duration"] / 1e6, "failed": result["failed"],
            "lost": result["lost"], "cpu_us": spent, "latency": {n: result[n] for n in ("p50_us", "p99_us")}}


def h2load(target, core, rate, seconds, folder):
    log = os.path.join(folder, "h2load.log")
    if os.path.exists(log):
        os.unlink(log)
    connections = max(1, rate // RATE_PER_CONNECTION)
    seconds = max(1, round(seconds))
    command = [servers.which("h2load"), "--h1", "-c", connections, "--rps", rate // connections, "-D", seconds,
               "--warm-up-time", target["warm"], "-d", target["body"], "--log-file", log]
    for header in HEADERS:
        command += ["-H", header]
    began, before = time.monotonic(), cpu_us(target["pids"])
    run(command + ["http://127.0.0.1:%d%s" % (target["port"], target["path"])], core)
    spent, took = cpu_us(target["pids"]) - before, time.monotonic() - began
    with open(log) as f:
        rows = [tuple(map(int, line.split())) for line in f]
    if not rows:
        raise servers.Failed("h2load logged no request")
    times = sorted(row[2] for row in rows)
    # Its log begins behind the warm-up; the CPU time is that of the whole run, so it is taken by the share of time.
    return {"requests": len(rows), "seconds": seconds, "failed": sum(row[1] != 200 for row in rows), "lost": 0,
            "cpu_us": spent * seconds / took,
            "latency": {"p50_us": times[len(times) // 2], "p99_us": times[len(times) * 99 // 100]}}
