-- Sees what was done, and by whom; changes nothing, and reads nobody's prompts.
return {
  name = "auditor",
  description = "Sees everything of a tenant but content, and changes nothing.",
  reach = "tenant",
  allow = {
    "tenants.read", "projects.read", "users.read", "roles.read", "keys.read", "limits.read", "prices.read",
    "usage.read", "requests.read", "audit.read", "scripts.read", "services.read",
    "subscriptions.read", "webhooks.read",
  },
}
