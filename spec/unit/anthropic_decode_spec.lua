local anthropic = require "adapters.anthropic"
local json = require "gateyes.json"
local support = require "messages_support"

local function reply_of(fields)
  local message = {
    id = "msg_1", type = "message", role = "assistant", model = "claude-sonnet-4-5", content = json.raw "[]",
    stop_reason = "end_turn", stop_sequence = json.null,
    usage = { input_tokens = 10, output_tokens = 5, cache_read_input_tokens = 3, cache_creation_input_tokens = 6,
      cache_creation = { ephemeral_5m_input_tokens = 4, ephemeral_1h_input_tokens = 2 }, service_tier = "standard" },
  }
  for name, value in pairs(fields) do message[name] = value end
  return anthropic.decode(json.encode(message), support.context())
end

local function parts_of(content)
  return reply_of({ content = json.raw(content) }).choices[1].parts
end

describe("anthropic.decode", function()
  it("reads the whole reply", function()
    local reply = reply_of { content = json.raw [==[[{"type":"text","text":"hi"}]]==] }
    assert.same({ "msg_1", "claude-sonnet-4-5", 1700000000, "default" },
      { reply.id, reply.model, reply.created, reply.service_tier })
    assert.same({ { index = 0, parts = { { type = "text", text = "hi" } }, finish = "stop" } }, reply.choices)
    assert.same({ input = 10, output = 5, cache_read = 3, cache_write_5m = 4, cache_write_1h = 2 }, reply.usage)
  end)

  it("maps every stop reason", function()
    local reasons = { end_turn = "stop", max_tokens = "length", stop_sequence = "stop_sequence",
      tool_use = "tool_calls",
      pause_turn = "pause", refusal = "refusal", model_context_window_exceeded = "context_length", tomorrow = "stop" }
    for reason, finish in pairs(reasons) do
      assert.equal(finish, reply_of({ stop_reason = reason }).choices[1].finish)
    end
    assert.equal("END", reply_of({ stop_reason = "stop_sequence", stop_sequence = "END" }).choices[1].stop_sequence)
  end)

  it("reads every kind of block", function()
    local parts = parts_of [==[[
      {"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"blob"},
      {"type":"text","text":"x","citations":[{"type":"char_location"}]},{"type":"text","text":"y","citations":null},
      {"type":"tool_use","id":"t1","name":"f","input":{"a":[]},"caller":{"type":"direct"}},
      {"type":"server_tool_use","id":"s1","name":"web_search","input":{"query":"q"}}]]==]
    assert.same({ type = "reasoning", text = "t", signature = "s", format = "anthropic" }, parts[1])
    assert.is_true(parts[2].redacted)
    assert.equal([==[[{"type":"char_location"}]]==], json.raw_text(parts[3].citations))
    assert.same({ type = "text", text = "y" }, parts[4])
    assert.same({ type = "tool_call", id = "t1", name = "f", arguments = "{\"a\":[]}" }, parts[5])
    assert.equal("raw", parts[6].type)
  end)

  it("knows a free-form call and a JSON answer again", function()
    local reply = reply_of { stop_reason = "tool_use", content = json.raw [==[[
      {"type":"tool_use","id":"t1","name":"patch","input":{"freeform_input":"*** a"}}]]==] }
    assert.same({ type = "tool_call", id = "t1", name = "patch", arguments = "*** a", custom = true },
      reply.choices[1].parts[1])
    assert.equal("tool_calls", reply.choices[1].finish)
    reply = reply_of { stop_reason = "tool_use", content = json.raw [==[[
      {"type":"tool_use","id":"t1","name":"gateyes_json_answer","input":{"n":1}}]]==] }
    assert.same({ type = "text", text = "{\"n\":1}" }, reply.choices[1].parts[1])
    assert.equal("stop", reply.choices[1].finish)
  end)

  it("fails on what is no reply", function()
    for _, body in ipairs { "", "<html>", "[]", "{}", "{\"content\":5}", "{\"content\":[1]}" } do
      local reply, failure = anthropic.decode(body, support.context())
      assert.is_nil(reply)
      assert.equal(502, failure.status)
    end
    local _, failure = anthropic.decode([[{"type":"error","error":{"type":"overloaded_error","message":"m"}}]],
      support.context())
    assert.same({ 529, "overloaded_error", "m" }, { failure.status, failure.type, failure.message })
  end)
end)

describe("anthropic.decode_error", function()
  it("keeps status, type, message, field and request id", function()
    local failure = anthropic.decode_error(400, { ["request-id"] = "req_h" }, json.encode {
      type = "error", request_id = "req_b",
      error = { type = "invalid_request_error", message = "messages.0.content: Field required" },
    })
    assert.same({ 400, "invalid_request_error", "messages.0.content: Field required", "messages.0.content", "req_b" },
      { failure.status, failure.type, failure.message, failure.param, failure.request_id })
    failure = anthropic.decode_error(429, { ["request-id"] = "req_h" },
      [[{"type":"error","error":{"type":"rate_limit_error","message":"This: slow"}}]])
    assert.same({ 429, "rate_limit_error", "req_h" }, { failure.status, failure.type, failure.request_id })
    assert.is_nil(failure.param)
  end)

  it("keeps a finer code", function()
    local failure = anthropic.decode_error(400, nil, json.encode { error = { type = "invalid_request_error",
      message = "m", details = { error_code = "image_dimensions_too_large" } } })
    assert.equal("image_dimensions_too_large", failure.code)
  end)

  it("understands errors that are not Anthropic's", function()
    local types = { [400] = "invalid_request_error", [401] = "authentication_error", [403] = "permission_error",
      [404] = "not_found_error", [413] = "request_too_large", [429] = "rate_limit_error", [500] = "api_error",
      [502] = "api_error", [503] = "overloaded_error", [504] = "timeout_error", [529] = "overloaded_error" }
    for status, kind in pairs(types) do
      local failure = anthropic.decode_error(status, {}, "<html>upstream says no</html>")
      assert.same({ status, kind, "The provider answered with status " .. status },
        { failure.status, failure.type, failure.message })
    end
    assert.equal("prompt too long", anthropic.decode_error(400, {}, "prompt too long\n").message)
    assert.equal("The provider answered with status 503", anthropic.decode_error(503, {}, "no host 10.1.2.3").message)
    assert.is_string(anthropic.decode_error(500, {}, "").message)
    assert.is_string(anthropic.decode_error(500, {}, "[1]").message)
    assert.equal("invalid_request_error",
      anthropic.decode_error(409, {}, [[{"error":{"type":"conflict_error","message":"m"}}]]).type)
  end)
end)

local function run(frames)
  local state = anthropic.new_stream(support.context())
  local events = {}
  for _, frame in ipairs(frames) do
    local body = json.decode(frame)
    for _, event in ipairs(anthropic.decode_event(state, body and body.type or "message", frame)) do
      events[#events + 1] = event
    end
  end
  for _, event in ipairs(anthropic.end_stream(state)) do events[#events + 1] = event end
  return events, support.fold_events(events)
end

local function block(index, content, deltas)
  local frames = { ("{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":%s}"):format(index, content) }
  for _, delta in ipairs(deltas or {}) do
    frames[#frames + 1] = ("{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":%s}"):format(index, delta)
  end
  frames[#frames + 1] = ("{\"type\":\"content_block_stop\",\"index\":%d}"):format(index)
  return frames
end

local function message(blocks, stop_reason)
  local frames = {
    [[{"type":"message_start","message":{"id":"msg_1","model":"claude-x","content":[],"usage":{"input_tokens":25,
      "cache_creation_input_tokens":7,"cache_read_input_tokens":2,"cache_creation":{"ephemeral_5m_input_tokens":3,
      "ephemeral_1h_input_tokens":4},"output_tokens":1,"service_tier":"priority"}}}]],
    [[{"type":"ping"}]],
  }
  for _, list in ipairs(blocks) do
    for _, frame in ipairs(list) do frames[#frames + 1] = frame end
  end
  frames[#frames + 1] = "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" .. (stop_reason or "end_turn")
    .. "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15,\"output_tokens_details\":{\"thinking_tokens\":6}}}"
  frames[#frames + 1] = [[{"type":"message_stop"}]]
  return frames
end

describe("anthropic.decode_event", function()
  it("reads a text answer event by event", function()
    local events = run(message { block(0, [[{"type":"text","text":""}]],
      { [[{"type":"text_delta","text":"He"}]], [[{"type":"text_delta","text":"y"}]] }) })
    local types = {}
    for index, event in ipairs(events) do types[index] = event.type end
    assert.same({ "start", "usage", "ping", "part_start", "part_delta", "part_delta", "part_stop", "usage", "finish",
      "end" }, types)
    assert.same({ "msg_1", "claude-x", "priority" }, { events[1].id, events[1].model, events[1].service_tier })
    assert.equal(25, events[1].usage.input)
    assert.same({ input = 25, cache_read = 2, cache_write_5m = 3, cache_write_1h = 4, output = 15, reasoning = 6 },
      events[8].usage)
    assert.same({ type = "finish", choice = 0, reason = "stop" }, events[9])
  end)

  it("reads thinking, calls, citations and server blocks", function()
    local _, reply = run(message({
      block(0, [[{"type":"thinking","thinking":"","signature":""}]], { [[{"type":"thinking_delta","thinking":"hm"}]],
        [[{"type":"signature_delta","signature":"sig"}]] }),
      block(1, [[{"type":"redacted_thinking","data":"blob"}]]),
      block(2, [[{"type":"text","text":""}]], { [[{"type":"text_delta","text":"t"}]],
        [[{"type":"citations_delta","citation":{"type":"char_location"}}]], [[{"type":"delta_of_tomorrow"}]] }),
      block(3, [[{"type":"server_tool_use","id":"s","name":"web_search","input":{}}]],
        { [[{"type":"input_json_delta","partial_json":"{\"q\":1}"}]] }),
      block(4, [[{"type":"tool_use","id":"t1","name":"f","input":{}}]], {
        [[{"type":"input_json_delta","partial_json":""}]],
        [[{"type":"input_json_delta","partial_json":"{\"a\""}]],
        [[{"type":"input_json_delta","partial_json":":1}"}]],
      }),
      block(5, [[{"type":"tool_use","id":"t2","name":"g","input":{}}]]),
    }, "tool_use"))
    assert.same({ type = "reasoning", format = "anthropic", text = "hm", signature = "sig" }, reply.parts[1])
    assert.same({ type = "reasoning", format = "anthropic", redacted = true, encrypted = "blob" }, reply.parts[2])
    assert.same({ type = "text", text = "t", citations = { "{\"type\":\"char_location\"}" } }, reply.parts[3])
    assert.equal("raw", reply.parts[4].type)
    assert.equal("{\"q\":1}", reply.parts[4].arguments)
    assert.same({ type = "tool_call", id = "t1", name = "f", arguments = "{\"a\":1}" }, reply.parts[5])
    assert.same({ type = "tool_call", id = "t2", name = "g" }, reply.parts[6])
    assert.equal("tool_calls", reply.finish)
  end)

  it("starts a call with the first byte of its arguments", function()
    local state = anthropic.new_stream(support.context())
    anthropic.decode_event(state, "message_start", [[{"type":"message_start","message":{}}]])
    assert.same({}, anthropic.decode_event(state, "content_block_start",
      block(0, [[{"type":"tool_use","id":"t","name":"f","input":{}}]])[1]))
    local events = anthropic.decode_event(state, "content_block_delta",
      [[{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}]])
    assert.same({ "part_start", "part_delta" }, { events[1].type, events[2].type })
    assert.equal("{\"a", events[2].arguments)
  end)

  it("knows free-form calls however their arguments are split", function()
    local arguments = "{ \"freeform_input\" : \"*** a\\n\226\130\172\" }"
    for size = 1, #arguments do
      local deltas, at = {}, 1
      while at <= #arguments do
        local stop = math.min(at + size - 1, #arguments)
        while (arguments:byte(stop + 1) or 0) >= 128 and arguments:byte(stop + 1) < 192 do stop = stop + 1 end
        deltas[#deltas + 1] = json.encode { type = "input_json_delta", partial_json = arguments:sub(at, stop) }
        at = stop + 1
      end
      local _, reply = run(message({ block(0, [[{"type":"tool_use","id":"t","name":"p","input":{}}]],
        deltas) }, "tool_use"))
      assert.same({ { type = "tool_call", id = "t", name = "p", custom = true, arguments = "*** a\n\226\130\172" } },
        reply.parts)
    end
  end)

  it("takes arguments that only begin like a free-form call as they are", function()
    local _, reply = run(message({ block(0, [[{"type":"tool_use","id":"t","name":"p","input":{}}]],
      { json.encode { type = "input_json_delta", partial_json = "{\"freeform_input\":5}" } }) }, "tool_use"))
    assert.same({ { type = "tool_call", id = "t", name = "p", arguments = "{\"freeform_input\":5}" } }, reply.parts)
  end)

  it("turns a JSON answer into text", function()
    local _, reply = run(message({ block(0, [[{"type":"tool_use","id":"t","name":"gateyes_json_answer","input":{}}]],
      { json.encode { type = "input_json_delta", partial_json = "{\"n\"" },
        json.encode { type = "input_json_delta", partial_json = ":1}" } }) }, "tool_use"))
    assert.same({ { type = "text", text = "{\"n\":1}" } }, reply.parts)
    assert.equal("stop", reply.finish)
  end)

  it("reports an error event and ends there", function()
    local events, reply = run {
      [[{"type":"message_start","message":{"id":"m"}}]],
      [[{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}]],
      [[{"type":"message_stop"}]],
    }
    assert.same({ 529, "overloaded_error", "Overloaded", "req_1" },
      { reply.error.status, reply.error.type, reply.error.message, reply.error.request_id })
    assert.equal("error", events[#events].type)
  end)

  it("reports a stream that was cut", function()
    local frames = message { block(0, [[{"type":"text","text":""}]]) }
    for count = 0, #frames - 1 do
      local cut = {}
      for index = 1, count do cut[index] = frames[index] end
      local events = run(cut)
      assert.equal("error", events[#events].type)
      assert.equal("upstream_cut", events[#events].failure.code)
    end
    assert.equal("end", (run(frames))[#(run(frames))].type)
  end)

  it("ignores what it does not know", function()
    local state = anthropic.new_stream(support.context())
    for _, frame in ipairs { [[{"type":"event_of_tomorrow"}]], "", [[{"type":"content_block_delta","index":9}]],
      [[{"type":"content_block_stop","index":9}]], [[{"type":"content_block_start","index":0}]],
      [[{"type":"message_delta"}]], "{}" } do
      assert.same({}, anthropic.decode_event(state, "message", frame))
    end
    assert.equal("ping", anthropic.decode_event(state, "ping", "{}")[1].type)
    local events = anthropic.decode_event(state, "message", "{not json")
    assert.equal("error", events[1].type)
  end)

  it("takes the cumulative counters of message_delta", function()
    local _, reply = run {
      [[{"type":"message_start","message":{"id":"m","usage":{"input_tokens":0,"output_tokens":0}}}]],
      [[{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":3}}]],
      [[{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"input_tokens":9,"output_tokens":8,
        "cache_read_input_tokens":4,"cache_creation_input_tokens":null}}]], [[{"type":"message_stop"}]],
    }
    assert.same({ input = 9, output = 8, cache_read = 4 }, reply.usage)
    assert.equal("length", reply.finish)
  end)
end)
