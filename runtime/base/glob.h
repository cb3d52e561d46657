/* Names with * (any characters) and ? (one character). */
#pragma once
#include "base/bytes.h"

struct globs {
  const struct slice *items;
  size_t count; /* 0: everything matches */
};

bool glob_is(struct slice text); /* has one of them */
bool glob_match(struct slice pattern, struct slice text);
bool globs_match(struct globs globs, struct slice text);
