local anthropic = require "adapters.anthropic"
local json = require "gateyes.json"
local model = require "gateyes.anthropic_model"
local support = require "messages_support"

local function text(value) return { type = "text", text = value } end
local question = { role = "user", parts = { text "q" } }

local function encode(name, fields, info)
  local request = { model = name, turns = { question } }
  for field, value in pairs(fields) do request[field] = value end
  local context = support.context { info = info or {} }
  local encoded = assert(anthropic.encode(request, context))
  return json.decode(encoded.body), context.dropped
end

local old, middle, new, always = "claude-sonnet-4-5-20250929", "claude-opus-4-6", "claude-opus-4-8", "claude-opus-5-5"

describe("anthropic_model.profile", function()
  local function takes(name)
    local profile = model.profile(name)
    local kind = profile.adaptive and (profile.budget and "both" or "adaptive") or profile.budget and "budget" or "none"
    return kind, profile.sampling, profile.schema
  end

  it("reads the version out of every way to write a name", function()
    assert.same({ "none", true, false }, { takes "claude-3-5-sonnet-20241022" })
    assert.same({ "none", true, false }, { takes "anthropic.claude-3-sonnet-20240229-v1:0" })
    assert.same({ "budget", true, false }, { takes "claude-3-7-sonnet-latest" })
    assert.same({ "budget", true, false }, { takes "claude-sonnet-4-20250514" })
    assert.same({ "budget", true, true }, { takes "us.anthropic.claude-haiku-4-5-20251001-v1:0" })
    assert.same({ "both", true, true }, { takes "claude-sonnet-4-6" })
    assert.same({ "adaptive", false, true }, { takes "claude-opus-4-7@default" })
    assert.same({ "adaptive", false, true }, { takes "anthropic.claude-opus-5-v1:0" })
    assert.same({ "adaptive", false, true }, { takes "claude-mythos-preview" })
    assert.same({ "budget", true, false }, { takes "kimi-k2-0905" })
  end)

  it("lets the configuration say otherwise", function()
    local profile = model.profile("kimi-k2", { adaptive = true, structured_output = true, tools = true })
    assert.is_true(profile.adaptive)
    assert.is_true(profile.schema)
    assert.is_false(model.profile(new, { no_system_turns = true }).system_turns)
    assert.is_false(model.profile(old, { no_reasoning = true }).thinking)
  end)
end)

