#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "upstream/transport_http1.h"

enum { SPARE_ATTEMPTS = 64, SENTENCE_BYTES = 600 };
enum { GRACE_MS = 5, LINGER_MS = 1000 };

static void on_due(struct deadline *d);

static uint64_t after(const struct attempt *a, uint32_t ms) {
  return ms ? uv_now(a->upstream->loop) + ms : 0;
}

static uint64_t earliest(const struct attempt *a) {
  uint64_t due = a->queue_due_ms;
  if (a->phase_due_ms && (!due || a->phase_due_ms < due)) due = a->phase_due_ms;
  if (a->total_due_ms && (!due || a->total_due_ms < due)) due = a->total_due_ms;
  return due;
}

/* A deadline armed too early looks again when it fires; so restarting a timer costs one store. */
static void arm(struct attempt *a) {
  uint64_t due = earliest(a);
  if (due && (!deadline_is_armed(&a->deadline) || due < a->deadline.due_ms))
    deadline_arm(&a->upstream->deadlines, &a->deadline, due);
}

static void restart(struct attempt *a, uint32_t limit_ms) {
  a->phase_due_ms = after(a, limit_ms);
  a->had_grace = false;
}

static void enter_phase(struct attempt *a, enum attempt_phase phase, uint32_t limit_ms) {
  a->phase = phase;
  restart(a, a->is_paused && phase >= PHASE_FIRST_TOKEN ? 0 : limit_ms);
  arm(a);
}

static void on_free(struct later *l) {
  struct attempt *a = list_entry(l, struct attempt, free_later);
  struct upstream *u = a->upstream;
  if (u->is_closing || u->spare_count == SPARE_ATTEMPTS) {
    http1_free(a->http1);
    free(a);
    return;
  }
  http1_reset(a->http1);
  list_prepend(&u->spare, &a->link);
  u->spare_count++;
}

/* Of all that one read brought, the moment is one. */
static uint64_t now_ns(const struct attempt *a) {
  return a->read_ns ? a->read_ns : clock_mono_ns();
}

static void leave_gates(struct attempt *a) {
  if (a->wait) gate_wait_cancel(a->wait);
  a->wait = NULL;
  if (a->has_process_slot) gate_leave(gates_process(a->upstream->gates));
  if (a->has_provider_slot) gate_leave(a->route.gate);
  a->has_process_slot = a->has_provider_slot = false;
}

static void end(struct attempt *a) {
  a->phase = PHASE_OVER;
  a->timing.ended = now_ns(a);
  deadline_disarm(&a->deadline);
  leave_gates(a);
  list_remove(&a->link);
  later_add(a->upstream, &a->free_later);
}

void attempt_failed(struct attempt *a, enum failure_kind kind, const char *format, ...) {
  must(!attempt_is_over(a));
  char sentence[SENTENCE_BYTES];
  va_list list;
  va_start(list, format);
  vsnprintf(sentence, sizeof sentence, format, list);
  va_end(list);
  a->transport->cancel(a);
  end(a);
  a->events->on_failure(a, kind, sentence, a->user);
}

static void fail_wait(struct attempt *a) {
  struct gate *g = a->route.gate && !a->has_provider_slot ? a->route.gate : NULL;
  double waited_s = a->upstream->config->queue_wait_ms / 1000.0;
  if (g)
    attempt_failed(a, FAILURE_OVERLOADED,
                   "provider %.*s is at its limit of %u concurrent requests; waited %g s",
                   (int)a->provider->name.len, a->provider->name.data, gate_limit(g), waited_s);
  else
    attempt_failed(a, FAILURE_OVERLOADED,
                   "the gateway is at its limit of %u upstream requests; waited %g s",
                   gate_limit(gates_process(a->upstream->gates)), waited_s);
}

static void fail_timeout(struct attempt *a, enum failure_kind kind, const char *what, uint32_t ms) {
  attempt_failed(a, kind, "%.*s %s within %g s", (int)a->provider->host.len, a->provider->host.data,
                 what, ms / 1000.0);
}

