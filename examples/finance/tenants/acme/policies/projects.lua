-- Names of projects that nobody outside may hear of keep a request here, in whatever spelling.
local gateyes = require "gateyes"

local policy = {
  name = "projects",
  settings = { words = { type = "list", required = true, about = "Names of projects." } },
}

local detectors = {}

local function detector_of(words)
  local key = table.concat(words, "\n")
  detectors[key] = detectors[key] or gateyes.detector { lists = { { name = "project", words = words } } }
  return detectors[key]
end

function policy.on_request(request, context)
  if #gateyes.detect(request, detector_of(context.settings.words)) > 0 then
    context:require { residency = "local" }
    context:tag("sensitive", "project")
  end
end

return policy
