-- What a Claude model takes, read from its name. Anthropic refuses with 400 what a model does not take.
-- Sources (platform.claude.com/docs): build-with-claude/thinking-troubleshooting, build-with-claude/effort,
-- build-with-claude/structured-outputs, build-with-claude/mid-conversation-system-messages and the migration guides.
local model = {}

-- Groups of digits between separators. Eight digits are a snapshot's date and "v1" is a revision: both end it.
local function version_of(name)
  local numbers = {}
  for at, digits in name:gmatch("()(%d+)") do
    if #digits > 2 or name:sub(at - 1, at - 1) == "v" then break end
    numbers[#numbers + 1] = tonumber(digits)
    if #numbers == 2 then break end
  end
  if not numbers[1] then return nil end
  return numbers[1] * 100 + (numbers[2] or 0)
end

local function family_of(name)
  for _, family in ipairs { "opus", "sonnet", "haiku", "fable", "mythos" } do
    if name:find(family, 1, true) then return family end
  end
end

-- Names that are not Claude's (servers that merely speak the protocol) get the oldest widely copied surface.
local other = {
  thinking = true, budget = true, adaptive = false, disable = true, sampling = true, sampling_pair = true,
  effort = false, schema = false, forced_tools = true, system_turns = false, search = false,
}

local function always_thinks(family, version)
  return family == "fable" or family == "mythos" or family == "opus" and version >= 505
end

local function of_version(family, version)
  local always = always_thinks(family, version)
  return {
    thinking = version >= 307,
    budget = version >= 307 and version <= 406,
    adaptive = version >= 406,
    disable = not always and not (family == "sonnet" and version >= 505),
    between_tools = family == "sonnet" and version >= 505,
    on_by_default = version >= 500,
    sampling = version <= 406,
    sampling_pair = version <= 400,
    effort = version >= 406 or family == "opus" and version == 405,
    effort_xhigh = version >= 407,
    effort_max = version >= 406,
    schema = version >= 405 or family == "opus" and version == 401,
    forced_tools = not (always and version >= 501),
    system_turns = version >= 408,
    search = version >= 305,
  }
end

-- Words of the configuration that mean the same for every provider.
local general = { reasoning = "thinking", structured_output = "schema" }

-- `capabilities` (a set of the configuration's words, may be nil) overrides what the name says: a field's name turns it
-- on, the name behind "no_" turns it off.
function model.profile(name, capabilities)
  name = (name or ""):lower()
  local found = other
  if name:find("claude", 1, true) then
    local family = family_of(name)
    local version = version_of(name)
    if not version then version = (family == "mythos" or family == "fable") and 500 or nil end
    if version then found = of_version(family, version) end
  end
  local profile = {}
  for field, value in pairs(found) do profile[field] = value end
  for word in pairs(capabilities or {}) do
    local off = word:sub(1, 3) == "no_"
    local field = off and word:sub(4) or word
    profile[general[field] or field] = not off
  end
  return profile
end

return model
