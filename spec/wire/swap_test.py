"""New generations of a tenant's scripts under load: none lost, none mixed, nothing kept.
GATEYES_SWAPS and GATEYES_STREAMS make it longer; 1000 and 500 are the full form, with wrk for full load."""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

from client import Client
from harness import ADMIN_KEY, KEY, SLACK, GatewayCase, Mock, chat_body, wait_for
from streams import BODIES, FRAMES, PATHS, is_complete
from upstream import CHUNKED, Upstream, chunk, head, stream

SWAPS, STREAMS = int(os.environ.get("GATEYES_SWAPS", "25")), int(os.environ.get("GATEYES_STREAMS", "30"))
IS_FULL = SWAPS > 100
ROUNDS = 20 if IS_FULL else 5
BUDGET_MS = 10  # of a policy, as it is when nobody sets one
PART = b"".join(FRAMES["chat"][:6])
FIRST = """local mark = require "lib.mark"
local policy = { name = "first" }
function policy.on_request(request, context) request:set("user", mark) end
return policy
"""
SECOND = """local mark = require "lib.mark"
local policy = { name = "second" }
function policy.on_request(request, context) request:set("metadata", { mark = mark }) end
function policy.on_finish(request, context) context:trace(mark) end
return policy
"""
SPEC = """describe("the mark", function()
  it("is a text", function() assert.is_string(require "lib.mark") end)
end)
"""
BROKEN = (
    {"lib/mark.lua": "return {"}, {"lib/mark.lua": "error 'at init'"}, {"lib/mark.lua": "return 5"},
    {"tenant.lua": "return { policies = { 'third' } }"}, {"policies/first.lua": FIRST.replace("on_request", "on_reques")},
)


def p99_ms(durations):
    return sorted(durations)[int(len(durations) * 0.99)] * 1000


