/* What a settled request adds to the metrics. */
#include "base/clock.h"
#include "exchange/state.h"

#include <stdio.h>

enum { CACHE_SLOTS = 256 };

/* Every series that requests of one kind touch: found once, then kept per thread. */
struct series {
  uint64_t serial; /* of the configuration that both belong to; NULL: none */
  const struct model *model;
  const struct provider *provider;
  int status;
  enum dialect dialect;
  struct metric_series *requests, *duration, *overhead, *server_duration, *first_token, *per_token;
  struct metric_series *input, *output, *cost, *unpriced, *attempt_ok;
};

/* OpenTelemetry's gen_ai.operation.name */
static struct slice operation_of(enum dialect dialect) {
  switch (dialect) {
  case DIALECT_EMBEDDINGS: return SLICE("embeddings");
  case DIALECT_COMPLETIONS: return SLICE("text_completion");
  default: return SLICE("chat");
  }
}

static const struct provider *provider_of(const struct exchange *x) {
  return x->record_count ? x->records[x->record_count - 1].target->provider : NULL;
}

/* The requested name is no label unless it is configured: clients could make up any number of them.
 */
static void find_series(const struct exchange *x, struct series *s) {
  char status[12];
  int status_len = snprintf(status, sizeof status, "%d", s->status);
  const struct provider *p = provider_of(x);
  struct slice none = {"", 0}, dialect = slice_of(dialect_name(s->dialect));
  struct slice model = x->model ? x->model->name : none, provider = p ? p->name : none;
  struct slice request[] = {model, provider, dialect, {status, (size_t)status_len}};
  s->requests = metric_get(METRIC_REQUESTS, request);
  s->duration = metric_get(METRIC_DURATION, request);
  s->overhead = metric_get(METRIC_OVERHEAD, &dialect);
  if (!p) return;
  struct slice genai[] = {operation_of(s->dialect), provider, model, SLICE("input")};
  s->server_duration = metric_get(METRIC_SERVER_DURATION, genai);
  s->first_token = metric_get(METRIC_FIRST_TOKEN, genai);
  s->per_token = metric_get(METRIC_TIME_PER_TOKEN, genai);
  s->input = metric_get(METRIC_TOKEN_USAGE, genai);
  genai[3] = SLICE("output");
  s->output = metric_get(METRIC_TOKEN_USAGE, genai);
  s->cost = metric_get(METRIC_COST, request);
  s->unpriced = metric_get(METRIC_UNPRICED, request);
  struct slice attempt[] = {provider, SLICE("ok")};
  s->attempt_ok = metric_get(METRIC_ATTEMPTS, attempt);
}

static const struct series *series_of(const struct exchange *x, int status) {
  static _Thread_local struct series cache[CACHE_SLOTS];
  const struct provider *p = provider_of(x);
  enum dialect dialect = x->route.dialect;
  size_t place = (uintptr_t)x->model / sizeof *x->model * 31 + (uintptr_t)p / sizeof *p * 7;
  struct series *s = &cache[(place + (size_t)status * 3 + dialect) % CACHE_SLOTS];
  bool known = s->requests && s->serial == x->config->serial && s->model == x->model &&
               s->provider == p && s->status == status && s->dialect == dialect;
  if (known) return s;
  *s = (struct series){.serial = x->config->serial,
                       .model = x->model,
                       .provider = p,
                       .status = status,
                       .dialect = dialect};
  find_series(x, s);
  return s;
}

static void count_usage(const struct exchange *x, const struct series *s) {
  if (x->usage_source == USAGE_NONE) return;
  metric_observe(s->input, usage_prompt_tokens(&x->usage));
  metric_observe(s->output, x->usage.output);
  if (x->cost_known)
    metric_add(s->cost, x->cost_nanousd);
  else
    metric_add(s->unpriced, 1);
}

static void count_attempts(const struct exchange *x, const struct series *s) {
  for (size_t i = 0; i < x->record_count; i++) {
    const struct attempt_record *r = &x->records[i];
    bool is_last_ok = i + 1 == x->record_count && r->failure == FAILURE_NONE;
    struct slice labels[] = {r->target->provider->name, slice_of(failure_info(r->failure)->label)};
    metric_add(is_last_ok ? s->attempt_ok : metric_get(METRIC_ATTEMPTS, labels), 1);
  }
}

void metrics_settle(struct exchange *x, int status) {
  const struct series *s = series_of(x, status);
  metric_add(s->requests, 1);
  metric_observe(s->duration, x->settled_ns - x->started_ns);
  metric_observe(s->overhead, overhead_ns(x));
  if (!x->record_count) return;
  metric_observe(s->server_duration, x->settled_ns - x->started_ns);
  if (x->first_content_ns) metric_observe(s->first_token, x->first_content_ns - x->started_ns);
  if (x->is_stream && x->first_content_ns && x->usage.output > 1)
    metric_observe(s->per_token, (x->settled_ns - x->first_content_ns) / (x->usage.output - 1));
  count_usage(x, s);
  count_attempts(x, s);
}
