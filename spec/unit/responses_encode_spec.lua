local dialect = require "dialects.responses"
local fold = require "response_fold"
local json = require "gateyes.json"
local schema = require "open_responses"
local support = require "responses_support"

local function encode(reply, context)
  local text = dialect.encode(reply, context or support.context())
  local response = assert(json.decode(text))
  assert.same({}, schema.response(response))
  return response, text
end

local function reply_of(parts, finish)
  return {
    id = "chatcmpl-1", model = "m-1-2026", created = 5,
    usage = { input = 3, cache_read = 2, output = 7, reasoning = 4 },
    choices = { { index = 0, parts = parts, finish = finish or "stop" } },
  }
end

describe("responses answer", function()
  it("has every required field when the request said nothing", function()
    local response = encode(reply_of { { type = "text", text = "hi" } })
    assert.equal("response", response.object)
    assert.equal("completed", response.status)
    assert.equal(1700000000, response.completed_at)
    assert.equal(5, response.created_at)
    assert.equal("m-1-2026", response.model)
    assert.equal("resp_", response.id:sub(1, 5))
    assert.same({ input_tokens = 5, output_tokens = 7, total_tokens = 12,
      output_tokens_details = { reasoning_tokens = 4 },
      input_tokens_details = { cached_tokens = 2, cache_write_tokens = 0 } }, response.usage)
  end)

  it("repeats the parameters of the request, raw slices untouched", function()
    local context = support.context()
    context.request = dialect.decode([[{"input":"q","instructions":"be","temperature":0.30,"max_output_tokens":50,
      "metadata":{"k":"v"},"store":false,"user":"u","truncation":"auto",
      "tool_choice":{"type":"function","name":"f"},
      "tools":[{"type":"function","name":"f","parameters":{"required":[],"n":12345678901234567890}},
        {"type":"web_search"}],
      "text":{"format":{"type":"json_schema","name":"n","schema":{"x":[]}},"verbosity":"low"},
      "reasoning":{"effort":"low"},"service_tier":"flex","max_tool_calls":3,"parallel_tool_calls":false}]], context)
    local response, text = encode(reply_of { { type = "text", text = "hi" } }, context)
    for _, slice in ipairs { '"temperature":0.30', '"max_output_tokens":50', '"metadata":{"k":"v"}', '"store":false',
      '"parameters":{"required":[],"n":12345678901234567890}', '"description":null', '"strict":null',
      '"reasoning":{"effort":"low","summary":null}', '"service_tier":"flex"', '"max_tool_calls":3',
      '"tool_choice":{"type":"function","name":"f"}', '"parallel_tool_calls":false', '"truncation":"auto"',
      '"text":{"format":{"type":"json_schema","name":"n","description":null,"schema":{"x":[]},"strict":false},'
        .. '"verbosity":"low"}' } do
      assert.is_truthy(text:find(slice, 1, true), slice)
    end
    assert.equal("be", response.instructions)
  end)

  it("groups texts into one message and keeps the order of items", function()
    local response = encode(reply_of({
      { type = "reasoning", text = "raw", id = "rs_7" },
      { type = "text", text = "a" }, { type = "refusal", text = "b" },
      { type = "tool_call", id = "c1", name = "f", arguments = "" },
      { type = "tool_call", id = "c2", name = "g", arguments = "free", custom = true }, { type = "text", text = "c" },
    }, "tool_calls"))
    local kinds = {}
    for i, item in ipairs(response.output) do kinds[i] = item.type end
    assert.same({ "reasoning", "message", "function_call", "custom_tool_call", "message" }, kinds)
    assert.equal("rs_7", response.output[1].id)
    assert.same({ { type = "reasoning_text", text = "raw" } }, response.output[1].content)
    assert.equal("b", response.output[2].content[2].refusal)
    assert.equal("{}", response.output[3].arguments)
    assert.equal("free", response.output[4].input)
  end)

  it("says why an answer is incomplete", function()
    for finish, want in pairs {
      length = { "incomplete", "max_output_tokens" }, content_filter = { "incomplete", "content_filter" },
      context_length = { "incomplete", "max_output_tokens" }, refusal = { "incomplete", "content_filter" },
      pause = { "incomplete", "pause_turn" }, stop = { "completed" }, stop_sequence = { "completed" },
    } do
      local response = encode(reply_of({ { type = "text", text = "par" } }, finish))
      assert.equal(want[1], response.status)
      assert.equal(want[1], response.output[1].status)
      assert.equal(want[2] or json.null, want[2] and response.incomplete_details.reason or response.incomplete_details)
    end
    assert.equal("failed", encode(reply_of({}, "error")).status)
  end)

  it("marks only the last item of a truncated answer", function()
    local response = encode(reply_of({ { type = "text", text = "a" },
      { type = "tool_call", id = "c", name = "f", arguments = '{"x": "Par' } }, "length"))
    assert.equal("completed", response.output[1].status)
    assert.equal("incomplete", response.output[2].status)
    assert.equal('{"x": "Par', response.output[2].arguments)
  end)

  it("writes citations of every vendor as annotations", function()
    local response = encode(reply_of { { type = "text", text = "día x",
      annotations = json.raw [[ [
        {"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":1,"end_index":2}},
        {"type":"file_citation","file_id":"f","filename":"n","index":0}] ]],
      citations = json.raw [[ [{"type":"web_search_result_location","url":"w","title":"T","cited_text":"c"},
        {"type":"char_location","document_title":"D","document_index":2},{"type":"page_location"}] ]] } })
    local notes = response.output[1].content[1].annotations
    assert.same({
      { type = "url_citation", url = "u", title = "t", start_index = 1, end_index = 2 },
      { type = "file_citation", file_id = "f", filename = "n", index = 0 },
      { type = "url_citation", url = "w", title = "T", start_index = 0, end_index = 5 },
      { type = "file_citation", file_id = "", filename = "D", index = 2 },
    }, { notes[1], notes[2], notes[3], notes[4] })
    assert.equal(4, #notes)
  end)

  it("speaks a transcript where there is no text", function()
    local audio = { type = "audio", data = "QQ==", transcript = "spoken" }
    assert.equal("spoken", encode(reply_of { audio }).output[1].content[1].text)
    assert.equal(1, #encode(reply_of { { type = "text", text = "t" }, audio }).output[1].content)
  end)

  it("carries log probabilities", function()
    local reply = reply_of { { type = "text", text = "a" } }
    reply.choices[1].logprobs = json.raw '{"content":[{"token":"a","logprob":-0.1,"bytes":[97],"top_logprobs":[]}]}'
    assert.equal("a", encode(reply).output[1].content[1].logprobs[1].token)
  end)

  it("writes errors in OpenAI's shape", function()
    local text = dialect.encode_error({ status = 429, type = "rate_limit_error", message = "slow\n", code = "x" })
    assert.equal('{"error":{"message":"slow\\n","type":"rate_limit_error","param":null,"code":"x"}}', text)
    text = dialect.encode_error({ status = 529, type = "overloaded_error", message = "m", param = "p" })
    assert.equal('{"error":{"message":"m","type":"server_error","param":"p","code":null}}', text)
  end)

  it("answers a background request at once", function()
    local context = support.context { response_id = "resp_gyX" }
    context.request = dialect.decode('{"input":"q","background":true}', context)
    local response = json.decode(dialect.queued(context.request, context))
    assert.same({}, schema.response(response))
    assert.same({ "resp_gyX", "queued", true }, { response.id, response.status, response.background })
    assert.equal("resp_gyX", encode(reply_of { { type = "text", text = "a" } }, context).id)
  end)
end)

describe("sealed reasoning", function()
  local function round(part)
    local item = encode(reply_of { part }).output[1]
    local context = support.context()
    local body = { input = json.array { { role = "user", content = "q" }, item } }
    local request = dialect.decode(json.encode(body), context)
    local back = request.turns[2].parts[1]
    assert.equal(item.id, back.id)
    back.id = nil
    return back, item
  end

  it("comes back through the client as it was issued", function()
    for _, part in ipairs {
      { type = "reasoning", text = "think\nwell é", signature = "Eq.+/=.x", format = "anthropic" },
      { type = "reasoning", signature = "SIG", format = "anthropic" },
      { type = "reasoning", redacted = true, encrypted = "DATA.1", format = "anthropic" },
      { type = "reasoning", text = "t", encrypted = "blob", format = "chat" },
      { type = "reasoning", summary = { "a", "b" }, encrypted = "gAAA", format = "responses" },
    } do
      local back = round(part)
      if part.signature and not part.text then part.text = "" end
      assert.same(part, back)
    end
  end)

  it("shows Anthropic's thinking as a summary", function()
    local _, item = round { type = "reasoning", text = "t", signature = "S", format = "anthropic" }
    assert.same({ { type = "summary_text", text = "t" } }, item.summary)
    assert.is_nil(item.content)
  end)
end)

describe("a relayed stream that breaks", function()
  it("ends with the response it began with", function()
    local created = '{"type":"response.in_progress","sequence_number":1,"response":'
      .. dialect.queued({}, support.context { response_id = "resp_up" }) .. "}"
    local failure = { type = "timeout_error", message = "too slow" }
    local frames = dialect.failed_frames(created, 9, failure, support.context())
    local events = fold.events(frames)
    assert.equal(1, #events)
    assert.same({}, schema.event(events[1]))
    assert.equal(9, events[1].sequence_number)
    assert.same({ "resp_up", "failed" }, { events[1].response.id, events[1].response.status })
    assert.same({ code = "server_error", message = "too slow" }, events[1].response.error)
  end)

  it("begins a response of its own when none had begun", function()
    for _, created in ipairs { false, "{", '{"response":1}' } do
      local failure = { type = "rate_limit_error", message = "m" }
      local frames = dialect.failed_frames(created or nil, 0, failure, support.context())
      local response = fold.response(frames)
      assert.equal("rate_limit_exceeded", response.error.code)
      assert.equal("failed", fold.response(dialect.failed_frames(created or nil, 0, failure)).status)
    end
  end)
end)
