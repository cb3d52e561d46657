/* What was reserved for an answer is all that the provider may write, where a hard limit depends on
 * it. */
#pragma once
#include "base/json_edit.h"
#include "exchange/state.h"

/* Tokens of each choice that the target is to be told, since the client asked for more or named no
 * figure; 0: nothing is to change. */
uint64_t clamp_tokens(const struct exchange *x, const struct model_target *target);
/* For a body that is relayed as it is: lowers what is too high. The result is a member to insert,
 * or empty. Notes what was done for header and log. */
struct slice clamp_native(struct exchange *x, const struct model_target *target,
                          struct json_edits *edits);
/* For one that is written anew. */
void clamp_note(struct exchange *x, struct slice name, uint64_t tokens);
