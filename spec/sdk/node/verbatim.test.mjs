// What reaches the provider, and what of its head reaches the client.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ask, body, events } from './asks.mjs';
import { ADAPTERS, DIALECTS, GATEWAY_KEY, anthropic, anthropicWith, isNative, logOf, mark, openai, openaiWith,
  recordOf } from './kit.mjs';

const CREDENTIAL = { openai: ['authorization', 'Bearer upstream-openai'], azure_openai: ['api-key', 'upstream-azure'],
  openai_responses: ['authorization', 'Bearer upstream-responses'], anthropic: ['x-api-key', 'upstream-anthropic'] };
const UPSTREAM = { openai: 'gpt-4o', openai_responses: 'gpt-4o', azure_openai: 'gpt-4o', anthropic: 'claude-sonnet-4-5' };

// The body as this client wrote it.
function recording(make) {
  const sent = [];
  const client = make({ fetch: (url, init) => {
    sent.push(init.body);
    return fetch(url, init);
  } });
  return { client, sent };
}

const odd = { unheard_of: { keep: [], number: 12345678901234567890, deep: { a: null } }, metadata: {} };

async function send(dialect, wish, options) {
  const { client, sent } = recording(dialect === 'messages' ? anthropicWith : openaiWith);
  const call = { chat: () => client.chat.completions, responses: () => client.responses,
    messages: () => client.messages }[dialect]();
  const answer = await call.create(wish, options).withResponse();
  if (wish.stream) for await (const event of answer.data) void event;
  return { ...answer, sent: sent[0] };
}

for (const dialect of DIALECTS) {
  for (const adapter of ADAPTERS) {
    describe(`${dialect} over ${adapter}`, () => {
      test('no credential of the client goes on, the provider gets its own', async () => {
        const text = `Secret ${mark()}`;
        await ask(dialect, { model: `${adapter}-plain`, text },
          { options: { headers: { 'x-api-key': GATEWAY_KEY, cookie: `session=${GATEWAY_KEY}` } } });
        const record = await recordOf(text);
        assert.ok(!JSON.stringify(record).includes(GATEWAY_KEY));
        assert.equal(record.headers[CREDENTIAL[adapter][0]], CREDENTIAL[adapter][1]);
        assert.match(record.headers['user-agent'], /^gateyes/);
        assert.equal(record.headers.cookie, undefined);
      });
      test('headers of the answer', async () => {
        const { response, data } = await send(dialect, body(dialect, { model: `${adapter}-headers`, text: `Hi ${mark()}` }));
        const head = (name) => response.headers.get(name);
        const line = await logOf(head('x-request-id'));
        assert.equal(head('x-gateyes-model'), `${adapter}-headers`);
        assert.equal(head('x-gateyes-provider'), adapter);
        assert.equal(head('x-gateyes-attempts'), '1');
        assert.match(head('x-gateyes-overhead-ms'), /^\d+\.\d+$/);
        assert.equal(Math.round(Number(head('x-gateyes-cost')) * 1e9), line.cost_nanousd);
        assert.equal(data._request_id, dialect === 'messages' ? head('request-id') : head('x-request-id'));
        if (isNative(dialect, adapter)) {
          const name = adapter === 'anthropic' ? 'anthropic-ratelimit-requests-remaining'
            : 'x-ratelimit-remaining-requests';
          assert.equal(head(name), '7');
        }
      });
      if (!isNative(dialect, adapter)) {
        test('what the provider cannot take is named', async () => {
          const text = `Odd ${mark()}`;
          const { response } = await send(dialect, { ...body(dialect, { model: `${adapter}-strict`, text }), ...odd });
          assert.ok(response.headers.get('x-gateyes-dropped').split(/, ?/).includes('unheard_of'));
          assert.ok(!(await recordOf(text)).body.includes('unheard_of'));
        });
        return;
      }
      for (const stream of [false, true]) {
        test(`bytes${stream ? ', streamed' : ''}`, async () => {
          const text = `Bytes é ${mark()}`, model = `${adapter}-plain`;
          const wish = { ...body(dialect, { model, text }), ...odd, ...(stream && { stream }) };
          const { sent, response } = await send(dialect, wish, { headers: { 'Idempotency-Key': 'idem-1' } });
          const record = await recordOf(text);
          let wanted = sent.replace(`"${model}"`, `"${UPSTREAM[adapter]}"`);
          if (dialect === 'chat' && stream) {
            // The wish for usage is added in front or at the end; without it the rest is the client's.
            const added = '"stream_options":{"include_usage":true}';
            assert.ok(record.body.includes(added));
            assert.equal(record.body.replace(`${added},`, '').replace(`,${added}`, ''), wanted);
          } else {
            assert.equal(record.body, wanted);
          }
          assert.equal(record.headers['idempotency-key'], 'idem-1');
          assert.equal(response.headers.get('x-gateyes-dropped'), null);
        });
      }
    });
  }
}

