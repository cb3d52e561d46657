local json = require "gateyes.json"
local messages = require "dialects.messages"
local support = require "messages_support"

local function stream(events)
  local state = messages.new_stream(support.context())
  local out = {}
  for _, event in ipairs(events) do out[#out + 1] = messages.encode_event(state, event) end
  return table.concat(out), state
end

local start = { type = "start", id = "chatcmpl-1", model = "gpt-x" }
local finish = { type = "finish", choice = 0, reason = "stop" }
local over = { type = "end" }

local function part_start(index, part) return { type = "part_start", index = index, choice = 0, part = part } end
local function part_stop(index) return { type = "part_stop", index = index, choice = 0 } end

local function delta(index, fields)
  fields.type, fields.index, fields.choice = "part_delta", index, 0
  return fields
end

describe("messages.encode_event", function()
  it("writes the frames of a text answer in order", function()
    local text = stream {
      start, part_start(0, { type = "text" }), delta(0, { text = "Hel" }), delta(0, { text = "lo\n" }), part_stop(0),
      finish, { type = "usage", usage = { input = 7, cache_read = 2, output = 3 } }, over,
    }
    local names = {}
    for _, frame in ipairs(support.frames(text)) do names[#names + 1] = frame.name end
    assert.same({ "message_start", "content_block_start", "content_block_delta", "content_block_delta",
      "content_block_stop", "message_delta", "message_stop" }, names)
    local frames = support.frames(text)
    assert.equal(0, frames[1].body.message.usage.input_tokens)
    assert.same({ stop_reason = "end_turn", stop_sequence = json.null }, frames[6].body.delta)
    assert.equal(7, frames[6].body.usage.input_tokens)
    assert.equal(2, frames[6].body.usage.cache_read_input_tokens)
    assert.equal(3, frames[6].body.usage.output_tokens)
    local message, ended = support.fold(text)
    assert.is_true(ended)
    assert.same({ { type = "text", text = "Hello\n" } }, message.content)
  end)

  it("starts at once and reports the input that is known then", function()
    local state = messages.new_stream(support.context())
    local text = messages.encode_event(state, { type = "start", id = "msg_9", usage = { input = 5, output = 1 } })
    local message = support.frames(text)[1].body.message
    assert.equal("msg_9", message.id)
    assert.equal("smart", message.model)
    assert.equal(5, message.usage.input_tokens)
  end)

  it("holds interleaved calls back until the earlier one stops", function()
    local text = stream {
      start, part_start(0, { type = "tool_call", id = "a", name = "f" }),
      part_start(1, { type = "tool_call", id = "b", name = "g" }),
      delta(1, { arguments = "{\"y\"" }), delta(0, { arguments = "{\"x\":" }), delta(1, { arguments = ":2}" }),
      part_stop(1), delta(0, { arguments = "1}" }), part_stop(0),
      { type = "finish", choice = 0, reason = "tool_calls" }, over,
    }
    local message = support.fold(text)
    assert.same({
      { type = "tool_use", id = "a", name = "f", input = { x = 1 } },
      { type = "tool_use", id = "b", name = "g", input = { y = 2 } },
    }, message.content)
    assert.equal("tool_use", message.stop_reason)
  end)

  it("streams the open part without delay", function()
    local state = messages.new_stream(support.context())
    messages.encode_event(state, start)
    messages.encode_event(state, part_start(0, { type = "text" }))
    messages.encode_event(state, part_start(1, { type = "text" }))
    assert.is_truthy(messages.encode_event(state, delta(0, { text = "now" })):find("now", 1, true))
    assert.equal("", messages.encode_event(state, delta(1, { text = "later" })))
    assert.is_truthy(messages.encode_event(state, part_stop(0)):find("later", 1, true))
  end)

  it("sends a signature once and whole, before its block stops", function()
    local text = stream {
      start, part_start(0, { type = "reasoning", format = "anthropic" }), delta(0, { text = "think" }),
      delta(0, { signature = "AB" }), delta(0, { signature = "CD" }), part_stop(0), finish, over,
    }
    assert.equal(2, select(2, text:gsub("signature_delta", "")) + 1)
    assert.same({ { type = "thinking", thinking = "think", signature = "ABCD" } }, support.fold(text).content)
  end)

  it("writes reasoning of other providers", function()
    local text = stream {
      start, part_start(0, { type = "reasoning" }), delta(0, { text = "hm" }), part_stop(0),
      part_start(1, { type = "reasoning", id = "rs_1", format = "responses" }), delta(1, { summary = "sum" }),
      delta(1, { encrypted = "cipher" }), part_stop(1), finish, over,
    }
    assert.same({
      { type = "thinking", thinking = "hm", signature = "" },
      { type = "thinking", thinking = "sum", signature = "gateyes.responses.rs_1.e.cipher" },
    }, support.fold(text).content)
  end)

  it("writes redacted thinking when its data is whole", function()
    local text = stream {
      start, part_start(0, { type = "reasoning", format = "anthropic", redacted = true }),
      delta(0, { encrypted = "bl" }), delta(0, { encrypted = "ob" }), part_stop(0), finish, over,
    }
    assert.same({ { type = "redacted_thinking", data = "blob" } }, support.fold(text).content)
  end)

  it("never opens an empty block, and still opens a call without arguments", function()
    local text = stream {
      start, part_start(0, { type = "text" }), part_stop(0), part_start(1, { type = "reasoning" }), part_stop(1),
      part_start(2, { type = "tool_call", id = "a", name = "f" }), part_stop(2),
      { type = "finish", choice = 0, reason = "tool_calls" }, over,
    }
    assert.same({ { type = "tool_use", id = "a", name = "f", input = {} } }, support.fold(text).content)
  end)

  it("wraps the text of a free-form call", function()
    local text = stream {
      start, part_start(0, { type = "tool_call", id = "a", name = "patch", custom = true }),
      delta(0, { arguments = "*** \"x\"\n" }), delta(0, { arguments = "end" }), part_stop(0),
      part_start(1, { type = "tool_call", id = "b", name = "patch", custom = true }), part_stop(1),
      { type = "finish", choice = 0, reason = "tool_calls" }, over,
    }
    local content = support.fold(text).content
    assert.same({ input = "*** \"x\"\nend" }, content[1].input)
    assert.same({ input = "" }, content[2].input)
  end)

  it("passes Anthropic's blocks and citations on", function()
    local text = stream {
      start, part_start(0, { type = "raw", format = "anthropic",
        raw = json.raw "{\"type\":\"server_tool_use\",\r\n\"id\":\"s\",\n\"name\":\"web_search\",\"input\":{}}" }),
      delta(0, { arguments = "{\"query\":\"x\"}" }), part_stop(0),
      part_start(1, { type = "raw", format = "responses", raw = json.raw "{}" }), part_stop(1),
      part_start(2, { type = "text" }), delta(2, { text = "t" }),
      delta(2, { citation = json.raw [[{"type":"page_location"}]] }),
      delta(2, { citation = json.raw [[{"type":"url_citation"}]] }), part_stop(2), finish, over,
    }
    local content = support.fold(text).content
    assert.equal(2, #content)
    assert.same({ query = "x" }, content[1].input)
    assert.same({ { type = "page_location" } }, content[2].citations)
  end)

  it("says a refusal as text and as the reason", function()
    local text = stream { start, part_start(0, { type = "refusal" }), delta(0, { text = "No." }), part_stop(0),
      finish, over }
    local message = support.fold(text)
    assert.same({ { type = "text", text = "No." } }, message.content)
    assert.equal("refusal", message.stop_reason)
  end)

  it("closes what the provider left open", function()
    local text = stream {
      start, part_start(0, { type = "text" }), delta(0, { text = "a" }), part_start(1, { type = "text" }),
      delta(1, { text = "b" }), finish, over,
    }
    assert.same({ { type = "text", text = "a" }, { type = "text", text = "b" } }, support.fold(text).content)
  end)

  it("never ends cleanly after an error", function()
    local text, state = stream { start, part_start(0, { type = "text" }), delta(0, { text = "a" }) }
    text = text .. messages.encode_stream_error(state,
      { status = 529, type = "overloaded_error", message = "Overloaded" })
    for _, event in ipairs { part_stop(0), finish, over } do text = text .. messages.encode_event(state, event) end
    local frames = support.frames(text)
    assert.equal("error", frames[#frames].name)
    assert.same({ type = "overloaded_error", message = "Overloaded" }, frames[#frames].body.error)
    assert.is_nil(text:find("message_stop", 1, true))
    assert.is_nil(text:find("message_delta", 1, true))
  end)

  it("makes an error of an answer that ends in one", function()
    local text = stream { start, { type = "finish", choice = 0, reason = "error" }, over }
    local frames = support.frames(text)
    assert.equal("error", frames[#frames].name)
  end)

  it("writes an error event, pings and only the first choice", function()
    local text = stream {
      start, { type = "ping" }, { type = "part_start", index = 0, choice = 1, part = { type = "text" } },
      { type = "part_delta", index = 0, choice = 1, text = "other" },
      { type = "error", failure = { status = 500, type = "api_error", message = "x" } }, over,
    }
    local names = {}
    for _, frame in ipairs(support.frames(text)) do names[#names + 1] = frame.name end
    assert.same({ "message_start", "ping", "error" }, names)
  end)
end)

-- A seeded shuffle: deltas of several parts in any interleaving must give the same message.
describe("messages.encode_event with any interleaving", function()
  local contents = { "alpha beta", "{\"x\":[1,2,3]}", "gamma \226\130\172 delta", "{\"y\":{\"z\":\"\\n\"}}" }

  local function pieces_of(text, random)
    local pieces, at = {}, 1
    while at <= #text do
      local stop = math.min(at + random(0, 3), #text)
      -- A delta comes out of a JSON string, so it holds whole characters.
      while stop < #text and text:byte(stop + 1) >= 128 and text:byte(stop + 1) < 192 do stop = stop + 1 end
      pieces[#pieces + 1] = text:sub(at, stop)
      at = stop + 1
    end
    return pieces
  end

  local function part_of(index)
    if index % 2 == 0 then return { type = "text" } end
    return { type = "tool_call", id = "c" .. index, name = "f" }
  end

  local function interleaved(random)
    local events, waiting, started = { start }, {}, 0
    while started < #contents or next(waiting) do
      if started < #contents and (random(3) == 1 or not next(waiting)) then
        events[#events + 1] = part_start(started, part_of(started))
        waiting[#waiting + 1] = { index = started, pieces = pieces_of(contents[started + 1], random) }
        started = started + 1
      else
        local pick = random(#waiting)
        local part = waiting[pick]
        local piece = table.remove(part.pieces, 1)
        if piece then
          events[#events + 1] = delta(part.index, part.index % 2 == 0 and { text = piece } or { arguments = piece })
        else
          events[#events + 1] = part_stop(part.index)
          table.remove(waiting, pick)
        end
      end
    end
    events[#events + 1] = finish
    events[#events + 1] = over
    return events
  end

  it("folds to the same message", function()
    math.randomseed(7)
    for _ = 1, 200 do
      local message, ended = support.fold((stream(interleaved(math.random))))
      assert.is_true(ended)
      assert.same({
        { type = "text", text = contents[1] },
        { type = "tool_use", id = "c1", name = "f", input = { x = { 1, 2, 3 } } },
        { type = "text", text = contents[3] },
        { type = "tool_use", id = "c3", name = "f", input = { y = { z = "\n" } } },
      }, message.content)
    end
  end)
end)
