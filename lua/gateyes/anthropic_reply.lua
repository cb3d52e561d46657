-- The canonical reply -> a Messages reply for a client.
-- Source: https://docs.anthropic.com/en/api/messages (Message)
local json = require "gateyes.json"
local usage = require "gateyes.usage"
local words = require "gateyes.anthropic_words"

local anthropic_reply = {}

local quote = json.quote

-- Calls whose arguments are no JSON object (cut off by the token limit, or plainly wrong) keep their text under this
-- name: the client's own check of the input fails and the model sees why, and the reply stays readable.
local broken_input = "raw_arguments"

local function is_object(text)
  return text:find("^%s*{") ~= nil and json.valid(text)
end

function anthropic_reply.input_of(part)
  local arguments = part.arguments or ""
  if part.custom then return "{\"input\":" .. quote(arguments) .. "}" end
  if not arguments:find("%S") then return "{}" end
  if is_object(arguments) then return arguments end
  return "{" .. quote(broken_input) .. ":" .. quote(arguments) .. "}"
end

local citation_types = {
  char_location = true, page_location = true, content_block_location = true, web_search_result_location = true,
  search_result_location = true,
}

-- Citations of other providers have another shape, which a Messages client cannot read.
function anthropic_reply.is_citation(raw)
  local citation = raw and json.is_raw(raw) and json.decode(json.raw_text(raw))
  return type(citation) == "table" and citation_types[citation.type] == true
end

local function citations_of(part)
  if not part.citations then return "" end
  local kept = {}
  for _, text in ipairs(json.elements(json.raw_text(part.citations)) or {}) do
    if anthropic_reply.is_citation(json.raw(text)) then kept[#kept + 1] = text end
  end
  return #kept > 0 and ",\"citations\":[" .. table.concat(kept, ",") .. "]" or ""
end

local function text_block(text, citations)
  if not text or text == "" then return nil end
  return "{\"type\":\"text\",\"text\":" .. quote(text) .. (citations or "") .. "}"
end

local encoders = {}

function encoders.text(part) return text_block(part.text, citations_of(part)) end
function encoders.refusal(part) return text_block(part.text) end
function encoders.audio(part) return text_block(part.transcript) end

function encoders.reasoning(part)
  if part.redacted and part.format == "anthropic" then
    return "{\"type\":\"redacted_thinking\",\"data\":" .. quote(part.encrypted or "") .. "}"
  end
  local text = part.text
  if (not text or text == "") and part.summary then text = table.concat(part.summary, "\n\n") end
  local signature = words.signature_of(part)
  if (not text or text == "") and signature == "" then return nil end
  return "{\"type\":\"thinking\",\"thinking\":" .. quote(text or "") .. ",\"signature\":" .. quote(signature) .. "}"
end

function encoders.tool_call(part)
  return "{\"type\":\"tool_use\",\"id\":" .. quote(part.id) .. ",\"name\":" .. quote(part.name)
    .. ",\"input\":" .. anthropic_reply.input_of(part) .. "}"
end

function encoders.raw(part)
  return part.format == "anthropic" and json.raw_text(part.raw) or nil
end

-- Speech often comes with the same words as text.
local function is_said(part, parts)
  for _, other in ipairs(part.type == "audio" and parts or {}) do
    if other.type == "text" and other.text == part.transcript then return true end
  end
  return false
end

local function content_of(parts)
  local content = {}
  for _, part in ipairs(parts or {}) do
    local encoder = not is_said(part, parts) and encoders[part.type]
    content[#content + 1] = encoder and encoder(part) or nil
  end
  return "[" .. table.concat(content, ",") .. "]"
end

local function refused(parts)
  for _, part in ipairs(parts or {}) do
    if part.type == "refusal" then return true end
  end
  return false
end

-- OpenAI ends a refusal with "stop"; here the reason itself says it.
function anthropic_reply.stop_reason(finish, has_refusal)
  if has_refusal and finish == "stop" then finish = "refusal" end
  return words.stop_of_finish(finish)
end

-- Our own id unless the provider's is already a Messages id.
function anthropic_reply.id(id, context)
  if type(id) == "string" and id:sub(1, 4) == "msg_" then return id end
  return context.id("msg_")
end

function anthropic_reply.usage(vector, service_tier)
  local counted = usage.to_anthropic(vector or {})
  counted.service_tier = words.tier_for_client(service_tier)
  return counted
end

function anthropic_reply.nullable(text)
  return text and quote(text) or "null"
end

function anthropic_reply.encode(reply, context)
  local choice = reply.choices[1] or { parts = {}, finish = "stop" }
  return table.concat {
    "{\"id\":", quote(anthropic_reply.id(reply.id, context)),
    ",\"type\":\"message\",\"role\":\"assistant\",\"model\":", quote(reply.model or context.public_model),
    ",\"content\":", content_of(choice.parts),
    ",\"stop_reason\":", quote(anthropic_reply.stop_reason(choice.finish, refused(choice.parts))),
    ",\"stop_sequence\":", anthropic_reply.nullable(choice.stop_sequence),
    ",\"usage\":", json.encode(anthropic_reply.usage(reply.usage, reply.service_tier)), "}",
  }
end

return anthropic_reply
