"""What an answer must have in each client protocol, whatever it says.

Responses: the schema of Open Responses (openresponses.org) and OpenAI's reference of streaming events. Messages and Chat
Completions: the required fields in the types of the official clients, and the order of events in Anthropic's reference.
"""

RESPONSE = {
    "id": "string", "object": "string", "created_at": "integer", "completed_at": "integer|null", "status": "string",
    "incomplete_details": "object|null", "model": "string", "previous_response_id": "string|null",
    "instructions": "string|list|null", "output": "list", "error": "object|null", "tools": "list",
    "tool_choice": "string|object", "truncation": "string", "parallel_tool_calls": "boolean", "text": "object",
    "top_p": "number", "presence_penalty": "number", "frequency_penalty": "number", "top_logprobs": "integer",
    "temperature": "number", "reasoning": "object|null", "usage": "object|null", "max_output_tokens": "integer|null",
    "max_tool_calls": "integer|null", "store": "boolean", "background": "boolean", "service_tier": "string",
    "metadata": "object", "safety_identifier": "string|null", "prompt_cache_key": "string|null",
}
ITEMS = {
    "message": {"id": "string", "status": "string", "role": "string", "content": "list"},
    "function_call": {"id": "string", "call_id": "string", "name": "string", "arguments": "string", "status": "string"},
    "custom_tool_call": {"id": "string", "call_id": "string", "name": "string", "input": "string"},
    "reasoning": {"id": "string", "summary": "list"},
}
PARTS = {
    "output_text": {"text": "string", "annotations": "list"}, "refusal": {"refusal": "string"},
    "reasoning_text": {"text": "string"}, "summary_text": {"text": "string"},
}
PLACE = {"item_id": "string", "output_index": "integer"}
CONTENT = {**PLACE, "content_index": "integer"}
SUMMARY = {**PLACE, "summary_index": "integer"}
EVENTS = {
    "response.output_item.added": {"output_index": "integer", "item": "object"},
    "response.output_item.done": {"output_index": "integer", "item": "object"},
    "response.content_part.added": {**CONTENT, "part": "object"},
    "response.content_part.done": {**CONTENT, "part": "object"},
    "response.output_text.delta": {**CONTENT, "delta": "string", "logprobs": "list"},
    "response.output_text.done": {**CONTENT, "text": "string", "logprobs": "list"},
    "response.output_text.annotation.added": {**CONTENT, "annotation_index": "integer", "annotation": "object"},
    "response.refusal.delta": {**CONTENT, "delta": "string"}, "response.refusal.done": {**CONTENT, "refusal": "string"},
    "response.function_call_arguments.delta": {**PLACE, "delta": "string"},
    "response.function_call_arguments.done": {**PLACE, "arguments": "string"},
    "response.custom_tool_call_input.delta": {**PLACE, "delta": "string"},
    "response.custom_tool_call_input.done": {**PLACE, "input": "string"},
    "response.reasoning_summary_part.added": {**SUMMARY, "part": "object"},
    "response.reasoning_summary_part.done": {**SUMMARY, "part": "object"},
    "response.reasoning_summary_text.delta": {**SUMMARY, "delta": "string"},
    "response.reasoning_summary_text.done": {**SUMMARY, "text": "string"},
    "response.reasoning_text.delta": {**CONTENT, "delta": "string"},
    "response.reasoning_text.done": {**CONTENT, "text": "string"},
    "error": {},
}
for word in ("created", "queued", "in_progress", "completed", "failed", "incomplete"):
    EVENTS["response." + word] = {"response": "object"}

CHAT = {"id": "string", "object": "string", "created": "integer", "model": "string", "choices": "list"}
CHAT_MESSAGE = {"role": "string", "content": "string|null", "refusal": "string|null"}
MESSAGE = {"id": "string", "type": "string", "role": "string", "model": "string", "content": "list",
           "stop_reason": "string|null", "stop_sequence": "string|null", "usage": "object"}
BLOCKS = {
    "text": {"text": "string"}, "thinking": {"thinking": "string", "signature": "string"},
    "redacted_thinking": {"data": "string"}, "tool_use": {"id": "string", "name": "string", "input": "object"},
}
DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "tool_use",
          "signature_delta": "thinking", "citations_delta": "text"}


def kind_of(value):
    if value is None:
        return "null"
    for name, kind in (("boolean", bool), ("integer", int), ("number", float), ("string", str), ("list", list)):
        if isinstance(value, kind):
            return name
    return "object"


def fields(value, wanted, where):
    for key, rule in wanted.items():
        kinds = rule.split("|")
        if key not in value:
            yield "%s.%s is missing" % (where, key)
        elif kind_of(value[key]) not in kinds and not (kind_of(value[key]) == "integer" and "number" in kinds):
            yield "%s.%s is %s, not %s" % (where, key, kind_of(value[key]), rule)


def item(value, where):
    if value.get("type") not in ITEMS:
        return
    yield from fields(value, ITEMS[value["type"]], where)
    for name in ("content", "summary"):
        for index, part in enumerate(value.get(name) or []):
            yield from part_of(part, "%s.%s[%d]" % (where, name, index))


