-- The same target for the same session, user or beginning of the prompt, so that the engine's prefix cache is warm.
-- Rendezvous hashing: every target gets a score for the key, the highest wins, and when targets come or go only their
-- own keys move. Nothing is remembered, so the choice outlives reloads and is the same in all workers. A target that
-- is more than `load` times as busy as the average passes the request on to the next in the key's order, and one
-- that is out of health is no candidate at all.
local gateyes = require "gateyes"
local routing = require "gateyes.routing"

local policy = {
  name = "sticky",
  about = "Keeps a session, user or prompt at one target.",
  settings = {
    by = {
      type = "string", default = "session", one_of = { "session", "user", "key", "prefix", "header" },
      about = "What stays together; without it, the beginning of the prompt does.",
    },
    header = { type = "string", about = "The header's name, with by = \"header\"." },
    prefix_bytes = {
      type = "integer", default = 1024, min = 16, max = 65536,
      about = "How much of the prompt counts.",
    },
    load = { type = "number", default = 1.25, min = 1, about = "How much busier than the average a target may be." },
  },
}

function policy.check(settings)
  if settings.by == "header" and not settings.header then return "by = \"header\" needs header = \"x-…\"" end
end

-- The system text and the first turn: what stays the same through a conversation.
local function prefix(request, bytes)
  local first = request.messages[1]
  local text = request.system
  if #text < bytes and first then text = text .. "\0" .. first.text end
  if #text == 0 then text = request.last_user_text end
  return text:sub(1, bytes)
end

local function key_of(request, context)
  local by, settings = context.settings.by, context.settings
  local found
  if by == "session" then found = context.session
  elseif by == "user" then found = context.user or context.session
  elseif by == "key" then found = context.key
  elseif by == "header" then found = request:header(settings.header) end
  if found and found ~= "" then return by .. ":" .. found end
  return "prefix:" .. prefix(request, settings.prefix_bytes)
end

function policy.route(request, candidates, context)
  -- The tenant is part of the key: one tenant must not learn from timing what another has asked.
  local salted = gateyes.hash.sha256(context.tenant .. "\0" .. key_of(request, context))
  local open, weights = 1, 0
  for _, candidate in ipairs(candidates) do
    open = open + candidate.inflight
    weights = weights + candidate.weight
  end
  local order = routing.by_score(candidates, function(candidate) return -candidate:affinity(salted) end)
  local bound = context.settings.load * open / math.max(weights, 1)
  return routing.prefer(order, function(candidate)
    local is_free = candidate.inflight + 1 <= math.ceil(bound * candidate.weight)
    if not is_free then candidate:note("is busier than the others; the next one takes over") end
    return is_free
  end)
end

return policy
