-- Canonical events -> chat.completion.chunk frames.
-- https://platform.openai.com/docs/api-reference/chat/streaming
local json = require "gateyes.json"
local usage = require "gateyes.usage"
local chat_citations = require "gateyes.chat_citations"
local chat_reasoning = require "gateyes.chat_reasoning"
local chat_reply = require "gateyes.chat_reply"

local chat_stream = {}

local quote = json.quote

function chat_stream.new(context)
  return { context = context, include_usage = context.include_usage, legacy = chat_reply.is_legacy(context),
    choices = {}, usage = nil, head = nil }
end

-- What every chunk of the stream begins with. `choices` is left open.
local function head_of(state, event)
  local context = state.context
  local head = 'data: {"id":' .. quote(event.id or context.id "chatcmpl-")
    .. ',"object":"chat.completion.chunk","created":' .. json.encode(event.created or context.now)
    .. ',"model":' .. quote(event.model or context.model)
  if event.service_tier then head = head .. ',"service_tier":' .. quote(event.service_tier) end
  if event.system_fingerprint then head = head .. ',"system_fingerprint":' .. quote(event.system_fingerprint) end
  return head .. ',"choices":['
end

local function chunk(state, choice, delta, reason, logprobs)
  return state.head .. '{"index":' .. choice .. ',"delta":' .. delta
    .. ',"logprobs":' .. (logprobs and json.encode(logprobs) or "null")
    .. ',"finish_reason":' .. (reason and quote(reason) or "null")
    .. (state.include_usage and '}],"usage":null}\n\n' or "}]}\n\n")
end

local function begin(state, event)
  if not state.head then state.head = head_of(state, event) end
  return ""
end

-- The state of a choice, and its role chunk when this is the first that is heard of it.
local function choice_of(state, event, kind)
  local number = event.choice or 0
  local choice = state.choices[number]
  if choice then return choice, "" end
  choice = { number = number, parts = {}, calls = 0, length = 0 }
  state.choices[number] = choice
  begin(state, {})
  local content = (kind == "text" or kind == nil) and '""' or "null"
  return choice, chunk(state, number, '{"role":"assistant","content":' .. content .. ',"refusal":null}')
end

local function call_delta(part, fields)
  return '{"tool_calls":[{"index":' .. part.position .. "," .. fields .. "}]}"
end

local function start_call(state, choice, part)
  part.position = choice.calls
  choice.calls = choice.calls + 1
  if state.legacy then
    return chunk(state, choice.number, '{"function_call":{"name":' .. quote(part.name) .. ',"arguments":""}}')
  end
  local kind = part.custom and "custom" or "function"
  local text = part.custom and "input" or "arguments"
  return chunk(state, choice.number, call_delta(part, '"id":' .. quote(part.id) .. ',"type":"' .. kind .. '","' .. kind
    .. '":{"name":' .. quote(part.name) .. ',"' .. text .. '":""}'))
end

local function more_arguments(state, choice, part, text)
  if text == "" then return "" end
  part.has_arguments = true
  if state.legacy then return chunk(state, choice.number, '{"function_call":{"arguments":' .. quote(text) .. "}}") end
  local opening = part.custom and '"custom":{"input":' or '"function":{"arguments":'
  return chunk(state, choice.number, call_delta(part, opening .. quote(text) .. "}"))
end

local text_names = { text = "content", refusal = "refusal", reasoning = "reasoning_content" }

