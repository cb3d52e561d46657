/* The way of one call: who asks, may they, to the pool and back, and the answer when all workers
 * know of the change. */
#include <stdlib.h>

#include "account/limit_row.h"
#include "admin/api.h"
#include "admin/litellm.h"
#include "admin/private.h"
#include "auth/directory.h"
#include "auth/network.h"
#include "auth/session.h"
#include "base/clock.h"
#include "base/twice.h"

enum {
  BODY_BYTES = 256 << 10,
  TABLE_BYTES = 16 << 20,
  JSON_DEPTH = 12,
  IDEMPOTENCY_BYTES = 255,
  NAME_BYTES = 128
};

void admin_call_free(struct call *c) {
  if (!c) return;
  session_unref(c->session);
  directory_unref(c->backend.directory);
  config_unref(c->config);
  bytes_fini(&c->out);
  arena_fini(&c->arena);
  free(c);
}

static struct slice header_value(struct call *c, const struct http_request *request,
                                 const char *name) {
  for (size_t i = 0; i < request->headers.count; i++)
    if (slice_equal_nocase(request->headers.items[i].name, slice_of(name)))
      return arena_slice(&c->arena, request->headers.items[i].value);
  return (struct slice){"", 0};
}

static void answer_call(struct visit *v, struct call *c) {
  char etag[32];
  snprintf(etag, sizeof etag, "\"%llu\"", (unsigned long long)c->version);
  struct header extra[2];
  size_t count = 0;
  if (c->version) extra[count++] = (struct header){SLICE("etag"), slice_of(etag)};
  if (c->status == 503) extra[count++] = (struct header){SLICE("retry-after"), SLICE("1")};
  admin_answer_with(v, c->status, (struct headers){extra, count}, bytes_slice(&c->out));
}

static void finish(struct visit *v) {
  struct call *c = v->call;
  v->call = NULL;
  v->waiting = false;
  if (v->stream)
    answer_call(v, c);
  else
    admin_visit_free(v);
  admin_call_free(c);
}

static void finish_started(struct visit *v) {
  struct admin *a = v->admin;
  a->unanswered--;
  finish(v);
  admin_free_if_over(a);
}

void admin_changed(void *token) {
  finish_started(token);
}

static void tell_changed(struct visit *v) {
  if (v->call->changed && !v->admin->is_closing)
    v->admin->callbacks->changed(v->admin->context, v);
  else
    finish_started(v);
}

void admin_reloaded(void *token, bool is_in_force) {
  struct visit *v = token;
  if (!is_in_force)
    call_fail(v->call, 409, NULL,
              "it was written, but the configuration could not be read anew, so it is not in force "
              "yet; the log says why");
  tell_changed(v);
}

static void on_pool_done(uv_work_t *work, int status) {
  (void)status;
  struct visit *v = work->data;
  if (v->call->reloads && !v->admin->is_closing)
    v->admin->callbacks->reload(v->admin->context, v);
  else
    tell_changed(v);
}

/* Before anything else is looked at: what was done may be what stands in the way now. LiteLLM's
 * aliases have answers of their own shape. */
static bool is_repeated(struct call *c) {
  return c->route->kind != ENTITY_COUNT &&
         slice_starts(slice_of(c->route->path), SLICE("/admin/")) && once_replay(c);
}

static void handle(struct call *c) {
  if (c->status) {
    call_audit_denied(c, c->status == 401 ? "unknown key" : "no role allows it");
    return;
  }
  c->status = 200;
  if (!is_repeated(c)) c->route->handle(c);
  if (c->is_denied) call_audit_denied(c, "no role allows it there");
  if (c->changed && (c->route->kind == ENTITY_LIMIT || c->changed_limits))
    limit_rows_renew(c->backend.limiter, c->backend.store, c->config);
}

static void on_pool(uv_work_t *work) {
  struct visit *v = work->data;
  struct admin *a = v->admin;
  handle(v->call);
  admin_pool_leave(a);
}

