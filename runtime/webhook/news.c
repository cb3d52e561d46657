/* What there is to tell, as events. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "store/usage_query.h"
#include "webhook/private.h"

static void append_member(struct bytes *out, const char *name, struct slice text) {
  bytes_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
  json_quote(out, text);
}

/* A rolling window has no beginning: its thresholds are told once a day. */
static int64_t window_of(const struct limit_event *e) {
  return e->window_start_s ? e->window_start_s : clock_wall_ms() / MS_PER_DAY * 86400;
}

static void append_amount(struct bytes *out, const char *name, const struct limit_event *e,
                          uint64_t amount) {
  bytes_append_text(out, name);
  if (e->kind == LIMIT_MONEY)
    bytes_append_fixed(out, amount, 9);
  else
    bytes_append_u64(out, amount);
}

void webhooks_tell_limit(struct webhooks *w, const struct limit_event *e) {
  struct bytes data, subject;
  struct slice scope = slice_of(e->scope);
  bytes_init(&data);
  bytes_init(&subject);
  bytes_append_byte(&data, '{');
  append_member(&data, "limit", e->id);
  append_member(&data, "scope", scope);
  append_member(&data, "kind", slice_of(limit_kind_name(e->kind)));
  bytes_printf(&data, ",\"percent\":%u,\"soft\":%s,", e->percent, e->is_soft ? "true" : "false");
  append_amount(&data, "\"amount\":", e, e->amount);
  append_amount(&data, ",\"used\":", e, e->used);
  bytes_append_byte(&data, '}');
  bytes_append_slice(&subject, e->id);
  bytes_printf(&subject, "|%s|%d|%u|%lld", e->scope, e->kind, e->percent, (long long)window_of(e));
  struct webhook_event event = {e->kind == LIMIT_MONEY ? "budget.threshold" : "limit.threshold",
                                e->tenant, bytes_slice(&subject), bytes_slice(&data)};
  webhooks_tell(w, &event);
  bytes_fini(&data);
  bytes_fini(&subject);
}

/* A tenant's own provider is called "tenant/name". */
static void tell_target(struct webhooks *w, const struct health_view *view, bool is_down) {
  struct bytes data, subject;
  struct slice own, tenant = slice_cut(view->provider, '/', &own);
  bytes_init(&data);
  bytes_init(&subject);
  bytes_append_byte(&data, '{');
  append_member(&data, "provider", view->provider);
  append_member(&data, "model", view->model);
  bytes_printf(&data, ",\"failures_in_row\":%u,\"error_permille\":%u}", view->failures_in_row,
               view->error_permille);
  bytes_append_slice(&subject, view->provider);
  bytes_append_byte(&subject, '|');
  bytes_append_slice(&subject, view->model);
  bytes_printf(&subject, "|%lld", (long long)clock_wall_ms());
  struct webhook_event event = {is_down ? "provider.down" : "provider.up",
                                own.len ? tenant : (struct slice){"", 0}, bytes_slice(&subject),
                                bytes_slice(&data)};
  webhooks_tell(w, &event);
  bytes_fini(&data);
  bytes_fini(&subject);
}

static struct down *down_find(struct webhooks *w, const struct health_view *view) {
  list_each(node, &w->down) {
    struct down *d = list_entry(node, struct down, link);
    if (slice_equal(d->provider, view->provider) && slice_equal(d->model, view->model)) return d;
  }
  return NULL;
}

static void down_add(struct webhooks *w, const struct health_view *view) {
  struct down *d = must_calloc(1, sizeof *d);
  arena_init(&d->arena);
  d->provider = arena_slice(&d->arena, view->provider);
  d->model = arena_slice(&d->arena, view->model);
  list_init(&d->link);
  list_append(&w->down, &d->link);
}

void down_free(struct down *d) {
  list_remove(&d->link);
  arena_fini(&d->arena);
  free(d);
}

static void on_target(const struct health_view *view, void *context) {
  struct webhooks *w = context;
  bool is_down = view->ejections > 0;
  struct down *known = list_empty(&w->down) ? NULL : down_find(w, view);
  if (is_down == (known != NULL)) return;
  tell_target(w, view, is_down);
  if (is_down)
    down_add(w, view);
  else
    down_free(known);
}

void news_of_providers(struct webhooks *w) {
  health_each(w->health, clock_mono_ns() / 1000000u, on_target, w);
}

void news_of_key(struct webhooks *w, struct key_news *n) {
  struct bytes data;
  char subject[32], *type = arena_text(&n->arena, n->action);
  snprintf(subject, sizeof subject, "audit %llu", (unsigned long long)n->number);
  bytes_init(&data);
  bytes_append_byte(&data, '{');
  append_member(&data, "key",
                slice_skip(n->target, slice_starts(n->target, SLICE("keys/")) ? 5 : 0));
  append_member(&data, "actor", n->actor);
  bytes_append_byte(&data, '}');
  struct webhook_event event = {type, n->tenant, slice_of(subject), bytes_slice(&data)};
  webhooks_tell(w, &event);
  bytes_fini(&data);
}

void news_of_spend(struct webhooks *w, const struct spend_news *n) {
  uint64_t percent = w->config->spend_alert.percent;
  unsigned __int128 usual = (unsigned __int128)n->before_nanousd * percent;
  bool is_unusual = percent && n->before_nanousd &&
                    n->today_nanousd >= w->config->spend_alert.minimum_nanousd &&
                    (unsigned __int128)n->today_nanousd * 700 > usual;
  if (!is_unusual) return;
  struct bytes data;
  char subject[32];
  snprintf(subject, sizeof subject, "day %lld", (long long)n->day);
  bytes_init(&data);
  bytes_append_byte(&data, '{');
  append_member(&data, "currency", w->config->currency);
  bytes_append_text(&data, ",\"today\":");
  bytes_append_fixed(&data, n->today_nanousd, 9);
  bytes_append_text(&data, ",\"usual\":");
  bytes_append_fixed(&data, n->before_nanousd / 7, 9);
  bytes_printf(&data, ",\"alert_percent\":%llu}", (unsigned long long)percent);
  struct webhook_event event = {"spend.anomaly", n->tenant, slice_of(subject), bytes_slice(&data)};
  webhooks_tell(w, &event);
  bytes_fini(&data);
}
