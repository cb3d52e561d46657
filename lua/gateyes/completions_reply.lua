-- Canonical reply and events -> text_completion objects.
-- https://platform.openai.com/docs/api-reference/completions/object
local json = require "gateyes.json"
local usage = require "gateyes.usage"
local chat_words = require "gateyes.chat_words"

local completions_reply = {}

local finish_words = { length = "length", content_filter = "content_filter", error = "error" }

local function finish_reason(finish)
  return finish_words[chat_words.finish_reason(finish)] or "stop"
end

-- The prompt that comes before each text of a client that asked for its echo.
local function echo_of(context)
  local request = context.request
  return request and request.echo and request.turns[1].parts[1].text or ""
end

local function alternatives(token)
  local tops = {}
  for _, each in ipairs(type(token.top_logprobs) == "table" and token.top_logprobs or {}) do
    if type(each) == "table" and type(each.token) == "string" then tops[each.token] = each.logprob end
  end
  return tops
end

local function characters(text)
  local _, count = text:gsub("[^\128-\191]", "")
  return count
end

-- Chat lists one object per token, completions one array per property. `offset` counts the characters before the first.
local function logprobs_of(raw, offset)
  local decoded = raw and json.decode(json.raw_text(raw))
  local content = type(decoded) == "table" and decoded.content
  if type(content) ~= "table" or #content == 0 then return json.null end
  local tokens, values, tops, offsets = {}, {}, {}, {}
  for _, token in ipairs(content) do
    if type(token) == "table" and type(token.token) == "string" then
      local i = #tokens + 1
      tokens[i], values[i], tops[i], offsets[i] = token.token, token.logprob or json.null, alternatives(token), offset
      offset = offset + characters(token.token)
    end
  end
  return { tokens = json.array(tokens), token_logprobs = json.array(values), top_logprobs = json.array(tops),
    text_offset = json.array(offsets) }
end

local shown = { text = true, refusal = true }

local function text_of(parts)
  local texts = {}
  for _, part in ipairs(parts) do
    if shown[part.type] then texts[#texts + 1] = part.text end
  end
  return table.concat(texts)
end

function completions_reply.encode(reply, context)
  local choices, echo = {}, echo_of(context)
  for i, choice in ipairs(reply.choices) do
    choices[i] = { index = choice.index, text = echo .. text_of(choice.parts),
      logprobs = logprobs_of(choice.logprobs, characters(echo)), finish_reason = finish_reason(choice.finish) }
  end
  return json.encode {
    id = reply.id or context.id "cmpl-", object = "text_completion", created = reply.created or context.now,
    model = reply.model or context.model, choices = json.array(choices),
    usage = reply.usage and usage.to_openai(reply.usage), system_fingerprint = reply.system_fingerprint,
  }
end

function completions_reply.new_stream(context)
  local request = context.request
  return { context = context, include_usage = context.include_usage, echo = echo_of(context), choices = {},
    counts = request and request.logprobs }
end

local function begin(state, event)
  local context = state.context
  state.head = 'data: {"id":' .. json.quote(event.id or context.id "cmpl-") .. ',"object":"text_completion","created":'
    .. json.encode(event.created or context.now) .. ',"model":' .. json.quote(event.model or context.model)
    .. ',"choices":['
  return ""
end

local function chunk(state, choice, text, logprobs, reason)
  return state.head .. '{"index":' .. choice.number .. ',"text":' .. json.quote(text) .. ',"logprobs":'
    .. json.encode(logprobs_of(logprobs, choice.length))
    .. ',"finish_reason":' .. (reason and json.quote(reason) or "null")
    .. (state.include_usage and '}],"usage":null}\n\n' or "}]}\n\n")
end

local function choice_of(state, event)
  if not state.head then begin(state, {}) end
  local number = event.choice or 0
  local choice = state.choices[number]
  if choice then return choice, "" end
  choice = { number = number, kinds = {}, length = 0 }
  state.choices[number] = choice
  if state.echo == "" then return choice, "" end
  local frame = chunk(state, choice, state.echo)
  choice.length = characters(state.echo)
  return choice, frame
end

local function part_start(state, event)
  local choice, frames = choice_of(state, event)
  choice.kinds[event.index] = event.part.type
  return frames
end

local function part_delta(state, event)
  local choice, frames = choice_of(state, event)
  local text = event.text or ""
  if not shown[choice.kinds[event.index]] or (text == "" and not event.logprobs) then return frames end
  frames = frames .. chunk(state, choice, text, event.logprobs)
  if state.counts then choice.length = choice.length + characters(text) end
  return frames
end

local function finish(state, event)
  local choice, frames = choice_of(state, event)
  return frames .. chunk(state, choice, "", nil, finish_reason(event.reason))
end

local function keep_usage(state, event)
  state.usage = usage.merge(state.usage, event.usage)
  return ""
end

local function close(state)
  if not state.head then begin(state, {}) end
  if not (state.include_usage and state.usage) then return "data: [DONE]\n\n" end
  return state.head .. '],"usage":' .. json.encode(usage.to_openai(state.usage)) .. "}\n\ndata: [DONE]\n\n"
end

local encoders = { start = begin, part_start = part_start, part_delta = part_delta, finish = finish,
  usage = keep_usage, ["end"] = close }

function completions_reply.encode_event(state, event)
  local encode = encoders[event.type]
  return encode and encode(state, event) or ""
end

return completions_reply
