"""Models, embeddings, completions, counted tokens, raw heads."""
import anthropic
import openai
import pytest

from asks import api_of, body
from kit import ADAPTERS, PIXEL, WEATHER, claude, gpt, is_native, log_of, mark, record_of


def test_models():
    names = [model.id for model in gpt.models.list()]
    assert {f"{adapter}-plain" for adapter in ADAPTERS} <= set(names) and "smart" in names
    assert sorted(model.id for model in claude.models.list()) == sorted(names)
    assert gpt.models.retrieve("openai-plain").id == "openai-plain"
    assert claude.models.retrieve("anthropic-plain").type == "model"
    with pytest.raises(openai.NotFoundError):
        gpt.models.retrieve("none")
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("none")


@pytest.mark.parametrize("provider", ["openai", "azure_openai"])
def test_embeddings(provider):
    model, text = f"{provider}-embed", f"Vector {mark()}"
    asked = gpt.embeddings.create(model=model, input=text)  # this client asks for base64
    floats = gpt.embeddings.create(model=model, input=[text, "other"], encoding_format="float")
    assert asked.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-5)
    assert floats.data[0].embedding != floats.data[1].embedding
    assert len(gpt.embeddings.create(model=model, input=text, dimensions=4).data[0].embedding) == 4
    assert len(gpt.embeddings.create(model=model, input=[[1, 2, 3], [4, 5]]).data) == 2


def test_completions(adapter):
    prompt = f"Once {mark()}"
    whole = gpt.completions.create(model=f"{adapter}-plain", prompt=prompt, max_tokens=100)
    assert whole.choices[0].text == f"You said: {prompt}"
    chunks = gpt.completions.create(model=f"{adapter}-plain", prompt=prompt, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == f"You said: {prompt}"


def test_counted_tokens(adapter):
    content = [{"type": "text", "text": f"Count {mark()}"},
               {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}]
    wish = {"model": f"{adapter}-plain", "system": "Be kind", "messages": [{"role": "user", "content": content}]}
    tools = [{"name": WEATHER["name"], "input_schema": WEATHER["parameters"]}]
    less = claude.messages.count_tokens(**wish).input_tokens
    assert 10 < less < claude.messages.count_tokens(**wish, tools=tools).input_tokens < 4000


def test_heads(dialect, adapter):
    text = f"Hi {mark()}"
    raw = api_of(dialect).with_raw_response.create(**body(dialect, f"{adapter}-headers", text),
                                                   extra_body={"unheard_of": {"keep": []}})
    head = raw.headers
    line = log_of(head["x-request-id"])
    assert head["x-gateyes-provider"] == adapter and head["x-gateyes-model"] == f"{adapter}-headers"
    assert round(float(head["x-gateyes-cost"]) * 1e9) == line["cost_nanousd"]
    sent = record_of(text)["body"]
    if is_native(dialect, adapter):
        assert '"unheard_of":{"keep":[]}' in sent.replace(" ", "")
        assert "x-gateyes-dropped" not in head
    else:
        assert "unheard_of" not in sent
        assert "unheard_of" in head["x-gateyes-dropped"]
