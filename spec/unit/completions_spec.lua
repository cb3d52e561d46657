local json = require "gateyes.json"
local dialect = require "dialects.completions"
local embeddings = require "dialects.embeddings"
local openai = require "adapters.openai"
local azure = require "adapters.azure_openai"
local kit = require "chat_kit"

local function decode(body)
  body.model = body.model or "m"
  return dialect.decode(json.encode(body), kit.context())
end

describe("completions dialect, requests", function()
  it("makes one user turn of the prompt", function()
    for _, prompt in ipairs { "once", { "once" } } do
      local request = assert(decode { prompt = prompt })
      assert.same({ { role = "user", parts = { { type = "text", text = "once" } } } }, request.turns)
      assert.equal("prompt", request.fields.messages)
    end
  end)

  it("maps the fields that chat has, too, and keeps the others", function()
    local request = assert(decode { prompt = "x", max_tokens = 5, temperature = 0.1, stop = "E", logprobs = 3,
      echo = true, stream = true, stream_options = { include_usage = true }, suffix = "s", best_of = 2, n = 2,
      logit_bias = { ["1"] = 2 } })
    assert.equal(5, request.max_tokens)
    assert.same({ "E" }, request.stop)
    assert.is_true(request.logprobs)
    assert.equal(3, request.top_logprobs)
    assert.is_true(request.echo)
    assert.is_true(request.include_usage)
    assert.same({ suffix = "s", best_of = 2 }, kit.plain(request.extra))
    assert.equal("completions", request.extra_format)
    assert.equal("logprobs", request.fields.top_logprobs)
    assert.is_nil(assert(decode { prompt = "x", logprobs = 0 }).top_logprobs)
  end)

  it("says what to do about prompts that cannot be translated", function()
    for _, prompt in ipairs { { "a", "b" }, { 1, 2 }, { { 1 }, { 2 } }, json.array {}, "", 7 } do
      local request, failure = decode { prompt = prompt }
      assert.is_nil(request)
      assert.equal("prompt", failure.param)
      assert.equal(400, failure.status)
    end
    local _, failure = decode {}
    assert.equal("prompt", failure.param)
    _, failure = dialect.decode '{"prompt":"x"}'
    assert.equal("model", failure.param)
    _, failure = decode { prompt = "x", temperature = "hot" }
    assert.equal("temperature", failure.param)
    _, failure = dialect.decode "nonsense"
    assert.equal("invalid_json", failure.code)
  end)
end)

