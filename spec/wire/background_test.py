"""background = true of POST /v1/responses: detached from its connection, found and cancelled by id."""
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from client import request_bytes
from harness import KEY, SANITIZER, SLACK, Gateway, GatewayCase, Mock, wait_for

OTHER_KEY = "gy-wire-key-2"
KINDS = ("r", "o", "a")  # relayed, and translated to two protocols
SLOW = {"r": "r/m@delay_head=900", "o": "o/m@delay_head=900", "a": "a/m@delay_head=900"}


def configuration(case):  # of a class or a test that has a mock
    models = {}
    for kind in KINDS:
        models["quick-" + kind] = {"targets": [kind + "/m"]}
        models["slow-" + kind] = {"targets": [SLOW[kind]]}
        models["endless-" + kind] = {"targets": [kind + "/m@stall_head"]}
        models["long-" + kind] = {"targets": [kind + "/m@frames=20;delay_frame=60"]}
        models["stuck-" + kind] = {"targets": [kind + "/m@frames=20;stall_frame=8"]}
        models["bad-" + kind] = {"targets": [kind + "/m@status=400;message=nonsense"]}
    return {"providers": case.mock_providers(), "models": models, "workers": 2,
            "keys": [{"name": "wire", "key": KEY}, {"name": "other", "key": OTHER_KEY, "tenant": "other"}], "drain": {"grace": 0.1, "hard": 3}}


