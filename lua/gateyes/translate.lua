-- One request on its way between a dialect and an adapter: the only Lua that C calls on the request path.
-- A translation is opened once (the client's body is decoded once) and encoded for each target that is tried.
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"

local translate = {}

-- Fields that every adapter handles or that carry no wish of the client for the model.
local structural = {
  model = true, stream = true, system = true, turns = true, fields = true, extra = true, extra_format = true,
  include_usage = true, kind = true, echo = true, store = true, input_items = true,
}

local function module(kind, name)
  return require(kind .. "." .. name)
end

local function bug(message)
  return canonical.failure(500, "api_error", message, nil, "translation_error")
end

-- Stored responses of one owner, as a dialect may read them.
local function responses_of(owner)
  local store = require "gateyes.responses"
  return {
    get = function(id) return store.get(owner, id) end,
    item = function(id) return store.item(owner, id) end,
  }
end

-- settings: dialect, body, public_model, stream, include_usage, now, owner, request_id, response_id
-- Returns the translation, or nil and a failure.
function translate.open(settings)
  local dialect = module("dialects", settings.dialect)
  local context = {
    dialect = settings.dialect, public_model = settings.public_model, model = settings.public_model,
    stream = settings.stream, include_usage = settings.include_usage, now = settings.now, id = gateyes_id,
    request_id = settings.request_id, response_id = settings.response_id,
    responses = settings.dialect == "responses" and responses_of(settings.owner) or nil, info = {}, provider = {},
  }
  context.drop = function(field, reason) context.dropped[#context.dropped + 1] = { field = field, reason = reason } end
  context.dropped = {}
  local request, failure = dialect.decode(settings.body, context)
  if not request then return nil, failure or bug("the request could not be read") end
  request.stream = settings.stream
  context.request = request
  return { dialect = dialect, context = context, request = request, early = context.dropped }
end

local function has_names(turns)
  for _, turn in ipairs(turns or {}) do
    if turn.name then return true end
  end
end

local function report_untaken(request, adapter, context)
  local fields = request.fields or {}
  if not adapter.takes.turn_names and has_names(request.turns) then context.drop("messages.name") end
  for name in pairs(request) do
    if not structural[name] and not adapter.takes[name] then context.drop(fields[name] or name) end
  end
  for _, tool in ipairs(request.tools or {}) do
    for _, name in ipairs(tool.others or {}) do context.drop(name) end
  end
  if request.extra and request.extra_format ~= adapter.extra_format then
    for name in pairs(request.extra) do context.drop(name) end
  end
end

-- What many clients send with every request though it is how things are without it.
local ordinary = { n = 1, best_of = 1, presence_penalty = 0, frequency_penalty = 0, repetition_penalty = 1, min_p = 0,
  logprobs = false, top_logprobs = 0 }

-- Does the client's value ask for nothing? Then nothing is lost without it.
local function is_idle(request, name)
  local value = request[name]
  if value == nil then value = request.extra and request.extra[name] end
  if value == nil then return false end
  if json.is_raw(value) then
    local text = json.raw_text(value):gsub("%s", "")
    return text == "{}" or text == "[]" or text == tostring(ordinary[name])
  end
  if name == "modalities" then return #value == 1 and value[1] == "text" end
  return value == ordinary[name]
end

-- Sorted and without repeats, so that the header reads the same each time.
local function names_of(dropped, request)
  local seen, names = {}, {}
  for _, entry in ipairs(dropped) do
    if not seen[entry.field] and not is_idle(request, entry.field) then
      seen[entry.field] = true
      names[#names + 1] = entry.field
    end
  end
  table.sort(names)
  return names
end

local function strict_failure(target, names)
  local message = "the target " .. target.provider.name .. "/" .. target.model .. " cannot take: "
    .. table.concat(names, ", ") .. "; leave the field out, choose another model, or set strict = false"
  return canonical.failure(400, "invalid_request_error", message, names[1], "unsupported_parameter")
end

-- target: adapter, model, provider = { name, preset, api_version }, info, strict, most_output (what is reserved)
-- Returns path, body, headers (list of {name, value}), names of dropped fields; or nil and a failure.
function translate.encode(translation, target)
  local adapter = module("adapters", target.adapter)
  local context = translation.context
  translation.adapter, translation.state, translation.events = adapter, nil, nil
  context.adapter, context.model = target.adapter, target.model
  context.provider, context.info = target.provider, target.info
  context.dropped = { unpack(translation.early) }
  local request = {}
  for name, value in pairs(translation.request) do request[name] = value end
  request.model = target.model
  local most = target.most_output
  if most and not request.kind then request.max_tokens = math.min(request.max_tokens or most, most) end
  if request.kind and not (adapter.kinds and adapter.kinds[request.kind]) then
    return nil, canonical.invalid("model", "this model gives no embeddings: name an embeddings model")
  end
  local encoded, failure = adapter.encode(request, context)
  if not encoded then return nil, failure or bug("the request could not be written") end
  report_untaken(translation.request, adapter, context)
  local names = names_of(context.dropped, translation.request)
  if target.strict and #names > 0 then
    return nil, strict_failure(target, names)
  end
  return encoded.path, encoded.body, encoded.headers, names
end

local function text_of_parts(parts, out)
  for _, part in ipairs(parts) do
    local text = part.text or part.arguments
    if text then out[#out + 1] = text end
  end
end

-- Body of a whole reply. Returns the client's body, usage, finish, and the produced text (for an estimate when the
-- provider gave no usage); or nil and a failure.
function translate.reply(translation, body)
  local reply, failure = translation.adapter.decode(body, translation.context)
  if not reply then return nil, failure or bug("the provider's reply could not be read") end
  local texts, first = {}, reply.choices[1]
  for _, choice in ipairs(reply.choices) do text_of_parts(choice.parts, texts) end
  return translation.dialect.encode(reply, translation.context), reply.usage, first and first.finish,
    reply.usage and "" or table.concat(texts, " ")
end

local function merge_usage(into, usage)
  for name, value in pairs(usage) do into[name] = value end
  return into
end

local function is_content(event)
  if event.type == "part_start" then return event.part.type == "tool_call" or event.part.type == "raw" end
  if event.type ~= "part_delta" then return false end
  local text = event.text or event.arguments or event.audio or event.transcript or event.summary
  return text ~= nil and text ~= ""
end

-- Turns events into the client's frames. Result fields: out (text), content (the first token has come), ended, failure,
-- usage, finish, text.
local function encode_events(translation, events)
  local result = { out = "" }
  local out, texts = {}, {}
  local encode_event, state = translation.dialect.encode_event, translation.client_state
  for _, event in ipairs(events) do
    if event.type == "error" then
      result.failure = event.failure
      break
    end
    if event.type == "usage" then
      translation.usage = merge_usage(translation.usage or {}, event.usage)
      result.usage = translation.usage
    elseif event.type == "finish" then
      result.finish = event.reason
    elseif event.type == "part_delta" then
      texts[#texts + 1] = event.text or event.arguments
    elseif event.type == "end" then
      result.ended = true
    end
    result.content = result.content or is_content(event)
    out[#out + 1] = encode_event(state, event)
    if result.ended then break end
  end
  result.out = table.concat(out)
  result.text = table.concat(texts)
  return result
end

-- What C needs to write the next deltas of a text by itself: see docs/canonical.md, "Steady text".
local function steady_of(translation, last)
  local adapter, dialect = translation.adapter, translation.dialect
  if last.type ~= "part_delta" or not last.text or last.logprobs then return nil end
  if not (adapter.steady and dialect.steady) then return nil end
  local source = adapter.steady(translation.state, last)
  local plan = source and dialect.steady(translation.client_state, last)
  if not plan then return nil end
  translation.steady_event = last
  plan.format, plan.kind, plan.index = source.format, source.kind, source.index
  return plan
end

-- Deltas of the steady text that C wrote: their number, that of their characters, and the text where the plan asked.
function translate.catch_up(translation, events, characters, text)
  local missed = { events = events, characters = characters, text = text }
  translation.dialect.catch_up(translation.client_state, translation.steady_event, missed)
end

-- Content has reached the client: no other target can take over, and both sides of the stream have read what they
-- wanted of the request. Streams are many and long.
local function forget_request(translation)
  translation.request, translation.early, translation.context.request = nil, nil, nil
end

-- One SSE event of the provider.
function translate.event(translation, name, data)
  if not translation.state then
    translation.state = translation.adapter.new_stream(translation.context)
    translation.client_state = translation.dialect.new_stream(translation.context)
  end
  local events = translation.adapter.decode_event(translation.state, name, data)
  if #events == 0 then return nil end
  local result = encode_events(translation, events)
  if result.content and translation.request then forget_request(translation) end
  result.steady = steady_of(translation, events[#events])
  return result
end

-- The provider closed the stream: what its adapter makes of it.
function translate.end_stream(translation)
  if not translation.state then
    local failure = canonical.failure(502, "api_error", "the provider sent no events", nil, "upstream_cut")
    return { out = "", failure = failure }
  end
  return encode_events(translation, translation.adapter.end_stream(translation.state))
end

-- Frames that tell the client its stream broke. Valid before the first event, too.
function translate.stream_error(translation, failure)
  translation.client_state = translation.client_state or translation.dialect.new_stream(translation.context)
  return translation.dialect.encode_stream_error(translation.client_state, failure)
end

-- An answer that no provider gave: whole, or as all the frames of a stream.
function translate.answer(translation, text)
  local context, dialect = translation.context, translation.dialect
  local head = { id = gateyes_id("gen_"), model = context.public_model, created = context.now }
  local usage = { input = 0, output = 0 }
  if not context.stream then
    head.choices = { { index = 0, parts = { { type = "text", text = text } }, finish = "stop" } }
    head.usage = usage
    return dialect.encode(head, context)
  end
  translation.client_state = dialect.new_stream(context)
  head.type = "start"
  return encode_events(translation, {
    head, { type = "part_start", index = 0, choice = 0, part = { type = "text" } },
    { type = "part_delta", index = 0, choice = 0, text = text }, { type = "part_stop", index = 0, choice = 0 },
    { type = "usage", usage = usage }, { type = "finish", choice = 0, reason = "stop" }, { type = "end" },
  }).out
end

-- The provider's error, in its own meaning: a failure.
-- status 0: the body is an event of a stream, which has none.
function translate.provider_error(adapter_name, status, headers, body)
  if status == 0 then status = nil end
  return module("adapters", adapter_name).decode_error(status, headers, body)
end

-- Full JSON of a finished streamed response, where the dialect keeps one (responses).
function translate.final_text(translation)
  return translation.client_state and translation.client_state.final_text
end

-- A responses body with stored context put in place of ids: new body, or nil and a failure.
function translate.expand(owner, body)
  return module("dialects", "responses").expand(body, { responses = responses_of(owner) })
end

-- The id of an item in it that may be another owner's, or nil.
function translate.foreign(owner, body)
  return module("dialects", "responses").foreign(body, { responses = responses_of(owner) })
end

-- What C needs to know of an adapter to relay bytes without entering Lua.
function translate.describe(name)
  local adapter = module("adapters", name)
  return {
    native = adapter.native or {}, auth = adapter.auth, headers = adapter.headers or {}, relay = adapter.relay or {},
    limits = adapter.limits or {},
  }
end

return translate
