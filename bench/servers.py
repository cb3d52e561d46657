"""The servers that are compared, each on one core, in front of the same upstream."""
import os
import shutil
import signal
import socket
import subprocess
import time

KEY = "gy-bench-key"
MODEL = "bench-model"

GATEYES = """
return {
  listen = { "127.0.0.1:%(port)d" },
  admin = { listen = { "127.0.0.1:%(admin)d" } },
  workers = %(workers)d,
%(extra)s
  log = { file = "%(folder)s/%(port)d.log" },
  providers = {
    bench = { adapter = "openai", base_url = "http://127.0.0.1:%(upstream)d/v1" },
  },
  models = {
    ["bench-model"] = {
      targets = { "bench/bench-model" },
      price = { input = 0.15, cache_read = 0.075, output = 0.60 },
    },
  },
  keys = {
    { name = "other", key = "gy-another-key" },
    { name = "bench", key = "gy-bench-key", tenant = "bench", models = { "bench-*" } },
  },
}
"""

LIMITS = """
  store = "sqlite:%(folder)s/gateyes.db",
  quotas = {
    { name = "requests", scope = { key = "*" }, requests = 1000000000000, window = "1m" },
    { name = "tokens", scope = { tenant = "*" }, total_tokens = 1000000000000000, window = "1h" },
    { name = "at once", scope = { key = "bench" }, concurrent = 1000000 },
    { name = "budget", scope = { tenant = "bench" }, money = 1000000000, window = "month" },
  },"""

# What each gateway has besides: the differences are what limits, a budget and the ledger cost, and a policy.
EXTRA = {
    "gateyes-plain": "  store = \"none\",",
    "gateyes": LIMITS,
    "gateyes-policy": LIMITS + "\n  tenants = \"%(folder)s/tenants\",",
}

# A policy that ships, with on_request: it looks for words in every text of the request.
TENANT = """
return {
  policies = {
    { name = "keywords", output = "none", lists = { projects = { words = { "Project Nightingale", "夜莺计划" } } } },
  },
}
"""

NGINX = """
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid %(folder)s/nginx.pid;
error_log %(folder)s/nginx.error.log;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path %(folder)s/nginx.body;
  proxy_temp_path %(folder)s/nginx.proxy;
  fastcgi_temp_path %(folder)s/nginx.fastcgi;
  uwsgi_temp_path %(folder)s/nginx.uwsgi;
  scgi_temp_path %(folder)s/nginx.scgi;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  tcp_nodelay on;
  upstream bench {
    server 127.0.0.1:%(upstream)d;
    keepalive 1024;
    keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:%(port)d backlog=4096;
    location / {
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  option http-keep-alive
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend bench
  bind 127.0.0.1:%(port)d backlog 4096
  default_backend bench
backend bench
  server upstream 127.0.0.1:%(upstream)d pool-max-conn 1024
"""


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children(pid):
    """A process and all that came from it."""
    found = [pid]
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            for child in f.read().split():
                found += children(int(child))
    except OSError:
        pass
    return found


def pin(core):
    if core is not None:
        os.sched_setaffinity(0, {core})


class Process:
    def __init__(self, name, command, core, folder, pipe=False):
        self.name = name
        out = open(os.path.join(folder, name + ".out"), "ab")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if pipe else out, stderr=out,
            preexec_fn=lambda: pin(core))

    def stop(self, seconds=3):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Server(Process):
    """A server under test: the port that it listens on, and its processes."""

    def __init__(self, name, command, core, folder, port):
        super().__init__(name, command, core, folder)
        self.port = port
        for _ in range(200):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        with open(os.path.join(folder, name + ".out"), errors="replace") as f:
            raise Failed("%s did not start:\n%s" % (name, f.read()[-2000:]))

    def pids(self):
        return ",".join(str(pid) for pid in children(self.process.pid))


class Upstream(Process):
    def __init__(self, tools, core, folder):
        super().__init__("upstream", [os.path.join(tools, "upstream")], core, folder, pipe=True)
        self.port = int(self.process.stdout.readline())

    def set(self, chunks, gap_us):
        with socket.create_connection(("127.0.0.1", self.port), 5) as s:
            s.sendall(b"GET /set?chunks=%d&gap_us=%d HTTP/1.1\r\n\r\n" % (chunks, gap_us))
            if not s.recv(100).startswith(b"HTTP/1.1 200"):
                raise Failed("the upstream refused its settings")


def start(name, gateyes, upstream, core, folder, workers=1, prefix=()):
    """Starts nginx, haproxy or gateyes; None when it is not installed."""
    port = free_port()
    values = {"port": port, "upstream": upstream.port, "folder": folder, "workers": workers,
              "admin": free_port()}
    values["extra"] = EXTRA.get(name, "") % values
    config = os.path.join(folder, name + ".conf")
    text, command = {
        "nginx": (NGINX, [which("nginx"), "-p", folder, "-c", config]),
        "haproxy": (HAPROXY, [which("haproxy"), "-f", config]),
        "gateyes": (GATEYES, [gateyes, "serve", "--config", config]),
        "gateyes-policy": (GATEYES, [gateyes, "serve", "--config", config]),
        "gateyes-plain": (GATEYES, [gateyes, "serve", "--config", config]),
    }[name]
    if not command[0]:
        return None
    with open(config, "w") as f:
        f.write(text % values)
    if name == "gateyes-policy":
        tenant = os.path.join(folder, "tenants", "bench")
        os.makedirs(tenant, exist_ok=True)
        with open(os.path.join(tenant, "tenant.lua"), "w") as f:
            f.write(TENANT)
    return Server(name, [*prefix, *command], core, folder, port)


def which(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
