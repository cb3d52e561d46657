"""Responses that are remembered: the gateway's own memory, whatever provider answered."""
import openai
import pytest

from kit import OPENAI, gpt, mark, record_of


def test_turns(adapter, stream):
    one, two = f"First {mark()}", f"Second {mark()}"

    def say(**wish):
        if not stream:
            return gpt.responses.create(model=f"{adapter}-plain", **wish)
        with gpt.responses.stream(model=f"{adapter}-plain", **wish) as running:
            return running.get_final_response()

    first = say(input=one)
    second = say(input=two, previous_response_id=first.id)
    assert second.output_text == f"You said: {two}"
    assert second.previous_response_id == first.id
    sent = record_of(two)["body"]
    assert one in sent and f"You said: {one}" in sent and first.id not in sent


def test_read_list_forget(adapter):
    text = f"Keep {mark()}"
    made = gpt.responses.create(model=f"{adapter}-plain", input=text, metadata={"a": "b"})
    read = gpt.responses.retrieve(made.id)
    assert read.output_text == f"You said: {text}" and read.metadata == {"a": "b"}
    items = list(gpt.responses.input_items.list(made.id))
    assert [item.content[0].text for item in items] == [text]
    stranger = openai.OpenAI(**{**OPENAI, "api_key": "gy-sdk-key-2"})
    with pytest.raises(openai.NotFoundError):
        stranger.responses.retrieve(made.id)
    gpt.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        gpt.responses.retrieve(made.id)


def test_a_background_stream_is_resumed(adapter):
    seen = []
    with gpt.responses.create(model=f"{adapter}-steady", input=mark(), background=True, stream=True) as running:
        for event in running:
            seen.append(event)
            if len(seen) == 8:
                break
    name = seen[0].response.id
    seen += gpt.responses.retrieve(name, stream=True, starting_after=seen[-1].sequence_number)
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert seen[-1].type == "response.completed" and seen[-1].response.id == name
    said = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert said == seen[-1].response.output_text == gpt.responses.retrieve(name).output_text
