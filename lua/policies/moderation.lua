-- Asks a moderation endpoint that speaks OpenAI's protocol (platform.openai.com/docs/api-reference/moderations). A
-- secret of the name moderation_key is sent as a bearer token.
local gateyes = require "gateyes"
local guards = require "gateyes.guards"

local has_key, key = pcall(gateyes.secret, "moderation_key", "Bearer ")

-- Categories of one result that count: over their threshold, or flagged where there is none.
local function add_categories(result, settings, seen)
  local scores = type(result.category_scores) == "table" and result.category_scores or {}
  local flags = type(result.categories) == "table" and result.categories or {}
  for name, flag in pairs(flags) do
    local threshold, score = settings.thresholds[name], scores[name]
    local counts = flag == true
    if threshold and type(score) == "number" then counts = score >= threshold end
    if counts and not settings.ignored[name] then seen[name] = true end
  end
end

local function names_of(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function judge(subject, context)
  local settings, input, ignored = context.settings, gateyes.json.array {}, {}
  for i, text in ipairs(subject.texts) do input[i] = text.text end
  for _, name in ipairs(settings.ignored) do ignored[name] = true end
  local reply, why = guards.ask { url = settings.url, timeout_ms = settings.timeout_ms,
    headers = has_key and { authorization = key } or nil, json = { model = settings.model, input = input } }
  if not reply then return nil, why end
  if type(reply.results) ~= "table" or #reply.results ~= #input then return nil, "no results" end
  local seen = {}
  for _, result in ipairs(reply.results) do
    if type(result) ~= "table" then return nil, "no results" end
    add_categories(result, { thresholds = settings.thresholds, ignored = ignored }, seen)
  end
  local names = names_of(seen)
  if #names == 0 then return {} end
  local list = table.concat(names, " ")
  return { blocks = settings.action == "block", reason = list, tags = { moderation = gateyes.text.truncate(list, 128) },
    message = "content of these categories is not allowed here: " .. table.concat(names, ", ") }
end

return guards.hooks({
  name = "moderation",
  about = "Asks a moderation endpoint about requests and replies.",
  settings = guards.settings {
    url = { type = "string", default = "https://api.openai.com/v1/moderations",
            about = "The endpoint; its host has to be among `tenant_hosts`." },
    model = { type = "string", default = "omni-moderation-latest", about = "The model that judges." },
    action = { type = "string", default = "block", one_of = { "block", "tag" },
               about = "What happens when something is flagged." },
    thresholds = { type = "map", default = {},
                   about = "Scores from which a category counts, in place of the endpoint's flag." },
    ignored = { type = "list", default = {}, about = "Categories that do not count." },
  },
}, judge)
