-- Everything, everywhere: for those who run the gateway.
return {
  name = "super_admin",
  description = "May do everything, for all tenants.",
  reach = "all",
  allow = { "*" },
}
