"""What engines say about themselves: queues, caches and health, by probes and in replies' headers."""
import http.server
import threading
import unittest

from harness import GatewayCase, wait_for
from streams import BODIES
from upstream import Upstream, stream

VLLM = """# HELP vllm:num_requests_waiting Number of requests waiting.
vllm:num_requests_running{engine="0",model_name="m {x} \\" y"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m {x}"} %d.0
vllm:kv_cache_usage_perc{engine="0"} %s
"""


class Engine(http.server.ThreadingHTTPServer):
    """An engine's side door: /metrics."""

    def __init__(self):
        self.status, self.queue, self.kv, self.asked = 200, 0, "0.1", 0
        super().__init__(("127.0.0.1", 0), Door)
        self.url = "http://127.0.0.1:%d/metrics" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # a connection each, so that stop() leaves none

    def do_GET(self):
        engine = self.server
        engine.asked += 1
        body = (VLLM % (engine.queue, engine.kv)).encode()
        self.send_response(engine.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Load(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.engines = [Engine(), Engine()]
        cls.upstream = Upstream()
        cls.upstream.plays = {name: [stream(BODIES["chat"])] for name in "abxy"}
        providers = {name: {"adapter": "openai", "base_url": cls.upstream.url + "/v1",
                            "load": {"url": engine.url, "every": "100ms"}}
                     for name, engine in zip("pq", cls.engines)}
        for name in "rs":
            providers[name] = {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}
        return {"workers": 2, "providers": providers,
                "models": {"m": {"targets": ["p/a", "q/b"], "strategy": "least_load"},
                           "in_order": {"targets": ["p/a", "q/b"]},
                           "local_first": {"targets": ["p/a", "q/b"],
                                           "strategy": {"name": "priority", "order": ["p"], "queue": 8}},
                           "orca": {"targets": ["r/x", "s/y"], "strategy": "least_load"}}}

    @classmethod
    def end(cls):
        super().end()
        for engine in cls.engines:
            engine.stop()

    def setUp(self):
        for engine in self.engines:
            engine.status, engine.queue, engine.kv = 200, 0, "0.1"

    def goes_to(self, model):
        self.upstream.forget()
        self.assertEqual(200, self.chat(model, True).status)
        return self.upstream.records[0].json["model"]

    def wait_goes(self, model, target):
        wait_for(lambda: self.goes_to(model) == target, 5, "%s to go to %s" % (model, target))

    def test_the_queue_decides(self):
        self.engines[0].queue = 7
        self.wait_goes("m", "b")
        self.engines[0].queue, self.engines[1].queue = 0, 7
        self.wait_goes("m", "a")

    def test_a_full_cache_comes_last(self):
        self.engines[0].kv = "0.99"
        self.wait_goes("m", "b")

    def test_local_first_cloud_when_full(self):
        self.wait_goes("local_first", "a")
        self.engines[0].queue = 8
        self.wait_goes("local_first", "b")
        self.engines[0].queue = 0
        self.wait_goes("local_first", "a")

    def test_503_is_out_of_rotation_with_one_probe(self):
        self.wait_goes("in_order", "a")
        self.engines[0].status, before = 503, self.engines[0].asked
        wait_for(lambda: self.engines[0].asked > before + 1, 5, "a probe after that")
        for _ in range(5):
            self.assertEqual("b", self.goes_to("in_order"))
        self.assertIn("provider p is out of rotation: its load address answers 503", self.gateway.process_log())
        self.engines[0].status = 200
        self.wait_goes("in_order", "a")

    def test_an_engine_that_is_gone_is_out_of_rotation(self):
        self.engines[0].stop()
        self.wait_goes("in_order", "b")
        self.assertEqual("b", self.goes_to("in_order"))
        Load.engines[0] = Engine()
        self.gateway.config["providers"]["p"]["load"]["url"] = self.engines[0].url
        self.gateway.reload(self.gateway.config)
        self.wait_goes("in_order", "a")

    def test_no_more_probes_frees_the_provider(self):
        self.engines[0].status = 503
        self.wait_goes("in_order", "b")
        probed = self.gateway.config["providers"]["p"].pop("load")
        self.gateway.reload(self.gateway.config)
        self.wait_goes("in_order", "a")
        self.gateway.config["providers"]["p"]["load"] = probed
        self.gateway.reload(self.gateway.config)

    def test_replies_tell_for_free(self):
        self.assertEqual("x", self.goes_to("orca"))
        told = "endpoint-load-metrics: TEXT named_metrics.kv_cache_usage_perc=0.5, named_metrics.num_requests_waiting=9.0"
        body = stream(BODIES["chat"])
        self.upstream.plays["x"] = [body.replace(b"\r\n", b"\r\n" + told.encode() + b"\r\n", 1)]
        self.assertEqual("x", self.goes_to("orca"))
        self.assertEqual("y", self.goes_to("orca"))


if __name__ == "__main__":
    unittest.main()
