-- What Open Responses (https://www.openresponses.org, schema of 2026) demands of a response and of the events of a
-- stream, as data, and a checker for it. A rule is a type name, "null" beside it where null is allowed; a table with
-- `fields` is an object that must have those fields.
local json = require "gateyes.json"

local rules = {}

rules.output_text = { type = "string", text = "string", annotations = "list" }
rules.refusal = { type = "string", refusal = "string" }
rules.reasoning_text = { type = "string", text = "string" }
rules.summary_text = { type = "string", text = "string" }
rules.url_citation = {
  type = "string", url = "string", title = "string", start_index = "integer", end_index = "integer",
}

rules.items = {
  message = { id = "string", status = "string", role = "string", content = "list" },
  function_call = { id = "string", call_id = "string", name = "string", arguments = "string", status = "string" },
  function_call_output = { id = "string", call_id = "string", output = "any", status = "string" },
  reasoning = { id = "string", summary = "list" },
  custom_tool_call = { id = "string", call_id = "string", name = "string", input = "string" },
}

rules.response = {
  id = "string", object = "string", created_at = "integer", completed_at = "integer|null", status = "string",
  incomplete_details = "object|null", model = "string", previous_response_id = "string|null",
  instructions = "string|null", output = "list", error = "object|null", tools = "list", tool_choice = "any",
  truncation = "string", parallel_tool_calls = "boolean", text = "object", top_p = "number",
  presence_penalty = "number", frequency_penalty = "number", top_logprobs = "integer", temperature = "number",
  reasoning = "object|null", usage = "object|null", max_output_tokens = "integer|null",
  max_tool_calls = "integer|null", store = "boolean", background = "boolean", service_tier = "string",
  metadata = "object", safety_identifier = "string|null", prompt_cache_key = "string|null", user = "string|null",
}

rules.tool = {
  type = "string", name = "string", description = "string|null", parameters = "object|null", strict = "boolean|null",
}

local place = { item_id = "string", output_index = "integer" }

local function with(base, more)
  local joined = {}
  for _, source in ipairs { base, more } do
    for key, rule in pairs(source) do joined[key] = rule end
  end
  return joined
end

local content = with(place, { content_index = "integer" })
local summary = with(place, { summary_index = "integer" })
local item = { output_index = "integer", item = "object" }
local response = { response = "object" }

rules.events = {
  ["response.created"] = response, ["response.queued"] = response, ["response.in_progress"] = response,
  ["response.completed"] = response, ["response.failed"] = response, ["response.incomplete"] = response,
  ["response.output_item.added"] = item, ["response.output_item.done"] = item,
  ["response.content_part.added"] = with(content, { part = "object" }),
  ["response.content_part.done"] = with(content, { part = "object" }),
  ["response.output_text.delta"] = with(content, { delta = "string", logprobs = "list" }),
  ["response.output_text.done"] = with(content, { text = "string", logprobs = "list" }),
  ["response.refusal.delta"] = with(content, { delta = "string" }),
  ["response.refusal.done"] = with(content, { refusal = "string" }),
  ["response.function_call_arguments.delta"] = with(place, { delta = "string" }),
  ["response.function_call_arguments.done"] = with(place, { arguments = "string", name = "string" }),
  ["response.custom_tool_call_input.delta"] = with(place, { delta = "string" }),
  ["response.custom_tool_call_input.done"] = with(place, { input = "string" }),
  ["response.reasoning_summary_part.added"] = with(summary, { part = "object" }),
  ["response.reasoning_summary_part.done"] = with(summary, { part = "object" }),
  ["response.reasoning_summary_text.delta"] = with(summary, { delta = "string" }),
  ["response.reasoning_summary_text.done"] = with(summary, { text = "string" }),
  ["response.reasoning_text.delta"] = with(content, { delta = "string" }),
  ["response.reasoning_text.done"] = with(content, { text = "string" }),
  ["response.output_text.annotation.added"] = with(content, { annotation_index = "integer", annotation = "object" }),
  error = { error = "object" },
}

local function type_of(value)
  if value == nil then return "missing" end
  if value == json.null then return "null" end
  if type(value) == "table" then return json.is_array(value) and "list" or "object" end
  if type(value) == "number" then return value == math.floor(value) and "integer" or "number" end
  return type(value)
end

local function check(value, fields, where, wrong)
  for key, rule in pairs(fields) do
    local found = type_of(value[key])
    local allowed = "|" .. rule .. "|"
    local fits = rule == "any" and found ~= "missing" or allowed:find("|" .. found .. "|", 1, true)
      or found == "integer" and allowed:find("|number|", 1, true)
    if not fits then wrong[#wrong + 1] = where .. "." .. key .. " is " .. found .. ", not " .. rule end
  end
end

local schema = { rules = rules }

local function check_part(part, where, wrong)
  if not rules[part.type] then wrong[#wrong + 1] = where .. " has type " .. tostring(part.type) return end
  check(part, rules[part.type], where, wrong)
  for i, note in ipairs(part.annotations or {}) do
    if note.type == "url_citation" then check(note, rules.url_citation, where .. ".annotations[" .. i .. "]", wrong) end
  end
end

local function check_item(value, where, wrong)
  local fields = rules.items[value.type]
  if not fields then return end
  check(value, fields, where, wrong)
  for i, part in ipairs(value.content or {}) do check_part(part, where .. ".content[" .. i .. "]", wrong) end
  for i, part in ipairs(value.summary or {}) do check_part(part, where .. ".summary[" .. i .. "]", wrong) end
end

local function check_response(value, wrong)
  check(value, rules.response, "response", wrong)
  for i, one in ipairs(value.output) do check_item(one, "output[" .. i .. "]", wrong) end
  for i, tool in ipairs(value.tools) do
    if tool.type == "function" then check(tool, rules.tool, "tools[" .. i .. "]", wrong) end
  end
  if value.reasoning ~= json.null then
    check(value.reasoning, { effort = "string|null", summary = "string|null" }, "reasoning", wrong)
  end
  check(value.text, { format = "object" }, "text", wrong)
  if value.usage ~= json.null then
    check(value.usage, { input_tokens = "integer", output_tokens = "integer", total_tokens = "integer",
      input_tokens_details = "object", output_tokens_details = "object" }, "usage", wrong)
    check(value.usage.input_tokens_details, { cached_tokens = "integer" }, "input_tokens_details", wrong)
    check(value.usage.output_tokens_details, { reasoning_tokens = "integer" }, "output_tokens_details", wrong)
  end
  if value.error ~= json.null then check(value.error, { code = "string", message = "string" }, "error", wrong) end
  if value.incomplete_details ~= json.null then
    check(value.incomplete_details, { reason = "string" }, "incomplete_details", wrong)
  end
end

-- -> list of sentences, empty when the response is fine
function schema.response(value)
  local wrong = {}
  check_response(value, wrong)
  return wrong
end

function schema.event(value)
  local wrong = {}
  local fields = rules.events[value.type]
  if not fields then return { "no such event: " .. tostring(value.type) } end
  check(value, fields, value.type, wrong)
  check(value, { sequence_number = "integer" }, value.type, wrong)
  if value.response then check_response(value.response, wrong) end
  if value.item then check_item(value.item, value.type .. ".item", wrong) end
  if value.part then check_part(value.part, value.type .. ".part", wrong) end
  return wrong
end

return schema
