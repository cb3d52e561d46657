// A client that leaves stops the provider at once, and what was made for it until then is counted.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { body, events } from './asks.mjs';
import { ADAPTERS, DIALECTS, anthropic, logLines, mark, openai, recordOf, until } from './kit.mjs';

const OVER = ['client_closed', 'reset'];
const whole = {
  chat: (wish, options) => openai.chat.completions.create(wish, options),
  responses: (wish, options) => openai.responses.create(wish, options),
  messages: (wish, options) => anthropic.messages.create(wish, options),
};

/* Of a few tries: a busy machine may hold up this client or the mock in one, the gateway must not in all. */
async function assertSoon(leave) {
  const late = [];
  do {
    const text = `Long ${mark()}`;
    const left = await leave(text);
    const record = await recordOf(text, (one) => OVER.includes(one.outcome));
    late.push(record.time_ms + record.abort_ms - left);
  } while (late.length < 5 && Math.min(...late) >= 100);
  assert.ok(Math.min(...late) < 100, `the provider worked on for ${late} ms`);
}

for (const dialect of DIALECTS) {
  for (const adapter of ADAPTERS) {
    describe(`${dialect} over ${adapter}`, () => {
      test('in the middle of a stream', async () => {
        await assertSoon(async (text) => {
          const stream = await events[dialect](body(dialect, { model: `${adapter}-slow`, text }));
          let seen = 0, left;
          for await (const event of stream) {
            if (++seen < 8) continue;
            left = Date.now();
            stream.controller.abort();
            break;
          }
          assert.ok(left);
          return left;
        });
        const line = await until('the log line', () => {
          return logLines().findLast((one) => one.requested_model === `${adapter}-slow` && one.status === 499
            && one.dialect === dialect);
        });
        assert.equal(line.usage_source, 'estimated');
        assert.ok(line.output_tokens > 0 && line.input_tokens > 0, JSON.stringify(line));
        assert.ok(line.cost_nanousd > 0);
      });
      test('before the first byte', async () => {
        await assertSoon(async (text) => {
          const leave = new AbortController();
          const call = whole[dialect](body(dialect, { model: `${adapter}-slow_head`, text }), { signal: leave.signal });
          call.catch(() => {});
          await recordOf(text);
          const left = Date.now();
          leave.abort();
          await assert.rejects(call, { name: /Error/ });
          return left;
        });
      });
    });
  }
}
