-- What the container image starts with: the mock as the only provider, so that compose.yaml works as it is.
-- Mount your own file over /etc/gateyes/gateyes.lua. The log goes to standard output.

local mock = env("MOCK_URL", "http://mock:9100")

return {
  listen = { env("GATEYES_LISTEN", "0.0.0.0:8080") },
  -- Inside the container, for its health check. To scrape metrics from outside: 0.0.0.0:8081 and a key.
  admin = { listen = { env("GATEYES_ADMIN_LISTEN", "127.0.0.1:8081") } },

  -- Requests and their cost are not kept: the container's own files are read-only, and gone with it. To keep
  -- them, mount a volume at /var/lib/gateyes and name a file on it: sqlite:/var/lib/gateyes/gateyes.db
  store = env("GATEYES_STORE", "none"),

  -- Who answers. A real provider looks the same, with a credential:
  --   openai = {
  --     adapter = "openai", base_url = "https://api.openai.com/v1",
  --     credential = env "OPENAI_API_KEY", residency = "cloud",
  --   },
  providers = {
    ["mock-openai"] = { adapter = "openai", base_url = mock .. "/v1", residency = "local" },
    ["mock-responses"] = { adapter = "openai_responses", base_url = mock .. "/v1", residency = "local" },
    ["mock-anthropic"] = { adapter = "anthropic", base_url = mock, residency = "local" },
  },

  -- What clients ask for. Targets are tried in order; prices are per million tokens.
  models = {
    ["gpt-4o-mini"] = {
      targets = { "mock-openai/gpt-4o-mini", "mock-responses/gpt-4o-mini" },
      price = { input = 0.15, cache_read = 0.075, output = 0.60 },
      context_tokens = 128000, max_output_tokens = 16384,
      capabilities = { "tools", "images", "structured_output" },
    },
    ["claude-sonnet-4-5"] = {
      targets = { "mock-anthropic/claude-sonnet-4-5" },
      price = { input = 3.00, cache_read = 0.30, cache_write = 3.75, cache_write_1h = 6.00, output = 15.00 },
      context_tokens = 200000, max_output_tokens = 64000,
      capabilities = { "tools", "images", "reasoning" },
    },
    ["text-embedding-3-small"] = {
      targets = { "mock-openai/text-embedding-3-small" },
      price = { input = 0.02, output = 0 },
      context_tokens = 8191,
    },
    smart = { alias = "claude-sonnet-4-5" },
  },

  -- Who may ask. Keep real keys out of the file: env "NAME", or secret_file "path".
  keys = {
    { name = "dev", key = env("GATEYES_KEY", "gy-dev-key"), roles = { "developer" } },
  },
}
