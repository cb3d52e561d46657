// Every protocol over every adapter: what was asked is what comes back, whole and as a stream.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ask } from './asks.mjs';
import { ADAPTERS, CLOCK, DIALECTS, PIXEL, WEATHER, logOf, mark, recordOf } from './kit.mjs';

const PICTURES = [`data:image/png;base64,${PIXEL}`, 'https://example.com/cat.png'];

const rows = {
  async plain(dialect, adapter, stream) {
    const text = `Hello ${mark()}`;
    const reply = await ask(dialect, { model: `${adapter}-strict`, text }, { stream });
    assert.equal(reply.text, `You said: ${text}`);
    assert.equal(reply.finish, 'stop');
    assert.equal(reply.calls.length, 0);
    assert.equal(reply.usage.total, reply.usage.input + reply.usage.output);
    assert.equal(reply.usage.output, Math.ceil(reply.text.length / 4));
    assert.equal(reply.usage.input, 3 + 4 + Math.ceil(text.length / 4));
  },
  async length(dialect, adapter, stream) {
    const text = `Hello ${mark()} ${'long '.repeat(30)}`;
    const reply = await ask(dialect, { model: `${adapter}-plain`, text, limit: 16 }, { stream });
    assert.equal(reply.finish, 'length');
    assert.ok(reply.text.length <= 64 && `You said: ${text}`.startsWith(reply.text), reply.text);
  },
  async tools(dialect, adapter, stream) {
    const reply = await ask(dialect, { model: `${adapter}-tools`, text: `Rain? ${mark()}`, tools: [WEATHER, CLOCK] },
      { stream });
    assert.equal(reply.finish, 'tools');
    assert.equal(reply.calls.length, 1);
    assert.equal(reply.calls[0].name, 'get_weather');
    assert.equal(typeof reply.calls[0].input.city, 'string');
    assert.ok(Number.isInteger(reply.calls[0].input.days));
  },
  async parallel(dialect, adapter, stream) {
    const reply = await ask(dialect, { model: `${adapter}-parallel`, text: `Rain? ${mark()}`, tools: [WEATHER, CLOCK] },
      { stream });
    assert.deepEqual(reply.calls.map((call) => call.name), ['get_weather', 'get_time']);
    assert.notEqual(reply.calls[0].id, reply.calls[1].id);
    assert.equal(typeof reply.calls[1].input.zone, 'string');
  },
  async images(dialect, adapter, stream) {
    const text = `Look ${mark()}`;
    const reply = await ask(dialect, { model: `${adapter}-plain`, text, images: PICTURES }, { stream });
    assert.equal(reply.text, `You said: ${text} I see 2 images.`);
    const seen = (await recordOf(text)).body;
    assert.ok(seen.includes(PIXEL) && seen.includes('https://example.com/cat.png'), seen);
  },
  async reasoning(dialect, adapter, stream) {
    const text = `Think ${mark()}`;
    const reply = await ask(dialect, { model: `${adapter}-reason`, text, effort: 'medium' }, { stream });
    assert.equal(reply.reasoning, `The user wrote ${text.length} bytes. I answer in one sentence.`);
    assert.equal(reply.text, `You said: ${text}`);
    assert.ok(reply.usage.reasoning > 0 && reply.usage.reasoning < reply.usage.output, JSON.stringify(reply.usage));
  },
  async refusal(dialect, adapter, stream) {
    const reply = await ask(dialect, { model: `${adapter}-refusal`, text: `Bad ${mark()}` }, { stream });
    assert.equal(reply.refusal || reply.text, 'I will not say that');
  },
};

for (const dialect of DIALECTS) {
  for (const adapter of ADAPTERS) {
    describe(`${dialect} over ${adapter}`, () => {
      for (const [name, run] of Object.entries(rows)) {
        for (const stream of [false, true]) {
          test(`${name}${stream ? ', streamed' : ''}`, () => run(dialect, adapter, stream));
        }
      }
    });
  }
}
