// Tools beyond a plain call: who chooses, free text for arguments, the Responses runner.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ResponsesToolRunner } from 'openai/helpers/responses-tool-runner';
import { ask } from './asks.mjs';
import { ADAPTERS, CLOCK, WEATHER, anthropic, mark, openai } from './kit.mjs';

const choices = {
  chat: { none: 'none', any: 'required', one: { type: 'function', function: { name: 'get_time' } } },
  responses: { none: 'none', any: 'required', one: { type: 'function', name: 'get_time' } },
  messages: { none: { type: 'none' }, any: { type: 'any' }, one: { type: 'tool', name: 'get_time' } },
};
const parallel = {
  chat: { parallel_tool_calls: false }, responses: { parallel_tool_calls: false },
  messages: { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
};

for (const adapter of ADAPTERS) {
  describe(`over ${adapter}`, () => {
    for (const [dialect, words] of Object.entries(choices)) {
      test(`${dialect}: choice of tools`, async () => {
        const wish = { text: `Weather? ${mark()}`, tools: [WEATHER, CLOCK] };
        const none = await ask(dialect, { ...wish, model: `${adapter}-tools`, tool_choice: words.none });
        assert.equal(none.calls.length, 0);
        const any = await ask(dialect, { ...wish, text: 'Hi', model: `${adapter}-plain`, tool_choice: words.any });
        assert.equal(any.calls.length, 1);
        const one = await ask(dialect, { ...wish, model: `${adapter}-plain`, tool_choice: words.one }, { stream: true });
        assert.deepEqual(one.calls.map((call) => call.name), ['get_time']);
        const single = await ask(dialect, { ...wish, model: `${adapter}-parallel`, ...parallel[dialect] });
        assert.equal(single.calls.length, 1);
      });
    }
    test('a call without arguments', async () => {
      const now = { name: 'now', description: 'Now', parameters: { type: 'object', properties: {} } };
      for (const dialect of Object.keys(choices)) {
        for (const stream of [false, true]) {
          const reply = await ask(dialect, { model: `${adapter}-tools`, text: `Now ${mark()}`, tools: [now] }, { stream });
          assert.deepEqual(reply.calls[0].input, {}, dialect);
        }
      }
    });
    test('free text for arguments', async () => {
      const first = await openai.responses.create({ model: `${adapter}-tools`, input: `Write ${mark()}`,
        tools: [{ type: 'custom', name: 'patch', description: 'A patch' }] });
      const call = first.output.find((item) => item.type === 'custom_tool_call');
      assert.equal(call.name, 'patch');
      assert.ok(call.input.length > 0);
      const chat = await openai.chat.completions.create({ model: `${adapter}-tools`,
        messages: [{ role: 'user', content: `Write ${mark()}` }],
        tools: [{ type: 'custom', custom: { name: 'patch', description: 'A patch' } }] });
      assert.equal(chat.choices[0].message.tool_calls[0].custom.name, 'patch');
    });
    for (const stream of [false, true]) {
      test(`the Responses runner${stream ? ', streamed' : ''}`, async () => {
        const seen = [];
        const runner = new ResponsesToolRunner({ functions: [{
          tool: { type: 'function', strict: true, ...WEATHER },
          execute: (place) => {
            seen.push(place);
            return 'dry';
          },
        }] });
        const last = await runner.run(openai, { model: `${adapter}-tools`, input: `Weather? ${mark()}` }, { stream });
        assert.equal(seen.length, 1);
        assert.equal(last.output.at(-1).content[0].text, 'The tool said: dry');
      });
    }
    test('errors and images as results of a tool', async () => {
      const wish = { model: `${adapter}-tools`, max_tokens: 900,
        tools: [{ name: WEATHER.name, input_schema: WEATHER.parameters }] };
      const user = { role: 'user', content: `Weather? ${mark()}` };
      const first = await anthropic.messages.create({ ...wish, messages: [user] });
      const second = await anthropic.messages.create({ ...wish, messages: [user,
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: first.content[0].id, is_error: true,
          content: [{ type: 'text', text: 'no such city' }] }] }] });
      assert.match(second.content[0].text, /^The tool said: .*no such city/);
    });
  });
}
