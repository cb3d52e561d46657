// The ways in which a client may be set up, and what happens around its calls.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI, { AzureOpenAI } from 'openai';
import { body } from './asks.mjs';
import { GATEWAY_KEY, GATEWAY_URL, PIXEL, anthropic, anthropicWith, mark, openai, openaiWith, recordsOf } from './kit.mjs';

const hello = (dialect, model, text = `Hello ${mark()}`) => body(dialect, { model, text });

describe('other ways to set a client up', () => {
  test('the Azure client', async () => {
    const azure = new AzureOpenAI({ endpoint: GATEWAY_URL, apiKey: GATEWAY_KEY, apiVersion: '2024-10-21', maxRetries: 0 });
    for (const model of ['openai-plain', 'anthropic-plain', 'azure_openai-plain']) {
      const wish = hello('chat', model);
      const reply = await azure.chat.completions.create(wish);
      assert.equal(reply.choices[0].message.content, `You said: ${wish.messages[0].content}`);
      const stream = await azure.chat.completions.stream(wish).finalContent();
      assert.equal(stream, reply.choices[0].message.content);
    }
    const vectors = await azure.embeddings.create({ model: 'openai-embed', input: 'x' });
    assert.equal(vectors.data[0].embedding.length, 16);
  });
  test('Anthropic with a bearer token', async () => {
    const client = anthropicWith({ apiKey: null, authToken: GATEWAY_KEY });
    assert.ok((await client.messages.create(hello('messages', 'openai-plain'))).id);
  });
  test('without /v1', async () => {
    const client = openaiWith({ baseURL: GATEWAY_URL });
    assert.ok((await client.chat.completions.create(hello('chat', 'anthropic-plain'))).id);
  });
  test('betas of Anthropic', async () => {
    for (const model of ['anthropic-plain', 'openai-plain']) {
      const wish = { ...hello('messages', model), betas: ['context-1m-2025-08-07'] };
      const reply = await anthropic.beta.messages.stream(wish).finalMessage();
      assert.equal(reply.content[0].text, `You said: ${wish.messages[0].content}`);
    }
  });
});

describe('what is not there', () => {
  const calls = {
    'images': () => openai.images.generate({ model: 'openai-plain', prompt: 'x' }),
    'moderations': () => openai.moderations.create({ input: 'x' }),
    'files': () => openai.files.list(),
    'batches of Anthropic': () => anthropic.messages.batches.list(),
  };
  for (const [name, call] of Object.entries(calls)) {
    test(name, async () => {
      await assert.rejects(Promise.resolve().then(call), (error) => {
        assert.ok(error instanceof OpenAI.NotFoundError || error instanceof Anthropic.NotFoundError, String(error));
        assert.ok(error.requestID && error.message.length > 10);
        return true;
      });
    });
  }
});

describe('trying again', () => {
  for (const [dialect, client] of [['chat', openaiWith({ maxRetries: 2 })], ['messages', anthropicWith({ maxRetries: 2 })]]) {
    for (const adapter of ['openai', 'anthropic']) {
      test(`${dialect} over ${adapter} waits as long as the provider says`, async () => {
        const wish = hello(dialect, `${adapter}-flaky_${dialect}`), started = Date.now();
        const api = dialect === 'chat' ? client.chat.completions : client.messages;
        const { response } = await api.create(wish).withResponse();
        assert.equal(response.status, 200);
        assert.ok(Date.now() - started >= 1000, `${Date.now() - started} ms`);
        assert.equal((await recordsOf(wish.messages[0].content)).length, 2);
      });
    }
  }
});

describe('size', () => {
  const long = 'word '.repeat(600000);
  for (const model of ['openai-plain', 'anthropic-plain', 'openai_responses-plain']) {
    test(`three megabytes of text to ${model}`, async () => {
      const reply = await openai.chat.completions.create(hello('chat', model, long));
      assert.ok(reply.choices[0].message.content.startsWith('You said: word word'));
      const said = await anthropic.messages.stream(hello('messages', model, long)).finalMessage();
      assert.ok(said.content[0].text.startsWith('You said: word word'));
    });
  }
  test('more than limits.body', async () => {
    const url = `data:image/png;base64,${PIXEL.repeat(240000)}`;
    const tooLarge = (error) => error.status === 413 && error.constructor.name !== 'APIConnectionError';
    await assert.rejects(openai.chat.completions.create(body('chat', { model: 'openai-plain', text: 'x', images: [url] })),
      tooLarge);
    await assert.rejects(
      anthropic.messages.create(body('messages', { model: 'openai-plain', text: 'x', images: [url] })), tooLarge);
  });
  test('a long stream arrives whole', async () => {
    for (const model of ['openai-long', 'anthropic-long', 'openai_responses-long']) {
      const wish = (dialect) => body(dialect, { model, text: 'Hi', limit: 20000 });
      const said = await openai.chat.completions.stream(wish('chat')).finalContent();
      const other = (await anthropic.messages.stream(wish('messages')).finalMessage()).content[0].text;
      const third = (await openai.responses.stream(wish('responses')).finalResponse()).output_text;
      assert.equal(said.length, 12 * 3000);
      assert.ok(other === said && third === said, `${said.length} ${other.length} ${third.length}`);
    }
  });
});

test('a hundred at once', async () => {
  const texts = Array.from({ length: 100 }, () => `Many ${mark()}`);
  const models = ['openai-plain', 'anthropic-plain', 'openai_responses-plain', 'azure_openai-plain'];
  const replies = await Promise.all(texts.map(async (text, i) => {
    const model = models[i % 4];
    if (i % 3 === 0) return (await anthropic.messages.stream(hello('messages', model, text)).finalMessage()).content[0].text;
    if (i % 3 === 1) return openai.chat.completions.stream(hello('chat', model, text)).finalContent();
    return (await openai.responses.create(hello('responses', model, text))).output_text;
  }));
  assert.deepEqual(replies, texts.map((text) => `You said: ${text}`));
});
