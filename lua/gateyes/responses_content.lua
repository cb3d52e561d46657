-- Content parts of Responses messages and tool outputs, to and from canonical parts.
-- https://platform.openai.com/docs/api-reference/responses/create (input)
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"
local text = require "gateyes.responses_text"

local content = {}

local media_types = {
  pdf = "application/pdf", txt = "text/plain", md = "text/markdown", csv = "text/csv", html = "text/html",
  json = "application/json", xml = "application/xml",
  docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

-- OpenAI's explicit cache breakpoint and the cache_control that clients of Anthropic models add.
local function cache_of(block)
  local control = block.cache_control
  if type(control) == "table" then return { ttl = text.string(control.ttl) } end
  if type(block.prompt_cache_breakpoint) == "table" then return {} end
end

local function image(block)
  local part = { type = "image", detail = text.string(block.detail), cache = cache_of(block) }
  local url = text.string(block.image_url)
  if url then
    part.media_type, part.data = canonical.parse_data_url(url)
    if not part.data then part.url = url end
  else
    part.file_id = text.string(block.file_id)
  end
  return (part.data or part.url or part.file_id) and part
end

local function file(block)
  local part = { type = "file", filename = text.string(block.filename), cache = cache_of(block) }
  local source = text.string(block.file_data) or text.string(block.file_url)
  if source then
    part.media_type, part.data = canonical.parse_data_url(source)
    if not part.data and block.file_data == source then part.data = source end
    if not part.data then part.url = source end
  else
    part.file_id = text.string(block.file_id)
  end
  if part.data and not part.media_type then
    local extension = part.filename and part.filename:match("%.(%w+)$")
    part.media_type = extension and media_types[extension:lower()] or "application/pdf"
  end
  return (part.data or part.url or part.file_id) and part
end

local function audio(block)
  local input = block.input_audio
  if type(input) ~= "table" or type(input.data) ~= "string" then return nil end
  return { type = "audio", data = input.data, format = text.string(input.format) or "wav" }
end

local function words(block)
  if type(block.text) ~= "string" then return nil end
  return { type = "text", text = block.text, cache = cache_of(block) }
end

local function output_text(block, raw)
  local part = words(block)
  if part and type(block.annotations) == "table" and #block.annotations > 0 then
    part.annotations = json.raw(text.members(raw).annotations, true)
  end
  return part
end

local function refusal(block)
  local said = text.string(block.refusal) or text.string(block.text)
  return said and { type = "refusal", text = said }
end

local kinds = {
  input_text = words, output_text = output_text, text = words, input_image = image, input_file = file,
  input_audio = audio, refusal = refusal,
}

-- Blocks that only OpenAI reads.
local own = { computer_screenshot = true, reasoning_text = true, summary_text = true }

local function unknown(kind, place)
  return canonical.invalid(place .. ".type", "'" .. place .. ".type' is '" .. kind .. "': send 'input_text', "
    .. "'input_image', 'input_file' or 'input_audio', and of the assistant 'output_text' or 'refusal'.")
end

-- Raw JSON of a string or a list of blocks -> canonical parts | nil, failure. `where` names the field in reports.
function content.parts(raw, where)
  if raw == nil or raw == "null" then return {} end
  if raw:sub(1, 1) == '"' then return { { type = "text", text = json.decode(raw) } } end
  local blocks = json.elements(raw)
  if not blocks then return nil, canonical.invalid(where, "'" .. where .. "' must be a string or a list.") end
  local parts = {}
  for i, block_raw in ipairs(blocks) do
    local block = json.decode(block_raw)
    local kind = type(block) == "table" and block.type
    local place = where .. "[" .. (i - 1) .. "]"
    if type(kind) ~= "string" then return nil, canonical.invalid(place, "'" .. place .. ".type' is missing.") end
    local make = kinds[kind]
    local part = make and make(block, block_raw)
    if make and not part then
      return nil, canonical.invalid(place, "'" .. place .. "' lacks what a block of type '" .. kind .. "' needs.")
    end
    if not part and not own[kind] then return nil, unknown(kind, place) end
    parts[i] = part or { type = "raw", format = "responses", kind = kind, raw = json.raw(block_raw, true) }
  end
  return parts
end

local function write_image(part)
  local url = part.data and canonical.data_url(part.media_type or "image/png", part.data) or part.url
  return text.object("type", '"input_image"', "detail", json.quote(part.detail or "auto"),
    "image_url", url and json.quote(url), "file_id", not url and part.file_id and json.quote(part.file_id) or nil)
end

local extensions = { ["text/plain"] = "txt" }
for extension, media_type in pairs(media_types) do extensions[media_type] = extensions[media_type] or extension end

local function write_file(part)
  if part.text then return text.object("type", '"input_text"', "text", json.quote(canonical.text_of_file(part))) end
  local name = part.filename or part.title
  if part.data then
    local media_type = part.media_type or "application/pdf"
    name = name or ("file." .. (extensions[media_type] or "bin"))
    return text.object("type", '"input_file"', "filename", json.quote(name),
      "file_data", json.quote(canonical.data_url(media_type, part.data)))
  end
  return text.object("type", '"input_file"', "file_url", part.url and json.quote(part.url),
    "file_id", part.file_id and json.quote(part.file_id))
end

local function write_audio(part)
  if not part.data then return nil end
  return text.object("type", '"input_audio"', "input_audio",
    text.object("data", json.quote(part.data), "format", json.quote(part.format or "wav")))
end

-- A canonical part as an input block; nil for a part that has no place in a message.
function content.input_block(part)
  if part.type == "text" or part.type == "refusal" then
    return text.object("type", '"input_text"', "text", json.quote(part.text))
  end
  if part.type == "image" then return write_image(part) end
  if part.type == "file" then return write_file(part) end
  if part.type == "audio" then return write_audio(part) end
end

return content
