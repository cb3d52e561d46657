"""What the clients do on top of the protocols: parsed output, tools that run by themselves, several turns."""
import json

import anthropic
import openai
import pydantic
import pytest

from asks import body
from kit import WEATHER, claude, gpt, mark, records_of


class Person(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    name: str
    age: int
    tags: list[str]


def messages_of(text):
    return [{"role": "user", "content": text}]


def test_chat_parse(adapter, stream):
    wish = {"model": f"{adapter}-plain", "messages": messages_of(f"Who? {mark()}"), "response_format": Person}
    if stream:
        with gpt.chat.completions.stream(**wish) as running:
            reply = running.get_final_completion()
    else:
        reply = gpt.chat.completions.parse(**wish)
    assert isinstance(reply.choices[0].message.parsed, Person)


def test_responses_parse(adapter, stream):
    wish = {"model": f"{adapter}-plain", "input": f"Who? {mark()}", "text_format": Person}
    if stream:
        with gpt.responses.stream(**wish) as running:
            reply = running.get_final_response()
    else:
        reply = gpt.responses.parse(**wish)
    assert isinstance(reply.output_parsed, Person)


def test_messages_parse(adapter, stream):
    wish = {"model": f"{adapter}-plain", "max_tokens": 900, "messages": messages_of(f"Who? {mark()}"),
            "output_format": Person}
    if stream:
        with claude.messages.stream(**wish) as running:
            reply = running.get_final_message()
    else:
        reply = claude.messages.parse(**wish)
    assert isinstance(reply.parsed_output, Person)


def test_parsed_arguments(adapter):
    class GetWeather(pydantic.BaseModel):
        city: str

    reply = gpt.chat.completions.parse(model=f"{adapter}-tools", messages=messages_of(f"Rain? {mark()}"),
                                       tools=[openai.pydantic_function_tool(GetWeather)])
    assert isinstance(reply.choices[0].message.tool_calls[0].function.parsed_arguments, GetWeather)


def test_tool_runner(adapter, stream):
    seen = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Weather of a city."""
        seen.append(city)
        return f"rain in {city}"

    runner = claude.beta.messages.tool_runner(
        model=f"{adapter}-tools", max_tokens=900, messages=messages_of(f"Weather? {mark()}"), tools=[get_weather],
        max_iterations=4, stream=stream)
    last = runner.until_done()
    assert len(seen) == 1
    assert "".join(block.text for block in last.content) == f"The tool said: rain in {seen[0]}"


def test_chat_tool_turns(adapter):
    text = f"Weather? {mark()}"
    wish = {"model": f"{adapter}-parallel", "tools": [{"type": "function", "function": WEATHER}]}
    first = gpt.chat.completions.create(**wish, messages=messages_of(text)).choices[0].message
    assert len(first.tool_calls) == 2
    results = [{"role": "tool", "tool_call_id": call.id, "content": json.dumps({"n": i})}
               for i, call in enumerate(first.tool_calls)]
    second = gpt.chat.completions.create(**wish, messages=[*messages_of(text), first, *results])
    assert second.choices[0].message.content == 'The tool said: {"n": 1}'


def test_thinking_keeps_its_signature(adapter, stream):
    wish = body("messages", f"{adapter}-reason", f"Weather? {mark()}", tools=[WEATHER], effort="medium")

    def say(messages):
        made = {**wish, "messages": messages}
        if not stream:
            return claude.messages.create(**made)
        with claude.messages.stream(**made) as running:
            return running.get_final_message()

    first = say(wish["messages"])
    assert [block.type for block in first.content] == ["thinking", "tool_use"]
    result = {"type": "tool_result", "tool_use_id": first.content[1].id, "content": "dry"}
    second = say([*wish["messages"], {"role": "assistant", "content": first.content},
                  {"role": "user", "content": [result]}])
    assert second.content[-1].text == "The tool said: dry"


@pytest.mark.parametrize("kind", ["reason", "redacted"])
def test_encrypted_reasoning_returns(adapter, kind, stream):
    text = f"Weather? {mark()}"
    wish = {"model": f"{adapter}-{kind}", "tools": [{"type": "function", "strict": True, **WEATHER}], "store": False,
            "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low", "summary": "auto"}}

    def say(items):
        if not stream:
            return gpt.responses.create(**wish, input=items)
        with gpt.responses.stream(**wish, input=items) as running:
            return running.get_final_response()

    first = say(messages_of(text))
    call = next(item for item in first.output if item.type == "function_call")
    reasoning = next(item for item in first.output if item.type == "reasoning")
    # The client's parsed objects go back as a caller sends them, without what the parser added.
    items = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    second = say([*messages_of(text), *items, {"type": "function_call_output", "call_id": call.call_id,
                                               "output": "dry"}])
    assert second.output_text == "The tool said: dry"
    sent = records_of(text)[-1]["body"]
    if adapter == "openai_responses":
        assert reasoning.encrypted_content in sent
    if adapter == "anthropic":
        assert ('"signature":"sig-' if kind == "reason" else "redacted_thinking") in sent
