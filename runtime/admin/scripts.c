#include "admin/scripts.h"

#include <stdlib.h>

#include "admin/api.h"
#include "admin/private.h"
#include "auth/directory.h"
#include "base/json.h"

enum { PUSH_BYTES = 40 << 20 }; /* texts of 16 MiB, with what JSON adds to them */

static int hex_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986, 2.1. */
static char *unescaped(struct slice text, size_t *len) {
  char *out = must_alloc(text.len + 1), *to = out;
  for (size_t i = 0; i < text.len; i++) {
    int high = text.data[i] == '%' && i + 2 < text.len ? hex_of(text.data[i + 1]) : -1;
    int low = high >= 0 ? hex_of(text.data[i + 2]) : -1;
    if (low >= 0) i += 2;
    *to++ = low >= 0 ? (char)(high * 16 + low) : text.data[i];
  }
  *len = (size_t)(to - out);
  *to = 0;
  return out;
}

static const struct scripts_endpoint {
  const char *name;
  enum scripts_action action;
  bool is_post;
} actions[] = {
    {"", SCRIPTS_SHOW, false},
    {"", SCRIPTS_PUSH, true},
    {"differences", SCRIPTS_DIFFERENCES, false},
    {"rollback", SCRIPTS_ROLLBACK, true},
    {"promote", SCRIPTS_PROMOTE, true},
    {"canary", SCRIPTS_CANARY, true},
    {"shadow", SCRIPTS_SHADOW, true},
    {"drop", SCRIPTS_DROP, true},
};

const struct admin_route *scripts_route_at(size_t index) {
#define SCRIPTS(method, path, action, summary)                                                     \
  { method, path, action, NULL, ENTITY_COUNT, PARAMS_NONE, summary, "" }
  static const struct admin_route routes[] = {
      SCRIPTS("GET", "/admin/scripts", "scripts.read", "What each tenant runs"),
      SCRIPTS("GET", "/admin/tenants/{tenant}/scripts", "scripts.read", "What a tenant runs"),
      SCRIPTS(
          "POST", "/admin/tenants/{tenant}/scripts", "scripts.write",
          "Push a generation: {\"files\":{PATH:TEXT}}, and perhaps \"canary\":{\"percent\":P} or "
          "\"shadow\":true"),
      SCRIPTS("GET", "/admin/tenants/{tenant}/scripts/{generation}", "scripts.read",
              "The files of one generation"),
      SCRIPTS("GET", "/admin/tenants/{tenant}/scripts/differences", "scripts.read",
              "Where the shadow decided differently"),
      SCRIPTS("POST", "/admin/tenants/{tenant}/scripts/rollback", "scripts.write",
              "Run what ran before, or {\"generation\":N}"),
      SCRIPTS("POST", "/admin/tenants/{tenant}/scripts/promote", "scripts.write",
              "Run the canary or the shadow, or {\"generation\":N}, for all requests"),
      SCRIPTS("POST", "/admin/tenants/{tenant}/scripts/canary", "scripts.write",
              "Run a generation for a part: {\"generation\":N,\"percent\":P,\"keys\":[NAME]}"),
      SCRIPTS("POST", "/admin/tenants/{tenant}/scripts/shadow", "scripts.write",
              "Let a generation decide without effect: {\"generation\":N}"),
      SCRIPTS("POST", "/admin/tenants/{tenant}/scripts/drop", "scripts.write",
              "End the canary and the shadow"),
      SCRIPTS("GET", "/admin/exchanges", "server.read", "Requests that are open, with their steps"),
  };
#undef SCRIPTS
  return index < sizeof routes / sizeof *routes ? &routes[index] : NULL;
}

/* "acme/scripts/rollback": false when there is no such endpoint. *allowed: its methods. */
static bool read_path(struct visit *v, struct slice rest, bool is_post, const char **allowed) {
  struct slice tenant = slice_cut(rest, '/', &rest), scripts = slice_cut(rest, '/', &rest);
  bool has_number = !is_post && slice_to_u64(rest, &v->question.number);
  bool gets = false, posts = false, found = false;
  if (tenant.len == 0 || !slice_equal_text(scripts, "scripts")) return false;
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
    if (!slice_equal_text(has_number ? SLICE("") : rest, actions[i].name)) continue;
    gets = gets || !actions[i].is_post;
    posts = posts || actions[i].is_post;
    if (actions[i].is_post != is_post) continue;
    v->question.action = actions[i].action;
    found = true;
  }
  *allowed = found ? NULL : posts ? "this endpoint takes POST" : "this endpoint takes GET";
  if (found) v->tenant = unescaped(tenant, &v->question.tenant.len);
  v->question.tenant.data = v->tenant;
  return gets || posts;
}

void admin_scripts_ask(struct visit *v) {
  struct json_error error;
  v->question.body = bytes_slice(&v->body);
  bool is_json = v->body.len == 0 || json_validate(v->question.body, 16, &error);
  if (!is_json || (v->body.len && json_type(v->question.body) != JSON_OBJECT)) {
    admin_refuse(v, 400, "bad_request", "the body is no JSON object");
    return;
  }
  struct slice number = json_find(v->question.body, "generation");
  if (number.data && !json_to_u64(number, &v->question.number)) {
    admin_refuse(v, 400, "bad_request", "generation: expects the number of a generation");
    return;
  }
  v->waiting = true;
  v->admin->callbacks->ask_scripts(v->admin->context, &v->question, v);
}

static const struct admin_route reads = {
    .method = "GET", .path = "/admin/scripts", .action = "scripts.read"};
static const struct admin_route writes = {
    .method = "POST", .path = "/admin/scripts", .action = "scripts.write"};

bool admin_scripts_request(struct visit *v, const struct http_request *request) {
  struct slice prefix = SLICE("/admin/tenants/");
  const char *allowed = NULL;
  bool is_post = slice_equal_text(request->method, "POST");
  bool is_get = slice_equal_text(request->method, "GET");
  if (slice_equal_text(request->path, "/admin/scripts")) {
    v->question.action = SCRIPTS_LIST;
    if (!is_get) allowed = "this endpoint takes GET";
  } else if (!slice_starts(request->path, prefix) ||
             !read_path(v, slice_skip(request->path, prefix.len), is_post, &allowed)) {
    return false;
  }
  if (allowed || (!is_get && !is_post)) {
    admin_refuse(v, 405, "method_not_allowed", allowed ? allowed : "this endpoint takes GET, POST");
  } else if (is_post && !v->admin->config->has_admin_key &&
             !credential_find(request->headers).len) {
    /* Any page in a browser on this machine could send it. */
    admin_refuse(v, 403, "no_admin_key", "set admin.key in the configuration to change scripts");
  } else if (admin_guard(v, request, is_post ? &writes : &reads, v->question.tenant)) {
    v->takes_body = true;
    stream_set_body_limit(v->stream, PUSH_BYTES);
  }
  return true;
}
