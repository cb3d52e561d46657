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

-- By settings: all lists as one, read in one pass over the text.
local compiled = setmetatable({}, { __mode = "k" })

local function lists_of(settings)
  local lists = { own_hard = settings.hard_words, own_simple = settings.simple_words }
  for name, list in pairs(words) do lists[name] = list end
  compiled[settings] = gateyes.text.words(lists)
  return compiled[settings]
end

local function occurrences(text, part)
  local count, at = 0, text:find(part, 1, true)
  while at do
    count = count + 1
    at = text:find(part, at + #part, true)
  end
  return count
end

-- Lines that begin as an item of a list does.
local function items(text, most)
  if not text:find("\n", 1, true) then return 0 end
  return select(2, text:gsub("\n%s*[%d%-%*]+[%.%)]? ", "", most))
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
  local found = (compiled[settings] or lists_of(settings)):count(plain)
  local tokens = gateyes.tokens.count(plain)
  local fences = occurrences(plain, "```") / 2
  local reasoning, code, technical = math.min(found.reasoning, 3), math.min(found.code, 4), math.min(found.technical, 4)
  local steps = math.min(found.steps, 4) + items(plain, 3)
  local own = math.min(found.own_hard, 1)
  local simple = math.min(found.simple, 2) + math.min(found.own_simple, 1) * 2
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
  local turns, tools = request.turns, #request.tools
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
    if level == "simple" then return candidate:matches(settings.simple) end
    if #settings.hard > 0 then return candidate:matches(settings.hard) end
    return not candidate:matches(settings.simple)
  end, settings.only)
end

return policy