void admin_pool_enter(struct admin *a) {
  uv_mutex_lock(&a->lock);
  a->on_pool++;
  a->unanswered++;
  uv_mutex_unlock(&a->lock);
}

void admin_pool_leave(struct admin *a) {
  uv_mutex_lock(&a->lock);
  if (--a->on_pool == 0) uv_cond_broadcast(&a->idle);
  uv_mutex_unlock(&a->lock);
}

void admin_api_wait(struct admin *a) {
  uv_mutex_lock(&a->lock);
  while (a->on_pool)
    uv_cond_wait(&a->idle, &a->lock);
  uv_mutex_unlock(&a->lock);
}

static void start(struct visit *v) {
  v->waiting = true;
  v->work.data = v;
  admin_pool_enter(v->admin);
  must(uv_queue_work(v->admin->loop, &v->work, on_pool, on_pool_done) == 0);
}

/* Whoever reads the first of two would do something else than what is done here. */
static bool check_once(struct call *c) {
  struct bytes path;
  bytes_init(&path);
  bool is_twice = json_find_twice(c->body, &path);
  if (path.len > NAME_BYTES) path.len = NAME_BYTES;
  const char *name = arena_text(&c->arena, bytes_slice(&path));
  if (is_twice) call_fail(c, 400, name, "%s stands in the body twice; keep one of them", name);
  bytes_fini(&path);
  return !is_twice;
}

static bool check_body(struct call *c, struct bytes *body) {
  struct json_error error;
  c->body = arena_slice(&c->arena, bytes_slice(body));
  if (!slice_trim(c->body).len) c->body = SLICE("{}");
  c->sent = c->body;
  if (!json_validate(c->body, JSON_DEPTH, &error)) {
    call_fail(c, 400, NULL, "the body is no valid JSON: %s at byte %zu", error.message,
              error.offset);
    return false;
  }
  if (json_type(c->body) == JSON_OBJECT) return check_once(c);
  call_fail(c, 400, NULL, "the body is no JSON object");
  return false;
}

void admin_api_start(struct visit *v) {
  struct call *c = v->call;
  bool is_settled = c->status ? !c->is_denied || !c->backend.store
                              : !check_body(c, &v->body) || !call_params_check(c);
  if (is_settled || v->admin->is_closing) {
    if (!c->status) call_fail(c, 503, NULL, "the gateway ends");
    finish(v);
    return;
  }
  start(v);
}

/* Of one caller alone, and not to be told from other callers' by what it looks like. */
static void take_idempotency(struct call *c, const struct http_request *request) {
  struct slice key = header_value(c, request, "idempotency-key");
  if (key.len > IDEMPOTENCY_BYTES)
    call_fail(c, 400, "Idempotency-Key", "Idempotency-Key: expects up to %d bytes",
              IDEMPOTENCY_BYTES);
  bool is_change = strcmp(c->route->method, "GET") != 0;
  if (!key.len || key.len > IDEMPOTENCY_BYTES || !is_change) return;
  struct slice caller = call_actor(c);
  c->idempotency_key =
      slice_of(arena_printf(&c->arena, "%zu:%.*s %s %.*s", caller.len, (int)caller.len, caller.data,
                            c->route->path, (int)key.len, key.data));
}

static bool is_operator(const struct config *config, struct slice secret) {
  uint8_t digest[SHA256_BYTES];
  digest_sha256(secret, digest);
  return config->has_admin_key && digest_equal(digest, config->admin_key_sha256);
}

/* False: a stranger. Both ways of being known take the same time to be told. */
static bool identify(struct call *c, struct slice secret) {
  bool is_known = is_operator(c->config, secret);
  const struct principal *p = directory_find(c->backend.directory, secret, c->now_ms);
  if (is_known) return true;
  enum jwt_result why;
  if (!p) c->session = session_open(c->backend.directory, secret, c->now_ms, &why);
  if (c->session) p = session_principal(c->session);
  bool is_there = p && (!p->network_count || networks_hold(p->networks, p->network_count, c->peer));
  c->caller = is_there ? p : NULL;
  return is_there;
}

