#include "http/wheel.h"

#include "base/must.h"

static void on_timer(uv_timer_t *timer);

void wheel_init(struct wheel *w, uv_loop_t *loop, void (*on_due)(struct wheel_entry *entry)) {
  uv_timer_init(loop, &w->timer);
  w->on_due = on_due;
  w->passed = uv_now(loop) / WHEEL_SLOT_MS;
  w->fires_at = WHEEL_NEVER;
  for (size_t i = 0; i < WHEEL_SLOTS; i++)
    list_init(&w->slots[i]);
}

void wheel_entry_init(struct wheel_entry *e) {
  list_init(&e->link);
  e->due_ms = WHEEL_NEVER;
}

static void wait_for(struct wheel *w, uint64_t slot) {
  uint64_t now = uv_now(w->timer.loop), at = slot * WHEEL_SLOT_MS;
  w->fires_at = slot;
  must(uv_timer_start(&w->timer, on_timer, at > now ? at - now : 0, 0) == 0);
}

static void place(struct wheel *w, struct wheel_entry *e) {
  uint64_t slot = e->due_ms / WHEEL_SLOT_MS + 1;
  if (slot <= w->passed) slot = w->passed + 1;
  if (slot > w->passed + WHEEL_SLOTS - 1) slot = w->passed + WHEEL_SLOTS - 1;
  if (!list_empty(&e->link)) {
    if (e->slot <= slot) return;
    list_remove(&e->link);
  }
  e->slot = slot;
  list_append(&w->slots[slot % WHEEL_SLOTS], &e->link);
}

void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t due_ms) {
  e->due_ms = due_ms;
  if (due_ms == WHEEL_NEVER) return;
  /* A wheel that stood still has no entries in between: it may jump to the present. */
  if (w->fires_at == WHEEL_NEVER) w->passed = uv_now(w->timer.loop) / WHEEL_SLOT_MS;
  place(w, e);
  if (e->slot < w->fires_at) wait_for(w, e->slot);
}

void wheel_remove(struct wheel_entry *e) {
  list_remove(&e->link);
  e->due_ms = WHEEL_NEVER;
}

static void visit(struct wheel *w, uint64_t slot, uint64_t now) {
  struct list *head = &w->slots[slot % WHEEL_SLOTS], due;
  if (list_empty(head)) return;
  list_init(&due);
  list_append(head, &due);
  list_remove(head);
  while (!list_empty(&due)) {
    struct wheel_entry *e = list_entry(due.next, struct wheel_entry, link);
    list_remove(&e->link);
    if (e->due_ms <= now)
      w->on_due(e);
    else if (e->due_ms != WHEEL_NEVER)
      place(w, e);
  }
}

static void on_timer(uv_timer_t *timer) {
  struct wheel *w = (struct wheel *)timer;
  uint64_t now = uv_now(timer->loop), last = now / WHEEL_SLOT_MS;
  uint64_t from = w->passed + 1;
  w->fires_at = 0; /* nothing that on_due sets needs the timer before the search below */
  if (last > w->passed + WHEEL_SLOTS) from = last - WHEEL_SLOTS + 1;
  for (uint64_t slot = from; slot <= last; slot++) {
    w->passed = slot;
    visit(w, slot, now);
  }
  w->fires_at = WHEEL_NEVER;
  for (uint64_t slot = w->passed + 1; slot < w->passed + WHEEL_SLOTS; slot++) {
    if (list_empty(&w->slots[slot % WHEEL_SLOTS])) continue;
    wait_for(w, slot);
    return;
  }
}