test('headers of OpenAI go on to OpenAI', async () => {
  const text = `Head ${mark()}`;
  const client = openaiWith({ organization: 'org-7', project: 'proj-7' });
  await client.chat.completions.create(body('chat', { model: 'openai-plain', text }));
  const { headers } = await recordOf(text);
  assert.equal(headers['openai-organization'], 'org-7');
  assert.equal(headers['openai-project'], 'proj-7');
});

test('headers of Anthropic go on to Anthropic, and cache hints with them', async () => {
  const text = `Head ${mark()}`;
  const wish = { model: 'anthropic-strict', max_tokens: 50, betas: ['context-1m-2025-08-07'],
    system: [{ type: 'text', text: 'Be brief', cache_control: { type: 'ephemeral', ttl: '1h' } }],
    messages: [{ role: 'user', content: [{ type: 'text', text, cache_control: { type: 'ephemeral' } }] }] };
  const sentHeaders = [];
  const client = anthropicWith({ fetch: (url, init) => {
    sentHeaders.push(new Headers(init.headers));
    return fetch(url, init);
  } });
  await client.beta.messages.create(wish);
  const { headers, body: sent } = await recordOf(text);
  assert.equal(headers['anthropic-beta'], 'context-1m-2025-08-07');
  assert.equal(headers['anthropic-version'], sentHeaders[0].get('anthropic-version'));
  assert.ok(sent.includes('"cache_control":{"type":"ephemeral","ttl":"1h"}'));
});

test('a chat stream shows usage only to those who asked', async () => {
  for (const adapter of ADAPTERS) {
    const chunks = [];
    for await (const chunk of await events.chat(body('chat', { model: `${adapter}-plain`, text: 'Hi' }))) chunks.push(chunk);
    assert.ok(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage), adapter);
    const asked = { ...body('chat', { model: `${adapter}-plain`, text: 'Hi' }), stream_options: { include_usage: true } };
    const last = [];
    for await (const chunk of await events.chat(asked)) last.push(chunk);
    assert.equal(last.at(-1).choices.length, 0);
    assert.ok(last.at(-1).usage.total_tokens > 0);
    assert.ok(last.slice(0, -1).every((chunk) => chunk.usage == null));
  }
});

test('the second target answers when the first cannot', async () => {
  for (const dialect of DIALECTS) {
    const { response, data } = await send(dialect, body(dialect, { model: 'second', text: 'Hi' }));
    assert.equal(response.headers.get('x-gateyes-attempts'), '2');
    assert.equal(response.headers.get('x-gateyes-provider'), 'anthropic');
    assert.ok(data.id);
  }
});

test('settings reach a provider in its own words', async () => {
  const text = `Set ${mark()}`;
  const wish = { model: 'openai-plain', text, seed: 7, stop: ['zzz'], temperature: 0.5, n: 2, logprobs: true, top_logprobs: 2 };
  const reply = await openai.chat.completions.create(body('chat', wish));
  assert.deepEqual(reply.choices.map((choice) => choice.index), [0, 1]);
  assert.ok(reply.choices[0].logprobs.content.length > 0);
  const other = `Set abc stop ${mark()}`;
  for (const adapter of ['openai', 'anthropic', 'azure_openai']) {
    const stopped = await openai.chat.completions.create(
      body('chat', { model: `${adapter}-plain`, text: other, stop: ['stop'] }));
    assert.equal(stopped.choices[0].message.content, 'You said: Set abc ');
    assert.equal(stopped.choices[0].finish_reason, 'stop');
    const said = await anthropic.messages.create(
      { ...body('messages', { model: `${adapter}-plain`, text: other }), stop_sequences: ['stop'] });
    assert.equal(said.content[0].text, 'You said: Set abc ');
  }
});
