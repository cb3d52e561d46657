-- Asks a guard of one's own. It gets POST {"direction":"input"|"output","tenant","user","model","request_id","texts":
-- [{"where","text"}]} and answers {"action":"pass"|"block"|"replace","message","reason","tags":{},"texts":["…"]}; texts
-- come in the order they were sent. A secret of the name webhook_token is sent as a bearer token.
local gateyes = require "gateyes"
local guards = require "gateyes.guards"

local has_token, token = pcall(gateyes.secret, "webhook_token", "Bearer ")

local function text_or_nil(value)
  return type(value) == "string" and value or nil
end

local function tags_of(tags)
  local out = {}
  for name, value in pairs(type(tags) == "table" and tags or {}) do
    if type(name) == "string" and type(value) == "string" then
      out[gateyes.text.truncate(name, 128)] = gateyes.text.truncate(value, 128)
    end
  end
  return out
end

local function judge(subject, context)
  local texts = gateyes.json.array {}
  for i, text in ipairs(subject.texts) do texts[i] = { where = text.where, text = text.text } end
  local reply, why = guards.ask {
    url = context.settings.url, timeout_ms = context.settings.timeout_ms,
    headers = has_token and { authorization = token } or nil,
    json = { direction = subject.direction, tenant = context.tenant, user = context.user, model = subject.model,
      request_id = subject.id, texts = texts },
  }
  if not reply then return nil, why end
  local action = reply.action
  if action ~= "pass" and action ~= "block" and action ~= "replace" then return nil, "no action" end
  if action == "replace" and (type(reply.texts) ~= "table" or #reply.texts ~= #texts) then return nil, "other texts" end
  return { blocks = action == "block", message = text_or_nil(reply.message), reason = text_or_nil(reply.reason),
    tags = tags_of(reply.tags), texts = action == "replace" and reply.texts or nil }
end

return guards.hooks({
  name = "webhook",
  about = "Asks a service of the tenant's own whether requests and replies may pass.",
  settings = guards.settings {
    url = { type = "string", required = true,
            about = "Where the guard listens; its host has to be among `tenant_hosts`." },
  },
}, judge)