class Background(GatewayCase):
    @classmethod
    def configuration(cls):
        return configuration(cls)

    def begin(self, model, **fields):
        reply = self.responses(model, background=True, **fields)
        self.assertEqual(200, reply.status, reply.body)
        response = reply.json()
        self.assertEqual(("queued", True), (response["status"], response["background"]))
        return reply, response["id"]

    def get(self, name, method="GET", suffix=""):
        with self.gateway.client() as client:
            return client.get("/v1/responses/" + name + suffix, method=method)

    def status(self, name):
        return self.get(name).json()["status"]

    def finished(self, name):
        return wait_for(lambda: self.status(name) not in ("queued", "in_progress") and self.get(name).json(), 6,
                        "the end of " + name)

    def test_runs_on_and_is_found(self):
        for kind in KINDS:
            with self.subTest(kind):
                began = time.monotonic()
                reply, name = self.begin("slow-" + kind)
                self.assertLess(time.monotonic() - began, 0.7 * SLACK)
                self.assertEqual("in_progress", self.status(name))
                self.assertEqual([], [r for r in self.gateway.log() if r["request_id"] == reply.id])
                response = self.finished(name)
                self.assertEqual((name, "completed", True),
                                 (response["id"], response["status"], response["background"]))
                self.assertIn("Hello there", response["output"][-1]["content"][0]["text"])
                row = self.gateway.row(reply.id)
                self.assertEqual((200, "provider"), (row["status"], row["usage_source"]))
                self.assertGreaterEqual(row["duration_ms"], 800)
                self.assertEqual(200, self.get(name, "POST", "/cancel").status)
                self.assertEqual("completed", self.status(name))

    def test_the_provider_does_not_run_it_in_the_background(self):
        _, name = self.begin("quick-r")
        self.finished(name)
        bodies = [r for r in self.mock_records() if "/responses" in r["path"]]
        self.assertIn("Hello there", str(bodies[-1]["body"]))
        self.assertNotIn("background", str(bodies[-1]["body"]))

    def test_serves_as_context(self):
        for kind in KINDS:
            with self.subTest(kind):
                _, name = self.begin("quick-" + kind)
                self.finished(name)
                reply = self.responses("quick-" + kind, input="And now", previous_response_id=name)
                self.assertEqual((200, name), (reply.status, reply.json().get("previous_response_id")), reply.body)

    def test_cancel_from_any_worker(self):
        for kind in KINDS:
            for _ in range(4):  # connections spread over both workers
                with self.subTest(kind):
                    reply, name = self.begin("endless-" + kind)
                    began = time.monotonic()
                    cancelled = self.get(name, "POST", "/cancel")
                    self.assertEqual((200, "cancelled"), (cancelled.status, cancelled.json()["status"]))
                    row = self.gateway.row(reply.id, 2)
                    self.assertLess(time.monotonic() - began, 0.5 * SLACK)
                    self.assertEqual(499, row["status"])
                    self.assertEqual("cancelled", self.status(name))
                    self.assertEqual(200, self.get(name, "POST", "/cancel").status)
        wait_for(lambda: self.gateway.metric("gateyes_active_requests") == 0, 2, "no open requests")

    def test_delete_stops_it(self):
        reply, name = self.begin("endless-r")
        self.assertTrue(self.get(name, "DELETE").json()["deleted"])
        self.assertEqual(499, self.gateway.row(reply.id, 2)["status"])
        self.assertEqual(404, self.get(name).status)

    def test_a_failure_is_kept(self):
        for kind in KINDS:
            with self.subTest(kind):
                _, name = self.begin("bad-" + kind)
                response = self.finished(name)
                self.assertEqual("failed", response["status"])
                self.assertIn("nonsense", response["error"]["message"])

    def test_a_stream_outlives_its_client(self):
        for kind in KINDS:
            with self.subTest(kind):
                client = self.gateway.client()
                client.post("/v1/responses", {"model": "long-" + kind, "input": "Hello there", "stream": True,
                                              "background": True})
                reply = client.read_until(client.read_head(), b"output_text.delta")
                client.reset()
                response = reply.objects()[0]["response"]
                self.assertEqual(True, response["background"])
                self.assertEqual("in_progress", self.status(response["id"]))
                whole = self.finished(response["id"])
                self.assertEqual((response["id"], "completed"), (whole["id"], whole["status"]))
                self.assertEqual(200, self.gateway.row(reply.id)["status"])

    def test_a_stream_has_one_id(self):
        for kind in KINDS:
            with self.subTest(kind):
                reply = self.responses("quick-" + kind, True, background=True)
                names = {event["response"]["id"] for event in reply.objects() if "response" in event}
                self.assertEqual(1, len(names))
                self.assertEqual("completed", self.finished(names.pop())["status"])

    def client(self):
        client = self.gateway.client()
        self.addCleanup(client.close)
        return client

    def begin_stream(self, model):
        client = self.client()
        client.post("/v1/responses", {"model": model, "input": "Hello there", "stream": True, "background": True})
        return client, client.read_until(client.read_head(), b"output_text.delta")

    def follow(self, name, after=None):
        suffix = "" if after is None else "&starting_after=%d" % after
        reply = self.get(name, suffix="?stream=true" + suffix)
        self.assertEqual((200, "text/event-stream"), (reply.status, reply.headers["content-type"].split(";")[0]))
        events = reply.objects()
        numbers = [event["sequence_number"] for event in events]
        self.assertEqual(sorted(set(numbers)), numbers)
        return events

    def test_a_running_stream_is_followed_to_its_end(self):
        """Many come, at any worker; each sees what the first client would have seen, and the next one comes back late."""
        for kind in KINDS:
            with self.subTest(kind):
                client, reply = self.begin_stream("long-" + kind)
                name = reply.objects()[0]["response"]["id"]
                with ThreadPoolExecutor(6) as pool:
                    whole = list(pool.map(self.follow, [name] * 4))
                    client.read_body(reply)
                    later = list(pool.map(self.follow, [name] * 4))
                original = reply.objects()
                self.assertEqual("response.completed", original[-1]["type"])
                self.assertGreater(len([e for e in original if e["type"] == "response.output_text.delta"]), 5)
                for events in whole + later:
                    self.assertEqual(original, events)
                for after in (0, 3, original[-2]["sequence_number"]):
                    self.assertEqual([e for e in original if e["sequence_number"] > after], self.follow(name, after))

    def test_a_broken_stream_is_taken_up_where_it_broke(self):
        for kind in KINDS:
            with self.subTest(kind):
                client, reply = self.begin_stream("long-" + kind)
                client.reset()
                seen = reply.objects()
                rest = self.follow(seen[0]["response"]["id"], seen[-1]["sequence_number"])
                text = "".join(e["delta"] for e in seen + rest if e["type"] == "response.output_text.delta")
                self.assertEqual(text, rest[-1]["response"]["output"][-1]["content"][0]["text"])

    def test_one_begun_without_a_stream_is_followed_by_items(self):
        for kind in KINDS:
            with self.subTest(kind):
                _, name = self.begin("slow-" + kind)
                began = time.monotonic()
                client = self.client()
                client.send(request_bytes("/v1/responses/%s?stream=true" % name, headers=[("Authorization", "Bearer " + KEY)]))
                reply = client.read_until(client.read_head(), b"response.in_progress")
                self.assertLess(time.monotonic() - began, 0.6 * SLACK)
                client.read_body(reply)
                events = reply.objects()
                self.assertEqual(["response.created", "response.in_progress"], [e["type"] for e in events[:2]])
                self.assertEqual("response.completed", events[-1]["type"])
                self.assertEqual(list(range(len(events))), [e["sequence_number"] for e in events])
                self.assertEqual(events[-1:], self.follow(name, events[-2]["sequence_number"]))

    def test_a_followed_response_fails_or_is_stopped(self):
        _, name = self.begin("bad-r")
        self.assertEqual("response.failed", self.follow(name)[-1]["type"])
        for suffix, method in (("/cancel", "POST"), ("", "DELETE")):
            for is_stream in (False, True):
                with self.subTest(method, is_stream=is_stream):
                    name = self.endless(is_stream)
                    with ThreadPoolExecutor(1) as pool:
                        following = pool.submit(self.follow, name)
                        time.sleep(0.2)
                        self.assertEqual(200, self.get(name, method, suffix).status)
                        events = following.result(5)
                    if is_stream or not suffix:
                        self.assertEqual("response.failed", events[-1]["type"])
                    self.assertEqual(200 if suffix else 404, self.get(name, suffix="?stream=true").status)
        wait_for(lambda: self.gateway.metric("gateyes_active_requests") == 0, 2, "no open requests")

    def endless(self, is_stream):
        if not is_stream:
            return self.begin("endless-r")[1]
        return self.begin_stream("stuck-r")[1].objects()[0]["response"]["id"]

    def test_a_follower_that_leaves_is_forgotten(self):
        _, name = self.begin("endless-o")
        client = self.client()
        client.send(request_bytes("/v1/responses/%s?stream=true" % name, headers=[("Authorization", "Bearer " + KEY)]))
        client.read_until(client.read_head(), b"response.in_progress")
        self.assertEqual(2, self.gateway.metric("gateyes_active_requests"))
        client.reset()
        wait_for(lambda: self.gateway.metric("gateyes_active_requests") == 1, 2, "the follower's end")
        self.get(name, "POST", "/cancel")
        self.assertEqual(404, self.ask_other(name))

    def ask_other(self, name):
        with self.gateway.client() as client:
            return client.get("/v1/responses/%s?stream=true" % name, key=OTHER_KEY).status

    def test_refused(self):
        for fields in ({"background": True, "store": False}, {"background": "yes"}):
            reply = self.responses("quick-o", **fields)
            self.assertEqual((400, "background"), (reply.status, reply.error()["param"]))
        stored = self.responses("quick-o").json()["id"]
        self.assertEqual(400, self.get(stored, "POST", "/cancel").status)

    def test_a_reload_does_not_disturb_it(self):
        _, name = self.begin("slow-o")
        self.gateway.reload()
        self.assertEqual("completed", self.finished(name)["status"])


class Drain(unittest.TestCase):
    mock_providers = GatewayCase.mock_providers.__func__

    def drain(self, model):
        self.mock = Mock()
        self.addCleanup(self.mock.stop)
        gateway = Gateway(configuration(self))
        self.addCleanup(gateway.remove)
        with gateway.client() as client:
            reply = client.ask("/v1/responses", {"model": model, "input": "Hello there", "background": True})
        self.assertEqual("queued", reply.json()["status"])
        began = time.monotonic()
        self.assertEqual(0, gateway.stop(), gateway.process_log())
        self.assertIsNone(SANITIZER.search(gateway.process_log()))
        return gateway.row(reply.id), time.monotonic() - began

    def test_waits_for_it(self):
        row, _ = self.drain("slow-o")
        self.assertEqual(200, row["status"])

    def test_but_no_longer_than_hard(self):
        row, seconds = self.drain("endless-r")
        self.assertEqual("draining", row["failure"])
        self.assertGreater(seconds, 2.5)


if __name__ == "__main__":
    unittest.main()
