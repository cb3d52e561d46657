/* Names with * (any characters) and ? (one character). */
#pragma once
#include "base/bytes.h"

struct globs {
  const struct slice *items;
  size_t count; /* 0: everything matches */
};

bool glob_is(struct slice text); /* has one of them */
bool glob_match(struct slice pattern, struct slice text);
/* Does wide match everything that narrow does? Both are patterns. Never true wrongly; false where
 * it would take more than comparing them letter by letter ("a*" and "a?*" as wide for "a*"). */
bool glob_covers(struct slice wide, struct slice narrow);
bool globs_match(struct globs globs, struct slice text);
