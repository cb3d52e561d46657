"""Every protocol over every adapter: what was asked is what comes back, whole and as a stream."""
from asks import ask
from kit import CLOCK, PIXEL, WEATHER, mark, record_of

PICTURES = [f"data:image/png;base64,{PIXEL}", "https://example.com/cat.png"]


def test_plain(dialect, adapter, stream):
    text = f"Hello {mark()}"
    reply = ask(dialect, f"{adapter}-strict", text, stream=stream)
    assert reply.text == f"You said: {text}"
    assert reply.finish == "stop" and not reply.calls
    assert reply.usage["output"] == -(-len(reply.text) // 4)
    assert reply.usage["input"] == 3 + 4 + -(-len(text) // 4)


def test_unicode(dialect, adapter, stream):
    text = f"Grüße \U0001f600 世界 \\\"quoted\" \t {mark()}"
    assert ask(dialect, f"{adapter}-plain", text, stream=stream).text == f"You said: {text}"


def test_length(dialect, adapter, stream):
    text = f"Hello {mark()} " + "long " * 30
    reply = ask(dialect, f"{adapter}-plain", text, stream=stream, limit=16)
    assert reply.finish == "length"
    assert len(reply.text) <= 64 and f"You said: {text}".startswith(reply.text)


def test_tools(dialect, adapter, stream):
    reply = ask(dialect, f"{adapter}-tools", f"Rain? {mark()}", stream=stream, tools=[WEATHER, CLOCK])
    assert reply.finish == "tools"
    assert [call.name for call in reply.calls] == ["get_weather"]
    assert isinstance(reply.calls[0].input["city"], str) and isinstance(reply.calls[0].input["days"], int)


def test_parallel_tools(dialect, adapter, stream):
    reply = ask(dialect, f"{adapter}-parallel", f"Rain? {mark()}", stream=stream, tools=[WEATHER, CLOCK])
    assert [call.name for call in reply.calls] == ["get_weather", "get_time"]
    assert reply.calls[0].id != reply.calls[1].id


def test_images(dialect, adapter, stream):
    text = f"Look {mark()}"
    reply = ask(dialect, f"{adapter}-plain", text, stream=stream, images=PICTURES)
    assert reply.text == f"You said: {text} I see 2 images."
    sent = record_of(text)["body"]
    assert PIXEL in sent and PICTURES[1] in sent


def test_reasoning(dialect, adapter, stream):
    text = f"Think {mark()}"
    reply = ask(dialect, f"{adapter}-reason", text, stream=stream, effort="medium")
    assert reply.reasoning == f"The user wrote {len(text)} bytes. I answer in one sentence."
    assert reply.text == f"You said: {text}"
    assert 0 < reply.usage["reasoning"] < reply.usage["output"]


def test_refusal(dialect, adapter, stream):
    reply = ask(dialect, f"{adapter}-refusal", f"Bad {mark()}", stream=stream)
    assert (reply.refusal or reply.text) == "I will not say that"
