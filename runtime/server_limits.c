#include "server_limits.h"

#include "observe/log.h"

/* Once per window and threshold, so that no flood of requests floods the log. */
static void on_limit_event(void *context, const struct limit_event *event) {
  (void)context;
  const char *unit =
      event->kind == LIMIT_MONEY ? "billionths of the currency" : limit_kind_name(event->kind);
  log_process(LOG_WARN, "%slimit %.*s%s%s: %u %% reached, %llu of %llu %s",
              event->is_soft ? "soft " : "", (int)event->id.len, event->id.data,
              event->scope[0] ? " for " : "", event->scope, event->percent,
              (unsigned long long)event->used, (unsigned long long)event->amount, unit);
}

struct limiter *server_limits_new(void) {
  return limiter_new(&(struct limiter_settings){.on_event = on_limit_event});
}

void server_limits_reload(struct limiter *limiter, const struct config *config) {
  (void)limiter_apply(limiter, config->quotas, config->quota_count);
}