describe("completions dialect, replies", function()
  local logprobs = '{"content":[{"token":"é","logprob":-0.5,"top_logprobs":[{"token":"e","logprob":-1}]},'
    .. '{"token":"b","logprob":-2,"top_logprobs":[]}]}'
  local echoing = { request = { echo = true, logprobs = true, turns = { { parts = { { text = "ab" } } } } } }

  it("writes a text_completion", function()
    local reply = { id = "r", model = "m", created = 5, usage = { input = 3, output = 2 }, choices = {
      { index = 0, parts = { { type = "reasoning", text = "t" }, { type = "text", text = "a" },
        { type = "text", text = "b" } }, finish = "stop_sequence" },
      { index = 1, parts = { { type = "refusal", text = "no" } }, finish = "length" } } }
    assert.same({ id = "r", object = "text_completion", created = 5, model = "m",
      choices = { { index = 0, text = "ab", finish_reason = "stop" }, { index = 1, text = "no",
        finish_reason = "length" } },
      usage = { prompt_tokens = 3, completion_tokens = 2, total_tokens = 5 } },
      kit.json(dialect.encode(reply, kit.context())))
  end)

  it("echoes the prompt and turns log probabilities round", function()
    local reply = { choices = { { index = 0, parts = { { type = "text", text = "éb" } }, finish = "stop",
      logprobs = json.raw(logprobs) } } }
    local choice = kit.json(dialect.encode(reply, kit.context(echoing))).choices[1]
    assert.equal("abéb", choice.text)
    assert.same({ tokens = { "é", "b" }, token_logprobs = { -0.5, -2 }, top_logprobs = { { e = -1 }, {} },
      text_offset = { 2, 3 } }, choice.logprobs)
  end)

  it("streams text with echo, finish, usage and [DONE]", function()
    local context = kit.context(echoing)
    context.include_usage = true
    local frames = kit.encode_all(dialect, context, { { type = "start", id = "r", model = "m", created = 5 },
      { type = "part_start", index = 0, choice = 0, part = { type = "reasoning" } },
      { type = "part_delta", index = 0, choice = 0, text = "hidden" }, { type = "part_stop", index = 0, choice = 0 },
      { type = "part_start", index = 1, choice = 0, part = { type = "text" } },
      { type = "part_delta", index = 1, choice = 0, text = "éb", logprobs = json.raw(logprobs) },
      { type = "part_stop", index = 1, choice = 0 }, { type = "usage", usage = { input = 3, output = 2 } },
      { type = "finish", choice = 0, reason = "tool_calls" }, { type = "end" } })
    local chunks = kit.chunks(frames)
    assert.equal(5, #chunks)
    assert.same({ "ab", "éb", "" }, { chunks[1].choices[1].text, chunks[2].choices[1].text, chunks[3].choices[1].text })
    assert.same({ 2, 3 }, chunks[2].choices[1].logprobs.text_offset)
    assert.equal("stop", chunks[3].choices[1].finish_reason)
    assert.equal("text_completion", chunks[1].object)
    assert.same({ prompt_tokens = 3, completion_tokens = 2, total_tokens = 5 }, chunks[4].usage)
    assert.equal("[DONE]", chunks[5])
  end)

  it("ends a broken stream with an error and no [DONE]", function()
    local frames = kit.encode_all(dialect, kit.context(), { { type = "start" },
      { type = "error", failure = { type = "api_error", message = "gone" } } })
    assert.same({ { error = { type = "server_error", message = "gone" } } }, kit.chunks(frames))
  end)
end)

describe("embeddings dialect", function()
  local function embed(body)
    return embeddings.decode(json.encode(body))
  end

  it("reads every form of input without touching it", function()
    local request = assert(embed { model = "m", input = { "a", "b" }, dimensions = 8, encoding_format = "base64",
      user = "u", input_type = "query" })
    assert.equal("embed", request.kind)
    assert.equal('["a","b"]', json.raw_text(request.input))
    assert.same({ "a", "b" }, request.texts)
    assert.equal(8, request.dimensions)
    assert.same({ input_type = "query" }, kit.plain(request.extra))
    assert.same({ "x" }, assert(embed { model = "m", input = "x" }).texts)
    assert.same({}, assert(embed { model = "m", input = { { 1, 2 }, { 3 } } }).texts)
  end)

  it("names what is wrong", function()
    local cases = { { "input", { model = "m" } }, { "input", { model = "m", input = "" } },
      { "input", { model = "m", input = json.array {} } }, { "input.1", { model = "m", input = { "a", true } } },
      { "model", { input = "x" } }, { "dimensions", { model = "m", input = "x", dimensions = "many" } } }
    for _, case in ipairs(cases) do
      local request, failure = embed(case[2])
      assert.is_nil(request)
      assert.equal(case[1], failure.param)
    end
  end)

  it("passes through the adapters that serve it", function()
    local request = assert(embed { model = "m", input = "x", dimensions = 8, input_type = "query" })
    local context = kit.context { request = request }
    local call = openai.encode(request, context)
    assert.equal("/embeddings", call.path)
    assert.same({ model = "gpt-4o", input = "x", dimensions = 8, input_type = "query" }, kit.json(call.body))
    assert.is_truthy(azure.encode(request, context).path:find("/embeddings?", 1, true))
    local body = '{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":8,"total_tokens":8}}'
    local reply = openai.decode(body, context)
    assert.same({ input = 8, output = 0 }, reply.usage)
    assert.equal(body, embeddings.encode(reply, context))
    local _, failure = openai.decode('{"error":{"message":"bad"}}', context)
    assert.equal("bad", failure.message)
  end)
end)
