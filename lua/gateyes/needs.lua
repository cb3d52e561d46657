-- What a request needs of a model, whatever protocol it is written in.
local needs = {}

local FORMATS = { "response_format.type", "text.format.type", "output_config.format.type", "output_format.type" }

local function whole(value)
  return type(value) == "number" and value or nil
end

function needs.output_tokens(request)
  return whole(request:get "max_completion_tokens") or whole(request:get "max_tokens")
    or whole(request:get "max_output_tokens")
end

-- "json_object", "json_schema" or nil: chat has response_format, responses text.format, messages output_format.
function needs.output_format(request)
  for _, path in ipairs(FORMATS) do
    local found = request:get(path)
    if type(found) == "string" and found:find("json", 1, true) then return found end
  end
end

-- Names of capabilities, as configurations list them.
function needs.capabilities(request)
  local list = {}
  if #request.tools > 0 then list[#list + 1] = "tools" end
  if request.attachments > 0 then list[#list + 1] = "images" end
  if needs.output_format(request) == "json_schema" then list[#list + 1] = "structured_output" end
  return list
end

return needs
