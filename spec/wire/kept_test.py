"""Ids of what a provider keeps: behind one credential they would open every tenant's things to all."""
import json
import os
import shutil
import tempfile
import unittest

from harness import GatewayCase, wait_for
from streams import PATHS
from upstream import Upstream, whole

TEXT = {"type": "input_text", "text": "read \"file_id\" and \"container\""}
FILE = {"type": "input_file", "file_id": "file-1"}


def responses(**fields):
    return "/v1/responses", dict({"model": "r", "input": "Hello"}, **fields)


def item(*content):
    return responses(input=[{"type": "message", "role": "user", "content": list(content)}])


def tool(**fields):
    return responses(tools=[fields])


def chat(*content, **fields):
    return PATHS["chat"], dict({"model": "o", "messages": [{"role": "user", "content": list(content)}]}, **fields)


def messages(*content, **fields):
    return PATHS["messages"], dict({"model": "a", "max_tokens": 50, "messages": [{"role": "user", "content": list(content)}]}, **fields)


SCHEMA = {"type": "object", "properties": {"file_id": {"type": "string"}}, "default": {"file_id": "x"}, "container": "y"}
KEPT = [
    ("conversation", responses(conversation="conv_1")), ("conversation", responses(conversation={"id": "conv_1"})),
    ("prompt", responses(prompt={"id": "pmpt_1", "variables": {}})), ("file_id", item(TEXT, FILE)),
    ("file_id", item({"type": "input_image", "detail": "auto", "file_id": "file-1"})),
    ("file_id", responses(input=[{"type": "function_call_output", "call_id": "c", "output": [FILE]}])),
    ("vector_store_ids", tool(type="file_search", vector_store_ids=["vs_1"])),
    ("container", tool(type="code_interpreter", container="cntr_1")),
    ("file_ids", tool(type="code_interpreter", container={"type": "auto", "file_ids": ["file-1"]})),
    ("container_id", tool(type="shell", environment={"type": "container_reference", "container_id": "cntr_1"})),
    ("skill_id", tool(type="shell", environment={"type": "container_auto", "skills": [{"type": "skill_reference", "skill_id": "skill_1"}]})),
    ("file_id", tool(type="image_generation", input_image_mask={"file_id": "file-1"})),
    ("container_id", responses(input=[{"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1", "code": "1", "outputs": []}])),
    ("file_id", chat({"type": "file", "file": {"file_id": "file-1"}})),
    ("audio", chat(messages=[{"role": "assistant", "audio": {"id": "audio_1"}}, {"role": "user", "content": "x"}])),
    ("voice", chat(audio={"format": "wav", "voice": {"id": "voice_1"}}, modalities=["audio"])),
    ("file_id", messages({"type": "document", "source": {"type": "file", "file_id": "file_1"}})),
    ("file_id", messages({"type": "container_upload", "file_id": "file_1"})),
    ("container", messages(container="container_1")), ("container", messages(container={"id": "container_1", "skills": []})),
    ("skill_id", messages(container={"skills": [{"type": "custom", "skill_id": "skill_1", "version": "latest"}]})),
]
# Wherever the name lies in the blocks that the body is searched in.
KEPT += [("file_id", chat({"type": "text", "text": "x" * pad}, {"type": "file", "file": {"file_id": "file-1"}}))
         for pad in range(17)]
