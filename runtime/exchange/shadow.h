/* A tenant's generation that decides without effect, beside the one that serves. Each of its hooks
 * is asked what the one that serves is asked, on the worker's thread and in a state of its own;
 * what it says is compared and forgotten. It has twice scripts.cpu for a request, and beyond that a
 * twentieth of the time that the request takes; then it sees no more of it. Nothing here fails a
 * request, and all calls are nothing where the tenant has no shadow. */
#pragma once
#include "exchange/state.h"

/* The hooks of on_request that serve have decided; x->body is what the client sent. */
void shadow_request(struct exchange *x);
/* x->candidates are what the route hooks that serve are about to order. */
void shadow_route(struct exchange *x);
void shadow_routed(struct exchange *x); /* they have, or have failed */
/* x->answer is a whole reply: before the policies that serve have seen it, and after. */
void shadow_reply(struct exchange *x);
void shadow_replied(struct exchange *x);
/* Events of a stream: before the guard has seen them, and as they leave it. */
void shadow_feed(struct exchange *x, struct slice data);
void shadow_sent(struct exchange *x, struct slice data);
/* The request is settled: the differences are listed. */
void shadow_finish(struct exchange *x);
void shadow_forget(struct exchange *x);
/* Lets go of a generation that is no shadow any more. */
void shadow_retire(struct exchange *x);
