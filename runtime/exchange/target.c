/* What a request learns from, and tells, the health of the targets that all requests share. */
#include "base/clock.h"
#include "exchange/story.h"
#include "upstream/retry_after.h"

static uint64_t now_ms(void) {
  return clock_turn_mono_ns() / 1000000u;
}

static struct health_target *health_of(struct exchange *x, const struct model_target *target) {
  return health_target_get(x->host->health, target->provider->name, target->model);
}

struct target_load target_load(struct exchange *x, const struct model_target *target) {
  const struct health_target *t = health_of(x, target);
  struct health_view view = health_view(t, now_ms());
  struct engine_load load = load_view(health_load_of(t), now_ms());
  return (struct target_load){.in_flight = view.in_flight,
                              .queue = load.queue,
                              .kv_usage = load.kv_usage,
                              .first_token_ms =
                                  view.peak_token_us ? view.peak_token_us / 1000.0 : -1,
                              .error_rate = view.error_permille / 1000.0};
}

/* Targets that were set aside are left out, unless that leaves none. */
void target_filter(struct exchange *x) {
  size_t usable = 0;
  uint64_t now = now_ms();
  for (size_t i = 0; i < x->candidate_count; i++)
    if (health_usable(health_of(x, x->candidates[i]), now)) usable++;
  x->is_panic = usable == 0;
  if (x->is_panic || usable == x->candidate_count) return;
  size_t kept = 0;
  for (size_t i = 0; i < x->candidate_count; i++)
    if (health_usable(health_of(x, x->candidates[i]), now))
      x->candidates[kept++] = x->candidates[i];
    else
      story_leave_out(x, x->candidates[i], LEFT_OUT_HEALTH);
  x->candidate_count = kept;
}

void target_begin(struct exchange *x, const struct model_target *target) {
  if (!x->counted) health_request_begin(x->host->health);
  x->counted = true;
  struct health_target *t = health_of(x, target);
  /* Another request may have taken the probe since the targets were chosen: this one goes all the
   * same, since turning it away would help nobody. */
  if (!health_enter(&x->visit, t, now_ms(), x->is_panic))
    (void)!health_enter(&x->visit, t, now_ms(), true);
  x->visiting = true;
}

/* A provider that says when to come back is left alone until then; what it says of its load costs
 * no probe. */
void target_note_head(struct exchange *x, struct headers headers) {
  struct engine_load load = load_read_header(header_find(headers, "endpoint-load-metrics"));
  load_note(health_load_of(x->visit.target), &load, now_ms());
  if (x->upstream_status != 429 && x->upstream_status != 503 && x->upstream_status != 529) return;
  int64_t wait_ms = retry_after_ms(headers, clock_turn_wall_ms());
  if (wait_ms > 0) health_cool(x->visit.target, now_ms(), (uint64_t)wait_ms);
}

/* Content came: a target on probation is free again before its stream ends. */
void target_works(struct exchange *x) {
  if (x->visiting) health_alive(&x->visit);
}

/* Each further attempt asks anew: a place taken while much was in flight is no right to all
 * targets.
 */
bool target_may_retry(struct exchange *x) {
  if (x->retrying) health_retry_end(x->host->health);
  x->retrying = health_retry_begin(x->host->health);
  return x->retrying;
}

void target_end(struct exchange *x, enum failure_kind kind) {
  if (!x->visiting) return;
  x->visiting = false;
  struct health_target *target = x->visit.target;
  health_leave(&x->visit, now_ms(), kind);
  if (kind == FAILURE_NONE && x->first_content_ns > x->started_ns && x->record_count)
    health_first_token(target, now_ms(),
                       (x->first_content_ns - x->records[x->record_count - 1].timing.started) /
                           1000u);
}

void target_forget(struct exchange *x) {
  target_end(x, FAILURE_CLIENT_GONE);
  if (x->retrying) health_retry_end(x->host->health);
  if (x->counted) health_request_end(x->host->health);
  x->retrying = x->counted = false;
}
