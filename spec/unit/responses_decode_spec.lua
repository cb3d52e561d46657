local dialect = require "dialects.responses"
local json = require "gateyes.json"
local support = require "responses_support"

local function decode(body, context)
  context = context or support.context()
  local request, failure = dialect.decode(type(body) == "string" and body or json.encode(body), context)
  return request, failure, context
end

local function turns_of(input)
  local request, failure = decode('{"model":"x","input":' .. input .. "}")
  assert.is_nil(failure)
  return request.turns, request
end

describe("responses input", function()
  it("takes a string", function()
    assert.same({ { role = "user", parts = { { type = "text", text = "hé\n" } } } }, turns_of '"hé\\n"')
  end)

  it("takes easy messages and content lists", function()
    local turns = turns_of [[[{"role":"user","content":"a"},{"role":"assistant","content":"b"},
      {"type":"message","role":"user","content":[{"type":"input_text","text":"c"},
        {"type":"input_image","image_url":"data:image/png;base64,QUJD","detail":"low"},
        {"type":"input_image","image_url":"https://x/y.png"},{"type":"input_image","file_id":"file_1"},
        {"type":"input_file","filename":"a.csv","file_data":"QUJD"},
        {"type":"input_file","filename":"b.pdf","file_data":"data:application/pdf;base64,QUJD"},
        {"type":"input_file","file_url":"https://x/y.pdf"},{"type":"input_file","file_id":"file_2"},
        {"type":"input_audio","input_audio":{"data":"QUJD","format":"mp3"}}]}] ]]
    assert.equal(3, #turns)
    assert.same({ { type = "text", text = "b" } }, turns[2].parts)
    assert.same({
      { type = "text", text = "c" },
      { type = "image", media_type = "image/png", data = "QUJD", detail = "low" },
      { type = "image", url = "https://x/y.png" }, { type = "image", file_id = "file_1" },
      { type = "file", filename = "a.csv", data = "QUJD", media_type = "text/csv" },
      { type = "file", filename = "b.pdf", data = "QUJD", media_type = "application/pdf" },
      { type = "file", url = "https://x/y.pdf" }, { type = "file", file_id = "file_2" },
      { type = "audio", data = "QUJD", format = "mp3" },
    }, turns[3].parts)
  end)

  it("puts instructions and leading system text before the turns", function()
    local request = decode [[{"instructions":"A","input":[{"role":"developer","content":"B"},
      {"role":"user","content":"c"},{"role":"system","content":"D"}]}]]
    assert.same({ { type = "text", text = "A" }, { type = "text", text = "B" } }, request.system)
    assert.same("system", request.turns[2].role)
  end)

  it("keeps one answer of the assistant in one turn", function()
    local turns = turns_of [[[{"role":"user","content":"q"},{"type":"reasoning","id":"rs_1","summary":[]},
      {"type":"message","role":"assistant","content":[{"type":"output_text","text":"let me see","annotations":[]}]},
      {"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\"a\":1}","status":"completed"},
      {"type":"custom_tool_call","id":"ctc_1","call_id":"c2","name":"g","input":"raw"},
      {"type":"function_call_output","call_id":"c1","output":"one"},
      {"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"}]},
      {"type":"message","role":"assistant","content":"done"},{"type":"message","role":"assistant","content":"more"}] ]]
    assert.equal(5, #turns)
    assert.same({ "reasoning", "text", "tool_call", "tool_call" }, {
      turns[2].parts[1].type, turns[2].parts[2].type, turns[2].parts[3].type, turns[2].parts[4].type })
    assert.same({ type = "tool_call", id = "c1", name = "f", arguments = '{"a":1}', item_id = "fc_1" },
      turns[2].parts[3])
    assert.same({ type = "tool_call", id = "c2", name = "g", arguments = "raw", item_id = "ctc_1", custom = true },
      turns[2].parts[4])
    assert.same({
      { type = "tool_result", id = "c1", name = "f", parts = { { type = "text", text = "one" } } },
      { type = "tool_result", id = "c2", name = "g", parts = { { type = "text", text = "two" } } },
    }, turns[3].parts)
    assert.same({ { type = "text", text = "more" } }, turns[5].parts)
  end)

  it("reads reasoning of OpenAI, of open models and of Anthropic", function()
    local turns = turns_of [[[{"role":"user","content":"q"},
      {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"gAAA"},
      {"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"raw"}]},
      {"type":"reasoning","summary":[{"type":"summary_text","text":"deep"}],
       "encrypted_content":"gateyes.v1.anthropic.s.4.SIG=="},
      {"type":"reasoning","summary":[],"encrypted_content":"gateyes.v1.anthropic.r.0.DATA"},
      {"type":"reasoning","summary":[],"encrypted_content":"gateyes.v1.anthropic.s.4.SIG=="}] ]]
    local parts = turns[2].parts
    assert.same({ type = "reasoning", id = "rs_1", summary = { "s" }, encrypted = "gAAA", format = "responses" },
      parts[1])
    assert.same({ type = "reasoning", text = "raw" }, parts[2])
    assert.same({ type = "reasoning", text = "deep", signature = "SIG==", format = "anthropic" }, parts[3])
    assert.same({ type = "reasoning", redacted = true, encrypted = "DATA", format = "anthropic" }, parts[4])
    assert.same({ type = "reasoning" }, parts[5])
  end)

  it("keeps items of provider-run tools and refusals", function()
    local turns = turns_of [[[{"role":"user","content":"q"},{"type":"web_search_call","id":"ws_1","status":"completed"},
      {"type":"local_shell_call_output","id":"x","output":"y"},
      {"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}] ]]
    assert.equal('{"type":"web_search_call","id":"ws_1","status":"completed"}', json.raw_text(turns[2].parts[1].raw))
    assert.equal("user", turns[3].role)
    assert.equal("raw", turns[3].parts[1].type)
    assert.same({ type = "refusal", text = "no" }, turns[4].parts[1])
  end)

  it("keeps cache marks of both vendors", function()
    local turns = turns_of [[[{"role":"user","content":[
      {"type":"input_text","text":"a","prompt_cache_breakpoint":{"mode":"explicit"}},
      {"type":"input_text","text":"b","cache_control":{"type":"ephemeral","ttl":"1h"}}]}] ]]
    assert.same({}, turns[1].parts[1].cache)
    assert.same({ ttl = "1h" }, turns[1].parts[2].cache)
  end)

  it("names the place of what it refuses", function()
    for input, param in pairs {
      ['[{"type":"function_call","name":"f","arguments":"{}"}]'] = "input[0].call_id",
      ['[{"role":"user","content":"a"},{"type":"function_call","call_id":"c"}]'] = "input[1].name",
      ['[{"role":"critic","content":"a"}]'] = "input[0].role",
      ['[{"role":"user","content":[{"type":"input_image"}]}]'] = "input[0].content[0]",
      ['[{"role":"user","content":[{"text":"a"}]}]'] = "input[0].content[0]",
      ["[1]"] = "input[0]", ["[{}]"] = "input[0].type", ["7"] = "input", ["[]"] = "input",
    } do
      local request, failure = decode('{"input":' .. input .. "}")
      assert.is_nil(request, input)
      assert.equal(400, failure.status)
      assert.equal(param, failure.param)
    end
  end)
end)

describe("responses parameters", function()
  it("maps every field", function()
    local request, failure = decode [[{"model":"x","input":"q","stream":true,"temperature":0,"top_p":0.5,
      "max_output_tokens":99,"top_logprobs":3,"parallel_tool_calls":false,"store":false,"user":"u",
      "safety_identifier":"s","prompt_cache_key":"k","service_tier":"flex","metadata":{"a":"1"},
      "presence_penalty":0.1,"frequency_penalty":0.2,"reasoning":{"effort":"high","summary":"auto"},
      "text":{"verbosity":"low","format":{"type":"json_schema","name":"n","strict":true,
        "schema":{"required":[],"n":10000000000000000000001}}},
      "include":["reasoning.encrypted_content","message.output_text.logprobs","file_search_call.results"],
      "truncation":"auto","max_tool_calls":4,"new_field":{"z":1},"background":false,"stream_options":null}]]
    assert.is_nil(failure)
    assert.is_true(request.stream)
    assert.equal(0, request.temperature)
    assert.equal(99, request.max_tokens)
    assert.equal("max_output_tokens", request.fields.max_tokens)
    assert.equal(3, request.top_logprobs)
    assert.is_true(request.logprobs)
    assert.is_false(request.parallel_tool_calls)
    assert.is_false(request.store)
    assert.same({ effort = "high", summary = "auto" }, request.reasoning)
    assert.equal("low", request.verbosity)
    assert.equal("json_schema", request.output.type)
    assert.equal('{"required":[],"n":10000000000000000000001}', json.raw_text(request.output.schema))
    assert.equal('{"a":"1"}', json.raw_text(request.metadata))
    local extra = {}
    for name, raw in pairs(request.extra) do extra[name] = json.raw_text(raw) end
    assert.same({ include = '["file_search_call.results"]', truncation = '"auto"', max_tool_calls = "4",
      new_field = '{"z":1}' }, extra)
    assert.equal("responses", request.extra_format)
  end)

  it("treats null as absent", function()
    local request = decode [[{"input":"q","temperature":null,"tools":null,"tool_choice":null,"text":null,
      "reasoning":null,
      "metadata":null,"instructions":null,"previous_response_id":null,"include":null,"user":null,"conversation":null}]]
    assert.is_nil(request.temperature)
    assert.is_nil(request.tools)
    assert.is_nil(request.extra)
  end)

  it("reads tools of every kind", function()
    local request = decode [[{"input":"q","tools":[
      {"type":"function","name":"f","description":"d","parameters":{"type":"object","properties":{}},"strict":false},
      {"type":"custom","name":"g","format":{"type":"grammar","syntax":"lark","definition":"x"}},
      {"type":"web_search","search_context_size":"low"},{"type":"mcp","server_label":"deep","server_url":"u"}]}]]
    local tools = request.tools
    assert.equal('{"type":"object","properties":{}}', json.raw_text(tools[1].parameters))
    assert.is_false(tools[1].strict)
    assert.equal("custom", tools[2].type)
    assert.equal("web_search", tools[3].name)
    assert.equal("provider", tools[4].type)
    assert.equal("deep", tools[4].name)
  end)

  it("reads every form of tool_choice", function()
    for text, want in pairs {
      ['"auto"'] = { type = "auto" }, ['"none"'] = { type = "none" }, ['"required"'] = { type = "required" },
      ['{"type":"function","name":"f"}'] = { type = "tool", name = "f" },
      ['{"type":"custom","name":"g"}'] = { type = "tool", name = "g" },
      ['{"type":"web_search"}'] = { type = "tool", name = "web_search" },
      ['{"type":"mcp","server_label":"deep","name":"t"}'] = { type = "tool", name = "deep" },
      ['{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"web_search"}]}'] = {
        type = "allowed", mode = "required", names = { "f", "web_search" } },
    } do
      local request = decode('{"input":"q","tool_choice":' .. text .. "}")
      assert.same(want, request.tool_choice)
    end
  end)

  it("refuses wrong types and broken JSON with the field's name", function()
    for body, param in pairs {
      ['{"input":"q","temperature":"hot"}'] = "temperature",
      ['{"input":"q","tools":[{"type":"function"}]}'] = "tools[0].name",
      ['{"input":"q","tools":{}}'] = "tools", ['{"input":"q","tool_choice":"maybe"}'] = "tool_choice",
      ['{"input":"q","text":{"format":{"type":"xml"}}}'] = "text.format",
      ['{"input":"q","text":{"format":{"type":"json_schema","name":"n"}}}'] = "text.format.schema",
      ['{"input":"q","metadata":[1]}'] = "metadata", ['{"input":"q","reasoning":"high"}'] = "reasoning",
      ['{"input":"q","conversation":"conv_1"}'] = "conversation", ['{"input":"q","prompt":{"id":"p"}}'] = "prompt",
      ['{"input":"q","previous_response_id":7}'] = "previous_response_id",
    } do
      local request, failure = decode(body)
      assert.is_nil(request, body)
      assert.equal(param, failure.param)
      assert.equal("invalid_request_error", failure.type)
    end
    local _, failure = decode "{"
    assert.equal(400, failure.status)
  end)
end)

describe("responses state", function()
  local context

  before_each(function()
    context = support.context()
    context.stored.resp_1 = {
      '{"id":"resp_1","output":[{"type":"message","id":"msg_2","role":"assistant","status":"completed",'
        .. '"content":[{"type":"output_text","text":"two","annotations":[]}]}]}',
      '[{"type":"message","id":"msg_1","role":"user","content":[{"type":"input_text","text":"one"}]}]',
    }
    context.stored_items.msg_9 = '{"type":"message","role":"user","content":"nine"}'
  end)

  it("puts the earlier turns before the new input, without the earlier instructions", function()
    local request = decode('{"previous_response_id":"resp_1","input":"three"}', context)
    local said = {}
    for i, turn in ipairs(request.turns) do said[i] = turn.role .. ":" .. turn.parts[1].text end
    assert.same({ "user:one", "assistant:two", "user:three" }, said)
    assert.is_nil(request.system)
  end)

  it("puts in referenced items, written with or without type", function()
    local request = decode('{"input":[{"type":"item_reference","id":"msg_9"},{"id":"msg_9"}]}', context)
    assert.equal("nine", request.turns[1].parts[1].text)
    assert.equal("nine", request.turns[2].parts[1].text)
  end)

  it("refuses ids that this owner does not have", function()
    local _, failure = decode('{"previous_response_id":"resp_x","input":"q"}', context)
    assert.same({ 400, "previous_response_not_found", "previous_response_id" },
      { failure.status, failure.code, failure.param })
    assert.equal("Previous response with id 'resp_x' not found.", failure.message)
    _, failure = decode('{"input":[{"type":"item_reference","id":"msg_x"}]}', context)
    assert.same({ 400, "input", "Item with id 'msg_x' not found." }, { failure.status, failure.param, failure.message })
  end)

  it("expands a body for a provider that speaks the dialect and keeps every other byte", function()
    local body = '{ "model" : "m", "previous_response_id":"resp_1","seed":1.50,'
      .. '"input":[{"id":"msg_9"}, {"a" : 1e3}],"x":"\\u00e9"}'
    local items = context.stored.resp_1[2]:sub(2, -2) .. "," .. context.stored.resp_1[1]:match('"output":%[(.*)%]}$')
    assert.equal('{"model":"m","seed":1.50,"input":[' .. items .. ',{"type":"message","role":"user","content":"nine"}'
      .. ',{"a" : 1e3}],"x":"\\u00e9"}', dialect.expand(body, context))
    local text, failure = dialect.expand('{"previous_response_id":"resp_x"}', context)
    assert.is_nil(text)
    assert.equal("previous_response_not_found", failure.code)
  end)

  it("keeps the gateway's own ids and seals from the provider", function()
    local body = [[{"input":[
      {"type":"reasoning","id":"rs_gy1","summary":[],"encrypted_content":"gateyes.v1.anthropic.s.0.S"},
      {"type":"reasoning","id":"rs_gy2","summary":[],"content":[]},
      {"type":"message","id":"msg_gy3","role":"assistant","content":"a"},
      {"type":"reasoning","id":"rs_5","summary":[],"encrypted_content":"gAAA"},
      {"type":"message","id":"msg_6","role":"assistant","content":"b"}]}]]
    assert.equal('{"input":[{"type":"message","role":"assistant","content":"a"},'
      .. '{"type":"reasoning","id":"rs_5","summary":[],"encrypted_content":"gAAA"},'
      .. '{"type":"message","id":"msg_6","role":"assistant","content":"b"}]}', dialect.expand(body, context))
  end)

  it("finds references however they are written", function()
    for body, code in pairs {
      ['{"previous\\u005fresponse_id":"resp_x"}'] = "previous_response_not_found",
      ['{"input":[{"type":"item\\u005Freference","id":"msg_x"}]}'] = "item_not_found",
      ['{"input":[{"\\u0069d":"msg_x"}]}'] = "item_not_found",
      ['{"input":[{"id":"msg_x","type":null}]}'] = "item_not_found",
    } do
      local text, failure = dialect.expand(body, context)
      assert.is_nil(text, body)
      assert.equal(code, failure.code)
    end
  end)
end)
