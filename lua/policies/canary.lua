-- A new target gets a few percent of the requests first. Who gets it stays with it: the same session, else user, else
-- key, always falls on the same side, until the percentage changes.
local gateyes = require "gateyes"
local routing = require "gateyes.routing"

local policy = {
  name = "canary",
  about = "Sends a share of the requests to a new target.",
  settings = {
    target = {
      type = "string", required = true,
      about = "The new one: `provider/model`, `provider`, `*` for anything.",
    },
    percent = { type = "number", default = 5, min = 0, max = 100, about = "Share of sessions, users or keys." },
    users = { type = "list", default = {}, about = "Users who always get it." },
    header = { type = "string", about = "A client that sends this header gets it." },
  },
}

local function is_chosen(request, context)
  local settings = context.settings
  if settings.header and request:header(settings.header) then return true end
  for _, user in ipairs(settings.users) do
    if user == context.user then return true end
  end
  local who = context.session or context.user or context.key or request.id
  local draw = tonumber(gateyes.hash.sha256(context.tenant .. "\0" .. request.model .. "\0" .. who):sub(1, 8), 16)
  return draw / 2 ^ 32 * 100 < settings.percent
end

function policy.route(request, candidates, context)
  local chosen = is_chosen(request, context)
  if chosen then context:trace("gets the canary " .. context.settings.target) end
  return routing.prefer(candidates, function(candidate)
    return candidate:matches(context.settings.target) == chosen
  end)
end

return policy
