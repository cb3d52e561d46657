/* Calendar windows: which stretch of time an instant lies in, by the clock on a wall of some zone.
 * Windows touch without a gap and never overlap; a day may have 23 or 25 hours. */
#pragma once
#include "model/limit.h"

struct span {
  int64_t start_s, end_s; /* since 1970 UTC; the end is the next one's start */
};

/* unit is not LIMIT_ROLLING. */
struct span window_at(const struct limit_window *window, int64_t wall_ms);
