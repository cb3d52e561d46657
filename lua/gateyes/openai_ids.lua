-- Ids of tool calls and users, fitted to what a provider accepts. The same id always gives the same one, so that a call
-- and its result still belong together.
local openai_models = require "gateyes.openai_models"

local openai_ids = {}

local longest, longest_user = 40, 64
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

-- OpenAI refuses a user of more than 64 characters; what agents send as one is longer. Other servers are taken at their
-- word.
function openai_ids.user(user, model)
  if type(user) ~= "string" or #user <= longest_user or openai_models.reasons(model) == nil then return user end
  return user:sub(1, longest_user - 10):gsub("[\192-\255]?[\128-\191]*$", "") .. "_" .. nine(user)
end

return openai_ids
