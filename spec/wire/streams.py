"""Small streams of 20 content frames in each provider's format, and how a client judges their end."""
import json

WORDS = ["w%02d " % i for i in range(20)]


def sse(data, name=None):
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    return (("event: %s\n" % name if name else "") + "data: %s\n\n" % text).encode()


def chat_frames():
    frames = [sse({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                   "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})]
    frames += [sse({"choices": [{"index": 0, "delta": {"content": word}}]}) for word in WORDS]
    frames.append(sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
    frames.append(sse({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 20, "total_tokens": 25}}))
    return frames + [sse("[DONE]")]


def messages_frames():
    def event(kind, **fields):
        return sse(dict({"type": kind}, **fields), kind)
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
             "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 1}}
    frames = [event("message_start", message=start),
              event("content_block_start", index=0, content_block={"type": "text", "text": ""})]
    frames += [event("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in WORDS]
    frames += [event("content_block_stop", index=0),
               event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 20})]
    return frames + [event("message_stop")]


def responses_frames():
    count = iter(range(100))

    def event(kind, **fields):
        return sse(dict({"type": kind, "sequence_number": next(count)}, **fields), kind)
    base = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "in_progress", "output": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    text = "".join(WORDS)
    part = {"type": "output_text", "text": text, "annotations": []}
    done = dict(item, status="completed", content=[part])
    frames = [event("response.created", response=base),
              event("response.output_item.added", output_index=0, item=item),
              event("response.content_part.added", part=dict(part, text=""), **place)]
    frames += [event("response.output_text.delta", delta=word, **place) for word in WORDS]
    frames += [event("response.output_text.done", text=text, **place), event("response.content_part.done", part=part, **place),
               event("response.output_item.done", output_index=0, item=done)]
    usage = {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 20,
             "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 25}
    return frames + [event("response.completed", response=dict(base, status="completed", output=[done], usage=usage))]


FRAMES = {"chat": chat_frames(), "messages": messages_frames(), "responses": responses_frames()}
BODIES = {name: b"".join(frames) for name, frames in FRAMES.items()}
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}


def is_complete(dialect, reply):
    """A client of that protocol would take the stream for a complete answer."""
    events = reply.events()
    if dialect == "chat":
        return any(data == "[DONE]" for _, data in events)
    wanted = {"messages": "message_stop", "responses": "response.completed"}[dialect]
    return any(json.loads(data).get("type") == wanted for _, data in events)


def has_error_event(dialect, reply):
    """The protocol's own error event, as the last one."""
    events = reply.events()
    if not events:
        return False
    name, data = events[-1]
    if data == "[DONE]":
        return False
    last = json.loads(data)
    if dialect == "chat":
        return name is None and isinstance(last.get("error"), dict) and bool(last["error"].get("message"))
    if dialect == "messages":
        return name == "error" and last.get("type") == "error" and bool(last["error"].get("message"))
    return name == "response.failed" and last["response"]["status"] == "failed" and bool(last["response"]["error"]["message"])
