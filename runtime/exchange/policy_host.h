/* What tenants' scripts reach outside of Lua, in one worker: other services, the shared store,
 * counting. */
#pragma once
#include "exchange/exchange.h"
#include "script/policy.h"

struct kv;

/* store outlives it, and so does host, whose policy_host it becomes. */
void exchange_policy_host_open(struct exchange_host *host, struct kv *store);
void exchange_policy_host_close(struct exchange_host *host); /* no run is open any more */
