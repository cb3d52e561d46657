"""One request in each protocol's words, and each protocol's answer in common words."""
import json
from types import SimpleNamespace

import openai

from kit import claude, gpt

FINISHES = {"stop": "stop", "end_turn": "stop", "completed": "stop", "length": "length", "max_tokens": "length",
            "tool_calls": "tools", "tool_use": "tools", "stop_sequence": "stop", "refusal": "refusal",
            "max_output_tokens": "length"}


def tool_of(dialect, tool):
    if dialect == "chat":
        return {"type": "function", "function": tool}
    if dialect == "responses":
        return {"type": "function", "strict": True, **tool}
    return {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}


def image_of(dialect, url):
    if dialect == "chat":
        return {"type": "image_url", "image_url": {"url": url}}
    if dialect == "responses":
        return {"type": "input_image", "image_url": url, "detail": "auto"}
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, data = url[5:].split(";base64,")
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def body(dialect, model, text, *, tools=None, images=None, effort=None, limit=None, **rest):
    made = {"model": model, **rest}
    if tools:
        made["tools"] = [tool_of(dialect, tool) for tool in tools]
    content = text
    if images:
        kind = "input_text" if dialect == "responses" else "text"
        content = [{"type": kind, "text": text}, *(image_of(dialect, url) for url in images)]
    if dialect == "responses":
        made["input"] = [{"role": "user", "content": content}]
        if effort:
            made["reasoning"] = {"effort": effort, "summary": "auto"}
        if limit:
            made["max_output_tokens"] = limit
        return made
    made["messages"] = [{"role": "user", "content": content}]
    if dialect == "messages":
        made["max_tokens"] = limit or 4000
        if effort:
            made["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        return made
    if effort:
        made["reasoning_effort"] = effort
    if limit:
        made["max_completion_tokens"] = limit
    return made


def _usage(given, cached, output, reasoning):
    return {"input": given, "cached": cached, "output": output, "reasoning": reasoning}


def _read_chat(raw):
    choice, usage = raw.choices[0], raw.usage
    message = choice.message
    calls = [SimpleNamespace(id=call.id, name=call.function.name, input=json.loads(call.function.arguments))
             for call in message.tool_calls or []]
    prompt, made = usage.prompt_tokens_details, usage.completion_tokens_details
    return SimpleNamespace(
        text=message.content or "", refusal=message.refusal, finish=FINISHES.get(choice.finish_reason), calls=calls,
        reasoning=getattr(message, "reasoning_content", None) or "",
        usage=_usage(usage.prompt_tokens, prompt and prompt.cached_tokens or 0, usage.completion_tokens,
                     made and made.reasoning_tokens or 0))


def _read_responses(raw):
    calls = [SimpleNamespace(id=item.call_id, name=item.name, input=json.loads(item.arguments))
             for item in raw.output if item.type == "function_call"]
    parts = [part for item in raw.output if item.type == "message" for part in item.content]
    thoughts = [part.text for item in raw.output if item.type == "reasoning"
                for part in [*item.summary, *(item.content or [])]]
    status = raw.incomplete_details.reason if raw.status == "incomplete" else raw.status
    usage = raw.usage
    return SimpleNamespace(
        text=raw.output_text, refusal=next((p.refusal for p in parts if p.type == "refusal"), None), calls=calls,
        finish="tools" if calls else FINISHES.get(status), reasoning="".join(thoughts),
        usage=_usage(usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens,
                     usage.output_tokens_details.reasoning_tokens))


def _read_messages(raw):
    text = "".join(block.text for block in raw.content if block.type == "text")
    usage, cached = raw.usage, raw.usage.cache_read_input_tokens or 0
    details = getattr(usage, "output_tokens_details", None)
    return SimpleNamespace(
        text=text, refusal=text if raw.stop_reason == "refusal" else None, finish=FINISHES.get(raw.stop_reason),
        reasoning="".join(block.thinking for block in raw.content if block.type == "thinking"),
        calls=[SimpleNamespace(id=b.id, name=b.name, input=b.input) for b in raw.content if b.type == "tool_use"],
        usage=_usage(usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0), cached,
                     usage.output_tokens, details and details.thinking_tokens or 0))


READERS = {"chat": _read_chat, "responses": _read_responses, "messages": _read_messages}


def api_of(dialect, gpt=gpt, claude=claude):
    return {"chat": gpt.chat.completions, "responses": gpt.responses, "messages": claude.messages}[dialect]


def _streamed(dialect, made):
    """The clients' own assembly of a stream."""
    if dialect == "messages":
        with claude.messages.stream(**made) as stream:
            return stream.get_final_message()
    if dialect == "responses":
        with gpt.responses.stream(**made) as stream:
            last = [event for event in stream][-1]
        return last.response  # get_final_response knows response.completed alone
    with gpt.chat.completions.stream(**made, stream_options={"include_usage": True}) as stream:
        try:
            return stream.get_final_completion()
        except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError):
            return stream.current_completion_snapshot


def ask(dialect, model, text, *, stream=False, **wish):
    made = body(dialect, model, text, **wish)
    raw = _streamed(dialect, made) if stream else api_of(dialect).create(**made)
    reply = READERS[dialect](raw)
    reply.raw = raw
    return reply
