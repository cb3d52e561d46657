// Models, embeddings, completions, counted tokens, speech.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { ADAPTERS, PIXEL, WEATHER, anthropic, mark, openai, openaiWith, recordOf } from './kit.mjs';

test('models, as each client lists them', async () => {
  const names = [];
  for await (const model of openai.models.list()) names.push(model.id);
  for (const adapter of ADAPTERS) assert.ok(names.includes(`${adapter}-plain`));
  assert.ok(names.includes('smart'));
  const one = await openai.models.retrieve('openai-plain');
  assert.equal(one.object, 'model');
  assert.equal(one.id, 'openai-plain');
  const others = [];
  for await (const model of anthropic.models.list()) others.push(model);
  assert.deepEqual(others.map((model) => model.id).sort(), names.sort());
  const claude = await anthropic.models.retrieve('anthropic-plain');
  assert.equal(claude.type, 'model');
  assert.equal(claude.max_input_tokens, 200000);
  await assert.rejects(openai.models.retrieve('none'), (error) => error instanceof OpenAI.NotFoundError);
  await assert.rejects(anthropic.models.retrieve('none'), (error) => error instanceof Anthropic.NotFoundError);
  const narrow = [];
  for await (const model of openaiWith({ apiKey: 'gy-sdk-key-2' }).models.list()) narrow.push(model.id);
  assert.deepEqual(narrow, ['openai-plain']);
});

for (const adapter of ['openai', 'azure_openai']) {
  test(`embeddings over ${adapter}`, async () => {
    const model = `${adapter}-embed`, text = `Vector ${mark()}`;
    const asked = await openai.embeddings.create({ model, input: text }); // this client asks for base64
    const floats = await openai.embeddings.create({ model, input: [text, 'other'], encoding_format: 'float' });
    assert.equal(floats.data.length, 2);
    assert.equal(asked.data[0].embedding.length, 16);
    asked.data[0].embedding.forEach((value, i) => assert.ok(Math.abs(value - floats.data[0].embedding[i]) < 1e-5));
    assert.notDeepEqual(floats.data[0].embedding, floats.data[1].embedding);
    const short = await openai.embeddings.create({ model, input: text, dimensions: 4 });
    assert.equal(short.data[0].embedding.length, 4);
    const tokens = await openai.embeddings.create({ model, input: [[1, 2, 3], [4, 5]] });
    assert.equal(tokens.data.length, 2);
    assert.ok(asked.usage.prompt_tokens > 0);
  });
}

test('a chat provider without embeddings says so', async () => {
  await assert.rejects(openai.embeddings.create({ model: 'anthropic-embed', input: 'x' }), { status: 400 });
});

for (const adapter of ADAPTERS) {
  test(`completions over ${adapter}`, async () => {
    const prompt = `Once ${mark()}`;
    const whole = await openai.completions.create({ model: `${adapter}-plain`, prompt, max_tokens: 100 });
    assert.equal(whole.choices[0].text, `You said: ${prompt}`);
    assert.equal(whole.choices[0].finish_reason, 'stop');
    let text = '';
    for await (const chunk of await openai.completions.create({ model: `${adapter}-plain`, prompt, stream: true })) {
      text += chunk.choices[0]?.text ?? '';
    }
    assert.equal(text, `You said: ${prompt}`);
  });
  test(`counted tokens over ${adapter}`, async () => {
    const wish = { model: `${adapter}-plain`, system: 'Be kind', messages: [{ role: 'user', content: [
      { type: 'text', text: `Count ${mark()}` },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } }] }],
    tools: [{ name: WEATHER.name, input_schema: WEATHER.parameters }] };
    const { input_tokens: count } = await anthropic.messages.countTokens(wish);
    assert.ok(count > 20 && count < 4000, String(count));
    const { input_tokens: less } = await anthropic.messages.countTokens({ ...wish, tools: undefined });
    assert.ok(less < count);
  });
}

test('speech in', async () => {
  const text = `Hear ${mark()}`, data = Buffer.from('RIFFxxxxWAVE').toString('base64');
  const messages = [{ role: 'user', content: [{ type: 'text', text },
    { type: 'input_audio', input_audio: { data, format: 'wav' } }] }];
  await openai.chat.completions.create({ model: 'openai-plain', messages });
  assert.ok((await recordOf(text)).body.includes(data));
  await assert.rejects(openai.chat.completions.create({ model: 'anthropic-plain', messages }), { status: 400 });
});

test('an alias is answered by what it stands for', async () => {
  const call = openai.chat.completions.create({ model: 'smart', messages: [{ role: 'user', content: 'Hi' }] });
  const { response } = await call.withResponse();
  assert.equal(response.headers.get('x-gateyes-model'), 'anthropic-plain');
});
