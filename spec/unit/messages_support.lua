-- What the specs of the Messages dialect and of the Anthropic adapter share.
local json = require "gateyes.json"

local support = {}

-- A context whose reports are collected in context.dropped: field -> reason.
function support.context(fields)
  local context = {
    dialect = "messages", adapter = "anthropic", model = "claude-sonnet-4-5", public_model = "smart",
    provider = { name = "anthropic" }, info = {}, now = 1700000000, dropped = {},
  }
  local made = 0
  function context.id(prefix)
    made = made + 1
    return prefix .. made
  end
  function context.drop(field, reason) context.dropped[field] = reason end
  for name, value in pairs(fields or {}) do context[name] = value end
  return context
end

-- "event: x\ndata: {...}\n\n"... -> list of { name, body }, checking the framing on the way.
function support.frames(text)
  local frames, at = {}, 1
  while at <= #text do
    local stop = assert(text:find("\n\n", at, true), "a frame ends in an empty line")
    local frame = text:sub(at, stop - 1)
    local name, data = frame:match("^event: ([%w_]+)\ndata: ([^\n]*)$")
    assert(name, "not a frame: " .. frame)
    local body = assert(json.decode(data))
    assert(body.type == name, "event line and type differ")
    frames[#frames + 1] = { name = name, body = body }
    at = stop + 2
  end
  return frames
end

local function apply_delta(block, delta)
  if delta.type == "text_delta" then
    block.text = block.text .. delta.text
  elseif delta.type == "thinking_delta" then
    block.thinking = block.thinking .. delta.thinking
  elseif delta.type == "signature_delta" then
    block.signature = delta.signature
  elseif delta.type == "input_json_delta" then
    block.partial = (block.partial or "") .. delta.partial_json
  elseif delta.type == "citations_delta" then
    block.citations = block.citations or {}
    table.insert(block.citations, delta.citation)
  else
    error("unknown delta " .. tostring(delta.type))
  end
end

-- Folds a stream as the official client does, and checks the order that it relies on.
function support.fold(text)
  local message, open, ended
  for _, frame in ipairs(support.frames(text)) do
    local body = frame.body
    assert(not ended, "nothing follows message_stop")
    if frame.name == "message_start" then
      assert(not message, "one message_start")
      message = body.message
      message.usage = body.message.usage
    elseif frame.name == "content_block_start" then
      assert(message and not open, "one block is open at a time")
      assert(body.index == #message.content, "indexes grow by one")
      open = body.content_block
      message.content[#message.content + 1] = open
    elseif frame.name == "content_block_delta" then
      assert(open and body.index == #message.content - 1, "a delta belongs to the open block")
      apply_delta(open, body.delta)
    elseif frame.name == "content_block_stop" then
      assert(open and body.index == #message.content - 1, "a stop belongs to the open block")
      if open.partial then open.input, open.partial = assert(json.decode(open.partial)), nil end
      open = nil
    elseif frame.name == "message_delta" then
      assert(not open, "no block is open at the end")
      message.stop_reason, message.stop_sequence = body.delta.stop_reason, body.delta.stop_sequence
      for name, value in pairs(body.usage) do message.usage[name] = value end
    elseif frame.name == "message_stop" then
      ended = true
    end
  end
  return message, ended
end

-- Folds canonical events into the parts of choice 0, for comparing adapters with their non-streaming half.
function support.fold_events(events)
  local reply = { parts = {} }
  local open = {}
  for _, event in ipairs(events) do
    if event.type == "start" then
      reply.id, reply.model = event.id, event.model
    elseif event.type == "part_start" then
      assert(event.index == #reply.parts, "parts start in order")
      local part = {}
      for name, value in pairs(event.part) do part[name] = value end
      reply.parts[#reply.parts + 1], open[event.index] = part, part
    elseif event.type == "part_delta" then
      local part = assert(open[event.index], "a delta of a part that is not open")
      for _, name in ipairs { "text", "arguments", "signature", "encrypted" } do
        if event[name] then part[name] = (part[name] or "") .. event[name] end
      end
      if event.citation then
        part.citations = part.citations or {}
        table.insert(part.citations, json.raw_text(event.citation))
      end
    elseif event.type == "part_stop" then
      assert(open[event.index], "a stop of a part that is not open")
      open[event.index] = nil
    elseif event.type == "usage" then
      reply.usage = event.usage
    elseif event.type == "finish" then
      assert(not next(open), "every part stops before the finish")
      reply.finish, reply.stop_sequence = event.reason, event.stop_sequence
    elseif event.type == "end" or event.type == "error" then
      reply[event.type] = event.failure or true
    end
  end
  return reply
end

return support
