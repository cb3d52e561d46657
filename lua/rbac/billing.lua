-- Money and nothing else: no request, no content.
return {
  name = "billing",
  description = "Sees usage and prices of a tenant, and sets its limits and budgets.",
  reach = "tenant",
  allow = {
    "tenants.read", "projects.read", "users.read", "keys.read", "limits.*", "prices.read", "usage.read",
    "requests.read",
  },
}
