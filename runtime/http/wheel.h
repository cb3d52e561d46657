/* Deadlines of many connections behind one uv timer: slots of 10 ms, armed only while something is
 * due. Moving a deadline later costs a store: the entry stays where it is and is looked at again
 * when its slot comes round. */
#pragma once
#include <uv.h>

#include "base/list.h"

enum { WHEEL_SLOT_MS = 10, WHEEL_SLOTS = 1024 };
#define WHEEL_NEVER UINT64_MAX

struct wheel_entry {
  struct list link;
  uint64_t due_ms; /* in uv_now() of the loop; WHEEL_NEVER when off */
  uint64_t slot;   /* where it lies, while link is in a list */
};

struct wheel {
  uv_timer_t timer;
  uint64_t passed;   /* the last slot that was looked at */
  uint64_t fires_at; /* the slot the timer waits for; WHEEL_NEVER when stopped */
  void (*on_due)(struct wheel_entry *entry);
  struct list slots[WHEEL_SLOTS];
};

/* on_due may set or clear any entry and free its own. Closing: uv_close on `timer`. */
void wheel_init(struct wheel *w, uv_loop_t *loop, void (*on_due)(struct wheel_entry *entry));
void wheel_entry_init(struct wheel_entry *e);
void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t due_ms);
void wheel_remove(struct wheel_entry *e);
