-- Redundancy: one model name, three vendors. OpenAI first, the same model at Azure next, Anthropic's last; a failure
-- before the first token moves on, without the application noticing. Start it with the mock in place of all three:
--   scripts/run redundancy
local mock = env("MOCK_URL", "http://127.0.0.1:9100")

return {
  listen = { env("GATEYES_LISTEN", "127.0.0.1:8080") },
  admin = { listen = { env("GATEYES_ADMIN", "127.0.0.1:8081") }, key = env("GATEYES_ADMIN_KEY", "gy-admin-dev") },
  store = env("GATEYES_STORE", "none"),
  tenants = "tenants/",

  providers = {
    -- Real ones: base_url = "https://api.openai.com/v1", "https://NAME.openai.azure.com", "https://api.anthropic.com",
    -- each with a credential from env.
    openai = { adapter = "openai", base_url = env("OPENAI_URL", mock .. "/v1"), residency = "us" },
    azure = {
      adapter = "azure_openai", base_url = env("AZURE_URL", mock), api_version = "2024-10-21", residency = "eu",
    },
    claude = { adapter = "anthropic", base_url = mock, residency = "us" },
  },

  models = {
    chat = {
      targets = { "openai/gpt-4o", "azure/gpt-4o", "claude/claude-sonnet-4-5" },
      price = { input = 2.50, cache_read = 1.25, output = 10.00 },
      context_tokens = 128000, max_output_tokens = 16384,
      capabilities = { "tools", "images", "structured_output" },
    },
  },
  upstream = { head = "20s", first_token = "20s" }, -- how long a vendor may think before the next one is asked

  keys = {
    { name = "app", key = env("GATEYES_KEY", "gy-dev-key"), tenant = "acme", project = "shop" },
    { name = "app-eu", key = env("GATEYES_EU_KEY", "gy-dev-key-eu"), tenant = "acme", project = "eu/shop" },
  },
}
