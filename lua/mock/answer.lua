-- Decides what is said, in no provider's words. It sees an `ask`:
--   { text = last user text, images = n, tools = { { name, schema, custom } }, choice = { type, name },
--     tool_result = { name, text } | nil, schema, json_object, reasoning, max_tokens, stop, n, input_tokens }
-- and gives a list of choices { reasoning, redacted, text, refusal, pieces, calls, finish, stop_sequence }
-- and a usage { input, cached, cache_write, output, reasoning }.
-- finish: stop, length, tool_calls, stop_sequence, refusal.
local schema = require "mock.schema"
local text = require "mock.text"

local answer = {}

local TEXT_SHOWN, CHOICES_MAX = 80, 128 -- also when nothing is validated

local function mentions_tool(ask, tool)
  local said = ask.text:lower()
  if said:find("tool", 1, true) or said:find(tool.name:lower(), 1, true) then return true end
  for word in tool.name:lower():gmatch("%a%a%a%a+") do
    if said:find(word, 1, true) then return true end
  end
  return false
end

local function find_tool(ask, name)
  for _, tool in ipairs(ask.tools) do
    if tool.name == name then return tool end
  end
end

-- The tools to call, in order; nil: answer with text.
local function choose_tools(ask, set)
  local choice, model = ask.choice, ask.model:lower()
  if #ask.tools == 0 or choice.type == "none" or set.tool == "0" or ask.no_tools then return nil end
  local first = find_tool(ask, choice.name or set.tool) or ask.tools[1]
  local parallel = (set.tool == "parallel" or model:find("parallel", 1, true)) and not ask.one_tool
  local forced = choice.type == "required" or choice.type == "tool"
  if not forced and ask.tool_result then return nil end
  local wanted = forced or set.tool or parallel or model:find("tool", 1, true)
  if not wanted then
    for _, tool in ipairs(ask.tools) do
      if mentions_tool(ask, tool) then return { tool } end
    end
    return nil
  end
  if parallel and choice.type ~= "tool" then return { first, ask.tools[2] or first } end
  return { first }
end

local function make_calls(ask, set, tools)
  local calls = {}
  for i, tool in ipairs(tools) do
    local arguments = set.args or (tool.custom and ("input for " .. tool.name)) or schema.sample(tool.schema)
    local seed = ask.seed .. "/" .. i
    calls[i] = { name = tool.name, arguments = arguments, custom = tool.custom, key = text.hash(seed) }
  end
  return calls
end

local function make_words(count, size)
  local pieces = {}
  for i = 1, count do
    local word = tostring(i) .. " "
    pieces[i] = #word < size and string.rep("w", size - #word) .. word or word:sub(-size)
  end
  return pieces
end

local function default_text(ask)
  if ask.schema or ask.json_object then return schema.sample(ask.schema) end
  if ask.tool_result then
    return "The tool said: " .. text.cut(ask.tool_result.text, TEXT_SHOWN)
  end
  local said = "You said: " .. text.cut(ask.text, TEXT_SHOWN)
  if ask.images == 1 then return said .. " I see 1 image." end
  if ask.images > 1 then return said .. " I see " .. ask.images .. " images." end
  return said
end

-- The earliest stop sequence ends the text; it is not part of it.
local function apply_stop(choice, stop)
  local first, which
  for _, sequence in ipairs(stop or {}) do
    local at = type(sequence) == "string" and sequence ~= "" and choice.text:find(sequence, 1, true)
    if at and (not first or at < first) then first, which = at, sequence end
  end
  if not first then return end
  choice.text = choice.text:sub(1, first - 1)
  choice.pieces = nil
  choice.finish, choice.stop_sequence = "stop_sequence", which
end

local function apply_limit(choice, limit)
  if not limit then return end
  local room = limit * 4
  if choice.reasoning and #choice.reasoning > room then
    choice.reasoning = text.cut(choice.reasoning, room)
    choice.text, choice.pieces, choice.finish = "", nil, "length"
    return
  end
  room = room - #(choice.reasoning or "")
  if choice.text and #choice.text > room then
    choice.text = text.cut(choice.text, room)
    choice.pieces, choice.finish, choice.stop_sequence = nil, "length", nil
  end
  for _, call in ipairs(choice.calls or {}) do
    if #call.arguments > room then
      call.arguments = text.cut(call.arguments, room)
      choice.finish = "length"
    end
    room = math.max(0, room - #call.arguments)
  end
end

local function wants_reasoning(ask, set)
  if set.reasoning then return set.reasoning ~= "0" end
  return ask.reasoning or (ask.reasoning == nil and ask.model:lower():find("reason", 1, true) ~= nil)
end

local function write_text(choice, ask, set, index)
  if set.frames and not (set.text or set.echo) then
    choice.pieces = make_words(set.frames, set.size or 6)
    choice.text = table.concat(choice.pieces)
  else
    choice.text = set.echo and ask.raw or set.text or default_text(ask)
    if index > 0 and not ask.schema then choice.text = choice.text .. " (choice " .. (index + 1) .. ")" end
    if set.frames then choice.pieces = text.parts(choice.text, set.frames) end
  end
  apply_stop(choice, ask.stop)
end

local function make_choice(ask, set, index)
  local choice = { finish = "stop" }
  if wants_reasoning(ask, set) then
    choice.reasoning = "The user wrote " .. #ask.text .. " bytes. I answer in one sentence."
    choice.redacted = set.reasoning == "redacted"
  end
  local tools = choose_tools(ask, set)
  if set.refusal then
    choice.refusal, choice.finish = set.refusal, "refusal"
  elseif tools then
    choice.calls, choice.finish = make_calls(ask, set, tools), "tool_calls"
  else
    write_text(choice, ask, set, index)
  end
  apply_limit(choice, ask.max_tokens)
  if choice.text and not choice.pieces then choice.pieces = text.pieces(choice.text) end
  return choice
end

local function count_output(choice)
  local count = text.tokens(choice.text or choice.refusal or "")
  for _, call in ipairs(choice.calls or {}) do count = count + text.tokens(call.name .. call.arguments) end
  return count
end

local WRONG = { input = 1, cached = 0, cache_write = 0, output = 999999, reasoning = 0 }
local ZERO = { input = 0, cached = 0, cache_write = 0, output = 0, reasoning = 0 }

local function make_usage(ask, set, choices)
  if set.usage == "wrong" then return WRONG end
  if set.usage == "zero" then return ZERO end
  local output, reasoning = 0, 0
  for _, choice in ipairs(choices) do
    reasoning = reasoning + text.tokens(choice.reasoning or "")
    output = output + count_output(choice)
  end
  reasoning = set.reasoning_tokens or reasoning
  return {
    input = set["in"] or ask.input_tokens,
    cached = set.cached or 0,
    cache_write = set.cache_write or 0,
    output = set.out or (output + reasoning),
    reasoning = reasoning,
  }
end

function answer.make(ask, set)
  local choices = {}
  for i = 1, math.min(ask.n or 1, CHOICES_MAX) do choices[i] = make_choice(ask, set, i - 1) end
  return choices, make_usage(ask, set, choices)
end

-- The pieces in which arguments are streamed.
function answer.argument_pieces(call, set)
  return text.slices(call.arguments, math.max(1, set.args_split or 8))
end

return answer
