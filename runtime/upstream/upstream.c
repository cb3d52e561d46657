#include "upstream/upstream.h"

#include <stdlib.h>

#include "upstream/transport_http1.h"

void later_init(struct later *l, void (*run)(struct later *l)) {
  list_init(&l->link);
  l->run = run;
}

static void run_later(struct upstream *u) {
  struct list batch;
  list_init(&batch);
  while (!list_empty(&u->later)) {
    struct list *node = u->later.next;
    list_remove(node);
    list_append(&batch, node);
  }
  while (!list_empty(&batch)) {
    struct later *l = list_entry(batch.next, struct later, link);
    list_remove(&l->link);
    l->run(l);
  }
}

static void on_idle(uv_idle_t *idle) {
  struct upstream *u = idle->data;
  run_later(u);
  if (list_empty(&u->later)) uv_idle_stop(idle);
}

void later_add(struct upstream *u, struct later *l) {
  if (!list_empty(&l->link)) return;
  if (list_empty(&u->later) && !u->is_closing) uv_idle_start(&u->idle, on_idle);
  list_append(&u->later, &l->link);
}

void later_cancel(struct later *l) {
  list_remove(&l->link);
}

struct upstream *upstream_new(uv_loop_t *loop, const struct config *config, struct gates *gates) {
  struct upstream *u = must_calloc(1, sizeof *u);
  u->loop = loop;
  u->gates = gates;
  list_init(&u->later);
  list_init(&u->departing);
  list_init(&u->attempts);
  list_init(&u->transfers);
  list_init(&u->fetches);
  list_init(&u->spare);
  u->read_buffer = must_alloc(READ_BYTES);
  deadlines_init(&u->deadlines, loop);
  uv_idle_init(loop, &u->idle);
  u->idle.data = u;
  mailbox_init(&u->mailbox, loop, u);
  u->handles = 3;
  multis_init(&u->multis, u);
  trusts_init(&u->trusts);
  resolver_init(&u->resolver, u);
  pool_init(&u->pool, u);
  upstream_reload(u, config);
  return u;
}

void upstream_reload(struct upstream *u, const struct config *config) {
  u->config = config;
  lookups_servers(&u->resolver.lookups, config->nameservers);
  pool_load(&u->pool, config);
}

void upstream_gather(struct upstream *u, struct gather *gather) {
  u->gather = gather;
}

size_t upstream_open(const struct upstream *u) {
  return u->pool.open;
}

void upstream_handle_closed(struct upstream *u) {
  must(u->handles > 0);
  if (--u->handles > 0) return;
  void (*on_closed)(void *context) = u->on_closed;
  void *context = u->closed_context;
  free(u->read_buffer);
  free(u);
  if (on_closed) on_closed(context);
}

static void on_timer_closed(uv_handle_t *handle) {
  struct deadlines *all = handle->data;
  upstream_handle_closed(list_entry(all, struct upstream, deadlines));
}

static void on_idle_closed(uv_handle_t *handle) {
  upstream_handle_closed(handle->data);
}

static void on_mailbox_closed(struct mailbox *m) {
  upstream_handle_closed(m->owner);
}

static void free_spare(struct upstream *u) {
  list_each_safe(node, &u->spare) {
    struct attempt *a = list_entry(node, struct attempt, link);
    http1_free(a->http1);
    free(a);
  }
}

void upstream_close(struct upstream *u, void (*on_closed)(void *context), void *context) {
  u->is_closing = true;
  u->on_closed = on_closed;
  u->closed_context = context;
  fetches_cancel_all(u);
  while (!list_empty(&u->attempts))
    attempt_cancel(list_entry(u->attempts.next, struct attempt, link));
  transfers_cancel_all(u);
  pool_fini(&u->pool);
  while (!list_empty(&u->later))
    run_later(u);
  free_spare(u);
  multis_close(&u->multis);
  resolver_close(&u->resolver);
  trusts_fini(&u->trusts);
  deadlines_close(&u->deadlines, on_timer_closed);
  uv_close((uv_handle_t *)&u->idle, on_idle_closed);
  mailbox_close(&u->mailbox, on_mailbox_closed);
}
