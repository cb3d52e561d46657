-- Personal and bank data stay on our own GPUs. The requirement is enforced in C for every attempt, failover included;
-- no later policy can undo it. A session that held such data once stays here for a day.
local gateyes = require "gateyes"

local policy = {
  name = "stay_home",
  settings = {
    kinds = { type = "list", required = true, about = "What must stay: kinds of docs/detection.md." },
    session_s = { type = "integer", default = 86400, min = 1, about = "How long a session is kept here." },
  },
}

local function key_of(request)
  return request.session and "stay_home:" .. gateyes.hash.sha256(request.session)
end

function policy.on_request(request, context)
  local key = key_of(request)
  local found = gateyes.detect(request, context.settings.kinds)
  if #found > 0 then
    context:require { residency = "local" }
    context:tag("sensitive", found[1].kind)
    if key then gateyes.store.put(key, "1", context.settings.session_s) end
  elseif key and gateyes.store.get(key) then
    context:require { residency = "local" }
    context:tag("sensitive", "session")
  end
end

return policy
