-- Parts of the canonical form -> content blocks for Anthropic.
-- Source: https://docs.anthropic.com/en/api/messages (ContentBlockParam)
-- A job is what one encode carries along: { request, context, profile, marks = cache_control blocks in prompt order }.
local canonical = require "gateyes.canonical"
local json = require "gateyes.json"
local words = require "gateyes.anthropic_words"

local parts = {}

function parts.field(job, name, fallback)
  local fields = job.request.fields
  return fields and fields[name] or fallback
end

local function refuse(job, message)
  return canonical.invalid(parts.field(job, "turns", "messages"), message)
end

local function report(job, reason)
  job.context.drop(parts.field(job, "turns", "messages"), reason)
end
parts.report = report

function parts.mark(job, block, cache)
  if not cache then return block end
  block.cache_control = { type = "ephemeral", ttl = cache.ttl }
  job.marks[#job.marks + 1] = block
  return block
end

-- Tool ids are ^[a-zA-Z0-9_-]+$ at Anthropic. Others become one, always the same one, and a checksum of the original
-- keeps two of them apart.
local longest_id = 64

local function checksum(text)
  local sum = 5381
  for index = 1, #text do sum = (sum * 33 + text:byte(index)) % 4294967296 end
  return ("%08x"):format(sum)
end

function parts.tool_id(id)
  id = id or ""
  if id ~= "" and #id <= longest_id and not id:find("[^%w_-]") then return id end
  return (id:gsub("[^%w_-]", "_")):sub(1, longest_id - 9) .. "_" .. checksum(id)
end

-- Anthropic refuses text that is empty or white space.
local function text_block(job, text, part)
  if not text or not text:find("%S") then return nil end
  return parts.mark(job, { type = "text", text = text, citations = part.citations }, part.cache)
end

local function file_source(job, part)
  if part.file_id:sub(1, 5) == "file_" then return { type = "file", file_id = part.file_id } end
  return nil, refuse(job, "file id '" .. part.file_id .. "' belongs to another provider; send the file's content")
end

local function image_source(job, part)
  if part.data then return { type = "base64", media_type = part.media_type or "image/png", data = part.data } end
  if part.url then
    local media_type, data = canonical.parse_data_url(part.url)
    if data then return { type = "base64", media_type = media_type, data = data } end
    return { type = "url", url = part.url }
  end
  if part.file_id then return file_source(job, part) end
  return nil, refuse(job, "an image needs a URL or data")
end

-- RFC 4648, section 4. Only text files take this way, the rest travels as it is.
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local value_of = {}
for index = 1, 64 do value_of[alphabet:byte(index)] = index - 1 end

local function decode_base64(data)
  local out, bits, held = {}, 0, 0
  for index = 1, #data do
    local value = value_of[data:byte(index)]
    if value then
      held, bits = held * 64 + value, bits + 6
      if bits >= 8 then
        bits = bits - 8
        local unit = 2 ^ bits
        out[#out + 1] = string.char(math.floor(held / unit))
        held = held % unit
      end
    end
  end
  return table.concat(out)
end

local function text_source(text)
  return { type = "text", media_type = "text/plain", data = text }
end

local function ends_with(text, tail)
  return text:sub(-#tail):lower() == tail
end

local function media_type_of(part)
  if part.media_type then return part.media_type end
  if part.filename and ends_with(part.filename, ".txt") then return "text/plain" end
  return "application/pdf"
end

local function document_source(job, part)
  if part.text then return text_source(part.text) end
  if part.file_id then return file_source(job, part) end
  if part.url then return { type = "url", url = part.url } end
  if not part.data then return nil, refuse(job, "a file needs its content") end
  local media_type = media_type_of(part)
  if media_type == "application/pdf" then
    return { type = "base64", media_type = media_type, data = part.data }
  end
  if media_type:sub(1, 5) == "text/" or media_type == "application/json" then
    return text_source(decode_base64(part.data))
  end
  return nil, refuse(job, "files of type " .. media_type .. " are not supported; send PDF or text")
end

local encoders = {}

function encoders.text(job, part) return text_block(job, part.text, part) end
function encoders.refusal(job, part) return text_block(job, part.text, part) end

function encoders.image(job, part)
  local source, failure = image_source(job, part)
  if failure then return nil, failure end
  return parts.mark(job, { type = "image", source = source }, part.cache)
end

function encoders.file(job, part)
  local media_type = part.media_type or ""
  local is_image = media_type:sub(1, 6) == "image/"
  if is_image then return encoders.image(job, part) end
  local source, failure = document_source(job, part)
  if failure then return nil, failure end
  if source.type == "text" and not source.data:find("%S") then return nil end
  return parts.mark(job, {
    type = "document", source = source, title = part.title or part.filename, context = part.context,
    citations = part.citations,
  }, part.cache)
end

function encoders.audio(job, part)
  if part.data then return nil, refuse(job, "audio input is not supported by Anthropic's models") end
  report(job, "audio of an earlier answer lives at the provider that made it")
end

-- What is no JSON object cannot be an input: its text is kept under a name that says so.
local function input_of(part)
  local arguments = part.arguments or ""
  if part.custom then return { [words.custom_input] = arguments } end
  if not arguments:find("%S") then return json.raw("{}", true) end
  if arguments:find("^%s*{") and json.valid(arguments) then return json.raw(arguments, true) end
  return { raw_arguments = arguments }
end

function encoders.tool_call(job, part)
  job.called[part.name] = true
  return parts.mark(job,
    { type = "tool_use", id = parts.tool_id(part.id), name = part.name, input = input_of(part) }, part.cache)
end

local function result_content(content)
  if #content == 0 then return nil end
  local only = #content == 1 and content[1]
  if only and only.type == "text" and not only.cache_control and not only.citations then return only.text end
  return json.array(content)
end

function encoders.tool_result(job, part)
  local content, failure = parts.encode(job, part.parts)
  if failure then return nil, failure end
  return parts.mark(job, {
    type = "tool_result", tool_use_id = parts.tool_id(part.id), content = result_content(content),
    is_error = part.is_error or nil,
  }, part.cache)
end

-- Anthropic checks that it issued a thinking block: another's, or one without signature, fails the whole request.
function encoders.reasoning(job, part)
  if part.format == "anthropic" and part.redacted and part.encrypted then
    return { type = "redacted_thinking", data = part.encrypted }
  end
  if part.format == "anthropic" and part.signature and part.signature ~= "" then
    return { type = "thinking", thinking = part.text or "", signature = part.signature }
  end
  report(job, "reasoning that Anthropic did not sign cannot be sent back to it")
end

function encoders.raw(job, part)
  if part.format == "anthropic" then return part.raw end
  if part.format == "chat" then
    return nil, refuse(job, "content of type '" .. part.kind .. "' is nothing that Anthropic's models read; send text, "
      .. "images or files")
  end
  report(job, "a block that only " .. tostring(part.format) .. " providers understand")
end

-- -> list of blocks (may be empty) | nil, failure
function parts.encode(job, list)
  local content = {}
  for _, part in ipairs(list or {}) do
    local encoder = encoders[part.type]
    if encoder then
      local block, failure = encoder(job, part)
      if failure then return nil, failure end
      content[#content + 1] = block
    end
  end
  return content
end

return parts
