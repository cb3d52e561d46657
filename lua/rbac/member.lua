-- Uses the models, and sees what that cost.
return {
  name = "member",
  description = "Uses every endpoint, and sees its own keys and usage.",
  reach = "own",
  allow = {
    "chat", "completions", "responses", "messages", "embeddings", "models", "count_tokens", "tokenize", "service",
    "keys.read", "limits.read", "usage.read", "services.read", "subscriptions.read", "subscriptions.write",
  },
}
