"""What a client has in hand when a stream is over: the same object as without streaming, built from the deltas alone."""
import json
import re


def events(text):
    """SSE text -> list of (name, data); data is decoded JSON, or text such as [DONE]."""
    found, name, data = [], None, []
    for line in re.split("\r\n|\r|\n", text) + [""]:
        if line == "":
            if data:
                joined = "\n".join(data)
                try:
                    joined = json.loads(joined)
                except ValueError:
                    pass
                found.append((name, joined))
            name, data = None, []
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line.startswith("event:"):
            name = line[6:].strip()
    return found


def objects(text):
    return [data for _, data in events(text) if isinstance(data, dict)]


def append(into, key, text):
    if text:
        into[key] = (into.get(key) or "") + text


def fold_call(calls, delta):
    index = delta.get("index", len(calls))
    while len(calls) <= index:
        calls.append({})
    call = calls[index]
    for key in ("id", "type"):
        if delta.get(key):
            call[key] = delta[key]
    for kind, field in (("function", "arguments"), ("custom", "input")):
        if delta.get(kind):
            part = call.setdefault(kind, {})
            if delta[kind].get("name"):
                part["name"] = delta[kind]["name"]
            append(part, field, delta[kind].get(field))


def listed(value):
    """Some servers send content as a list of parts in one chunk and as text in the next."""
    return value if isinstance(value, list) else [value] if value else []


def fold_choice(choice, chunk):
    message, delta = choice["message"], chunk.get("delta") or {}
    for key, value in delta.items():
        if key == "tool_calls":
            for call in value or []:
                fold_call(message.setdefault("tool_calls", []), call)
        elif key == "role":
            message["role"] = value
        elif isinstance(message.get(key), list) or isinstance(value, list):
            message[key] = listed(message.get(key)) + listed(value)
        elif isinstance(value, str):
            append(message, key, value)
    append(choice, "text", chunk.get("text"))
    if chunk.get("finish_reason"):
        choice["finish_reason"] = chunk["finish_reason"]


def fold_chat(text):
    reply, choices = {}, {}
    for chunk in objects(text):
        for key in ("model", "service_tier", "system_fingerprint", "usage", "error"):
            if chunk.get(key):
                reply[key] = chunk[key]
        for one in chunk.get("choices") or []:
            fold_choice(choices.setdefault(one["index"], {"index": one["index"], "message": {}}), one)
    reply["choices"] = [choices[index] for index in sorted(choices)]
    return reply


def fold_block(block, delta):
    kind = delta["type"]
    if kind == "citations_delta":
        block.setdefault("citations", []).append(delta["citation"])
        return
    source = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature",
              "input_json_delta": "partial_json"}.get(kind)
    if source is None:
        block.setdefault("deltas", []).append(delta)
        return
    append(block, "input_text" if kind == "input_json_delta" else source, delta[source])


def fold_messages(text):
    reply, blocks, order = {}, {}, []
    for event in objects(text):
        kind = event.get("type")
        if kind == "message_start":
            reply = {key: value for key, value in event["message"].items() if value is not None}
        elif kind == "content_block_start":
            order.append(event["index"])
            blocks[event["index"]] = dict(event["content_block"])
        elif kind == "content_block_delta":
            fold_block(blocks[event["index"]], event["delta"])
        elif kind == "message_delta":
            reply.update(event["delta"])
            reply["usage"] = {**reply.get("usage", {}), **(event.get("usage") or {})}
        elif kind == "error":
            reply["error"] = event["error"]
    for block in blocks.values():
        written = block.pop("input_text", None)
        if written:
            try:
                block["input"] = json.loads(written)
            except ValueError:
                block["input"] = written
    reply["content"] = [blocks[index] for index in order]
    return reply


def fold_responses(text):
    """The object of the last event, and beside it every text as its deltas gave it."""
    reply, built = {}, {}
    for event in objects(text):
        if "response" in event:
            reply = event["response"]
        elif str(event.get("type", "")).endswith(".delta"):
            place = (event["output_index"], event.get("content_index", event.get("summary_index", 0)), event["type"])
            built[place] = built.get(place, "") + event["delta"]
        elif event.get("type") == "error":
            reply = {**reply, "error": event.get("error") or event}
    return {**reply, "deltas": [built[place] for place in sorted(built)]}


FOLDS = {"chat": fold_chat, "completions": fold_chat, "messages": fold_messages, "responses": fold_responses}


def fold(protocol, text):
    return FOLDS[protocol](text)
