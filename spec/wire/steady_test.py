"""Text that flows: most of a translated stream is written without running a script. It must not show. Each stream
is sent twice, the second time with one letter of some keys escaped: that means the same, and every event of it goes
through the scripts."""
import json
import re
import unittest

from harness import GatewayCase
from streams import sse
from upstream import Upstream, stream

TEXTS = ["Hello", " w\u00f6rld", " \u4f60\u597d \U0001f600", 'quote " slash / back \\ tab \t', "\u2028\x7f", "a\nb", " end"]
ESCAPED = {'"choices"': '"\\u0063hoices"', '"delta"': '"\\u0064elta"'}


def chat(text, **fields):
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [
        dict({"index": 0, "delta": text, "logprobs": None, "finish_reason": None}, **fields)], "usage": None}


def chat_events():
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    probability = {"content": [{"token": "x", "logprob": -0.5, "bytes": None, "top_logprobs": []}], "refusal": None}
    events = [chat({"role": "assistant", "content": ""})]
    events += [chat({"content": None, "reasoning_content": text}) for text in TEXTS]
    events += [chat({"content": text, "tool_calls": []}) for text in TEXTS]
    events += [chat({"content": "x"}, logprobs=probability)]
    events += [chat({"content": text}) for text in TEXTS]
    events += [chat({"content": ""}), chat({}), chat({"content": "again"}), chat({"content": "other"}, index=1)]
    events += [chat({"content": text}) for text in TEXTS]
    events += [chat({"tool_calls": [call]}), chat({"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\":"}}]}),
               chat({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]})]
    events += [chat({"content": text}) for text in TEXTS]
    events += [chat({}, finish_reason="stop"), chat({}, finish_reason="stop", index=1)]
    usage = {"prompt_tokens": 5, "completion_tokens": 20, "total_tokens": 25}
    return events + [dict(chat({}), choices=[], usage=usage)]


def messages_events():
    def delta(index, kind, **fields):
        return {"type": "content_block_delta", "index": index, "delta": dict({"type": kind}, **fields)}
    citation = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "x",
                "encrypted_index": "e"}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
               "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 1}}
    events = [{"type": "message_start", "message": message},
              {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}]
    events += [delta(0, "thinking_delta", thinking=text) for text in TEXTS]
    events += [delta(0, "signature_delta", signature="abc="), {"type": "content_block_stop", "index": 0},
               {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}]
    events += [delta(1, "text_delta", text=text) for text in TEXTS]
    events += [{"type": "ping"}, delta(1, "citations_delta", citation=citation)]
    events += [delta(1, "text_delta", text=text) for text in TEXTS + [""]]
    tool = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    events += [{"type": "content_block_stop", "index": 1}, {"type": "content_block_start", "index": 2, "content_block": tool},
               delta(2, "input_json_delta", partial_json="{\"a\":1}"), {"type": "content_block_stop", "index": 2}]
    return events + [{"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                      "usage": {"output_tokens": 20}}, {"type": "message_stop"}]


def body(events, ascii_only, escaped):
    out = b""
    for event in events:
        text = json.dumps(event, ensure_ascii=ascii_only)
        for plain, other in ESCAPED.items() if escaped else ():
            text = text.replace(plain, other)
        out += sse(text, event.get("type"))
    return out + (b"" if events[-1].get("type") else sse("[DONE]"))


class Steady(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.upstream, models = Upstream(), {}
        for provider, events in (("o", chat_events()), ("a", messages_events())):
            for number, (ascii_only, escaped, whole) in enumerate(
                    ((False, False, 1), (True, False, 1), (False, True, 1), (False, False, 0), (False, True, 0))):
                name = "by-%s-%d" % (provider, number)  # not o3, whose tokenizer is known
                cut = events if whole else events[:len(events) // 2]
                text = body(cut, ascii_only, escaped)
                cls.upstream.plays[name] = [stream(text if whole else text.replace(sse("[DONE]"), b""))]
                models[name] = {"targets": ["%s/%s" % (provider, name)]}
        return {"providers": {"o": {"adapter": "openai", "base_url": cls.upstream.url + "/v1"},
                              "a": {"adapter": "anthropic", "base_url": cls.upstream.url}}, "models": models}

    def told(self, ask, model, **fields):
        """What the client got without the ids and times of our own, and what was counted."""
        reply = ask(model, True, **fields)
        row = self.gateway.row(reply.id)
        text = re.sub(r'"(created(_at)?|completed_at)":\d+|(msg|fc|rs|resp|req)_\w+', "X", reply.body.decode())
        text = re.sub(r"chatcmpl-\w+", "X", text).replace(model, "M")
        return text, [row.get(name) for name in ("input_tokens", "output_tokens", "usage_source", "finish_reason")]

    def test_the_same_with_and_without_scripts(self):
        for provider, asks in (("o", (self.messages, self.responses)), ("a", (self.chat, self.responses))):
            for ask in asks:
                scripts = self.told(ask, "by-%s-2" % provider)
                self.assertIn("again" if provider == "o" else "w\u00f6rld", scripts[0])
                self.assertEqual(self.told(ask, "by-%s-0" % provider), scripts)
                self.assertEqual(self.told(ask, "by-%s-1" % provider), scripts)
                cut = self.told(ask, "by-%s-4" % provider)
                self.assertIn("error", cut[0])
                self.assertEqual(self.told(ask, "by-%s-3" % provider), cut)

    def test_include_usage_in_each_chunk(self):
        for model in ("a0", "a1"):
            fields = {"stream_options": {"include_usage": True}}
            self.assertEqual(self.told(self.chat, model, **fields), self.told(self.chat, "a2", **fields))


if __name__ == "__main__":
    unittest.main()