static uint32_t total_ms(const struct attempt *a) {
  const struct upstream_timers *t = &a->provider->timers;
  return a->is_stream ? t->stream_total_ms : t->total_ms;
}

static void fail_phase(struct attempt *a) {
  uint32_t idle_ms = a->provider->timers.idle_ms;
  if (a->phase == PHASE_SEND)
    fail_timeout(a, FAILURE_UPSTREAM_IDLE_TIMEOUT, "took no byte of the request", idle_ms);
  else if (a->phase == PHASE_HEAD)
    fail_timeout(a, FAILURE_UPSTREAM_HEAD_TIMEOUT, "did not answer", a->head_ms);
  else if (a->phase == PHASE_FIRST_TOKEN)
    fail_timeout(a, FAILURE_UPSTREAM_FIRST_TOKEN_TIMEOUT, "sent no first token", a->first_token_ms);
  else
    fail_timeout(a, FAILURE_UPSTREAM_IDLE_TIMEOUT, "sent nothing more", idle_ms);
}

/* A phase is over only if the loop has looked at its sockets once more after the due time: it may
 * have stood still (a stopped process, a long callback) while bytes arrived. */
static bool give_grace(struct attempt *a, uint64_t now) {
  if (a->had_grace) return false;
  a->had_grace = true;
  a->phase_due_ms = now + GRACE_MS;
  arm(a);
  return true;
}

static void on_due(struct deadline *d) {
  struct attempt *a = list_entry(d, struct attempt, deadline);
  uint64_t now = uv_now(a->upstream->loop);
  if (a->queue_due_ms && now >= a->queue_due_ms)
    fail_wait(a);
  else if (a->total_due_ms && now >= a->total_due_ms)
    fail_timeout(a, FAILURE_UPSTREAM_TOTAL_TIMEOUT, "did not finish its answer", total_ms(a));
  else if (!a->phase_due_ms || now < a->phase_due_ms)
    arm(a);
  else if (!give_grace(a, now))
    fail_phase(a);
}

static void on_grant(void *context);

static bool enter_gate(struct attempt *a, struct gate *g, bool *has_slot) {
  if (*has_slot) return true;
  *has_slot = gate_enter(g);
  if (!*has_slot) a->wait = gate_wait_start(g, &a->upstream->mailbox, on_grant, a);
  return *has_slot;
}

/* The provider's own gate first: its queue must not hold slots that others could use. */
static void go(struct attempt *a) {
  struct gate *process = gates_process(a->upstream->gates);
  if (!a->takes_no_slot &&
      ((a->route.gate && !enter_gate(a, a->route.gate, &a->has_provider_slot)) ||
       !enter_gate(a, process, &a->has_process_slot))) {
    uint64_t now = uv_now(a->upstream->loop);
    if (!a->queue_due_ms) a->queue_due_ms = now + a->upstream->config->queue_wait_ms;
    arm(a);
    return;
  }
  a->queue_due_ms = 0;
  a->phase = PHASE_CONNECT;
  a->transport->start(a);
}

static void on_grant(void *context) {
  struct attempt *a = context;
  a->wait = NULL;
  /* A reload during the wait may have freed the endpoint. */
  a->route.endpoint = pool_route(&a->upstream->pool, a->provider).endpoint;
  if (a->route.gate && !a->has_provider_slot)
    a->has_provider_slot = true;
  else
    a->has_process_slot = true;
  go(a);
}

static struct attempt *attempt_new(struct upstream *u) {
  struct http1 *h;
  struct attempt *a;
  if (list_empty(&u->spare)) {
    a = must_alloc(sizeof *a);
    h = http1_new();
  } else {
    a = list_entry(u->spare.next, struct attempt, link);
    list_remove(&a->link);
    u->spare_count--;
    h = a->http1;
  }
  *a = (struct attempt){.upstream = u, .http1 = h, .transport = transport_http1()};
  list_append(&u->attempts, &a->link);
  deadline_init(&a->deadline, on_due);
  later_init(&a->free_later, on_free);
  return a;
}

