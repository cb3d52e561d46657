"""What every test needs: the clients, and what the mock and the gateway's log say of a request."""
import itertools
import json
import os
import time
import urllib.request

import anthropic
import openai

GATEWAY_URL, MOCK_URL = os.environ["GATEWAY_URL"], os.environ["MOCK_URL"]
KEY, LOG = os.environ["GATEWAY_KEY"], os.environ["GATEWAY_LOG"]
ADAPTERS = ["openai", "openai_responses", "anthropic", "azure_openai"]
DIALECTS = ["chat", "responses", "messages"]
NATIVE = {"chat": ["openai", "azure_openai"], "responses": ["openai_responses"], "messages": ["anthropic"]}
OPENAI = {"api_key": KEY, "base_url": GATEWAY_URL + "/v1", "max_retries": 0, "timeout": 20}
ANTHROPIC = {"api_key": KEY, "base_url": GATEWAY_URL, "max_retries": 0, "timeout": 20}
gpt = openai.OpenAI(**OPENAI)
claude = anthropic.Anthropic(**ANTHROPIC)

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {"name": "get_weather", "description": "Weather of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"], "additionalProperties": False}}
CLOCK = {"name": "get_time", "description": "Time of a zone", "parameters": {
    "type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"],
    "additionalProperties": False}}

_marks = itertools.count()


def mark():
    return f"p{os.getpid()}x{next(_marks)}z"


def is_native(dialect, adapter):
    return adapter in NATIVE[dialect]


def until(what, ask, timeout_s=5):
    """Asks until the answer is true: what it asks about happens in another process."""
    end = time.monotonic() + timeout_s
    while True:
        found = ask()
        if found:
            return found
        assert time.monotonic() < end, f"not seen within {timeout_s} s: {what}"
        time.sleep(0.02)


def records_of(text):
    with urllib.request.urlopen(MOCK_URL + "/mock/requests?last=400") as answer:
        listed = json.load(answer)
    listed = listed if isinstance(listed, list) else listed.get("requests", listed.get("data"))
    return [record for record in listed if text in record.get("body", "")]


def record_of(text, is_ready=lambda record: True):
    return until(f"a record with {text}", lambda: [r for r in records_of(text)[-1:] if is_ready(r)])[0]


def log_lines():
    with open(LOG) as log:
        lines = [json.loads(line) for line in log.read().split("\n")[:-1]]
    return [line for line in lines if line.get("event") == "request"]


def log_of(request_id):
    return until(f"the log line of {request_id}",
                 lambda: [line for line in log_lines() if line["request_id"] == request_id])[0]
