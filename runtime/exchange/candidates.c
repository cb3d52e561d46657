/* Which targets a request may go to, in which order, and what their health says. */
#include "base/clock.h"
#include "exchange/permit.h"
#include "exchange/policy.h"
#include "exchange/story.h"

/* Not for secrets: spreads load only. Source: Marsaglia, "Xorshift RNGs", 2003. */
static uint64_t random_u64(void) {
  static _Thread_local uint64_t state;
  if (!state) state = clock_mono_ns() | 1;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static void order_weighted(const struct model_target **targets, size_t count) {
  for (size_t i = 0; i + 1 < count; i++) {
    uint64_t sum = 0;
    for (size_t k = i; k < count; k++)
      sum += targets[k]->weight;
    if (sum == 0) return;
    uint64_t draw = random_u64() % sum;
    size_t chosen = i;
    while (draw >= targets[chosen]->weight)
      draw -= targets[chosen++]->weight;
    const struct model_target *first = targets[chosen];
    memmove(&targets[i + 1], &targets[i], (chosen - i) * sizeof *targets);
    targets[i] = first;
  }
}

/* Only embeddings cannot be translated: a target serves them itself or not at all. */
static bool can_serve(struct exchange *x, const struct model_target *target) {
  if (x->route.dialect != DIALECT_EMBEDDINGS) return true;
  const struct adapter_info *adapter =
      generation_adapter(policies_generation(x, target), target->provider->adapter);
  return adapter && adapter->native[DIALECT_EMBEDDINGS].len > 0;
}

enum step_result candidates_find(struct exchange *x) {
  x->model = config_model_find(x->config, x->public_model);
  if (!x->model) {
    struct error_detail detail = {.param = SLICE("model")};
    detail.message = slice_of(
        arena_printf(&x->arena, "the model %.*s does not exist; GET /v1/models lists those that do",
                     (int)x->public_model.len, x->public_model.data));
    return exchange_fail_with(x, FAILURE_MODEL_NOT_FOUND, &detail);
  }
  x->candidates = arena_alloc(&x->arena, (x->model->target_count + 1) * sizeof *x->candidates);
  for (size_t i = 0; i < x->model->target_count; i++)
    if (can_serve(x, &x->model->targets[i]))
      x->candidates[x->candidate_count++] = &x->model->targets[i];
    else
      story_leave_out(x, &x->model->targets[i], LEFT_OUT_ENDPOINT);
  if (x->candidate_count == 0) {
    struct error_detail detail = {.param = SLICE("model")};
    detail.message = slice_of(arena_printf(
        &x->arena, "no provider of the model %.*s offers embeddings; choose an embedding model",
        (int)x->public_model.len, x->public_model.data));
    return exchange_fail_with(x, FAILURE_UNSUPPORTED, &detail);
  }
  if (permit_targets(x) == STEP_FAIL || policies_require(x) == STEP_FAIL ||
      kept_check(x) == STEP_FAIL)
    return STEP_FAIL;
  if (slice_equal(x->model->strategy, SLICE("weighted")))
    order_weighted(x->candidates, x->candidate_count);
  target_filter(x);
  /* A failing target may be tried once more only as another candidate, so this bounds the attempts.
   */
  x->records = arena_alloc(&x->arena, (x->candidate_count + 1) * sizeof *x->records);
  return STEP_NEXT;
}

/* Keeps only targets that count tokens themselves; false when there are none. */
bool candidates_count_tokens(struct exchange *x) {
  size_t count = 0;
  for (size_t i = 0; i < x->candidate_count; i++) {
    const struct adapter_info *adapter = generation_adapter(
        policies_generation(x, x->candidates[i]), x->candidates[i]->provider->adapter);
    if (adapter && adapter->count_tokens.len) x->candidates[count++] = x->candidates[i];
  }
  x->candidate_count = count;
  return count > 0;
}
