-- Reasoning, token limit and sampling of the canonical form -> what one Claude model takes of them.
-- Sources: https://platform.claude.com/docs/en/build-with-claude/extended-thinking (rules of budgets),
-- .../adaptive-thinking, .../effort
local canonical = require "gateyes.canonical"
local parts = require "gateyes.anthropic_parts"
local tools = require "gateyes.anthropic_tools"

local thinking = {}

local least_budget = 1024
local default_max_tokens = 4096

local function drop(job, field, fallback, reason)
  job.context.drop(parts.field(job, field, fallback), reason)
end

local function drop_reasoning(job, reason)
  drop(job, "reasoning", "reasoning", reason)
end

local function effort_for(profile, effort)
  if effort == "none" or effort == "minimal" then return "low" end
  if effort == "xhigh" and not profile.effort_xhigh then return "high" end
  if effort == "max" and not profile.effort_max then return "high" end
  return effort
end

local function is_off(reasoning)
  return reasoning.mode == "disabled" or reasoning.effort == "none" and reasoning.mode ~= "enabled"
end

local function switch_off(job, body)
  local profile = job.profile
  if profile.disable then
    -- Before Claude 5 a model thinks only when asked to.
    if profile.on_by_default then body.thinking = { type = "disabled" } end
  elseif profile.between_tools then
    body.thinking = { type = "between_tools" }
  else
    drop_reasoning(job, "this model always thinks; its least effort is used")
    if profile.effort then job.effort = "low" end
  end
end

local function wants_adaptive(job, reasoning)
  if not job.profile.adaptive then return false end
  return not (job.profile.budget and reasoning.budget_tokens)
end

local function display_of(reasoning)
  if reasoning.display then return reasoning.display end
  return reasoning.summary and "summarized" or nil
end

local function adaptive(job, body, reasoning)
  body.thinking = { type = "adaptive", display = display_of(reasoning) }
  local effort = reasoning.effort
  if not effort and reasoning.budget_tokens then effort = canonical.effort_of_budget(reasoning.budget_tokens) end
  if effort and job.profile.effort then job.effort = effort_for(job.profile, effort) end
end

-- With a budget, the assistant turn that is being continued must begin with the thinking that Anthropic signed.
local function history_allows_budget(messages)
  local last = messages[#messages]
  if last.role == "assistant" then return false end
  local has_result = last.content[1] and last.content[1].type == "tool_result"
  if not has_result then return true end
  local before = messages[#messages - 1]
  local first = before and before.content[1]
  return first ~= nil and (first.type == "thinking" or first.type == "redacted_thinking")
end

-- The room that thinking may take: a budget of the client's own up to the limit, one that we derived up to half.
local function budget_for(job, body, reasoning)
  local budget = reasoning.budget_tokens
  local derived = not budget
  budget = budget or canonical.budget_of_effort(reasoning.effort or "medium") or least_budget
  budget = math.max(budget, least_budget)
  if not job.request.max_tokens then
    local ceiling = job.context.info.max_output_tokens
    local wish = budget + default_max_tokens
    if body.max_tokens <= budget then body.max_tokens = ceiling and math.min(wish, ceiling) or wish end
  end
  if budget < body.max_tokens then return budget end
  return derived and math.floor(body.max_tokens / 2) or body.max_tokens - 1
end

local function with_budget(job, body, reasoning)
  if not history_allows_budget(body.messages) then
    return drop_reasoning(job, "the turn being continued has no thinking that Anthropic signed")
  end
  local budget = budget_for(job, body, reasoning)
  if budget < least_budget then
    return drop_reasoning(job, "the token limit leaves no room for thinking (1024 tokens at least)")
  end
  body.thinking = { type = "enabled", budget_tokens = budget, display = display_of(reasoning) }
end

-- Without thinking, effort still steers how much a model writes.
local function apply_reasoning(job, body)
  local reasoning = job.request.reasoning
  if not reasoning then return end
  if is_off(reasoning) then return switch_off(job, body) end
  if not job.profile.thinking then return drop_reasoning(job, "this model does not think") end
  if tools.is_forced(body.tool_choice) then
    if job.profile.effort and reasoning.effort then job.effort = effort_for(job.profile, reasoning.effort) end
    return drop_reasoning(job, "thinking cannot be combined with a forced tool call")
  end
  if wants_adaptive(job, reasoning) then return adaptive(job, body, reasoning) end
  with_budget(job, body, reasoning)
end

local function sampling_value(job, name, value, thinks)
  if value == nil then return nil end
  if not job.profile.sampling then
    if value == 1 and name ~= "top_k" then return nil end
    return nil, "this model does not take sampling parameters"
  end
  if name == "temperature" and thinks and value ~= 1 then return nil, "thinking needs the default temperature" end
  if name == "top_k" and thinks then return nil, "not allowed while thinking" end
  if name == "top_p" and thinks and value < 0.95 then return nil, "must be 0.95 or more while thinking" end
  return value
end

local function apply_sampling(job, body)
  local request, thinks = job.request, body.thinking and body.thinking.type ~= "disabled"
  for _, name in ipairs { "temperature", "top_p", "top_k" } do
    local value, reason = sampling_value(job, name, request[name], thinks)
    if reason then drop(job, name, name, reason) end
    body[name] = value
  end
  if body.temperature and body.temperature > 1 then
    body.temperature = 1
    drop(job, "temperature", "temperature", "Anthropic's range ends at 1, which is used")
  end
  if body.temperature and body.top_p and not job.profile.sampling_pair then
    body.top_p = nil
    drop(job, "top_p", "top_p", "this model takes temperature or top_p, not both")
  end
end

-- Needs messages, tools and tool_choice in the body already.
function thinking.apply(job, body)
  local request = job.request
  body.max_tokens = request.max_tokens or job.context.info.max_output_tokens or default_max_tokens
  apply_reasoning(job, body)
  if job.effort then
    body.output_config = body.output_config or {}
    body.output_config.effort = job.effort
  end
  apply_sampling(job, body)
end

return thinking
