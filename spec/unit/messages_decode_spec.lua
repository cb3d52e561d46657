local json = require "gateyes.json"
local messages = require "dialects.messages"
local support = require "messages_support"

local function body_of(fields)
  local body = { model = "smart", max_tokens = 100, messages = json.array { { role = "user", content = "hi" } } }
  for name, value in pairs(fields) do body[name] = value end
  return json.encode(body)
end

local function decode(fields, context)
  return messages.decode(body_of(fields), context or support.context())
end

local function with_content(content, role)
  local request, failure = decode { messages = json.array { { role = role or "user", content = json.raw(content) } } }
  return request and request.turns[1].parts, failure
end

local function failure_of(fields)
  local request, failure = decode(fields)
  assert.is_nil(request)
  assert.equal(400, failure.status)
  assert.equal("invalid_request_error", failure.type)
  return failure.message, failure.param
end

describe("messages.decode", function()
  it("reads the plain fields", function()
    local request = decode {
      system = "be brief", temperature = 0.5, top_p = 0.9, top_k = 40, stop_sequences = json.array { "END" },
      stream = true, service_tier = "standard_only", metadata = { user_id = "u1" },
    }
    assert.equal("smart", request.model)
    assert.same({ { type = "text", text = "be brief" } }, request.system)
    assert.same({ { role = "user", parts = { { type = "text", text = "hi" } } } }, request.turns)
    assert.same({ 100, 0.5, 0.9, 40 }, { request.max_tokens, request.temperature, request.top_p, request.top_k })
    assert.same({ "END" }, request.stop)
    assert.is_true(request.stream)
    assert.equal("default", request.service_tier)
    assert.equal("u1", request.user)
    assert.is_nil(request.metadata)
    assert.is_nil(request.extra)
    assert.equal("stop_sequences", request.fields.stop)
  end)

  it("takes null for absent", function()
    local request = decode { temperature = json.null, tools = json.null, system = json.null, thinking = json.null,
      metadata = json.null, tool_choice = json.null, stop_sequences = json.null, container = json.null }
    assert.is_nil(request.temperature)
    assert.is_nil(request.tools)
    assert.is_nil(request.system)
    assert.is_nil(request.extra)
  end)

  it("keeps cache hints with their lifetime", function()
    local request = decode { system = json.raw [==[[{"type":"text","text":"a","cache_control":{"type":"ephemeral",
      "ttl":"1h"}},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]]==] }
    assert.same({ ttl = "1h" }, request.system[1].cache)
    assert.same({}, request.system[2].cache)
  end)

  it("reads images from every source", function()
    local parts = with_content [==[[
      {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
      {"type":"image","source":{"type":"url","url":"https://x.test/a.png"}},
      {"type":"image","source":{"type":"file","file_id":"file_1"}}]]==]
    assert.same({ type = "image", media_type = "image/png", data = "AAAA" }, parts[1])
    assert.same({ type = "image", url = "https://x.test/a.png" }, parts[2])
    assert.same({ type = "image", file_id = "file_1" }, parts[3])
  end)

  it("reads documents from every source", function()
    local parts = with_content [==[[
      {"type":"document","title":"A","context":"C","citations":{"enabled":true},
       "source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}},
      {"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"}},
      {"type":"document","source":{"type":"url","url":"https://x.test/a.pdf"}},
      {"type":"document","source":{"type":"file","file_id":"file_2"}},
      {"type":"document","source":{"type":"content","content":[{"type":"text","text":"p1"},
        {"type":"image","source":{"type":"url","url":"https://x.test/i.png"}},{"type":"text","text":"p2"}]}},
      {"type":"document","source":{"type":"content","content":"whole"}}]]==]
    assert.equal("A", parts[1].title)
    assert.equal("A", parts[1].filename)
    assert.equal("C", parts[1].context)
    assert.equal("{\"enabled\":true}", json.raw_text(parts[1].citations))
    assert.equal("JVBE", parts[1].data)
    assert.equal("application/pdf", parts[1].media_type)
    assert.same({ type = "file", text = "plain", media_type = "text/plain" }, parts[2])
    assert.same({ type = "file", url = "https://x.test/a.pdf", media_type = "application/pdf" }, parts[3])
    assert.same({ type = "file", file_id = "file_2" }, parts[4])
    assert.equal("p1\np2", parts[5].text)
    assert.same({ type = "image", url = "https://x.test/i.png" }, parts[6])
    assert.equal("whole", parts[7].text)
  end)

  it("keeps tool input as it was written", function()
    local parts = with_content([==[[{"type":"tool_use","id":"toolu_1","name":"f",
      "input":{"b":[],"a":12345678901234567890,"o":{}}},{"type":"tool_use","id":"toolu_2","name":"g","input":{}}]]==],
      "assistant")
    assert.equal("{\"b\":[],\"a\":12345678901234567890,\"o\":{}}", parts[1].arguments)
    assert.same({ type = "tool_call", id = "toolu_2", name = "g", arguments = "{}" }, parts[2])
  end)

  it("reads tool results of every shape", function()
    local parts = with_content [==[[
      {"type":"tool_result","tool_use_id":"t1","content":"plain"},
      {"type":"tool_result","tool_use_id":"t2","is_error":true},
      {"type":"tool_result","tool_use_id":"t3","is_error":false,"cache_control":{"type":"ephemeral"},"content":[
        {"type":"text","text":"x"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}},
        {"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"}},
        {"type":"search_result","title":"T","source":"https://s.test","content":[{"type":"text","text":"found"}]},
        {"type":"tool_reference","tool_name":"later"}]}]]==]
    assert.same({ type = "tool_result", id = "t1", parts = { { type = "text", text = "plain" } } }, parts[1])
    assert.same({ type = "tool_result", id = "t2", parts = {}, is_error = true }, parts[2])
    assert.is_nil(parts[3].is_error)
    assert.same({}, parts[3].cache)
    local inner = parts[3].parts
    assert.same({ "text", "image", "file", "text", "text" },
      { inner[1].type, inner[2].type, inner[3].type, inner[4].type, inner[5].type })
    assert.equal("T\nhttps://s.test\nfound", inner[4].text)
    assert.equal("Tool found: later", inner[5].text)
  end)

  it("knows who issued a thinking block", function()
    local parts = with_content([==[[
      {"type":"thinking","thinking":"a","signature":"sig"},
      {"type":"thinking","thinking":"b","signature":""},
      {"type":"thinking","thinking":"c"},
      {"type":"redacted_thinking","data":"blob"},
      {"type":"thinking","thinking":"d","signature":"gateyes.responses.rs_1.e.cipher"},
      {"type":"thinking","thinking":"e","signature":"gateyes.chat..s.x.y"}]]==], "assistant")
    assert.same({ type = "reasoning", text = "a", signature = "sig", format = "anthropic" }, parts[1])
    assert.same({ type = "reasoning", text = "b" }, parts[2])
    assert.same({ type = "reasoning", text = "c" }, parts[3])
    assert.same({ type = "reasoning", text = "", encrypted = "blob", redacted = true, format = "anthropic" }, parts[4])
    assert.same({ type = "reasoning", text = "d", id = "rs_1", encrypted = "cipher", format = "responses" }, parts[5])
    assert.same({ type = "reasoning", text = "e", signature = "x.y", format = "chat" }, parts[6])
  end)

  it("leaves blocks that only Anthropic understands as they are", function()
    local kinds = { "server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "mcp_tool_use",
      "mcp_tool_result", "code_execution_tool_result", "container_upload", "compaction", "block_of_tomorrow" }
    for _, kind in ipairs(kinds) do
      local text = "{\"type\":\"" .. kind .. "\",\"input\":{},\"content\":[{\"deep\":[]}]}"
      local parts = with_content("[" .. text .. "]", "assistant")
      assert.equal("raw", parts[1].type)
      assert.equal("anthropic", parts[1].format)
      assert.equal(text, json.raw_text(parts[1].raw))
    end
  end)

  it("refuses what a user says in a block that nobody knows", function()
    local _, failure = with_content('[{"type":"text","text":"x"},{"type":"block_of_tomorrow"}]')
    assert.same({ 400, "messages.0.content" }, { failure.status, failure.param })
    assert.is_truthy(failure.message:find("'block_of_tomorrow'", 1, true))
    local nested = '[{"type":"tool_result","tool_use_id":"t","content":[{"type":"block_of_tomorrow"}]}]'
    assert.is_nil((with_content(nested)))
  end)

  it("reads tools of both kinds", function()
    local request = decode { tools = json.raw [==[[
      {"name":"f","description":"d","input_schema":{"type":"object","properties":{},"required":[]},"strict":true,
       "cache_control":{"type":"ephemeral"}},
      {"type":"custom","name":"g","input_schema":{"type":"object"}},
      {"type":"web_search_20250305","name":"web_search","max_uses":5}]]==] }
    local tools = request.tools
    assert.equal("function", tools[1].type)
    assert.equal("{\"type\":\"object\",\"properties\":{},\"required\":[]}", json.raw_text(tools[1].parameters))
    assert.is_true(tools[1].strict)
    assert.same({}, tools[1].cache)
    assert.equal("function", tools[2].type)
    assert.equal("provider", tools[3].type)
    assert.equal("web_search", tools[3].name)
    assert.equal([[{"type":"web_search_20250305","name":"web_search","max_uses":5}]], json.raw_text(tools[3].raw))
  end)

  it("reports tool options that nobody else has", function()
    local context = support.context()
    decode({ tools = json.raw [==[[{"name":"f","input_schema":{},"defer_loading":true,"input_examples":[{}],
      "allowed_callers":null}]]==] }, context)
    assert.is_string(context.dropped["tools.0.defer_loading"])
    assert.is_string(context.dropped["tools.0.input_examples"])
    assert.is_nil(context.dropped["tools.0.allowed_callers"])
  end)

  it("reads every tool choice", function()
    local function choice(value)
      local request = decode { tool_choice = value }
      return request.tool_choice, request.parallel_tool_calls
    end
    assert.same({ type = "auto" }, (choice { type = "auto" }))
    assert.same({ type = "required" }, (choice { type = "any" }))
    assert.same({ type = "none" }, (choice { type = "none" }))
    local tool, parallel = choice { type = "tool", name = "f", disable_parallel_tool_use = true }
    assert.same({ type = "tool", name = "f" }, tool)
    assert.is_false(parallel)
    assert.is_nil(select(2, choice { type = "auto" }))
  end)

  it("reads thinking and effort", function()
    assert.same({ mode = "enabled", budget_tokens = 2048 },
      decode { thinking = { type = "enabled", budget_tokens = 2048 } }.reasoning)
    assert.same({ mode = "disabled" }, decode { thinking = { type = "disabled" } }.reasoning)
    assert.same({ mode = "adaptive", display = "omitted", effort = "high" },
      decode { thinking = { type = "adaptive", display = "omitted" }, output_config = { effort = "high" } }.reasoning)
    assert.same({ mode = "adaptive" }, decode { thinking = { type = "between_tools" } }.reasoning)
    assert.same({ effort = "max" }, decode { output_config = { effort = "max" } }.reasoning)
  end)

  it("reads the output format from both of its places", function()
    local format = { type = "json_schema", schema = json.raw [[{"type":"object","required":[]}]] }
    for _, fields in ipairs { { output_config = { format = format } }, { output_format = format } } do
      local output = decode(fields).output
      assert.equal("json_schema", output.type)
      assert.equal([[{"type":"object","required":[]}]], json.raw_text(output.schema))
    end
  end)

  it("reports that nobody else cites from search results", function()
    local context = support.context()
    local block = [==[{"type":"search_result","title":"t","source":"s","content":[{"type":"text","text":"b"}]%s}]==]
    for wish, reported in pairs { [""] = false, [',"citations":{"enabled":false}'] = false,
      [',"citations":{"enabled":true}'] = true } do
      context.dropped = {}
      local content = json.raw("[" .. block:format(wish) .. "]")
      decode({ messages = json.array { { role = "user", content = content } } }, context)
      assert.equal(reported, context.dropped["messages.citations"] ~= nil)
    end
  end)

  it("reports a word for an output format", function()
    assert.equal("\"markdown\"", json.raw_text(decode({ output_format = "markdown" }).extra.output_format))
  end)

  it("keeps what it does not know", function()
    local request = decode { container = "c1", mcp_servers = json.raw [==[[{"type":"url","url":"u"}]]==],
      context_management = json.raw [[{"edits":[]}]], field_of_tomorrow = json.raw "[1.50]" }
    assert.equal("messages", request.extra_format)
    assert.equal("\"c1\"", json.raw_text(request.extra.container))
    assert.equal([[{"edits":[]}]], json.raw_text(request.extra.context_management))
    assert.equal("[1.50]", json.raw_text(request.extra.field_of_tomorrow))
  end)

  it("tells a leading system message from a later one", function()
    local request = decode { system = "s1", messages = json.raw [==[[{"role":"system","content":"s2"},
      {"role":"user","content":"u"},{"role":"system","content":[{"type":"text","text":"s3"}]}]]==] }
    assert.same({ { type = "text", text = "s1" }, { type = "text", text = "s2" } }, request.system)
    assert.same({ role = "system", parts = { { type = "text", text = "s3" } } }, request.turns[2])
  end)

  it("names the field that is wrong", function()
    assert.same({ "max_tokens: Field required", "max_tokens" }, { failure_of { max_tokens = json.null } })
    assert.same({ "messages: Field required", "messages" }, { failure_of { messages = json.null } })
    assert.equal("messages: at least one message is required", (failure_of { messages = json.raw "[]" }))
    assert.equal("model: Field required", (failure_of { model = json.null }))
    assert.equal("temperature: Input should be less than or equal to 1", (failure_of { temperature = 1.5 }))
    assert.equal("max_tokens: Input should be a valid integer", (failure_of { max_tokens = 1.5 }))
    local content = [==[[{"type":"text","text":"a"},{"type":"image","source":{"type":"base64","media_type":"x"}}]]==]
    local _, failure = with_content(content)
    assert.equal("messages.0.content.1.source.data: Field required", failure.message)
    assert.equal("messages.0.content.1.source.data", failure.param)
    _, failure = with_content [==[[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text"}]}]]==]
    assert.equal("messages.0.content.0.content.0.text: Field required", failure.message)
    _, failure = with_content("[]", "tool")
    assert.equal("messages.0.role", failure.param)
    assert.equal("tools.0.input_schema: Field required", (failure_of { tools = json.raw [==[[{"name":"f"}]]==] }))
    assert.equal("thinking.enabled.budget_tokens", select(2, failure_of { thinking = { type = "enabled",
      budget_tokens = 5 } }))
  end)

  it("refuses what is not JSON or not an object", function()
    for _, body in ipairs { "", "{", "[]", "[{}]", "1", "null", "\"x\"" } do
      local request, failure = messages.decode(body, support.context())
      assert.is_nil(request)
      assert.equal(400, failure.status)
    end
  end)

  it("never fails on a wrong type anywhere", function()
    local wrong = { json.raw "1", json.raw "\"x\"", json.raw "[]", json.raw "{}", json.raw "true", json.raw "[null]",
      json.raw "[1]", json.raw "[[]]", json.raw "{\"type\":1}", json.raw "{\"type\":\"enabled\"}" }
    for _, name in ipairs { "messages", "system", "tools", "tool_choice", "thinking", "output_config", "output_format",
      "stop_sequences", "metadata", "service_tier", "temperature", "max_tokens", "top_k", "stream", "model",
        "thread" } do
      for _, value in ipairs(wrong) do
        local request, failure = decode { [name] = value }
        assert.is_true(request ~= nil or failure.status == 400)
      end
    end
  end)

  it("answers threads in the words that make a client go on without them", function()
    local _, failure = decode { thread = { type = "create" } }
    assert.same({ 400, "thread_unsupported_request" }, { failure.status, failure.code })
    local body = json.decode(messages.encode_error(failure, support.context()))
    assert.equal("thread_unsupported_request", body.error.details.error_code)
    assert.equal("invalid_request_error", body.error.type)
    _, failure = decode { thread = { type = "continue", previous_message_id = "msg_1" } }
    assert.same({ 404, "thread_not_found" }, { failure.status, failure.code })
    body = json.decode(messages.encode_error(failure, support.context()))
    assert.equal("thread_not_found", body.error.details.error_code)
    assert.is_truthy(decode { thread = json.null })
  end)
end)
