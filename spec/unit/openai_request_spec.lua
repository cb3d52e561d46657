local json = require "gateyes.json"
local adapter = require "adapters.openai"
local azure = require "adapters.azure_openai"
local dialect = require "dialects.chat"
local presets = require "adapters.presets"
local kit = require "chat_kit"

local function text(value) return { type = "text", text = value } end

local function encode(request, overrides)
  local context = kit.context(overrides)
  request.turns = request.turns or { { role = "user", parts = { text "x" } } }
  request.fields = request.fields or {}
  local call, failure = adapter.encode(request, context)
  if not call then return nil, failure end
  return kit.json(call.body), context.dropped, call
end

local function with(preset, model)
  return { provider = { preset = preset }, model = model or "local-model" }
end

describe("openai adapter, messages", function()
  it("sends one text as a string and several as parts", function()
    local body = encode { system = { text "s" }, turns = { { role = "user", parts = { text "a" } },
      { role = "assistant", parts = { text "b", text "c" } } } }
    assert.same({ { role = "system", content = "s" }, { role = "user", content = "a" },
      { role = "assistant", content = { text "b", text "c" } } }, body.messages)
  end)

  it("says developer only where the client did and the server knows it", function()
    local function role(overrides)
      return encode({ system = { text "s" }, fields = { system = "developer" } }, overrides).messages[1].role
    end
    assert.equal("developer", role())
    assert.equal("system", role(with "vllm"))
    assert.equal("system", encode { system = { text "s" } }.messages[1].role)
  end)

  it("sends images, files and audio", function()
    local body = encode { turns = { { role = "user", name = "ann", parts = {
      { type = "image", url = "https://a.example/i.png", detail = "high" },
      { type = "image", data = "QUJD", media_type = "image/gif" },
      { type = "file", data = "QUJD", media_type = "application/pdf", filename = "a.pdf" },
      { type = "file", file_id = "file-1" }, { type = "file", text = "body", title = "Notes" },
      { type = "audio", data = "QUJD", format = "mp3" },
      { type = "raw", format = "chat", raw = json.raw '{"type":"video_url"}' } } } } }
    assert.equal("ann", body.messages[1].name)
    assert.same({
      { type = "image_url", image_url = { url = "https://a.example/i.png", detail = "high" } },
      { type = "image_url", image_url = { url = "data:image/gif;base64,QUJD" } },
      { type = "file", file = { filename = "a.pdf", file_data = "data:application/pdf;base64,QUJD" } },
      { type = "file", file = { file_id = "file-1" } }, text "Notes\n\nbody",
      { type = "input_audio", input_audio = { data = "QUJD", format = "mp3" } }, { type = "video_url" },
    }, body.messages[1].content)
  end)

  it("refuses content that it cannot carry, and reports blocks of another format", function()
    local _, failure = encode { turns = { { role = "user", parts = { { type = "image", file_id = "f" } } } } }
    assert.equal(400, failure.status)
    assert.equal("messages", failure.param)
    local _, dropped = encode { turns = { { role = "user", parts = { text "x",
      { type = "raw", format = "anthropic", kind = "container_upload", raw = json.raw "{}" } } } } }
    assert.is_truthy(dropped["messages.container_upload"])
    _, failure = encode { turns = { { role = "user", parts = {
      { type = "raw", format = "anthropic", kind = "container_upload", raw = json.raw "{}" } } } } }
    assert.equal(400, failure.status)
  end)

  it("puts tool messages right behind the calls, and what they cannot hold behind them", function()
    local body = encode { turns = {
      { role = "assistant", parts = { { type = "tool_call", id = "a", name = "f", arguments = "" },
        { type = "tool_call", id = "b", name = "g", arguments = '{"x":1}' } } },
      { role = "user", parts = { { type = "tool_result", id = "a", parts = { text "1",
        { type = "image", data = "QUJD", media_type = "image/png" } } } } },
      { role = "user", parts = { text "and?", { type = "tool_result", id = "b", parts = { text "bad" },
        is_error = true } } } } }
    assert.same({
      { role = "assistant", tool_calls = {
        { id = "a", type = "function", ["function"] = { name = "f", arguments = "{}" } },
        { id = "b", type = "function", ["function"] = { name = "g", arguments = '{"x":1}' } } } },
      { role = "tool", tool_call_id = "a", content = "1" },
      { role = "tool", tool_call_id = "b", content = "Error: bad" },
      { role = "user", content = { text "Returned by tool call a:",
        { type = "image_url", image_url = { url = "data:image/png;base64,QUJD" } } } },
      { role = "user", content = "and?" },
    }, body.messages)
  end)

  it("shortens ids alike in the call and its result", function()
    local long = ("x"):rep(64)
    local body = encode { turns = { { role = "assistant", parts = { { type = "tool_call", id = long, name = "f" } } },
      { role = "user", parts = { { type = "tool_result", id = long, parts = {} } } } } }
    local id = body.messages[1].tool_calls[1].id
    assert.equal(40, #id)
    assert.equal(id, body.messages[2].tool_call_id)
    assert.equal("", body.messages[2].content)
    body = encode({ turns = { { role = "assistant", parts = { { type = "tool_call", id = "call_1", name = "f" },
      { type = "tool_call", id = "call_2", name = "f" } } } } }, with "mistral")
    local first, second = body.messages[1].tool_calls[1].id, body.messages[1].tool_calls[2].id
    assert.is_truthy(first:match "^%w%w%w%w%w%w%w%w%w$")
    assert.not_equal(first, second)
  end)

  it("gives reasoning back only to servers that take it", function()
    local turns = { { role = "assistant", parts = { { type = "reasoning", text = "t", signature = "s",
      format = "anthropic" }, text "x" } } }
    local body, dropped = encode { turns = turns }
    assert.same({ role = "assistant", content = "x" }, body.messages[1])
    assert.same({}, dropped)
    assert.equal("t", encode({ turns = turns }, with "deepseek").messages[1].reasoning_content)
    assert.equal("t", encode({ turns = turns }, with "vllm").messages[1].reasoning)
    assert.equal("s", encode({ turns = turns }, with "openrouter").messages[1].reasoning_details[1].signature)
  end)

  it("maps cache hints where there is a place for them, and reports them elsewhere", function()
    local turns = { { role = "user", parts = { { type = "text", text = "x", cache = { ttl = "1h" } } } } }
    local body, dropped = encode({ turns = turns }, { model = "gpt-5.6-terra" })
    assert.same({ mode = "explicit" }, body.messages[1].content[1].prompt_cache_breakpoint)
    assert.same({}, dropped)
    body = encode({ turns = turns }, with "openrouter")
    assert.same({ type = "ephemeral", ttl = "1h" }, body.messages[1].content[1].cache_control)
    body, dropped = encode { turns = turns }
    assert.equal("x", body.messages[1].content)
    assert.is_truthy(dropped.cache_control)
  end)

  it("hints the last text of a tool result that is hinted as a whole", function()
    local body = encode({ turns = { { role = "user", parts = { { type = "tool_result", id = "a", cache = {},
      parts = { text "1", { type = "image", url = "https://a.example/i" }, text "2" } } } } } },
      { model = "gpt-5.6" })
    assert.same({ text "1", { type = "text", text = "2", prompt_cache_breakpoint = { mode = "explicit" } } },
      body.messages[1].content)
  end)

  it("joins texts for servers that want one string", function()
    local body = encode({ turns = { { role = "user", parts = { text "a", text "b" } } } }, with "deepseek")
    assert.equal("a\n\nb", body.messages[1].content)
  end)
end)

describe("openai adapter, fields", function()
  it("uses the server's name for the token limit and always asks a stream for usage", function()
    local body = encode { max_tokens = 9, stream = true }
    assert.equal(9, body.max_completion_tokens)
    assert.is_true(body.stream)
    assert.same({ include_usage = true }, body.stream_options)
    body = encode({ max_tokens = 9 }, with "vllm")
    assert.equal(9, body.max_tokens)
    assert.is_nil(body.stream)
    assert.is_nil(body.stream_options)
  end)

  it("asks for no more than the model can give, and says so", function()
    local body, dropped = encode({ max_tokens = 32000 }, { info = { max_output_tokens = 16384 } })
    assert.equal(16384, body.max_completion_tokens)
    assert.is_truthy(dropped.max_tokens:find "16384")
    body, dropped = encode({ max_tokens = 100 }, { info = { max_output_tokens = 16384 } })
    assert.equal(100, body.max_completion_tokens)
    assert.same({}, dropped)
  end)

  it("names service tiers as the server does, both ways", function()
    for tier, wanted in pairs { default = "on_demand", auto = "auto", flex = "flex", priority = false } do
      local body, dropped = encode({ service_tier = tier }, with "groq")
      assert.equal(wanted or nil, body.service_tier)
      assert.equal(not wanted, dropped.service_tier ~= nil)
      local context = kit.context(with "groq")
      local reply = adapter.decode('{"choices":[{"message":{"content":"x"}}],"service_tier":"'
        .. (wanted or tier) .. '"}', context)
      assert.equal(tier, reply.service_tier)
      local state = adapter.new_stream(context)
      local events = adapter.decode_event(state, nil, '{"choices":[{"delta":{"content":"x"}}],"service_tier":"'
        .. (wanted or tier) .. '"}')
      assert.equal(tier, events[1].service_tier)
    end
    assert.equal("priority", encode({ service_tier = "priority" }).service_tier)
  end)

  it("asks no model of OpenAI for a verbosity that it refuses", function()
    for model, wanted in pairs { ["gpt-5"] = "low", ["gpt-4o"] = false, o3 = false, ["gpt-5-chat-latest"] = false,
      another = "low" } do
      local body, dropped = encode({ verbosity = "low" }, { model = model })
      assert.equal(wanted or nil, body.verbosity, model)
      assert.equal(not wanted, dropped.verbosity ~= nil, model)
    end
    assert.equal("medium", encode({ verbosity = "medium" }, { model = "gpt-4o" }).verbosity)
  end)

  it("sends what the preset takes, under its name, and reports the rest", function()
    local request = { top_k = 5, min_p = 0.1, repetition_penalty = 1.1, fields = { top_k = "top_k" } }
    local body, dropped = encode(request)
    assert.is_nil(body.top_k)
    assert.same({ "min_p", "repetition_penalty", "top_k" }, (function()
      local names = {}
      for name in pairs(dropped) do names[#names + 1] = name end
      table.sort(names)
      return names
    end)())
    body, dropped = encode(request, with "llamacpp")
    assert.equal(5, body.top_k)
    assert.equal(1.1, body.repeat_penalty)
    assert.same({}, dropped)
    body, dropped = encode({ seed = 3, n = 2, user = "u", fields = { user = "metadata.user_id" } }, with "mistral")
    assert.equal(3, body.random_seed)
    assert.equal(2, body.n)
    assert.is_truthy(dropped["metadata.user_id"])
    local prediction = json.raw '{"type":"content","content":"c"}'
    body, dropped = encode({ metadata = json.raw '{"a":"b"}', prediction = prediction }, with "mistral")
    assert.same({ { a = "b" }, "c" }, { body.metadata, body.prediction.content })
    assert.same({}, dropped)
    body, dropped = encode({ logprobs = true, top_logprobs = 2 }, with "together")
    assert.is_nil(body.logprobs)
    assert.is_truthy(dropped.logprobs and dropped.top_logprobs)
  end)

  it("keeps metadata to requests that are stored", function()
    local body, dropped = encode { metadata = json.raw '{"a":"b"}' }
    assert.is_nil(body.metadata)
    assert.is_truthy(dropped.metadata)
    body = encode { metadata = json.raw '{"a":"b"}', store = true }
    assert.same({ a = "b" }, body.metadata)
  end)

  it("writes every kind of tool and tool_choice", function()
    local tools = { { type = "function", name = "f", description = "d", parameters = json.raw '{"type":"object"}',
      strict = true }, { type = "custom", name = "g", format = json.raw '{"type":"text"}' },
      { type = "provider", format = "anthropic", name = "web_search", raw = json.raw "{}" },
      { type = "provider", format = "chat", name = "search", raw = json.raw '{"type":"search"}' } }
    local body, dropped = encode { tools = tools, tool_choice = { type = "tool", name = "g" } }
    assert.same({ { type = "function", ["function"] = { name = "f", description = "d", parameters = { type = "object" },
      strict = true } }, { type = "custom", custom = { name = "g", format = { type = "text" } } },
      { type = "search" } }, body.tools)
    assert.same({ type = "custom", custom = { name = "g" } }, body.tool_choice)
    assert.is_truthy(dropped["tools.web_search"])
    body = encode { tools = tools, tool_choice = { type = "allowed", mode = "auto", names = { "f", "g" } } }
    assert.same({ type = "allowed_tools", allowed_tools = { mode = "auto", tools = {
      { type = "function", ["function"] = { name = "f" } }, { type = "custom", custom = { name = "g" } } } } },
      body.tool_choice)
    for _, word in ipairs { "auto", "none", "required" } do
      assert.equal(word, encode({ tools = tools, tool_choice = { type = word } }).tool_choice)
    end
    assert.equal("any", encode({ tools = tools, tool_choice = { type = "required" } }, with "mistral").tool_choice)
  end)

  it("offers only the allowed tools to servers that cannot be told so", function()
    local tools = { { type = "function", name = "f" }, { type = "function", name = "g" } }
    local body = encode({ tools = tools, tool_choice = { type = "tool", name = "g" } }, with "llamacpp")
    assert.same({ { type = "function", ["function"] = { name = "g" } } }, body.tools)
    assert.equal("required", body.tool_choice)
    body = encode({ tools = tools, tool_choice = { type = "allowed", mode = "auto", names = { "f" } } }, with "vllm")
    assert.equal("f", body.tools[1]["function"].name)
    assert.equal(1, #body.tools)
    assert.equal("auto", body.tool_choice)
  end)

  it("says with the tools what a server without tool_choice would not read", function()
    local tools = { { type = "function", name = "f" }, { type = "function", name = "g" } }
    local function names(choice)
      local body, dropped = encode({ tools = tools, tool_choice = choice, fields = { tool_choice = "tool_choice" } },
        with "ollama")
      assert.is_nil(body.tool_choice)
      local list = {}
      for i, tool in ipairs(body.tools or {}) do list[i] = tool["function"].name end
      return table.concat(list, " "), dropped.tool_choice ~= nil
    end
    assert.same({ "f g", false }, { names { type = "auto" } })
    assert.same({ "", false }, { names { type = "none" } })
    assert.same({ "f g", true }, { names { type = "required" } })
    assert.same({ "g", true }, { names { type = "tool", name = "g" } })
    assert.same({ "f", false }, { names { type = "allowed", mode = "auto", names = { "f" } } })
    assert.same({ "f", true }, { names { type = "allowed", mode = "required", names = { "f" } } })
  end)

  it("keeps from models of xAI what they refuse", function()
    local function sent(model)
      local request = { stop = { "x" }, presence_penalty = 0.5, reasoning = { effort = "high" } }
      local body = encode(request, with("xai", model))
      return body.stop ~= nil, body.presence_penalty ~= nil, body.reasoning_effort ~= nil
    end
    for model, wanted in pairs {
      ["grok-3"] = { true, true, false }, ["grok-3-mini"] = { false, false, true },
      ["grok-3-mini-latest"] = { false, false, true }, ["grok-4"] = { false, false, false },
      ["grok-4-0709"] = { false, false, false }, ["grok-4-fast-non-reasoning"] = { true, true, false },
      ["grok-4.20-0309-reasoning"] = { false, false, false }, ["grok-4.3"] = { false, false, true },
      ["grok-5"] = { false, false, true }, ["grok-code-fast-1"] = { false, false, false },
    } do
      assert.same(wanted, { sent(model) }, model)
    end
  end)

  it("leaves tool_choice out when no tool is left", function()
    local body = encode { tools = { { type = "provider", format = "anthropic", name = "w", raw = json.raw "{}" } },
      tool_choice = { type = "auto" }, parallel_tool_calls = true }
    assert.is_nil(body.tools)
    assert.is_nil(body.tool_choice)
    assert.is_nil(body.parallel_tool_calls)
  end)

  it("writes the output format, and what is nearest to it", function()
    local output = { type = "json_schema", name = "r", schema = json.raw '{"a":[]}', strict = true }
    assert.same({ type = "json_schema", json_schema = { name = "r", schema = { a = {} }, strict = true } },
      encode({ output = output }).response_format)
    assert.equal("structured_output", encode({ output = { type = "json_schema", schema = json.raw "{}" } })
      .response_format.json_schema.name)
    local body, dropped = encode({ output = output, fields = { output = "response_format" } }, with "deepseek")
    assert.same({ type = "json_object" }, body.response_format)
    assert.is_truthy(dropped.response_format)
    assert.is_nil(encode({ output = { type = "text" } }).response_format)
  end)

  it("passes extra fields of its own format only", function()
    local extra = { guided_regex = json.raw '"a+"', model = json.raw '"other"' }
    local body = encode { extra = extra, extra_format = "chat" }
    assert.equal("a+", body.guided_regex)
    assert.equal("gpt-4o", body.model)
    assert.is_nil(encode({ extra = extra, extra_format = "messages" }).guided_regex)
  end)
end)

describe("openai adapter, reasoning", function()
  local tools = { { type = "function", name = "f" } }

  it("finds an effort for a budget and knows which models reason", function()
    assert.equal("medium", encode({ reasoning = { budget_tokens = 8000 } }, { model = "o3" }).reasoning_effort)
    assert.equal("high", encode({ reasoning = { effort = "high" } }, { model = "other" }).reasoning_effort)
    local body, dropped = encode { reasoning = { effort = "high" }, fields = { reasoning = "thinking" } }
    assert.is_nil(body.reasoning_effort)
    assert.is_truthy(dropped.thinking)
  end)

  it("knows how each model is kept from reasoning", function()
    local function effort(model)
      return encode({ reasoning = { mode = "disabled" } }, { model = model }).reasoning_effort
    end
    assert.equal("low", effort "o4-mini")
    assert.equal("minimal", effort "gpt-5-mini")
    assert.equal("none", effort "gpt-5.1")
    assert.is_nil(effort "gpt-4o")
    assert.is_nil(effort "gpt-5-chat-latest")
  end)

  it("gives up the effort where a model refuses it beside tools", function()
    local body, dropped = encode({ tools = tools, reasoning = { effort = "high" } }, { model = "gpt-5.6-terra" })
    assert.equal("none", body.reasoning_effort)
    assert.is_truthy(dropped.reasoning)
    body, dropped = encode({ tools = tools }, { model = "gpt-5.6-terra" })
    assert.equal("none", body.reasoning_effort)
    assert.same({}, dropped)
    body = encode({ tools = tools, reasoning = { effort = "high" } }, { model = "gpt-5" })
    assert.equal("high", body.reasoning_effort)
  end)

  it("leaves sampling to models that reason, and says so", function()
    local body, dropped = encode({ temperature = 0.2, top_p = 1, stop = { "E" } }, { model = "gpt-5-mini" })
    assert.is_nil(body.temperature)
    assert.is_nil(body.top_p)
    assert.is_nil(body.stop)
    assert.is_truthy(dropped.temperature)
    assert.is_truthy(dropped.stop)
    assert.is_nil(dropped.top_p)
    assert.equal(0.2, encode({ temperature = 0.2 }, { model = "gpt-5.1" }).temperature)
    assert.equal(0.2, encode({ temperature = 0.2 }, { model = "gpt-4.1" }).temperature)
  end)

  it("asks each kind of server in its own words", function()
    assert.same({ effort = "high", enabled = true }, encode({ reasoning = { mode = "enabled", effort = "high" } },
      with "openrouter").reasoning)
    assert.same({ enabled = false }, encode({ reasoning = { mode = "disabled" } }, with "openrouter").reasoning)
    local body = encode({ reasoning = { mode = "enabled", budget_tokens = 9000 } }, with "deepseek")
    assert.same({ type = "enabled" }, body.thinking)
    assert.equal("medium", body.reasoning_effort)
    body = encode({ reasoning = { mode = "disabled" } }, with "vllm")
    assert.same({ enable_thinking = false, thinking = false }, body.chat_template_kwargs)
    assert.is_nil(body.reasoning_effort)
    assert.equal("high", encode({ reasoning = { effort = "max" } }, with "ollama").reasoning_effort)
    assert.equal("none", encode({ reasoning = { mode = "disabled" } }, with "ollama").reasoning_effort)
  end)
end)

describe("openai adapter, call", function()
  it("has a whole preset for every name", function()
    for name, preset in pairs(presets) do
      if type(preset) == "table" then
        assert.is_string(preset.limit, name)
        assert.is_table(preset.lacks, name)
        assert.is_table(preset.adds, name)
        assert.is_truthy(preset.models or preset.efforts, name)
      end
    end
  end)

  it("posts to the provider's own path", function()
    local _, _, call = encode {}
    assert.equal("/chat/completions", call.path)
    local request = { turns = { { role = "user", parts = { text "x" } } } }
    local made = assert(azure.encode(request, kit.context()))
    assert.equal("/openai/deployments/{model}/chat/completions?api-version={api_version}", made.path)
    assert.equal("api-key", azure.auth.header)
    assert.equal("/openai/deployments/{model}/embeddings?api-version={api_version}", azure.native.embeddings)
    assert.equal("/chat/completions", adapter.native.chat)
  end)

  it("comes back from chat through the canonical form to the same request", function()
    local body = { model = "gpt-4o", temperature = 0.5, stop = { "a", "b" }, seed = 7, max_completion_tokens = 5,
      parallel_tool_calls = false, logit_bias = { ["1"] = 2 }, user = "u",
      response_format = { type = "json_schema", json_schema = { name = "r", schema = { type = "object" },
        strict = true } },
      tools = { { type = "function", ["function"] = { name = "f", parameters = { type = "object" } } } },
      tool_choice = { type = "function", ["function"] = { name = "f" } },
      messages = {
        { role = "developer", content = "be kind" },
        { role = "user", name = "ann", content = { text "look", { type = "image_url",
          image_url = { url = "data:image/png;base64,QUJD", detail = "low" } } } },
        { role = "assistant", content = "calling", tool_calls = { { id = "a", type = "function",
          ["function"] = { name = "f", arguments = '{"x":1}' } } } },
        { role = "tool", tool_call_id = "a", content = "42" },
        { role = "user", content = "thanks" } } }
    local request = assert(dialect.decode(json.encode(body)))
    local call = assert(adapter.encode(request, kit.context()))
    assert.same(body, kit.json(call.body))
  end)
end)
