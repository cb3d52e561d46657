-- What clients of POST /v1/completions speak. https://platform.openai.com/docs/api-reference/completions
-- Servers that know it get the bytes as they are; for all others the prompt becomes one user turn.
local json = require "gateyes.json"
local fields = require "gateyes.fields"
local chat = require "dialects.chat"
local completions_reply = require "gateyes.completions_reply"

local dialect = { name = "completions" }

local plain = {
  temperature = "number", top_p = "number", top_k = "integer", min_p = "number", presence_penalty = "number",
  frequency_penalty = "number", repetition_penalty = "number", n = "integer", seed = "long", max_tokens = "integer",
  user = "string", stream = "boolean", model = "string", echo = "boolean",
}

local remedy = "send one request per prompt, or name a model whose provider speaks /v1/completions itself"

local function decode_prompt(read, text, request)
  local prompt = json.decode(text)
  if fields.kind_of(prompt) == "list" and #prompt > 1 and type(prompt[1]) == "string" then
    return read:refuse("prompt", "holds " .. #prompt .. " prompts, and this model takes one: " .. remedy)
  end
  if fields.kind_of(prompt) == "list" and type(prompt[1]) ~= "string" then
    return read:refuse("prompt", "holds token numbers, which mean nothing to this model: send text")
  end
  if fields.kind_of(prompt) == "list" then prompt = prompt[1] end
  prompt = read:check(prompt, "string", "prompt", "send the prompt as text")
  if prompt == "" then return read:refuse("prompt", "is empty: send text to complete") end
  request.turns = prompt and { { role = "user", parts = { { type = "text", text = prompt } } } }
end

local function decode_stop(read, text, request)
  local stop = json.decode(text)
  request.stop = type(stop) == "string" and { stop } or read:strings(stop, "stop")
end

-- A count here: how many alternatives each token comes with.
local function decode_logprobs(read, text, request)
  local count = read:check(json.decode(text), "integer", "logprobs")
  request.logprobs = count ~= nil or nil
  request.top_logprobs = count ~= 0 and count or nil
  request.fields.top_logprobs = "logprobs"
end

local function decode_stream_options(read, text, request)
  local options = read:check(json.decode(text), "object", "stream_options")
  request.include_usage = options and read:get(options, "boolean", "include_usage") or nil
end

local decoders = { prompt = decode_prompt, stop = decode_stop, logprobs = decode_logprobs,
  stream_options = decode_stream_options,
  logit_bias = function(read, text, request)
    request.logit_bias = read:check(json.raw(text), "object", "logit_bias")
  end }

local function decode_field(read, name, text, request)
  if text == "null" then return end
  if decoders[name] then
    decoders[name](read, text, request)
  elseif plain[name] then
    request[name] = read:check(json.decode(text), plain[name], name)
  else
    request.extra[name] = json.raw(text)
  end
  if request[name] ~= nil then request.fields[name] = name end
end

function dialect.decode(body)
  local texts, names = fields.members(body)
  if not texts then return nil, names end
  local read = fields.reader()
  local request = { extra = {}, extra_format = "completions", fields = { messages = "prompt" } }
  for _, name in ipairs(names) do
    decode_field(read, name, texts[name], request)
    if read.failure then return nil, read.failure end
  end
  read:need(request, "string", "model", "name the model")
  if not request.turns then read:need(request, "string", "prompt", "send the text to complete") end
  if read.failure then return nil, read.failure end
  request.stream = request.stream == true
  if next(request.extra) == nil then request.extra = nil end
  return request
end

function dialect.encode(reply, context)
  return completions_reply.encode(reply, context)
end

function dialect.new_stream(context)
  return completions_reply.new_stream(context)
end

function dialect.encode_event(state, event)
  if event.type == "error" then return dialect.encode_stream_error(state, event.failure) end
  return completions_reply.encode_event(state, event)
end

dialect.encode_error = chat.encode_error
dialect.encode_stream_error = chat.encode_stream_error

return dialect
