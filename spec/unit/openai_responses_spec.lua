local adapter = require "adapters.openai_responses"
local json = require "gateyes.json"
local support = require "responses_support"

local function encode(request, changes)
  local context = support.context(changes or { dialect = "chat", adapter = "openai_responses" })
  request.turns = request.turns or { { role = "user", parts = { { type = "text", text = "q" } } } }
  local made = assert(adapter.encode(request, context))
  assert.equal("/responses", made.path)
  return assert(json.decode(made.body)), context, made.body
end

local function input_of(turns)
  return (encode { turns = turns }).input
end

describe("openai_responses request", function()
  it("writes the least there is, and stores nothing", function()
    local _, _, text = encode { system = { { type = "text", text = "A" }, { type = "text", text = "B" } } }
    assert.equal('{"model":"m-1","instructions":"A\\nB","input":[{"type":"message","role":"user","content":'
      .. '[{"type":"input_text","text":"q"}]}],"store":false}', text)
  end)

  it("writes turns as items in their order", function()
    local input = input_of {
      { role = "user", parts = { { type = "text", text = "a" },
        { type = "image", data = "QQ==", media_type = "image/png" }, { type = "image", url = "u", detail = "low" },
        { type = "file", data = "QQ==", media_type = "application/pdf" }, { type = "file", file_id = "f" },
        { type = "file", text = "plain" } } },
      { role = "assistant", parts = { { type = "text", text = "b" },
        { type = "tool_call", id = "c1", name = "f", arguments = "" },
        { type = "tool_call", id = "c2", name = "g", arguments = "free", custom = true },
        { type = "text", text = "c" } } },
      { role = "user", parts = { { type = "tool_result", id = "c1", parts = { { type = "text", text = "one" } } },
        { type = "tool_result", id = "c2", parts = { { type = "image", url = "u" } } },
        { type = "text", text = "d" } } },
      { role = "system", parts = { { type = "text", text = "e" } } },
    }
    local kinds = {}
    for i, item in ipairs(input) do kinds[i] = (item.role or "") .. ":" .. item.type end
    assert.same({ "user:message", "assistant:message", ":function_call", ":custom_tool_call", "assistant:message",
      ":function_call_output", ":custom_tool_call_output", "user:message", "system:message" }, kinds)
    assert.equal("data:image/png;base64,QQ==", input[1].content[2].image_url)
    assert.same({ "file.pdf", "data:application/pdf;base64,QQ==" },
      { input[1].content[4].filename, input[1].content[4].file_data })
    assert.equal("f", input[1].content[5].file_id)
    assert.equal("plain", input[1].content[6].text)
    assert.equal("output_text", input[2].content[1].type)
    assert.same({ "c1", "{}" }, { input[3].call_id, input[3].arguments })
    assert.equal("free", input[4].input)
    assert.equal("one", input[6].output)
    assert.equal("input_image", input[7].output[1].type)
  end)

  it("sends back only reasoning that this API issued, without ids", function()
    local input = input_of {
      { role = "assistant", parts = {
        { type = "reasoning", id = "rs_1", summary = { "s" }, encrypted = "gAAA", format = "responses" },
        { type = "reasoning", text = "t", signature = "S", format = "anthropic" },
        { type = "reasoning", id = "rs_2", format = "responses" }, { type = "text", text = "b" } } } }
    assert.same({ type = "reasoning", summary = json.array { { type = "summary_text", text = "s" } },
      encrypted_content = "gAAA" }, input[1])
    assert.equal("message", input[2].type)
    assert.equal(2, #input)
  end)

  it("shortens long call ids the same way everywhere", function()
    local long = ("x"):rep(80)
    local input = input_of {
      { role = "assistant", parts = { { type = "tool_call", id = long, name = "f", arguments = "{}" } } },
      { role = "user", parts = { { type = "tool_result", id = long, parts = {} } } } }
    assert.is_true(#input[1].call_id <= 64)
    assert.equal(input[1].call_id, input[2].call_id)
    assert.equal(("y"):rep(64), input_of {
      { role = "assistant", parts = { { type = "tool_call", id = ("y"):rep(64), name = "f" } } } }[1].call_id)
  end)

  it("writes tools flat, not strict unless asked", function()
    local body = encode {
      tools = {
        { type = "function", name = "f", description = "d", parameters = json.raw '{"type":"object","required":[]}' },
        { type = "function", name = "g", strict = true },
        { type = "custom", name = "h",
          format = json.raw '{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}' },
        { type = "provider", format = "responses", raw = json.raw '{"type":"web_search"}', name = "web_search" },
        { type = "provider", format = "anthropic", raw = json.raw "{}", name = "bash" },
      },
      tool_choice = { type = "allowed", mode = "auto", names = { "f", "h", "web_search" } },
      parallel_tool_calls = false,
    }
    assert.equal(4, #body.tools)
    assert.is_false(body.tools[1].strict)
    assert.is_true(body.tools[2].strict)
    assert.equal("object", body.tools[2].parameters.type)
    assert.same({ type = "grammar", syntax = "lark", definition = "x" }, body.tools[3].format)
    assert.is_false(body.parallel_tool_calls)
    assert.same({ type = "allowed_tools", mode = "auto", tools = json.array {
      { type = "function", name = "f" },
      { type = "custom", name = "h" }, { type = "web_search" } } }, body.tool_choice)
    local bash = { type = "provider", format = "anthropic", raw = json.raw "{}", name = "bash" }
    local _, context = encode { tools = { bash }, tool_choice = { type = "auto" } }
    assert.is_truthy(context.dropped["tools.bash"])
  end)

  it("writes every form of tool_choice", function()
    local tools = { { type = "function", name = "f" }, { type = "custom", name = "h" },
      { type = "provider", format = "responses", name = "deep",
        raw = json.raw '{"type":"mcp","server_label":"deep"}' } }
    local function choice(value) return (encode { tools = tools, tool_choice = value }).tool_choice end
    assert.equal("required", choice { type = "required" })
    assert.equal("none", choice { type = "none" })
    assert.same({ type = "function", name = "f" }, choice { type = "tool", name = "f" })
    assert.same({ type = "custom", name = "h" }, choice { type = "tool", name = "h" })
    assert.same({ type = "mcp", server_label = "deep" }, choice { type = "tool", name = "deep" })
  end)

  it("asks for what lets reasoning travel, of models that reason", function()
    local body = encode { reasoning = { effort = "high" } }
    assert.same({ effort = "high" }, body.reasoning)
    assert.same({ "reasoning.encrypted_content" }, { unpack(body.include) })
    assert.is_false(body.store)
    body = encode { reasoning = { mode = "enabled", budget_tokens = 9000 } }
    assert.same({ effort = "medium", summary = "auto" }, body.reasoning)
    body = encode { reasoning = { mode = "adaptive", display = "omitted" } }
    assert.is_nil(body.reasoning)
    body = encode { reasoning = { mode = "disabled" } }
    assert.same({ effort = "none" }, body.reasoning)
    assert.is_nil(body.include)
    local context
    body, context = encode({ reasoning = { effort = "low" }, temperature = 0.5 }, { model = "gpt-4o" })
    assert.is_nil(body.reasoning)
    assert.is_nil(body.include)
    assert.equal(0.5, body.temperature)
    assert.is_truthy(context.dropped.reasoning)
    body, context = encode({ temperature = 0.5, top_p = 1 }, { model = "o4-mini" })
    assert.same({ "reasoning.encrypted_content" }, { unpack(body.include) })
    assert.is_nil(body.temperature)
    assert.is_truthy(context.dropped.temperature)
    assert.is_nil(context.dropped.top_p)
  end)

  it("asks no model for probabilities or a verbosity that it refuses", function()
    local function ask(model)
      local body, context = encode({ logprobs = true, top_logprobs = 2, verbosity = "low" }, { model = model })
      local asked = table.concat(body.include or {}, " "):find("logprobs", 1, true) ~= nil
      assert.equal(asked, body.top_logprobs == 2, model)
      assert.equal(not asked, context.dropped.logprobs ~= nil and context.dropped.top_logprobs ~= nil, model)
      assert.equal(body.text == nil, context.dropped.verbosity ~= nil, model)
      return asked, body.text and body.text.verbosity
    end
    assert.same({ false, "low" }, { ask "gpt-5" })
    assert.same({ true, "low" }, { ask "gpt-5.2" })
    assert.same({ false, nil }, { ask "o3" })
    assert.same({ true, nil }, { ask "gpt-4o" })
    assert.same({ false, nil }, { ask "gpt-5-codex" })
    assert.same({ true, "low" }, { ask "another" })
    assert.equal("medium", encode({ verbosity = "medium" }, { model = "gpt-4o" }).text.verbosity)
  end)

  it("maps the other parameters and reports what it changes", function()
    local body, context = encode { max_tokens = 5, fields = { max_tokens = "max_completion_tokens" }, verbosity = "low",
      output = { type = "json_schema", name = "n", schema = json.raw '{"a":[]}', strict = true }, stream = true,
      metadata = json.raw '{"a":"b"}', user = "u", service_tier = "flex", prompt_cache_key = "k",
      safety_identifier = "s",
      logprobs = true, top_logprobs = 2, top_p = 0.5, store = true,
      extra = { plugin = json.raw "1" }, extra_format = "chat" }
    assert.equal(16, body.max_output_tokens)
    assert.is_truthy(context.dropped.max_completion_tokens)
    assert.is_truthy(context.dropped.plugin)
    assert.same({ "low", "json_schema", "n", true },
      { body.text.verbosity, body.text.format.type, body.text.format.name, body.text.format.strict })
    assert.same({ "message.output_text.logprobs" }, { unpack(body.include) })
    assert.same({ true, true, "u", "flex", "k", "s", 2, 0.5, "b" }, { body.stream, body.store, body.user,
      body.service_tier, body.prompt_cache_key, body.safety_identifier, body.top_logprobs, body.top_p,
      body.metadata.a })
    assert.equal(16, (encode { max_tokens = 16 }).max_output_tokens)
    assert.equal("json_object", (encode { output = { type = "json_object" } }).text.format.type)
  end)

  it("gives a responses client its own fields back", function()
    local body = encode { extra_format = "responses", extra = { truncation = json.raw '"auto"',
      include = json.raw '["file_search_call.results"]', max_tool_calls = json.raw "3" } }
    assert.same({ "auto", 3, "file_search_call.results" }, { body.truncation, body.max_tool_calls, body.include[1] })
  end)

  it("marks cache breakpoints only where they are known", function()
    local turns = { { role = "user", parts = { { type = "text", text = "a", cache = {} } } } }
    local body = encode({ turns = turns }, { model = "gpt-5.6" })
    assert.same({ mode = "explicit" }, body.input[1].content[1].prompt_cache_breakpoint)
    local context
    body, context = encode({ turns = turns }, { model = "gpt-4o" })
    assert.is_nil(body.input[1].content[1].prompt_cache_breakpoint)
    assert.is_truthy(context.dropped.cache_control)
  end)

  it("knows that sampling of other kinds has no place here", function()
    for _, field in ipairs { "stop", "seed", "n", "logit_bias", "presence_penalty", "frequency_penalty", "top_k" } do
      assert.is_nil(adapter.takes[field])
    end
  end)
end)

describe("openai_responses reply", function()
  local function decode(body)
    return adapter.decode(body, support.context())
  end

  it("reads items of every kind", function()
    local reply = decode [[{"id":"resp_1","model":"m","created_at":5,"status":"completed","service_tier":"flex",
      "output":[
      {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"gAAA"},
      {"type":"message","id":"msg_1","role":"assistant","content":[
        {"type":"output_text","text":"a","annotations":[{"type":"url_citation","url":"u"}],
          "logprobs":[{"token":"a","logprob":0}]},{"type":"refusal","refusal":"no"}]},
      {"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{}"},
      {"type":"custom_tool_call","id":"ctc_1","call_id":"c2","name":"g","input":"x"},
      {"type":"web_search_call","id":"ws_1"}],
      "usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":3,
        "output_tokens_details":{"reasoning_tokens":1},"total_tokens":13}}]]
    local choice = reply.choices[1]
    assert.same({ "resp_1", "m", 5, "flex", "tool_calls" },
      { reply.id, reply.model, reply.created, reply.service_tier, choice.finish })
    local usage = reply.usage
    assert.same({ 6, 4, 3, 1 }, { usage.input, usage.cache_read, usage.output, usage.reasoning })
    assert.same({ type = "reasoning", id = "rs_1", summary = { "s" }, encrypted = "gAAA", format = "responses" },
      choice.parts[1])
    assert.equal('[{"type":"url_citation","url":"u"}]', json.raw_text(choice.parts[2].annotations))
    assert.equal('{"content":[{"token":"a","logprob":0}],"refusal":null}', json.raw_text(choice.logprobs))
    assert.same({ type = "refusal", text = "no" }, choice.parts[3])
    assert.same({ type = "tool_call", id = "c1", name = "f", arguments = "{}", item_id = "fc_1" }, choice.parts[4])
    assert.same({ type = "tool_call", id = "c2", name = "g", arguments = "x", item_id = "ctc_1", custom = true },
      choice.parts[5])
    assert.equal('{"type":"web_search_call","id":"ws_1"}', json.raw_text(choice.parts[6].raw))
  end)

  it("tells why it ended", function()
    local function finish(text) return decode(text).choices[1].finish end
    assert.equal("stop", finish '{"status":"completed","output":[]}')
    assert.equal("length", finish '{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}')
    assert.equal("content_filter", finish '{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}')
  end)

  it("turns a failed response into its failure", function()
    local reply, failure = decode '{"status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"}}'
    assert.is_nil(reply)
    assert.same({ 429, "rate_limit_error", "rate_limit_exceeded", "slow" },
      { failure.status, failure.type, failure.code, failure.message })
    reply, failure = decode '{"status":"failed","error":{"code":"server_error","message":"x"}}'
    assert.same({ nil, 502, "api_error" }, { reply, failure.status, failure.type })
    reply, failure = decode "nope"
    assert.same({ nil, 502, "upstream_protocol" }, { reply, failure.status, failure.code })
  end)

  it("reads errors as OpenAI writes them", function()
    local failure = adapter.decode_error(400, {}, [[{"error":{"message":"bad","type":"invalid_request_error",
      "param":"input","code":"x"}}]])
    assert.same({ 400, "invalid_request_error", "bad", "input", "x" },
      { failure.status, failure.type, failure.message, failure.param, failure.code })
  end)

  it("reads the events that say a stream failed", function()
    for _, text in ipairs { '{"type":"error","code":"rate_limit_exceeded","message":"slow","param":null}',
      '{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded","message":"slow"}}}' } do
      local failure = adapter.decode_error(0, {}, text)
      assert.same({ 429, "rate_limit_error", "slow" }, { failure.status, failure.type, failure.message })
    end
  end)
end)
