/* GET /v1/responses/{id}?stream=true of a response that still runs: what has happened, then what
 * happens, to the end. */
#pragma once
#include "exchange/state.h"

struct follow;

/* What the client gets for a stored response: stored, or its stream as it goes on. */
enum step_result follow_answer(struct exchange *x, const struct stored_request *request,
                               const struct stored_answer *stored);
enum step_result follow_step(struct exchange *x);
void follow_poll(struct exchange *x); /* from the host's timer */
void follow_free(struct exchange *x);
