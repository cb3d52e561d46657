local dialect = require "dialects.responses"
local fold = require "response_fold"
local json = require "gateyes.json"
local schema = require "open_responses"
local support = require "responses_support"

local start = { type = "start", id = "chatcmpl-1", model = "m-1-2026", created = 5 }

local function part(index, kind, deltas, more)
  local first = { type = kind }
  for key, value in pairs(more or {}) do first[key] = value end
  local events = { { type = "part_start", index = index, choice = 0, part = first } }
  for _, delta in ipairs(deltas) do
    delta.type, delta.index, delta.choice = "part_delta", index, 0
    events[#events + 1] = delta
  end
  events[#events + 1] = { type = "part_stop", index = index, choice = 0 }
  return events
end

local function play(groups, finish, context)
  local events = { start }
  for _, group in ipairs(groups) do
    for _, event in ipairs(group) do events[#events + 1] = event end
  end
  events[#events + 1] = { type = "usage", usage = { input = 3, output = 4 } }
  events[#events + 1] = { type = "finish", choice = 0, reason = finish or "stop" }
  events[#events + 1] = { type = "end" }
  local frames, state = support.play(dialect, context or support.context(), events)
  local response, list, done = fold.response(frames)
  assert.same(json.decode(state.final_text), response)
  assert.is_true(done)
  return response, list, frames
end

local function names(events)
  local list = {}
  for i, event in ipairs(events) do list[i] = event.type:gsub("^response%.", "") end
  return list
end

describe("responses stream", function()
  it("tells a plain answer in OpenAI's order", function()
    local response, events = play { part(0, "text", { { text = "Hel" }, { text = "lo" } }) }
    assert.same({ "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta",
      "output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed" }, names(events))
    assert.equal("Hello", response.output[1].content[1].text)
    assert.same({ 3, 4, 7 }, { response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens })
    assert.equal("in_progress", events[1].response.status)
    assert.equal(response.id, events[1].response.id)
  end)

  it("tells calls, with {} for a call without arguments", function()
    local response, events = play({
      part(0, "tool_call", { { arguments = '{"a":' }, { arguments = "1}" } }, { id = "c1", name = "f" }),
      part(1, "tool_call", {}, { id = "c2", name = "g" }),
      part(2, "tool_call", { { arguments = "x y" } }, { id = "c3", name = "h", custom = true }),
    }, "tool_calls")
    assert.same({ '{"a":1}', "{}", "x y" },
      { response.output[1].arguments, response.output[2].arguments, response.output[3].input })
    assert.same({ "c1", "completed" }, { response.output[1].call_id, response.output[1].status })
    local seen = table.concat(names(events), " ")
    assert.is_truthy(seen:find("function_call_arguments.delta function_call_arguments.done", 1, true))
    assert.is_truthy(seen:find("custom_tool_call_input.delta custom_tool_call_input.done", 1, true))
  end)

  it("tells Anthropic's thinking as a summary and keeps its signature", function()
    local response, events = play {
      part(0, "reasoning", { { text = "th" }, { text = "ink" }, { signature = "S1" }, { signature = "S2" } },
        { format = "anthropic" }),
      part(1, "text", { { text = "a" } }),
    }
    assert.same({ { type = "summary_text", text = "think" } }, response.output[1].summary)
    assert.equal("gateyes.v1.anthropic.s.5.S1S2", response.output[1].encrypted_content)
    assert.same({ "created", "in_progress", "output_item.added", "reasoning_summary_part.added",
      "reasoning_summary_text.delta", "reasoning_summary_text.delta", "reasoning_summary_text.done",
      "reasoning_summary_part.done", "output_item.done" }, { unpack(names(events), 1, 9) })
  end)

  it("tells raw thoughts of open models as reasoning text", function()
    local thought = part(0, "reasoning", { { text = "hm" }, { text = "m" } })
    local response, events = play { thought, part(1, "text", { { text = "a" } }) }
    assert.same({ { type = "reasoning_text", text = "hmm" } }, response.output[1].content)
    assert.same({}, response.output[1].summary)
    assert.equal("response.reasoning_text.delta", events[5].type)
  end)

  it("tells refusals, redacted thoughts and provider items", function()
    local raw = json.raw '{"type":"web_search_call","id":"ws_1","status":"completed","action":{}}'
    local response = play {
      part(0, "reasoning", {}, { format = "anthropic", redacted = true, encrypted = "D" }),
      part(1, "raw", {}, { format = "responses", raw = raw }),
      part(2, "raw", {}, { format = "anthropic", raw = json.raw "{}" }),
      part(3, "refusal", { { text = "no" }, { text = "pe" } }),
    }
    assert.equal("gateyes.v1.anthropic.r.0.D", response.output[1].encrypted_content)
    assert.equal("ws_1", response.output[2].id)
    assert.equal("nope", response.output[3].content[1].refusal)
    assert.equal(3, #response.output)
  end)

  it("adds annotations and log probabilities", function()
    local probability = json.raw '{"content":[{"token":"a","logprob":0,"bytes":[97],"top_logprobs":[]}]}'
    local response, events = play { part(0, "text", { { text = "añ", logprobs = probability },
      { citation = json.raw '{"type":"web_search_result_location","url":"u","title":"t"}' },
      { citation = json.raw '{"type":"page_location"}' } }) }
    local content = response.output[1].content[1]
    assert.equal(2, content.annotations[1].end_index)
    assert.equal(1, #content.annotations)
    assert.equal("a", content.logprobs[1].token)
    assert.equal("a", events[5].logprobs[1].token)
  end)

  it("keeps interleaved parts apart", function()
    local response = play({ {
      { type = "part_start", index = 0, choice = 0, part = { type = "text" } },
      { type = "part_delta", index = 0, choice = 0, text = "a" },
      { type = "part_start", index = 1, choice = 0, part = { type = "tool_call", id = "c1", name = "f" } },
      { type = "part_start", index = 2, choice = 0, part = { type = "tool_call", id = "c2", name = "g" } },
      { type = "part_delta", index = 2, choice = 0, arguments = "{" },
      { type = "part_delta", index = 1, choice = 0, arguments = "[" },
      { type = "part_delta", index = 0, choice = 0, text = "b" },
      { type = "part_stop", index = 2, choice = 0 },
      { type = "part_delta", index = 1, choice = 0, arguments = "]" },
      { type = "part_stop", index = 0, choice = 0 },
      { type = "part_stop", index = 1, choice = 0 },
    } }, "tool_calls")
    assert.same({ "ab", "[]", "{" },
      { response.output[1].content[1].text, response.output[2].arguments, response.output[3].arguments })
  end)

  it("ends a truncated answer as incomplete, its last item too", function()
    local response, events = play({ part(0, "text", { { text = "a" } }),
      part(1, "tool_call", { { arguments = '{"x' } }, { id = "c", name = "f" }) }, "length")
    assert.equal("response.incomplete", events[#events].type)
    assert.equal("max_output_tokens", response.incomplete_details.reason)
    assert.equal(json.null, response.completed_at)
    assert.same({ "completed", "incomplete" }, { response.output[1].status, response.output[2].status })
    assert.equal("content_filter", play({ part(0, "text", {}) }, "refusal").incomplete_details.reason)
    assert.equal("completed", play({ part(0, "refusal", { { text = "no" } }) }, "refusal").status)
  end)

  it("says nothing more about other choices", function()
    local response = play { part(0, "text", { { text = "a" } }),
      { { type = "part_start", index = 0, choice = 1, part = { type = "text" } },
        { type = "part_delta", index = 0, choice = 1, text = "b" } } }
    assert.equal("a", response.output[1].content[1].text)
  end)

  it("repeats the request in every response object", function()
    local context = support.context()
    context.request = dialect.decode('{"input":"q","instructions":"be","store":false}', context)
    local _, events = play({ part(0, "text", { { text = "a" } }) }, "stop", context)
    for _, event in ipairs { events[1], events[2], events[#events] } do
      assert.equal("be", event.response.instructions)
      assert.is_false(event.response.store)
    end
  end)

  it("sends pings as comments", function()
    assert.equal(": ping\n\n", dialect.encode_event(dialect.new_stream(support.context()), { type = "ping" }))
  end)
end)

describe("a responses stream that fails", function()
  local failure = { status = 502, type = "api_error", code = "upstream_cut", message = "cut \"off\"" }

  it("ends with response.failed and never cleanly", function()
    local state = dialect.new_stream(support.context())
    local frames = {}
    for _, event in ipairs { start, unpack(part(0, "text", { { text = "a" } })) } do
      frames[#frames + 1] = dialect.encode_event(state, event)
    end
    frames[#frames + 1] = dialect.encode_stream_error(state, failure)
    frames[#frames + 1] = dialect.encode_event(state, { type = "end" })
    local response, events, done = fold.response(table.concat(frames))
    assert.is_false(done)
    assert.equal("response.failed", events[#events].type)
    assert.same({ code = "upstream_cut", message = 'cut "off"' }, response.error)
    assert.equal("failed", json.decode(state.final_text).status)
    assert.equal("", dialect.encode_stream_error(state, failure))
  end)

  it("fails before it began, and when the adapter says so", function()
    local response = fold.response(dialect.encode_stream_error(dialect.new_stream(support.context()), failure))
    assert.equal("failed", response.status)
    local frames = support.play(dialect, support.context(), { start, { type = "error", failure = failure } })
    assert.equal("failed", fold.response(frames).status)
    frames = support.play(dialect, support.context(), { start, { type = "finish", choice = 0, reason = "error" },
      { type = "end" } })
    assert.equal("server_error", fold.response(frames).error.code)
  end)
end)

describe("any sequence of parts", function()
  local kinds = { "text", "refusal", "tool_call", "reasoning", "audio" }
  local finishes = { "stop", "length", "tool_calls", "content_filter" }

  local function random_events(random)
    local events, open, count = { start }, {}, 0
    for _ = 1, random(30) do
      local dice = random(3)
      if dice == 1 and count < 8 then
        local kind = kinds[random(#kinds)]
        events[#events + 1] = { type = "part_start", index = count, choice = 0, part = { type = kind, id = "c" .. count,
          name = "f", custom = random(2) == 1 or nil, format = random(2) == 1 and "anthropic" or nil } }
        open[#open + 1] = { count, kind }
        count = count + 1
      elseif #open > 0 then
        local at = random(#open)
        local index, kind = unpack(open[at])
        if dice == 2 then
          local field = kind == "tool_call" and "arguments" or kind == "audio" and "transcript" or "text"
          events[#events + 1] = { type = "part_delta", index = index, choice = 0, [field] = string.rep("x", random(3)) }
        else
          events[#events + 1] = { type = "part_stop", index = index, choice = 0 }
          table.remove(open, at)
        end
      end
    end
    for _, one in ipairs(open) do events[#events + 1] = { type = "part_stop", index = one[1], choice = 0 } end
    events[#events + 1] = { type = "finish", choice = 0, reason = finishes[random(#finishes)] }
    events[#events + 1] = { type = "end" }
    return events
  end

  it("gives a stream that the accumulator takes", function()
    math.randomseed(7)
    for _ = 1, 500 do
      local frames, state = support.play(dialect, support.context(), random_events(math.random))
      local response, _, done = fold.response(frames)
      assert.is_true(done)
      assert.same({}, schema.response(response))
      assert.same(json.decode(state.final_text), response)
    end
  end)
end)
