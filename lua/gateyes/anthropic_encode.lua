-- The canonical request -> the body of POST /v1/messages.
-- Source: https://docs.anthropic.com/en/api/messages
local json = require "gateyes.json"
local model = require "gateyes.anthropic_model"
local parts = require "gateyes.anthropic_parts"
local thinking = require "gateyes.anthropic_thinking"
local tools = require "gateyes.anthropic_tools"
local turns = require "gateyes.anthropic_turns"
local words = require "gateyes.anthropic_words"

local encode = {}

local function drop(job, field, fallback, reason)
  job.context.drop(parts.field(job, field, fallback), reason)
end

local function apply_stop(job, body)
  local kept = {}
  for _, text in ipairs(job.request.stop or {}) do
    if text:find("%S") then
      kept[#kept + 1] = text
    else
      drop(job, "stop", "stop", "Anthropic takes no stop sequence of white space alone")
    end
  end
  body.stop_sequences = #kept > 0 and json.array(kept) or nil
end

local function apply_owner(job, body)
  local request = job.request
  local owner = request.user or request.safety_identifier
  if owner then body.metadata = { user_id = owner } end
  if request.user and request.safety_identifier then
    drop(job, "safety_identifier", "safety_identifier", "Anthropic has one field for the user")
  end
end

local function apply_tier(job, body)
  local tier = job.request.service_tier
  if not tier then return end
  body.service_tier = words.tier_for_provider(tier)
  if not body.service_tier then drop(job, "service_tier", "service_tier", "Anthropic has no tier '" .. tier .. "'") end
end

-- Fields of a Messages client go on as they are; those of other dialects mean nothing here.
local function apply_extra(job, body)
  local request = job.request
  for name, value in pairs(request.extra or {}) do
    if request.extra_format ~= "messages" or name:find(".", 1, true) then
      job.context.drop(name, "Anthropic has no such field")
    elseif body[name] == nil then
      body[name] = value
    end
  end
end

local function apply_tools(job, body)
  local list = tools.list(job)
  local choice, failure = tools.choice(job, list)
  if failure then return failure end
  body.tool_choice = choice
  job.tools = list
end

local function say_in_system(system, text)
  if text then system[#system + 1] = { type = "text", text = text } end
end

-- A plain system prompt is sent as the string that most clients wrote.
local function system_value(system)
  if #system == 0 then return nil end
  local only = #system == 1 and system[1]
  if only and not only.cache_control then return only.text end
  return json.array(system)
end

local function finish_tools(job, body)
  if #job.tools == 0 and next(job.called) then
    tools.declare_called(job, job.tools)
    body.tool_choice = { type = "none" }
  end
  body.tools = job.tools
  local instruction = tools.output(job, body)
  if #body.tools == 0 then body.tools = nil else json.array(body.tools) end
  return instruction
end

local function as_arrays(messages)
  for _, message in ipairs(messages) do json.array(message.content) end
  return json.array(messages)
end

-- -> body as a table | nil, failure
function encode.body(request, context)
  local job = {
    request = request, context = context, marks = {}, called = {},
    profile = model.profile(request.model, context.info and context.info.capabilities),
  }
  local body = { model = request.model, stream = request.stream or nil }
  if request.n and request.n > 1 then drop(job, "n", "n", "Anthropic gives one answer per request") end
  local failure = apply_tools(job, body)
  if failure then return nil, failure end
  local system = turns.system(job)
  local messages, spent
  messages, failure, spent = turns.messages(job, system)
  if failure then return nil, failure end
  if spent then system = {} end
  turns.limit_marks(job)
  body.messages = messages
  say_in_system(system, finish_tools(job, body))
  body.system = system_value(system)
  thinking.apply(job, body)
  apply_stop(job, body)
  apply_owner(job, body)
  apply_tier(job, body)
  apply_extra(job, body)
  as_arrays(messages)
  return body
end

function encode.request(request, context)
  local body, failure = encode.body(request, context)
  if failure then return nil, failure end
  return { path = "/v1/messages", body = json.encode(body), headers = {} }
end

return encode
