-- Web search as a tool that the provider runs: the one such tool that all three protocols have. Each has its own words
-- for where to search and from where; here they are one table:
--   { domains = { "…" }, blocked = { "…" }, uses = n, size = "low",
--     location = { city =, country =, region =, timezone = } }
--   messages:  https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool (web_search_20250305)
--   responses: https://platform.openai.com/docs/guides/tools-web-search (tools of type web_search)
--   chat:      the same page (web_search_options of the models that always search)
local json = require "gateyes.json"

local web_search = {}

-- What all protocols call it here, and Anthropic on its wire.
web_search.name = "web_search"

local function table_of(value)
  return type(value) == "table" and value or {}
end

local function texts_of(list)
  local texts = {}
  for _, text in ipairs(table_of(list)) do
    if type(text) == "string" then texts[#texts + 1] = text end
  end
  return texts[1] and texts or nil
end

local function location_of(given)
  local location = {}
  for _, name in ipairs { "city", "country", "region", "timezone" } do
    if type(table_of(given)[name]) == "string" then location[name] = given[name] end
  end
  return next(location) and location or nil
end

local function word(value)
  return type(value) == "string" and value or nil
end

-- Decoded tool of a Messages or Responses request -> search, or nil when it is another tool.
function web_search.of_tool(tool)
  if not (word(tool.type) or ""):find("^web_search") then return nil end
  local uses = type(tool.max_uses) == "number" and tool.max_uses or nil
  return {
    domains = texts_of(tool.allowed_domains) or texts_of(table_of(tool.filters).allowed_domains),
    blocked = texts_of(tool.blocked_domains), location = location_of(tool.user_location), uses = uses,
    size = word(tool.search_context_size),
  }
end

function web_search.of_options(options)
  local location = table_of(table_of(options).user_location)
  return { location = location_of(location.approximate or location), size = word(options.search_context_size) }
end

local clients_words = { domains = "allowed_domains", blocked = "blocked_domains", uses = "max_uses",
  size = "search_context_size" }

-- report(field) is called for each wish that the protocol has no word for.
local function report_all(tool, names, report)
  for _, name in ipairs(names) do
    if tool.search[name] then report((tool.field or "tools." .. tool.name) .. "." .. clients_words[name]) end
  end
end

local function approximate(location)
  if not location then return nil end
  local made = { type = "approximate" }
  for name, value in pairs(location) do made[name] = value end
  return made
end

local function list(texts)
  return texts and json.array { unpack(texts) }
end

-- tool: a canonical one with `search`. -> what the protocol has for it, as a table
function web_search.for_messages(tool, report)
  local search = tool.search
  report_all(tool, { "size" }, report)
  return { type = "web_search_20250305", name = web_search.name, allowed_domains = list(search.domains),
    blocked_domains = list(search.blocked), user_location = approximate(search.location), max_uses = search.uses }
end

function web_search.for_responses(tool, report)
  local search = tool.search
  report_all(tool, { "blocked", "uses" }, report)
  return { type = "web_search", filters = search.domains and { allowed_domains = list(search.domains) },
    user_location = approximate(search.location), search_context_size = search.size }
end

function web_search.for_chat(tool, report)
  local search = tool.search
  report_all(tool, { "domains", "blocked", "uses" }, report)
  local location = search.location and { type = "approximate", approximate = search.location }
  return { user_location = location, search_context_size = search.size }
end

return web_search
