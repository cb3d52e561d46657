-- Every knob of the mock. This table is what the parser accepts, and what docs/mock.md shows.
local text = require "mock.text"

local knobs = {}

-- name, kind, what it does. Kinds: n number, ms, flag (given alone or =1), text (percent-encoded).
knobs.list = {
  { group = "Answer" },
  { "text", "text", "answer with this text" },
  { "echo", "flag", "answer with the received body's JSON as text" },
  { "frames", "n", "number of text deltas; without text=, words are made up to fill them" },
  { "size", "n", "bytes of each made-up delta (default 6)" },
  { "tool", "text", "call a tool: 1 the first (or forced) one, 0 never, a name that one, parallel two or more" },
  { "args", "text", "arguments of the tool call, as JSON text" },
  { "args_split", "n", "bytes of arguments per delta (default 8)" },
  { "interleave", "flag", "chat: the deltas of parallel calls take turns (OpenAI's own SDK refuses that)" },
  { "reasoning", "text", "0 none; 1 some; redacted: Anthropic's redacted_thinking" },
  { "reasoning_field", "text", "chat: reasoning_content (default), reasoning, or hidden (counted only)" },
  { "refusal", "text", "refuse with this text, in the provider's way" },
  { "finish", "text", "finish reason, in the provider's own word" },
  { "usage", "text", "right; missing; wrong (absurd numbers); zero; late (after late_ms); "
    .. "cumulative (in every frame that can carry it); always (chat: also when not asked for)" },
  { "late_ms", "ms", "pause before late usage (default 300)" },
  { "in", "n", "input tokens to report, cached ones included" },
  { "out", "n", "output tokens to report" },
  { "cached", "n", "cached input tokens to report (part of in)" },
  { "cache_write", "n", "input tokens written to the cache to report (part of in)" },
  { "reasoning_tokens", "n", "reasoning tokens to report (part of out)" },

  { group = "Refusal and validation" },
  { "status", "n", "answer with this status; from 400 on with an error in the provider's shape" },
  { "code", "text", "error code" },
  { "type", "text", "error type" },
  { "message", "text", "error message" },
  { "param", "text", "error param" },
  { "fail_times", "n", "apply status (default 503) to the first n requests of the same key, then answer" },
  { "key", "text", "the counter that fail_times uses (default: the knobs' own text)" },
  { "fail_rate", "n", "apply status to this percentage of requests, evenly spread by the request's number" },
  { "retry_after", "text", "Retry-After: seconds, or date:seconds for the HTTP date that lies so far ahead" },
  { "retry_after_ms", "n", "retry-after-ms header" },
  { "ratelimit_reset", "text", "x-ratelimit-reset-requests and -tokens, as given (1s, 6m0s, 20ms)" },
  { "anthropic_reset", "n", "anthropic-ratelimit-requests-reset: RFC 3339 time so many seconds ahead" },
  { "auth", "text", "401 unless the credential is this one" },
  { "no_thread", "flag", "messages: refuse the beta field thread" },
  { "strict", "flag", "refuse unknown top-level fields" },
  { "lax", "flag", "validate nothing" },

  { group = "Time" },
  { "delay_head", "ms", "before the response head" },
  { "delay_first", "ms", "between head and first frame or body" },
  { "delay_frame", "ms", "before each later frame" },
  { "idle_close", "ms", "close the connection when it was idle so long after the answer" },

  { group = "Shape of the stream" },
  { "burst", "n", "so many frames in one write (default 1)" },
  { "newline", "text", "lf (default), crlf or cr" },
  { "space", "n", "0: no space after data: and event:" },
  { "multiline", "flag", "each data over two data: lines" },
  { "comments", "flag", "a comment line before each frame" },
  { "bom", "flag", "a byte order mark first" },
  { "pings", "n", "so many keep-alives before the first frame (Anthropic: event ping, else a comment)" },
  { "no_done", "flag", "leave out the end mark: [DONE], message_stop, response.completed" },
  { "error_frame", "n", "after so many frames an error event of the provider, then the end" },
  { "malformed", "n", "break the JSON of this frame (1 is the first; of the body when not streaming)" },
  { "huge_line", "n", "a data line of so many bytes" },
  { "huge_at", "n", "after so many frames (default 1)" },

  { group = "Bytes of the body (counted before chunked framing, from 0)" },
  { "split", "text", "send in pieces: a number (bytes each), random, or a list of offsets 5,9,40" },
  { "seed", "n", "seed of split=random (default 1)" },
  { "gap", "ms", "pause between the pieces" },
  { "cut", "n", "end after so many bytes" },
  { "cut_frame", "n", "end after so many frames" },
  { "fin", "flag", "how it ends: FIN (default)" },
  { "rst", "flag", "how it ends: RST" },
  { "half_chunk", "flag", "how it ends: FIN inside a chunk whose size promised more" },
  { "clean", "flag", "how it ends: properly, as if the body were complete" },
  { "stall", "n", "send nothing more after so many bytes" },
  { "stall_frame", "n", "send nothing more after so many frames (0: after the head)" },
  { "stall_head", "flag", "send nothing at all" },
  { "stall_ms", "ms", "go on after this time (default: never)" },
  { "garbage", "n", "insert 64 bytes of garbage at this offset" },
  { "extra", "n", "so many bytes after the end of the body" },
  { "cut_wire", "n", "end after so many bytes of the whole answer, head included" },

  { group = "Response head" },
  { "header.NAME", "text", "add this header, or replace the mock's own" },
  { "content_type", "text", "content type" },
  { "head_bytes", "n", "add a header of so many bytes" },
  { "info", "n", "a 1xx response first: 100, 102 or 103" },
  { "info_count", "n", "so many of them" },
  { "gzip", "flag", "gzip the body, asked or not" },
  { "chunked", "flag", "chunked also when not streaming" },
  { "http10", "flag", "HTTP/1.0 head; the body ends with the connection" },
  { "close", "flag", "connection: close" },

  { group = "Taking the request (not from the model name: it is in the body)" },
  { "read", "text", "never: leave the body in the socket; slow: read_bytes every read_ms" },
  { "read_bytes", "n", "default 1024" },
  { "read_ms", "ms", "default 100" },
  { "early", "flag", "answer before the body has arrived" },
}

