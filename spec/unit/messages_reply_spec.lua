local json = require "gateyes.json"
local messages = require "dialects.messages"
local support = require "messages_support"

local function encode(parts, finish, fields)
  local reply = {
    id = "chatcmpl-1", model = "gpt-x", choices = { { index = 0, parts = parts, finish = finish or "stop" } },
  }
  for name, value in pairs(fields or {}) do reply[name] = value end
  return json.decode(messages.encode(reply, support.context()))
end

describe("messages.encode", function()
  it("writes a whole message", function()
    local message = encode({ { type = "text", text = "hi" } }, "stop", {
      usage = { input = 10, cache_read = 3, cache_write_5m = 2, cache_write_1h = 1, output = 5, reasoning = 4 },
      service_tier = "default",
    })
    assert.same({ "msg_1", "message", "assistant", "gpt-x", "end_turn" },
      { message.id, message.type, message.role, message.model, message.stop_reason })
    assert.equal(json.null, message.stop_sequence)
    assert.same({ { type = "text", text = "hi" } }, message.content)
    assert.same({
      input_tokens = 10, cache_read_input_tokens = 3, cache_creation_input_tokens = 3, output_tokens = 5,
      cache_creation = { ephemeral_5m_input_tokens = 2, ephemeral_1h_input_tokens = 1 },
      output_tokens_details = { thinking_tokens = 4 }, service_tier = "standard",
    }, message.usage)
  end)

  it("keeps an id that is already a Messages id", function()
    assert.equal("msg_abc", encode({}, "stop", { id = "msg_abc" }).id)
  end)

  it("maps every reason to stop", function()
    local reasons = {
      stop = "end_turn", length = "max_tokens", tool_calls = "tool_use", content_filter = "refusal",
      refusal = "refusal", stop_sequence = "stop_sequence", pause = "pause_turn",
      context_length = "model_context_window_exceeded",
    }
    for finish, stop_reason in pairs(reasons) do assert.equal(stop_reason, encode({}, finish).stop_reason) end
  end)

  it("names the stop sequence", function()
    local message = json.decode(messages.encode(
      { id = "x", choices = { { parts = {}, finish = "stop_sequence", stop_sequence = "END" } } }, support.context()))
    assert.equal("END", message.stop_sequence)
    assert.equal("smart", message.model)
  end)

  it("writes tool calls, and keeps arguments that are no object", function()
    local content = encode({
      { type = "tool_call", id = "c1", name = "f", arguments = "{\"a\": [1.50, {}]}" },
      { type = "tool_call", id = "c2", name = "f", arguments = "" },
      { type = "tool_call", id = "c3", name = "f", arguments = "{\"a\": \"cut o" },
      { type = "tool_call", id = "c4", name = "f", arguments = "[1]" },
      { type = "tool_call", id = "c5", name = "f", arguments = "*** patch", custom = true },
    }, "tool_calls").content
    assert.same({ type = "tool_use", id = "c1", name = "f", input = { a = { 1.5, {} } } }, content[1])
    assert.same({}, content[2].input)
    assert.same({ raw_arguments = "{\"a\": \"cut o" }, content[3].input)
    assert.same({ raw_arguments = "[1]" }, content[4].input)
    assert.same({ input = "*** patch" }, content[5].input)
  end)

  it("writes arguments byte for byte", function()
    local text = messages.encode({ choices = { { finish = "tool_calls", parts = {
      { type = "tool_call", id = "c", name = "f", arguments = "{\"b\":[],\"n\":12345678901234567890}" },
    } } } }, support.context())
    assert.is_truthy(text:find("\"input\":{\"b\":[],\"n\":12345678901234567890}", 1, true))
  end)

  it("writes reasoning, signed or not", function()
    local content = encode {
      { type = "reasoning", text = "a", signature = "sig", format = "anthropic" },
      { type = "reasoning", text = "b" },
      { type = "reasoning", encrypted = "blob", redacted = true, format = "anthropic" },
      { type = "reasoning", summary = { "s1", "s2" }, encrypted = "cipher", id = "rs_1", format = "responses" },
      { type = "reasoning", text = "" },
    }.content
    assert.same({
      { type = "thinking", thinking = "a", signature = "sig" },
      { type = "thinking", thinking = "b", signature = "" },
      { type = "redacted_thinking", data = "blob" },
      { type = "thinking", thinking = "s1\n\ns2", signature = "gateyes.responses.rs_1.e.cipher" },
    }, content)
  end)

  it("leaves out empty text and turns a refusal into one", function()
    local message = encode({ { type = "text", text = "" }, { type = "refusal", text = "No." } }, "stop")
    assert.same({ { type = "text", text = "No." } }, message.content)
    assert.equal("refusal", message.stop_reason)
  end)

  it("keeps Anthropic's citations and blocks, and no other's", function()
    local citation = [[{"type":"char_location","cited_text":"x","document_index":0}]]
    local content = encode {
      { type = "text", text = "t", citations = json.raw("[" .. citation .. ",{\"type\":\"url_citation\"}]") },
      { type = "raw", format = "anthropic", raw = json.raw [[{"type":"server_tool_use","id":"s","input":{}}]] },
      { type = "raw", format = "responses", raw = json.raw [[{"type":"web_search_call"}]] },
    }.content
    assert.equal(2, #content)
    assert.same({ json.decode(citation) }, content[1].citations)
    assert.equal("server_tool_use", content[2].type)
  end)

  it("writes what was spoken once", function()
    assert.same({ { type = "text", text = "hi" } },
      encode({ { type = "text", text = "hi" }, { type = "audio", transcript = "hi" } }).content)
    assert.same({ { type = "text", text = "hi" } }, encode({ { type = "audio", transcript = "hi" } }).content)
  end)

  it("answers with no choice at all", function()
    local message = json.decode(messages.encode({ id = "x", choices = {} }, support.context()))
    assert.same({}, message.content)
    assert.equal("end_turn", message.stop_reason)
  end)
end)

describe("messages.encode_error", function()
  it("has Anthropic's shape", function()
    local body = json.decode(messages.encode_error(
      { status = 429, type = "rate_limit_error", message = "slow \"down\"", code = "rate_limit_exceeded" },
      support.context { request_id = "req_1" }))
    assert.same({
      type = "error", error = { type = "rate_limit_error", message = "slow \"down\"" }, request_id = "req_1",
    }, body)
  end)

  it("does without a context", function()
    local body = json.decode(messages.encode_error({ status = 500 }))
    assert.equal("api_error", body.error.type)
    assert.equal(json.null, body.request_id)
  end)
end)
