-- A Messages body that is relayed to a provider of the same protocol, with the thinking in its history that other
-- providers issued taken out. The gateway itself gave it to the client, in answers that it translated: Anthropic would
-- refuse the request for a signature that it never made.
-- https://platform.claude.com/docs/en/build-with-claude/extended-thinking (preserving thinking blocks)
local json = require "gateyes.json"
local text = require "gateyes.responses_text"
local words = require "gateyes.anthropic_words"

local history = {}

-- Servers that speak the protocol without signing anything get unsigned thinking back; Claude is not one of them.
local function is_foreign(block, of_claude)
  if type(block) ~= "table" or block.type ~= "thinking" then return false end
  if block.signature == "" then return of_claude end
  return type(block.signature) == "string" and words.is_marked(block.signature)
end

-- Raw content of a message -> content without such blocks, how many were taken out.
local function without_foreign(content, of_claude)
  local kept, taken = {}, 0
  for _, element in ipairs(json.elements(content) or {}) do
    if is_foreign(json.decode(element, { input = true, content = true }), of_claude) then
      taken = taken + 1
    else
      kept[#kept + 1] = element
    end
  end
  return text.list(kept), taken, #kept
end

local function first_type(message)
  local members = text.members(message or "null") or {}
  local first = (json.elements(members.content or "null") or {})[1]
  return first and text.value((text.members(first) or {}).type)
end

-- With a budget, the assistant turn that tool results continue must begin with thinking.
local function lost_its_thinking(messages)
  local before = first_type(messages[#messages - 1])
  return first_type(messages[#messages]) == "tool_result" and before ~= "thinking" and before ~= "redacted_thinking"
end

-- model: the provider's name of it. -> body, and what of it is gone: nil for nothing, else names of fields
function history.for_provider(body, model)
  local members, of_claude = text.members(body), model:lower():find("claude", 1, true) ~= nil
  local messages, taken = {}, 0
  for _, message in ipairs(members and json.elements(members.messages or "null") or {}) do
    local fields = text.members(message)
    local content, count, left = nil, 0, 1
    if fields and (fields.content or ""):sub(1, 1) == "[" then
      content, count, left = without_foreign(fields.content, of_claude)
    end
    if count > 0 then message = text.replace(message, { content = content }) end
    if left > 0 or count == 0 then messages[#messages + 1] = message end
    taken = taken + count
  end
  if taken == 0 then return body end
  local changes, gone = { messages = text.list(messages) }, "messages"
  local thinking = text.value(members.thinking)
  if type(thinking) == "table" and thinking.type == "enabled" and lost_its_thinking(messages) then
    changes.thinking, gone = false, "messages, thinking"
  end
  return text.replace(body, changes), gone
end

return history