def part_of(value, where):
    if value.get("type") not in PARTS:
        yield "%s has type %s" % (where, value.get("type"))
    else:
        yield from fields(value, PARTS[value["type"]], where)


def response(value, where="response"):
    yield from fields(value, RESPONSE, where)
    for index, one in enumerate(value.get("output") or []):
        yield from item(one, "%s.output[%d]" % (where, index))
    if value.get("usage"):
        yield from fields(value["usage"], {
            "input_tokens": "integer", "output_tokens": "integer", "total_tokens": "integer",
            "input_tokens_details": "object", "output_tokens_details": "object"}, where + ".usage")


def responses_stream(events):
    last = None
    number = 0
    for name, event in events:
        if event == "[DONE]":
            continue
        kind = event.get("type")
        if kind not in EVENTS:
            yield "no such event: %s" % kind
            continue
        if name != kind:
            yield "event %s is named %s" % (kind, name)
        if event.get("sequence_number") != number:
            yield "%s has sequence_number %s, not %d" % (kind, event.get("sequence_number"), number)
        number += 1
        yield from fields(event, EVENTS[kind], kind)
        for key, check in (("response", response), ("item", item), ("part", part_of)):
            if isinstance(event.get(key), dict):
                yield from check(event[key], kind + "." + key)
        last = kind
    if last not in ("response.completed", "response.incomplete", "response.failed", "error"):
        yield "the stream ends with " + str(last)


def message(value):
    yield from fields(value, MESSAGE, "message")
    yield from fields(value.get("usage") or {}, {"input_tokens": "integer", "output_tokens": "integer"}, "message.usage")
    for index, block in enumerate(value.get("content") or []):
        yield from fields(block, BLOCKS.get(block.get("type"), {}), "content[%d]" % index)


def block_event(event, open_block, started):
    """-> the block open afterwards, what is wrong"""
    kind = event["type"]
    if kind == "content_block_start":
        wrong = [] if open_block is None and event["index"] == started else ["block %d starts out of turn" % event["index"]]
        return (event["index"], event["content_block"]["type"]), wrong
    if open_block is None or event["index"] != open_block[0]:
        return open_block, ["%s for block %d, which is not open" % (kind, event["index"])]
    if kind == "content_block_stop":
        return None, []
    wanted = DELTAS.get(event["delta"]["type"])
    fits = wanted == open_block[1] or wanted == "tool_use" and open_block[1].endswith("tool_use")
    return open_block, [] if fits else ["%s in a block of type %s" % (event["delta"]["type"], open_block[1])]


def messages_stream(events):
    open_block, started, seen = None, 0, []
    for name, event in events:
        kind = event.get("type") if isinstance(event, dict) else None
        if name != kind:
            yield "event %s is named %s" % (kind, name)
        if kind is None:
            continue
        if kind == "ping":
            continue
        if kind.startswith("content_block_"):
            open_block, wrong = block_event(event, open_block, started)
            yield from wrong
            started += kind == "content_block_start"
        elif kind == "message_start":
            yield from message(event["message"])
        elif kind == "message_delta" and open_block is not None:
            yield "message_delta while block %d is open" % open_block[0]
        seen.append(kind)
    if not seen or seen[-1] != "error" and (seen[0] != "message_start" or seen[-2:] != ["message_delta", "message_stop"]):
        yield "the stream goes " + " ".join(seen[:1] + ["…"] + seen[-2:])


def chat(value):
    yield from fields(value, CHAT, "reply")
    for index, choice in enumerate(value.get("choices") or []):
        where = "choices[%d]" % index
        yield from fields(choice, {"index": "integer", "finish_reason": "string", "message": "object",
                                   "logprobs": "object|null"}, where)
        yield from fields(choice.get("message") or {}, CHAT_MESSAGE, where + ".message")


def chat_stream(events):
    ids, last = set(), None
    for _, event in events:
        last = event
        if event == "[DONE]" or "error" in event:
            continue
        yield from fields(event, CHAT, "chunk")
        ids.add(event.get("id"))
    if last != "[DONE]" and "error" not in (last or {}):
        yield "the stream ends with %s" % (last,)
    if len(ids) > 1:
        yield "the stream has several ids: %s" % sorted(ids)


def reply(protocol, value):
    checks = {"responses": response, "messages": message, "chat": chat}
    if not isinstance(value, dict):
        return ["the answer is no object"]
    return list(checks[protocol](value)) if protocol in checks else []


def stream(protocol, events):
    checks = {"responses": responses_stream, "messages": messages_stream, "chat": chat_stream}
    return list(checks[protocol](events)) if protocol in checks else []


def error(protocol, value):
    if not isinstance(value, dict) or not isinstance(value.get("error"), dict):
        return ["the error is no object"]
    wrong = list(fields(value["error"], {"message": "string", "type": "string"}, "error"))
    if protocol in ("messages", "count_tokens") and value.get("type") != "error":
        wrong.append("error.type: Messages errors have type error outside, too")
    return wrong
