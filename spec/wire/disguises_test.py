"""The table of spec/detect/variants.py through the binary: every kind in every disguise is masked in requests, in replies,
and in streams that come a character at a time, with the same words in the end."""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

from compliance_support import play, read_stream, read_whole, request_body
from harness import GatewayCase
from upstream import Upstream

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "detect"))
import variants  # noqa: E402

GAP = " ;\n\n"


def groups():
    """(name of the disguise, [(kind, value as it is written, text)])."""
    for name, disguise in variants.DISGUISES.items():
        yield name, [(kind, disguise(value), before + disguise(value) + after) for kind, before, value, after in variants.VALUES]
    for name, disguise in variants.WHOLE.items():
        rows = [(kind, disguise(before + value + after)) for kind, before, value, after in variants.VALUES]
        yield name, [(kind, text, "see " + text + " ok") for kind, text in rows]
    yield "another way", [(kind, way, before + way + after) for kind, before, ways, after in variants.OTHERS for way in ways]


class Disguises(GatewayCase):
    uses_mock = False
    text, sizes = "", 1

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-disguises-")
        cls.upstream = Upstream()
        words = ", ".join('"%s"' % word for word in variants.WORDS.split(","))
        os.makedirs(os.path.join(cls.root, "t"))
        with open(os.path.join(cls.root, "t", "tenant.lua"), "w") as file:
            file.write('return { policies = { { name = "pii", kinds = { "all" } },'
                       '{ name = "keywords", action = "mask", lists = { words = { %s } } } } }' % words)
        cls.upstream.plays["m"] = lambda record: play(record, cls.text, "", cls.sizes)
        return {"tenants": cls.root, "scripts": {"cpu": "1s", "wall": "10s", "hold": "0s"},
                "providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"}},
                "models": {"m": {"targets": ["o/m"]}},
                "keys": [{"name": "t", "key": "gy-disguises-key-1", "tenant": "t"}]}

    @classmethod
    def end(cls):
        super().end()
        shutil.rmtree(cls.root)
        cls.upstream.close()

    def send(self, body):
        reply = self.ask("/v1/chat/completions", body, key="gy-disguises-key-1", wait=60)
        self.assertEqual(200, reply.status, reply.body[:300])
        return reply

    def is_masked(self, kind, value, text):
        self.assertNotIn(value, text, kind)
        self.assertRegex(text, r"\[[A-Z0-9_]+\]", kind)

    def test_requests(self):
        type(self).text = "fine"
        for name, rows in groups():
            with self.subTest(disguise=name):
                self.upstream.forget()
                self.send({"model": "m", "messages": [{"role": "assistant", "content": text} for _, _, text in rows]})
                seen = [m["content"] for m in self.upstream.requests("m")[0].json["messages"]]
                for (kind, value, _), text in zip(rows, seen, strict=True):
                    self.is_masked(kind, value, text)

    def test_replies(self):
        cls = type(self)
        for name, rows in groups():
            cls.text = GAP.join(text for _, _, text in rows)
            whole, _ = read_whole("chat", self.send(request_body("chat", "m", "hi", False)))
            with self.subTest(disguise=name):
                for (kind, value, _), text in zip(rows, whole.split(GAP), strict=True):
                    self.is_masked(kind, value, text)
                for cls.sizes in (1, 7):
                    said, _ = read_stream("chat", self.send(request_body("chat", "m", "hi", True)))
                    self.assertEqual(whole, said)


if __name__ == "__main__":
    unittest.main()
