// Each refusal of a provider becomes the exception that the official client has for it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { ask, body, events } from './asks.mjs';
import { ADAPTERS, DIALECTS, anthropic, anthropicWith, isNative, logOf, mark, openai, openaiWith } from './kit.mjs';

// The provider's status -> what the client sees. What concerns the operator's account there is a 502.
const SEEN = { 401: 502, 402: 502, 403: 502 };
const CLASSES = {
  400: 'BadRequestError', 404: 'NotFoundError', 409: 'ConflictError', 413: 'APIError', 422: 'UnprocessableEntityError',
  429: 'RateLimitError', 500: 'InternalServerError', 502: 'InternalServerError', 503: 'InternalServerError',
  529: 'InternalServerError',
};
const TYPES = {
  400: 'invalid_request_error', 404: 'not_found_error', 413: 'request_too_large', 429: 'rate_limit_error',
  500: 'api_error', 502: 'api_error', 529: 'overloaded_error',
};
const libraryOf = (dialect) => (dialect === 'messages' ? Anthropic : OpenAI);

async function failureOf(promise) {
  const failure = await promise.then(() => null, (error) => error);
  assert.ok(failure, 'the call should have failed');
  return failure;
}

async function refused(dialect, adapter, status, stream) {
  const wish = body(dialect, { model: `${adapter}-status${status}`, text: `No ${mark()}` });
  const failure = await failureOf(stream ? events[dialect](wish) : ask(dialect, { model: wish.model, text: 'No' }));
  const seen = SEEN[status] ?? status, library = libraryOf(dialect);
  assert.equal(failure.status, seen);
  assert.ok(failure instanceof (library[CLASSES[seen]] ?? library.APIError), failure.constructor.name);
  assert.ok(!(failure instanceof library.AuthenticationError));
  assert.ok(failure.requestID, 'no request id');
  if (seen === 502) {
    assert.match(failure.message, /refused the gateway's credentials/);
    const code = dialect === 'messages' ? failure.error.error.code : failure.code;
    assert.equal(code, 'upstream_auth');
  } else {
    assert.match(failure.message, new RegExp(`refused with ${status}`));
  }
  if (dialect === 'messages' && TYPES[seen]) assert.equal(failure.error.error.type, TYPES[seen]);
  if (status === 429) assert.equal(failure.headers.get('retry-after'), '17');
  const line = await logOf(failure.headers.get('x-request-id'));
  assert.equal(line.status, seen);
  assert.equal(line.attempts[0].status, status);
}

// A provider's own frames are relayed as they are: what is broken in them breaks in the client, as it would without us.
const breaksInClient = (dialect, adapter, kind) => kind === 'malformed' && isNative(dialect, adapter);

async function broken(dialect, adapter, kind) {
  const wish = { model: `${adapter}-${kind}`, text: `Break ${mark()}` }, library = libraryOf(dialect);
  const base = library === OpenAI ? OpenAI.OpenAIError : Anthropic.AnthropicError;
  const failure = await failureOf((async () => {
    for await (const event of await events[dialect](body(dialect, wish))) {
      if (event.type === 'response.failed') throw new library.APIError(undefined, event, event.response.error.message);
    }
  })());
  if (breaksInClient(dialect, adapter, kind)) assert.ok(failure instanceof SyntaxError || failure instanceof base);
  else assert.ok(failure instanceof library.APIError, `${failure.constructor.name} ${failure}`);
  if (dialect === 'responses' && !breaksInClient(dialect, adapter, kind)) {
    // This client takes response.failed for an answer that says so.
    const { raw } = await ask(dialect, wish, { stream: true });
    assert.equal(raw.status, 'failed');
    assert.ok(raw.error.message && raw.error.code);
    return;
  }
  const helped = await failureOf(ask(dialect, wish, { stream: true }));
  assert.ok(helped instanceof base || breaksInClient(dialect, adapter, kind), `${helped.constructor.name} ${helped}`);
}

for (const dialect of DIALECTS) {
  for (const adapter of ADAPTERS) {
    describe(`${dialect} over ${adapter}`, () => {
      for (const status of [400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503, 529]) {
        test(`${status}`, () => refused(dialect, adapter, status, false));
        test(`${status}, streamed`, () => refused(dialect, adapter, status, true));
      }
      for (const kind of ['cut', 'reset', 'event_error', 'malformed', 'no_done']) {
        test(`a stream that ends in ${kind}`, () => broken(dialect, adapter, kind));
      }
    });
  }
}

describe('the gateway itself refuses', () => {
  const rows = [
    ['a wrong key', { apiKey: 'gy-wrong' }, 'openai-plain', 401, 'AuthenticationError', 'authentication_error'],
    ['a key for other models', { apiKey: 'gy-sdk-key-2' }, 'anthropic-plain', 403, 'PermissionDeniedError',
      'permission_error'],
    ['an unknown model', {}, 'no-such-model', 404, 'NotFoundError', 'not_found_error'],
  ];
  for (const [name, options, model, status, kind, type] of rows) {
    test(name, async () => {
      const calls = [
        [OpenAI, () => openaiWith(options).chat.completions.create(body('chat', { model, text: 'Hi' }))],
        [OpenAI, () => openaiWith(options).responses.create(body('responses', { model, text: 'Hi' }))],
        [OpenAI, () => openaiWith(options).embeddings.create({ model, input: 'Hi' })],
        [Anthropic, () => anthropicWith(options).messages.create(body('messages', { model, text: 'Hi' }))],
        [Anthropic, () => anthropicWith(options).messages.countTokens({ model, messages: [{ role: 'user', content: 'Hi' }] })],
      ];
      for (const [library, call] of calls) {
        const failure = await failureOf(call());
        assert.ok(failure instanceof library[kind], `${failure.constructor.name}: ${failure.message}`);
        assert.equal(failure.status, status);
        assert.ok(failure.requestID);
        if (library === Anthropic) assert.equal(failure.error.error.type, type);
        assert.ok(!failure.message.includes('gy-'), failure.message);
      }
    });
  }
  test('a body that makes no sense', async () => {
    const failures = [
      await failureOf(openai.chat.completions.create({ model: 'anthropic-plain', messages: 'no list' })),
      await failureOf(openai.responses.create({ model: 'anthropic-plain', input: 7 })),
      await failureOf(anthropic.messages.create({ model: 'openai-plain', max_tokens: 5, messages: [{ role: 'nobody' }] })),
    ];
    for (const failure of failures) assert.equal(failure.status, 400, failure.message);
    assert.ok(failures[2] instanceof Anthropic.BadRequestError);
  });
  test('the client tries again as Retry-After says', async () => {
    const patient = openaiWith({ maxRetries: 1 });
    const started = Date.now();
    await failureOf(patient.chat.completions.create(body('chat', { model: 'openai-status503', text: 'Hi' })));
    assert.ok(Date.now() - started < 10000);
  });
});
