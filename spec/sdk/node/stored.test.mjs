// Responses that are remembered: the gateway's own memory, whatever provider answered.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import OpenAI from 'openai';
import { ADAPTERS, WEATHER, mark, openai, openaiWith, recordOf } from './kit.mjs';

const missing = (error) => error instanceof OpenAI.NotFoundError;

for (const adapter of ADAPTERS) {
  describe(`over ${adapter}`, () => {
    for (const stream of [false, true]) {
      test(`the next turn knows the one before${stream ? ', streamed' : ''}`, async () => {
        const one = `First ${mark()}`, two = `Second ${mark()}`, three = `Third ${mark()}`;
        const say = (wish) => (stream ? openai.responses.stream(wish).finalResponse() : openai.responses.create(wish));
        const first = await say({ model: `${adapter}-plain`, input: one, instructions: 'Be kind' });
        const second = await say({ model: `${adapter}-plain`, input: two, previous_response_id: first.id });
        assert.equal(second.previous_response_id, first.id);
        assert.equal((await openai.responses.retrieve(second.id)).previous_response_id, first.id);
        assert.equal(second.output_text, `You said: ${two}`);
        const third = await say({ model: `${adapter}-plain`, input: three, previous_response_id: second.id });
        assert.equal(third.output_text, `You said: ${three}`);
        const { body: sent } = await recordOf(three);
        for (const text of [one, `You said: ${one}`, two, `You said: ${two}`]) assert.ok(sent.includes(text), text);
        assert.ok(!sent.includes('Be kind'), 'instructions hold for one turn');
        assert.ok(!sent.includes(first.id));
      });
    }
    test('a call is answered by its id alone', async () => {
      const text = `Weather ${mark()}`, tools = [{ type: 'function', strict: true, ...WEATHER }];
      const first = await openai.responses.create({ model: `${adapter}-tools`, input: text, tools });
      const call = first.output.find((item) => item.type === 'function_call');
      const second = await openai.responses.create({ model: `${adapter}-tools`, tools, previous_response_id: first.id,
        input: [{ type: 'function_call_output', call_id: call.call_id, output: 'dry' }] });
      assert.equal(second.output_text, 'The tool said: dry');
    });
    test('an item is named by its id', async () => {
      const one = `First ${mark()}`, two = `Second ${mark()}`;
      const first = await openai.responses.create({ model: `${adapter}-plain`, input: one });
      await openai.responses.create({ model: `${adapter}-plain`, input: [
        { role: 'user', content: one }, { type: 'item_reference', id: first.output[0].id },
        { role: 'user', content: two }] });
      const { body: sent } = await recordOf(two);
      assert.ok(sent.includes(`You said: ${one}`) && !sent.includes('item_reference'), sent);
    });
    test('it can be read, listed, and forgotten', async () => {
      const text = `Keep ${mark()}`;
      const made = await openai.responses.create({ model: `${adapter}-plain`, input: text, metadata: { a: 'b' } });
      const read = await openai.responses.retrieve(made.id);
      assert.equal(read.output_text ?? read.output[0].content[0].text, `You said: ${text}`);
      assert.deepEqual(read.metadata, { a: 'b' });
      const items = [];
      for await (const item of openai.responses.inputItems.list(made.id)) items.push(item);
      assert.equal(items.length, 1);
      assert.equal(items[0].content[0].text, text);
      await assert.rejects(openaiWith({ apiKey: 'gy-sdk-key-2' }).responses.retrieve(made.id), missing);
      await assert.rejects(openai.responses.cancel(made.id), { status: 400 });
      await openai.responses.delete(made.id);
      await assert.rejects(openai.responses.retrieve(made.id), missing);
      await assert.rejects(openai.responses.create({ model: `${adapter}-plain`, input: 'x',
        previous_response_id: made.id }), { status: 400 });
    });
    test('store: false leaves nothing', async () => {
      const made = await openai.responses.create({ model: `${adapter}-plain`, input: 'Forget', store: false });
      await assert.rejects(openai.responses.retrieve(made.id), missing);
    });
  });
}
