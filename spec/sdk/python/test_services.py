"""Official clients at a published service: only base_url and the key change, whatever the protocol and the provider."""
import anthropic
import openai
import pytest
from kit import GATEWAY_URL
from test_admin import admin

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def team():
    admin("POST", "/admin/v1/tenants", {"id": "publisher"})
    admin("POST", "/admin/v1/services", {"tenant": "publisher", "name": "desk"})
    version = {"service": "publisher:desk", "model": "openai-plain", "models": ["*-plain", "openai-embed"], "system": "Be brief.",
               "prompt": "Say {{what}}.", "variables": {"what": {"required": True}}}
    admin("POST", "/admin/v1/service-versions", version)
    admin("POST", "/admin/v1/service-versions/publisher:desk:1/stage", {})
    admin("POST", "/admin/v1/services/publisher:desk/publish", {"version": 1})
    asked = admin("POST", "/admin/v1/subscriptions", {"service": "publisher:desk", "name": "sdk"})
    return admin("POST", f"/admin/v1/subscriptions/{asked['id']}/approve", {})["secret"]


def clients(key, root="/service/desk"):
    options = {"api_key": key, "base_url": GATEWAY_URL + root, "max_retries": 0, "timeout": 20}
    return openai.OpenAI(**options), anthropic.Anthropic(**options)


def test_chat(team, adapter, stream):
    gpt, _ = clients(team)
    reply = gpt.chat.completions.create(model=adapter + "-plain", messages=HELLO, stream=stream)
    text = "".join(part.choices[0].delta.content or "" for part in reply if part.choices) if stream else reply.choices[0].message.content
    assert text


def test_responses(team, adapter, stream):
    gpt, _ = clients(team)
    reply = gpt.responses.create(model=adapter + "-plain", input="Hello", stream=stream)
    if stream:
        reply = [event for event in reply if event.type == "response.completed"][-1].response
    assert reply.output_text
    assert gpt.responses.retrieve(reply.id).id == reply.id


def test_messages(team, adapter, stream):
    _, claude = clients(team)
    if stream:
        with claude.messages.stream(model=adapter + "-plain", max_tokens=100, messages=HELLO) as events:
            reply = events.get_final_message()
    else:
        reply = claude.messages.create(model=adapter + "-plain", max_tokens=100, messages=HELLO)
    assert reply.content[0].text
    assert claude.messages.count_tokens(model=adapter + "-plain", messages=HELLO).input_tokens > 0


def test_embeddings_and_completions(team):
    gpt, _ = clients(team)
    assert gpt.embeddings.create(model="openai-embed", input="x").data
    assert gpt.completions.create(model="openai-plain", prompt="Hello").choices[0].text


def test_invoke_reads_as_a_chat_completion(team):
    gpt, _ = clients(team)
    reply = gpt.post("/invoke", body={"variables": {"what": "yes"}}, cast_to=openai.types.chat.ChatCompletion)
    assert reply.choices[0].message.content
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.post("/invoke", body={"variables": {}}, cast_to=object)
    assert refused.value.param == "variables.what"


def test_refusals_are_the_clients_own(team):
    gpt, claude = clients(team)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        gpt.chat.completions.create(model="openai-tools", messages=HELLO)
    assert (refused.value.code, refused.value.param) == ("model_not_allowed", "model")
    with pytest.raises(anthropic.PermissionDeniedError):
        claude.messages.create(model="openai-tools", max_tokens=5, messages=HELLO)
    elsewhere, other = clients(team, "/v1")[0], clients(team, "")[1]
    with pytest.raises(openai.PermissionDeniedError):
        elsewhere.chat.completions.create(model="openai-plain", messages=HELLO)
    with pytest.raises(openai.PermissionDeniedError):
        elsewhere.models.list()
    with pytest.raises(anthropic.PermissionDeniedError):
        other.messages.create(model="openai-plain", max_tokens=5, messages=HELLO)
    missing = clients(team, "/service/nothing")
    with pytest.raises(openai.NotFoundError):
        missing[0].chat.completions.create(model="openai-plain", messages=HELLO)
    with pytest.raises(anthropic.NotFoundError):
        missing[1].messages.create(model="openai-plain", max_tokens=5, messages=HELLO)
