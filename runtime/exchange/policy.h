/* A tenant's policies on the way of a request: the step POLICY, the order of candidates, what every
 * attempt must meet, and replies that are no stream. Streams are in exchange/guard.h. */
#pragma once
#include "exchange/state.h"

/* The scripts that x's tenant runs, once its principal is known. */
enum step_result policies_pick(struct exchange *x);
enum step_result policies_step(struct exchange *x);
/* Leaves out the candidates that the policies exclude. */
enum step_result policies_require(struct exchange *x);
/* What hooks are told of the request and of x->candidates; in x's arena. */
const struct policy_request *policies_request(struct exchange *x);
const struct policy_candidate *policies_candidates(struct exchange *x);
/* The scripts that translate for this target. */
struct generation *policies_generation(const struct exchange *x, const struct model_target *target);
/* Lets the route hooks narrow and order x->candidates; leaves out what the requirements exclude. */
enum step_result policies_route(struct exchange *x);
/* Does the target meet what the policies require? Asked before every attempt. */
bool policies_allow(const struct exchange *x, const struct model_target *target);
/* Is the request bound to some of its model's targets? Then their failure is no one else's turn. */
bool policies_bind(const struct exchange *x);
/* x->answer, a whole reply, on its way to the client. */
enum step_result policies_reply(struct exchange *x);
/* Is anything of a reply of interest to a policy? */
bool policies_guard(const struct exchange *x);
bool policies_denied(const struct exchange *x); /* a policy, or its failure, ended it */
/* A policy has denied what the model says. */
void policies_deny_reply(struct exchange *x, const struct verdict *verdict);
void policies_cancel(struct exchange *x); /* x is over, whatever waits */
void policies_finish(struct exchange *x, int status);
void policies_forget(struct exchange *x); /* gives back all that is held */
