-- What Acme runs on each of its requests, in this order. Saving this file, or a policy, swaps them in.
return {
  policies = {
    { name = "complexity", simple = { "gpu/*" } },
    "translations",
  },
}
