#include <stdlib.h>
#include <time.h>

#include "auth/service.h"
#include "base/clock.h"
#include "exchange/policy.h"
#include "exchange/shadow_state.h"

static void on_done(void *context) {
  (void)context; /* it has no way to wait */
}

static const struct policy_callbacks callbacks = {on_done};

bool shadow_may(const struct shadow *s, unsigned hooks) {
  if (!s || !s->run || s->is_over) return false;
  return policy_chain_hooks(s->chain) & hooks;
}

/* Of this thread: a busy machine makes no shadow slow. */
static uint64_t processor_ns(void) {
  struct timespec now;
  must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void shadow_begin(struct shadow *s) {
  s->since_ns = processor_ns();
}

void shadow_end(struct shadow *s, enum policy_progress progress) {
  enum { SHARE = 20 };
  must(progress == POLICY_DONE);
  uint64_t cpu_ns = tenant_scripts_config(s->scripts)->tenant->scripts.cpu_ms * 1000000ull;
  s->used_ns += processor_ns() - s->since_ns;
  bool is_late = s->used_ns > 2 * cpu_ns + (clock_mono_ns() - s->x->started_ns) / SHARE;
  bool has_decided = policy_verdict(s->run)->kind != VERDICT_PASS;
  s->is_spent = is_late && !has_decided;
  s->is_over = is_late || has_decided;
}

/* The newest word of a policy about why. */
static void append_why(const struct shadow *s, struct bytes *out) {
  for (size_t i = s->run ? policy_trace_count(s->run) : 0; i > 0; i--) {
    const struct policy_trace *t = policy_trace_get(s->run, i - 1);
    if (!t->why.len) continue;
    bytes_printf(out, "%.*s %.*s: ", (int)t->policy.len, t->policy.data, (int)t->what.len,
                 t->what.data);
    bytes_append_slice(out, t->why);
    return;
  }
}

void shadow_decide(struct shadow *s, const char *hook, struct slice running, struct slice own) {
  if (slice_equal(running, own)) return;
  must(s->decision_count < SHADOW_DECISIONS);
  struct decision *d = &s->decisions[s->decision_count++];
  d->hook = hook;
  bytes_append_slice(&d->running, running);
  bytes_append_slice(&d->shadow, own);
  append_why(s, &d->why);
}

static void compare_requests(struct shadow *s) {
  struct bytes running, own;
  bytes_init(&running);
  bytes_init(&own);
  shadow_describe(s->x->run ? policy_verdict(s->x->run) : NULL, &running);
  shadow_describe(s->run ? policy_verdict(s->run) : NULL, &own);
  shadow_decide(s, "on_request", bytes_slice(&running), bytes_slice(&own));
  bytes_fini(&running);
  bytes_fini(&own);
}

/* A service's version brings policies of its own behind the tenant's. */
static struct policy_chain *chain_of(struct shadow *s, struct slice *problem) {
  const struct exchange *x = s->x;
  struct slice policies = x->version ? x->version->policies : SLICE("");
  return policies.len ? tenant_scripts_chain(s->scripts, policies, problem)
                      : tenant_scripts_policies(s->scripts);
}

void shadow_request(struct exchange *x) {
  struct tenant_scripts *scripts =
      x->scripts && !x->shadow ? tenant_set_shadow_find(x->host->tenants, x->principal->tenant)
                               : NULL;
  if (!scripts) return;
  struct shadow *s = x->shadow = must_calloc(1, sizeof *s);
  struct slice problem = {"", 0};
  s->x = x;
  s->scripts = tenant_scripts_ref(scripts);
  shadow_reply_init(s);
  s->chain = chain_of(s, &problem);
  if (problem.len) {
    shadow_decide(s, "on_request", SLICE("pass"), problem);
    s->is_over = true;
    return;
  }
  if (s->chain) s->run = policy_run_new(s->chain, policies_request(x), &callbacks, NULL);
  if (shadow_may(s, 1u << POLICY_ON_REQUEST)) {
    shadow_begin(s);
    shadow_end(s, policy_on_request(s->run));
  }
  compare_requests(s);
}

/* Route. */

static void append_target(struct bytes *out, const struct model_target *target) {
  if (out->len) bytes_append_text(out, ", ");
  bytes_append_slice(out, target->provider->name);
  bytes_append_byte(out, '/');
  bytes_append_slice(out, target->model);
}

static void describe_model(const struct model *model, struct bytes *out) {
  for (size_t i = 0; model && i < model->target_count; i++)
    append_target(out, &model->targets[i]);
  if (!model) bytes_append_text(out, "no such model");
  if (model && model->strategy.len)
    bytes_printf(out, ", strategy %.*s", (int)model->strategy.len, model->strategy.data);
}

/* A generation may also change what the models of its tenant are. */
static void compare_models(struct shadow *s) {
  struct bytes running, own;
  bytes_init(&running);
  bytes_init(&own);
  describe_model(s->x->model, &running);
  describe_model(config_model_find(tenant_scripts_config(s->scripts), s->x->public_model), &own);
  shadow_decide(s, "targets", bytes_slice(&running), bytes_slice(&own));
  bytes_fini(&running);
  bytes_fini(&own);
}

static bool is_other_model(const struct shadow *s) {
  struct slice model = s->run ? policy_verdict(s->run)->model : SLICE("");
  return model.len && !slice_equal(model, s->x->public_model);
}

void shadow_route(struct exchange *x) {
  struct shadow *s = x->shadow;
  if (!s || s->was_routed || is_other_model(s)) return;
  s->was_routed = true;
  compare_models(s);
  if (!s->run || s->is_over) return;
  s->has_route = true;
  shadow_begin(s);
  shadow_end(s, policy_route(s->run, policies_candidates(x), x->candidate_count));
  if (policy_verdict(s->run)->kind == VERDICT_DENY) {
    shadow_describe(policy_verdict(s->run), &s->route);
    return;
  }
  struct policy_order order = policy_order(s->run);
  for (size_t i = 0; i < order.count; i++)
    append_target(&s->route, x->candidates[order.indexes[i]]);
}

void shadow_routed(struct exchange *x) {
  struct shadow *s = x->shadow;
  if (!s || !s->has_route) return;
  const struct verdict *verdict = x->run ? policy_verdict(x->run) : NULL;
  struct bytes running;
  bytes_init(&running);
  if (verdict && verdict->kind == VERDICT_DENY)
    shadow_describe(verdict, &running);
  else
    for (size_t i = 0; i < x->candidate_count; i++)
      append_target(&running, x->candidates[i]);
  struct slice none = SLICE("no target is left");
  shadow_decide(s, "route", running.len ? bytes_slice(&running) : none,
                s->route.len ? bytes_slice(&s->route) : none);
  s->has_route = false;
  bytes_fini(&running);
}

/* The end. */

static void note(struct shadow *s) {
  struct shadow_difference items[SHADOW_DECISIONS];
  for (size_t i = 0; i < s->decision_count; i++) {
    const struct decision *d = &s->decisions[i];
    items[i] = (struct shadow_difference){d->hook, bytes_slice(&d->running),
                                          bytes_slice(&d->shadow), bytes_slice(&d->why)};
  }
  struct shadow_note note = {.tenant = s->x->principal->tenant,
                             .request_id = slice_of(s->x->id),
                             .generation = tenant_scripts_number(s->scripts),
                             .items = items,
                             .count = s->decision_count};
  shadow_log_note(s->x->host->shadows, &note);
}

void shadow_finish(struct exchange *x) {
  struct shadow *s = x->shadow;
  if (!s) return;
  shadow_reply_compare(s);
  if (s->is_spent)
    shadow_decide(s, "time", SLICE("-"),
                  SLICE("over the time that a shadow has; it saw no more of this request"));
  if (!tenant_scripts_retired_ns(s->scripts)) note(s);
  shadow_forget(x);
}

void shadow_forget(struct exchange *x) {
  struct shadow *s = x->shadow;
  if (!s) return;
  x->shadow = NULL;
  shadow_reply_fini(s);
  policy_run_free(s->run);
  tenant_scripts_unref(s->scripts);
  for (size_t i = 0; i < s->decision_count; i++) {
    bytes_fini(&s->decisions[i].running);
    bytes_fini(&s->decisions[i].shadow);
    bytes_fini(&s->decisions[i].why);
  }
  bytes_fini(&s->route);
  free(s);
}

void shadow_retire(struct exchange *x) {
  if (x->shadow && tenant_scripts_retired_ns(x->shadow->scripts)) shadow_forget(x);
}
