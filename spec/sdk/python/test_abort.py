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


def soonest_ms(leave):
    """Of a few tries: a busy machine may hold up this client or the mock in one, the gateway must not in all."""
    late = []
    while len(late) < 5 and not (late and min(late) < 100):
        text = f"Long {mark()}"
        late.append(seen_late_ms(text, leave(text)))
    return min(late)


def test_in_the_middle_of_a_stream(dialect, adapter):
    def leave(text):
        with api_of(dialect).create(**body(dialect, f"{adapter}-slow", text), stream=True) as stream:
            for count, _ in enumerate(stream):
                if count == 8:
                    return time.time()

    assert soonest_ms(leave) < 100
    line = until("the log line", lambda: [
        one for one in log_lines() if one.get("requested_model") == f"{adapter}-slow" and one["status"] == 499
        and one["dialect"] == dialect])[-1]
    assert line["usage_source"] == "estimated"
    assert line["output_tokens"] > 0 and line["input_tokens"] > 0 and line["cost_nanousd"] > 0


def test_before_the_first_byte(dialect, adapter):
    async def leave(text):
        async with openai.AsyncOpenAI(**OPENAI) as gpt, anthropic.AsyncAnthropic(**ANTHROPIC) as claude:
            call = asyncio.create_task(api_of(dialect, gpt, claude).create(**body(dialect, f"{adapter}-slow_head", text)))
            await asyncio.to_thread(record_of, text)
            left = time.time()
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled()
            return left

    assert soonest_ms(lambda text: asyncio.run(leave(text))) < 100
