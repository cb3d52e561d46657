-- Content blocks of the Messages API -> parts of the canonical form, for requests and replies alike.
-- Source: https://docs.anthropic.com/en/api/messages (ContentBlockParam, ContentBlock)
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"
local words = require "gateyes.anthropic_words"

local blocks = {}

-- Members that stay text: nobody here interprets them, or they are read block by block.
local uninterpreted = { input = true, citations = true, content = true }

local function invalid(path, message)
  return canonical.invalid(path, path .. ": " .. message)
end
blocks.invalid = invalid

-- json.null and absent are the same to every field here.
local function given(value)
  if value == json.null then return nil end
  return value
end
blocks.given = given

local function raw_or_nil(value)
  if not json.is_raw(value) or json.raw_text(value) == "null" then return nil end
  return value
end
blocks.raw_or_nil = raw_or_nil

local function string_at(object, name, path)
  local value = given(object[name])
  if type(value) == "string" then return value end
  if value == nil then return nil, invalid(path .. "." .. name, "Field required") end
  return nil, invalid(path .. "." .. name, "Input should be a valid string")
end

-- A member that may be missing. -> text or nil, failure
function blocks.string_or_nil(object, name, path)
  if given(object[name]) == nil then return nil end
  return string_at(object, name, path)
end

function blocks.cache_of(block)
  local mark = given(block.cache_control)
  if type(mark) ~= "table" then return nil end
  return { ttl = type(mark.ttl) == "string" and mark.ttl or nil }
end

local source_of = {}

function source_of.base64(source, path, part)
  local failure
  part.media_type, failure = string_at(source, "media_type", path)
  if failure then return failure end
  part.data, failure = string_at(source, "data", path)
  return failure
end

function source_of.url(source, path, part)
  local failure
  part.url, failure = string_at(source, "url", path)
  return failure
end

function source_of.file(source, path, part)
  local failure
  part.file_id, failure = string_at(source, "file_id", path)
  return failure
end

function source_of.text(source, path, part)
  local failure
  part.text, failure = string_at(source, "data", path)
  part.media_type = "text/plain"
  return failure
end

-- A document made of blocks is its text to everybody but Anthropic; images inside it stand behind it as parts.
function source_of.content(source, path, part, context)
  local inner, failure = blocks.parts(source.content, path .. ".content", context)
  if failure then return failure end
  part.text, part.media_type = canonical.text_of(inner, "\n"), "text/plain"
  for _, piece in ipairs(inner) do
    if piece.type ~= "text" then part.beside = part.beside or {}; table.insert(part.beside, piece) end
  end
end

local allowed_sources = {
  image = { base64 = true, url = true, file = true },
  document = { base64 = true, url = true, file = true, text = true, content = true },
}

local function read_source(block, path, part, context)
  local source = given(block.source)
  path = path .. ".source"
  if type(source) ~= "table" then return invalid(path, "Field required") end
  local kind = given(source.type)
  if not allowed_sources[block.type][kind] then
    return invalid(path, "'" .. tostring(kind) .. "' does not match any of the expected tags of 'type'")
  end
  return source_of[kind](source, path, part, context)
end

local readers = {}

function readers.text(block, path)
  local text, failure = string_at(block, "text", path)
  if failure then return nil, failure end
  return { type = "text", text = text, citations = raw_or_nil(block.citations), cache = blocks.cache_of(block) }
end

function readers.image(block, path, context)
  local part = { type = "image", cache = blocks.cache_of(block) }
  local failure = read_source(block, path, part, context)
  if failure then return nil, failure end
  return part
end

function readers.document(block, path, context)
  local part = { type = "file", citations = raw_or_nil(block.citations), cache = blocks.cache_of(block) }
  for _, name in ipairs { "title", "context" } do
    local text, failure = blocks.string_or_nil(block, name, path)
    if failure then return nil, failure end
    part[name] = text
  end
  local failure = read_source(block, path, part, context)
  if failure then return nil, failure end
  if part.url or part.file_id then part.media_type = part.url and "application/pdf" or nil end
  part.filename = part.title
  return part, nil
end

