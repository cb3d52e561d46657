-- What OpenAI's own models refuse, told by their names. https://platform.openai.com/docs/guides/reasoning and the
-- messages of its 400s. A name that is not OpenAI's gives nothing: servers of other models are taken at their word.
local openai_models = {}

local function read_family(model)
  model = model:match "[^/]*$"
  local series = model:match "^o(%d)"
  if series then return "o", tonumber(series) end
  local version = model:match "^gpt%-(%d+%.?%d*)"
  if version then return "gpt", tonumber(version) end
  if model:match "^chatgpt%-" then return "gpt", 4 end
end

-- A request asks for it several times. Names come from the configuration, in which there may be many.
local families, versions, remembered, most_remembered = {}, {}, 0, 256

-- "o4-mini" -> "o", 4; "gpt-5.6-terra" -> "gpt", 5.6; else nil.
local function family(model)
  local name = families[model]
  if name ~= nil then return name or nil, versions[model] end
  if remembered == most_remembered then families, versions, remembered = {}, {}, 0 end
  local version
  name, version = read_family(model)
  families[model], versions[model], remembered = name or false, version, remembered + 1
  return name, version
end

-- true: reasons; false: does not; nil: not known. The "chat" variants of gpt-5 do not.
function openai_models.reasons(model)
  local name, version = family(model)
  if not name then return nil end
  return name == "o" or version >= 5 and not model:find("-chat", 1, true)
end

-- Chat completions of gpt-5.2 and later refuse function tools with any effort but "none"; from 5.5 on that is not
-- the default either.
function openai_models.tools_forbid_effort(model)
  local name, version = family(model)
  return name == "gpt" and version >= 5.2
end

local efforts = { "minimal", "low", "medium", "high", "xhigh", "max" }
local rank = {}
for position, word in ipairs(efforts) do rank[word] = position end

-- The least and the most effort that a model takes beside "none".
local function effort_range(name, version, model)
  if name == "o" then return "low", "high" end
  local codex, pro = model:find("-codex", 1, true), model:find("-pro", 1, true)
  if version < 5.1 then return pro and "high" or codex and "low" or "minimal", "high" end
  local most = version >= 5.6 and "max" or (version >= 5.2 or model:find("-codex-max", 1, true)) and "xhigh" or "high"
  return pro and "medium" or "low", most
end

-- The word for "do not reason", or the nearest to it; nil where leaving the field out is as near as one gets.
function openai_models.effort_of_disabled(model)
  local name, version = family(model)
  if not openai_models.reasons(model) then return nil end
  local special = model:find("-codex", 1, true) or model:find("-pro", 1, true)
  if name == "gpt" and version >= 5.1 and not special then return "none" end
  return (effort_range(name, version, model))
end

-- The word nearest to `effort` that the model does not refuse; any other server's model is asked as it is.
function openai_models.effort(model, effort)
  local name, version = family(model)
  if not openai_models.reasons(model) or not rank[effort] then return effort end
  local least, most = effort_range(name, version, model)
  return efforts[math.max(rank[least], math.min(rank[effort], rank[most]))]
end

-- Does sampling (temperature, top_p, penalties, logprobs, stop) have to stay at its default?
function openai_models.fixed_sampling(model, effort)
  if not openai_models.reasons(model) then return false end
  local name, version = family(model)
  if name == "o" or version < 5.1 then return true end
  if effort then return effort ~= "none" end
  return version >= 5.5
end

-- Only gpt-5 and later know more than "medium", and not those made for coding or chat.
function openai_models.takes_verbosity(model, verbosity)
  local name, version = family(model)
  if not name or verbosity == "medium" then return true end
  return name == "gpt" and version >= 5 and openai_models.reasons(model) and not model:find("-codex", 1, true)
end

-- The o series refuses to be told how many tools to call at once.
function openai_models.takes_parallel(model)
  return family(model) ~= "o"
end

-- Chat completions search with models made for it only: gpt-4o-search-preview, gpt-5-search-api.
function openai_models.searches(model)
  return family(model) ~= nil and model:find("-search", 1, true) ~= nil
end

function openai_models.has_breakpoints(model)
  local name, version = family(model)
  return name == "gpt" and version >= 5.6
end

return openai_models
