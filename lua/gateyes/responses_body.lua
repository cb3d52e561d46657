-- Canonical request -> body of POST /responses, for clients of other dialects.
-- https://platform.openai.com/docs/api-reference/responses/create
local canonical = require "gateyes.canonical"
local content = require "gateyes.responses_content"
local json = require "gateyes.json"
local openai_ids = require "gateyes.openai_ids"
local openai_models = require "gateyes.openai_models"
local openai_parts = require "gateyes.openai_parts"
local openai_schema = require "gateyes.openai_schema"
local text = require "gateyes.responses_text"
local web_search = require "gateyes.web_search"

local body = {}

local quote = json.quote
local longest_call_id, least_tokens = 64, 16

body.takes = {
  system = true, tools = true, tool_choice = true, parallel_tool_calls = true, output = true, temperature = true,
  top_p = true, logprobs = true, top_logprobs = true, max_tokens = true, reasoning = true, verbosity = true,
  user = true, metadata = true, service_tier = true, prompt_cache_key = true, prompt_cache_retention = true,
  prompt_cache_options = true, moderation = true, safety_identifier = true, store = true,
}

local function drop(writer, field, reason)
  if writer.dropped[field] or not writer.context.drop then return end
  writer.dropped[field] = true
  local names = writer.request.fields
  writer.context.drop(names and names[field] or field, reason)
end

