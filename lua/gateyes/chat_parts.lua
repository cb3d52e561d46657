-- Content parts of a chat message, client's form -> canonical parts.
-- https://platform.openai.com/docs/api-reference/chat/create (messages); cache_control on parts as OpenRouter and
-- LiteLLM take it, prompt_cache_breakpoint as OpenAI does.
local json = require "gateyes.json"
local canonical = require "gateyes.canonical"
local fields = require "gateyes.fields"

local chat_parts = {}

local media_types = {
  pdf = "application/pdf", txt = "text/plain", md = "text/markdown", csv = "text/csv", html = "text/html",
  json = "application/json", png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg", gif = "image/gif",
  webp = "image/webp",
}

-- `cache` of a part, a message or a tool, or nil.
function chat_parts.cache_of(read, object)
  local control = read:get(object, "object", "cache_control")
  if control then
    read:enter "cache_control"
    local cache = { ttl = read:get(control, "string", "ttl") }
    read:leave()
    return cache
  end
  return read:get(object, "object", "prompt_cache_breakpoint") and {} or nil
end

local function decode_text(read, part)
  local text = read:need(part, "string", "text")
  return text and { type = "text", text = text }
end

-- "https://…" or a base64 data URL -> the fields of an image or file part.
local function place(read, part, url, name)
  if url:sub(1, 5) ~= "data:" then
    if not url:match "^%a[%w+.-]*://" then
      return read:refuse(name, "must be an http(s) URL or a base64 data URL such as data:image/png;base64,…")
    end
    part.url = url
    return part
  end
  part.media_type, part.data = canonical.parse_data_url(url)
  if part.data then return part end
  return read:refuse(name, "is a data URL without base64: write data:<media type>;base64,<data>")
end

local function decode_image(read, part)
  local image = part.image_url
  if type(image) == "string" then return place(read, { type = "image" }, image, "image_url") end
  image = read:need(part, "object", "image_url", "send { \"url\": \"https://… or data:image/…\" }")
  if not image then return nil end
  read:enter "image_url"
  local url = read:need(image, "string", "url", "send an http(s) URL or a base64 data URL")
  local detail = read:get(image, "string", "detail")
  local decoded = url and place(read, { type = "image", detail = detail }, url, "url")
  read:leave()
  return decoded
end

local function decode_audio(read, part)
  local audio = read:need(part, "object", "input_audio", "send { \"data\": \"<base64>\", \"format\": \"wav\" }")
  if not audio then return nil end
  read:enter "input_audio"
  local data = read:need(audio, "string", "data")
  local format = read:need(audio, "string", "format", "send \"wav\" or \"mp3\"")
  read:leave()
  return data and format and { type = "audio", data = data, format = format }
end

local function media_type_of(filename)
  local extension = filename and filename:match "%.(%w+)$"
  return extension and media_types[extension:lower()] or "application/pdf"
end

local function decode_file(read, part)
  local file = read:need(part, "object", "file", "send { \"file_data\": … } or { \"file_id\": … }")
  if not file then return nil end
  read:enter "file"
  local decoded = { type = "file", filename = read:get(file, "string", "filename"),
    file_id = read:get(file, "string", "file_id") }
  local data = read:get(file, "string", "file_data")
  if data and (data:sub(1, 5) == "data:" or data:match "^https?://") then
    decoded = place(read, decoded, data, "file_data")
  elseif data then
    decoded.data, decoded.media_type = data, media_type_of(decoded.filename)
  elseif not decoded.file_id then
    decoded = read:refuse(nil, "has neither file_data nor file_id: send one of them")
  end
  read:leave()
  return decoded
end

local function decode_refusal(read, part)
  local text = read:need(part, "string", "refusal")
  return text and { type = "refusal", text = text }
end

local decoders = {
  text = decode_text, image_url = decode_image, input_audio = decode_audio, file = decode_file,
  refusal = decode_refusal,
}

local only_text = { text = decode_text }
local said = { text = decode_text, refusal = decode_refusal }

chat_parts.kinds = { any = decoders, text = only_text, assistant = said }

-- A block of a kind that is not OpenAI's (vLLM's video_url, say) stays as it is for servers of the same format.
local function decode_foreign(read, part, kinds)
  if kinds == decoders and not decoders[part.type] then
    return { type = "raw", format = "chat", kind = part.type, raw = json.raw(json.encode(part)) }
  end
  return read:refuse("type", "'" .. part.type .. "' is not allowed in a message of this role: send text parts")
end

local function decode_list(read, list, kinds)
  local parts = {}
  read:each(list, "content", function(part)
    local kind = read:need(part, "string", "type", "send \"text\", \"image_url\", \"input_audio\" or \"file\"")
    if not kind then return end
    local decode = kinds[kind]
    local decoded = decode and decode(read, part) or not decode and decode_foreign(read, part, kinds)
    if not decoded then return end
    decoded.cache = chat_parts.cache_of(read, part)
    parts[#parts + 1] = decoded
  end)
  return parts
end

-- The `content` of a message -> parts. Empty text says nothing and some providers refuse it, so it gives no part.
function chat_parts.decode(read, message, kinds, required)
  local content = message.content
  if fields.kind_of(content) == "null" then
    if required then read:need(message, "string", "content", "send a string or an array of parts") end
    return {}
  end
  if type(content) == "string" then return content ~= "" and { { type = "text", text = content } } or {} end
  local list = read:check(content, "list", "content", "send a string or an array of parts")
  return list and decode_list(read, list, kinds) or {}
end

return chat_parts