knobs.known = {}
for _, knob in ipairs(knobs.list) do
  if knob[1] then knobs.known[knob[1]] = knob[2] end
end

-- Adds the knobs of one text to the set. Returns nil and a sentence for one that does not exist.
function knobs.parse(source, set)
  for item in source:gmatch("[^;]+") do
    local key, value = item:match("^%s*([^=%s]+)%s*=%s*(.-)%s*$")
    key = key or item:match("^%s*(%S+)%s*$")
    if key then
      local kind = knobs.known[key] or (key:find("^header%.") and "text")
      if not kind then return nil, "no knob named " .. key end
      value = text.url_decode(value or "1")
      if kind == "n" or kind == "ms" then value = tonumber(value) end
      if not value then return nil, "knob " .. key .. " takes a number" end
      if kind == "flag" then value = value ~= "0" end
      set[key] = value
    end
  end
  return set
end

-- "gpt-4o@cut=200;fin" -> "gpt-4o", "cut=200;fin". Names that merely hold an @ stay whole.
function knobs.split_model(model)
  local name, tail = model:match("^(.-)@(.*)$")
  if not name then return model end
  local first = tail:match("^([%w_.%-]+)")
  if first and (knobs.known[first] or first:find("^header%.")) then return name, tail end
  return model
end

-- "/mock=cut=5;fin/v1/chat/completions?mock=rst" -> path, query, knob texts in the order they apply.
function knobs.split_target(target)
  local path, query = target:match("^([^?]*)%??(.*)$")
  local sources = {}
  local inside, rest = path:match("^/mock=([^/]*)(.*)$")
  if inside then
    path = rest == "" and "/" or rest
    sources[1] = inside
  end
  for pair in query:gmatch("[^&]+") do
    local value = pair:match("^mock=(.*)$")
    if value then sources[#sources + 1] = (value:gsub("%%3[Bb]", ";"):gsub("%%3[Dd]", "=")) end
  end
  return path, query, sources
end

function knobs.markdown()
  local out = {}
  for _, knob in ipairs(knobs.list) do
    if knob.group then
      if #out > 0 then out[#out + 1] = "" end
      out[#out + 1] = "### " .. knob.group .. "\n\n| Knob | Value | Effect |\n|---|---|---|"
    else
      out[#out + 1] = string.format("| `%s` | %s | %s |", knob[1], knob[2], knob[3])
    end
  end
  return table.concat(out, "\n") .. "\n"
end

return knobs
