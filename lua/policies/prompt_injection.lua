-- Attempts to take a model over: phrases that override its instructions, ask for them, or make it send data away. Marks
-- add up within one text; where a tool or a file speaks, nobody has a reason to give orders, so less is enough. A
-- heuristic: it raises the price of an attack and shows it, and is no proof of its absence.
local gateyes = require "gateyes"
local compliance = require "gateyes.compliance"

local lists = {
  { name = "override", weight = 60, parts = false,
    words = { "ignore", "disregard", "forget", "override", "bypass", "ignoriere", "vergiss", "ignora", "olvida",
      "ignorez", "oubliez", "忽略", "无视", "忘记", "忘掉", "無視して" },
    partners = { "previous instructions", "prior instructions", "above instructions", "all instructions",
      "your instructions", "the instructions", "earlier instructions", "system prompt", "previous rules", "your rules",
      "your guidelines", "your programming", "previous prompt", "everything above", "vorherigen anweisungen",
      "bisherigen anweisungen", "instrucciones anteriores", "instructions précédentes", "之前的指令", "以上指令",
      "之前的指示", "上面的指令", "先前的指令", "所有指令", "系统提示", "以前の指示" } },
  { name = "role_change", weight = 35,
    words = { "you are now", "from now on you are", "act as an unrestricted", "developer mode", "do anything now",
      "jailbreak", "without any restrictions", "no longer bound by", "pretend you have no", "new instructions:",
      "你现在是", "开发者模式", "没有任何限制" } },
  { name = "prompt_theft", weight = 50,
    words = { "reveal", "print", "repeat", "show me", "output", "leak", "输出", "显示", "重复", "泄露" },
    partners = { "your system prompt", "your initial instructions", "your hidden instructions", "the system prompt",
      "your instructions verbatim", "the text above verbatim", "系统提示词", "你的提示词", "初始指令" } },
  { name = "fake_turn", weight = 50,
    words = { "<|im_start|>", "<|im_end|>", "<|system|>", "[/inst]", "<<sys>>", "### system:", "### instruction:",
      "<|start_header_id|>", "\n\nsystem:", "begin system message" }, parts = true },
  { name = "exfiltration", weight = 45,
    words = { "send", "post", "upload", "forward", "exfiltrate", "发送", "上传" },
    partners = { "api key to", "api keys to", "conversation to", "chat history to", "the secrets to", "credentials to",
      "passwords to", "environment variables to", "密钥到", "对话记录到" } },
  { name = "concealment", weight = 40,
    words = { "do not tell the user", "don't tell the user", "without telling the user", "do not mention this",
      "hide this from the user", "不要告诉用户", "别告诉用户" } },
}

local weights = {}
for _, list in ipairs(lists) do weights[list.name] = list.weight end

local function lists_of(settings)
  local out = {}
  for i, list in ipairs(lists) do
    out[i] = { name = list.name, words = list.words, partners = list.partners, parts = list.parts }
  end
  if #settings.phrases > 0 then out[#out + 1] = { name = "phrases", words = settings.phrases } end
  return out
end

local actions = { "none", "audit", "tag", "local", "block" }
local policy = {
  name = "prompt_injection",
  about = "Notices attempts to override a model's instructions, in what users say and what tools return.",
  settings = {
    action = { type = "string", default = "block", one_of = actions, about = "What happens to such a request." },
    output = { type = "string", default = "tag", one_of = { "none", "audit", "tag", "block" },
               about = "What happens when the reply has such marks." },
    threshold = { type = "integer", default = 60, min = 1, about = "Weight from which a user's text counts." },
    tool_threshold = { type = "integer", default = 40, min = 1, about = "The same for what tools and files say." },
    phrases = { type = "list", default = {}, about = "More phrases; one is enough." },
    allowed = { type = "list", default = {}, about = "Phrases that are fine." },
    models = { type = "list", default = {}, about = "Only requests for these models; * stands for any characters." },
    endpoints = { type = "list", default = {}, about = "Only these endpoints." },
    residency = { type = "string", default = "local", about = "Where `local` keeps requests." },
    session_s = { type = "integer", default = 0, min = 0, about = "How long `local` keeps their session there." },
  },
}

