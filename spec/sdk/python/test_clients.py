"""Asynchronous clients, other ways to set a client up, and what happens around calls."""
import asyncio
import json
import socket
import time

import anthropic
import openai
import pytest

from asks import api_of, body
from kit import ANTHROPIC, GATEWAY_URL, KEY, OPENAI, PIXEL, claude, gpt, mark, records_of

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
END = {"chat": b"[DONE]", "responses": b"response.completed", "messages": b"message_stop"}
MODELS = ["openai-plain", "anthropic-plain", "openai_responses-plain", "azure_openai-plain"]


async def say(gpt, claude, i, text):
    model = MODELS[i % 4]
    if i % 3 == 0:
        async with claude.messages.stream(**body("messages", model, text)) as stream:
            return await stream.get_final_text()
    if i % 3 == 1:
        async with gpt.chat.completions.stream(**body("chat", model, text)) as stream:
            return (await stream.get_final_completion()).choices[0].message.content
    return (await gpt.responses.create(**body("responses", model, text))).output_text


def test_a_hundred_at_once():
    texts = [f"Many {mark()}" for _ in range(100)]

    async def everything():
        async with openai.AsyncOpenAI(**OPENAI) as gpt, anthropic.AsyncAnthropic(**ANTHROPIC) as claude:
            return await asyncio.gather(*(say(gpt, claude, i, text) for i, text in enumerate(texts)))

    assert asyncio.run(everything()) == [f"You said: {text}" for text in texts]


def test_azure_client():
    azure = openai.AzureOpenAI(azure_endpoint=GATEWAY_URL, api_key=KEY, api_version="2024-10-21", max_retries=0)
    for model in MODELS:
        text = f"Hello {mark()}"
        made = body("chat", model, text)
        assert azure.chat.completions.create(**made).choices[0].message.content == f"You said: {text}"
        chunks = azure.chat.completions.create(**made, stream=True)
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == f"You said: {text}"


def test_bearer_token_for_anthropic():
    client = anthropic.Anthropic(**{**ANTHROPIC, "api_key": None, "auth_token": KEY})
    assert client.messages.create(**body("messages", "openai-plain", "Hi")).id


def test_streaming_response(dialect):
    made = body(dialect, "openai-plain", f"Hello {mark()}")
    with api_of(dialect).with_streaming_response.create(**made) as response:
        assert response.headers["content-type"] == "application/json"
        assert "You said: Hello" in "".join(response.iter_text())


@pytest.mark.parametrize("adapter", ["openai_responses", "azure_openai"])
@pytest.mark.parametrize("kind", ["chat", "messages"])
def test_waits_as_long_as_the_provider_says(adapter, kind):
    patient = api_of(kind, openai.OpenAI(**{**OPENAI, "max_retries": 2}),
                     anthropic.Anthropic(**{**ANTHROPIC, "max_retries": 2}))
    text, started = f"Again {mark()}", time.monotonic()
    assert patient.create(**body(kind, f"{adapter}-flaky_{kind}", text)).id
    assert time.monotonic() - started >= 1
    assert len(records_of(text)) == 2


def test_more_than_the_limit():
    url = "data:image/png;base64," + PIXEL * 240000
    with pytest.raises(openai.APIStatusError) as caught:
        gpt.chat.completions.create(**body("chat", "openai-plain", "x", images=[url]))
    assert caught.value.status_code == 413
    with pytest.raises(anthropic.APIStatusError) as caught:
        claude.messages.create(**body("messages", "openai-plain", "x", images=[url]))
    assert caught.value.status_code == 413
    assert caught.value.body["error"]["type"] == "request_too_large"


@pytest.mark.parametrize("call", [
    lambda: gpt.images.generate(model="openai-plain", prompt="x"),
    lambda: gpt.moderations.create(input="x"),
    lambda: gpt.files.list(),
    lambda: claude.messages.batches.list(),
], ids=["images", "moderations", "files", "batches"])
def test_what_is_not_there(call):
    with pytest.raises((openai.NotFoundError, anthropic.NotFoundError)) as caught:
        call()
    assert caught.value.request_id


def test_client_timeout(dialect):
    library = anthropic if dialect == "messages" else openai
    api = api_of(dialect, gpt.with_options(timeout=0.3), claude.with_options(timeout=0.3))
    with pytest.raises(library.APITimeoutError):
        api.create(**body(dialect, "openai-slow_head", "Hi"))


@pytest.mark.parametrize("model", ["anthropic-long", "openai_responses-long", "openai-long"])
def test_reader_that_lags_behind_the_end(dialect, model):
    """That the request ends all the same shows when the gateway stops: run.py waits for it."""
    sent = json.dumps({**body(dialect, model, f"Hi {mark()}", limit=20000), "stream": True}).encode()
    host, port = GATEWAY_URL.removeprefix("http://").split(":")
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect((host, int(port)))
        raw.sendall(f"POST {PATHS[dialect]} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n"
                    f"content-type: application/json\r\ncontent-length: {len(sent)}\r\n\r\n".encode() + sent)
        time.sleep(0.3)
        seen = b"".join(iter(lambda: raw.recv(65536), b""))
    assert seen.endswith(b"0\r\n\r\n")
    assert b"w3000 " in seen and END[dialect] in seen[-100000:]
