-- POST /v1/completions. Source: OpenAI API reference, "Completions" (legacy).
local check = require "mock.check"
local failure = require "mock.failure"
local openai = require "mock.openai"
local shape = require "mock.shape"
local text = require "mock.text"

local completions = { error_frames = openai.error_frames, error_body = failure.openai }

local FIELDS = " model prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed "
  .. "stop stream stream_options suffix temperature top_p user "

local function run_checks(body, set)
  return check.required(body, { "model" })
    or (set.strict and check.unknown(body, FIELDS))
    or check.first(check.number(body, "temperature", 0, 2), check.number(body, "top_p", 0, 1),
      check.integer(body, "n", 1, 128), check.integer(body, "max_tokens", 0), check.integer(body, "logprobs", 0, 5))
end

-- Text of a string, a list of strings (the last counts) or token numbers, and the tokens in it.
local function read_prompt(prompt)
  if type(prompt) == "string" then return prompt, text.tokens(prompt) end
  if type(prompt) ~= "table" or #prompt == 0 then return "", 1 end
  if type(prompt[1]) == "number" then return #prompt .. " tokens", #prompt end
  local said, tokens = "", 0
  for _, one in ipairs(prompt) do
    local more
    said, more = read_prompt(one)
    tokens = tokens + more
  end
  return said, tokens
end

function completions.read(body, set, raw)
  local wrong = shape.check(body, "completions") or not set.lax and run_checks(body, set)
  if wrong then return nil, wrong end
  local said, tokens = read_prompt(body.prompt)
  local options = type(body.stream_options) == "table" and body.stream_options or {}
  return {
    model = body.model or "mock", stream = body.stream == true, raw = raw, seed = raw, text = said, images = 0,
    tools = {}, choice = { type = "none" }, reasoning = false, input_tokens = tokens, n = body.n,
    max_tokens = body.max_tokens or 16, stop = type(body.stop) == "string" and { body.stop } or body.stop,
    logprobs = type(body.logprobs) == "number", include_usage = options.include_usage == true,
  }
end

local function logprobs_json(ask, pieces)
  if not ask.logprobs then return "null" end
  local tokens, values, offsets, tops, at = {}, {}, {}, {}, 0
  for i, piece in ipairs(pieces) do
    tokens[i], values[i], offsets[i], tops[i] = text.quote(piece), "-0.25", text.number(at), "{}"
    at = at + #piece
  end
  return text.object("tokens", text.array(tokens), "token_logprobs", text.array(values),
    "top_logprobs", text.array(tops), "text_offset", text.array(offsets))
end

local function choice_json(ask, index, said, pieces, finish)
  return text.object("text", text.quote(said), "index", text.number(index), "logprobs", logprobs_json(ask, pieces),
    "finish_reason", finish)
end

local function finish_word(choice, set)
  return text.quote(set.finish or openai.FINISH[choice.finish])
end

local function envelope(ask, choices, usage)
  return text.object("id", text.quote("cmpl-" .. ask.id), "object", '"text_completion"', "created",
    text.number(ask.created), "model", text.quote(ask.model), "choices", text.array(choices), "usage", usage,
    "system_fingerprint", '"fp_mock"')
end

function completions.reply(ask, choices, usage, set)
  local items = {}
  for i, choice in ipairs(choices) do
    items[i] = choice_json(ask, i - 1, choice.text or "", choice.pieces or {}, finish_word(choice, set))
  end
  return envelope(ask, items, set.usage ~= "missing" and openai.usage(usage) or nil)
end

function completions.stream(ask, choices, usage, set)
  local frames = {}
  local each = set.usage == "cumulative" and openai.usage(usage) or ask.include_usage and "null" or nil
  for i, choice in ipairs(choices) do
    for _, piece in ipairs(choice.pieces or {}) do
      frames[#frames + 1] = { data = envelope(ask, { choice_json(ask, i - 1, piece, { piece }, "null") }, each) }
    end
    frames[#frames + 1] = { data = envelope(ask, { choice_json(ask, i - 1, "", {}, finish_word(choice, set)) }, each) }
  end
  local last = { data = envelope(ask, {}, openai.usage(usage)) }
  for _, frame in ipairs(openai.usage_frames(last, set, ask.include_usage)) do frames[#frames + 1] = frame end
  frames[#frames + 1] = openai.done()
  return frames
end

return completions
