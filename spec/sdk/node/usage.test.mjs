// Tokens as the client sees them, as the provider reported them, and as they are charged.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ask } from './asks.mjs';
import { ADAPTERS, DIALECTS, isNative, logLines, mark, until } from './kit.mjs';

// Nano-dollars per token, as gateyes.lua says them.
const PRICE = { input: 2003, cacheRead: 207, cacheWrite: 3011, output: 10013, reasoning: 13017 };
const cost = (u) => u.input * PRICE.input + u.cacheRead * PRICE.cacheRead + u.cacheWrite * PRICE.cacheWrite
  + (u.output - u.reasoning) * PRICE.output + u.reasoning * PRICE.reasoning;

const lineOf = (model, path, stream) => until(`a log line of ${model}`, () =>
  logLines().find((line) => line.requested_model === model && line.path === path && line.stream === stream));
const PATHS = { chat: '/v1/chat/completions', responses: '/v1/responses', messages: '/v1/messages' };

for (const dialect of DIALECTS) {
  for (const adapter of ADAPTERS) {
    for (const stream of [false, true]) {
      const name = `${dialect} over ${adapter}${stream ? ', streamed' : ''}`;
      test(`cached and reasoning tokens: ${name}`, async () => {
        const model = `${adapter}-counted`;
        const { usage } = await ask(dialect, { model, text: `Count ${mark()}` }, { stream });
        assert.deepEqual(usage, { input: 1200, cached: 200, output: 345, reasoning: 45, total: 1545 });
        const line = await lineOf(model, PATHS[dialect], stream);
        assert.equal(line.usage_source, 'provider');
        assert.equal(line.input_tokens, 1000);
        assert.equal(line.cache_read_tokens, 200);
        assert.equal(line.output_tokens, 345);
        assert.equal(line.reasoning_tokens, 45);
        assert.equal(line.cost_nanousd, cost({ input: 1000, cacheRead: 200, cacheWrite: 0, output: 345, reasoning: 45 }));
      });
      test(`cache writes: ${name}`, async () => {
        const model = `${adapter}-written`;
        const { usage } = await ask(dialect, { model, text: `Count ${mark()}` }, { stream });
        assert.equal(usage.input, 1200);
        assert.equal(usage.output, 345);
        const line = await lineOf(model, PATHS[dialect], stream);
        assert.equal(line.input_tokens, 700);
        assert.equal(line.cache_write_5m_tokens, 300);
        assert.equal(line.cost_nanousd, cost({ input: 700, cacheRead: 200, cacheWrite: 300, output: 345, reasoning: 0 }));
      });
      test(`no usage from the provider: ${name}`, async () => {
        const model = `${adapter}-uncounted`;
        const reply = await ask(dialect, { model, text: `Count ${mark()}` }, { stream }).catch((error) => {
          if (!isNative(dialect, adapter)) throw error; // the client itself wants usage
        });
        if (reply) assert.match(reply.text, /^You said/);
        const line = await lineOf(model, PATHS[dialect], stream);
        assert.equal(line.usage_source, 'estimated');
        assert.ok(line.input_tokens > 0 && line.output_tokens > 0);
        assert.equal(line.cost_nanousd, cost({ input: line.input_tokens, cacheRead: 0, cacheWrite: 0,
          output: line.output_tokens, reasoning: line.reasoning_tokens }));
      });
    }
  }
}
