-- The usage vector of docs/canonical.md and the four ways in which providers and clients write it.
--   chat:      https://platform.openai.com/docs/api-reference/chat/object (usage)
--   responses: https://platform.openai.com/docs/api-reference/responses/object (usage)
--   messages:  https://docs.anthropic.com/en/api/messages (usage)
-- The from_ functions take a decoded JSON object (anything else gives nil) and set only what it states, so that
-- a later, partial report does not erase an earlier one. The to_ functions give plain tables for json.encode.
local usage = {}

local function count(value)
  if type(value) ~= "number" or value ~= value or value < 0 then return nil end
  return math.floor(value)
end

local function object(value)
  return type(value) == "table" and value or {}
end

local function above_zero(value)
  return value > 0 and value or 0
end

-- Names under which OpenAI-compatible servers report cached prompt tokens: OpenAI and vLLM, DeepSeek, Moonshot.
local function cached_of(body, details)
  return count(details.cached_tokens) or count(body.prompt_cache_hit_tokens) or count(body.cached_tokens)
end

local function prediction_of(details)
  local accepted, rejected = count(details.accepted_prediction_tokens), count(details.rejected_prediction_tokens)
  if not accepted and not rejected then return nil end
  return { accepted_prediction_tokens = accepted, rejected_prediction_tokens = rejected }
end

-- xAI and Google's compatible endpoint leave reasoning out of completion_tokens and count it in total_tokens only.
-- It is made and billed as output. (A gap as wide as the cached tokens is a prompt that was counted without them.)
local function output_of(body, prompt, reasoning, cached)
  local completion, total = count(body.completion_tokens), count(body.total_tokens)
  local gap = total and total - prompt - (completion or 0) or 0
  if gap <= 0 or gap == cached then return completion, reasoning end
  return (completion or 0) + gap, reasoning or completion and gap or nil
end

-- OpenAI counts what the cache gave and took inside prompt_tokens; here the three stand beside each other.
-- It has one lifetime for cache writes, which is kept as cache_write_5m.
function usage.from_openai(body)
  body = object(body)
  local prompt = count(body.prompt_tokens)
  if not prompt and not count(body.completion_tokens) and not count(body.total_tokens) then return nil end
  prompt = prompt or 0
  local details, made = object(body.prompt_tokens_details), object(body.completion_tokens_details)
  local read, written = cached_of(body, details), count(details.cache_write_tokens)
  local output, reasoning = output_of(body, prompt, count(made.reasoning_tokens) or count(body.reasoning_tokens),
    (read or 0) + (written or 0))
  return {
    input = above_zero(prompt - (read or 0) - (written or 0)),
    cache_read = read,
    cache_write_5m = written,
    output = output or 0,
    reasoning = reasoning,
    audio_input = count(details.audio_tokens),
    audio_output = count(made.audio_tokens),
    raw_details = prediction_of(made),
  }
end

local function prompt_tokens(vector)
  return (vector.input or 0) + (vector.cache_read or 0) + (vector.cache_write_5m or 0) + (vector.cache_write_1h or 0)
end

local function cache_writes(vector)
  if not vector.cache_write_5m and not vector.cache_write_1h then return nil end
  return (vector.cache_write_5m or 0) + (vector.cache_write_1h or 0)
end

local function unless_empty(fields)
  return next(fields) and fields or nil
end

-- A detail that the provider did not state stays away: a zero would be a claim.
function usage.to_openai(vector)
  local prompt, output = prompt_tokens(vector), vector.output or 0
  local prediction = object(vector.raw_details)
  return {
    prompt_tokens = prompt,
    completion_tokens = output,
    total_tokens = prompt + output,
    prompt_tokens_details = unless_empty {
      cached_tokens = vector.cache_read,
      cache_write_tokens = cache_writes(vector),
      audio_tokens = vector.audio_input,
    },
    completion_tokens_details = unless_empty {
      reasoning_tokens = vector.reasoning,
      audio_tokens = vector.audio_output,
      accepted_prediction_tokens = prediction.accepted_prediction_tokens,
      rejected_prediction_tokens = prediction.rejected_prediction_tokens,
    },
  }
end

-- Same counting as chat: the cached tokens are inside input_tokens.
function usage.from_responses(body)
  body = object(body)
  local input = count(body.input_tokens)
  if not input and not count(body.output_tokens) then return nil end
  local details, made = object(body.input_tokens_details), object(body.output_tokens_details)
  local read, written = count(details.cached_tokens), count(details.cache_write_tokens)
  return {
    input = above_zero((input or 0) - (read or 0) - (written or 0)),
    cache_read = read,
    cache_write_5m = written,
    output = count(body.output_tokens),
    reasoning = count(made.reasoning_tokens),
    audio_input = count(details.audio_tokens),
    audio_output = count(made.audio_tokens),
  }
end

-- The Responses schema requires its details, so what is unknown is written as 0.
function usage.to_responses(vector)
  local input, output = prompt_tokens(vector), vector.output or 0
  return {
    input_tokens = input,
    input_tokens_details = { cached_tokens = vector.cache_read or 0, cache_write_tokens = cache_writes(vector) or 0 },
    output_tokens = output,
    output_tokens_details = { reasoning_tokens = vector.reasoning or 0 },
    total_tokens = input + output,
  }
end

-- Cache writes of a Messages usage object by lifetime. message_delta repeats only their sum: what `earlier` knows to
-- be 1h stays 1h, else the sum is the default lifetime, 5m.
local function anthropic_writes(body, earlier)
  local by_lifetime = object(body.cache_creation)
  local short, long = count(by_lifetime.ephemeral_5m_input_tokens), count(by_lifetime.ephemeral_1h_input_tokens)
  local total = count(body.cache_creation_input_tokens)
  if not short and not long then
    if not total then return nil end
    long = earlier and earlier.cache_write_1h
    return above_zero(total - (long or 0)), long
  end
  short, long = short or 0, long or 0
  return total and total > short + long and total - long or short, long
end

-- Anthropic counts the cache beside input_tokens, so nothing is subtracted. `earlier` is the vector of the same
-- stream's message_start, or nil.
function usage.from_anthropic(body, earlier)
  body = object(body)
  if not count(body.input_tokens) and not count(body.output_tokens) then return nil end
  local short, long = anthropic_writes(body, earlier)
  local server = body.server_tool_use
  return {
    input = count(body.input_tokens),
    cache_read = count(body.cache_read_input_tokens),
    cache_write_5m = short,
    cache_write_1h = long,
    output = count(body.output_tokens),
    reasoning = count(object(body.output_tokens_details).thinking_tokens),
    raw_details = type(server) == "table" and { server_tool_use = server } or nil,
  }
end

function usage.to_anthropic(vector)
  return {
    input_tokens = vector.input or 0,
    cache_creation_input_tokens = cache_writes(vector) or 0,
    cache_read_input_tokens = vector.cache_read or 0,
    cache_creation = {
      ephemeral_5m_input_tokens = vector.cache_write_5m or 0,
      ephemeral_1h_input_tokens = vector.cache_write_1h or 0,
    },
    output_tokens = vector.output or 0,
    output_tokens_details = vector.reasoning and { thinking_tokens = vector.reasoning } or nil,
    server_tool_use = object(vector.raw_details).server_tool_use,
  }
end

-- A new vector: the fields of `later` where it has them, else those of `earlier`. Either may be nil.
function usage.merge(earlier, later)
  local merged = {}
  for name, value in pairs(earlier or {}) do merged[name] = value end
  for name, value in pairs(later or {}) do merged[name] = value end
  return merged
end

return usage
