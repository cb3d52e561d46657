-- Contexts and short ways through the chat dialect and the OpenAI adapter, for the specs that need them.
local json = require "gateyes.json"

local kit = {}

-- A context whose drops are kept in `dropped`, by the client's name of the field.
function kit.context(overrides)
  local serial = 0
  local context = {
    dialect = "chat", adapter = "openai", model = "gpt-4o", public_model = "smart", stream = false, provider = {},
    info = {}, now = 1700000000, dropped = {},
    id = function(prefix)
      serial = serial + 1
      return prefix .. serial
    end,
  }
  context.drop = function(field, reason) context.dropped[field] = reason end
  for name, value in pairs(overrides or {}) do context[name] = value end
  return context
end

-- Decoded JSON with every null left out and raw values opened, so that tables compare.
function kit.plain(value)
  if json.is_raw(value) then
    local decoded = json.decode(json.raw_text(value))
    -- A number too long for Lua decodes to the same raw text again.
    return json.is_raw(decoded) and json.raw_text(decoded) or kit.plain(decoded)
  end
  if value == json.null then return nil end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, each in pairs(value) do copy[key] = kit.plain(each) end
  return copy
end

function kit.json(text)
  return kit.plain(assert(json.decode(text)))
end

-- The JSON of every data line of frames; "[DONE]" stays a string.
function kit.chunks(frames)
  local chunks = {}
  for data in frames:gmatch "data: ([^\n]*)\n\n" do
    chunks[#chunks + 1] = data == "[DONE]" and data or kit.json(data)
  end
  return chunks
end

local function fold_delta(message, delta)
  for _, name in ipairs { "content", "refusal", "reasoning_content" } do
    if delta[name] then message[name] = (message[name] or "") .. delta[name] end
  end
  for _, call in ipairs(delta.tool_calls or {}) do
    local at = call.index + 1
    local known = message.calls[at]
    if not known then
      known = { id = call.id, name = call["function"].name, arguments = "" }
      message.calls[at] = known
    end
    known.arguments = known.arguments .. (call["function"].arguments or "")
  end
  for _, detail in ipairs(delta.reasoning_details or {}) do message.details[#message.details + 1] = detail end
end

-- What a client makes of a stream: choice index -> { content, calls, finish, … }, and the usage.
function kit.fold(frames)
  local choices, usage = {}, nil
  for _, chunk in ipairs(kit.chunks(frames)) do
    if chunk ~= "[DONE]" then
      usage = chunk.usage or usage
      for _, choice in ipairs(chunk.choices or {}) do
        local message = choices[choice.index] or { calls = {}, details = {} }
        choices[choice.index] = message
        fold_delta(message, choice.delta)
        message.finish = choice.finish_reason or message.finish
      end
    end
  end
  return choices, usage
end

-- All events that an adapter's stream gives for the data of its frames.
function kit.events(adapter, context, frames)
  local state, events = adapter.new_stream(context), {}
  for _, data in ipairs(frames) do
    for _, event in ipairs(adapter.decode_event(state, "message", data)) do events[#events + 1] = event end
  end
  for _, event in ipairs(adapter.end_stream(state)) do events[#events + 1] = event end
  return events
end

function kit.encode_all(dialect, context, events)
  local state, frames = dialect.new_stream(context), {}
  for i, event in ipairs(events) do frames[i] = dialect.encode_event(state, event) end
  return table.concat(frames)
end

-- A list of numbers below `bound`, the same in every run.
function kit.random(seed, bound)
  local state = seed
  return function()
    state = (state * 1103515245 + 12345) % 2147483648
    return math.floor(state / 65536) % bound
  end
end

return kit
