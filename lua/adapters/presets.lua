-- How servers that speak chat completions differ from OpenAI. A provider names its preset in the configuration; with
-- none, OpenAI's own rules hold, which most servers understand.
--   limit          name of the token limit
--   adds, lacks    canonical fields taken beyond OpenAI's, and those not taken
--   names          canonical field -> the server's name for it
--   reasoning      how reasoning is asked for: "effort" (reasoning_effort), "object" (OpenRouter's `reasoning`),
--                  "thinking" ({ type = … } beside reasoning_effort), "template" (chat_template_kwargs beside it)
--   efforts        effort words that the server does not know -> the nearest that it does
--   history        names under which it takes an assistant's earlier reasoning back
--   keeps_reasoning  true: refuses tool calls in the history without the reasoning before them
--   cache          "control" (cache_control on parts) or "breakpoint" (OpenAI's prompt_cache_breakpoint)
--   plain          true: content must be one string unless it holds more than text
--   developer, custom, allowed, named, schema, names_messages, refusal: false where the server has no developer role,
--                  custom tools, allowed_tools, forced single tool, json_schema, message names, refusal on messages
--   choice         false: it reads no tool_choice, so one that forbids tools or narrows them is written into `tools`
--   refuses        (model, field) -> true where this model alone refuses a field
--   tiers          OpenAI's word for a service tier -> the server's; those without one are reported
--   required       its word for tool_choice "required"
--   search         true: takes web_search_options
--   signatures     true: takes Gemini's thought signatures back on tool calls
--   call_id        pattern that ids of tool calls must match; others are replaced by nine letters and digits
local presets = {}

local everything = { top_k = true, min_p = true, repetition_penalty = true }

-- Fields of OpenAI's platform that an inference server has no use for.
local platform = { "metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
  "moderation", "safety_identifier", "store", "prediction", "modalities", "audio", "verbosity" }

-- What OpenRouter lacks of them.
local own_caching = { prompt_cache_retention = true, prompt_cache_options = true, moderation = true }

local function lacking(...)
  local lacks = {}
  for _, name in ipairs(platform) do lacks[name] = true end
  for _, name in ipairs { ... } do lacks[name] = true end
  return lacks
end

local function except(lacks, ...)
  for _, name in ipairs { ... } do lacks[name] = nil end
  return lacks
end

-- What holds of every server but OpenAI's.
local function server(preset)
  local made = { limit = "max_tokens", reasoning = "effort", adds = {}, developer = false, custom = false,
    allowed = false, refusal = false, efforts = { xhigh = "high", max = "high" } }
  for name, value in pairs(preset) do made[name] = value end
  return made
end

-- https://platform.openai.com/docs/api-reference/chat/create
presets.openai = { limit = "max_completion_tokens", reasoning = "effort", adds = {}, lacks = {}, cache = "breakpoint",
  models = true }

-- https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html, /features/reasoning_outputs.html:
-- `reasoning` was called reasoning_content.
presets.vllm = server { adds = everything, lacks = lacking(), reasoning = "template",
  history = { "reasoning", "reasoning_content" } }

-- https://docs.sglang.ai/basic_usage/openai_api_completions.html
presets.sglang = server { adds = everything, lacks = lacking(), reasoning = "template",
  history = { "reasoning_content" } }

-- https://github.com/ggml-org/llama.cpp/tree/master/tools/server: a named tool_choice is read as "auto".
presets.llamacpp = server { adds = everything, lacks = lacking "user", reasoning = "template", named = false,
  names = { repetition_penalty = "repeat_penalty" }, history = { "reasoning_content" } }

-- https://docs.ollama.com/api/openai-compatibility, https://github.com/ollama/ollama/issues/17921: tool_choice is not
-- read, not even "none".
presets.ollama = server { lacks = lacking("n", "logit_bias", "user", "parallel_tool_calls"), choice = false,
  history = { "reasoning" } }

-- https://lmstudio.ai/docs/developer/openai-compat/chat-completions
presets.lmstudio = server { adds = { top_k = true, repetition_penalty = true }, lacks = lacking("n", "user"),
  names = { repetition_penalty = "repeat_penalty" }, named = false }

-- https://huggingface.co/docs/text-generation-inference/reference/api_reference
presets.tgi = server { lacks = lacking "parallel_tool_calls" }

-- https://openrouter.ai/docs/api-reference/chat-completion
presets.openrouter = server { adds = everything, lacks = own_caching, reasoning = "object", efforts = {},
  cache = "control", search = true, history = { "reasoning_details", "reasoning" }, developer = true }

-- https://docs.together.ai/reference/chat-completions-1: its logprobs is a number, and so are its answers other ones.
presets.together = server { adds = everything, lacks = lacking("user", "logprobs", "top_logprobs"),
  history = { "reasoning" } }

-- https://fireworks.ai/docs/api-reference/post-chatcompletions
presets.fireworks = server { adds = everything, lacks = lacking(), history = { "reasoning_content" } }

-- https://console.groq.com/docs/openai, /docs/service-tiers: logprobs, logit_bias and message names are refused.
presets.groq = server { limit = "max_completion_tokens", names_messages = false,
  tiers = { auto = "auto", default = "on_demand", flex = "flex" },
  lacks = { logprobs = true, top_logprobs = true, logit_bias = true, n = true, prompt_cache_key = true,
    prompt_cache_retention = true, prompt_cache_options = true, moderation = true,
    safety_identifier = true, store = true, prediction = true, modalities = true, audio = true, verbosity = true } }

-- https://api-docs.deepseek.com/api/create-chat-completion, /guides/thinking_mode: reasoning_content has to come back
-- with tool calls; effort words that it lacks are mapped by the server.
presets.deepseek = server { lacks = lacking("n", "seed", "logit_bias", "parallel_tool_calls", "user"),
  reasoning = "thinking", efforts = { minimal = "low" }, history = { "reasoning_content" }, keeps_reasoning = true,
  schema = false, plain = true }

-- https://docs.mistral.ai/api/#tag/chat
presets.mistral = server {
  lacks = except(lacking("logit_bias", "logprobs", "top_logprobs", "user"), "prediction", "metadata"),
  names = { seed = "random_seed" }, required = "any", call_id = "^%w%w%w%w%w%w%w%w%w$", names_messages = false,
  efforts = { minimal = "none", low = "high", medium = "high", xhigh = "high", max = "high" } }

-- Models of xAI that reason refuse stops and penalties, and up to grok-4.20 all but grok-3-mini refuse an effort.
local fixed_in_reasoning = { stop = true, presence_penalty = true, frequency_penalty = true }

local function xai_refuses(model, field)
  local is_mini = model:find "grok%-3%-mini" ~= nil
  local is_older = model:find "grok%-[234]$" or model:find "grok%-[234]%-" or model:find "grok%-4%.[12]"
    or model:find("grok-code", 1, true)
  if field == "reasoning" then return is_older ~= nil and not is_mini end
  local reasons = is_mini or not model:find "grok%-[23]" and not model:find("non-reasoning", 1, true)
  return fixed_in_reasoning[field] and reasons
end

-- https://docs.x.ai/docs/api-reference#chat-completions, /docs/guides/reasoning
presets.xai = server { limit = "max_completion_tokens", lacks = lacking "logit_bias", history = { "reasoning_content" },
  refuses = xai_refuses,
  efforts = { minimal = "low", xhigh = "high", max = "high" } }

-- https://platform.moonshot.ai/docs/api/chat
presets.moonshot = server { lacks = lacking("seed", "logit_bias", "logprobs", "top_logprobs", "user"),
  reasoning = "thinking", history = { "reasoning_content" }, keeps_reasoning = true }

-- https://docs.perplexity.ai/api-reference/chat-completions-post
presets.perplexity = server { adds = { top_k = true },
  lacks = lacking("n", "seed", "logit_bias", "logprobs", "top_logprobs", "user", "tools", "tool_choice",
    "parallel_tool_calls") }

-- https://ai.google.dev/gemini-api/docs/openai
presets.gemini = server { signatures = true, lacks = lacking("logit_bias", "user", "parallel_tool_calls", "seed") }

-- What each calls its token limit, for bodies that are relayed as they are.
function presets.limits()
  local names = { other = presets.openai.limit }
  for name, preset in pairs(presets) do
    if type(preset) == "table" then names[name] = preset.limit end
  end
  return names
end

function presets.of(context)
  local name = context.provider and context.provider.preset
  return name and presets[name] or presets.openai
end

return presets
