#include "server_limits.h"

#include <stdlib.h>

#include "account/limit_row.h"
#include "observe/log.h"
#include "webhook.h"

/* Once per window and threshold, so that no flood of requests floods the log. */
static void on_limit_event(void *context, const struct limit_event *event) {
  const char *unit =
      event->kind == LIMIT_MONEY ? "billionths of the currency" : limit_kind_name(event->kind);
  log_process(LOG_WARN, "%slimit %.*s%s%s: %u %% reached, %llu of %llu %s",
              event->is_soft ? "soft " : "", (int)event->id.len, event->id.data,
              event->scope[0] ? " for " : "", event->scope, event->percent,
              (unsigned long long)event->used, (unsigned long long)event->amount, unit);
  webhooks_tell_limit(context, event);
}

struct limiter *server_limits_new(struct webhooks *webhooks) {
  return limiter_new(&(struct limiter_settings){.on_event = on_limit_event, .context = webhooks});
}

static void apply(struct limiter *limiter, struct store *store, const struct config *config) {
  struct config_problems problems;
  config_problems_init(&problems);
  enum store_result result = limit_rows_apply(limiter, store, config, &problems);
  if (result != STORE_FINE)
    log_process(LOG_ERROR, "limits stay as they were, since the store is %s",
                store_result_name(result));
  for (size_t i = 0; i < problems.count; i++)
    log_process(LOG_WARN, "%s", problems.items[i]);
  config_problems_fini(&problems);
}

void server_limits_start(const struct server_limits *l, struct server_ledger *ledger) {
  struct config_problems problems;
  struct limit_rows rows;
  apply(l->limiter, l->store, l->config);
  config_problems_init(&problems);
  if (limit_rows_read(l->store, l->config, &rows, &problems) == STORE_FINE)
    server_ledger_seed(ledger, l->config, l->limiter, &rows);
  limit_rows_fini(&rows);
  config_problems_fini(&problems);
}

struct reload {
  struct server_limits what;
  uv_work_t work;
};

static void on_pool(uv_work_t *work) {
  struct reload *r = work->data;
  apply(r->what.limiter, r->what.store, r->what.config);
}

static void on_done(uv_work_t *work, int status) {
  (void)status;
  struct reload *r = work->data;
  config_unref(r->what.config);
  free(r);
}

void server_limits_reload(const struct server_limits *l, uv_loop_t *loop) {
  if (!l->store) {
    apply(l->limiter, NULL, l->config);
    return;
  }
  struct reload *r = must_calloc(1, sizeof *r);
  r->what = *l;
  config_ref(l->config);
  r->work.data = r;
  must(uv_queue_work(loop, &r->work, on_pool, on_done) == 0);
}
