-- Simple tasks to small (local) models, hard ones to strong ones. The score, from 0 to 1, comes from the last thing the
-- user said and from the conversation: length, code, words of reasoning, technical words, several steps, tools, images,
-- depth, a JSON schema. No model is asked. What made the score is in the trace.
--
-- A session stays where it is unless the score is clearly on the other side, since each change empties the provider's
-- prompt cache. It never goes down to the small model while its history holds tool calls or signed thinking, which
-- belong to the family of models that wrote them.
local gateyes = require "gateyes"
local needs = require "gateyes.needs"
local routing = require "gateyes.routing"
local words = require "gateyes.complexity_words"

local policy = {
  name = "complexity",
  about = "Simple tasks to small models, hard ones to strong models.",
  settings = {
    simple = { type = "list", default = { "residency:local" }, about = "Targets for simple tasks." },
    hard = { type = "list", default = {}, about = "Targets for hard tasks; empty: all that are not in `simple`." },
    threshold = { type = "number", default = 0.3, min = 0, max = 1, about = "Score from which a task is hard." },
    margin = {
      type = "number", default = 0.15, min = 0, max = 1,
      about = "How far below it a session's score must fall to become simple again.",
    },
    session_s = { type = "integer", default = 3600, min = 1, about = "Silence after which a session is forgotten." },
    only = { type = "boolean", default = false, about = "Never falls back to the other side's targets." },
    hard_words = { type = "list", default = {}, about = "Words of yours that mean a hard task." },
    simple_words = { type = "list", default = {}, about = "Words of yours that mean a simple one." },
  },
}

local TEXT_BYTES = 8192 -- of the last turn: what comes later says little more

local CJK = "[\227-\237]" -- first bytes of CJK, kana and hangul in UTF-8

-- Small letters, with one space wherever no letter or digit stands.
local function spaced(text)
  return " " .. text:lower():gsub("[%z\1-\47\58-\64\91-\96\123-\127]+", " ") .. " "
end

-- What a list is searched by: CJK words anywhere, others as whole words, and looked for only when their first is there.
local prepared = setmetatable({}, { __mode = "k" })

local function prepare(list)
  local found = { cjk = {}, whole = {} }
  for _, word in ipairs(list) do
    if word:find(CJK) then
      table.insert(found.cjk, word)
    else
      word = spaced(word)
      local first = word:match "^ ([^ ]+)"
      if first then table.insert(found.whole, { first = first, text = word, is_one = word == " " .. first .. " " }) end
    end
  end
  prepared[list] = found
  return found
end

local function look_at(text)
  local seen = { words = {}, plain = text, normal = spaced(text), has_cjk = text:find(CJK) ~= nil }
  for word in seen.normal:gmatch "[^ ]+" do seen.words[word] = true end
  return seen
end

local function count(seen, list, most)
  local parts, found = prepared[list] or prepare(list), 0
  for _, word in ipairs(parts.whole) do
    if found < most and seen.words[word.first] and (word.is_one or seen.normal:find(word.text, 1, true)) then
      found = found + 1
    end
  end
  for i = 1, seen.has_cjk and #parts.cjk or 0 do
    if found < most and seen.plain:find(parts.cjk[i], 1, true) then found = found + 1 end
  end
  return found
end

local function history_binds(request)
  for _, message in ipairs(request.messages) do
    if message.tool_calls and #message.tool_calls > 0 then return "tool calls" end
    if message.type == "function_call" then return "tool calls" end
  end
  local body = request.body
  if body:find('"signature"', 1, true) or body:find('"encrypted_content"', 1, true)
    or body:find('"reasoning_details"', 1, true) then return "signed thinking" end
end

local function add(result, weight, share, why)
  if share <= 0 then return end
  result.score = result.score + weight * math.min(share, 1)
  result.reasons[#result.reasons + 1] = why
end

local function score_text(result, text, settings)
  local plain = text:sub(1, TEXT_BYTES)
  local seen = look_at(plain)
  local tokens = gateyes.tokens.count(plain)
  local fences = select(2, plain:gsub("```", "")) / 2
  local reasoning = count(seen, words.reasoning, 3)
  local code = count(seen, words.code, 4)
  local technical = count(seen, words.technical, 4)
  local steps = count(seen, words.steps, 4) + math.min(select(2, plain:gsub("\n%s*[%d%-%*]+[%.%)]? ", "")), 3)
  local own = count(seen, settings.hard_words, 1)
  local simple = count(seen, words.simple, 2) + count(seen, settings.simple_words, 1) * 2
  add(result, 0.20, (tokens - 15) / 385, tokens .. " tokens")
  add(result, 0.30, reasoning / 2, reasoning .. " words of reasoning")
  add(result, 0.30, (code + 2 * math.min(fences, 2)) / 4, "code")
  add(result, 0.20, technical / 3, technical .. " technical words")
  add(result, 0.10, steps / 4, steps .. " steps")
  add(result, 0.50, own, "a word of the settings")
  if reasoning >= 2 then result.score = math.max(result.score, settings.threshold) end -- who asks for reasons gets them
  if simple > 0 and reasoning < 2 and tokens < 60 then
    result.score = result.score - 0.1 * simple
    result.reasons[#result.reasons + 1] = "simple words"
  end
end

local function score_conversation(result, request)
  local turns, tools = #request.messages, #request.tools
  add(result, 0.20, tools > 0 and 0.5 + tools / 20 or 0, tools .. " tools")
  add(result, 0.15, request.attachments, "images or files")
  add(result, 0.15, (turns - 6) / 14, turns .. " turns")
  add(result, 0.10, needs.output_format(request) and 1 or 0, "JSON output")
  add(result, 0.15, (request.body_bytes - 16384) / 65536, "a long prompt")
end

function policy._score(request, settings)
  local result = { score = 0, reasons = {} }
  score_text(result, request.last_user_text, settings)
  score_conversation(result, request)
  result.score = math.max(0, math.min(1, result.score))
  return result
end

local function decide(request, context, result)
  local settings = context.settings
  local name = context.session and "complexity:" .. context.tenant .. ":" .. gateyes.hash.sha256(context.session)
  local before = name and gateyes.store.get(name)
  local level = result.score >= settings.threshold and "hard" or "simple"
  if level == "simple" and before == "hard" and result.score >= settings.threshold - settings.margin then
    level = "hard"
    result.reasons[#result.reasons + 1] = "the session was hard"
  end
  if level == "simple" and before ~= "simple" then
    local bound = history_binds(request)
    if bound then
      level = "hard"
      result.reasons[#result.reasons + 1] = bound .. " in the history"
    end
  end
  if name then gateyes.store.put(name, level, settings.session_s) end
  return level
end

function policy.route(request, candidates, context)
  local settings = context.settings
  local result = policy._score(request, settings)
  local level = decide(request, context, result)
  context:tag("complexity", level)
  context:trace(("%s, score %.2f: %s"):format(level, result.score,
    #result.reasons > 0 and table.concat(result.reasons, ", ") or "nothing hard about it"))
  return routing.prefer(candidates, function(candidate)
    if level == "simple" then return routing.matches_any(candidate, settings.simple) end
    if #settings.hard > 0 then return routing.matches_any(candidate, settings.hard) end
    return not routing.matches_any(candidate, settings.simple)
  end, settings.only)
end

return policy
