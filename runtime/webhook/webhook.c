#include "webhook/webhook.h"

#include <stdlib.h>

#include "base/clock.h"
#include "upstream/upstream.h"
#include "webhook/private.h"

enum { TICK_MS = 200, HEALTH_MS = 1000 };

struct news {
  struct mailbox_message base;
  struct arena arena;
  struct webhook_event event;
};

static void deliver_news(struct mailbox_message *base, void *owner) {
  struct news *n = (struct news *)base;
  struct webhooks *w = owner;
  if (w->store) deliveries_make(w, &n->event, clock_wall_ms());
  arena_fini(&n->arena);
  free(n);
}

void webhooks_tell(struct webhooks *w, const struct webhook_event *event) {
  struct news *n = must_calloc(1, sizeof *n);
  arena_init(&n->arena);
  n->event = (struct webhook_event){
      arena_text(&n->arena, slice_of(event->type)), arena_slice(&n->arena, event->tenant),
      arena_slice(&n->arena, event->subject), arena_slice(&n->arena, event->data)};
  list_init(&n->base.link);
  n->base.deliver = deliver_news;
  mailbox_post(&w->mailbox, &n->base);
}

static void on_timer(uv_timer_t *timer) {
  struct webhooks *w = timer->data;
  uint64_t now = uv_now(w->loop);
  if (!w->store || w->config->webhook_count == 0) return;
  if (now >= w->health_after_ms) {
    news_of_providers(w);
    w->health_after_ms = now + HEALTH_MS;
  }
  webhook_job_start(w);
  deliveries_send(w, clock_wall_ms());
}

struct webhooks *webhooks_new(uv_loop_t *loop, struct config *config, struct store *store) {
  struct webhooks *w = must_calloc(1, sizeof *w);
  w->loop = loop;
  w->config = config_ref(config);
  w->store = store;
  w->started_ms = clock_wall_ms();
  list_init(&w->deliveries);
  list_init(&w->down);
  for (size_t i = 0; i < DELIVERY_BUCKETS; i++)
    list_init(&w->buckets[i]);
  must(uv_sem_init(&w->done, 0) == 0);
  must(uv_timer_init(loop, &w->timer) == 0);
  w->timer.data = w->work.data = w;
  mailbox_init(&w->mailbox, loop, w);
  return w;
}

void webhooks_start(struct webhooks *w, struct gates *gates, struct health *health) {
  w->health = health;
  w->upstream = upstream_new(w->loop, w->config, gates);
  uv_timer_start(&w->timer, on_timer, TICK_MS, TICK_MS);
}

void webhooks_reload(struct webhooks *w, struct config *config) {
  struct config *before = w->config;
  w->config = config_ref(config);
  upstream_reload(w->upstream, config);
  config_unref(before); /* last: it was borrowed until now */
}

void webhooks_closed(struct webhooks *w) {
  if (--w->open > 0) return;
  config_unref(w->config);
  uv_sem_destroy(&w->done);
  free(w);
}

static void on_timer_closed(uv_handle_t *handle) {
  webhooks_closed(handle->data);
}

static void on_mailbox_closed(struct mailbox *m) {
  webhooks_closed(m->owner);
}

static void on_upstream_closed(void *context) {
  webhooks_closed(context);
}

static void free_all(struct webhooks *w) {
  list_each_safe(node, &w->deliveries) {
    struct delivery *d = list_entry(node, struct delivery, link);
    if (d->fetch) fetch_cancel(d->fetch);
    d->fetch = NULL;
    delivery_free(d);
  }
  list_each_safe(node, &w->down) down_free(list_entry(node, struct down, link));
}

void webhooks_close(struct webhooks *w) {
  w->is_closing = true;
  uv_timer_stop(&w->timer);
  w->open = 3 + webhook_job_finish(w);
  mailbox_close(&w->mailbox, on_mailbox_closed); /* delivers what is left */
  if (w->store) webhook_save_rest(w);
  free_all(w);
  uv_close((uv_handle_t *)&w->timer, on_timer_closed);
  upstream_close(w->upstream, on_upstream_closed, w);
}
