-- A program: it calls, and nothing else.
return {
  name = "service",
  description = "Uses every endpoint; sees and manages nothing.",
  reach = "own",
  allow = {
    "chat", "completions", "responses", "messages", "embeddings", "models", "count_tokens", "tokenize", "service",
  },
}
