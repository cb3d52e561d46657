-- What chat, completions and embeddings share: usage, stream frames, identifiers.
local failure = require "mock.failure"
local text = require "mock.text"

local openai = {}

local TOP_MAX = 20

openai.FINISH = {
  stop = "stop", length = "length", tool_calls = "tool_calls", stop_sequence = "stop", refusal = "stop",
}

function openai.usage(usage)
  local number = text.number
  return text.object(
    "prompt_tokens", number(usage.input),
    "completion_tokens", number(usage.output),
    "total_tokens", number(usage.input + usage.output),
    "prompt_tokens_details", text.object("cached_tokens", number(usage.cached), "audio_tokens", "0",
      "cache_write_tokens", usage.cache_write > 0 and number(usage.cache_write) or nil),
    "completion_tokens_details", text.object("reasoning_tokens", number(usage.reasoning), "audio_tokens", "0",
      "accepted_prediction_tokens", "0", "rejected_prediction_tokens", "0"))
end

-- The text of a message's content, and the number of images in it.
function openai.content(content)
  if type(content) == "string" then return content, 0 end
  if type(content) ~= "table" then return "", 0 end
  local out, images = {}, 0
  for _, part in ipairs(content) do
    if type(part) == "table" then
      if type(part.text) == "string" then out[#out + 1] = part.text end
      if part.type == "image_url" or part.type == "input_image" or part.type == "image" then images = images + 1 end
    end
  end
  return table.concat(out, "\n"), images
end

function openai.done()
  return { data = "[DONE]", mark = "end" }
end

function openai.error_frames(set)
  local f = failure.of_knobs(set, set.status or 500)
  return { { data = failure.openai(f) } }
end

local function token_entry(token, top)
  local codes = {}
  for i = 1, #token do codes[i] = tostring(token:byte(i)) end
  local base = { "token", text.quote(token), "logprob", "-0.25", "bytes", text.array(codes) }
  if top then
    base[#base + 1] = "top_logprobs"
    base[#base + 1] = text.array(top)
  end
  return text.object(unpack(base))
end

-- Log probabilities of pieces: each token is as good as sure, its alternatives are marked copies.
function openai.logprobs(pieces, top_count)
  local items = {}
  for i, piece in ipairs(pieces) do
    local top = {}
    for j = 1, math.min(top_count or 0, TOP_MAX) do top[j] = token_entry(j == 1 and piece or piece .. "~" .. j) end
    items[i] = token_entry(piece, top)
  end
  return text.array(items)
end

-- Where the usage frame of a stream goes: nil, or a list to append before the end mark.
function openai.usage_frames(frame, set, asked)
  if set.usage == "missing" then return {} end
  if not asked and set.usage ~= "always" then return {} end
  if set.usage == "late" then frame.delay = set.late_ms or 300 end
  return { frame }
end

return openai
