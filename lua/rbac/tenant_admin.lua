-- The most that anyone inside of a tenant may do: roles of a tenant's own allow no more.
return {
  name = "tenant_admin",
  description = "Runs one tenant: its projects, users, keys, limits, scripts and services.",
  reach = "tenant",
  allow = {
    "chat", "completions", "responses", "messages", "embeddings", "models", "count_tokens", "tokenize", "service",
    "service.staged", "subscriptions.*",
    "tenants.read", "projects.*", "users.*", "roles.*", "keys.*", "limits.*", "prices.read", "usage.read",
    "requests.read", "content.read", "audit.read", "scripts.*", "services.*", "webhooks.*",
  },
}
