"""What one client's words can do to others: to stored responses, to heads, to the log."""
import unittest

from harness import KEY, GatewayCase, chat_body

KEYS = [{"name": "wire", "key": KEY}, {"name": "globs", "key": "gy-bounds-0", "models": ["?-?", "b*"]},
        {"name": "one", "key": "gy-bounds-1", "tenant": "a", "project": "b/c"},
        {"name": "two", "key": "gy-bounds-2", "tenant": "a/b", "project": "c"},
        {"name": "three", "key": "gy-bounds-3", "tenant": "a", "project": "b"}]


class Bounds(GatewayCase):
    @classmethod
    def configuration(cls):
        return {"providers": cls.mock_providers(), "keys": KEYS,
                "models": {"r": {"targets": ["r/m"]}, "a": {"targets": ["a/m"]},
                           "a-1": {"targets": ["a/m"]}, "a-12": {"targets": ["a/m"]}, "b": {"targets": ["a/m"]}}}

    def test_names_with_a_slash_do_not_meet(self):
        for mine, other in (("gy-bounds-1", "gy-bounds-2"), ("gy-bounds-3", KEY)):
            reply = self.ask("/v1/responses", {"model": "r", "input": "hello"}, key=mine)
            path = "/v1/responses/" + reply.json()["id"]
            with self.gateway.client() as client:
                self.assertEqual(client.get(path, key=mine).status, 200)
                self.assertEqual(client.get(path, key=other).status, 404, (mine, other))

    def test_a_question_mark_is_one_character(self):
        with self.gateway.client() as client:
            listed = client.get("/v1/models", key="gy-bounds-0").json()["data"]
        self.assertEqual([model["id"] for model in listed], ["a-1", "b"])

    def test_dropped_fields_fit_into_a_head(self):
        fields = {"unknown_field_number_%06d" % i: 1 for i in range(60000)}
        reply = self.ask("/v1/chat/completions", dict(chat_body("a"), **fields))
        self.assertEqual(reply.status, 200)
        dropped = reply.headers["x-gateyes-dropped"]
        self.assertLess(len(dropped), 1200)
        self.assertTrue(dropped.startswith("unknown_field_number_000000, "), dropped)
        self.assertTrue(dropped.endswith(", ..."), dropped[-40:])
        self.assertEqual(self.gateway.row(reply.id)["dropped"], dropped)

    def test_no_request_is_too_long_for_the_log(self):
        reply = self.chat("m" * (3 << 20))
        self.assertEqual((reply.status, reply.error()["param"]), (400, "model"))
        self.assertLess(len(reply.body), 1000)
        self.gateway.row(reply.id)
        reply = self.chat("a", **{"response_format": {"type": "x" * (2 << 20)}})
        self.assertGreaterEqual(reply.status, 400)
        self.assertLess(len(self.gateway.row(reply.id)["error"]), 3000)
        self.assertEqual(self.gateway.metric("gateyes_log_dropped_total"), 0)


if __name__ == "__main__":
    unittest.main()
