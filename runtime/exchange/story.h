/* What a request's record says beyond figures: where it ended early, which targets were not asked
 * and why, what policies did. Written only where there is something to say: an admin call puts the
 * rest of the story together from the record. */
#pragma once
#include "exchange/state.h"

enum left_out {
#define LEFT_OUT(name, word, sentence) LEFT_OUT_##name,
#include "model/left_out.def"
#undef LEFT_OUT
};

struct left_target { /* in the arena */
  struct left_target *next;
  const struct model_target *target;
  enum left_out why;
};

void story_leave_out(struct exchange *x, const struct model_target *target, enum left_out why);
/* JSON, in the arena; empty when there is nothing to tell. policies: JSON list, or empty. */
struct slice story_write(struct exchange *x, struct slice policies);
