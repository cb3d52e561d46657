/* All timers of a loop's upstream side on one uv_timer: a ring of time slots, so that arming and
 * disarming cost two pointers. A deadline fires up to 20 ms late, never early. */
#pragma once
#include <uv.h>

#include "base/list.h"

enum { DEADLINE_SLOTS = 1024, DEADLINE_SLOT_MS = 8 };

struct deadline {
  struct list link; /* points to itself while disarmed */
  uint64_t due_ms;  /* uv_now() scale */
  void (*on_due)(struct deadline *d);
};

struct deadlines {
  uv_timer_t timer;
  struct list slots[DEADLINE_SLOTS];
  uint64_t used[DEADLINE_SLOTS / 64]; /* a set bit: the slot may hold deadlines */
  uint64_t wake_ms;                   /* when the timer fires; 0: stopped */
  uint64_t done_slot;                 /* slots up to this number have been looked at */
};

void deadlines_init(struct deadlines *all, uv_loop_t *loop);
void deadlines_close(struct deadlines *all, uv_close_cb on_closed);
void deadline_init(struct deadline *d, void (*on_due)(struct deadline *d));
/* Arms or moves d. due_ms may lie in the past: it then fires in the next tick. */
void deadline_arm(struct deadlines *all, struct deadline *d, uint64_t due_ms);
void deadline_disarm(struct deadline *d);

static inline bool deadline_is_armed(const struct deadline *d) {
  return !list_empty(&d->link);
}
