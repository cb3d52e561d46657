-- Ids of tool calls, fitted to what a provider accepts. The same id always gives the same one, so that a call and its
-- result still belong together.
local openai_ids = {}

local longest = 40
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

return openai_ids
