"""The least that each provider protocol can answer: for cases that are about the request alone."""
import json

USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def sse(objects, named):
    frames = []
    for one in objects:
        name = "event: %s\n" % one["type"] if named else ""
        frames.append("%sdata: %s\n\n" % (name, json.dumps(one)))
    return "".join(frames)


def chat(stream):
    base = {"id": "chatcmpl-1", "created": 1, "model": "m"}
    if not stream:
        return json.dumps({**base, "object": "chat.completion", "usage": USAGE, "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "a", "refusal": None}, "finish_reason": "stop"}]})
    base["object"] = "chat.completion.chunk"
    deltas = [({"role": "assistant", "content": "a"}, None), ({}, "stop")]
    return sse([{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} for delta, finish in deltas],
               False) + "data: [DONE]\n\n"


def completions(_stream):
    return json.dumps({"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "usage": USAGE,
                       "choices": [{"index": 0, "text": "a", "logprobs": None, "finish_reason": "stop"}]})


def messages(stream):
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None,
               "content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn",
               "usage": {"input_tokens": 1, "output_tokens": 1}}
    if not stream:
        return json.dumps(message)
    return sse([
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {"output_tokens": 1}},
        {"type": "message_stop"}], True)


def responses(stream):
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []}]}
    whole = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [item],
             "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
                       "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}}
    if not stream:
        return json.dumps(whole)
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    events = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": [], "status": "in_progress"}},
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place, "delta": "a", "logprobs": []},
        {"type": "response.output_text.done", **place, "text": "a", "logprobs": []},
        {"type": "response.content_part.done", **place, "part": {**part, "text": "a"}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole}]
    return sse([{**event, "sequence_number": number} for number, event in enumerate(events)], True)


def embeddings():
    return json.dumps({"object": "list", "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1},
                       "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.5]}]})


def plain(adapter, client, stream):
    """-> status, content type, body"""
    content_type = "text/event-stream" if stream else "application/json"
    if client == "embeddings":
        body = embeddings()
    elif client == "count_tokens":
        body = json.dumps({"input_tokens": 1})
    elif adapter == "anthropic":
        body = messages(stream)
    elif adapter in ("openai_responses", "azure_responses"):
        body = responses(stream)
    elif client == "completions":
        body = completions(stream)
    else:
        body = chat(stream)
    return 200, content_type, body.encode()
