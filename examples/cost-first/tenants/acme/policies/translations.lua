-- Our Llama translates well: a translation goes there however long and technical its text is.
local policy = { name = "translations" }

local function is_translation(text)
  return text:lower():find "^%s*translate " or text:find("翻译", 1, true)
end

function policy.route(request, candidates, context)
  if not is_translation(request.last_user_text) then return nil end
  local ours, others = {}, {}
  for _, candidate in ipairs(candidates) do
    local list = candidate.residency == "local" and ours or others
    list[#list + 1] = candidate
  end
  for _, candidate in ipairs(others) do ours[#ours + 1] = candidate end
  context:trace "a translation: our own model first"
  return ours
end

return policy
