-- Keys, tokens and passwords: no model needs them.
local compliance = require "gateyes.compliance"

return compliance.hooks {
  name = "secrets",
  about = "Finds keys, tokens and passwords in requests and replies.",
  wakes = compliance.wakes,
  settings = compliance.default(compliance.settings(), { kinds = { "secrets" }, action = "block" }),
}
