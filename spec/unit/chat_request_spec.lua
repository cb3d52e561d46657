local json = require "gateyes.json"
local dialect = require "dialects.chat"
local kit = require "chat_kit"

local function decode(body)
  local request, failure = dialect.decode(json.encode(body), kit.context())
  assert(request, failure and failure.message)
  return request
end

local function messages(...)
  return decode { model = "m", messages = { ... } }
end

local function refused(body)
  local text = type(body) == "string" and body or json.encode(body)
  local request, failure = dialect.decode(text, kit.context())
  assert.is_nil(request)
  assert.equal(400, failure.status)
  return failure
end

describe("chat dialect, messages", function()
  it("puts leading system text beside the turns and later system text among them", function()
    local request = messages({ role = "system", content = "one" }, { role = "developer", content = "two" },
      { role = "user", content = "hi" }, { role = "system", content = "three" })
    assert.same({ { type = "text", text = "one" }, { type = "text", text = "two" } }, request.system)
    assert.equal("developer", request.fields.system)
    assert.same({ { role = "user", parts = { { type = "text", text = "hi" } } },
      { role = "system", parts = { { type = "text", text = "three" } } } }, request.turns)
  end)

  it("reads every kind of part", function()
    local request = messages { role = "user", name = "ann", content = {
      { type = "text", text = "look", cache_control = { type = "ephemeral", ttl = "1h" } },
      { type = "image_url", image_url = { url = "https://a.example/i.png", detail = "low" } },
      { type = "image_url", image_url = { url = "data:image/jpeg;base64,QUJD" } },
      { type = "input_audio", input_audio = { data = "QUJD", format = "wav" } },
      { type = "file", file = { filename = "a.pdf", file_data = "data:application/pdf;base64,QUJD" } },
      { type = "file", file = { filename = "a.csv", file_data = "QUJD" } },
      { type = "file", file = { file_id = "file-1" }, prompt_cache_breakpoint = { mode = "explicit" } },
      { type = "video_url", video_url = { url = "https://a.example/v.mp4" } },
    } }
    local parts = request.turns[1].parts
    assert.equal("ann", request.turns[1].name)
    assert.same({ type = "text", text = "look", cache = { ttl = "1h" } }, parts[1])
    assert.same({ type = "image", url = "https://a.example/i.png", detail = "low" }, parts[2])
    assert.same({ type = "image", media_type = "image/jpeg", data = "QUJD" }, parts[3])
    assert.same({ type = "audio", data = "QUJD", format = "wav" }, parts[4])
    assert.same({ type = "file", filename = "a.pdf", media_type = "application/pdf", data = "QUJD" }, parts[5])
    assert.equal("text/csv", parts[6].media_type)
    assert.same({ type = "file", file_id = "file-1", cache = {} }, parts[7])
    assert.equal("raw", parts[8].type)
    assert.same({ type = "video_url", video_url = { url = "https://a.example/v.mp4" } }, kit.plain(parts[8].raw))
  end)

  it("reads an assistant's calls and joins the results into one turn", function()
    local request = messages({ role = "user", content = "?" },
      { role = "assistant", content = json.null, tool_calls = {
        { id = "a", type = "function", ["function"] = { name = "f", arguments = '{"x":1}' } },
        { id = "b", type = "custom", custom = { name = "g", input = "raw text" } } } },
      { role = "tool", tool_call_id = "a", content = "1" },
      { role = "tool", tool_call_id = "b", content = { { type = "text", text = "2" } } })
    assert.same({ { type = "tool_call", id = "a", name = "f", arguments = '{"x":1}' },
      { type = "tool_call", id = "b", name = "g", arguments = "raw text", custom = true } }, request.turns[2].parts)
    assert.same({ role = "user", parts = {
      { type = "tool_result", id = "a", parts = { { type = "text", text = "1" } } },
      { type = "tool_result", id = "b", parts = { { type = "text", text = "2" } } } } }, request.turns[3])
    assert.equal(3, #request.turns)
  end)

  it("gives deprecated function calls ids that their answers share", function()
    local request = messages({ role = "user", content = "?" },
      { role = "assistant", content = json.null, function_call = { name = "f", arguments = "{}" } },
      { role = "function", name = "f", content = "1" },
      { role = "assistant", content = json.null, function_call = { name = "f", arguments = "{}" } },
      { role = "function", name = "f", content = "2" })
    local first, second = request.turns[2].parts[1].id, request.turns[4].parts[1].id
    assert.not_equal(first, second)
    assert.equal(first, request.turns[3].parts[1].id)
    assert.equal(second, request.turns[5].parts[1].id)
  end)

  it("takes reasoning back under every name", function()
    for _, name in ipairs { "reasoning_content", "reasoning" } do
      local request = messages({ role = "user", content = "?" },
        { role = "assistant", content = "so", [name] = "thought" })
      assert.same({ { type = "reasoning", text = "thought", format = "chat" }, { type = "text", text = "so" } },
        request.turns[2].parts)
    end
  end)

  it("takes signatures, redacted and encrypted reasoning back from reasoning_details", function()
    local request = messages({ role = "user", content = "?" }, { role = "assistant", content = "so",
      reasoning_content = "thought", reasoning_details = {
        { type = "reasoning.text", text = "thought", signature = "sig", format = "anthropic-claude-v1", index = 0 },
        { type = "reasoning.encrypted", data = "red", format = "anthropic-claude-v1", index = 1 },
        { type = "reasoning.summary", summary = "short", id = "rs_1", format = "openai-responses-v1", index = 2 },
        { type = "reasoning.encrypted", data = "enc", id = "rs_1", format = "openai-responses-v1", index = 3 },
      } })
    assert.same({
      { type = "reasoning", text = "thought", signature = "sig", format = "anthropic" },
      { type = "reasoning", text = "", encrypted = "red", redacted = true, format = "anthropic" },
      { type = "reasoning", text = "", id = "rs_1", summary = { "short" }, encrypted = "enc", format = "responses" },
      { type = "text", text = "so" },
    }, request.turns[2].parts)
  end)

  it("keeps refusals, audio ids and annotations of an assistant", function()
    local request = messages({ role = "user", content = "?" }, { role = "assistant", refusal = "no",
      audio = { id = "audio_1" }, content = { { type = "text", text = "a" }, { type = "refusal", refusal = "b" } },
      annotations = { { type = "url_citation" } } })
    local parts = request.turns[2].parts
    assert.same({ "text", "refusal", "refusal", "audio" },
      { parts[1].type, parts[2].type, parts[3].type, parts[4].type })
    assert.same({ { type = "url_citation" } }, kit.plain(parts[1].annotations))
    assert.equal("audio_1", parts[4].id)
  end)

  it("turns a request of system text alone into one that has something to answer", function()
    local request = messages { role = "system", content = "You are a chatbot." }
    assert.is_nil(request.system)
    assert.same({ { role = "user", parts = { { type = "text", text = "You are a chatbot." } } } }, request.turns)
  end)
end)

describe("chat dialect, fields", function()
  it("maps every sampling field and keeps the client's names", function()
    local request = decode { model = "m", messages = { { role = "user", content = "x" } }, temperature = 0.5,
      top_p = 0.9, top_k = 5, min_p = 0.1, seed = 7, presence_penalty = 0.1, frequency_penalty = 0.2,
      repetition_penalty = 1.1, logprobs = true, top_logprobs = 3, n = 2, stop = "END", max_completion_tokens = 10,
      verbosity = "low", user = "u", service_tier = "flex", prompt_cache_key = "k", safety_identifier = "s",
      store = true, parallel_tool_calls = false, modalities = { "text", "audio" }, stream = true,
      stream_options = { include_usage = true } }
    assert.equal(0.5, request.temperature)
    assert.equal(5, request.top_k)
    assert.equal(10, request.max_tokens)
    assert.equal("max_completion_tokens", request.fields.max_tokens)
    assert.same({ "END" }, request.stop)
    assert.same({ "text", "audio" }, request.modalities)
    assert.is_false(request.parallel_tool_calls)
    assert.is_true(request.include_usage)
    assert.is_true(request.stream)
    assert.is_nil(request.extra)
    for _, name in ipairs { "temperature", "top_p", "seed", "n", "user", "store", "verbosity", "stop" } do
      assert.equal(name, request.fields[name])
    end
  end)

  it("prefers max_completion_tokens whatever the order", function()
    for _, body in ipairs { '"max_tokens":1,"max_completion_tokens":2', '"max_completion_tokens":2,"max_tokens":1' } do
      local request = assert(dialect.decode('{"model":"m",' .. body .. ',"messages":[{"role":"user","content":"x"}]}'))
      assert.equal(2, request.max_tokens)
      assert.equal("max_completion_tokens", request.fields.max_tokens)
    end
  end)

  it("keeps schemas, metadata and long integers byte for byte", function()
    local request = assert(dialect.decode([[{"model":"m","messages":[{"role":"user","content":"x"}],
      "metadata":{"b":"1","a":"2"},"logit_bias":{"50256":-100},"seed":12345678901234567890,
      "tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"z":[],"a":{}, "n":1.0}}}],
      "response_format":{"type":"json_schema","json_schema":{"name":"r","strict":true,"schema":{"required":[]}}}}]]))
    assert.equal('{"b":"1","a":"2"}', json.raw_text(request.metadata))
    assert.equal('{"50256":-100}', json.raw_text(request.logit_bias))
    assert.equal("12345678901234567890", json.encode(request.seed))
    assert.equal('{"z":[],"a":{}, "n":1.0}', json.raw_text(request.tools[1].parameters))
    assert.equal('{"required":[]}', json.raw_text(request.output.schema))
    assert.equal("json_schema", request.output.type)
    assert.equal("response_format", request.fields.output)
  end)

  it("gives numbers that can be counted with, whatever their notation", function()
    local request = assert(dialect.decode([[{"model":"m","messages":[{"role":"user","content":"x"}],
      "temperature":0.1234567890123456789,"max_tokens":1e2,"top_k":123456789012345678901}]]))
    assert.is_true(math.abs(request.temperature - 0.123456789) < 1e-8)
    assert.equal(100, request.max_tokens)
    assert.is_number(request.top_k)
    local _, failure = dialect.decode '{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":1e999}'
    assert.equal("temperature", failure.param)
  end)

  it("keeps unknown fields and lets null mean absent", function()
    local request = decode { model = "m", messages = { { role = "user", content = "x" } }, temperature = json.null,
      web_search_options = { search_context_size = "low" }, guided_regex = "a+", user = json.null }
    assert.is_nil(request.temperature)
    assert.is_nil(request.fields.temperature)
    assert.equal("chat", request.extra_format)
    assert.equal('"a+"', json.raw_text(request.extra.guided_regex))
    assert.equal("low", request.tools[1].search.size)
    assert.equal('{"search_context_size":"low"}', json.raw_text(request.tools[1].raw))
  end)

  it("reads tool_choice in all its forms", function()
    local function choice(value)
      return decode { model = "m", messages = { { role = "user", content = "x" } }, tool_choice = value }.tool_choice
    end
    assert.same({ type = "none" }, choice "none")
    assert.same({ type = "auto" }, choice "auto")
    assert.same({ type = "required" }, choice "required")
    assert.same({ type = "tool", name = "f" }, choice { type = "function", ["function"] = { name = "f" } })
    assert.same({ type = "tool", name = "g" }, choice { type = "custom", custom = { name = "g" } })
    assert.same({ type = "allowed", mode = "required", names = { "f", "g" } }, choice { type = "allowed_tools",
      allowed_tools = { mode = "required", tools = { { type = "function", ["function"] = { name = "f" } },
        { type = "custom", custom = { name = "g" } } } } })
  end)

  it("reads functions and function_call as tools", function()
    local request = decode { model = "m", messages = { { role = "user", content = "x" } },
      functions = { { name = "f", parameters = { type = "object" } } }, function_call = { name = "f" } }
    assert.equal("f", request.tools[1].name)
    assert.same({ type = "tool", name = "f" }, request.tool_choice)
    assert.equal("functions", request.fields.tools)
    assert.equal("function_call", request.fields.tool_choice)
  end)

  it("reads custom and provider tools", function()
    local request = decode { model = "m", messages = { { role = "user", content = "x" } }, tools = {
      { type = "custom", custom = { name = "patch", description = "d", format = { type = "text" } } },
      { type = "web_search_preview" },
      { type = "function", ["function"] = { name = "f" }, cache_control = { type = "ephemeral" } } } }
    assert.equal("custom", request.tools[1].type)
    assert.equal('{"type":"text"}', json.raw_text(request.tools[1].format))
    assert.same({ "provider", "chat", "web_search_preview" },
      { request.tools[2].type, request.tools[2].format, request.tools[2].name })
    assert.same({}, request.tools[3].cache)
  end)

  it("reads reasoning from each of its fields", function()
    local function reasoning(fields)
      fields.model, fields.messages = "m", { { role = "user", content = "x" } }
      local request = decode(fields)
      return request.reasoning, request.fields.reasoning
    end
    assert.same({ effort = "high" }, (reasoning { reasoning_effort = "high" }))
    assert.same({ effort = "none", mode = "disabled" }, (reasoning { reasoning_effort = "none" }))
    assert.same({ budget_tokens = 2000, display = "omitted" }, (reasoning { reasoning = { max_tokens = 2000,
      exclude = true } }))
    local object, name = reasoning { thinking = { type = "disabled" } }
    assert.same({ mode = "disabled" }, object)
    assert.equal("thinking", name)
  end)
end)

describe("chat dialect, refusals", function()
  local user = { role = "user", content = "x" }
  local cases = {
    { "model", { messages = { user } } },
    { "messages", { model = "m" } },
    { "messages", { model = "m", messages = json.array {} } },
    { "messages", { model = "m", messages = "hello" } },
    { "messages.0", { model = "m", messages = { "hello" } } },
    { "messages.0.role", { model = "m", messages = { { content = "x" } } } },
    { "messages.1.role", { model = "m", messages = { user, { role = "robot", content = "x" } } } },
    { "messages.0.content", { model = "m", messages = { { role = "user" } } } },
    { "messages.0.content", { model = "m", messages = { { role = "user", content = 5 } } } },
    { "messages.0.content.1.type", { model = "m", messages = { { role = "user", content = {
      { type = "text", text = "x" }, { text = "y" } } } } } },
    { "messages.0.content.0.text", { model = "m", messages = { { role = "user", content = { { type = "text",
      text = 1 } } } } } },
    { "messages.2.content.0.image_url.url", { model = "m", messages = { user, user, { role = "user", content = {
      { type = "image_url", image_url = { url = 7 } } } } } } },
    { "messages.0.content.0.image_url.url", { model = "m", messages = { { role = "user", content = {
      { type = "image_url", image_url = { url = "QUJD" } } } } } } },
    { "messages.0.content.0.input_audio.format", { model = "m", messages = { { role = "user", content = {
      { type = "input_audio", input_audio = { data = "QUJD" } } } } } } },
    { "messages.0.content.0.file", { model = "m", messages = { { role = "user", content = { { type = "file",
      file = {} } } } } } },
    { "messages.0.content.0.type", { model = "m", messages = { { role = "system", content = { { type = "image_url",
      image_url = { url = "https://a.example" } } } } } } },
    { "messages.1.tool_calls.0.id", { model = "m", messages = { user, { role = "assistant", tool_calls = {
      { type = "function", ["function"] = { name = "f", arguments = "{}" } } } } } } },
    { "messages.1.tool_calls.0.function.arguments", { model = "m", messages = { user, { role = "assistant",
      tool_calls = { { id = "a", type = "function", ["function"] = { name = "f", arguments = { x = 1 } } } } } } } },
    { "messages.1.tool_call_id", { model = "m", messages = { user, { role = "tool", content = "1" } } } },
    { "messages.0.name", { model = "m", messages = { { role = "function", name = "f", content = "1" } } } },
    { "temperature", { model = "m", messages = { user }, temperature = "hot" } },
    { "n", { model = "m", messages = { user }, n = 1.5 } },
    { "stop.1", { model = "m", messages = { user }, stop = { "a", 1 } } },
    { "stream", { model = "m", messages = { user }, stream = "yes" } },
    { "tools.0.function.name", { model = "m", messages = { user }, tools = { { type = "function",
      ["function"] = { description = "d" } } } } },
    { "tools.0.function.parameters", { model = "m", messages = { user }, tools = { { type = "function",
      ["function"] = { name = "f", parameters = json.array {} } } } } },
    { "tool_choice", { model = "m", messages = { user }, tool_choice = "maybe" } },
    { "tool_choice.function.name", { model = "m", messages = { user }, tool_choice = { type = "function",
      ["function"] = {} } } },
    { "response_format.type", { model = "m", messages = { user }, response_format = { type = "xml" } } },
    { "response_format.json_schema.name", { model = "m", messages = { user }, response_format = {
      type = "json_schema", json_schema = { schema = {} } } } },
    { "reasoning_effort", { model = "m", messages = { user }, reasoning_effort = "huge" } },
    { "stream_options.include_usage", { model = "m", messages = { user }, stream_options = { include_usage = 1 } } },
    { "metadata", { model = "m", messages = { user }, metadata = "x" } },
  }
  for _, case in ipairs(cases) do
    it("names " .. case[1] .. " in " .. json.encode(case[2]), function()
      local failure = refused(case[2])
      assert.equal(case[1], failure.param)
      assert.equal("invalid_request_error", failure.type)
      assert.is_truthy(failure.message:find(case[1], 1, true))
    end)
  end

  it("says where the JSON is broken", function()
    local failure = refused '{"model": "m", "messages": [invalid'
    assert.equal("invalid_json", failure.code)
    assert.is_truthy(failure.message:find "at byte 29")
    assert.equal("invalid_json", refused("[1]").code)
    assert.equal("invalid_json", refused("").code)
  end)
end)
