-- Builds with the models of a project, and looks after its keys.
return {
  name = "developer",
  description = "Uses every endpoint, manages the keys of its project, and sees what they used.",
  reach = "project",
  allow = {
    "chat", "completions", "responses", "messages", "embeddings", "models", "count_tokens", "tokenize", "service",
    "service.staged", "subscriptions.read", "subscriptions.write",
    "projects.read", "keys.*", "limits.read", "prices.read", "usage.read", "requests.read", "services.read",
  },
}