local places = { user = "threshold", other = "threshold", tool_result = "tool_threshold", file = "tool_threshold",
  tool_schema = "tool_threshold", metadata = "threshold" }
local detectors = setmetatable({}, { __mode = "k" })

function policy.check(settings)
  detectors[settings] = gateyes.detector { lists = lists_of(settings), allowed = settings.allowed }
end

function policy.wants(settings)
  return { "on_request", settings.output ~= "none" and "on_delta" or nil }
end

-- A session that stays is for Lua to look up; texts where nothing is found are not.
function policy.wakes(settings)
  if #settings.models > 0 or #settings.endpoints > 0 then return nil end
  return { on_request = { detector = detectors[settings], session = settings.action == "local" } }
end

-- Each rule counts once for a text: saying a thing twice is no proof of it.
local function add(sum, finding)
  if sum.seen[finding.rule] then return end
  sum.seen[finding.rule] = true
  sum.weight = sum.weight + (weights[finding.rule] or 100)
  sum.rules[#sum.rules + 1] = finding.rule
end

local function sum_new(where, turn)
  return { seen = {}, rules = {}, weight = 0, where = where, turn = turn }
end

local function describe(sum)
  return "injection " .. table.concat(sum.rules, "+") .. " weight=" .. sum.weight .. " at " .. sum.where
    .. (sum.turn and "/" .. sum.turn or "")
end

local function tell(context, sum, action)
  context:trace(action .. " " .. describe(sum))
  context:tag("prompt_injection", table.concat(sum.rules, " "))
  gateyes.metric(action, sum.rules[1])
end

-- The text of the greatest weight over its threshold.
local function worst_of(found, settings)
  local sums, order, worst = {}, {}, nil
  for _, finding in ipairs(found) do
    if places[finding.where] then
      local sum = sums[finding.text]
      if not sum then
        sum = sum_new(finding.where, finding.turn)
        sums[finding.text] = sum
        order[#order + 1] = sum
      end
      add(sum, finding)
    end
  end
  for _, sum in ipairs(order) do
    local over = sum.weight >= settings[places[sum.where]]
    if over and (not worst or sum.weight > worst.weight) then worst = sum end
  end
  return worst
end

function policy.on_request(request, context)
  local settings = context.settings
  local applies = compliance.applies(settings, request)
  if not applies then context.notes.applies = false end
  if settings.action == "local" and settings.session_s > 0 then compliance.stay_on(context) end
  if not applies or settings.action == "none" then return nil end
  local worst = worst_of(gateyes.detect(request, detectors[settings]), settings)
  if not worst then return nil end
  tell(context, worst, settings.action)
  if settings.action == "local" then compliance.stay(context, settings.residency, settings.session_s) end
  if settings.action ~= "block" then return nil end
  return context:deny { code = "prompt_injection",
    message = "this request looks like an attempt to override the model's instructions (" .. worst.where .. ")" }
end

function policy.on_delta(delta, context)
  local settings, notes = context.settings, context.notes
  if settings.output == "none" or notes.applies == false then return nil end
  local found, upto = delta:detect(detectors[settings])
  local name = delta.channel .. "/" .. delta.index
  notes.sums = notes.sums or {}
  for _, finding in ipairs(found) do
    notes.sums[name] = notes.sums[name] or sum_new(delta.channel, delta.index)
    add(notes.sums[name], finding)
  end
  local sum = notes.sums[name]
  if delta.last then notes.sums[name] = nil end
  if sum and not sum.told and sum.weight >= settings.threshold then
    sum.told = true
    tell(context, sum, settings.output)
    if settings.output == "block" then
      return context:deny { code = "prompt_injection",
        message = "the reply repeats an attempt to override instructions" }
    end
  end
  if settings.output ~= "block" or delta.overdue then upto = #delta.text end
  return delta.text:sub(1, upto), delta.text:sub(upto + 1)
end

return policy
