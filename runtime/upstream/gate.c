#include "upstream/gate.h"

#include <stdlib.h>
#include <string.h>

struct gate {
  struct gate *next;
  struct slice name;
  atomic_uint limit, used;
  atomic_uint waiting; /* length of the queue, readable without the lock */
  uv_mutex_t lock;     /* guards the queue and who is in it */
  struct list queue;
};

struct gates {
  uv_mutex_t lock; /* guards the chain of providers' gates, which only grows */
  struct gate process;
  struct gate *providers;
};

enum wait_state { WAIT_QUEUED, WAIT_GRANTED, WAIT_CANCELLED };

struct gate_wait {
  struct mailbox_message message;
  struct list link;
  struct gate *gate;
  struct mailbox *mailbox;
  enum wait_state state; /* under the gate's lock until granted, then of the waiter's loop */
  void (*on_grant)(void *context);
  void *context;
};

static void gate_init(struct gate *g, struct slice name, uint32_t limit) {
  g->name = name;
  atomic_init(&g->limit, limit);
  atomic_init(&g->used, 0);
  atomic_init(&g->waiting, 0);
  must(uv_mutex_init(&g->lock) == 0);
  list_init(&g->queue);
}

struct gates *gates_new(void) {
  struct gates *g = must_calloc(1, sizeof *g);
  must(uv_mutex_init(&g->lock) == 0);
  gate_init(&g->process, (struct slice){NULL, 0}, 0);
  return g;
}

void gates_free(struct gates *g) {
  uv_mutex_destroy(&g->process.lock);
  while (g->providers) {
    struct gate *gate = g->providers;
    g->providers = gate->next;
    must(list_empty(&gate->queue));
    uv_mutex_destroy(&gate->lock);
    free((char *)gate->name.data);
    free(gate);
  }
  uv_mutex_destroy(&g->lock);
  free(g);
}

struct gate *gates_process(struct gates *g) {
  return &g->process;
}

static struct gate *gate_find(struct gates *g, struct slice name) {
  for (struct gate *gate = g->providers; gate; gate = gate->next)
    if (slice_equal(gate->name, name)) return gate;
  return NULL;
}

struct gate *gates_provider(struct gates *g, struct slice name, uint32_t limit) {
  uv_mutex_lock(&g->lock);
  struct gate *gate = gate_find(g, name);
  if (!gate) {
    gate = must_calloc(1, sizeof *gate);
    char *copy = must_alloc(name.len + 1);
    memcpy(copy, name.data, name.len);
    gate_init(gate, (struct slice){copy, name.len}, limit);
    gate->next = g->providers;
    g->providers = gate;
  }
  uv_mutex_unlock(&g->lock);
  return gate;
}

static bool take_slot(struct gate *g) {
  unsigned limit = atomic_load(&g->limit), used = atomic_load(&g->used);
  do {
    if (limit && used >= limit) return false;
  } while (!atomic_compare_exchange_weak(&g->used, &used, used + 1));
  return true;
}

static void deliver_grant(struct mailbox_message *message, void *owner) {
  (void)owner;
  struct gate_wait *w = list_entry(message, struct gate_wait, message);
  if (w->state == WAIT_CANCELLED)
    gate_leave(w->gate);
  else
    w->on_grant(w->context);
  free(w);
}

static void grant_waiters(struct gate *g) {
  uv_mutex_lock(&g->lock);
  while (!list_empty(&g->queue) && take_slot(g)) {
    struct gate_wait *w = list_entry(g->queue.next, struct gate_wait, link);
    list_remove(&w->link);
    atomic_fetch_sub(&g->waiting, 1);
    w->state = WAIT_GRANTED;
    mailbox_post(w->mailbox, &w->message);
  }
  uv_mutex_unlock(&g->lock);
}

bool gate_enter(struct gate *g) {
  return atomic_load(&g->waiting) == 0 && take_slot(g);
}

/* Slot first, then the look at the queue; a waiter queues first, then looks at the slots. One of
 * the two sees the other. */
void gate_leave(struct gate *g) {
  must(atomic_fetch_sub(&g->used, 1) > 0);
  if (atomic_load(&g->waiting)) grant_waiters(g);
}

uint32_t gate_limit(const struct gate *g) {
  return atomic_load(&g->limit);
}

uint32_t gate_used(const struct gate *g) {
  return atomic_load(&g->used);
}

struct gate_wait *gate_wait_start(struct gate *g, struct mailbox *mailbox,
                                  void (*on_grant)(void *context), void *context) {
  struct gate_wait *w = must_calloc(1, sizeof *w);
  w->gate = g;
  w->mailbox = mailbox;
  w->message.deliver = deliver_grant;
  w->on_grant = on_grant;
  w->context = context;
  list_init(&w->message.link);
  uv_mutex_lock(&g->lock);
  list_append(&g->queue, &w->link);
  atomic_fetch_add(&g->waiting, 1);
  uv_mutex_unlock(&g->lock);
  grant_waiters(g);
  return w;
}

void gate_wait_cancel(struct gate_wait *w) {
  struct gate *g = w->gate;
  uv_mutex_lock(&g->lock);
  bool queued = w->state == WAIT_QUEUED;
  if (queued) {
    list_remove(&w->link);
    atomic_fetch_sub(&g->waiting, 1);
  } else {
    w->state = WAIT_CANCELLED; /* its message is on the way and gives the slot back */
  }
  uv_mutex_unlock(&g->lock);
  if (queued) free(w);
}

static void set_limit(struct gate *g, uint32_t limit) {
  if (atomic_exchange(&g->limit, limit) != limit) grant_waiters(g);
}

void gates_reload(struct gates *g, const struct config *config) {
  set_limit(&g->process, config->limits.upstreams);
  for (size_t i = 0; i < config->provider_count; i++) {
    const struct provider *p = &config->providers[i];
    set_limit(gates_provider(g, p->name, p->concurrency), p->concurrency);
  }
}
