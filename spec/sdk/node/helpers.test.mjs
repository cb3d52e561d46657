// What the clients do on top of the protocols: parsed output, tools that run by themselves, several turns.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { zodFunction, zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { body } from './asks.mjs';
import { ADAPTERS, WEATHER, anthropic, mark, openai, recordOf, recordsOf } from './kit.mjs';

const Person = z.object({ name: z.string(), age: z.number().int(), tags: z.array(z.string()) });
const Place = z.object({ city: z.string(), days: z.number().int() });
const messagesOf = (text) => [{ role: 'user', content: text }];

const parsed = {
  async 'chat parse'(adapter, text) {
    const reply = await openai.chat.completions.parse({ model: `${adapter}-plain`, messages: messagesOf(text),
      response_format: zodResponseFormat(Person, 'person') });
    return reply.choices[0].message.parsed;
  },
  async 'chat parse, streamed'(adapter, text) {
    const reply = await openai.chat.completions.stream({ model: `${adapter}-plain`, messages: messagesOf(text),
      response_format: zodResponseFormat(Person, 'person') }).finalChatCompletion();
    return reply.choices[0].message.parsed;
  },
  async 'responses parse'(adapter, text) {
    const reply = await openai.responses.parse({ model: `${adapter}-plain`, input: text,
      text: { format: zodTextFormat(Person, 'person') } });
    return reply.output_parsed;
  },
  async 'responses parse, streamed'(adapter, text) {
    const reply = await openai.responses.stream({ model: `${adapter}-plain`, input: text,
      text: { format: zodTextFormat(Person, 'person') } }).finalResponse();
    return reply.output_parsed;
  },
  async 'messages parse'(adapter, text) {
    const reply = await anthropic.messages.parse({ model: `${adapter}-plain`, max_tokens: 900,
      messages: messagesOf(text), output_config: { format: zodOutputFormat(Person) } });
    return reply.parsed_output;
  },
  async 'messages parse, streamed'(adapter, text) {
    const reply = await anthropic.messages.stream({ model: `${adapter}-plain`, max_tokens: 900,
      messages: messagesOf(text), output_config: { format: zodOutputFormat(Person) } }).finalMessage();
    return reply.parsed_output;
  },
};

const runners = {
  async chat(adapter, text, stream) {
    const seen = [];
    const tool = zodFunction({ name: 'get_weather', parameters: Place, function: (place) => {
      seen.push(place);
      return `rain in ${place.city}`;
    } });
    const runner = openai.chat.completions.runTools({ model: `${adapter}-tools`, stream, messages: messagesOf(text),
      tools: [tool] });
    return { said: await runner.finalContent(), seen };
  },
  async messages(adapter, text, stream) {
    const seen = [];
    const tool = betaZodTool({ name: 'get_weather', description: 'Weather', inputSchema: Place, run: (place) => {
      seen.push(place);
      return `rain in ${place.city}`;
    } });
    const runner = anthropic.beta.messages.toolRunner({ model: `${adapter}-tools`, stream, max_tokens: 900,
      messages: messagesOf(text), tools: [tool], max_iterations: 4 });
    const last = await runner.runUntilDone();
    return { said: last.content.map((block) => block.text).join(''), seen };
  },
};

const pdf = Buffer.from('%PDF-1.4 tiny').toString('base64');

