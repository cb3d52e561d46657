"""A value in the place of every string of a reply, each in turn: none gets to a client past a policy that guards output,
but identifiers and words of the protocols, as docs/compliance.md says. Fields that stream have the same words in the end."""
import json
import os
import shutil
import tempfile
import unittest

from compliance_support import ALL_PATHS, request_body
from harness import GatewayCase
from places_test import changed, leaves
from streams import sse
from upstream import Upstream, stream, whole

VALUES = ["110101199003070011", "my card 4111 1111 1111 1111"]
CHAT = {'id': 'c',
 'object': 'chat.completion',
 'created': 1,
 'model': 'm',
 'system_fingerprint': 'fp',
 'service_tier': 'default',
 'choices': [{'index': 0,
              'message': {'role': 'assistant',
                          'content': 'hi',
                          'refusal': 'no',
                          'reasoning_content': 'hm',
                          'annotations': [{'type': 'url_citation',
                                           'url_citation': {'url': 'https://x.test/a',
                                                            'title': 't',
                                                            'start_index': 0,
                                                            'end_index': 1}}],
                          'audio': {'id': 'a1', 'data': 'UklG', 'transcript': 'said', 'expires_at': 1},
                          'tool_calls': [{'id': 'call_1',
                                          'type': 'function',
                                          'function': {'name': 'f', 'arguments': '{"a":"b"}'}},
                                         {'id': 'call_2',
                                          'type': 'custom',
                                          'custom': {'name': 'g', 'input': 'free'}}],
                          'vendor': {'note': 'psst'}},
              'logprobs': {'content': [{'token': 'hi',
                                        'logprob': -1,
                                        'bytes': [1],
                                        'top_logprobs': [{'token': 'ho', 'logprob': -2, 'bytes': [2]}]}]},
              'finish_reason': 'stop'}],
 'citations': ['https://x.test/b'],
 'usage': {'prompt_tokens': 5, 'completion_tokens': 7, 'total_tokens': 12}}
MESSAGES = {'id': 'msg_1',
 'type': 'message',
 'role': 'assistant',
 'model': 'm',
 'content': [{'type': 'thinking', 'thinking': 'hm', 'signature': 'sig'},
             {'type': 'text',
              'text': 'hi',
              'citations': [{'type': 'char_location',
                             'cited_text': 'cited',
                             'document_index': 0,
                             'document_title': 't',
                             'start_char_index': 0,
                             'end_char_index': 1}]},
             {'type': 'server_tool_use', 'id': 'srvtoolu_1', 'name': 'web_search', 'input': {'query': 'q'}},
             {'type': 'web_search_tool_result',
              'tool_use_id': 'srvtoolu_1',
              'content': [{'type': 'web_search_result',
                           'url': 'https://x.test',
                           'title': 'tt',
                           'encrypted_content': 'enc',
                           'page_age': 'old'}]},
             {'type': 'tool_use', 'id': 'toolu_1', 'name': 'f', 'input': {'k': 'v'}}],
 'stop_reason': 'end_turn',
 'stop_sequence': 'END',
 'usage': {'input_tokens': 5, 'output_tokens': 7}}
