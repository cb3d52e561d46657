"""Each refusal of a provider becomes the exception that the official client has for it."""
import anthropic
import openai
import pytest

from asks import api_of, body
from kit import ANTHROPIC, OPENAI, claude, gpt, is_native, log_of, mark

ACCOUNT = (401, 402, 403)  # what concerns the operator's account at the provider is a 502
CLASSES = {400: "BadRequestError", 404: "NotFoundError", 409: "ConflictError", 422: "UnprocessableEntityError",
           429: "RateLimitError", 500: "InternalServerError", 502: "InternalServerError"}
TYPES = {400: "invalid_request_error", 404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error",
         500: "api_error", 502: "api_error", 529: "overloaded_error"}
STATUSES = [400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503, 529]


def library_of(dialect):
    return anthropic if dialect == "messages" else openai


@pytest.mark.parametrize("status", STATUSES)
def test_status(dialect, adapter, stream, status):
    library, seen = library_of(dialect), 502 if status in ACCOUNT else status
    made = body(dialect, f"{adapter}-status{status}", f"No {mark()}")
    with pytest.raises(library.APIStatusError) as caught:
        api_of(dialect).create(**made, stream=stream)
    failure = caught.value
    assert failure.status_code == seen
    assert isinstance(failure, getattr(library, CLASSES.get(seen, "APIStatusError")))
    assert not isinstance(failure, library.AuthenticationError)
    assert failure.request_id
    if seen == 502:
        assert "refused the gateway's credentials" in failure.message
        assert (failure.code if dialect != "messages" else failure.body["error"]["code"]) == "upstream_auth"
    else:
        assert f"refused with {status}" in failure.message
    if dialect == "messages" and seen in TYPES:
        assert failure.body["error"]["type"] == TYPES[seen]
    if status == 429:
        assert failure.response.headers["retry-after"] == "17"
    line = log_of(failure.response.headers["x-request-id"])
    assert line["status"] == seen and line["attempts"][0]["status"] == status


@pytest.mark.parametrize("kind", ["cut", "reset", "event_error", "malformed", "no_done"])
def test_broken_stream(dialect, adapter, kind):
    library, text = library_of(dialect), f"Break {mark()}"
    # A provider's own frames are relayed as they are: one that is no JSON fails in the client's parser.
    expected = (library.APIError, ValueError) if kind == "malformed" and is_native(dialect, adapter) else library.APIError
    with pytest.raises(expected):
        for event in api_of(dialect).create(**body(dialect, f"{adapter}-{kind}", text), stream=True):
            if getattr(event, "type", None) == "response.failed":
                raise openai.APIError(event.response.error.message, request=None, body=None)


@pytest.mark.parametrize("options, model, status, name, kind", [
    ({"api_key": "gy-wrong-key"}, "openai-plain", 401, "AuthenticationError", "authentication_error"),
    ({"api_key": "gy-sdk-key-2"}, "anthropic-plain", 403, "PermissionDeniedError", "permission_error"),
    ({}, "no-such-model", 404, "NotFoundError", "not_found_error"),
])
def test_gateway_refuses(dialect, options, model, status, name, kind):
    library = library_of(dialect)
    api = api_of(dialect, openai.OpenAI(**{**OPENAI, **options}), anthropic.Anthropic(**{**ANTHROPIC, **options}))
    with pytest.raises(getattr(library, name)) as caught:
        api.create(**body(dialect, model, "Hi"))
    assert caught.value.status_code == status and caught.value.request_id
    assert "gy-" not in caught.value.message
    if dialect == "messages":
        assert caught.value.body["error"]["type"] == kind


def test_bodies_that_make_no_sense():
    with pytest.raises(openai.BadRequestError):
        gpt.chat.completions.create(model="anthropic-plain", messages="no list")
    with pytest.raises(openai.BadRequestError):
        gpt.responses.create(model="anthropic-plain", input=7)
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model="openai-plain", max_tokens=5, messages=[{"role": "nobody"}])
