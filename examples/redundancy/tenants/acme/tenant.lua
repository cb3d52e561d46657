return { policies = { "customers_in_europe" } }