class Swap(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-swap-")
        cls.upstream, cls.fast = Upstream(), Mock()
        cls.is_open = threading.Event()
        cls.mixed, cls.lock = [], threading.Lock()

        def held(record):
            cls.judge(record)
            yield head() + CHUNKED + chunk(PART)
            cls.is_open.wait(600)
            yield chunk(BODIES["chat"][len(PART):]) + b"0\r\n\r\n"

        def plain(record):
            cls.judge(record)
            yield stream(BODIES["chat"])
        cls.upstream.plays = {"m": plain, "held": held}
        return {"tenants": cls.root, "workers": 2, "scripts": {"keep": 5, "cpu": "1s", "wall": "5s"},
                "limits": {"connections": 20000}, "upstream": {"idle": 900},
                "providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"},
                              "fast": {"adapter": "openai", "base_url": "http://127.0.0.1:%d/v1" % cls.fast.port}},
                "models": {"m": {"targets": ["o/m"]}, "held": {"targets": ["o/held"]}, "fast": {"targets": ["fast/m"]}},
                "keys": [{"name": "wire", "key": KEY, "tenant": "acme"}]}

    @classmethod
    def end(cls):
        super().end()
        cls.fast.stop()
        shutil.rmtree(cls.root)

    @classmethod
    def judge(cls, record):
        """One request must have seen one generation only."""
        body = json.loads(record.body)
        with cls.lock:
            if body.get("user") is None or body["user"] != body.get("metadata", {}).get("mark"):
                cls.mixed.append(record.body)

    def push(self, files):
        data = json.dumps({"files": files}).encode()
        request = urllib.request.Request("http://%s/admin/tenants/acme/scripts" % self.gateway.admin.text, data,
                                         {"authorization": "Bearer " + ADMIN_KEY}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def files(self, number):
        return {"tenant.lua": "return { policies = { 'first', 'second' } }", "policies/first.lua": FIRST,
                "policies/second.lua": SECOND, "lib/mark.lua": "return 'mark %d'" % number, "lib/mark_spec.lua": SPEC}

    def open_streams(self, generation):
        clients = []
        for _ in range(STREAMS):
            client = Client(self.gateway.port, wait=600)
            client.post(PATHS["chat"], chat_body("held", True))
            reply = client.read_until(client.read_head(), b"w04")
            self.assertEqual(reply.headers["x-gateyes-generation"], str(generation))
            clients.append((client, reply))
        return clients

    def run_load(self, stopping, failures, seen, times):
        client = Client(self.gateway.port)
        while not stopping.is_set():
            began = time.monotonic()
            reply = client.ask(PATHS["chat"], chat_body("m", True))
            times.append((began, time.monotonic() - began))
            if reply is None or reply.status != 200 or not is_complete("chat", reply):
                failures.append(reply and (reply.status, reply.body[-200:]))
                client.close()
                client = Client(self.gateway.port)
                continue
            seen.append(int(reply.headers["x-gateyes-generation"]))
            if reply.headers.get("connection") == "close":
                client.close()
                client = Client(self.gateway.port)
        client.close()

    def start_wrk(self):
        """As many requests as the machine can take, beside those that are looked at one by one."""
        if not IS_FULL or not shutil.which("wrk"):
            return None
        body = os.path.join(self.gateway.folder, "wrk.json")
        with open(body, "w") as file:
            json.dump(chat_body("fast", False), file)
        tool = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "tools", "wrk.lua")
        return subprocess.Popen(["wrk", "-t", "1", "-c", "32", "-d", "3600", "--timeout", "30s", "-s", tool,
                                 "http://127.0.0.1:%d%s" % (self.gateway.port, PATHS["chat"]), "--", body,
                                 "Authorization: Bearer " + KEY], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def end_wrk(self, wrk):
        if not wrk:
            return None
        wrk.send_signal(2)
        return json.loads(wrk.communicate(timeout=60)[1].strip().splitlines()[-1])

    def ask_scripts(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request("http://%s/admin/tenants/acme/scripts%s" % (self.gateway.admin.text, path), data,
                                         {"authorization": "Bearer " + ADMIN_KEY})
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.load(reply)

    def test_what_outlives_its_scripts(self):
        """drain.hard ends a request whose scripts were replaced that long ago."""
        self.is_open.clear()
        config = dict(self.gateway.config, drain={"hard": 1, "grace": 0})
        self.gateway.reload(config)
        self.push(self.files(0))
        with self.gateway.client(wait=60) as client, self.gateway.client(wait=60) as second:
            client.post(PATHS["chat"], chat_body("held", True))
            reply = client.read_until(client.read_head(), b"w04")
            self.push(self.files(1))
            second.post(PATHS["chat"], chat_body("held", True))
            other = second.read_until(second.read_head(), b"w04")
            client.read_body(reply)
            self.assertIn(b"were replaced", reply.body)
            self.assertEqual(len(self.gateway.exchanges()), 1)  # the other runs on the newest
            self.push(self.files(2))
            second.read_body(other)
            self.assertIn(b"were replaced", other.body)
        self.is_open.set()
        self.gateway.reload(dict(config, drain={"hard": 600}))

    def test_shadow_and_canary(self):
        """A shadow changes nothing and is compared; a canary gets its key's requests."""
        first = self.push(self.files(0))[1]["running"]
        deny = FIRST.replace('request:set("user", mark)', 'context:deny { code = "no_more" }')
        reply = self.ask_scripts("", {"files": dict(self.files(1), **{"policies/first.lua": deny}), "shadow": True})
        self.assertEqual((reply["running"], reply["shadow"]), (first, first + 1))
        for _ in range(3):
            with self.gateway.client() as client:
                answer = client.ask(PATHS["chat"], chat_body("m", True))
            self.assertEqual((answer.status, answer.headers["x-gateyes-generation"]), (200, str(first)))
        wait_for(lambda: self.ask_scripts("/differences")["requests"] == 3, 5, "three compared requests")
        found = self.ask_scripts("/differences")
        self.assertEqual((found["requests"], found["different"], len(found["differences"])), (3, 3, 3))
        self.assertEqual(found["differences"][0]["shadow"], "deny 403 no_more")
        self.assertTrue(found["differences"][0]["running"].startswith("pass, body "))
        self.ask_scripts("/drop", {})
        reply = self.ask_scripts("", {"files": self.files(2), "canary": {"percent": 0, "keys": ["wire"]}})
        self.assertEqual(reply["canary"], first + 2)
        with self.gateway.client() as client:
            answer = client.ask(PATHS["chat"], chat_body("m", True))
        self.assertEqual(answer.headers["x-gateyes-generation"], str(first + 2))
        self.ask_scripts("/drop", {})
        with self.gateway.client() as client:
            answer = client.ask(PATHS["chat"], chat_body("m", True))
        self.assertEqual(answer.headers["x-gateyes-generation"], str(first))

    def judge_times(self, times, periods):
        """Times with and without swaps lie side by side, so that what else the machine does is in both."""
        quiet, swapping = [], []
        for began, took in times:
            if began >= periods[0][0]:
                is_quiet = any(first <= began < last for first, last in periods)
                (quiet if is_quiet else swapping).append(took)
        step = p99_ms(swapping) - p99_ms(quiet)
        print("p99 %.2f ms, worst %.0f ms without swaps (%d requests), %.2f ms and %.0f ms during them (%d)"
              % (p99_ms(quiet), max(quiet) * 1000, len(quiet), p99_ms(swapping), max(swapping) * 1000, len(swapping)))
        if IS_FULL:  # a machine of its own: the short form shares one, whose other work is in every tail
            self.assertLess(step, BUDGET_MS * SLACK + p99_ms(quiet) / 2)  # the half is how steady a tail is by itself

    def worker_ns(self):
        """Processor time of each worker so far, which a busy machine does not stretch as it does a clock's."""
        spent = {}
        for task in glob.glob("/proc/%d/task/*" % self.gateway.process.pid):
            with open(task + "/comm") as name, open(task + "/schedstat") as times:
                if name.read().startswith("worker"):
                    spent[int(os.path.basename(task))] = int(times.read().split()[0])
        return dict(sorted(spent.items())[:2])  # threads that a worker started later bear its name, too

    def test_what_a_swap_costs_a_worker(self):
        """All that a request can wait for, since a loop that takes over scripts serves nothing meanwhile."""
        swaps = 20
        self.push(self.files(0))
        before = self.worker_ns()
        for number in range(swaps):
            self.assertEqual(self.push(self.files(number + 1))[0], 200)
        after = self.worker_ns()
        self.assertEqual((len(before), sorted(before)), (2, sorted(after)))
        costs = [(after[task] - before[task]) / 1e6 / swaps for task in before]
        print("a swap takes %s ms of the workers" % " and ".join("%.2f" % cost for cost in costs))
        self.assertLess(max(costs), BUDGET_MS / 2 * SLACK)

    def test_swaps(self):
        first = self.push(self.files(1))[1]["running"]
        self.is_open.clear()
        clients = self.open_streams(first)
        stopping, failures, seen, times, periods = threading.Event(), [], [], [], []
        threads = [threading.Thread(target=self.run_load, args=(stopping, failures, seen, times)) for _ in range(4)]
        wrk = self.start_wrk()
        for thread in threads:
            thread.start()
        running, warm, began = first, None, time.monotonic()
        period, took_last = began, 0.3
        try:
            for number in range(2, SWAPS + 2):
                if (number - 2) % max(1, SWAPS // ROUNDS) == 0:  # a while without swaps, as long as one with them
                    took_last = max(0.3, time.monotonic() - period) if periods else took_last
                    quiet = time.monotonic()
                    time.sleep(took_last)
                    period = time.monotonic()
                    periods.append((quiet, period))
                broken = number % 5 == 0
                files = dict(self.files(number), **(BROKEN[number // 5 % len(BROKEN)] if broken else {}))
                status, reply = self.push(files)
                self.assertEqual(status, 422 if broken else 200, reply)
                running = running if broken else first + number - 1
                if number == SWAPS // 4:
                    warm = self.gateway.rss()
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
            counted = self.end_wrk(wrk)
        if counted:
            self.assertEqual((counted["failed"], counted["lost"]), (0, 0))
        self.judge_times(times, periods)
        took = time.monotonic() - began
        self.assertEqual(failures, [])
        self.assertEqual(self.mixed, [])
        self.assertGreater(len(set(seen)), SWAPS // 10)
        grown = self.gateway.rss() - warm
        self.is_open.set()
        for client, reply in clients:  # they began with the first generation, and end with it
            client.read_body(reply)
            client.close()
            self.assertTrue(is_complete("chat", reply), reply.body[-200:])
        if IS_FULL:
            print("%d swaps in %.1f s, %d streams open, %d requests looked at and %s of wrk's beside them, 0 failed, 0 mixed; "
                  "memory grew by %.1f MiB" % (SWAPS, took, STREAMS, len(seen), counted and counted["requests"], grown / 2**20))
        if SLACK == 1:  # a sanitizer keeps what was freed
            self.assertLess(grown, 24 * 2**20)
        with self.gateway.client() as client:
            reply = client.ask(PATHS["chat"], chat_body("m", True))
        self.assertEqual(reply.headers["x-gateyes-generation"], str(running))
        wait_for(lambda: self.gateway.exchanges() == [], 10, "the streams' end")


if __name__ == "__main__":
    unittest.main()