static void admit(struct visit *v, struct call *c, struct slice secret) {
  struct lockout *lockout = &v->admin->lockout;
  if (!secret.len) {
    call_fail(c, 401, NULL, "send your key as Authorization: Bearer KEY");
    return;
  }
  bool is_known = identify(c, secret);
  if (!is_known && directory_is_partial(c->backend.directory)) {
    call_fail(c, 503, NULL,
              "keys could not be read since the gateway started, as its store is away; try again, "
              "or use admin.key of the configuration");
    return;
  }
  lockout_note(lockout, c->peer, c->now_ms, is_known);
  c->is_stranger = !is_known;
  if (!is_known)
    call_fail(c, 401, NULL, "this key is not known, or not any more");
  else if (!c->caller || !*c->route->action || litellm_is_own(c) ||
           permission_reach(c->caller, c->action, NULL) != REACH_NONE)
    return;
  else
    call_fail(c, 403, NULL, "your roles do not allow %s", c->route->action);
  c->is_denied = true;
}

static struct call *call_new(struct visit *v, const struct http_request *request,
                             const struct admin_route *route, struct slice id) {
  struct call *c = must_calloc(1, sizeof *c);
  arena_init(&c->arena);
  v->admin->callbacks->backend(v->admin->context, &c->backend);
  directory_ref(c->backend.directory);
  c->config = config_ref(v->admin->config);
  c->route = route;
  must(!*route->action || action_find(slice_of(route->action), &c->action));
  c->now_ms = clock_wall_ms();
  c->id = call_path_part(c, id);
  c->query = arena_slice(&c->arena, request->query);
  c->peer = arena_slice(&c->arena, request->peer);
  c->if_match = header_value(c, request, "if-match");
  return c;
}

static void refuse_locked(struct visit *v, int64_t left_ms) {
  char seconds[24];
  snprintf(seconds, sizeof seconds, "%lld", (long long)(left_ms / 1000 + 1));
  struct header extra = {SLICE("retry-after"), slice_of(seconds)};
  admin_answer_with(v, 429, (struct headers){&extra, 1},
                    SLICE("{\"error\":{\"code\":\"locked_out\",\"message\":\"too many wrong keys "
                          "came from here; wait\",\"field\":null}}\n"));
}

struct call *admin_call_open(struct visit *v, const struct http_request *request,
                             const struct admin_route *route, struct slice id) {
  int64_t left_ms = lockout_left_ms(&v->admin->lockout, request->peer, clock_wall_ms());
  if (left_ms) {
    refuse_locked(v, left_ms);
    return NULL;
  }
  struct call *c = call_new(v, request, route, id);
  admit(v, c, credential_find(request->headers));
  return c;
}

bool admin_api_request(struct visit *v, const struct http_request *request) {
  struct slice id;
  char allowed[ALLOWED_BYTES];
  const struct admin_route *route = admin_route_find(request, &id, allowed);
  if (!route && !*allowed) return false;
  if (!route) {
    struct header extra = {SLICE("allow"), slice_of(allowed)};
    admin_answer_with(v, 405, (struct headers){&extra, 1},
                      SLICE("{\"error\":{\"code\":\"method_not_allowed\",\"message\":\"this "
                            "endpoint does not take that method\",\"field\":null}}\n"));
    return true;
  }
  struct call *c = admin_call_open(v, request, route, id);
  if (!c) return true;
  v->call = c;
  if (!c->status && !c->backend.store)
    call_fail(c, 503, NULL, "set store in the configuration to manage anything");
  if (!c->status) take_idempotency(c, request);
  bool is_table = strcmp(route->name, "prices_import") == 0;
  stream_set_body_limit(v->stream, is_table ? TABLE_BYTES : BODY_BYTES);
  v->takes_body = true;
  return true;
}