-- Elsewhere there are no search results: they become text that names its source.
function readers.search_result(block, path, context)
  local inner, failure = blocks.parts(block.content, path .. ".content", context)
  if failure then return nil, failure end
  local head = {}
  for _, name in ipairs { "title", "source" } do
    if type(block[name]) == "string" then head[#head + 1] = block[name] end
  end
  head[#head + 1] = canonical.text_of(inner, "\n")
  local wish = raw_or_nil(block.citations)
  local citations = wish and json.decode(json.raw_text(wish))
  if type(citations) == "table" and citations.enabled == true then
    context.drop("messages.citations", "only Anthropic cites from search results")
  end
  return { type = "text", text = table.concat(head, "\n"), cache = blocks.cache_of(block) }
end

-- What a client's own search for tools found. To others no tool is deferred: the result says which one was meant.
function readers.tool_reference(block, path)
  local name, failure = string_at(block, "tool_name", path)
  if failure then return nil, failure end
  return { type = "text", text = "Tool found: " .. name, cache = blocks.cache_of(block) }
end

function readers.tool_use(block, path)
  local id, failure = string_at(block, "id", path)
  if failure then return nil, failure end
  local name
  name, failure = string_at(block, "name", path)
  if failure then return nil, failure end
  local input = raw_or_nil(block.input)
  local part = {
    type = "tool_call", id = id, name = name, cache = blocks.cache_of(block),
    arguments = input and json.raw_text(input) or "{}",
  }
  return blocks.custom_call(part)
end

function readers.tool_result(block, path, context)
  local id, failure = string_at(block, "tool_use_id", path)
  if failure then return nil, failure end
  local inner = {}
  if raw_or_nil(block.content) then
    inner, failure = blocks.parts(block.content, path .. ".content", context)
    if failure then return nil, failure end
  end
  return {
    type = "tool_result", id = id, parts = inner, cache = blocks.cache_of(block),
    is_error = given(block.is_error) or nil,
  }
end

function readers.thinking(block, path)
  local text, failure = string_at(block, "thinking", path)
  if failure then return nil, failure end
  local signature
  signature, failure = blocks.string_or_nil(block, "signature", path)
  if failure then return nil, failure end
  local issued = words.read_signature(signature)
  issued.type, issued.text = "reasoning", text
  return issued
end

function readers.redacted_thinking(block, path)
  local data, failure = string_at(block, "data", path)
  if failure then return nil, failure end
  return { type = "reasoning", text = "", encrypted = data, redacted = true, format = "anthropic" }
end

-- A call of a free-form tool that was sent as a function: the one reserved string is its text.
function blocks.custom_call(part)
  if not part.arguments:find('"' .. words.custom_input .. '"', 1, true) then return part end
  local arguments = json.decode(part.arguments)
  if type(arguments) ~= "table" or type(arguments[words.custom_input]) ~= "string" then return part end
  part.custom, part.arguments = true, arguments[words.custom_input]
  return part
end

-- Blocks of Anthropic's own tools, and its own state, which only it understands.
local own = { compaction = true, fallback = true, container_upload = true, browser_state = true }

-- The kind of the first block that no documentation names, anywhere in `parts`; else nil.
function blocks.unknown_kind(parts)
  for _, part in ipairs(parts) do
    if part.type == "raw" and not own[part.kind] and not part.kind:find("tool", 1, true) then return part.kind end
    local inner = part.type == "tool_result" and blocks.unknown_kind(part.parts)
    if inner then return inner end
  end
end

-- One block's text -> a part | nil, failure. Blocks that only Anthropic understands stay as they are.
function blocks.part(text, path, context)
  local block, message = json.decode(text, uninterpreted)
  if block == nil then return nil, invalid(path, message or "not valid JSON") end
  if type(block) ~= "table" or json.is_raw(block) then return nil, invalid(path, "Input should be an object") end
  local kind = given(block.type)
  if type(kind) ~= "string" then return nil, invalid(path .. ".type", "Field required") end
  local reader = readers[kind]
  if reader then return reader(block, path, context) end
  return { type = "raw", format = "anthropic", kind = kind, raw = json.raw(text) }
end

-- A raw `content` value (a string, or a list of blocks) -> parts | nil, failure.
function blocks.parts(content, path, context)
  local text = content ~= nil and json.is_raw(content) and json.raw_text(content)
  if not text then return nil, invalid(path, "Field required") end
  local first = text:sub(1, 1)
  if first == '"' then return { { type = "text", text = json.decode(text) } } end
  if first ~= "[" then return nil, invalid(path, "Input should be a string or a list of content blocks") end
  local parts = {}
  for index, element in ipairs(json.elements(text)) do
    local part, failure = blocks.part(element, path .. "." .. index - 1, context)
    if failure then return nil, failure end
    parts[#parts + 1] = part
    for _, beside in ipairs(part.beside or {}) do parts[#parts + 1] = beside end
    part.beside = nil
  end
  return parts
end

return blocks
