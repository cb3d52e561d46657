-- kit.run for busted itself: the hooks `on_request` and `route` on plain tables in the place of the gateway's objects.
local gateyes = require "gateyes"
local json = require "gateyes.json"

local kit = {}

local function text_of(content)
  if type(content) == "string" then return content end
  local parts = {}
  for _, part in ipairs(type(content) == "table" and content or {}) do parts[#parts + 1] = part.text end
  return table.concat(parts, "\n")
end

local function take_turns(request, turns)
  local system = {}
  for _, turn in ipairs(turns or {}) do
    local text = text_of(turn.content)
    if turn.role == "system" then system[#system + 1] = text end
    if turn.role == "user" then request.last_user_text = text end
    for _, part in ipairs(type(turn.content) == "table" and turn.content or {}) do
      if part.type == "image_url" then request.attachments = request.attachments + 1 end
    end
    request.messages[#request.messages + 1] = { role = turn.role, text = text, tool_calls = turn.tool_calls }
  end
  request.turns = #request.messages
  request.system = table.concat(system, "\n")
end

local function request_of(options)
  local body = options.body or { model = "m", messages = { { role = "user", content = options.text or "" } } }
  local request = {
    id = "req_1", dialect = "chat", model = options.model or body.model or "m", stream = options.stream == true,
    session = options.session, body = json.encode(body), messages = {}, tools = {}, attachments = 0,
    last_user_text = "", system = "",
  }
  request.body_bytes = #request.body
  take_turns(request, body.messages)
  for _, tool in ipairs(body.tools or {}) do request.tools[#request.tools + 1] = { name = tool["function"].name } end
  function request.header(_, name) return (options.headers or {})[name:lower()] end
  function request.get(_, path)
    local value = body
    for name in path:gmatch "[^.]+" do value = type(value) == "table" and value[name] or nil end
    return value
  end
  return request
end

local function settings_of(policy, given)
  local settings = {}
  for name, row in pairs(policy.settings or {}) do
    settings[name] = row.default
    if given and given[name] ~= nil then settings[name] = given[name] end
    if row.required and settings[name] == nil then error("settings: " .. name .. " is missing", 0) end
  end
  local why = policy.check and policy.check(settings)
  if why then error("settings: " .. why, 0) end
  return settings
end

local function context_of(policy, options, result)
  local context = {
    tenant = "test", user = options.user, project = options.project, key = options.key, session = options.session,
    roles = options.roles or {}, tags = result.tags, settings = settings_of(policy, options.settings),
    principal = { tags = options.tags or {} },
  }
  function context.tag(_, name, value) result.tags[name] = tostring(value or "") end
  function context.trace(_, why) result.trace[#result.trace + 1] = { what = "trace", why = why } end
  return context
end

local function goes_by(candidate, pattern)
  local residency = pattern:match "^residency:(.+)$"
  if residency then return candidate.residency == residency end
  local expression = pattern:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*")
  local name = pattern:find("/", 1, true) and candidate.name or candidate.provider
  return name:find("^" .. expression .. "$") ~= nil
end

local function add_naming(candidate)
  function candidate.matches(_, patterns)
    for _, pattern in ipairs(type(patterns) == "table" and patterns or { patterns }) do
      if goes_by(candidate, pattern) then return true end
    end
    return false
  end
  function candidate.affinity(_, key)
    local hash = gateyes.hash.sha256(key .. candidate.name)
    local u = (tonumber(hash:sub(1, 13), 16) + 0.5) / 2 ^ 52
    return candidate.weight == 0 and 0 or -candidate.weight / math.log(u)
  end
end

local function candidate_of(given, result)
  local candidate = { weight = 1, inflight = 0, capabilities = {} }
  for name, value in pairs(given) do candidate[name] = value end
  candidate.provider, candidate.model = given.name:match "^([^/]+)/(.*)$"
  add_naming(candidate)
  function candidate.has(_, capability)
    for _, own in ipairs(candidate.capabilities) do
      if own == capability then return true end
    end
    return false
  end
  function candidate.note(_, why)
    result.trace[#result.trace + 1] = { what = "note", why = given.name .. ": " .. why }
  end
  return candidate
end

function kit.run(policy, options)
  options = options or {}
  local result = { kind = "pass", tags = {}, trace = {}, route = {} }
  local request, context = request_of(options), context_of(policy, options, result)
  if policy.on_request then policy.on_request(request, context) end
  local candidates = {}
  for i, given in ipairs(options.candidates or {}) do candidates[i] = candidate_of(given, result) end
  local order = policy.route and policy.route(request, candidates, context) or candidates
  for i, candidate in ipairs(order) do result.route[i] = candidate.name end
  return result
end

function kit.now(seconds) gateyes._set_now(seconds) end

kit.reset = gateyes._forget

return kit
