-- Turns of the canonical form -> `system` and `messages` for Anthropic: user first, then in alternation, tool results
-- first in their turn, nothing empty.
-- Source: https://docs.anthropic.com/en/api/messages (messages) and the guides on tool use and on system messages in
-- the middle of a conversation.
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"
local parts = require "gateyes.anthropic_parts"

local turns = {}

function turns.system(job)
  local content = {}
  for _, part in ipairs(job.request.system or {}) do
    if part.type ~= "text" then
      job.context.drop(parts.field(job, "system", "system"), "system text cannot hold " .. part.type)
    elseif part.text:find("%S") then
      content[#content + 1] = parts.mark(job, { type = "text", text = part.text }, part.cache)
    end
  end
  return content
end

local function append(list, items)
  for _, item in ipairs(items) do list[#list + 1] = item end
end

local function next_role(spoken, index)
  for later = index + 1, #spoken do
    if spoken[later].role ~= "system" then return spoken[later].role end
  end
end

-- Newer models take a system message after a user turn and before an assistant turn or the end. Anywhere else, and
-- for other models, the text goes into a user turn between marks that name its origin.
local function system_role(job, messages, spoken, index)
  local last = messages[#messages]
  local after = last and (last.role == "user" or last.role == "system")
  return job.profile.system_turns and after and next_role(spoken, index) ~= "user" and "system" or "user"
end

local function as_user_text(content)
  for _, block in ipairs(content) do
    if block.type == "text" then block.text = "<system>\n" .. block.text .. "\n</system>" end
  end
end

local function is_thinking(block)
  return block.type == "thinking" or block.type == "redacted_thinking"
end

-- A turn cut off while it was thinking: Anthropic refuses an assistant message that ends in a thinking block.
local function trim_thinking(job, content)
  while #content > 0 and not json.is_raw(content[#content]) and is_thinking(content[#content]) do
    content[#content] = nil
    parts.report(job, "an assistant message cannot end in reasoning")
  end
end

local function add(messages, role, content)
  local last = messages[#messages]
  if last and last.role == role then return append(last.content, content) end
  messages[#messages + 1] = { role = role, content = content }
end

local function results_first(content)
  local results, others = {}, {}
  for _, block in ipairs(content) do
    local list = not json.is_raw(block) and block.type == "tool_result" and results or others
    list[#list + 1] = block
  end
  append(results, others)
  return results
end

local function trimmed(text)
  local last = #text
  while last > 0 and text:find("^%s", last) do last = last - 1 end
  return text:sub(1, last)
end

-- A final assistant turn is the beginning of the answer; Anthropic refuses white space at its end.
local function trim_prefill(messages)
  local last = messages[#messages]
  if not last or last.role ~= "assistant" then return end
  local block = last.content[#last.content]
  if not json.is_raw(block) and block.type == "text" then block.text = trimmed(block.text) end
end

-- The turns that say anything, as { role, content }.
local function encode_turns(job)
  local spoken = {}
  for _, turn in ipairs(job.request.turns) do
    local content, failure = parts.encode(job, turn.parts)
    if failure then return nil, failure end
    if turn.role == "assistant" then trim_thinking(job, content) end
    if #content > 0 then spoken[#spoken + 1] = { role = turn.role, content = content } end
  end
  return spoken
end

local function join(job, spoken)
  local messages = {}
  for index, turn in ipairs(spoken) do
    local role = turn.role
    if role == "system" then
      role = system_role(job, messages, spoken, index)
      if role == "user" then as_user_text(turn.content) end
    end
    add(messages, role, turn.content)
  end
  return messages
end

-- -> messages | nil, failure. `system` is what turns.system gave: alone it becomes the user's turn.
function turns.messages(job, system)
  local spoken, failure = encode_turns(job)
  if failure then return nil, failure end
  local messages = join(job, spoken)
  if #messages == 0 and #system > 0 then
    add(messages, "user", system)
    return messages, nil, true
  end
  if #messages == 0 then
    return nil, canonical.invalid(parts.field(job, "turns", "messages"), "no message has any content")
  end
  if messages[1].role ~= "user" then
    table.insert(messages, 1, { role = "user", content = { { type = "text", text = "." } } })
  end
  for _, message in ipairs(messages) do
    if message.role == "user" then message.content = results_first(message.content) end
  end
  trim_prefill(messages)
  return messages
end

-- Four cache breakpoints are allowed; the last ones cover the longest prefixes.
local most_marks = 4

function turns.limit_marks(job)
  for index = 1, #job.marks - most_marks do
    job.marks[index].cache_control = nil
    parts.report(job, "more than four cache breakpoints")
  end
end

return turns
