"""What the mock says in each provider's format, and what it refuses."""
import base64
import json
import struct

from mock_support import MockCase

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"}, "days": {"type": "integer", "minimum": 10}, "unit": {"enum": ["c", "f"]},
        "maybe": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/point"}]}, "ok": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "number"}, "minItems": 2}, "fixed": {"const": "yes"},
    },
    "$defs": {"point": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}},
    "required": ["city", "days", "unit", "maybe", "ok", "list", "fixed"],
}
MADE = {"city": "sample city", "days": 10, "unit": "c", "maybe": {"x": 1.5}, "ok": True, "list": [1.5, 1.5],
        "fixed": "yes"}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
OTHER = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


class Chat(MockCase):
    def test_text_and_usage(self):
        reply = self.chat().json()
        self.assertEqual(reply["choices"][0]["message"]["content"], "You said: Hello there")
        self.assertEqual(reply["choices"][0]["finish_reason"], "stop")
        # 3 + 4 + ceil(11 / 4) in; ceil(21 / 4) out
        self.assertEqual(reply["usage"]["prompt_tokens"], 10)
        self.assertEqual(reply["usage"]["completion_tokens"], 6)

    def test_long_text_is_cut_and_images_are_counted(self):
        content = [{"type": "text", "text": "é" * 100}, IMAGE, IMAGE]
        text = self.chat(messages=[{"role": "user", "content": content}]).json()["choices"][0]["message"]["content"]
        self.assertEqual(text, "You said: " + "é" * 40 + " I see 2 images.")

    def test_stream_carries_usage_only_when_asked(self):
        self.assertTrue(all(o.get("usage") is None for o in self.chat(stream=True).objects()))
        last = self.chat(stream=True, stream_options={"include_usage": True}).objects()[-1]
        self.assertEqual((last["choices"], last["usage"]["total_tokens"]), ([], 16))

    def test_usage_knobs(self):
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        self.assertTrue(all(not o.get("usage") for o in self.chat("usage=missing", **asked).objects()))
        self.assertNotIn("usage", self.chat("usage=missing").json())
        self.assertEqual(self.chat("usage=wrong").json()["usage"]["completion_tokens"], 999999)
        self.assertEqual(self.chat("usage=zero").json()["usage"]["total_tokens"], 0)
        self.assertTrue(all(o["usage"] for o in self.chat("usage=cumulative", stream=True).objects()))
        self.assertTrue(self.chat("usage=always", stream=True).objects()[-1]["usage"])
        late = self.chat("usage=late;late_ms=90", **asked)
        self.assertGreaterEqual(late.times[-1][0] - late.times[0][0], 0.08)
        usage = self.chat("in=1000;out=500;cached=200;cache_write=50;reasoning_tokens=30").json()["usage"]
        self.assertEqual((usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]), (1000, 500, 1500))
        self.assertEqual(usage["prompt_tokens_details"]["cached_tokens"], 200)
        self.assertEqual(usage["prompt_tokens_details"]["cache_write_tokens"], 50)
        self.assertEqual(usage["completion_tokens_details"]["reasoning_tokens"], 30)

    def test_tools(self):
        for how in ({"tool_choice": "required"}, {"model": "my-tool"}, {"tool_choice": TOOL},
                    {"messages": [{"role": "user", "content": "What weather is it?"}]}):
            choice = self.chat(tools=[TOOL, OTHER], **how).json()["choices"][0]
            self.assertEqual(choice["finish_reason"], "tool_calls", how)
            call = choice["message"]["tool_calls"][0]
            self.assertEqual((call["function"]["name"], json.loads(call["function"]["arguments"])), ("get_weather", MADE))
        self.assertEqual(self.chat(tools=[OTHER, TOOL]).json()["choices"][0]["finish_reason"], "stop")
        named = self.chat("tool=find;args=%7B%22a%22%3A1%7D", tools=[TOOL, OTHER]).json()["choices"][0]
        self.assertEqual(named["message"]["tool_calls"][0]["function"], {"name": "find", "arguments": '{"a":1}'})

    def collect(self, answer):
        calls, order = {}, []
        for item in answer.objects():
            for delta in item["choices"][0]["delta"].get("tool_calls") or []:
                call = calls.setdefault(delta["index"], {"id": delta.get("id"), "text": "", "pieces": 0})
                piece = delta["function"].get("arguments") or ""
                call["text"] += piece
                call["pieces"] += 1
                order.append(delta["index"])
        return calls, order

    def test_parallel_calls_in_a_stream(self):
        calls, order = self.collect(self.chat(stream=True, model="m-parallel", tools=[TOOL, TOOL]))
        self.assertEqual([json.loads(calls[i]["text"]) for i in (0, 1)], [MADE, MADE])
        self.assertNotEqual(calls[0]["id"], calls[1]["id"])
        self.assertEqual(order, sorted(order))
        _, order = self.collect(self.chat("tool=parallel;interleave;args_split=1", stream=True, tools=[TOOL, TOOL]))
        self.assertEqual(order[:6], [0, 1, 0, 1, 0, 1])

    def test_after_a_tool_result(self):
        call = self.chat(tools=[TOOL], tool_choice="required").json()["choices"][0]["message"]
        history = [{"role": "user", "content": "weather?"}, call,
                   {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "sunny"}]
        reply = self.chat(tools=[TOOL], model="my-tool", messages=history).json()
        self.assertEqual(reply["choices"][0]["message"]["content"], "The tool said: sunny")

    def test_structured_output(self):
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
        text = self.chat(response_format=form).json()["choices"][0]["message"]["content"]
        self.assertEqual(json.loads(text), MADE)

    def test_reasoning(self):
        message = self.chat(reasoning_effort="low").json()["choices"][0]["message"]
        self.assertIn("11 bytes", message["reasoning_content"])
        self.assertIn("reasoning", self.chat("reasoning=1;reasoning_field=reasoning").json()["choices"][0]["message"])
        hidden = self.chat("reasoning_field=hidden", model="m-reason").json()
        self.assertNotIn("reasoning_content", hidden["choices"][0]["message"])
        self.assertGreater(hidden["usage"]["completion_tokens_details"]["reasoning_tokens"], 0)
        self.assertNotIn("reasoning_content", self.chat(reasoning_effort="none").json()["choices"][0]["message"])

    def test_choices_logprobs_limits_and_stops(self):
        reply = self.chat(n=2, logprobs=True, top_logprobs=2).json()["choices"]
        self.assertEqual("".join(t["token"] for t in reply[0]["logprobs"]["content"]), "You said: Hello there")
        self.assertEqual(len(reply[1]["logprobs"]["content"][0]["top_logprobs"]), 2)
        self.assertTrue(reply[1]["message"]["content"].endswith("(choice 2)"))
        short = self.chat(max_completion_tokens=2).json()["choices"][0]
        self.assertEqual((short["message"]["content"], short["finish_reason"]), ("You said", "length"))
        stopped = self.chat(stop=["Hello", "said"]).json()["choices"][0]
        self.assertEqual((stopped["message"]["content"], stopped["finish_reason"]), ("You ", "stop"))

    def test_text_knobs(self):
        self.assertEqual(self.chat("text=a%3Bb").json()["choices"][0]["message"]["content"], "a;b")
        objects = self.chat("frames=3;size=10", stream=True).objects()
        texts = [o["choices"][0]["delta"].get("content") for o in objects][1:4]
        self.assertEqual([len(text) for text in texts], [10, 10, 10])
        self.assertEqual(self.chat("refusal=No").json()["choices"][0]["message"]["refusal"], "No")
        self.assertEqual(self.chat("finish=content_filter").json()["choices"][0]["finish_reason"], "content_filter")
        echoed = json.loads(self.chat("echo", seed=7).json()["choices"][0]["message"]["content"])
        self.assertEqual(echoed["seed"], 7)

    def test_refusals(self):
        def refused(expected, param=None, knobs="", **fields):
            answer = self.chat(knobs, **fields)
            self.assertEqual(answer.status, 400, fields)
            error = answer.json()["error"]
            self.assertEqual(error["type"], "invalid_request_error")
            self.assertIn(expected, error["message"])
            if param:
                self.assertEqual(error["param"], param)
        refused("model", "model", model=None)
        refused("messages", "messages", messages=None)
        refused("empty array", "messages", messages=[])
        refused("temperature", "temperature", temperature=3)
        refused("max_tokens", max_tokens=0)
        refused("same time", max_tokens=5, max_completion_tokens=5)
        refused("stream_options", stream_options={})
        refused("tool_choice", tool_choice="auto")
        refused("no tool named", tools=[TOOL], tool_choice=OTHER)
        refused("maximum length 40", messages=[{"role": "assistant", "tool_calls": [{"id": "x" * 41}]}])
        refused("must be a response", messages=[{"role": "tool", "tool_call_id": "a", "content": "b"}])
        refused("did not have response", messages=[{"role": "assistant", "tool_calls": [{"id": "x"}]},
                                                   {"role": "user", "content": "b"}])
        refused("'json'", response_format={"type": "json_object"})
        refused("Unknown parameter: 'foo'", "foo", "strict", foo=1)
        self.assertEqual(self.chat(foo=1).status, 200)
        self.assertEqual(self.chat("lax", temperature=9).status, 200)
        self.assertEqual(self.send("/v1/chat/completions", b"{").status, 400)


