-- Finance: personal and bank data never leave the building. What holds any goes to our own GPUs, for that request and
-- the rest of its session, whatever fails; everything else may use the cloud. Start it with the mock in place of both:
--   scripts/run finance
local mock = env("MOCK_URL", "http://127.0.0.1:9100")

return {
  listen = { env("GATEYES_LISTEN", "127.0.0.1:8080") },
  admin = { listen = { env("GATEYES_ADMIN", "127.0.0.1:8081") }, key = env("GATEYES_ADMIN_KEY", "gy-admin-dev") },
  store = env("GATEYES_STORE", "none"),
  tenants = "tenants/",

  providers = {
    -- A real one: base_url = "http://gpu1:8000/v1", preset = "vllm".
    gpu = { adapter = "openai", base_url = env("GPU_URL", mock .. "/v1"), residency = "local" },
    -- A real one: base_url = "https://api.anthropic.com", credential = env "ANTHROPIC_API_KEY".
    claude = { adapter = "anthropic", base_url = mock, residency = "cloud" },
  },

  models = {
    analyst = {
      targets = { "claude/claude-sonnet-4-5", "gpu/qwen-2.5-72b-instruct" },
      price = { input = 3.00, cache_read = 0.30, cache_write = 3.75, output = 15.00 },
      context_tokens = 128000, max_output_tokens = 16384,
    },
  },

  keys = {
    { name = "desk", key = env("GATEYES_KEY", "gy-dev-key"), tenant = "acme", roles = { "developer" } },
  },
}
