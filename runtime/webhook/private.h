/* Inside of the webhooks, for the files webhook*.c only. */
#pragma once
#include "base/list.h"
#include "base/mailbox.h"
#include "store/store.h"
#include "upstream/fetch.h"
#include "upstream/health.h"
#include "webhook/webhook.h"

enum {
  DELIVERIES_MAX = 4096, /* in memory */
  DELIVERY_BUCKETS = 256,
  DELIVERY_ID_BYTES = 36, /* "dlv_" and 32 digits */
  KEEP_DAYS = 30,         /* delivered and dead ones, in the store: what is told once stays so */
};

enum delivery_state { DELIVERY_WAITING, DELIVERY_DELIVERED, DELIVERY_DEAD };

struct delivery {
  struct list link, bucket;
  struct webhooks *owner;
  struct arena arena; /* of the slices */
  char id[DELIVERY_ID_BYTES + 1];
  struct slice webhook, tenant, type;
  struct slice event; /* JSON: what is posted */
  enum delivery_state state;
  uint32_t attempts;
  int64_t next_ms; /* wall */
  int status;      /* of the last answer; 0: none came */
  char error[160];
  bool is_new, needs_save, is_saving;
  struct fetch *fetch;
  struct config *config; /* while it is sent */
};

struct down { /* a target that is out of rotation */
  struct list link;
  struct slice provider, model;
  struct arena arena;
};

struct webhook_job;

struct webhooks {
  uv_loop_t *loop;
  struct config *config;
  struct store *store;
  struct upstream *upstream;
  struct health *health;
  struct mailbox mailbox;
  uv_timer_t timer;
  uv_work_t work;
  uv_sem_t done;
  struct webhook_job *job; /* on the pool; NULL: none */
  struct list deliveries, buckets[DELIVERY_BUCKETS];
  size_t count, sending;
  struct list down;
  int64_t started_ms;
  uint64_t store_after_ms, list_after_ms, health_after_ms, spend_after_ms; /* of the loop's clock */
  uint64_t audit_seen; /* number of the newest row that was looked at */
  char sweep[DELIVERY_ID_BYTES + 1];
  bool is_closing;
  unsigned open; /* handles that close */
};

/* webhook/webhook.c: one of its handles is closed */
void webhooks_closed(struct webhooks *w);

/* webhook/delivery.c */
struct delivery *delivery_new(struct webhooks *w, const char *id);
struct delivery *delivery_find(struct webhooks *w, struct slice id);
void delivery_free(struct delivery *d);
void delivery_write(const struct delivery *d, struct bytes *body); /* of its row */
void delivery_load(struct webhooks *w, const struct entity *row);
/* A delivery for each webhook that wants the news. */
void deliveries_make(struct webhooks *w, const struct webhook_event *event, int64_t now_ms);
void deliveries_send(struct webhooks *w, int64_t now_ms);

/* webhook/store.c */
void webhook_job_start(struct webhooks *w);
bool webhook_job_finish(struct webhooks *w); /* waits for it; false: none was under way */
void webhook_save_rest(struct webhooks *w);  /* waits */

/* webhook/news.c */
struct key_news { /* of one row of the audit log */
  struct list link;
  struct arena arena;
  uint64_t number;
  struct slice tenant, action, target, actor;
};
struct spend_news {
  struct list link;
  struct arena arena;
  struct slice tenant;
  int64_t day;
  uint64_t today_nanousd, before_nanousd; /* before: of seven days */
};
void news_of_providers(struct webhooks *w);
void news_of_key(struct webhooks *w, struct key_news *n);
void news_of_spend(struct webhooks *w, const struct spend_news *n);
void down_free(struct down *d);
