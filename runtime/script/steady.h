/* The steady part of a translated stream. Once a text has begun, each event of the provider adds to
 * it, and the client's frame for it differs from the one before in nothing but that text. So the
 * scripts say once what stands around the text (docs/canonical.md, "Steady text"), and from there
 * on such events are written here without running a script. Any other event ends that, and the
 * scripts are told first what went past them. */
#pragma once
#include <lua.h>

#include "model/plain_delta.h"

struct translated;

struct steady {
  bool is_on, any_kind, has_number, is_counted, is_kept;
  enum dialect format; /* of the provider's events */
  enum plain_kind kind;
  uint64_t index;      /* of the provider's choice or block */
  struct bytes around; /* what stands before, between number and text, and after */
  size_t before_len, middle_len;
  uint64_t number;             /* of the next event, written behind `before` */
  uint64_t events, characters; /* that the scripts have not been told of */
  struct bytes text;           /* the same, where they want it */
};

void steady_init(struct steady *s);
void steady_fini(struct steady *s);
/* What the scripts returned is at index: a plan, or anything else, which ends the one before. */
void steady_read(struct steady *s, lua_State *L, int index);
/* True when data was one more delta of the steady text: out is filled, its slices live in scratch
 * until the next call. */
bool steady_take(struct steady *s, struct slice data, struct bytes *scratch,
                 struct translated *out);
/* True when scripts have to be told before they see anything else: the number of events, of
 * characters and the text are then on top of the stack, and forgotten here. */
bool steady_push_missed(struct steady *s, lua_State *L);
