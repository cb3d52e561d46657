#include "server/limits.h"

#include <stdlib.h>

#include "account/limit_row.h"
#include "account/limit_scope.h"
#include "observe/log.h"
#include "webhook/webhook.h"

static void append_sum(struct bytes *out, enum limit_kind kind, uint64_t sum) {
  if (kind == LIMIT_MONEY)
    bytes_append_money(out, sum);
  else
    bytes_append_u64(out, sum);
}

/* Once per window and threshold, so that no flood of requests floods the log. */
static void on_limit_event(void *context, const struct limit_event *event) {
  struct bytes sums;
  bytes_init(&sums);
  append_sum(&sums, event->kind, event->used);
  bytes_append_text(&sums, " of ");
  append_sum(&sums, event->kind, event->amount);
  log_process(LOG_WARN, "%slimit %.*s%s%s: %u %% reached, %s %s", event->is_soft ? "soft " : "",
              (int)event->id.len, event->id.data, event->scope[0] ? " for " : "", event->scope,
              event->percent, bytes_text(&sums), limit_kind_name(event->kind));
  bytes_fini(&sums);
  webhooks_tell_limit(context, event);
}

struct limiter *server_limits_new(struct webhooks *webhooks) {
  return limiter_new(&(struct limiter_settings){.on_event = on_limit_event, .context = webhooks});
}

/* Whoever is to be limited may still be made: so it is told, not refused. */
static void warn_of_names(struct store *store, const struct config *config) {
  struct config_problems problems;
  config_problems_init(&problems);
  limit_scope_check(store, config, &problems);
  for (size_t i = 0; i < problems.count; i++)
    log_process(LOG_WARN, "%s", problems.items[i]);
  config_problems_fini(&problems);
}

static void apply(struct limiter *limiter, struct store *store, const struct config *config) {
  limit_rows_renew(limiter, store, config);
  warn_of_names(store, config);
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
