-- What policies that ask another service have in common: webhook and moderation. A reply is asked about in pieces of a
-- fixed number of bytes, so that the service sees the same pieces of the same text, as JSON and as a stream.
local gateyes = require "gateyes"
local compliance = require "gateyes.compliance"

local guards = {}

function guards.settings(more)
  local settings = {
    on_failure = { type = "string", default = "deny", one_of = { "deny", "pass" },
                   about = "What happens when the service gives no usable answer." },
    input = { type = "boolean", default = true, about = "Ask about requests." },
    output = { type = "boolean", default = true, about = "Ask about replies." },
    timeout_ms = { type = "integer", default = 80, min = 1, max = 60000,
                   about = "How long an answer may take; `scripts.wall` of the tenant has to allow it." },
    window_bytes = { type = "integer", default = 4000, min = 200, max = 60000,
                     about = "Bytes of a reply to ask about at once." },
    max_bytes = { type = "integer", default = 1000000, min = 1000,
                  about = "Texts of a request beyond this are not sent, which counts as a failure." },
    places = { type = "list", default = {}, about = "Only texts of these, such as user or tool_result." },
    models = { type = "list", default = {}, about = "Only requests for these models; * stands for any characters." },
    endpoints = { type = "list", default = {}, about = "Only these endpoints." },
  }
  for name, setting in pairs(more) do settings[name] = setting end
  return settings
end

-- nil: let it pass. Else what the hook returns.
local function failed(context, why)
  context:trace("no answer: " .. why)
  gateyes.metric("failure", context.settings.on_failure)
  if context.settings.on_failure == "pass" then return nil end
  return context:deny { status = 503, code = context.policy .. "_unavailable",
    message = "a check that this request has to pass is not available; try again later" }
end

-- JSON of the service, or nil and why.
function guards.ask(request)
  local reply, why, code = gateyes.fetch(request)
  if not reply then return nil, code or why end
  if reply.status ~= 200 then return nil, "status " .. reply.status end
  local body = gateyes.json.decode(reply.body)
  if type(body) ~= "table" then return nil, "no JSON" end
  return body
end

local function texts_of(request, settings)
  local places, out, bytes = nil, {}, 0
  if #settings.places > 0 then
    places = {}
    for _, name in ipairs(settings.places) do places[name] = true end
  end
  for _, text in ipairs(request.texts) do
    if places and places[text.where] or not places and text.where ~= "identifier" then
      bytes = bytes + text.bytes
      if bytes > settings.max_bytes then return nil end
      out[#out + 1] = { where = text.where, text = text.text, handle = text }
    end
  end
  return out
end

local function refuse(context, verdict, direction)
  context:trace("block " .. direction .. (verdict.reason and ": " .. verdict.reason or ""))
  gateyes.metric("block", direction)
  return context:deny { code = context.policy .. "_blocked", message = verdict.message
    or (direction == "input" and "this request was refused by a check of its content"
      or "the reply was refused by a check of its content") }
end

-- judge(subject, context) -> { blocks, message, reason, tags, texts } or nil and why. subject: direction, texts.
local function on_request(judge, request, context)
  local settings = context.settings
  context.notes.applies = compliance.applies(settings, request)
  if not settings.input or not context.notes.applies then return nil end
  if request.attachments > 0 then context:trace("unscanned attachments=" .. request.attachments) end
  if request.body_bytes > 8 * settings.max_bytes then return failed(context, "the request is too long to be sent") end
  local texts = texts_of(request, settings)
  if not texts then return failed(context, "the request is too long to be sent") end
  if #texts == 0 then return nil end
  local verdict, why = judge({ direction = "input", texts = texts, model = request.model, id = request.id }, context)
  if not verdict then return failed(context, why) end
  for name, value in pairs(verdict.tags or {}) do context:tag(name, value) end
  if verdict.blocks then return refuse(context, verdict, "input") end
  for i, text in ipairs(texts) do
    local with = verdict.texts and verdict.texts[i]
    if type(with) == "string" and with ~= text.text then text.handle:set(with) end
  end
end

local function judge_window(judge, text, delta, context)
  local subject = { direction = "output", texts = { { where = delta.channel, text = text } } }
  local verdict, why = judge(subject, context)
  if not verdict then
    local denied = failed(context, why)
    return denied == nil and text or nil, denied
  end
  for name, value in pairs(verdict.tags or {}) do context:tag(name, value) end
  if verdict.blocks then return nil, refuse(context, verdict, "output") end
  local with = verdict.texts and verdict.texts[1]
  return type(with) == "string" and with or text
end

local function on_delta(judge, delta, context)
  local settings = context.settings
  if not settings.output or context.notes.applies == false then return nil end
  local text, out = delta.text, {}
  while #text >= settings.window_bytes or ((delta.last or delta.overdue) and #text > 0) do
    local piece = gateyes.text.truncate(text, settings.window_bytes)
    if piece == "" then piece = text:sub(1, settings.window_bytes) end
    local with, denied = judge_window(judge, piece, delta, context)
    if denied then return denied end
    out[#out + 1] = with
    text = text:sub(#piece + 1)
  end
  return table.concat(out), text
end

function guards.hooks(policy, judge)
  function policy.wants(settings)
    return { "on_request", settings.output and "on_delta" or nil }
  end
  function policy.on_request(request, context) return on_request(judge, request, context) end
  function policy.on_delta(delta, context) return on_delta(judge, delta, context) end
  return policy
end

return guards
