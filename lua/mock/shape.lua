-- The types of the fields that the mock reads. A body of another shape is refused as the providers
-- refuse it, also with lax: behind this check a field is absent or of its type.
local failure = require "mock.failure"
local json = require "gateyes.json"

local shape = {}

local function list(item)
  return { kind = "list", item = item }
end

local function object(fields)
  return { kind = "object", fields = fields }
end

local function either(...)
  return { kind = "either", options = { ... } }
end

local fits

local function fits_fields(value, spec, path)
  for key, inner in pairs(spec.fields) do
    local place = path == "" and key or path .. "." .. key
    local wrong = value[key] ~= nil and value[key] ~= json.null and fits(value[key], inner, place)
    if wrong then return wrong end
    if value[key] == json.null then value[key] = nil end
  end
end

-- nil, or the place of the first value of a wrong type.
function fits(value, spec, path)
  if type(spec) == "string" then return type(value) ~= spec and path or nil end
  if spec.kind == "either" then
    local wrong
    for _, option in ipairs(spec.options) do
      wrong = fits(value, option, path)
      if not wrong then return nil end
    end
    return wrong
  end
  if type(value) ~= "table" then return path end
  if spec.kind == "object" then return fits_fields(value, spec, path) end
  for i, item in ipairs(value) do
    local wrong = fits(item, spec.item, path .. "[" .. i - 1 .. "]")
    if wrong then return wrong end
  end
end

local part = object { type = "string", text = "string" }
local content = either("string", list(part))
local strings = list("string")
local name = object { name = "string" }
local sampling = { model = "string", stream = "boolean", temperature = "number", top_p = "number" }

local function with_sampling(fields)
  for key, spec in pairs(sampling) do fields[key] = spec end
  return object(fields)
end

local chat_tool = object {
  type = "string", ["function"] = object { name = "string", parameters = "table" }, custom = name,
}

local shapes = {
  chat = with_sampling {
    messages = list(object {
      role = "string", content = content, tool_call_id = "string", tool_calls = list(object { id = "string" }),
    }),
    tools = list(chat_tool),
    tool_choice = either("string", object {
      ["function"] = name, custom = name,
      allowed_tools = object { mode = "string", tools = list(object { name = "string", ["function"] = name }) },
    }),
    response_format = object { type = "string", json_schema = object { name = "string", schema = "table" } },
    stop = either("string", strings), n = "number", max_tokens = "number", max_completion_tokens = "number",
    logprobs = "boolean", top_logprobs = "number", stream_options = object { include_usage = "boolean" },
    reasoning_effort = "string", reasoning = object { effort = "string" }, parallel_tool_calls = "boolean",
  },
  completions = with_sampling {
    stop = either("string", strings), n = "number", max_tokens = "number", logprobs = "number",
    stream_options = object { include_usage = "boolean" },
  },
  embeddings = object { model = "string", dimensions = "number", encoding_format = "string" },
  messages = with_sampling {
    max_tokens = "number", system = content,
    messages = list(object { role = "string", content = either("string", list(object {
      type = "string", text = "string", id = "string", tool_use_id = "string", content = content,
    })) }),
    tools = list(object { type = "string", name = "string", input_schema = "table" }),
    tool_choice = object { type = "string", name = "string", disable_parallel_tool_use = "boolean" },
    stop_sequences = strings, thinking = object { type = "string", budget_tokens = "number", display = "string" },
    output_config = object { format = object { type = "string", schema = "table" } },
    output_format = object { type = "string", schema = "table" },
    thread = object { type = "string", previous_message_id = "string" },
  },
  responses = with_sampling {
    instructions = "string", previous_response_id = "string", max_output_tokens = "number", top_logprobs = "number",
    input = either("string", list(object {
      type = "string", role = "string", content = content, id = "string", call_id = "string", output = content,
    })),
    tools = list(object { type = "string", name = "string", parameters = "table" }),
    tool_choice = either("string", object { type = "string", name = "string", mode = "string", tools = list(name) }),
    text = object { format = object { type = "string", name = "string", schema = "table" } },
    reasoning = object { effort = "string", summary = "string" }, include = strings, parallel_tool_calls = "boolean",
  },
}

-- nil, or a failure that names the place.
function shape.check(body, format)
  local place = fits(body, shapes[format], "")
  if not place then return nil end
  return failure.bad("Invalid type for '" .. place .. "'.", place, "invalid_type")
end

return shape
