// What every test needs: the clients, and what the mock and the gateway's log say of a request.
import { readFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

export const { GATEWAY_URL, MOCK_URL, GATEWAY_KEY, GATEWAY_LOG } = process.env;
export const ADAPTERS = ['openai', 'openai_responses', 'anthropic', 'azure_openai'];
export const DIALECTS = ['chat', 'responses', 'messages'];
const NATIVE = { chat: ['openai', 'azure_openai'], responses: ['openai_responses'], messages: ['anthropic'] };
export const isNative = (dialect, adapter) => NATIVE[dialect].includes(adapter);

export const openaiWith = (options) =>
  new OpenAI({ apiKey: GATEWAY_KEY, baseURL: GATEWAY_URL + '/v1', maxRetries: 0, timeout: 20000, ...options });
export const anthropicWith = (options) =>
  new Anthropic({ apiKey: GATEWAY_KEY, baseURL: GATEWAY_URL, maxRetries: 0, timeout: 20000, ...options });
export const openai = openaiWith({});
export const anthropic = anthropicWith({});

let marks = 0;
export const mark = () => `m${process.pid}x${++marks}z`;
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Asks until the answer is true: what it asks about happens in another process.
export async function until(what, ask, timeoutMs = 5000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = await ask();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not seen within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

// The mock's records of requests whose body contains the mark, oldest first.
export async function recordsOf(text) {
  const answer = await fetch(MOCK_URL + '/mock/requests?last=400');
  const list = await answer.json();
  return (list.requests ?? list.data ?? list).filter((record) => record.body?.includes(text));
}

export async function recordOf(text, isReady = () => true) {
  return until(`a record with ${text}`, async () => {
    const records = await recordsOf(text);
    return records.length && isReady(records.at(-1)) && records.at(-1);
  });
}

// The gateway's log of finished requests, as far as it is written.
export const logLines = () => readFileSync(GATEWAY_LOG, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line))
  .filter((line) => line.event === 'request');

export const logOf = (requestId) =>
  until(`the log line of ${requestId}`, () => logLines().find((line) => line.request_id === requestId));

export const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
export const WEATHER = {
  name: 'get_weather',
  description: 'Weather of a city',
  parameters: {
    type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } }, required: ['city', 'days'],
    additionalProperties: false,
  },
};
export const CLOCK = {
  name: 'get_time',
  description: 'Time of a city',
  parameters: { type: 'object', properties: { zone: { type: 'string' } }, required: ['zone'], additionalProperties: false },
};
