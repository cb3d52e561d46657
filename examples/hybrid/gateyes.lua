-- Your own GPUs first, clouds when they are full or down. Every client protocol reaches every provider here.
--
--   export GATEYES_KEY=… OPENAI_API_KEY=… ANTHROPIC_API_KEY=… AZURE_API_KEY=…
--   gateyes check --config examples/hybrid/gateyes.lua
--   gateyes serve --config examples/hybrid/gateyes.lua

local gpus = { "http://gpu1:8000/v1", "http://gpu2:8000/v1" } -- vLLM servers with the same model

local providers = {
  openai = {
    adapter = "openai", base_url = "https://api.openai.com/v1",
    credential = env "OPENAI_API_KEY", residency = "cloud",
  },
  claude = {
    adapter = "anthropic", base_url = "https://api.anthropic.com",
    credential = env "ANTHROPIC_API_KEY", residency = "cloud",
  },
  azure = {
    adapter = "azure_openai", base_url = "https://example.openai.azure.com", api_version = "2024-10-21",
    credential = env "AZURE_API_KEY", residency = "eu",
  },
  laptop = { adapter = "openai", preset = "ollama", base_url = "http://127.0.0.1:11434/v1", residency = "local" },
}

-- The file is a program: the GPUs are made by a loop.
local llama_targets = {}
for i, url in ipairs(gpus) do
  local name = "gpu" .. i
  providers[name] = {
    adapter = "openai", preset = "vllm", base_url = url, residency = "local",
    concurrency = 64,                       -- more than that waits for queue.wait, then goes on to the next target
    timeouts = { connect = "500ms", first_token = "20s" },
  }
  llama_targets[i] = { target = name .. "/meta-llama/Llama-3.3-70B-Instruct", weight = 1 }
end
llama_targets[#llama_targets + 1] = { target = "azure/llama-3-3-70b", weight = 0 } -- only when no GPU answers

return {
  listen = { "0.0.0.0:8080" },
  admin = { listen = { "127.0.0.1:8081" } },
  ping = "15s", -- a comment now and then, so that proxies do not take a thinking model for a dead one
  providers = providers,
  models = {
    ["llama-3.3-70b"] = {
      targets = llama_targets, strategy = "weighted",
      price = { input = 0.10, output = 0.40 },
      context_tokens = 131072, max_output_tokens = 8192, capabilities = { "tools", "structured_output" },
    },
    ["gpt-4o"] = {
      targets = { "openai/gpt-4o", "azure/gpt-4o", "claude/claude-sonnet-4-5" }, -- tried in this order
      price = { input = 2.50, cache_read = 1.25, output = 10.00 },
      context_tokens = 128000, max_output_tokens = 16384,
    },
    ["claude-sonnet-4-5"] = {
      targets = { "claude/claude-sonnet-4-5" },
      price = { input = 3.00, cache_read = 0.30, cache_write = 3.75, cache_write_1h = 6.00, output = 15.00 },
      context_tokens = 200000, max_output_tokens = 64000,
    },
    ["qwen3-small"] = { targets = { "laptop/qwen3:8b" }, price = { input = 0, output = 0 } },
    smart = { alias = "gpt-4o" },
    private = { alias = "llama-3.3-70b" },
  },
  keys = {
    { name = "app", key = env "GATEYES_KEY", tenant = "acme", models = { "llama-*", "private", "gpt-*", "smart" } },
  },
}
