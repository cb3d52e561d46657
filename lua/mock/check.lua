-- Checks that several formats share. Each returns nil when all is well, else a failure.
local failure = require "mock.failure"
local json = require "gateyes.json"

local check = {}

-- Top-level nulls mean "absent" to every provider.
function check.clean(body)
  for key, value in pairs(body) do
    if value == json.null then body[key] = nil end
  end
  return body
end

function check.array(value)
  return type(value) == "table" and #value > 0
end

function check.number(body, key, low, high)
  local value = body[key]
  if value == nil then return nil end
  if type(value) ~= "number" then
    return failure.bad("Invalid type for '" .. key .. "': expected a number.", key, "invalid_type")
  end
  if value < low or value > high then
    local side = value < low and { "below minimum", ">= " .. low } or { "above maximum", "<= " .. high }
    return failure.bad(("Invalid '%s': decimal %s value. Expected a value %s, but got %s instead.")
      :format(key, side[1], side[2], value), key,
      value < low and "decimal_below_min_value" or "decimal_above_max_value")
  end
end

function check.integer(body, key, low, high)
  local value = body[key]
  if value == nil then return nil end
  if type(value) ~= "number" or value % 1 ~= 0 then
    return failure.bad("Invalid type for '" .. key .. "': expected an integer.", key, "invalid_type")
  end
  if value < low then
    return failure.bad(("Invalid '%s': integer below minimum value. Expected a value >= %d, but got %d instead.")
      :format(key, low, value), key, "integer_below_min_value")
  end
  if value > (high or math.huge) then
    return failure.bad(("Invalid '%s': integer above maximum value. Expected a value <= %d, but got %d instead.")
      :format(key, high, value), key, "integer_above_max_value")
  end
end

function check.required(body, keys)
  for _, key in ipairs(keys) do
    if body[key] == nil then
      return failure.bad("Missing required parameter: '" .. key .. "'.", key, "missing_required_parameter")
    end
  end
  if body.model ~= nil and (type(body.model) ~= "string" or body.model == "") then
    return failure.bad("Invalid type for 'model': expected a string.", "model", "invalid_type")
  end
end

-- known is a text of field names between spaces.
function check.unknown(body, known)
  for key in pairs(body) do
    if not known:find(" " .. key .. " ", 1, true) then
      return failure.bad("Unknown parameter: '" .. key .. "'.", key, "unknown_parameter")
    end
  end
end

function check.tool_name(name, param)
  if type(name) ~= "string" or not name:match("^[%w_%-]+$") or #name > 64 then
    return failure.bad("Invalid '" .. param .. "': expected ^[a-zA-Z0-9_-]{1,64}$.", param, "invalid_value")
  end
end

function check.identifier(id, param)
  if type(id) ~= "string" or id == "" then
    return failure.bad("Missing required parameter: '" .. param .. "'.", param, "missing_required_parameter")
  end
  if #id > 40 then
    return failure.bad(("Invalid '%s': string too long. Expected a string with maximum length 40, but got a string "
      .. "with length %d instead."):format(param, #id), param, "string_above_max_length")
  end
end

-- The first failure of a list of checks; each item may be nil.
function check.first(...)
  for i = 1, select("#", ...) do
    local found = select(i, ...)
    if found then return found end
  end
end

return check
