"""Every answer and every event against the clients' own types, strictly: the clients themselves accept what lacks
members that their types promise, and the code behind them then finds None."""
import functools
import json
import typing
import urllib.request

import pydantic
import pytest
from anthropic import types as claude_types
from anthropic.types import beta as beta_types
from openai import types as gpt_types
from openai.types import chat as chat_types
from openai.types import responses as response_types

from asks import body
from kit import CLOCK, GATEWAY_URL, KEY, WEATHER, claude

KINDS = ["plain", "parallel", "reason", "refusal", "written"]
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
WHOLE = {"chat": chat_types.ChatCompletion, "messages": claude_types.Message, "responses": response_types.Response}
EVENTS = {"chat": chat_types.ChatCompletionChunk, "messages": claude_types.RawMessageStreamEvent,
          "responses": response_types.ResponseStreamEvent}


def ask(path, sent=None):
    request = urllib.request.Request(GATEWAY_URL + path, sent and json.dumps(sent).encode(), {
        "Authorization": "Bearer " + KEY, "Content-Type": "application/json", "anthropic-version": "2023-06-01"})
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


judge_of = functools.cache(pydantic.TypeAdapter)


@functools.cache
def members(union):
    if typing.get_origin(union) is typing.Annotated:
        return members(typing.get_args(union)[0])
    found = typing.get_args(union)
    return [one for part in found for one in members(part)] if found else [union]


def named(union, value):
    """The member of a union whose `type` the value names: of a failed union nobody could read what is missing."""
    for one in members(union):
        field = getattr(one, "model_fields", {}).get("type")
        if field and value.get("type") in typing.get_args(field.annotation):
            return one
    return union


def take(holder, name, union, stand_in):
    """Judges the parts of a list or one part by themselves, and leaves a part that passes in their place."""
    for part in holder[name] if isinstance(holder[name], list) else [holder[name]]:
        judge(union, part)
    holder[name] = [] if isinstance(holder[name], list) else stand_in


def judge(union, value):
    value = dict(value)
    for holder in (value, value["response"] if isinstance(value.get("response"), dict) else {}):
        if "output" in holder and isinstance(holder["output"], list):
            take(holder, "output", response_types.ResponseOutputItem, None)
    if value.get("type") == "message" and "usage" in value:
        take(value, "content", claude_types.ContentBlock, None)
    if isinstance(value.get("item"), dict):
        take(value, "item", response_types.ResponseOutputItem, {"type": "reasoning", "id": "r", "summary": []})
    if isinstance(value.get("content_block"), dict):
        take(value, "content_block", claude_types.ContentBlock, {"type": "text", "text": ""})
    judge_of(named(union, value)).validate_python(value)


def asked(dialect, adapter, kind):
    tools = [WEATHER, CLOCK] if kind == "parallel" else None
    return body(dialect, f"{adapter}-{kind}", "Hello", tools=tools, effort="low" if kind == "reason" else None)


@pytest.mark.parametrize("kind", KINDS)
def test_whole(dialect, adapter, kind):
    judge(WHOLE[dialect], json.loads(ask(PATHS[dialect], asked(dialect, adapter, kind))))


@pytest.mark.parametrize("kind", KINDS)
def test_streams(dialect, adapter, kind):
    sent = {**asked(dialect, adapter, kind), "stream": True}
    if dialect == "chat":
        sent["stream_options"] = {"include_usage": True}
    lines = [line[6:] for line in ask(PATHS[dialect], sent).splitlines() if line.startswith("data: {")]
    events = [event for event in map(json.loads, lines) if event.get("type") != "ping"]
    assert len(events) > 2
    for event in events:
        judge(EVENTS[dialect], event)


def test_models_and_counts():
    judge(claude_types.ModelInfo, json.loads(ask("/v1/models/anthropic-plain")))
    judge(beta_types.BetaModelInfo, json.loads(ask("/v1/models/smart")))
    assert claude.models.retrieve("anthropic-plain").lifecycle == "active"
    counted = ask("/v1/messages/count_tokens", {"model": "openai-plain", "messages": [{"role": "user", "content": "a"}]})
    judge(claude_types.MessageTokensCount, json.loads(counted))
    judge(gpt_types.Completion, json.loads(ask("/v1/completions", {"model": "anthropic-plain", "prompt": "a"})))