class Messages(MockCase):
    def test_text_usage_and_stream(self):
        reply = self.messages("in=100;cached=30;cache_write=20").json()
        self.assertEqual(reply["content"], [{"type": "text", "text": "You said: Hello there"}])
        self.assertEqual(reply["stop_reason"], "end_turn")
        usage = reply["usage"]
        self.assertEqual((usage["input_tokens"], usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]),
                         (50, 30, 20))
        names = [name for name, _ in self.messages(stream=True).events()]
        self.assertEqual(names[:3], ["message_start", "content_block_start", "ping"])
        self.assertEqual(names[-3:], ["content_block_stop", "message_delta", "message_stop"])

    def test_cumulative_usage(self):
        objects = self.messages("usage=cumulative", stream=True).objects()
        deltas = [o["usage"]["output_tokens"] for o in objects if o["type"] == "message_delta"]
        self.assertEqual(len(deltas), 2)
        self.assertLess(deltas[0], deltas[1])

    def test_thinking_is_signed_and_checked(self):
        thinking = {"type": "enabled", "budget_tokens": 1024}
        content = self.messages(thinking=thinking).json()["content"]
        self.assertEqual([block["type"] for block in content], ["thinking", "text"])
        history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": content},
                   {"role": "user", "content": "b"}]
        self.assertEqual(self.messages(thinking=thinking, messages=history).status, 200)
        content[0]["thinking"] += "!"
        answer = self.messages(thinking=thinking, messages=history)
        self.assertEqual(answer.status, 400)
        self.assertIn("signature", answer.json()["error"]["message"])
        self.assertEqual(self.messages("reasoning=redacted").json()["content"][0]["type"], "redacted_thinking")

    def test_tools(self):
        tools = [{"name": "get_weather", "input_schema": SCHEMA}]
        reply = self.messages(tools=tools, tool_choice={"type": "any"}).json()
        self.assertEqual((reply["stop_reason"], reply["content"][0]["input"]), ("tool_use", MADE))
        history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": reply["content"]},
                   {"role": "user", "content": [{"type": "tool_result", "tool_use_id": reply["content"][0]["id"],
                                                 "content": "rain"}]}]
        said = self.messages(tools=tools, messages=history).json()["content"][0]["text"]
        self.assertEqual(said, "The tool said: rain")

    def test_structured_output_stop_and_limit(self):
        form = {"format": {"type": "json_schema", "schema": SCHEMA}}
        self.assertEqual(json.loads(self.messages(output_config=form).json()["content"][0]["text"]), MADE)
        stopped = self.messages(stop_sequences=["said"]).json()
        self.assertEqual((stopped["stop_reason"], stopped["stop_sequence"]), ("stop_sequence", "said"))
        self.assertEqual(self.messages(max_tokens=1).json()["stop_reason"], "max_tokens")

    def test_count_tokens_and_threads(self):
        body = {"model": "c", "messages": [{"role": "user", "content": "Hello there"}]}
        self.assertEqual(self.send("/v1/messages/count_tokens", body).json(), {"input_tokens": 10})
        first = self.messages(thread={"type": "create"}).json()
        thread = {"type": "continue", "previous_message_id": first["id"]}
        self.assertGreater(self.messages(thread=thread).json()["usage"]["input_tokens"], first["usage"]["input_tokens"])
        refused = self.messages("no_thread", thread=thread).json()["error"]
        self.assertEqual(refused["details"]["error_code"], "thread_unsupported_request")

    def test_refusals(self):
        def refused(expected, **fields):
            answer = self.messages(**fields)
            self.assertEqual(answer.status, 400, fields)
            self.assertEqual(answer.json()["error"]["type"], "invalid_request_error")
            self.assertIn(expected, answer.json()["error"]["message"])
        think = {"type": "enabled", "budget_tokens": 1024}
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
        refused("max_tokens", max_tokens=None)
        refused("temperature", temperature=1.5)
        refused("forces tool use", thinking=think, tools=tools, tool_choice={"type": "any"})
        refused("1024", thinking={"type": "enabled", "budget_tokens": 5})
        refused("greater than `thinking", thinking=think, max_tokens=1000)
        refused("non-empty", messages=[{"role": "user", "content": [{"type": "text", "text": ""}]}])
        refused("unexpected `tool_use_id`", messages=[
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "b"}]}])
        refused("without `tool_result`", messages=[
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {"role": "user", "content": "a"}])
        refused("tool_choice", tool_choice={"type": "auto"})