for (const adapter of ADAPTERS) {
  describe(`helpers over ${adapter}`, () => {
    for (const [name, run] of Object.entries(parsed)) {
      test(name, async () => {
        const person = Person.parse(await run(adapter, `Who? ${mark()}`));
        assert.equal(typeof person.name, 'string');
      });
    }
    for (const [name, run] of Object.entries(runners)) {
      for (const stream of [false, true]) {
        test(`${name} runs tools${stream ? ', streamed' : ''}`, async () => {
          const text = `Weather? ${mark()}`;
          const { said, seen } = await run(adapter, text, stream);
          assert.equal(seen.length, 1);
          assert.equal(said, `The tool said: rain in ${seen[0].city}`);
        });
      }
    }
    test('responses: call, output, answer', async () => {
      const text = `Weather? ${mark()}`, tools = [{ type: 'function', strict: true, ...WEATHER }];
      const first = await openai.responses.create({ model: `${adapter}-tools`, input: text, tools });
      const call = first.output.find((item) => item.type === 'function_call');
      const output = { type: 'function_call_output', call_id: call.call_id, output: 'dry' };
      const second = await openai.responses.create({ model: `${adapter}-tools`, tools,
        input: [{ role: 'user', content: text }, ...first.output, output] });
      assert.equal(second.output_text, 'The tool said: dry');
    });
    test('thinking keeps its signature over two turns', async () => {
      const wish = body('messages', { model: `${adapter}-reason`, text: `Weather? ${mark()}`, tools: [WEATHER],
        effort: 'medium' });
      const first = await anthropic.messages.create(wish);
      assert.deepEqual(first.content.map((block) => block.type), ['thinking', 'tool_use']);
      const result = { type: 'tool_result', tool_use_id: first.content[1].id, content: 'dry' };
      const second = await anthropic.messages.stream({ ...wish, messages: [...wish.messages,
        { role: 'assistant', content: first.content }, { role: 'user', content: [result] }] }).finalMessage();
      assert.equal(second.content.at(-1).text, 'The tool said: dry');
    });
    test('encrypted reasoning goes back to who encrypted it', async () => {
      const text = `Weather? ${mark()}`, tools = [{ type: 'function', strict: true, ...WEATHER }];
      const wish = { model: `${adapter}-reason`, tools, store: false, include: ['reasoning.encrypted_content'],
        reasoning: { effort: 'low', summary: 'auto' } };
      const first = await openai.responses.create({ ...wish, input: text });
      const reasoning = first.output.find((item) => item.type === 'reasoning');
      assert.ok(reasoning.summary.length + (reasoning.content ?? []).length > 0);
      const call = first.output.find((item) => item.type === 'function_call');
      const second = await openai.responses.create({ ...wish, input: [{ role: 'user', content: text }, ...first.output,
        { type: 'function_call_output', call_id: call.call_id, output: 'dry' }] });
      assert.equal(second.output_text, 'The tool said: dry');
      const sent = (await recordsOf(text)).at(-1).body;
      if (adapter === 'openai_responses') assert.ok(sent.includes(reasoning.encrypted_content));
      if (adapter === 'anthropic') assert.match(sent, /"signature":"sig-/);
    });
    test('a file', async () => {
      const text = `Read ${mark()}`;
      const data = `data:application/pdf;base64,${pdf}`;
      await openai.chat.completions.create({ model: `${adapter}-plain`, messages: [{ role: 'user', content: [
        { type: 'text', text }, { type: 'file', file: { filename: 'a.pdf', file_data: data } }] }] });
      assert.ok((await recordOf(text)).body.includes(pdf));
      const other = `Read ${mark()}`;
      await anthropic.messages.create({ model: `${adapter}-plain`, max_tokens: 99, messages: [{ role: 'user', content: [
        { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: pdf } },
        { type: 'text', text: other }] }] });
      assert.ok((await recordOf(other)).body.includes(pdf));
      const third = `Read ${mark()}`;
      await openai.responses.create({ model: `${adapter}-plain`, input: [{ role: 'user', content: [
        { type: 'input_file', filename: 'a.pdf', file_data: data }, { type: 'input_text', text: third }] }] });
      assert.ok((await recordOf(third)).body.includes(pdf));
    });
  });
}

test('redacted thinking comes back as it was', async () => {
  const wish = body('messages', { model: 'anthropic-redacted', text: `Weather? ${mark()}`, tools: [WEATHER],
    effort: 'medium' });
  const first = await anthropic.messages.create(wish);
  assert.equal(first.content[0].type, 'redacted_thinking');
  const result = { type: 'tool_result', tool_use_id: first.content[1].id, content: 'dry' };
  const second = await anthropic.messages.create({ ...wish, messages: [...wish.messages,
    { role: 'assistant', content: first.content }, { role: 'user', content: [result] }] });
  assert.equal(second.content.at(-1).text, 'The tool said: dry');
});
