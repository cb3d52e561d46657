-- POST /v1/embeddings. Source: OpenAI API reference, "Embeddings".
local ffi = require "ffi"
local check = require "mock.check"
local failure = require "mock.failure"
local native = require "mock.native"
local shape = require "mock.shape"
local text = require "mock.text"

local embeddings = { error_body = failure.openai }

local FIELDS = " model input dimensions encoding_format user "
local DEFAULT_DIMENSIONS, DIMENSIONS_MAX = 16, 4096

-- A list of { key = text that decides the vector, tokens = n }, or nil.
local function read_inputs(input)
  if type(input) == "string" then return { { key = input, tokens = text.tokens(input) } } end
  if type(input) ~= "table" or #input == 0 then return nil end
  if type(input[1]) == "number" then
    for _, token in ipairs(input) do
      if type(token) ~= "number" then return nil end
    end
    return { { key = table.concat(input, ","), tokens = #input } }
  end
  local out = {}
  for i, one in ipairs(input) do
    local inner = read_inputs(one)
    if not inner or one == "" then return nil end
    out[i] = inner[1]
  end
  return out
end

-- Numbers between -1 and 1 that depend on the input alone, of unit length.
local function vector(key, dimensions)
  local out, sum = {}, 0
  local state = tonumber(native.sha256(key):sub(1, 8), 16) % 2147483646 + 1
  for i = 1, dimensions do
    state = (state * 48271) % 2147483647
    out[i] = state / 2147483647 * 2 - 1
    sum = sum + out[i] * out[i]
  end
  local norm = math.sqrt(sum)
  for i = 1, dimensions do out[i] = out[i] / norm end
  return out
end

local function write(values, format)
  if format == "base64" then
    local floats = ffi.new("float[?]", #values, values)
    return text.quote(native.base64(ffi.string(floats, 4 * #values)))
  end
  local out = {}
  for i, value in ipairs(values) do out[i] = text.number(value) end
  return text.array(out)
end

local function run_checks(body, set)
  local format = body.encoding_format
  if format ~= nil and format ~= "float" and format ~= "base64" then
    return failure.bad("Invalid value for 'encoding_format'.", "encoding_format", "invalid_value")
  end
  return check.required(body, { "model", "input" }) or (set.strict and check.unknown(body, FIELDS))
    or check.integer(body, "dimensions", 1, DIMENSIONS_MAX)
end

function embeddings.direct(body, set)
  local wrong = shape.check(body, "embeddings") or not set.lax and run_checks(body, set)
  if wrong then return nil, wrong end
  local inputs = read_inputs(body.input)
  if not inputs or body.input == "" then return nil, failure.bad("'$.input' is invalid.", "input") end
  local items, tokens = {}, 0
  for i, input in ipairs(inputs) do
    local values = vector(input.key, math.min(body.dimensions or DEFAULT_DIMENSIONS, DIMENSIONS_MAX))
    tokens = tokens + input.tokens
    items[i] = text.object("object", '"embedding"', "index", text.number(i - 1),
      "embedding", write(values, body.encoding_format))
  end
  tokens = set["in"] or tokens
  local usage = text.object("prompt_tokens", text.number(tokens), "total_tokens", text.number(tokens))
  return text.object("object", '"list"', "data", text.array(items), "model", text.quote(body.model or "mock"),
    "usage", set.usage ~= "missing" and usage or nil)
end

return embeddings
