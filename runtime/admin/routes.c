#include <stdio.h>

#include "admin/api.h"

static const struct admin_route routes[] = {
#define ROUTE(method, path, action, handler, kind, params, summary)                                \
  {method, path, action, handler, ENTITY_##kind, params, summary, #handler},
#include "admin/routes.def"
#undef ROUTE
};

enum { ROUTES = sizeof routes / sizeof *routes };

const struct admin_route *admin_route_at(size_t index) {
  return index < ROUTES ? &routes[index] : NULL;
}

const char *params_names(enum params params) {
  static const char *const names[] = {
      [PARAMS_NONE] = "",
      [PARAMS_LIST] = "limit cursor tenant name",
      [PARAMS_STATES] = "limit cursor tenant name state",
      [PARAMS_PROJECTS] = "limit cursor tenant project name",
      [PARAMS_KEYS] = "limit cursor tenant project name state",
      [PARAMS_DELIVERIES] = "limit cursor tenant webhook name state",
      [PARAMS_OF_SERVICE] = "limit cursor tenant service name state",
      [PARAMS_USE] = "id tenant",
      [PARAMS_USAGE] = "from to by trend limit tenant project user key_id customer model provider "
                       "upstream_model residency dialect failure",
      [PARAMS_REQUESTS] = "from to status limit cursor tenant project user key_id customer model "
                          "provider upstream_model residency dialect failure",
      [PARAMS_AUDIT] = "from to tenant actor action target limit cursor",
      [PARAMS_KEY] = "key",
      [PARAMS_SPEND] = "start_date end_date api_key user_id request_id summarize limit cursor",
  };
  return names[params];
}

const char *states_of(enum entity_kind kind) {
  switch (kind) {
  case ENTITY_TENANT:
  case ENTITY_USER:
  case ENTITY_SERVICE: return "active blocked";
  case ENTITY_KEY: return "active blocked revoked";
  case ENTITY_SERVICE_VERSION: return "draft staged published canary";
  case ENTITY_SUBSCRIPTION: return "requested approved rejected revoked";
  case ENTITY_DELIVERY: return "waiting delivered dead";
  default: return "";
  }
}

/* An id stands where the pattern has {id}; a pattern without one is tried first, by its place in
 * the table. */
static bool matches(const char *pattern, struct slice path, struct slice *id) {
  struct slice wanted = slice_of(pattern);
  *id = (struct slice){"", 0};
  while (wanted.len && path.len) {
    struct slice one = slice_cut(wanted, '/', &wanted), part = slice_cut(path, '/', &path);
    if (slice_equal_text(one, "{id}"))
      *id = part;
    else if (!slice_equal(one, part))
      return false;
    if (one.len && !part.len) return false;
  }
  return !wanted.len && !path.len;
}

const struct admin_route *admin_route_find(const struct http_request *request, struct slice *id,
                                           char allowed[ALLOWED_BYTES]) {
  size_t len = 0;
  allowed[0] = 0;
  for (size_t i = 0; i < ROUTES; i++) {
    if (!matches(routes[i].path, request->path, id)) continue;
    if (slice_equal_text(request->method, routes[i].method)) return &routes[i];
    int added =
        snprintf(allowed + len, ALLOWED_BYTES - len, "%s%s", len ? ", " : "", routes[i].method);
    must(added > 0 && len + (size_t)added < ALLOWED_BYTES);
    len += (size_t)added;
  }
  return NULL;
}
