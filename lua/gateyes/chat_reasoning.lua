-- Reasoning in chat messages. Text travels as `reasoning_content` (DeepSeek, vLLM) or `reasoning` (OpenRouter, newer
-- vLLM); what has to come back unchanged on the next turn travels in `reasoning_details`.
-- https://openrouter.ai/docs/use-cases/reasoning-tokens (reasoning_details)
local json = require "gateyes.json"

local chat_reasoning = {}

local formats = { ["anthropic-claude-v1"] = "anthropic", ["openai-responses-v1"] = "responses",
  ["xai-responses-v1"] = "responses", ["google-gemini-v1"] = "gemini" }
local format_words = { anthropic = "anthropic-claude-v1", responses = "openai-responses-v1",
  gemini = "google-gemini-v1", chat = "unknown" }

local function word(value)
  return type(value) == "string" and value or nil
end

local function new_part(detail)
  return { type = "reasoning", text = "", id = word(detail.id), format = formats[detail.format] or "chat" }
end

local function add_detail(part, detail)
  if detail.type == "reasoning.text" then
    part.text = part.text .. (word(detail.text) or "")
    part.signature = word(detail.signature) or part.signature
  elseif detail.type == "reasoning.summary" then
    part.summary = part.summary or {}
    part.summary[#part.summary + 1] = word(detail.summary)
  elseif detail.type == "reasoning.encrypted" then
    part.encrypted = word(detail.data)
    part.redacted = part.format == "anthropic" or nil
  end
end

-- Gemini signs the call that its thoughts led to, and refuses the call without it on the next turn. In the canonical
-- form the signature is a reasoning part in front of that call.
-- https://ai.google.dev/gemini-api/docs/thought-signatures (OpenAI compatibility: extra_content)
function chat_reasoning.signature_of_call(call)
  local extra = call.extra_content
  local google = type(extra) == "table" and extra.google
  return type(google) == "table" and word(google.thought_signature) or nil
end

function chat_reasoning.extra_content(signature)
  return { google = { thought_signature = signature } }
end

-- Details that share an id are one item (a Responses item has summaries and encrypted content), others one part each.
local function parts_of_details(details)
  local parts, by_id = {}, {}
  for i = 1, #details do
    local detail = details[i]
    if type(detail) == "table" and type(detail.type) == "string" then
      local part = by_id[detail.id]
      if not part then
        part = new_part(detail)
        parts[#parts + 1] = part
        if part.id then by_id[part.id] = part end
      end
      add_detail(part, detail)
    end
  end
  return parts
end

local function has_text(parts)
  for _, part in ipairs(parts) do
    if part.text ~= "" or part.summary then return true end
  end
  return false
end

-- Anthropic's own blocks, as clients send them back that come from gateways that pass them through.
local function parts_of_blocks(blocks)
  local parts = {}
  for i = 1, #blocks do
    local block = type(blocks[i]) == "table" and blocks[i] or {}
    if block.type == "redacted_thinking" then
      parts[#parts + 1] = { type = "reasoning", text = "", redacted = true, encrypted = word(block.data),
        format = "anthropic" }
    elseif block.type == "thinking" then
      parts[#parts + 1] = { type = "reasoning", text = word(block.thinking) or "", signature = word(block.signature),
        format = "anthropic" }
    end
  end
  return parts
end

-- The reasoning parts of an assistant message, in front of its other parts.
function chat_reasoning.decode(message)
  local text = word(message.reasoning_content) or word(message.reasoning)
  local details, blocks = message.reasoning_details, message.thinking_blocks
  local parts = type(details) == "table" and parts_of_details(details) or {}
  if not parts[1] and type(blocks) == "table" then parts = parts_of_blocks(blocks) end
  if not text or text == "" or has_text(parts) then return parts end
  for _, part in ipairs(parts) do
    if part.signature then
      part.text = text
      return parts
    end
  end
  table.insert(parts, 1, { type = "reasoning", text = text, format = "chat" })
  return parts
end

-- What the reader of a reply sees of a reasoning part.
function chat_reasoning.visible(part)
  if part.text and part.text ~= "" then return part.text end
  return part.summary and table.concat(part.summary, "\n\n") or ""
end

local function push(details, detail, part)
  detail.id, detail.index = part.id, #details
  detail.format = format_words[part.format] or "unknown"
  details[#details + 1] = detail
end

-- Adds the details of one part to `details`; a part that nothing has to be kept of adds none.
function chat_reasoning.add_details(details, part)
  if not (part.signature or part.encrypted or part.id) then return end
  if part.text and part.text ~= "" or part.signature then
    push(details, { type = "reasoning.text", text = part.text or "", signature = part.signature }, part)
  end
  for _, summary in ipairs(part.summary or {}) do
    push(details, { type = "reasoning.summary", summary = summary }, part)
  end
  if part.encrypted then push(details, { type = "reasoning.encrypted", data = part.encrypted }, part) end
end

-- The whole array for a message's parts, or nil when it would be empty.
function chat_reasoning.details(parts)
  local details = {}
  for _, part in ipairs(parts) do
    if part.type == "reasoning" then chat_reasoning.add_details(details, part) end
  end
  return details[1] and json.array(details) or nil
end

-- Who issued what a delta's details carry, or nil where they do not say.
function chat_reasoning.format_of(details)
  local first = type(details) == "table" and details[1]
  return type(first) == "table" and formats[first.format] or nil
end

return chat_reasoning
