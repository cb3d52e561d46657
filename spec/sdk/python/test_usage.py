"""Tokens as the client sees them, as the provider reported them, and as they are charged."""
import pytest

from asks import ask
from kit import log_lines, mark, until

# Nano-dollars per token, as gateyes.lua says them.
PRICE = {"input_tokens": 2003, "cache_read_tokens": 207, "cache_write_5m_tokens": 3011, "output_tokens": 10013}
REASONING = 13017

WANTED = {
    "counted": ({"input": 1200, "cached": 200, "output": 345, "reasoning": 45},
                {"input_tokens": 1000, "cache_read_tokens": 200, "output_tokens": 345, "reasoning_tokens": 45}),
    "written": ({"input": 1200, "cached": 200, "output": 345},
                {"input_tokens": 700, "cache_read_tokens": 200, "cache_write_5m_tokens": 300, "output_tokens": 345}),
}
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}


def cost(line):
    plain = sum(line.get(name, 0) * price for name, price in PRICE.items())
    return plain + line["reasoning_tokens"] * (REASONING - PRICE["output_tokens"])


@pytest.mark.parametrize("kind", WANTED)
def test_usage(dialect, adapter, stream, kind):
    model, (seen, charged) = f"{adapter}-{kind}", WANTED[kind]
    reply = ask(dialect, model, f"Count {mark()}", stream=stream)
    assert {name: reply.usage[name] for name in seen} == seen
    line = until("the log line", lambda: [
        one for one in log_lines() if one.get("requested_model") == model and one["path"] == PATHS[dialect]
        and one["stream"] == stream])[-1]
    assert line["usage_source"] == "provider"
    assert {name: line[name] for name in charged} == charged
    assert line["cost_nanousd"] == cost(line)
