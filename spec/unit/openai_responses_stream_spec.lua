local adapter = require "adapters.openai_responses"
local dialect = require "dialects.responses"
local json = require "gateyes.json"
local runner = require "golden_runner"
local support = require "responses_support"

-- list of { type, more members as JSON text }
local function read(list)
  local state, out = adapter.new_stream(support.context()), {}
  for i, one in ipairs(list) do
    local data = string.format('{"type":"%s","sequence_number":%d%s}', one[1], i, one[2] and "," .. one[2] or "")
    for _, event in ipairs(adapter.decode_event(state, one[1], data)) do out[#out + 1] = event end
  end
  for _, event in ipairs(adapter.end_stream(state)) do out[#out + 1] = event end
  return out
end

-- Checks the rules of the canonical form and folds the parts together.
local function fold(events)
  local parts, open, seen = {}, {}, {}
  assert.equal("start", events[1].type)
  for i, event in ipairs(events) do
    seen[event.type] = (seen[event.type] or 0) + 1
    assert.is_nil(seen["end"] and i < #events or nil)
    if event.type == "part_start" then
      assert.equal(#parts, event.index)
      parts[#parts + 1] = { type = event.part.type, part = event.part }
      open[event.index] = true
    elseif event.type == "part_delta" then
      assert.is_true(open[event.index])
      local part = parts[event.index + 1]
      for _, field in ipairs { "text", "arguments", "summary", "encrypted" } do
        if event[field] then part[field] = (part[field] or "") .. event[field] end
      end
      part.citation, part.logprobs = event.citation or part.citation, event.logprobs or part.logprobs
    elseif event.type == "part_stop" then
      assert.is_true(open[event.index])
      open[event.index] = nil
    elseif event.type == "finish" then
      assert.is_nil(next(open))
    end
  end
  assert.equal(1, seen.start)
  return parts, events[#events - 1], events[#events]
end

local created = { "response.created", '"response":{"id":"resp_1","model":"m","created_at":5,"status":"in_progress"}' }
local completed = { "response.completed", '"response":{"status":"completed","output":[],"usage":{"input_tokens":10,'
  .. '"input_tokens_details":{"cached_tokens":4},"output_tokens":3,"total_tokens":13}}' }

describe("openai_responses stream", function()
  it("reads a full answer with reasoning, text and parallel calls", function()
    local events = read {
      created, { "response.in_progress", '"response":{}' },
      { "response.output_item.added", '"output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}' },
      { "response.reasoning_summary_part.added", '"output_index":0,"summary_index":0,"item_id":"rs_1"' },
      { "response.reasoning_summary_text.delta", '"output_index":0,"summary_index":0,"delta":"a"' },
      { "response.reasoning_summary_part.added", '"output_index":0,"summary_index":1,"item_id":"rs_1"' },
      { "response.reasoning_summary_text.delta", '"output_index":0,"summary_index":1,"delta":"b"' },
      { "response.output_item.done", '"output_index":0,"item":{"type":"reasoning","id":"rs_1","encrypted_content":"gA",'
        .. '"summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}]}' },
      { "response.output_item.added", '"output_index":1,"item":{"type":"message","id":"msg_1","content":[]}' },
      { "response.content_part.added", '"output_index":1,"content_index":0,"part":{"type":"output_text","text":""}' },
      { "response.output_text.delta", '"output_index":1,"content_index":0,"delta":"He","logprobs":[]' },
      { "response.output_text.delta", '"output_index":1,"content_index":0,"delta":"y","logprobs":[{"token":"y"}]' },
      { "response.output_text.annotation.added", '"output_index":1,"content_index":0,"annotation":{"url":"u"}' },
      { "response.output_text.done", '"output_index":1,"content_index":0,"text":"Hey"' },
      { "response.content_part.done", '"output_index":1,"content_index":0,"part":{"type":"output_text"}' },
      { "response.output_item.done", '"output_index":1,"item":{"type":"message","content":[{"type":"output_text",'
        .. '"text":"Hey"}]}' },
      { "response.output_item.added", '"output_index":2,"item":{"type":"function_call","id":"fc_1","call_id":"c1",'
        .. '"name":"f","arguments":""}' },
      { "response.output_item.added", '"output_index":3,"item":{"type":"custom_tool_call","id":"ctc_1","call_id":"c2",'
        .. '"name":"g","input":""}' },
      { "response.function_call_arguments.delta", '"output_index":2,"delta":"{\\"a\\":"' },
      { "response.custom_tool_call_input.delta", '"output_index":3,"delta":"x"' },
      { "response.function_call_arguments.delta", '"output_index":2,"delta":"1}"' },
      { "response.function_call_arguments.done", '"output_index":2,"arguments":"{\\"a\\":1}"' },
      { "response.custom_tool_call_input.done", '"output_index":3,"input":"x"' },
      { "response.output_item.done", '"output_index":2,"item":{"type":"function_call","call_id":"c1","name":"f",'
        .. '"arguments":"{\\"a\\":1}"}' },
      { "response.output_item.done", '"output_index":3,"item":{"type":"custom_tool_call","call_id":"c2","input":"x"}' },
      completed,
    }
    local parts, finish, last = fold(events)
    assert.same({ type = "start", id = "resp_1", model = "m", created = 5 }, events[1])
    assert.same({ "a\n\nb", "gA", "responses" }, { parts[1].summary, parts[1].encrypted, parts[1].part.format })
    assert.equal("Hey", parts[2].text)
    assert.equal('{"url":"u"}', json.raw_text(parts[2].citation))
    assert.equal('{"content":[{"token":"y"}],"refusal":null}', json.raw_text(parts[2].logprobs))
    assert.same({ '{"a":1}', "c1", "f" }, { parts[3].arguments, parts[3].part.id, parts[3].part.name })
    assert.same({ "x", true }, { parts[4].arguments, parts[4].part.custom })
    assert.same({ "tool_calls", "end" }, { finish.reason, last.type })
    assert.same({ 6, 4, 3 }, { events[#events - 2].usage.input, events[#events - 2].usage.cache_read,
      events[#events - 2].usage.output })
  end)

  it("reads servers that leave events out", function()
    local parts = fold(read { created,
      { "response.output_text.delta", '"output_index":0,"content_index":0,"delta":"a"' },
      { "response.output_text.done", '"output_index":0,"content_index":1,"text":"whole"' },
      { "response.output_item.added", '"output_index":1,"item":{"type":"function_call","call_id":"c","name":"f"}' },
      { "response.function_call_arguments.done", '"output_index":1,"arguments":"{}"' }, completed })
    assert.same({ "a", "whole", "{}" }, { parts[1].text, parts[2].text, parts[3].arguments })
    parts = fold(read { { "response.completed", '"response":{"id":"r","status":"completed","output":['
      .. '{"type":"reasoning","content":[{"type":"reasoning_text","text":"t"}]},'
      .. '{"type":"message","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"b"}]},'
      .. '{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"image_generation_call"}]}' } })
    assert.same({ "t", "a", "b", "{}" }, { parts[1].text, parts[2].text, parts[3].text, parts[4].arguments })
    assert.equal('{"type":"image_generation_call"}', json.raw_text(parts[5].part.raw))
  end)

  it("tells why an answer is incomplete", function()
    for reason, want in pairs { max_output_tokens = "length", content_filter = "content_filter" } do
      local _, finish = fold(read { created, { "response.incomplete",
        '"response":{"status":"incomplete","incomplete_details":{"reason":"' .. reason .. '"},"output":[]}' } })
      assert.equal(want, finish.reason)
    end
  end)

  it("turns every kind of failure into an error event", function()
    local events = read { created, { "response.failed",
      '"response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"}}' } }
    assert.same({ "error", 429, "slow" },
      { events[#events].type, events[#events].failure.status, events[#events].failure.message })
    for _, members in ipairs { '"code":"server_error","message":"m","param":null',
      '"error":{"type":"server_error","code":"server_error","message":"m","param":null}' } do
      events = read { created, { "error", members } }
      assert.same({ "error", 502, "m" },
        { events[#events].type, events[#events].failure.status, events[#events].failure.message })
      assert.equal(2, #events)
    end
    local state = adapter.new_stream(support.context())
    assert.equal("upstream_protocol", adapter.decode_event(state, "message", "{oops")[1].failure.code)
    assert.same({}, adapter.decode_event(state, "message", "{}"))
  end)

  it("takes a stream without its end for cut", function()
    local events = read { created, { "response.output_text.delta", '"output_index":0,"content_index":0,"delta":"a"' } }
    assert.same({ "error", "upstream_cut" }, { events[#events].type, events[#events].failure.code })
    assert.same({ "error", "upstream_cut" }, { read {}[1].type, read {}[1].failure.code })
  end)

  it("reads what the dialect writes", function()
    local context = support.context()
    local sent = { { type = "start", id = "resp_9", model = "m", created = 5 },
      { type = "part_start", index = 0, choice = 0, part = { type = "text" } },
      { type = "part_delta", index = 0, choice = 0, text = "a" }, { type = "part_stop", index = 0, choice = 0 },
      { type = "part_start", index = 1, choice = 0, part = { type = "tool_call", id = "c", name = "f" } },
      { type = "part_delta", index = 1, choice = 0, arguments = "{}" }, { type = "part_stop", index = 1, choice = 0 },
      { type = "usage", usage = { input = 1, output = 2 } }, { type = "finish", choice = 0, reason = "tool_calls" },
      { type = "end" } }
    local state, got = adapter.new_stream(context), {}
    for _, frame in ipairs(runner.frames((support.play(dialect, context, sent)))) do
      for _, event in ipairs(adapter.decode_event(state, frame[1], frame[2])) do got[#got + 1] = event end
    end
    local parts = fold(got)
    assert.same({ "a", "{}", "c" }, { parts[1].text, parts[2].arguments, parts[2].part.id })
    assert.equal("tool_calls", got[#got - 1].reason)
  end)
end)