RESPONSES = {'id': 'resp_1',
 'object': 'response',
 'created_at': 1,
 'model': 'm',
 'status': 'completed',
 'previous_response_id': None,
 'instructions': 'be kind',
 'output': [{'type': 'reasoning',
             'id': 'rs_1',
             'summary': [{'type': 'summary_text', 'text': 'why'}],
             'content': [{'type': 'reasoning_text', 'text': 'raw'}]},
            {'type': 'web_search_call',
             'id': 'ws_1',
             'status': 'completed',
             'action': {'type': 'search', 'query': 'q'}},
            {'type': 'code_interpreter_call',
             'id': 'ci_1',
             'status': 'completed',
             'code': 'print(1)',
             'container_id': 'co',
             'outputs': [{'type': 'logs', 'logs': 'out'}]},
            {'type': 'message',
             'id': 'msg_1',
             'role': 'assistant',
             'status': 'completed',
             'content': [{'type': 'output_text',
                          'text': 'hi',
                          'annotations': [{'type': 'url_citation',
                                           'url': 'https://x.test',
                                           'title': 't',
                                           'start_index': 0,
                                           'end_index': 1}]},
                         {'type': 'refusal', 'refusal': 'no'}]},
            {'type': 'function_call',
             'id': 'fc_1',
             'call_id': 'call_1',
             'name': 'f',
             'arguments': '{"a":"b"}',
             'status': 'completed'},
            {'type': 'mcp_call',
             'id': 'mcp_1',
             'name': 'f',
             'server_label': 's',
             'arguments': '{}',
             'output': 'mcp out'},
            {'type': 'file_search_call',
             'id': 'fs_1',
             'status': 'completed',
             'queries': ['qq'],
             'results': [{'file_id': 'f1', 'filename': 'fn', 'text': 'ft', 'score': 1}]}],
 'usage': {'input_tokens': 5,
           'input_tokens_details': {'cached_tokens': 0},
           'output_tokens': 7,
           'output_tokens_details': {'reasoning_tokens': 0},
           'total_tokens': 12}}
COMPLETIONS = {'id': 'c',
 'object': 'text_completion',
 'created': 1,
 'model': 'm',
 'choices': [{'index': 0, 'text': 'hi', 'logprobs': None, 'finish_reason': 'stop'}],
 'usage': {'prompt_tokens': 5, 'completion_tokens': 7, 'total_tokens': 12}}
PROVIDERS = {"o": ("openai", CHAT), "a": ("anthropic", MESSAGES), "r": ("openai_responses", RESPONSES)}
# What providers and protocols make up: words of theirs, and what spells words that stand elsewhere.
EXEMPT = {"id", "object", "model", "type", "role", "status", "call_id", "item_id", "tool_use_id", "container_id", "file_id", "name",
          "signature", "encrypted_content", "finish_reason", "stop_reason", "system_fingerprint", "token"}
# What a response repeats of its request.
REPEATED = {"instructions", "service_tier"}
CODE = "print('4111 1111 1111 1111')"


