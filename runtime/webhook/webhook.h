/* News for webhooks: budgets, keys, providers, unusual spending. Each piece becomes one delivery
 * for each webhook that wants it; deliveries live in the store until the receiver has taken them,
 * so that neither a restart nor a receiver that is away loses one, and none is made twice.
 * Everything on the server's loop, unless said otherwise; the store is asked on the pool. */
#pragma once
#include <uv.h>

#include "account/limit.h"
#include "config/config.h"

struct gates;
struct health;
struct store;
struct webhooks;

struct webhook_event {
  const char *type;     /* "budget.threshold" */
  struct slice tenant;  /* empty: of the whole platform */
  struct slice subject; /* the same type, tenant and subject is told once */
  struct slice data;    /* JSON object */
};

/* store: borrowed until webhooks_close; NULL: nothing is ever sent. */
struct webhooks *webhooks_new(uv_loop_t *loop, struct config *config, struct store *store);
void webhooks_start(struct webhooks *w, struct gates *gates, struct health *health);
void webhooks_reload(struct webhooks *w, struct config *config);
/* Any thread; everything is copied. */
void webhooks_tell(struct webhooks *w, const struct webhook_event *event);
void webhooks_tell_limit(struct webhooks *w, const struct limit_event *event);
/* After the workers have ended. Waits for what runs on the pool; then the store is not touched. */
void webhooks_close(struct webhooks *w);