describe("anthropic.encode, reasoning", function()
  it("gives a budget to models that take one", function()
    local body = encode(old, { reasoning = { effort = "low" }, max_tokens = 8000 })
    assert.same({ type = "enabled", budget_tokens = 1024 }, body.thinking)
    assert.equal(8000, body.max_tokens)
    body = encode(old, { reasoning = { mode = "enabled", budget_tokens = 3000 }, max_tokens = 8000 })
    assert.equal(3000, body.thinking.budget_tokens)
    body = encode(old, { reasoning = { mode = "adaptive" }, max_tokens = 20000 })
    assert.equal(2048, body.thinking.budget_tokens)
  end)

  it("makes room for the budget where the client gave no limit", function()
    local body = encode(old, { reasoning = { effort = "high" } })
    assert.equal(4096, body.thinking.budget_tokens)
    assert.equal(4096 + 4096, body.max_tokens)
    body = encode(old, { reasoning = { effort = "xhigh" } }, { max_output_tokens = 7000 })
    assert.equal(7000, body.max_tokens)
    assert.equal(3500, body.thinking.budget_tokens)
  end)

  it("keeps the budget below the client's limit", function()
    local body = encode(old, { reasoning = { effort = "xhigh" }, max_tokens = 6000 })
    assert.equal(3000, body.thinking.budget_tokens)
    body = encode(old, { reasoning = { mode = "enabled", budget_tokens = 9000 }, max_tokens = 6000 })
    assert.equal(5999, body.thinking.budget_tokens)
    body = encode(old, { reasoning = { mode = "enabled", budget_tokens = 10 }, max_tokens = 6000 })
    assert.equal(1024, body.thinking.budget_tokens)
    local dropped
    body, dropped = encode(old, { reasoning = { effort = "high" }, max_tokens = 1500,
      fields = { reasoning = "reasoning_effort" } })
    assert.is_nil(body.thinking)
    assert.is_string(dropped.reasoning_effort)
  end)

  it("lets newer models choose, and says how hard to try", function()
    local body = encode(new, { reasoning = { effort = "xhigh" } })
    assert.same({ type = "adaptive" }, body.thinking)
    assert.same({ effort = "xhigh" }, body.output_config)
    body = encode(new, { reasoning = { mode = "enabled", budget_tokens = 10000 } })
    assert.same({ { type = "adaptive" }, { effort = "medium" } }, { body.thinking, body.output_config })
    body = encode(middle, { reasoning = { effort = "minimal" } })
    assert.same({ { type = "adaptive" }, { effort = "low" } }, { body.thinking, body.output_config })
    assert.equal("high", encode(middle, { reasoning = { effort = "xhigh" } }).output_config.effort)
    body = encode(middle, { reasoning = { mode = "enabled", budget_tokens = 2000 } })
    assert.same({ type = "enabled", budget_tokens = 2000 }, body.thinking)
  end)

  it("shows thinking when a summary is asked for", function()
    assert.equal("summarized", encode(new, { reasoning = { effort = "low", summary = "auto" } }).thinking.display)
    assert.equal("omitted", encode(new, { reasoning = { mode = "adaptive", display = "omitted" } }).thinking.display)
  end)

  it("turns thinking off in the way of each model", function()
    for _, reasoning in ipairs { { effort = "none" }, { mode = "disabled" } } do
      assert.is_nil(encode(old, { reasoning = reasoning }).thinking)
      assert.is_nil(encode(new, { reasoning = reasoning }).thinking)
      assert.same({ type = "disabled" }, encode("claude-opus-5", { reasoning = reasoning }).thinking)
      assert.same({ type = "between_tools" }, encode("claude-sonnet-5-5", { reasoning = reasoning }).thinking)
      local body, dropped = encode(always, { reasoning = reasoning })
      assert.is_nil(body.thinking)
      assert.equal("low", body.output_config.effort)
      assert.is_string(dropped.reasoning)
    end
  end)

  it("does not ask a model to think that cannot", function()
    local body, dropped = encode("claude-3-5-haiku-20241022", { reasoning = { effort = "high" } })
    assert.is_nil(body.thinking)
    assert.is_string(dropped.reasoning)
  end)

  it("prefers a forced tool to thinking", function()
    local tools = { { type = "function", name = "f" } }
    local body, dropped = encode(old, { reasoning = { effort = "high" }, tools = tools,
      tool_choice = { type = "required" } })
    assert.is_nil(body.thinking)
    assert.same({ type = "any" }, body.tool_choice)
    assert.is_string(dropped.reasoning)
    body = encode(always, { reasoning = { effort = "high" }, tools = tools, tool_choice = { type = "required" } })
    assert.same({ type = "adaptive" }, body.thinking)
    assert.same({ type = "auto" }, body.tool_choice)
  end)

  it("thinks with a budget only where the history allows it", function()
    local call = { type = "tool_call", id = "c", name = "f", arguments = "{}" }
    local signed = { type = "reasoning", text = "t", signature = "s", format = "anthropic" }
    local answer = { role = "user", parts = { { type = "tool_result", id = "c", parts = { text "r" } } } }
    local body, dropped = encode(old, { reasoning = { effort = "low" }, max_tokens = 9000,
      turns = { question, { role = "assistant", parts = { call } }, answer } })
    assert.is_nil(body.thinking)
    assert.is_string(dropped.reasoning)
    body = encode(old, { reasoning = { effort = "low" }, max_tokens = 9000,
      turns = { question, { role = "assistant", parts = { signed, call } }, answer } })
    assert.equal("enabled", body.thinking.type)
    assert.same({ type = "thinking", thinking = "t", signature = "s" }, body.messages[2].content[1])
    body = encode(new, { reasoning = { effort = "low" }, turns = { question, { role = "assistant",
      parts = { call } }, answer } })
    assert.equal("adaptive", body.thinking.type)
    body = encode(old, { reasoning = { effort = "low" }, max_tokens = 9000,
      turns = { question, { role = "assistant", parts = { text "The answer" } } } })
    assert.is_nil(body.thinking)
  end)

  it("sends back only reasoning that Anthropic signed", function()
    local body, dropped = encode(old, { turns = { question, { role = "assistant", parts = {
      { type = "reasoning", text = "unsigned" },
      { type = "reasoning", encrypted = "cipher", format = "responses" },
      { type = "reasoning", text = "", encrypted = "blob", redacted = true, format = "anthropic" },
      text "a", { type = "reasoning", text = "cut", signature = "s", format = "anthropic" },
    } }, question } })
    assert.same({ { type = "redacted_thinking", data = "blob" }, text "a" }, body.messages[2].content)
    assert.is_string(dropped.messages)
  end)
end)

describe("anthropic.encode, sampling", function()
  it("keeps what the model takes", function()
    local body, dropped = encode("claude-sonnet-4-20250514", { temperature = 0.5, top_p = 0.9, top_k = 10 })
    assert.same({ 0.5, 0.9, 10 }, { body.temperature, body.top_p, body.top_k })
    assert.same({}, dropped)
  end)

  it("ends at a temperature of 1", function()
    local body, dropped = encode(old, { temperature = 1.7 })
    assert.equal(1, body.temperature)
    assert.is_string(dropped.temperature)
  end)

  it("sends temperature or top_p, not both, where a model refuses the pair", function()
    local body, dropped = encode(old, { temperature = 0.2, top_p = 0.9 })
    assert.same({ 0.2, nil }, { body.temperature, body.top_p })
    assert.is_string(dropped.top_p)
  end)

  it("sends none to models that take none", function()
    local body, dropped = encode(new, { temperature = 0.2, top_p = 1, top_k = 5 })
    assert.same({}, { body.temperature, body.top_p, body.top_k })
    assert.is_string(dropped.temperature)
    assert.is_string(dropped.top_k)
    assert.is_nil(dropped.top_p)
  end)

  it("gives way to thinking", function()
    local body, dropped = encode(old, { temperature = 0.2, top_k = 5, reasoning = { effort = "low" },
      max_tokens = 9000 })
    assert.equal("enabled", body.thinking.type)
    assert.same({}, { body.temperature, body.top_k })
    assert.is_string(dropped.temperature)
    assert.is_string(dropped.top_k)
    body = encode(old, { temperature = 1, top_p = 0.97, reasoning = { effort = "low" }, max_tokens = 9000 })
    assert.equal(1, body.temperature)
    assert.is_nil(body.top_p)
    body, dropped = encode(old, { top_p = 0.5, reasoning = { effort = "low" }, max_tokens = 9000 })
    assert.is_nil(body.top_p)
    assert.is_string(dropped.top_p)
  end)
end)