local function call_id(id)
  return quote(#id > longest_call_id and openai_ids.call_id(id) or id)
end

local function tool_name(name)
  return quote(openai_ids.tool_name(name))
end

local function refuse(writer, message)
  writer.failure = writer.failure or canonical.invalid(writer.input, message)
end

-- Input items.

local function block(writer, part)
  if part.type == "file" and openai_parts.wants_citations(part) then
    drop(writer, writer.input .. ".citations", "the provider does not cite from documents")
  end
  local made = content.input_block(part)
  if not made then
    local name = part.type == "raw" and writer.input .. "." .. (part.kind or part.format) or part.type
    drop(writer, name, "no place in an input message")
    return nil
  end
  if part.cache then
    if not writer.breakpoints then
      drop(writer, "cache_control", "the provider caches prompts by itself")
    else
      made = made:sub(1, -2) .. ',"prompt_cache_breakpoint":{"mode":"explicit"}}'
    end
  end
  return made
end

local function message(writer, role, blocks)
  if #blocks == 0 then return end
  writer.items[#writer.items + 1] =
    text.object("type", '"message"', "role", quote(role), "content", text.list(blocks))
end

-- The output of a tool: one string where it is all text, as every server takes it.
local function tool_output(writer, parts, is_error)
  local texts, blocks = {}, {}
  for _, part in ipairs(is_error and canonical.marked_error(parts) or parts or {}) do
    blocks[#blocks + 1] = block(writer, part)
    if part.type == "text" then texts[#texts + 1] = part.text end
  end
  if #texts == #blocks then return quote(table.concat(texts, "\n")) end
  return text.list(blocks)
end

local function tool_result(writer, part)
  local kind = writer.customs[part.id] and "custom_tool_call_output" or "function_call_output"
  local output = tool_output(writer, part.parts, part.is_error)
  writer.items[#writer.items + 1] =
    text.object("type", quote(kind), "call_id", call_id(part.id), "output", output)
end

local function raw_item(writer, part)
  if part.format == "responses" then
    writer.items[#writer.items + 1] = json.raw_text(part.raw)
  elseif part.format == "chat" then
    refuse(writer, "content of type '" .. part.kind .. "' is nothing that this model reads; send text, images or files")
  else
    drop(writer, writer.input .. "." .. (part.kind or part.format), "only its own provider reads this block")
  end
end

local function is_block(part)
  return part.type == "raw" and part.format == "responses" and json.raw_text(part.raw):find('"type"%s*:%s*"input_')
end

local function input_turn(writer, turn)
  local blocks = {}
  for _, part in ipairs(turn.parts) do
    if part.type == "tool_result" or part.type == "raw" and not is_block(part) then
      message(writer, turn.role, blocks)
      blocks = {}
      if part.type == "raw" then raw_item(writer, part) else tool_result(writer, part) end
    else
      blocks[#blocks + 1] = part.type == "raw" and json.raw_text(part.raw) or block(writer, part)
    end
  end
  message(writer, turn.role, blocks)
end

local function tool_call(writer, part)
  if part.custom then
    writer.customs[part.id] = true
    return text.object("type", '"custom_tool_call"', "call_id", call_id(part.id), "name", tool_name(part.name),
      "input", quote(part.arguments or ""))
  end
  local arguments = part.arguments
  if not arguments or arguments == "" then arguments = "{}" end
  return text.object("type", '"function_call"', "call_id", call_id(part.id), "name", tool_name(part.name),
    "arguments", quote(arguments))
end

-- Only what this API issued: without an id, since nothing is stored there and an unknown id is refused.
local function reasoning(part)
  if part.format ~= "responses" or not part.encrypted then return nil end
  local summary = {}
  for i, said in ipairs(part.summary or { part.text }) do
    summary[i] = text.object("type", '"summary_text"', "text", quote(said))
  end
  return text.object("type", '"reasoning"', "summary", text.list(summary), "encrypted_content", quote(part.encrypted))
end

local function said(part)
  if part.type == "refusal" then return text.object("type", '"refusal"', "refusal", quote(part.text)) end
  local words = part.type == "text" and part.text or part.transcript
  return words and text.object("type", '"output_text"', "text", quote(words))
end

local function assistant_turn(writer, turn)
  local blocks = {}
  local function item(made)
    message(writer, "assistant", blocks)
    blocks = {}
    writer.items[#writer.items + 1] = made
  end
  for _, part in ipairs(turn.parts) do
    if part.type == "tool_call" then item(tool_call(writer, part))
    elseif part.type == "reasoning" then
      local made = reasoning(part)
      writer.reasons = writer.reasons or made ~= nil
      if made then item(made) end
    elseif part.type == "raw" then
      item(nil)
      raw_item(writer, part)
    else
      blocks[#blocks + 1] = said(part)
    end
  end
  message(writer, "assistant", blocks)
end

local function input(writer)
  for _, turn in ipairs(writer.request.turns) do
    if turn.role == "assistant" then assistant_turn(writer, turn) else input_turn(writer, turn) end
  end
  return text.list(writer.items)
end

-- Tools. Chat nests a grammar where Responses has it flat.

local function custom_format(format)
  if not format then return nil end
  local members = text.members(json.raw_text(format))
  local grammar = members and members.grammar and text.members(members.grammar)
  if not grammar then return json.raw_text(format) end
  return text.object("type", '"grammar"', "syntax", grammar.syntax, "definition", grammar.definition)
end

local empty_schema = '{"type":"object","properties":{}}'

-- strict is true by default here and false everywhere else. A schema that strict mode would refuse goes without, which
-- is reported.
local function strict_of(writer, field, strict, schema)
  local kept = openai_schema.strict(writer.context, strict, schema)
  if strict and not kept then drop(writer, field, "the provider is not strict about a schema with optional members") end
  return tostring(kept == true)
end

local function tool(writer, one)
  local description = one.description and quote(one.description)
  if one.type == "function" then
    local parameters = openai_schema.of_tool(one.parameters, writer.context)
    return text.object("type", '"function"', "name", tool_name(one.name), "description", description,
      "parameters", parameters and json.raw_text(parameters) or empty_schema,
      "strict", strict_of(writer, "tools", one.strict, one.parameters))
  end
  if one.type == "custom" then
    return text.object("type", '"custom"', "name", tool_name(one.name), "description", description,
      "format", custom_format(one.format))
  end
  if one.format == "responses" then return json.raw_text(one.raw) end
  if one.search and openai_models.reasons(writer.context.model) ~= nil then
    return json.encode(web_search.for_responses(one, function(name)
      drop(writer, name, "the provider has no such wish")
    end))
  end
  drop(writer, one.field or "tools." .. (one.name or "provider"), "only its own provider can run this tool")
end

local function tools(writer)
  local list = {}
  for _, one in ipairs(writer.request.tools or {}) do list[#list + 1] = tool(writer, one) end
  return #list > 0 and text.list(list) or nil
end

local function named(writer, name)
  for _, one in ipairs(writer.request.tools or {}) do
    if one.name == name then
      if one.type ~= "provider" then return text.object("type", quote(one.type), "name", tool_name(name)) end
      if one.search and one.format ~= "responses" then return text.object("type", quote(web_search.name)) end
      local kind = json.decode(json.raw_text(one.raw)).type
      return text.object("type", quote(kind), "server_label", kind == "mcp" and quote(name) or nil)
    end
  end
  return text.object("type", '"function"', "name", tool_name(name))
end

local function tool_choice(writer)
  local choice = writer.request.tool_choice
  if not choice then return nil end
  if choice.type == "tool" then return named(writer, choice.name) end
  if choice.type ~= "allowed" then return quote(choice.type) end
  local list = {}
  for i, name in ipairs(choice.names) do list[i] = named(writer, name) end
  return text.object("type", '"allowed_tools"', "mode", quote(choice.mode or "auto"), "tools", text.list(list))
end

-- Parameters.

local function format(writer)
  local output = writer.request.output
  if not output or output.type == "text" then return nil end
  if output.type == "json_object" or not output.schema then return '{"type":"json_object"}' end
  return text.object("type", '"json_schema"', "name", quote(output.name or "structured_output"),
    "description", output.description and quote(output.description), "schema", json.raw_text(output.schema),
    "strict", strict_of(writer, "output", output.strict, output.schema))
end

local function text_options(writer)
  local request = writer.request
  local verbosity = request.verbosity and quote(request.verbosity)
  if verbosity and not openai_models.takes_verbosity(writer.context.model, request.verbosity) then
    verbosity = nil
    drop(writer, "verbosity", "the model knows no other verbosity than medium")
  end
  local made = text.object("format", format(writer), "verbosity", verbosity)
  return made ~= "{}" and made or nil
end

local function effort_of(reasoning_options, model)
  local asked = reasoning_options.effort
  if reasoning_options.mode == "disabled" then asked = "none" end
  if not asked and reasoning_options.budget_tokens then
    asked = canonical.effort_of_budget(reasoning_options.budget_tokens)
  end
  if asked == "none" and openai_models.reasons(model) then return openai_models.effort_of_disabled(model) end
  return openai_models.effort(model, asked)
end

-- A client that asked to think expects to read some of it; OpenAI shows summaries, and only on demand.
local function summary_of(reasoning_options)
  if reasoning_options.summary then return reasoning_options.summary end
  local thinks = reasoning_options.mode == "enabled" or reasoning_options.mode == "adaptive"
  return thinks and reasoning_options.display ~= "omitted" and "auto" or nil
end

local function reasoning_options(writer)
  local options, model = writer.request.reasoning, writer.context.model
  if not options then return nil end
  if openai_models.reasons(model) == false then
    local asked = options.mode ~= "disabled" and options.effort ~= "none"
    if asked then drop(writer, "reasoning", "the model does not reason") end
    return nil
  end
  local effort, summary = effort_of(options, model), summary_of(options)
  if effort == "none" then summary = nil end
  writer.effort = effort
  writer.reasons = writer.reasons or (effort ~= "none" and (effort or summary)) and true
  if not effort and not summary then return nil end
  return text.object("effort", effort and quote(effort), "summary", summary and quote(summary))
end

local function lacks_logprobs(writer, field)
  if not openai_models.fixed_sampling(writer.context.model, writer.effort) then return false end
  if writer.request[field] ~= 0 then drop(writer, field, "the model reasons and gives no probabilities") end
  return true
end

local function top_logprobs(writer)
  local wanted = writer.request.top_logprobs
  return wanted and not lacks_logprobs(writer, "top_logprobs") and text.integer(wanted) or nil
end

-- Encrypted reasoning travels through the client in place of state at the provider. A model that does not reason
-- refuses the request for it.
local function include(writer)
  local list = {}
  local knows = openai_models.reasons(writer.context.model)
  if knows or (knows == nil and writer.reasons) then list[1] = '"reasoning.encrypted_content"' end
  local has_logprobs = writer.request.logprobs and not lacks_logprobs(writer, "logprobs")
  if has_logprobs then list[#list + 1] = '"message.output_text.logprobs"' end
  local extra = writer.extra.include
  for _, one in ipairs(extra and json.elements(json.raw_text(extra)) or {}) do list[#list + 1] = one end
  return #list > 0 and text.list(list) or nil
end

local function max_tokens(writer)
  local wanted = writer.request.max_tokens
  if not wanted then return nil end
  if wanted >= least_tokens then return text.integer(wanted) end
  drop(writer, "max_tokens", "raised to 16, the least that the provider takes")
  return text.integer(least_tokens)
end

local function sampling(writer, field)
  local value = writer.request[field]
  if value == nil then return nil end
  if openai_models.fixed_sampling(writer.context.model, writer.effort) then
    if value ~= 1 then drop(writer, field, "the model reasons and takes no other value than its default") end
    return nil
  end
  return json.encode(value)
end

local function words(value)
  return value ~= nil and quote(value) or nil
end

local function instructions(writer)
  local request = writer.request
  for _, part in ipairs(request.system or {}) do
    if part.cache then drop(writer, "cache_control", "instructions take no cache hints") end
  end
  local joined = canonical.text_of(request.system, "\n")
  return joined ~= "" and quote(joined) or nil
end

local function add_extra(writer, made)
  local request = writer.request
  local present = text.members(made)
  local added = {}
  for name, raw in pairs(request.extra or {}) do
    if request.extra_format ~= "responses" then
      drop(writer, name, "the provider has no such field")
    elseif not present[name] and json.is_raw(raw) then
      added[#added + 1] = quote(name) .. ":" .. json.raw_text(raw)
    end
  end
  if #added == 0 then return made end
  table.sort(added)
  return made:sub(1, -2) .. "," .. table.concat(added, ",") .. "}"
end

function body.encode(request, context)
  local writer = {
    request = request, context = context, items = {},
    input = request.fields and request.fields.messages or "messages", customs = {}, dropped = {},
    extra = request.extra_format == "responses" and request.extra or {},
    breakpoints = openai_models.has_breakpoints(context.model),
  }
  local items, options, listed = input(writer), reasoning_options(writer), tools(writer)
  if #writer.items == 0 and not request.system then
    refuse(writer, writer.input .. " has no content that this model takes: send text, images or files")
  end
  if writer.failure then return nil, writer.failure end
  local parallel = request.parallel_tool_calls
  local made = text.object("model", quote(context.model), "instructions", instructions(writer), "input", items,
    "tools", listed, "tool_choice", listed and tool_choice(writer),
    "parallel_tool_calls", listed and parallel ~= nil and tostring(parallel) or nil,
    "text", text_options(writer), "reasoning", options, "include", include(writer),
    "max_output_tokens", max_tokens(writer), "temperature", sampling(writer, "temperature"),
    "top_p", sampling(writer, "top_p"),
    "top_logprobs", top_logprobs(writer),
    "store", tostring(request.store == true),
    "metadata", request.metadata and json.encode(request.metadata),
    "user", words(openai_ids.user(request.user, context.model)),
    "service_tier", words(request.service_tier), "prompt_cache_key", words(request.prompt_cache_key),
    "prompt_cache_retention", words(request.prompt_cache_retention),
    "prompt_cache_options", request.prompt_cache_options and json.raw_text(request.prompt_cache_options),
    "moderation", request.moderation and json.raw_text(request.moderation),
    "safety_identifier", words(request.safety_identifier), "stream", request.stream and "true" or nil)
  return add_extra(writer, made)
end

return body
