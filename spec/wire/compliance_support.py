"""Replies with given words in each provider's format, and what a client of each protocol reads out of a reply."""
import json

from streams import PATHS, sse
from upstream import stream, whole

ARGUMENTS = "arguments"
ALL_PATHS = dict(PATHS, completions="/v1/completions")


def chat_reply(text, call):
    message = {"role": "assistant", "content": text}
    if call:
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": call}}]
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}


def chat_stream(pieces, calls):
    def frame(delta, finish=None):
        return sse({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                    "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    frames = [frame({"role": "assistant", "content": ""})] + [frame({"content": piece}) for piece in pieces]
    if calls:
        frames.append(frame({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
                                             "function": {"name": "f", "arguments": ""}}]}))
        frames += [frame({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in calls]
    frames += [frame({}, "tool_calls" if calls else "stop"),
               sse({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
                    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}), sse("[DONE]")]
    return b"".join(frames)


def completions_reply(text, _):
    return {"id": "c", "object": "text_completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}


def completions_stream(pieces, _):
    def frame(text, finish=None):
        return sse({"id": "c", "object": "text_completion", "created": 1, "model": "m",
                    "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}]})
    return b"".join([frame(piece) for piece in pieces] + [frame("", "stop"), sse("[DONE]")])


def messages_reply(text, call):
    content = [{"type": "text", "text": text}]
    if call:
        content.append({"type": "tool_use", "id": "toolu_1", "name": "f", "input": json.loads(call)})
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
            "stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 5, "output_tokens": 7}}


def messages_stream(pieces, calls):
    def event(kind, **fields):
        return sse(dict({"type": kind}, **fields), kind)
    start = dict(messages_reply("", None), content=[], stop_reason=None)
    frames = [event("message_start", message=start),
              event("content_block_start", index=0, content_block={"type": "text", "text": ""})]
    frames += [event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece}) for piece in pieces]
    frames.append(event("content_block_stop", index=0))
    if calls:
        frames.append(event("content_block_start", index=1,
                            content_block={"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}))
        frames += [event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": piece})
                   for piece in calls]
        frames.append(event("content_block_stop", index=1))
    frames += [event("message_delta", delta={"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None},
                     usage={"output_tokens": 7}), event("message_stop")]
    return b"".join(frames)


def responses_items(text, call):
    items = [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
              "content": [{"type": "output_text", "text": text, "annotations": []}]}]
    if call:
        items.append({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": call,
                      "status": "completed"})
    return items


def responses_reply(text, call):
    return {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "previous_response_id": None,
            "output": responses_items(text, call), "usage": {
                "input_tokens": 5, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 12}}


def responses_stream(pieces, calls):
    count = iter(range(100000))

    def event(kind, **fields):
        return sse(dict({"type": kind, "sequence_number": next(count)}, **fields), kind)
    text, call = "".join(pieces), "".join(calls)
    final, items = responses_reply(text, call), responses_items(text, call)
    base = dict(final, status="in_progress", output=[], usage=None)
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = items[0]["content"][0]
    frames = [event("response.created", response=base),
              event("response.output_item.added", output_index=0, item=dict(items[0], status="in_progress", content=[])),
              event("response.content_part.added", part=dict(part, text=""), **place)]
    frames += [event("response.output_text.delta", delta=piece, **place) for piece in pieces]
    frames += [event("response.output_text.done", text=text, **place), event("response.content_part.done", part=part, **place),
               event("response.output_item.done", output_index=0, item=items[0])]
    if calls:
        place = {"item_id": "fc_1", "output_index": 1}
        frames.append(event("response.output_item.added", output_index=1,
                            item=dict(items[1], arguments="", status="in_progress")))
        frames += [event("response.function_call_arguments.delta", delta=piece, **place) for piece in calls]
        frames += [event("response.function_call_arguments.done", arguments=call, name="f", **place),
                   event("response.output_item.done", output_index=1, item=items[1])]
    return b"".join(frames + [event("response.completed", response=final)])


FORMATS = {"chat": (chat_reply, chat_stream), "completions": (completions_reply, completions_stream),
           "messages": (messages_reply, messages_stream), "responses": (responses_reply, responses_stream)}


def cut(text, sizes):
    """Pieces of text: a number of characters for each, or a list of places."""
    if isinstance(sizes, int):
        return [text[at:at + sizes] for at in range(0, len(text), sizes)]
    places = [0] + list(sizes) + [len(text)]
    return [text[a:b] for a, b in zip(places, places[1:]) if a < b]


def format_of(path):
    for name, end in (("chat", "/chat/completions"), ("completions", "/completions"), ("messages", "/messages"),
                      ("responses", "/responses")):
        if path.endswith(end):
            return name
    raise AssertionError(path)


def play(record, text, call, sizes):
    """What a provider says: the words in its own format, whole or as a stream of such pieces."""
    make, make_stream = FORMATS[format_of(record.path)]
    if not record.json.get("stream"):
        return [whole(make(text, call))]
    return [stream(make_stream(cut(text, sizes), cut(call, sizes) if call else []))]


def request_body(dialect, model, text, stream_it, **fields):
    body = {"model": model, "stream": stream_it}
    if dialect == "completions":
        body["prompt"] = text
    elif dialect == "responses":
        body["input"] = text
    else:
        body["messages"] = [{"role": "user", "content": text}]
        if dialect == "messages":
            body["max_tokens"] = 100
    return dict(body, **fields)


def read_whole(dialect, reply):
    """(text, arguments) of a reply that is no stream."""
    body = reply.json()
    if dialect == "chat":
        message = body["choices"][0]["message"]
        calls = message.get("tool_calls") or []
        return message["content"] or "", "".join(call["function"]["arguments"] for call in calls)
    if dialect == "completions":
        return body["choices"][0]["text"], ""
    if dialect == "messages":
        return ("".join(block["text"] for block in body["content"] if block["type"] == "text"),
                "".join(json.dumps(block["input"]) for block in body["content"] if block["type"] == "tool_use"))
    return read_response(body)


def read_response(body):
    text = "".join(part["text"] for item in body["output"] if item["type"] == "message" for part in item["content"])
    return text, "".join(item["arguments"] for item in body["output"] if item["type"] == "function_call")


def read_stream(dialect, reply):
    """The same of a stream; for Responses everything that repeats the words has to agree with them."""
    text, call = reply.text(), ""
    for item in reply.objects():
        for choice in item.get("choices") or []:
            for tool in choice.get("delta", {}).get("tool_calls") or []:
                call += tool["function"].get("arguments") or ""
        if item.get("type") == "content_block_delta":
            call += item["delta"].get("partial_json", "")
        elif item.get("type") == "response.function_call_arguments.delta":
            call += item["delta"]
        elif item.get("type") == "response.output_text.done":
            assert item["text"] == text, (item, text)
        elif item.get("type") == "response.function_call_arguments.done":
            assert item["arguments"] == call, (item, call)
        elif item.get("type") == "response.completed":
            assert read_response(item["response"]) == (text, call), (item, text, call)
    return text, call