local function more_text(state, choice, part, text, logprobs)
  local name = text_names[part.type]
  if not name or (text == "" and not logprobs) then return "" end
  if part.type == "reasoning" then part.texts[#part.texts + 1] = text end
  if part.type == "text" then choice.length = choice.length + chat_citations.characters(text) end
  return chunk(state, choice.number, '{"' .. name .. '":' .. quote(text) .. "}", nil, logprobs)
end

local function audio_delta(state, choice, part, event)
  local audio = { id = part.id, data = event.audio, transcript = event.transcript }
  return chunk(state, choice.number, json.encode { audio = audio })
end

local function part_start(state, event)
  local given = event.part
  local choice, frames = choice_of(state, event, given.type)
  local part = { type = given.type, id = given.id, name = given.name, custom = given.custom, format = given.format,
    redacted = given.redacted, encrypted = given.encrypted, signature = given.signature, texts = {},
    first = choice.length }
  choice.parts[event.index] = part
  if part.type == "tool_call" then frames = frames .. start_call(state, choice, part) end
  if given.text and given.text ~= "" then frames = frames .. more_text(state, choice, part, given.text) end
  if given.arguments and part.type == "tool_call" then
    frames = frames .. more_arguments(state, choice, part, given.arguments)
  end
  return frames
end

-- A source without a span stands for the whole block, whose end is not known yet.
local function citation(state, choice, part, raw)
  local source = json.decode(json.raw_text(raw))
  local annotation = chat_citations.convert(source)
  if annotation then return chunk(state, choice.number, json.encode { annotations = json.array { annotation } }) end
  part.sources = part.sources or {}
  part.sources[#part.sources + 1] = source
  return ""
end

local function text_stop(state, choice, part)
  local annotations = {}
  for _, source in ipairs(part.sources or {}) do
    annotations[#annotations + 1] = chat_citations.convert(source, part.first, choice.length)
  end
  if not annotations[1] then return "" end
  return chunk(state, choice.number, json.encode { annotations = json.array(annotations) })
end

local function summary(state, choice, part, text)
  part.summary = part.summary or { "" }
  local count = #part.summary
  part.summary[count] = part.summary[count] .. text
  return chunk(state, choice.number, '{"reasoning_content":' .. quote(text) .. "}")
end

local function part_delta(state, event)
  local choice = choice_of(state, event)
  local part = choice.parts[event.index]
  if not part then return "" end
  if event.text then return more_text(state, choice, part, event.text, event.logprobs) end
  if event.arguments then
    -- Of a tool that the provider runs itself nobody else is told.
    return part.type == "tool_call" and more_arguments(state, choice, part, event.arguments) or ""
  end
  if event.audio or event.transcript then return audio_delta(state, choice, part, event) end
  if event.summary then return summary(state, choice, part, event.summary) end
  if event.citation then return citation(state, choice, part, event.citation) end
  if event.logprobs then return more_text(state, choice, part, "", event.logprobs) end
  part.signature = event.signature and (part.signature or "") .. event.signature or part.signature
  part.encrypted = event.encrypted or part.encrypted
  return ""
end

-- What a client has to send back of this reasoning comes whole, when it is known.
local function reasoning_stop(state, choice, part)
  part.text = table.concat(part.texts)
  local details = {}
  chat_reasoning.add_details(details, part)
  if not details[1] then return "" end
  choice.details = (choice.details or 0)
  for _, detail in ipairs(details) do
    detail.index = choice.details
    choice.details = choice.details + 1
  end
  return chunk(state, choice.number, json.encode { reasoning_details = json.array(details) })
end

local function part_stop(state, event)
  local choice = choice_of(state, event)
  local part = choice.parts[event.index]
  if not part then return "" end
  choice.parts[event.index] = nil
  if part.type == "reasoning" then return reasoning_stop(state, choice, part) end
  if part.type == "text" then return text_stop(state, choice, part) end
  if part.type == "tool_call" and not part.has_arguments and not part.custom then
    return more_arguments(state, choice, part, "{}")
  end
  return ""
end

local function finish(state, event)
  local choice, frames = choice_of(state, event)
  return frames .. chunk(state, choice.number, "{}", chat_reply.finish_reason(event.reason, state.legacy))
end

local function keep_usage(state, event)
  state.usage = usage.merge(state.usage, event.usage)
  return ""
end

local function close(state)
  begin(state, {})
  if not (state.include_usage and state.usage) then return "data: [DONE]\n\n" end
  return state.head .. '],"usage":' .. json.encode(usage.to_openai(state.usage)) .. "}\n\ndata: [DONE]\n\n"
end

-- What stands around the text in the chunks of an open part.
function chat_stream.steady(state, event)
  local choice = state.choices[event.choice or 0]
  local part = choice and choice.parts[event.index]
  local name = part and text_names[part.type]
  if not name then return nil end
  local frame = chunk(state, choice.number, '{"' .. name .. '":\0}')
  local at = frame:find("\0", #state.head + 1, true)
  return { before = frame:sub(1, at - 1), after = frame:sub(at + 1), counted = true, kept = part.type == "reasoning" }
end

function chat_stream.catch_up(state, event, missed)
  local choice = state.choices[event.choice or 0]
  local part = choice.parts[event.index]
  if part.type == "text" then choice.length = choice.length + missed.characters end
  if part.type == "reasoning" then part.texts[#part.texts + 1] = missed.text end
end

local encoders = {
  start = begin, part_start = part_start, part_delta = part_delta, part_stop = part_stop, usage = keep_usage,
  finish = finish, ["end"] = close,
}

function chat_stream.encode(state, event)
  local encode = encoders[event.type]
  return encode and encode(state, event) or ""
end

return chat_stream
