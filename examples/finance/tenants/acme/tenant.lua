-- In this order: what is sensitive stays here, project names with it, and secrets do not get in at all.
return {
  policies = {
    { name = "stay_home", kinds = { "cn_resident_id", "cn_bank_card", "payment_card", "iban" } },
    { name = "projects", words = { "Project Nightingale", "夜莺计划" } },
  },
}
