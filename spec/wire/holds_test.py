"""What is held back of a stream and cannot go in part: it has an end in time, and nothing of it leaks at that end."""
import os
import shutil
import tempfile
import threading

import guards_test
from harness import GatewayCase

HOLD = """
return { name = "late", about = "Sees the whole reply.", stream = "hold",
  on_reply = function(reply, context)
    for _, text in ipairs(reply.texts) do
      if text.text:find("BAD") then return context:deny { code = "late_blocked", message = "bad" } end
    end
  end }
"""


def call(arguments):
    return {"tool_calls": [{"index": 0, "id": "c1", "type": "function",
                            "function": {"name": "f", "arguments": arguments}}]}


class Holds(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-holds-")
        cls.provider, url = guards_test.serve(guards_test.Provider)
        tenants = {"mask": '"pii"', "late": '{ name = "late", on_error = "pass" }'}
        for name, policies in tenants.items():
            os.makedirs(os.path.join(cls.root, "tenants", name, "policies"))
            with open(os.path.join(cls.root, "tenants", name, "tenant.lua"), "w") as file:
                file.write("return { policies = { %s } }" % policies)
        with open(os.path.join(cls.root, "tenants", "late", "policies", "late.lua"), "w") as file:
            file.write(HOLD)
        return {"tenants": cls.root + "/tenants", "scripts": {"cpu": "500ms", "hold": "50ms", "hold_longest": "400ms"},
                "providers": {"o": {"adapter": "openai", "base_url": url + "/v1"}},
                "models": {"m": {"targets": ["o/m"]}},
                "keys": [{"name": name, "key": "gy-%s-key-1" % name, "tenant": name} for name in tenants]}

    @classmethod
    def end(cls):
        super().end()
        cls.provider.shutdown()
        cls.provider.server_close()
        shutil.rmtree(cls.root)

    def stalled(self, tenant, before, after):
        """The stream to its end, which comes while the provider still stands between before and after."""
        go_on = threading.Event()
        guards_test.Provider.pieces = before + [go_on] + after
        stream = guards_test.Stream(self.gateway.port, tenant, "hi")
        try:
            stream.rest()
        finally:
            go_on.set()
        return stream

    def test_arguments_of_tools(self):
        stream = self.stalled("mask", [call('{"card": "4111 1111 ')], [call('1111 1111"}')])
        self.assertEqual("policy_hold_limit", stream.error["code"])
        self.assertNotIn("4111", stream.called)

    def test_a_stream_that_is_held_whole(self):
        stream = self.stalled("late", ["this is "], ["BAD"])
        self.assertEqual(("policy_hold_limit", ""), (stream.error["code"], stream.said))

    def test_what_comes_in_time_is_judged(self):
        for pieces, code, said in ((["this is ", "fine"], None, "this is fine"), (["this is ", "BAD"], "late_blocked", "")):
            guards_test.Provider.pieces = pieces
            stream = guards_test.Stream(self.gateway.port, "late", "hi")
            stream.rest()
            self.assertEqual((code, said), (stream.error and stream.error["code"], stream.said))
        guards_test.Provider.pieces = [call('{"card": "4111 1111 '), call('1111 1111"}')]
        stream = guards_test.Stream(self.gateway.port, "mask", "hi")
        stream.rest()
        self.assertEqual('{"card": "[PAYMENT_CARD]"}', stream.called)


if __name__ == "__main__":
    import unittest
    unittest.main()
