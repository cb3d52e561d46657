/* What a settled request adds to the metrics. */
#include "base/clock.h"
#include "exchange_state.h"

/* OpenTelemetry's gen_ai.operation.name */
static struct slice operation_of(const struct exchange *x) {
  switch (x->route.dialect) {
  case DIALECT_EMBEDDINGS: return SLICE("embeddings");
  case DIALECT_COMPLETIONS: return SLICE("text_completion");
  default: return SLICE("chat");
  }
}

static struct slice status_text(struct exchange *x, int status) {
  return slice_of(arena_printf(&x->arena, "%d", status));
}

static void count_tokens(const struct slice *genai, struct slice type, uint64_t tokens) {
  struct slice labels[METRIC_LABELS_MAX] = {genai[0], genai[1], genai[2], type};
  metric_observe(metric_get(METRIC_TOKEN_USAGE, labels), tokens);
}

static void count_usage(struct exchange *x, const struct slice *genai) {
  if (x->usage_source == USAGE_NONE) return;
  count_tokens(genai, SLICE("input"), usage_prompt_tokens(&x->usage));
  count_tokens(genai, SLICE("output"), x->usage.output);
  struct slice labels[] = {x->model->name, genai[1]};
  if (x->cost_known)
    metric_add(metric_get(METRIC_COST, labels), x->cost_nanousd);
  else
    metric_add(metric_get(METRIC_UNPRICED, labels), 1);
}

static void count_attempts(const struct exchange *x) {
  for (size_t i = 0; i < x->record_count; i++) {
    const struct attempt_record *r = &x->records[i];
    struct slice labels[] = {r->target->provider->name,
                             slice_of(r->failure ? failure_info(r->failure)->label : "ok")};
    metric_add(metric_get(METRIC_ATTEMPTS, labels), 1);
  }
}

static void observe_tokens_per_second(struct exchange *x, const struct slice *genai) {
  if (!x->is_stream || !x->first_content_ns || x->usage.output < 2) return;
  metric_observe(metric_get(METRIC_TIME_PER_TOKEN, genai),
                 (x->settled_ns - x->first_content_ns) / (x->usage.output - 1));
}

void metrics_settle(struct exchange *x, int status) {
  struct slice dialect = slice_of(dialect_name(x->route.dialect));
  struct slice model =
      x->model ? x->model->name : SLICE(""); /* a name that is not configured is no label */
  struct slice provider =
      x->record_count ? x->records[x->record_count - 1].target->provider->name : SLICE("");
  struct slice labels[METRIC_LABELS_MAX] = {model, provider, dialect, status_text(x, status)};
  metric_add(metric_get(METRIC_REQUESTS, labels), 1);
  metric_observe(metric_get(METRIC_DURATION, labels), x->settled_ns - x->started_ns);
  metric_observe(metric_get(METRIC_OVERHEAD, &dialect), overhead_ns(x));
  if (!x->record_count) return;
  struct slice genai[] = {operation_of(x), provider, model};
  metric_observe(metric_get(METRIC_SERVER_DURATION, genai), x->settled_ns - x->started_ns);
  if (x->first_content_ns)
    metric_observe(metric_get(METRIC_FIRST_TOKEN, genai), x->first_content_ns - x->started_ns);
  observe_tokens_per_second(x, genai);
  count_usage(x, genai);
  count_attempts(x);
}
