-- What clients of POST /v1/embeddings speak. https://platform.openai.com/docs/api-reference/embeddings
-- An embedding cannot be had from a model that generates text, so only providers that speak this themselves serve it;
-- what is here reads a request for those who have to look into it, and writes it and its reply again.
local json = require "gateyes.json"
local fields = require "gateyes.fields"
local chat = require "dialects.chat"

local dialect = { name = "embeddings" }

local plain = { model = "string", dimensions = "integer", user = "string", encoding_format = "string" }

-- A text, texts, a list of tokens, or lists of tokens.
local function check_input(read, text)
  local input = json.decode(text)
  local kind = fields.kind_of(input)
  if kind ~= "string" and kind ~= "list" or input == "" or kind == "list" and #input == 0 then
    return read:refuse("input", "must be a text or an array that is not empty: send what to embed")
  end
  if kind == "string" then return { input } end
  local texts = {}
  for i = 1, #input do
    local each = fields.kind_of(input[i])
    if each == "string" then
      texts[#texts + 1] = input[i]
    elseif each ~= "number" and each ~= "list" then
      return read:refuse("input." .. i - 1, "must be a text, a token or an array of tokens")
    end
  end
  return texts
end

local function decode_field(read, name, text, request)
  if text == "null" then return end
  request.fields[name] = name
  if name == "input" then
    request.texts, request.input = check_input(read, text), json.raw(text)
  elseif plain[name] then
    request[name] = read:check(json.decode(text), plain[name], name)
  else
    request.extra[name] = json.raw(text)
  end
end

function dialect.decode(body)
  local texts, names = fields.members(body)
  if not texts then return nil, names end
  local read = fields.reader()
  local request = { kind = "embed", extra = {}, extra_format = "embeddings", fields = {} }
  for _, name in ipairs(names) do
    decode_field(read, name, texts[name], request)
    if read.failure then return nil, read.failure end
  end
  read:need(request, "string", "model", "name the model")
  if not request.input then read:need(request, "string", "input", "send what to embed") end
  if read.failure then return nil, read.failure end
  if next(request.extra) == nil then request.extra = nil end
  return request
end

-- The reply is the provider's own text: nobody translates numbers.
function dialect.encode(reply)
  return json.raw_text(reply.embeddings)
end

dialect.encode_error = chat.encode_error

return dialect