class Responses(MockCase):
    def test_text_and_stream(self):
        reply = self.responses().json()
        self.assertEqual(reply["output"][0]["content"][0]["text"], "You said: Hello there")
        self.assertEqual((reply["status"], reply["usage"]["total_tokens"]), ("completed", 16))
        events = self.responses(stream=True).events()
        self.assertEqual([events[0][0], events[-1][0]], ["response.created", "response.completed"])
        numbers = [json.loads(data)["sequence_number"] for _, data in events]
        self.assertEqual(numbers, list(range(len(events))))
        self.assertEqual(self.responses(stream=True, max_output_tokens=16, input="x" * 99).events()[-1][0],
                         "response.incomplete")

    def test_tools_and_reasoning_round_trip(self):
        tools = [{"type": "function", "name": "get_weather", "parameters": SCHEMA}]
        fields = {"tools": tools, "reasoning": {"effort": "high", "summary": "auto"},
                  "include": ["reasoning.encrypted_content"], "model": "m-tool"}
        output = self.responses(**fields).json()["output"]
        self.assertEqual([item["type"] for item in output], ["reasoning", "function_call"])
        self.assertEqual(json.loads(output[1]["arguments"]), MADE)
        back = [{"role": "user", "content": "a"}] + output + [
            {"type": "function_call_output", "call_id": output[1]["call_id"], "output": "snow"}]
        self.assertIn("The tool said: snow", self.responses(input=back, **fields).body.decode())
        output[0]["encrypted_content"] += "0"
        self.assertEqual(self.responses(input=back, **fields).json()["error"]["code"], "invalid_encrypted_content")

    def test_refusals(self):
        def refused(expected, **fields):
            answer = self.responses(**fields)
            self.assertEqual(answer.status, 400, fields)
            self.assertIn(expected, answer.json()["error"]["message"])
        refused("max_output_tokens", max_output_tokens=15)
        refused("must be provided", input=None)
        refused("not found", previous_response_id="resp_other")
        refused("No tool call found", input=[{"type": "function_call_output", "call_id": "a", "output": "b"}])
        refused("No tool output found", input=[{"type": "function_call", "call_id": "a", "name": "f", "arguments": ""}])
        refused("begins with 'fc'", input=[{"type": "function_call", "id": "x", "call_id": "a", "name": "f",
                                            "arguments": ""}])
        refused("tools[0].name", tools=[{"type": "function"}])