FREE = [
    responses(), item(TEXT), tool(type="function", name="f", parameters=SCHEMA, strict=False),
    tool(type="code_interpreter", container={"type": "auto"}), responses(metadata={"file_id": "mine", "conversation": "7"}),
    responses(text={"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}), responses(prompt=None, conversation=None),
    responses(input=[{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"file_id\":\"x\"}"},
                     {"type": "function_call_output", "call_id": "c", "output": "{\"file_id\":\"x\"}"}]),
    chat({"type": "text", "text": "file_id"}, audio={"voice": "alloy", "format": "wav"}, modalities=["text", "audio"]),
    chat({"type": "text", "text": "\u00e9"}, tools=[{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]),
    messages({"type": "text", "text": "container"}, tools=[{"name": "f", "input_schema": SCHEMA, "input_examples": [{"file_id": "x"}]}]),
    messages(messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": [
        {"type": "tool_use", "id": "t", "name": "f", "input": {"file_id": "x", "container": "y"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]}]),
    messages(container={"skills": [{"type": "anthropic", "skill_id": "pptx", "version": "latest"}]}),
]
# Of short bodies the gateway looks at the names alone, as it has found them anyway; in long ones it searches.
LONG = {"padding": "x" * 65536}
REPLIES = {
    "r": {"id": "resp_1", "object": "response", "status": "completed", "model": "r", "output": [
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": "secret of a", "annotations": []}]}],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}},
    "o": {"id": "c", "object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}},
    "a": {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn",
          "usage": {"input_tokens": 1, "output_tokens": 1}},
}


TENANT = """return {
  providers = { mine = { adapter = "openai_responses", base_url = "%s/v1", credential = "sk-blue" } },
  models = { mine = { targets = { "mine/r" } }, both = { targets = { "r/r", "mine/r" } } },
}"""


class Kept(GatewayCase):
    uses_mock = False
    keys = [{"name": "a", "key": "gy-tenant-a", "tenant": "acme"}, {"name": "b", "key": "gy-tenant-b", "tenant": "blue"}]

    @classmethod
    def providers(cls, **more):
        return {"r": dict({"adapter": "openai_responses", "base_url": cls.upstream.url + "/v1"}, **more),
                "o": dict({"adapter": "openai", "base_url": cls.upstream.url + "/v1"}, **more),
                "a": dict({"adapter": "anthropic", "base_url": cls.upstream.url}, **more)}

    @classmethod
    def configuration(cls):
        cls.upstream = Upstream()
        cls.upstream.plays = {name: [whole(reply)] for name, reply in REPLIES.items()}
        cls.upstream.plays["r"] = cls.answer
        cls.folder = tempfile.mkdtemp(prefix="gateyes-kept-")
        os.mkdir(os.path.join(cls.folder, "blue"))
        with open(os.path.join(cls.folder, "blue", "tenant.lua"), "w") as file:
            file.write(TENANT % cls.upstream.url)
        return {"tenants": cls.folder, "tenant_hosts": ["127.0.0.1", "127.0.0.0/8"], "providers": cls.providers(), "keys": cls.keys, "models": {name: {"targets": ["%s/%s" % (name, name)]} for name in "roa"}}

    @classmethod
    def answer(cls, _):
        """Its ids are unique, as a provider's are."""
        cls.count = getattr(cls, "count", 0) + 1
        return [whole(json.loads(json.dumps(REPLIES["r"]).replace("resp_1", "resp_%d" % cls.count).replace("msg_1", "msg_%d" % cls.count)))]

    def send(self, request, key="gy-tenant-b"):
        path, body = request
        return self.ask(path, body, [("anthropic-beta", "files-api-2025-04-14")], key=key)

    def refused(self, reply, field):
        self.assertEqual(reply.status, 400, (field, reply.body))
        error = reply.error()
        self.assertIn(field, error["message"])
        self.assertIn("send the content itself", error["message"])
        self.assertEqual(error.get("param", field), field)

    def test_ids_are_refused_where_tenants_share_a_provider(self):
        self.upstream.forget()
        for field, (path, body) in KEPT:
            self.refused(self.send((path, body)), field)
            self.refused(self.send((path, dict(LONG, **body))), field)
        for body in (item(FILE)[1], dict(LONG, **item(FILE)[1])):
            escaped = json.dumps(body).replace('"file_id"', '"\\u0066ile_id"').encode()
            self.refused(self.ask("/v1/responses", escaped, key="gy-tenant-b"), "file_id")
        # A target that has no use for ids is no way around.
        self.refused(self.send(("/v1/responses", dict(item(FILE)[1], model="a"))), "file_id")
        self.assertEqual(self.upstream.records, [])

    def test_words_of_the_clients_own_are_no_ids(self):
        for path, body in FREE:
            for sent in (body, dict(LONG, **body)):
                reply = self.send((path, sent))
                self.assertEqual(reply.status, 200, (path, body, reply.body))

    def test_a_tenants_own_provider(self):
        for model in ("mine", "both"):
            self.upstream.forget()
            self.assertEqual(self.send(("/v1/responses", dict(item(FILE)[1], model=model))).status, 200, model)
            self.assertEqual([r.headers["authorization"] for r in self.upstream.records], ["Bearer sk-blue"])
        self.refused(self.send(item(FILE)), "file_id")

    @classmethod
    def end(cls):
        super().end()
        shutil.rmtree(cls.folder)

    def test_items_that_only_the_provider_could_fill(self):
        """A picture, thoughts and findings are looked up by their ids: who was given them may name them."""
        self.upstream.forget()
        for kind in ("image_generation_call", "reasoning", "web_search_call", "file_search_call", "mcp_call", "new_kind"):
            reply = self.send(responses(input=[{"type": kind, "id": "x_1", "summary": []}]))
            self.assertEqual((reply.status, reply.error()["code"]), (400, "item_not_found"), (kind, reply.body))
        for twice in (b'"type":"image_generation_call","type":"message","id":"ig_1"', b'"type":"message","id":"ig_1","id":"msg_1"'):
            body = b'{"model":"r","input":[{%s,"role":"user","content":"x"}]}' % twice
            self.assertEqual(self.ask("/v1/responses", body, key="gy-tenant-b").status, 400)
        for field in ("previous_response_id", "input"):
            body = b'{"model":"r","%s":"resp_x","input":"x","%s":null}' % (field.encode(), field.encode())
            self.assertEqual(self.ask("/v1/responses", body, key="gy-tenant-b").error()["param"], field)
        self.assertEqual(self.upstream.records, [])
        for one in ({"type": "image_generation_call", "id": "x_1", "result": "aGk="}, {"type": "reasoning", "id": "x_1", "summary": [],
                    "encrypted_content": "gAAA"}, {"type": "message", "id": "x_1", "role": "assistant", "content": "hi"},
                    {"type": "function_call", "id": "x_1", "call_id": "c", "name": "f", "arguments": "{}"}):
            self.assertEqual(self.send(responses(input=[one])).status, 200, one)
        self.upstream.plays["r"] = [whole(dict(REPLIES["r"], id="resp_own", output=[{"type": "image_generation_call", "id": "ig_own",
                                                                                    "status": "completed", "result": "aGk="}]))]
        self.send(responses(), "gy-tenant-a")
        named = responses(input=[{"type": "image_generation_call", "id": "ig_own"}])
        self.assertEqual(self.send(named, "gy-tenant-a").status, 200)
        self.assertEqual(self.send(named).status, 400)
        self.upstream.plays["r"] = self.answer

    def test_threads_end_in_the_words_that_clients_know(self):
        for kind, status, code in (("create", 400, "thread_unsupported_request"), ("continue", 404, "thread_not_found")):
            reply = self.send(messages({"type": "text", "text": "x"}, thread={"type": kind, "id": "thread_1"}))
            self.assertEqual((reply.status, reply.error()["details"]["error_code"]), (status, code))

    def test_own_responses_stay_own(self):
        """What the gateway keeps itself has an owner: to others it is not there, by whatever way it is named."""
        first = self.send(responses(), "gy-tenant-a").json()
        item_id = first["output"][0]["id"]
        again = {"previous_response_id": first["id"]}, {"input": [{"type": "item_reference", "id": item_id}]}, {"input": [{"id": item_id}]}
        for fields in again:
            self.upstream.forget()
            self.assertEqual(self.send(responses(**fields), "gy-tenant-a").status, 200)
            sent = json.dumps(self.upstream.records[0].json)
            self.assertIn("secret of a", sent)
            self.assertNotIn("previous_response_id", sent)
            self.assertNotIn("item_reference", sent)
            self.upstream.forget()
            reply = self.send(responses(**fields))
            self.assertIn(reply.status, (400, 404), (fields, reply.body))
            self.assertNotIn(b"secret", reply.body)
            self.assertEqual(self.upstream.records, [])
        with self.gateway.client() as client:
            reply = client.get("/v1/responses/" + first["id"], key="gy-tenant-b")
            self.assertEqual(reply.status, 404)

    def test_who_may_name_what_is_kept(self):
        """An operator who says so; and an account that only one tenant uses."""
        config = dict(self.gateway.config)
        for changes in ({"providers": self.providers(kept_ids="relay")}, {"keys": self.keys[1:]},
                        {"keys": [dict(key, tenant="blue") for key in self.keys]}):
            self.gateway.reload(dict(config, **changes))
            wait_for(lambda: self.send(KEPT[0][1]).status == 200, 5, "the tenant's generation on the new configuration")
            for field, (path, body) in KEPT:
                self.upstream.forget()
                reply = self.send((path, body))
                self.assertEqual(reply.status, 200, (changes, field, reply.body))
                self.assertEqual(self.upstream.records[0].json, body)
        self.gateway.reload(dict(config, keys=self.keys[1:], providers=self.providers(kept_ids="refuse")))
        wait_for(lambda: self.send(KEPT[0][1]).status == 400, 5, "the same, when nobody may")
        self.gateway.reload(config)
        self.refused(self.send(KEPT[0][1]), "conversation")


if __name__ == "__main__":
    unittest.main()
