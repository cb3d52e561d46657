/* Limits, budgets and the ledger on the way of a request: the step ADMIT, what each attempt takes
 * of its provider's limits, and the one place that books what was used. */
#pragma once
#include "exchange/state.h"

enum step_result admit_step(struct exchange *x);
/* The limits of the provider that is about to be asked. False: refused; x->refusal says why. */
bool admit_attempt(struct exchange *x, const struct model_target *target);
/* Books usage and cost with every limit, or gives the claims back when nothing was used. Once. */
void admit_settle(struct exchange *x, bool was_used);
/* Lines of the reply's head that tell a client what is left, or what refused it. */
struct slice admit_headers(struct exchange *x);
