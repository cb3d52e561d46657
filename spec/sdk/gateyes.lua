-- The gateway that the official clients meet: each adapter before the same mock, and for each a family of models whose
-- targets carry the mock's knobs: "anthropic-tools", "openai-status429", …
local mock = env "MOCK_URL"

local providers = {
  openai = { adapter = "openai", base_url = mock .. "/v1", credential = "upstream-openai" },
  openai_responses = { adapter = "openai_responses", base_url = mock .. "/v1", credential = "upstream-responses" },
  anthropic = { adapter = "anthropic", base_url = mock, credential = "upstream-anthropic" },
  azure_openai = { adapter = "azure_openai", base_url = mock, credential = "upstream-azure",
    api_version = "2024-10-21" },
}

-- The names decide what a model can do.
local upstream = { openai = "gpt-4o", openai_responses = "gpt-4o", anthropic = "claude-sonnet-4-5",
  azure_openai = "gpt-4o" }

local kinds = {
  plain = "",
  strict = "strict",
  counted = "in=1200;out=345;cached=200;reasoning_tokens=45",
  written = "in=1200;out=345;cached=200;cache_write=300",
  uncounted = "usage=missing",
  tools = "tool=1",
  parallel = "tool=parallel",
  reason = "reasoning=1",
  redacted = "reasoning=redacted",
  refusal = "refusal=I%20will%20not%20say%20that",
  long = "frames=3000;size=12",
  flaky_chat = "fail_times=1;status=429;retry_after=1;key=chat",
  flaky_messages = "fail_times=1;status=529;retry_after=1;key=messages",
  slow = "frames=400;size=12;delay_frame=20",
  steady = "frames=20;delay_frame=30",
  slow_head = "delay_head=5000",
  cut = "frames=40;cut_frame=9;fin",
  reset = "frames=40;cut_frame=9;rst",
  event_error = "frames=40;error_frame=9;message=it%20broke",
  malformed = "frames=40;malformed=9",
  no_done = "no_done",
  headers = "header.x-ratelimit-remaining-requests=7;header.anthropic-ratelimit-requests-remaining=7",
}
for _, status in ipairs { 400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503, 529 } do
  kinds["status" .. status] = ("status=%d;message=refused%%20with%%20%d"):format(status, status)
end
kinds.status429 = kinds.status429 .. ";retry_after=17"

-- Odd prices, so that a swapped pair shows.
local price = { input = 2.003, cache_read = 0.207, cache_write = 3.011, output = 10.013, reasoning = 13.017 }

local models = {}
for provider in pairs(providers) do
  for kind, knobs in pairs(kinds) do
    knobs = knobs:gsub("key=%a+", "%0-" .. provider)
    local name = upstream[provider] .. (knobs ~= "" and "@" .. knobs or "")
    models[provider .. "-" .. kind] = { targets = { provider .. "/" .. name }, price = price,
      context_tokens = 200000, max_output_tokens = 64000 }
  end
  models[provider .. "-embed"] = { targets = { provider .. "/text-embedding-3-small" }, price = price }
end
models.second = { targets = { "openai/gpt-4o@status=503", "anthropic/claude-sonnet-4-5" }, price = price }
models.smart = { alias = "anthropic-plain" }

return {
  listen = { env "GATEWAY_LISTEN" },
  admin = { listen = { env "ADMIN_LISTEN" }, key = "gy-sdk-admin" },
  store = "sqlite:" .. env "GATEWAY_FOLDER" .. "/gateyes.db",
  log = { file = env "GATEWAY_FOLDER" .. "/gateway.log" },
  workers = 2,
  providers = providers,
  models = models,
  keys = {
    { name = "sdk", key = "gy-sdk-key-1" },
    { name = "narrow", key = "gy-sdk-key-2", tenant = "other", models = { "openai-plain" } },
  },
}
