/* Table of operator endpoints. */
#include "admin/admin.h"

#include <stdlib.h>

#include "admin/api.h"
#include "admin/private.h"
#include "base/json.h"
#include "observe/metric.h"

static const struct header json_type_header = {{"content-type", 12}, {"application/json", 16}};
static const struct header metrics_header = {{"content-type", 12},
                                             {"text/plain; version=0.0.4; charset=utf-8", 40}};

/* A browser that was led here keeps nothing, guesses nothing and embeds nothing. */
static const struct header security_headers[] = {
    {SLICE("cache-control"), SLICE("no-store")},
    {SLICE("x-content-type-options"), SLICE("nosniff")},
    {SLICE("x-frame-options"), SLICE("DENY")},
    {SLICE("content-security-policy"), SLICE("default-src 'none'; frame-ancestors 'none'")},
    {SLICE("referrer-policy"), SLICE("no-referrer")},
};

enum { SECURITY_HEADERS = sizeof security_headers / sizeof *security_headers, EXTRA_MAX = 4 };

static void respond(struct visit *v, int status, const struct header *type, struct headers extra,
                    struct slice body) {
  struct header items[1 + SECURITY_HEADERS + EXTRA_MAX] = {*type};
  size_t count = 1;
  must(extra.count <= EXTRA_MAX);
  for (size_t i = 0; i < SECURITY_HEADERS; i++)
    items[count++] = security_headers[i];
  for (size_t i = 0; i < extra.count; i++)
    items[count++] = extra.items[i];
  if (v->stream) stream_respond(v->stream, status, (struct headers){items, count}, body);
}

/* RFC 9110, 15.5.6: a 405 names the methods that the endpoint takes. */
static void answer(struct visit *v, int status, const struct header *type, struct slice body) {
  struct header allow = {SLICE("allow"), SLICE("GET, HEAD")};
  respond(v, status, type, (struct headers){&allow, status == 405}, body);
}

void admin_answer_with(struct visit *v, int status, struct headers extra, struct slice json) {
  respond(v, status, &json_type_header, extra, json);
}

void admin_answer_json(struct visit *v, int status, struct slice body) {
  answer(v, status, &json_type_header, body);
}

void admin_refuse(struct visit *v, int status, const char *code, const char *message) {
  struct bytes body;
  bytes_init(&body);
  bytes_printf(&body, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\",\"field\":null}}\n", code,
               message);
  answer(v, status, &json_type_header, bytes_slice(&body));
  bytes_fini(&body);
}

static void get_healthz(struct visit *v) {
  answer(v, 200, &json_type_header, SLICE("{\"status\":\"ok\"}\n"));
}

static void get_readyz(struct visit *v) {
  struct bytes problems, body;
  bytes_init(&problems);
  bytes_init(&body);
  v->admin->callbacks->readiness(v->admin->context, &problems);
  bytes_append_text(&body, problems.len ? "{\"status\":\"not ready\",\"problems\":["
                                        : "{\"status\":\"ready\"}\n");
  struct slice rest = bytes_slice(&problems);
  while (rest.len) {
    json_quote(&body, slice_cut(rest, '\n', &rest));
    bytes_append_text(&body, rest.len ? "," : "]}\n");
  }
  answer(v, problems.len ? 503 : 200, &json_type_header, bytes_slice(&body));
  bytes_fini(&problems);
  bytes_fini(&body);
}

static void get_metrics(struct visit *v) {
  struct bytes body;
  bytes_init(&body);
  metric_render(&body);
  answer(v, 200, &metrics_header, bytes_slice(&body));
  bytes_fini(&body);
}

static void get_openapi(struct visit *v) {
  struct bytes body;
  bytes_init(&body);
  admin_openapi_write(&body);
  answer(v, 200, &json_type_header, bytes_slice(&body));
  bytes_fini(&body);
}

static void get_exchanges(struct visit *v) {
  v->waiting = true;
  v->admin->callbacks->describe_exchanges(v->admin->context, v);
}

static const struct admin_route looks = {
    .method = "GET", .path = "/admin/", .action = "server.read"};
static const struct admin_route knows = {.method = "GET", .path = "/admin/", .action = ""};

