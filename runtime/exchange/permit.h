/* What the roles and the key itself allow: where from, which endpoint, which model, and to whom. */
#pragma once
#include "exchange/state.h"

/* May the key be used from there? */
enum step_result permit_peer(struct exchange *x);
enum step_result permit_step(struct exchange *x);
/* May the request go to that target? Asked before every attempt. */
bool permit_allows(const struct exchange *x, const struct model_target *target);
/* Leaves out the candidates that no role allows. */
enum step_result permit_targets(struct exchange *x);
