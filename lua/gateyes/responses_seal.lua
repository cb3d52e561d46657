-- Reasoning that another provider signed, carried through a Responses client in `encrypted_content`.
-- The text is self-describing: gateyes.v1.<format>.<kind>.<length of the visible text>.<payload>, where kind is
-- s (signature), r (redacted block) or e (encrypted). A signature is only valid over the text it was made for, so a
-- client that cut the summary away gets no signed part back.
local seal = {}

local pattern = "^gateyes%.v1%.(%l+)%.([sre])%.(%d+)%.(.*)$"

-- The encrypted_content of a canonical reasoning part, or nil when it carries nothing worth sealing.
function seal.close(part)
  if part.format == "responses" then return part.encrypted end
  local kind, payload
  if part.redacted then
    kind, payload = "r", part.encrypted or part.signature
  elseif part.signature then
    kind, payload = "s", part.signature
  else
    kind, payload = "e", part.encrypted
  end
  if not payload or payload == "" then return nil end
  return string.format("gateyes.v1.%s.%s.%d.", part.format or "chat", kind, #(part.text or "")) .. payload
end

function seal.is_sealed(encrypted)
  return encrypted:sub(1, 11) == "gateyes.v1."
end

-- encrypted_content and the item's visible text -> the fields of the canonical part; nil when it was not sealed here.
function seal.open(encrypted, visible)
  local format, kind, length, payload = encrypted:match(pattern)
  if not format then return nil end
  local part = { type = "reasoning", format = format, text = visible ~= "" and visible or nil }
  if kind == "r" then
    part.redacted, part.encrypted = true, payload
  elseif kind == "e" then
    part.encrypted = payload
  elseif #visible == tonumber(length) then
    part.signature, part.text = payload, visible
  else
    part.format = nil
  end
  return part
end

return seal
