-- Ids of tool calls and users and names of tools, fitted to what a provider accepts. The same one always becomes the
-- same, so that a call and its result still belong together.
local openai_models = require "gateyes.openai_models"

local openai_ids = {}

local longest, longest_user, longest_name = 40, 64, 64
local digits = "0123456789abcdefghijklmnopqrstuvwxyz"

-- Both moduli are primes below 2^26, so that products stay whole in a double.
local function hash(text, factor, modulus)
  local sum = 7
  for i = 1, #text do sum = (sum * factor + text:byte(i)) % modulus end
  return sum
end

local function base36(number, width)
  local out = {}
  for i = width, 1, -1 do
    local digit = number % 36
    out[i] = digits:sub(digit + 1, digit + 1)
    number = (number - digit) / 36
  end
  return table.concat(out)
end

local function nine(id)
  return base36(hash(id, 31337, 67108859), 5) .. base36(hash(id, 65599, 1679609), 4)
end

-- `pattern` is the preset's, or nil for OpenAI's rule: at most 40 characters.
function openai_ids.call_id(id, pattern)
  if pattern then return id:match(pattern) and id or nine(id) end
  if #id <= longest then return id end
  return id:sub(1, longest - 10) .. "_" .. nine(id)
end

-- OpenAI and most servers like it refuse a tool's name of more than 64 characters; Anthropic takes 128, and the names
-- of MCP tools are long. https://platform.openai.com/docs/api-reference/chat/create (tools.function.name)
function openai_ids.tool_name(name)
  if #name <= longest_name then return name end
  return name:sub(1, longest_name - 10) .. "_" .. nine(name)
end

-- Shortened name -> the client's own, for the tools of a request (may be nil); nil where none was shortened.
function openai_ids.long_names(request)
  local names
  for _, tool in ipairs(request and request.tools or {}) do
    if tool.name and #tool.name > longest_name then
      names = names or {}
      names[openai_ids.tool_name(tool.name)] = tool.name
    end
  end
  return names
end

-- OpenAI refuses a user of more than 64 characters; what agents send as one is longer. Other servers are taken at their
-- word.
function openai_ids.user(user, model)
  if type(user) ~= "string" or #user <= longest_user or openai_models.reasons(model) == nil then return user end
  return user:sub(1, longest_user - 10):gsub("[\192-\255]?[\128-\191]*$", "") .. "_" .. nine(user)
end

return openai_ids
