"""A client that leaves stops the provider at once, and what was made for it until then is counted."""
import asyncio
import time

import anthropic
import openai

from asks import api_of, body
from kit import ANTHROPIC, OPENAI, log_lines, mark, record_of, until

LEFT = ("client_closed", "reset")


def seen_late_ms(text, left):
    record = record_of(text, lambda one: one["outcome"] in LEFT)
    return record["time_ms"] + record["abort_ms"] - left * 1000


def test_in_the_middle_of_a_stream(dialect, adapter):
    text, left = f"Long {mark()}", None
    with api_of(dialect).create(**body(dialect, f"{adapter}-slow", text), stream=True) as stream:
        for count, _ in enumerate(stream):
            if count == 8:
                left = time.time()
                break
    assert seen_late_ms(text, left) < 100
    line = until("the log line", lambda: [
        one for one in log_lines() if one.get("requested_model") == f"{adapter}-slow" and one["status"] == 499
        and one["dialect"] == dialect])[-1]
    assert line["usage_source"] == "estimated"
    assert line["output_tokens"] > 0 and line["input_tokens"] > 0 and line["cost_nanousd"] > 0


def test_before_the_first_byte(dialect, adapter):
    text = f"Long {mark()}"

    async def leave():
        async with openai.AsyncOpenAI(**OPENAI) as gpt, anthropic.AsyncAnthropic(**ANTHROPIC) as claude:
            call = asyncio.create_task(api_of(dialect, gpt, claude).create(**body(dialect, f"{adapter}-slow_head", text)))
            await asyncio.to_thread(record_of, text)
            left = time.time()
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled()
            return left

    assert seen_late_ms(text, asyncio.run(leave())) < 100
