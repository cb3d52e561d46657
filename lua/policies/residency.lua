-- Where requests may be served: what holds personal data, secrets or words of a list stays local; so do the requests of
-- some users, keys or models, or all. The rule holds for every attempt, failover included, and for the session.
local compliance = require "gateyes.compliance"

local function is_one_of(list, value)
  for _, name in ipairs(list) do
    if name == value then return true end
  end
  return false
end

local function binds(settings, context)
  if settings.always or is_one_of(settings.users, context.user) or is_one_of(settings.projects, context.project)
    or is_one_of(settings.keys, context.key) then return true end
  for _, role in ipairs(settings.roles) do
    if context:has_role(role) then return true end
  end
  return false
end

local function lists_of(settings)
  if #settings.words == 0 then return nil end
  return { { name = "words", words = settings.words } }
end

local settings = compliance.default(compliance.settings {
  always = { type = "boolean", default = false, about = "All requests." },
  users = { type = "list", default = {}, about = "All requests of these users." },
  projects = { type = "list", default = {}, about = "All requests of these projects." },
  keys = { type = "list", default = {}, about = "All requests with the keys of these names." },
  roles = { type = "list", default = {}, about = "All requests of keys with one of these roles." },
  words = { type = "list", default = {}, about = "Requests that hold one of these words." },
}, { kinds = { "pii", "secrets" }, action = "local", output = "none" })

local policy = compliance.hooks({
  name = "residency",
  about = "Keeps requests within the residency of local providers.",
  settings = settings,
}, lists_of)

local look = policy.on_request

-- Who asks decides, too: then every request is looked at.
function policy.wakes(own)
  if own.always or #own.users + #own.projects + #own.keys + #own.roles > 0 then return nil end
  return compliance.wakes(own)
end

function policy.on_request(request, context)
  local own = context.settings
  if compliance.applies(own, request) and binds(own, context) then context:require { residency = own.residency } end
  return look(request, context)
end

return policy
