-- Projects below eu/ are for customers whose data has to stay in Europe, also when a vendor there is down.
local policy = { name = "customers_in_europe" }

function policy.on_request(_, context)
  if (context.project or ""):find "^eu/" then
    context:require { residency = "eu" }
  end
end

return policy
