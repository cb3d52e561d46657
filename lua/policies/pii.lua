-- Personal data: blocked, masked, replaced by tokens that the reply turns back, hashed, kept local, tagged or noted.
local compliance = require "gateyes.compliance"

return compliance.hooks {
  name = "pii",
  about = "Finds personal identifiers in requests and replies.",
  wakes = compliance.wakes,
  settings = compliance.default(compliance.settings(), { kinds = { "pii" }, action = "mask" }),
}
