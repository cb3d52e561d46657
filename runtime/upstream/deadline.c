#include "upstream/deadline.h"

#include <string.h>

static uint64_t slot_after(uint64_t ms) {
  return ms / DEADLINE_SLOT_MS + 1;
}

void deadline_init(struct deadline *d, void (*on_due)(struct deadline *d)) {
  list_init(&d->link);
  d->due_ms = 0;
  d->on_due = on_due;
}

static void on_timer(uv_timer_t *timer);

static void wake_at(struct deadlines *all, uint64_t slot) {
  uint64_t at = slot * DEADLINE_SLOT_MS, now = uv_now(all->timer.loop);
  if (all->wake_ms && all->wake_ms <= at) return;
  all->wake_ms = at;
  uv_timer_start(&all->timer, on_timer, at > now ? at - now : 0, 0);
}

static uint64_t next_used(const struct deadlines *all);

/* An empty ring has no past to look at: it starts at the present, however long it lay still. */
static void catch_up(struct deadlines *all) {
  uint64_t current = uv_now(all->timer.loop) / DEADLINE_SLOT_MS;
  if (!all->wake_ms && current > all->done_slot && !next_used(all)) all->done_slot = current;
}

/* A due time beyond the ring waits in its last slot and is put back from there. */
void deadline_arm(struct deadlines *all, struct deadline *d, uint64_t due_ms) {
  catch_up(all);
  uint64_t slot = slot_after(due_ms), last = all->done_slot + DEADLINE_SLOTS - 1;
  if (slot <= all->done_slot) slot = all->done_slot + 1;
  if (slot > last) slot = last;
  list_remove(&d->link);
  d->due_ms = due_ms;
  uint64_t index = slot % DEADLINE_SLOTS;
  list_append(&all->slots[index], &d->link);
  all->used[index / 64] |= 1ull << (index % 64);
  wake_at(all, slot);
}

void deadline_disarm(struct deadline *d) {
  list_remove(&d->link);
}

/* The next slot in use after done_slot; 0 when there is none. */
static uint64_t next_used(const struct deadlines *all) {
  uint64_t slot = all->done_slot + 1, end = slot + DEADLINE_SLOTS;
  while (slot < end) {
    uint64_t index = slot % DEADLINE_SLOTS;
    uint64_t bits = all->used[index / 64] >> (index % 64);
    if (bits) return slot + (uint64_t)__builtin_ctzll(bits);
    slot += 64 - index % 64;
  }
  return 0;
}

static void fire_slot(struct deadlines *all, uint64_t slot, uint64_t now) {
  uint64_t index = slot % DEADLINE_SLOTS;
  struct list batch;
  list_init(&batch);
  all->used[index / 64] &= ~(1ull << (index % 64));
  while (!list_empty(&all->slots[index])) {
    struct list *node = all->slots[index].next;
    list_remove(node);
    list_append(&batch, node);
  }
  while (!list_empty(&batch)) {
    struct deadline *d = list_entry(batch.next, struct deadline, link);
    list_remove(&d->link);
    if (d->due_ms > now)
      deadline_arm(all, d, d->due_ms);
    else
      d->on_due(d);
  }
}

static void on_timer(uv_timer_t *timer) {
  struct deadlines *all = timer->data;
  uint64_t now = uv_now(timer->loop), current = now / DEADLINE_SLOT_MS, slot;
  all->wake_ms = 0;
  while ((slot = next_used(all)) && slot <= current) {
    all->done_slot = slot;
    fire_slot(all, slot, now);
  }
  if (current > all->done_slot) all->done_slot = current;
  if (slot) wake_at(all, slot);
}

void deadlines_init(struct deadlines *all, uv_loop_t *loop) {
  memset(all->used, 0, sizeof all->used);
  for (size_t i = 0; i < DEADLINE_SLOTS; i++)
    list_init(&all->slots[i]);
  all->wake_ms = 0;
  all->done_slot = uv_now(loop) / DEADLINE_SLOT_MS;
  uv_timer_init(loop, &all->timer);
  all->timer.data = all;
}

void deadlines_close(struct deadlines *all, uv_close_cb on_closed) {
  uv_close((uv_handle_t *)&all->timer, on_closed);
}