struct attempt *attempt_start(struct upstream *u, const struct attempt_request *request,
                              const struct attempt_events *events, void *user) {
  must(!u->is_closing);
  struct attempt *a = attempt_new(u);
  const struct upstream_timers *t = &request->provider->timers;
  a->events = events;
  a->user = user;
  a->provider = request->provider;
  a->is_stream = request->is_stream;
  a->is_fresh = request->is_fresh;
  a->takes_no_slot = request->takes_no_slot;
  a->head_ms = request->head_ms ? request->head_ms : t->head_ms;
  a->first_token_ms = request->first_token_ms ? request->first_token_ms : t->first_token_ms;
  a->timing.started = clock_mono_ns();
  a->route = pool_route(&u->pool, request->provider);
  http1_prepare(a->http1, request);
  go(a);
  return a;
}

void attempt_reconnect(struct attempt *a) {
  a->phase = PHASE_CONNECT;
  a->phase_due_ms = 0;
  a->transport->start(a);
}

void attempt_connected(struct attempt *a, bool reused) {
  a->timing.is_reused = reused;
  a->timing.connected = reused ? 0 : clock_mono_ns();
  enter_phase(a, PHASE_SEND, a->provider->timers.idle_ms);
}

void attempt_progress(struct attempt *a) {
  if (a->phase == PHASE_SEND) restart(a, a->provider->timers.idle_ms);
}

void attempt_sent(struct attempt *a) {
  a->timing.is_sent = true;
  a->total_due_ms = after(a, total_ms(a));
  if (a->phase == PHASE_SEND) /* else the answer came early */
    enter_phase(a, PHASE_HEAD, a->head_ms);
  else
    arm(a);
}

void attempt_head(struct attempt *a, int status, struct headers headers) {
  a->timing.head = now_ns(a);
  if (a->is_stream)
    enter_phase(a, PHASE_FIRST_TOKEN, a->first_token_ms);
  else
    enter_phase(a, PHASE_BODY, a->provider->timers.idle_ms);
  a->events->on_head(a, status, headers, a->user);
}

void attempt_data(struct attempt *a, struct slice data) {
  const struct upstream_timers *t = &a->provider->timers;
  if (!a->timing.first_byte) a->timing.first_byte = now_ns(a);
  bool counts = t->idle_counts_comments || !a->is_stream;
  if (a->phase == PHASE_BODY && counts && !a->is_lingering) restart(a, t->idle_ms);
  a->events->on_data(a, data, a->user);
}

void attempt_ended(struct attempt *a) {
  end(a);
  a->events->on_end(a, a->user);
}

void attempt_pause(struct attempt *a) {
  if (a->is_paused || attempt_is_over(a)) return;
  a->is_paused = true;
  if (a->phase >= PHASE_FIRST_TOKEN) a->phase_due_ms = 0;
  a->transport->pause(a);
}

void attempt_resume(struct attempt *a) {
  if (!a->is_paused || attempt_is_over(a)) return;
  a->is_paused = false;
  if (a->phase == PHASE_FIRST_TOKEN) enter_phase(a, a->phase, a->first_token_ms);
  if (a->phase == PHASE_BODY)
    enter_phase(a, a->phase, a->is_lingering ? LINGER_MS : a->provider->timers.idle_ms);
  a->transport->resume(a);
}

void attempt_first_token(struct attempt *a) {
  if (a->phase == PHASE_FIRST_TOKEN) enter_phase(a, PHASE_BODY, a->provider->timers.idle_ms);
}

void attempt_touch(struct attempt *a) {
  if (a->phase == PHASE_BODY && !a->is_paused && !a->is_lingering)
    restart(a, a->provider->timers.idle_ms);
}

void attempt_linger(struct attempt *a) {
  if (attempt_is_over(a) || a->is_lingering) return;
  a->is_lingering = true;
  enter_phase(a, PHASE_BODY, LINGER_MS);
}

void attempt_cancel(struct attempt *a) {
  if (attempt_is_over(a)) return;
  a->transport->cancel(a);
  end(a);
}

struct attempt_timing attempt_timing(const struct attempt *a) {
  return a->timing;
}

bool attempt_is_stale(const struct attempt *a) {
  return a->is_stale;
}
