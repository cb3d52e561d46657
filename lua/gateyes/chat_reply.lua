-- Canonical reply -> chat.completion object. https://platform.openai.com/docs/api-reference/chat/object
local json = require "gateyes.json"
local usage = require "gateyes.usage"
local chat_citations = require "gateyes.chat_citations"
local chat_reasoning = require "gateyes.chat_reasoning"
local chat_words = require "gateyes.chat_words"

local chat_reply = {}

-- Clients parse the arguments: a call without any has an empty object.
function chat_reply.arguments(part)
  if part.arguments and part.arguments ~= "" or part.custom then return part.arguments or "" end
  return "{}"
end

local function tool_call(part)
  if part.custom then
    return { id = part.id, type = "custom", custom = { name = part.name, input = part.arguments or "" } }
  end
  return { id = part.id, type = "function",
    ["function"] = { name = part.name, arguments = chat_reply.arguments(part) } }
end

local function join(parts, kind)
  local texts = {}
  for _, part in ipairs(parts) do
    if part.type == kind then texts[#texts + 1] = part.text end
  end
  return texts[1] and table.concat(texts) or nil
end

local function reasoning_text(parts)
  local texts = {}
  for _, part in ipairs(parts) do
    local text = part.type == "reasoning" and chat_reasoning.visible(part) or ""
    if text ~= "" then texts[#texts + 1] = text end
  end
  return texts[1] and table.concat(texts, "\n\n") or nil
end

local function audio_of(parts)
  for _, part in ipairs(parts) do
    if part.type == "audio" then
      return { id = part.id, data = part.data, transcript = part.transcript, expires_at = part.expires_at }
    end
  end
end

local function add_calls(message, parts, legacy)
  local calls = {}
  for _, part in ipairs(parts) do
    if part.type == "tool_call" then calls[#calls + 1] = part end
  end
  if #calls == 0 then return end
  if legacy then
    message.function_call = { name = calls[1].name, arguments = chat_reply.arguments(calls[1]) }
    return
  end
  for i, part in ipairs(calls) do calls[i] = tool_call(part) end
  message.tool_calls = json.array(calls)
end

local function message_of(parts, legacy)
  local message = {
    role = "assistant",
    content = join(parts, "text") or json.null,
    refusal = join(parts, "refusal") or json.null,
    reasoning_content = reasoning_text(parts),
    reasoning_details = chat_reasoning.details(parts),
    annotations = chat_citations.collect(parts),
    audio = audio_of(parts),
  }
  add_calls(message, parts, legacy)
  -- Null stands for what took the place of words; an answer of no words is an empty text, which clients can trim.
  local other = message.tool_calls or message.function_call or message.audio or message.refusal ~= json.null
  if other and message.content == "" then message.content = json.null end
  if not other and message.content == json.null then message.content = "" end
  return message
end

-- The word for an ending; a client of the deprecated functions knows another one.
function chat_reply.finish_reason(finish, legacy)
  local word = chat_words.finish_reason(finish)
  return legacy and word == "tool_calls" and "function_call" or word
end

-- Did the client use the deprecated `functions`?
function chat_reply.is_legacy(context)
  local names = context.request and context.request.fields
  return names ~= nil and names.tools == "functions"
end

local function add_extra(body, reply)
  if reply.extra_format ~= "chat" then return end
  for name, value in pairs(reply.extra or {}) do
    if body[name] == nil then body[name] = value end
  end
end

function chat_reply.encode(reply, context)
  local legacy = chat_reply.is_legacy(context)
  local choices = {}
  for i, choice in ipairs(reply.choices) do
    choices[i] = {
      index = choice.index,
      message = message_of(choice.parts, legacy),
      logprobs = choice.logprobs or json.null,
      finish_reason = chat_reply.finish_reason(choice.finish, legacy),
    }
  end
  local body = {
    id = reply.id or context.id "chatcmpl-",
    object = "chat.completion",
    created = reply.created or context.now,
    model = reply.model or context.model,
    choices = json.array(choices),
    usage = reply.usage and usage.to_openai(reply.usage),
    service_tier = reply.service_tier,
    system_fingerprint = reply.system_fingerprint,
  }
  add_extra(body, reply)
  return json.encode(body)
end

return chat_reply
