-- Canonical parts -> content of chat messages. https://platform.openai.com/docs/api-reference/chat/create
local json = require "gateyes.json"
local canonical = require "gateyes.canonical"
local openai_models = require "gateyes.openai_models"

local openai_parts = {}

-- What one request's messages are written with. `failure` is set by content that cannot be sent at all.
function openai_parts.writer(request, context, preset)
  return {
    request = request, context = context, preset = preset, failure = nil,
    breakpoints = preset.cache == "breakpoint" and openai_models.has_breakpoints(context.model),
    input = request.fields and request.fields.messages or "messages",
  }
end

local function refuse(writer, message)
  writer.failure = writer.failure or canonical.invalid(writer.input, message)
end
openai_parts.refuse = refuse

-- A field that this target lacks, reported once.
function openai_parts.drop(writer, field, reason)
  writer.dropped = writer.dropped or {}
  if writer.dropped[field] then return end
  writer.dropped[field] = true
  writer.context.drop(field, reason)
end

local function mark_cache(writer, block, cache)
  if not cache then return block end
  if writer.breakpoints then
    block.prompt_cache_breakpoint = { mode = "explicit" }
  elseif writer.preset.cache == "control" then
    block.cache_control = { type = "ephemeral", ttl = cache.ttl }
  else
    openai_parts.drop(writer, "cache_control", "the provider caches prompts by itself")
  end
  return block
end

local function text_block(_, part)
  return { type = "text", text = part.text }
end

local function image_block(writer, part)
  local url = part.url or part.data and canonical.data_url(part.media_type or "image/png", part.data)
  if not url then return refuse(writer, "An uploaded image cannot be sent to this model: send its URL or its bytes") end
  return { type = "image_url", image_url = { url = url, detail = part.detail } }
end

local function audio_block(writer, part)
  if not part.data then return refuse(writer, "Audio must be sent as base64 data to this model") end
  return { type = "input_audio", input_audio = { data = part.data, format = part.format or "wav" } }
end

-- Only Anthropic cites from documents, where it is asked to.
function openai_parts.wants_citations(part)
  local wish = part.citations and json.decode(json.raw_text(part.citations))
  return type(wish) == "table" and wish.enabled == true
end

local function file_block(writer, part)
  if openai_parts.wants_citations(part) then
    openai_parts.drop(writer, writer.input .. ".citations", "the provider does not cite from documents")
  end
  if part.text then return { type = "text", text = canonical.text_of_file(part) } end
  if part.file_id then return { type = "file", file = { file_id = part.file_id } } end
  if part.data then
    local data = canonical.data_url(part.media_type or "application/pdf", part.data)
    return { type = "file", file = { filename = part.filename or part.title or "document.pdf", file_data = data } }
  end
  if part.url and writer.preset.cache == "control" then
    return { type = "file", file = { filename = part.filename or "document.pdf", file_data = part.url } }
  end
  return refuse(writer, "This model takes no files by URL: send the file's bytes")
end

local function raw_block(writer, part)
  if part.format == "chat" then return part.raw end
  return openai_parts.drop(writer, writer.input .. "." .. (part.kind or part.format), "only its own provider reads it")
end

local function refusal_block(_, part)
  return { type = "text", text = part.text }
end

local blocks = { text = text_block, image = image_block, audio = audio_block, file = file_block, raw = raw_block,
  refusal = refusal_block }

local function is_plain(list)
  for _, block in ipairs(list) do
    if json.is_raw(block) or block.type ~= "text" or block.prompt_cache_breakpoint or block.cache_control then
      return false
    end
  end
  return true
end

local function joined(list)
  local texts = {}
  for i, block in ipairs(list) do texts[i] = block.text end
  return table.concat(texts, "\n\n")
end

-- Blocks of those parts that may stand in a message's content.
function openai_parts.blocks(writer, parts)
  local list = {}
  for _, part in ipairs(parts) do
    local make = blocks[part.type]
    local block = make and make(writer, part)
    if block and json.is_raw(block) then
      list[#list + 1] = block
    elseif block then
      list[#list + 1] = mark_cache(writer, block, part.cache)
    end
  end
  return list
end

-- One text is sent as a string, which every server understands; several stay apart unless the server wants one.
function openai_parts.content(writer, list)
  if #list == 0 then return nil end
  if is_plain(list) and (#list == 1 or writer.preset.plain) then return joined(list) end
  return json.array(list)
end

return openai_parts