class ReplyPlaces(GatewayCase):
    uses_mock = False
    body = b""

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-reply-places-")
        cls.upstream = Upstream()
        tenants = {"stop": '{ name = "pii", action = "none", output = "block" }', "mask": '"pii"'}
        for name, policies in tenants.items():
            os.makedirs(os.path.join(cls.root, name))
            with open(os.path.join(cls.root, name, "tenant.lua"), "w") as file:
                file.write("return { policies = { %s } }" % policies)
        cls.upstream.plays["m"] = lambda record: cls.play()
        providers = {name: {"adapter": adapter, "base_url": cls.upstream.url + ("" if name == "a" else "/v1")}
                     for name, (adapter, _) in PROVIDERS.items()}
        return {"tenants": cls.root, "providers": providers, "scripts": {"cpu": "100ms", "wall": "2s"},
                "models": {name: {"targets": [name + "/m"]} for name in PROVIDERS},
                "keys": [{"name": name, "key": "gy-%s-places-1" % name, "tenant": name} for name in tenants]}

    @classmethod
    def end(cls):
        super().end()
        shutil.rmtree(cls.root)
        cls.upstream.close()

    def send(self, tenant, dialect, provider, streams=False):
        reply = self.ask(ALL_PATHS[dialect], request_body(dialect, provider, "hi", streams), key="gy-%s-places-1" % tenant)
        return reply.status, reply.body.decode()

    def test_every_place(self):
        cls = type(self)
        cls.play = classmethod(lambda cls: [whole(cls.body)])
        for dialect in ALL_PATHS:
            for provider, (_, body) in PROVIDERS.items() if dialect != "completions" else [("o", (None, COMPLETIONS))]:
                cls.body = body
                self.assertEqual(200, self.send("stop", dialect, provider)[0])
                for path, is_key in leaves(body):
                    if is_key or path[-1] in EXEMPT or (dialect == "responses" and path[-1] in REPEATED):
                        continue
                    for value in VALUES:
                        cls.body = changed(body, path, False, value)
                        with self.subTest(dialect=dialect, provider=provider, path=path, value=value):
                            self.assertNotIn(value, self.send("stop", dialect, provider)[1])

    def streamed(self, dialect, provider, frames):
        type(self).play = classmethod(lambda cls: [stream(b"".join(frames))])
        status, text = self.send("mask", dialect, provider, True)
        self.assertEqual(200, status, text)
        self.assertNotIn("4111", text)
        return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]

    def test_code_of_an_interpreter(self):
        place = {"item_id": "ci_1", "output_index": 0}
        item = {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": CODE, "outputs": []}
        for size in (1, 3, 100):
            events = [("response.created", {"response": dict(RESPONSES, output=[], status="in_progress", usage=None)}),
                      ("response.output_item.added", dict(output_index=0, item=dict(item, code="")))]
            events += [("response.code_interpreter_call_code.delta", dict(place, delta=CODE[at:at + size]))
                       for at in range(0, len(CODE), size)]
            events += [("response.code_interpreter_call_code.done", dict(place, code=CODE)),
                       ("response.output_item.done", dict(output_index=0, item=item)),
                       ("response.completed", {"response": dict(RESPONSES, output=[item])})]
            seen = self.streamed("responses", "r", [sse(dict(fields, type=kind, sequence_number=i), kind)
                                                    for i, (kind, fields) in enumerate(events)])
            said = "".join(e["delta"] for e in seen if e["type"].endswith("_code.delta"))
            done = next(e["code"] for e in seen if e["type"].endswith("_code.done"))
            self.assertEqual(("print('[PAYMENT_CARD]')",) * 2, (said, done))
            self.assertEqual(done, seen[-1]["response"]["output"][0]["code"])

    def test_details_of_reasoning(self):
        text = "the card is 4111 1111 1111 1111, I see"
        for size in (1, 3, 100):
            frames = []
            for at in range(0, len(text), size):
                piece = text[at:at + size]
                delta = {"reasoning_content": piece, "reasoning_details": [
                    {"type": "reasoning.text", "index": 0, "text": piece, "format": "x"}]}
                frames.append(sse({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                                   "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}))
            frames += [sse({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}), sse("[DONE]")]
            deltas = [e["choices"][0]["delta"] for e in self.streamed("chat", "o", frames) if e["choices"]]
            said = "".join(d.get("reasoning_content") or "" for d in deltas)
            details = "".join(part["text"] for d in deltas for part in d.get("reasoning_details") or [])
            self.assertEqual(("the card is [PAYMENT_CARD], I see",) * 2, (said, details))

    def test_citations(self):
        def event(kind, **fields):
            return sse(dict({"type": kind}, **fields), kind)
        result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [
            {"type": "web_search_result", "url": "https://x.test/4111111111111111", "title": "card 4111 1111 1111 1111",
             "encrypted_content": "enc"}]}
        cited = {"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "card 4111 1111 1111 1111",
                                                         "document_index": 0, "start_char_index": 0, "end_char_index": 1}}
        frames = [event("message_start", message=dict(MESSAGES, content=[], stop_reason=None)),
                  event("content_block_start", index=0, content_block=result), event("content_block_stop", index=0),
                  event("content_block_start", index=1, content_block={"type": "text", "text": "", "citations": []}),
                  event("content_block_delta", index=1, delta=cited),
                  event("content_block_delta", index=1, delta={"type": "text_delta", "text": "hi"}),
                  event("content_block_stop", index=1),
                  event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7}), event("message_stop")]
        seen = self.streamed("messages", "a", frames)
        self.assertEqual("card [PAYMENT_CARD]", seen[1]["content_block"]["content"][0]["title"])
        self.assertEqual("card [PAYMENT_CARD]", next(e["delta"]["citation"]["cited_text"] for e in seen if "citation" in
                                                     e.get("delta", {})))
        self.assertEqual("hi", "".join(e["delta"].get("text", "") for e in seen if e["type"] == "content_block_delta"))


if __name__ == "__main__":
    unittest.main()
