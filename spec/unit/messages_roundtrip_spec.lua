-- What a client is given comes back on its next turn and must mean the same: thinking and its signature above all.
local anthropic = require "adapters.anthropic"
local json = require "gateyes.json"
local messages = require "dialects.messages"
local support = require "messages_support"

local dialects = { messages = messages, chat = require "dialects.chat" }

local upstream_reply = [==[{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[
  {"type":"thinking","thinking":"I need the tool.","signature":"c2lnbmF0dXJl+/=="},
  {"type":"redacted_thinking","data":"b3BhcXVl"},
  {"type":"text","text":"Let me look."},
  {"type":"tool_use","id":"toolu_1","name":"f","input":{"a":[],"b":{}}}],
  "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}]==]

local wanted_turn = {
  { type = "thinking", thinking = "I need the tool.", signature = "c2lnbmF0dXJl+/==" },
  { type = "redacted_thinking", data = "b3BhcXVl" },
  { type = "text", text = "Let me look." },
  { type = "tool_use", id = "toolu_1", name = "f", input = { a = {}, b = {} } },
}

-- The frames that the reply above makes as a stream.
local function upstream_frames()
  local message = json.decode(upstream_reply, { input = true })
  local frames = { json.encode { type = "message_start", message = { id = "msg_1", usage = message.usage } } }
  local function put(frame) frames[#frames + 1] = json.encode(frame) end
  for position, block in ipairs(message.content) do
    local index, start, deltas = position - 1, {}, {}
    for name, value in pairs(block) do start[name] = value end
    if block.type == "thinking" then
      start.thinking, start.signature = "", ""
      deltas = { { type = "thinking_delta", thinking = block.thinking },
        { type = "signature_delta", signature = block.signature } }
    elseif block.type == "text" then
      start.text = ""
      deltas = { { type = "text_delta", text = block.text } }
    elseif block.type == "tool_use" then
      start.input = json.raw "{}"
      deltas = { { type = "input_json_delta", partial_json = json.raw_text(block.input) } }
    end
    put { type = "content_block_start", index = index, content_block = start }
    for _, delta in ipairs(deltas) do put { type = "content_block_delta", index = index, delta = delta } end
    put { type = "content_block_stop", index = index }
  end
  put { type = "message_delta", delta = { stop_reason = "tool_use" }, usage = { output_tokens = 1 } }
  put { type = "message_stop" }
  return frames
end

local function streamed(dialect, context)
  local from, to, out = anthropic.new_stream(context), dialect.new_stream(context), {}
  for _, frame in ipairs(upstream_frames()) do
    for _, event in ipairs(anthropic.decode_event(from, "message", frame)) do
      out[#out + 1] = dialect.encode_event(to, event)
    end
  end
  return table.concat(out)
end

-- The second request of a conversation -> the assistant turn that Anthropic gets.
local function second_turn(dialect, body)
  local context = support.context()
  local request = assert(dialect.decode(json.encode(body), context))
  request.model = "claude-sonnet-4-5"
  local encoded = assert(anthropic.encode(request, context))
  return json.decode(encoded.body).messages[2].content, context.dropped
end

local function messages_body(content)
  return { model = "m", max_tokens = 9, messages = json.array {
    { role = "user", content = "q" }, { role = "assistant", content = json.array(content) },
    { role = "user", content = json.array { { type = "tool_result", tool_use_id = "toolu_1", content = "r" } } },
  } }
end

local function chat_body(message)
  return { model = "m", messages = json.array {
    { role = "user", content = "q" }, message, { role = "tool", tool_call_id = "toolu_1", content = "r" },
  } }
end

-- What a chat client keeps of a stream, by the documented rules of delta accumulation.
local function fold_chat(text)
  local message = { role = "assistant", content = "", reasoning_details = json.array {}, tool_calls = json.array {} }
  for data in text:gmatch("data: ({.-)\n\n") do
    local chunk = json.decode(data)
    local delta = chunk.choices[1] and chunk.choices[1].delta or {}
    if type(delta.content) == "string" then message.content = message.content .. delta.content end
    for _, detail in ipairs(delta.reasoning_details or {}) do table.insert(message.reasoning_details, detail) end
    for _, call in ipairs(delta.tool_calls or {}) do
      local known = message.tool_calls[call.index + 1]
      if not known then
        known = { id = call.id, type = "function", ["function"] = { name = call["function"].name, arguments = "" } }
        message.tool_calls[call.index + 1] = known
      end
      known["function"].arguments = known["function"].arguments .. (call["function"].arguments or "")
    end
  end
  return message
end

describe("a conversation with thinking", function()
  it("comes back whole through messages", function()
    local reply = assert(anthropic.decode(upstream_reply, support.context()))
    local kept = json.decode(messages.encode(reply, support.context()), { input = true }).content
    assert.same(wanted_turn, (second_turn(messages, messages_body(kept))))
  end)

  it("comes back whole through a messages stream", function()
    local kept = support.fold(streamed(messages, support.context())).content
    kept[4].input = json.raw [[{"a":[],"b":{}}]]
    assert.same(wanted_turn, (second_turn(messages, messages_body(kept))))
  end)

  it("comes back whole through chat", function()
    local reply = assert(anthropic.decode(upstream_reply, support.context()))
    local kept = json.decode(dialects.chat.encode(reply, support.context())).choices[1].message
    assert.same(wanted_turn, (second_turn(dialects.chat, chat_body(kept))))
  end)

  it("comes back whole through a chat stream", function()
    local kept = fold_chat(streamed(dialects.chat, support.context()))
    assert.same(wanted_turn, (second_turn(dialects.chat, chat_body(kept))))
  end)

  it("reaches only the provider that signed it", function()
    local parts = {
      { type = "reasoning", summary = { "sum" }, encrypted = "cipher", id = "rs_1", format = "responses" },
      { type = "reasoning", text = "unsigned" },
      { type = "text", text = "answer" },
    }
    local encoded = messages.encode({ id = "r", choices = { { finish = "stop", parts = parts } } }, support.context())
    local body = messages_body(json.decode(encoded).content)
    local request = assert(messages.decode(json.encode(body), support.context()))
    local kept = request.turns[2].parts
    assert.same({ type = "reasoning", format = "responses", id = "rs_1", encrypted = "cipher", text = "sum" }, kept[1])
    assert.same({ type = "reasoning", text = "unsigned" }, kept[2])
    local content, dropped = second_turn(messages, body)
    assert.same({ { type = "text", text = "answer" } }, content)
    assert.is_string(dropped.messages)
  end)
end)
