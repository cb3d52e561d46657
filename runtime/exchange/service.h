/* A request to a published service: which version answers it, and what that makes of its body. */
#pragma once
#include "exchange/state.h"

/* x->service and x->version by the route's name within the caller's tenant. STEP_FAIL: there is no
 * such service, none of its versions is published, or the version that was asked for by header may
 * not be used. */
enum step_result service_find(struct exchange *x);
/* After policies_pick: the version's own policies behind the tenant's. STEP_FAIL: they cannot be
 * used, so the service does not answer. */
enum step_result service_policies(struct exchange *x);
/* Owner of stored responses: each key has its own within each service. */
struct slice service_owner(struct exchange *x);
/* Rewrites the body, which is whole: the model, the system text, what is left out; for invoke the
 * whole request. What is no valid JSON object stays as it is, for body_read_fields to refuse. */
enum step_result service_apply(struct exchange *x);

/* exchange/invoke.c: the chat request that variables and prompt make. */
enum step_result invoke_apply(struct exchange *x);
/* A text that stands before the client's own, at the place where its protocol keeps it. */
enum step_result service_put_system(struct exchange *x, const struct service_version *v);
