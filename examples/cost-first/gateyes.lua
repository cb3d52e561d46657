-- Cost first: what is simple goes to our own Llama, what is hard to GPT; when one side is down or full, the other
-- answers. Start it with the mock in place of both:  scripts/run cost-first
local mock = env("MOCK_URL", "http://127.0.0.1:9100")

return {
  listen = { env("GATEYES_LISTEN", "127.0.0.1:8080") },
  admin = { listen = { env("GATEYES_ADMIN", "127.0.0.1:8081") }, key = env("GATEYES_ADMIN_KEY", "gy-admin-dev") },
  store = env("GATEYES_STORE", "none"),
  tenants = "tenants/",

  providers = {
    -- A real one: base_url = "http://gpu1:8000/v1", preset = "vllm".
    gpu = { adapter = "openai", base_url = mock .. "/v1", residency = "local", concurrency = 64 },
    -- A real one: base_url = "https://api.openai.com/v1", credential = env "OPENAI_API_KEY".
    openai = { adapter = "openai", base_url = mock .. "/v1", residency = "cloud" },
  },

  -- One name for applications. The order below holds where no policy has another opinion.
  models = {
    assistant = {
      targets = { "gpu/llama-3.1-8b-instruct", "openai/gpt-4o" },
      price = { input = 2.50, cache_read = 1.25, output = 10.00 },
      context_tokens = 128000, max_output_tokens = 16384,
      capabilities = { "tools", "images", "structured_output" },
    },
  },

  -- Acme may spend 100 a month and is told at half of it.
  quotas = {
    { name = "acme-month", scope = { tenant = "acme" }, money = 100, window = "month", warn = { 50, 80, 100 } },
  },

  keys = {
    { name = "app", key = env("GATEYES_KEY", "gy-dev-key"), tenant = "acme", roles = { "developer" } },
  },
}