class Others(MockCase):
    def test_embeddings(self):
        body = {"model": "e", "input": ["a", "b"], "dimensions": 5}
        floats = self.send("/v1/embeddings", body).json()
        coded = self.send("/v1/embeddings", dict(body, encoding_format="base64")).json()
        for one, other in zip(floats["data"], coded["data"]):
            values = struct.unpack("<5f", base64.b64decode(other["embedding"]))
            for a, b in zip(one["embedding"], values):
                self.assertAlmostEqual(a, b, 5)
        self.assertNotEqual(floats["data"][0]["embedding"], floats["data"][1]["embedding"])
        tokens = self.send("/v1/embeddings", {"model": "e", "input": [[1, 2, 3], [4]]}).json()
        self.assertEqual((len(tokens["data"]), tokens["usage"]["prompt_tokens"]), (2, 4))
        self.assertEqual(self.send("/v1/embeddings", {"model": "e", "input": ""}).status, 400)

    def test_completions(self):
        body = {"model": "m", "prompt": "Hi", "stream": True, "stream_options": {"include_usage": True}, "logprobs": 1}
        objects = self.send("/v1/completions", body).objects()
        self.assertEqual("".join(o["choices"][0]["text"] for o in objects if o["choices"]), "You said: Hi")
        self.assertEqual(objects[-1]["usage"]["completion_tokens"], 3)
        self.assertEqual(self.send("/v1/completions", {"prompt": "x"}).status, 400)

    def test_models(self):
        listed = self.send("/v1/models").json()
        self.assertIn("gpt-4o", [model["id"] for model in listed["data"]])
        self.assertEqual(self.send("/v1/models/nothing").status, 404)
        theirs = self.send("/v1/models", headers=[("anthropic-version", "2023-06-01")]).json()
        self.assertEqual((theirs["has_more"], theirs["data"][0]["type"]), (False, "model"))

    def test_every_layout_of_paths(self):
        body = {"messages": [{"role": "user", "content": "hi"}]}
        azure = self.send("/openai/deployments/my%20gpt/chat/completions?api-version=1", body).json()
        self.assertEqual(azure["model"], "my gpt")
        for path in ("/chat/completions", "/openai/v1/chat/completions", "/a/b/v1/chat/completions"):
            self.assertEqual(self.send(path, dict(body, model="m")).status, 200, path)
        path = "/v1/projects/p/locations/l/publishers/anthropic/models/claude:streamRawPredict"
        self.assertEqual(self.send(path, dict(body, max_tokens=50)).events()[0][0], "message_start")
        self.assertEqual(self.send("/v1/nothing", {}).status, 404)

    def test_a_wrong_type_anywhere_is_answered_and_never_breaks_the_mock(self):
        message = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
        bodies = {
            "/v1/chat/completions": {"model": "m", "messages": [message], "tools": [TOOL], "n": 1, "stop": ["a"]},
            "/v1/messages": {"model": "m", "messages": [message], "max_tokens": 9, "system": "s",
                             "thinking": {"type": "disabled"}},
            "/v1/responses": {"model": "m", "input": [{"role": "user", "content": "a"}], "text": {}, "include": []},
            "/v1/embeddings": {"model": "m", "input": ["a"], "dimensions": 2},
        }
        for path, body in bodies.items():
            for field in body:
                for value in (7, "x", [7], [[7]], {"a": 7}, True, None):
                    answer = self.send(path, dict(body, **{field: value}), "lax")
                    self.assertIn(answer.status, (200, 400), (path, field, value, answer.body))
        wrong = self.send("/v1/messages", {"model": "m", "max_tokens": 9, "messages": [dict(message, role=7)]})
        self.assertIn("messages[0].role", wrong.json()["error"]["message"])
