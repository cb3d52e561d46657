// The official clients at a published service: only the address and the key change.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { ADAPTERS, GATEWAY_URL, anthropicWith, openaiWith } from './kit.mjs';

const HELLO = [{ role: 'user', content: 'Hello' }];

async function admin(path, body) {
  const reply = await fetch(process.env.ADMIN_URL + '/admin/v1' + path, {
    method: 'POST', headers: { authorization: 'Bearer gy-sdk-admin' }, body: JSON.stringify(body) });
  const answer = await reply.json();
  assert.ok(reply.ok, JSON.stringify(answer));
  return answer;
}

let gpt, claude, elsewhere, other, missing;

before(async () => {
  await admin('/tenants', { id: 'node-publisher' });
  await admin('/services', { tenant: 'node-publisher', name: 'desk' });
  await admin('/service-versions', { service: 'node-publisher:desk', model: 'openai-plain', models: ['*-plain', 'openai-embed'],
    system: 'Be brief.', prompt: 'Say {{what}}.', variables: { what: { required: true } } });
  await admin('/service-versions/node-publisher:desk:1/stage', {});
  await admin('/services/node-publisher:desk/publish', { version: 1 });
  const asked = await admin('/subscriptions', { service: 'node-publisher:desk', name: 'sdk' });
  const key = (await admin(`/subscriptions/${asked.id}/approve`, {})).secret;
  const at = (root) => [openaiWith({ apiKey: key, baseURL: GATEWAY_URL + root }), anthropicWith({ apiKey: key, baseURL: GATEWAY_URL + root })];
  [gpt, claude] = at('/service/desk');
  [elsewhere] = at('/v1');
  [, other] = at('');
  missing = at('/service/nothing');
});

for (const adapter of ADAPTERS) {
  describe(`a service before ${adapter}`, () => {
    const model = adapter + '-plain';
    test('chat', async () => {
      const whole = await gpt.chat.completions.create({ model, messages: HELLO });
      const streamed = await gpt.chat.completions.stream({ model, messages: HELLO }).finalContent();
      assert.equal(whole.choices[0].message.content, 'You said: Hello');
      assert.equal(streamed, 'You said: Hello');
    });
    test('responses', async () => {
      const whole = await gpt.responses.create({ model, input: 'Hello' });
      assert.equal(whole.output_text, 'You said: Hello');
      assert.equal((await gpt.responses.retrieve(whole.id)).id, whole.id);
      const streamed = await gpt.responses.stream({ model, input: 'Hello' }).finalResponse();
      assert.equal(streamed.output_text, 'You said: Hello');
    });
    test('messages', async () => {
      const wish = { model, max_tokens: 100, messages: HELLO };
      assert.equal((await claude.messages.create(wish)).content[0].text, 'You said: Hello');
      assert.equal(await claude.messages.stream(wish).finalText(), 'You said: Hello');
      assert.ok((await claude.messages.countTokens({ model, messages: HELLO })).input_tokens > 0);
    });
  });
}

test('embeddings, completions and invoke', async () => {
  assert.ok((await gpt.embeddings.create({ model: 'openai-embed', input: 'x' })).data.length);
  assert.ok((await gpt.completions.create({ model: 'openai-plain', prompt: 'Hello' })).choices[0].text);
  const reply = await gpt.post('/invoke', { body: { variables: { what: 'yes' } } });
  assert.equal(reply.choices[0].message.content, 'You said: Say yes.');
  await assert.rejects(gpt.post('/invoke', { body: { variables: {} } }), (error) =>
    error instanceof OpenAI.BadRequestError && error.param === 'variables.what');
});

test('refusals are the clients\' own', async () => {
  const wish = { model: 'openai-plain', messages: HELLO };
  await assert.rejects(gpt.chat.completions.create({ ...wish, model: 'openai-tools' }), (error) =>
    error instanceof OpenAI.PermissionDeniedError && error.code === 'model_not_allowed' && error.param === 'model');
  await assert.rejects(claude.messages.create({ ...wish, max_tokens: 5, model: 'openai-tools' }), Anthropic.PermissionDeniedError);
  await assert.rejects(elsewhere.chat.completions.create(wish), OpenAI.PermissionDeniedError);
  await assert.rejects(other.messages.create({ ...wish, max_tokens: 5 }), Anthropic.PermissionDeniedError);
  await assert.rejects(missing[0].chat.completions.create(wish), OpenAI.NotFoundError);
  await assert.rejects(missing[1].messages.create({ ...wish, max_tokens: 5 }), Anthropic.NotFoundError);
});
