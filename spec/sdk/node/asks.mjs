// One request in each protocol's words, and each protocol's answer in common words:
//   { text, reasoning, calls: [{ id, name, input }], finish, usage: { input, cached, output, reasoning }, raw }
import { anthropic, openai } from './kit.mjs';

const functions = {
  chat: (tool) => ({ type: 'function', function: tool }),
  responses: (tool) => ({ type: 'function', strict: true, ...tool }),
  messages: (tool) => ({ name: tool.name, description: tool.description, input_schema: tool.parameters }),
};

const image = {
  chat: (url) => ({ type: 'image_url', image_url: { url } }),
  responses: (url) => ({ type: 'input_image', image_url: url, detail: 'auto' }),
  messages: (url) => {
    const data = url.match(/^data:(.*);base64,(.*)$/);
    const source = data ? { type: 'base64', media_type: data[1], data: data[2] } : { type: 'url', url };
    return { type: 'image', source };
  },
};
const words = {
  chat: (text) => ({ type: 'text', text }),
  responses: (text) => ({ type: 'input_text', text }),
  messages: (text) => ({ type: 'text', text }),
};

const finishes = {
  stop: 'stop', end_turn: 'stop', completed: 'stop', length: 'length', max_tokens: 'length', tool_calls: 'tools',
  tool_use: 'tools', stop_sequence: 'stop', refusal: 'refusal', content_filter: 'refusal',
};

export function body(dialect, { model, text, tools, images, effort, limit, ...rest }) {
  const content = images ? [words[dialect](text), ...images.map(image[dialect])] : text;
  const made = { model, ...rest };
  if (tools) made.tools = tools.map(functions[dialect]);
  if (dialect === 'responses') {
    made.input = images ? [{ role: 'user', content }] : content;
    if (effort) made.reasoning = { effort, summary: 'auto' };
    if (limit) made.max_output_tokens = limit;
    return made;
  }
  made.messages = [{ role: 'user', content }];
  if (dialect === 'chat') {
    if (effort) made.reasoning_effort = effort;
    if (limit) made.max_completion_tokens = limit;
    return made;
  }
  made.max_tokens = limit ?? 4000;
  if (effort) made.thinking = { type: 'enabled', budget_tokens: 2048 };
  return made;
}

const readers = {
  chat(raw) {
    const choice = raw.choices[0], message = choice.message, usage = raw.usage;
    return {
      text: message.content ?? '', refusal: message.refusal, reasoning: message.reasoning_content ?? '',
      finish: finishes[choice.finish_reason],
      calls: (message.tool_calls ?? []).map((call) => (
        { id: call.id, name: call.function.name, input: JSON.parse(call.function.arguments) })),
      usage: usage && {
        input: usage.prompt_tokens, cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
        output: usage.completion_tokens, reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
        total: usage.total_tokens,
      },
    };
  },
  responses(raw) {
    const of = (type) => raw.output.filter((item) => item.type === type);
    const calls = of('function_call').map((call) => (
      { id: call.call_id, name: call.name, input: JSON.parse(call.arguments) }));
    const usage = raw.usage;
    const status = raw.status === 'incomplete' ? raw.incomplete_details.reason : raw.status;
    return {
      text: raw.output_text ?? '', calls,
      refusal: of('message').flatMap((item) => item.content).find((part) => part.type === 'refusal')?.refusal,
      reasoning: of('reasoning').flatMap((item) => [...item.summary, ...(item.content ?? [])]).map((p) => p.text).join(''),
      finish: calls.length ? 'tools' : { max_output_tokens: 'length', content_filter: 'refusal' }[status] ?? finishes[status],
      usage: usage && {
        input: usage.input_tokens, cached: usage.input_tokens_details.cached_tokens, output: usage.output_tokens,
        reasoning: usage.output_tokens_details.reasoning_tokens, total: usage.total_tokens,
      },
    };
  },
  messages(raw) {
    const of = (type) => raw.content.filter((block) => block.type === type);
    const usage = raw.usage, cached = usage.cache_read_input_tokens ?? 0;
    const input = usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0);
    const text = of('text').map((block) => block.text).join('');
    return {
      text, refusal: raw.stop_reason === 'refusal' ? text : undefined,
      reasoning: of('thinking').map((block) => block.thinking).join(''), finish: finishes[raw.stop_reason],
      calls: of('tool_use').map((block) => ({ id: block.id, name: block.name, input: block.input })),
      usage: {
        input, cached, output: usage.output_tokens, reasoning: usage.output_tokens_details?.thinking_tokens ?? 0,
        total: input + usage.output_tokens,
      },
    };
  },
};

const plain = {
  chat: (made, options) => openai.chat.completions.create(made, options),
  responses: (made, options) => openai.responses.create(made, options),
  messages: (made, options) => anthropic.messages.create(made, options),
};

// The clients' own assembly of a stream.
const streamed = {
  async chat(made, options) {
    const stream = openai.chat.completions.stream({ ...made, stream_options: { include_usage: true } }, options);
    let reasoning = ''; // a field beside the API's: the client keeps only its last delta
    stream.on('chunk', (chunk) => { reasoning += chunk.choices[0]?.delta.reasoning_content ?? ''; });
    const raw = await stream.finalChatCompletion();
    raw.choices[0].message.reasoning_content = reasoning;
    return raw;
  },
  responses: (made, options) => openai.responses.stream(made, options).finalResponse(),
  messages: (made, options) => anthropic.messages.stream(made, options).finalMessage(),
};

export async function ask(dialect, wish, { stream = false, options } = {}) {
  const raw = await (stream ? streamed : plain)[dialect](body(dialect, wish), options);
  return { ...readers[dialect](raw), raw };
}

// The stream as the client's iterator gives it, one event at a time.
export const events = {
  chat: (made, options) => openai.chat.completions.create({ ...made, stream: true }, options),
  responses: (made, options) => openai.responses.create({ ...made, stream: true }, options),
  messages: (made, options) => anthropic.messages.create({ ...made, stream: true }, options),
};
