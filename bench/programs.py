"""The load generator and the upstream: built when they are older than their sources."""
import json
import os
import subprocess

import servers

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
FOLDER = os.path.join(ROOT, "build", "bench")
SOURCES = {"load": ["load.c", "options.c", "response.c", "samples.c", "process.c"],
           "upstream": ["upstream.c"]}


def gateyes():
    """The one that was built last of those that are compiled for speed; where it would be, if there is none."""
    found = [os.path.join(ROOT, "build", preset, "gateyes") for preset in ("trained", "release")]
    return max(found, key=lambda path: os.path.getmtime(path) if os.path.exists(path) else 0)


def build():
    os.makedirs(FOLDER, exist_ok=True)
    folder = os.path.join(HERE, "tools")
    newest = max(os.path.getmtime(os.path.join(folder, name)) for name in os.listdir(folder))
    for name, sources in SOURCES.items():
        target = os.path.join(FOLDER, name)
        if os.path.exists(target) and os.path.getmtime(target) > newest:
            continue
        subprocess.run(["cc", "-O2", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-o",
                        target + ".new"] + [os.path.join(folder, s) for s in sources] + ["-lm"],
                       check=True)
        os.replace(target + ".new", target)


def body_file(folder, kind, stream):
    """A request of about 1 KB, as clients write it."""
    line = ("Explain to a new colleague why the queue between two services needs a bound, and what "
            "\"backpressure\" means here.\n")
    body = {"model": servers.MODEL, "temperature": 0.7, "max_tokens": 256, "stream": stream}
    system, user = "You are a careful assistant. Answer in one paragraph.", line * 6
    if kind == "messages":
        body.update(system=system, messages=[{"role": "user", "content": user}])
    else:
        body["messages"] = [{"role": "system", "content": system},
                            {"role": "user", "content": user}]
        if stream:
            body["stream_options"] = {"include_usage": True}
    name = os.path.join(folder, "%s%s.json" % (kind, "-stream" if stream else ""))
    with open(name, "w") as f:
        json.dump(body, f, separators=(",", ":"))
    return name


def load(port, path, body, arguments, core):
    """Runs the load generator on one core; what it measured."""
    command = [os.path.join(FOLDER, "load"), "--port", str(port), "--path", path, "--body", body,
               "--header", "Authorization: Bearer " + servers.KEY,
               "--header", "anthropic-version: 2023-06-01"]
    out = subprocess.run(command + [str(a) for a in arguments], stdout=subprocess.PIPE,
                         preexec_fn=lambda: servers.pin(core))
    if out.returncode:
        raise servers.Failed("load failed on %s" % path)
    return json.loads(out.stdout)