static const struct endpoint {
  const char *path;
  const struct admin_route *guard; /* NULL: for probes, which carry no key */
  void (*get)(struct visit *v);
} endpoints[] = {
    {"/healthz", NULL, get_healthz},
    {"/readyz", NULL, get_readyz},
    {"/metrics", NULL, get_metrics},
    {"/admin/exchanges", &looks, get_exchanges},
    {"/admin/openapi.json", &knows, get_openapi},
};

static void on_request(struct http_stream *stream, const struct http_request *request,
                       void *context) {
  struct visit *v = must_calloc(1, sizeof *v);
  v->admin = context;
  v->stream = stream;
  stream_set_user(stream, v);
  if (admin_api_request(v, request)) return;
  const struct endpoint *found = NULL;
  for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
    if (slice_equal_text(request->path, endpoints[i].path)) found = &endpoints[i];
  if (!found && admin_scripts_request(v, request)) return;
  const struct admin_route *guard = found ? found->guard : NULL;
  if (!found && slice_starts(request->path, SLICE("/admin/"))) guard = &looks;
  if (guard && !admin_guard(v, request, guard, (struct slice){"", 0})) return;
  if (!found) {
    admin_refuse(v, 404, "not_found",
                 "no such endpoint; there are /healthz, /readyz, /metrics, /admin/exchanges, "
                 "/admin/scripts, /admin/tenants/NAME/scripts, and what /admin/openapi.json lists");
  } else if (!slice_equal(request->method, SLICE("GET")) &&
             !slice_equal(request->method, SLICE("HEAD"))) {
    admin_refuse(v, 405, "method_not_allowed", "this endpoint takes GET, HEAD");
  } else {
    found->get(v);
  }
}

static void on_body(struct http_stream *stream, struct slice data, void *user) {
  (void)stream;
  struct visit *v = user;
  if (v->takes_body) bytes_append_slice(&v->body, data);
}

static void on_body_end(struct http_stream *stream, void *user) {
  (void)stream;
  struct visit *v = user;
  if (v->call)
    admin_api_start(v);
  else if (v->takes_body)
    admin_scripts_ask(v);
}

void admin_visit_free(struct visit *v) {
  bytes_fini(&v->body);
  admin_call_free(v->call);
  free(v->tenant);
  free(v);
}

static void on_writable(struct http_stream *stream, void *user) {
  (void)stream, (void)user;
}

static void on_closed(struct http_stream *stream, bool complete, const char *reason, void *user) {
  (void)stream, (void)complete, (void)reason;
  struct visit *v = user;
  v->stream = NULL;
  if (!v->waiting) admin_visit_free(v);
}

static const char *error_body(const struct http_error *error, struct bytes *out) {
  bytes_append_text(out, "{\"error\":{\"code\":\"bad_request\",\"message\":");
  json_quote(out, slice_of(error->sentence));
  bytes_append_text(out, ",\"field\":null}}\n");
  return "application/json";
}

static const struct http_handler handler = {
    .on_request = on_request,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_writable = on_writable,
    .on_closed = on_closed,
    .error_body = error_body,
};

struct admin *admin_new(uv_loop_t *loop, struct config *config,
                        const struct admin_callbacks *callbacks, void *context) {
  struct admin *a = must_calloc(1, sizeof *a);
  a->loop = loop;
  a->config = config_ref(config);
  a->callbacks = callbacks;
  a->context = context;
  must(uv_mutex_init(&a->lock) == 0);
  must(uv_cond_init(&a->idle) == 0);
  a->http = http_server_new(loop, config, &handler, a);
  return a;
}

void admin_listen(struct admin *a, int fd) {
  http_server_listen(a->http, fd, false);
}

void admin_reload(struct admin *a, struct config *config) {
  config_unref(a->config);
  a->config = config_ref(config);
  http_server_reload(a->http, config);
}

void admin_answer(void *token, int status, struct slice json) {
  struct visit *v = token;
  v->waiting = false;
  if (v->stream)
    answer(v, status, &json_type_header, json);
  else
    admin_visit_free(v);
}

void admin_free_if_over(struct admin *a) {
  if (!a->is_http_closed || a->unanswered) return;
  uv_mutex_destroy(&a->lock);
  uv_cond_destroy(&a->idle);
  config_unref(a->config);
  free(a);
}

static void on_http_closed(void *context) {
  struct admin *a = context;
  a->is_http_closed = true;
  admin_free_if_over(a);
}

void admin_close(struct admin *a) {
  a->is_closing = true;
  admin_api_wait(a);
  http_server_close(a->http, on_http_closed);
}
