/* What rows must obey beyond the types of their fields: what they name must be there, nobody gives
 * more than they have, and what the gateway will read later is read now. */
#include "admin/api.h"
#include "auth/directory.h"
#include "auth/network.h"
#include "model/limit.h"

enum { DAYS_MAX = 36500 };

static bool check_there(struct call *c, enum entity_kind kind, struct slice id, const char *field,
                        struct slice tenant) {
  struct entity e;
  if (!id.len) return true;
  enum store_result result = row_find_copy(c, kind, id, &e);
  bool is_there = result == STORE_FINE && (!tenant.len || slice_equal(e.tenant, tenant));
  if (is_there) return true;
  if (result != STORE_FINE && result != STORE_NOT_FOUND)
    call_fail_store(c, result);
  else
    call_fail(c, 400, field, "%s: there is no %s %.*s%s", field, row_noun(kind), (int)id.len,
              id.data, tenant.len ? " in this tenant; correct its id or name" : "; make it first");
  return false;
}

static bool check_tenant(struct call *c, const struct entity *e) {
  for (size_t i = 0; i < c->config->key_count; i++)
    if (slice_equal(c->config->keys[i].tenant, e->tenant)) return true;
  return check_there(c, ENTITY_TENANT, e->tenant, "tenant", (struct slice){"", 0});
}

static bool check_role(struct call *c, const struct entity *e, struct slice value) {
  bool is_name = json_type(value) == JSON_STRING;
  struct slice name = {"", 0}, project = {"", 0};
  if (is_name) {
    struct bytes text;
    bytes_init(&text);
    (void)json_string(value, &text);
    name = arena_slice(&c->arena, bytes_slice(&text));
    bytes_fini(&text);
  } else {
    name = call_text(c, value, "role");
    project = call_text(c, value, "project");
  }
  const struct role *role = roles_find(directory_roles(c->backend.directory), e->tenant, name);
  if (!role) {
    call_fail(c, 400, "roles", "roles: there is no role %.*s", (int)name.len, name.data);
    return false;
  }
  if (!check_there(c, ENTITY_PROJECT, project, "roles", e->tenant)) return false;
  struct resource where = row_resource(c, e);
  if (!c->caller || permission_may_grant(c->caller, role, &where)) return true;
  call_fail(c, 403, "roles", "roles: %.*s allows more than your own roles do", (int)name.len,
            name.data);
  c->is_denied = true;
  return false;
}

/* Without roles a key has its user's, which were given by somebody who might. */
static bool check_roles(struct call *c, const struct entity *e) {
  struct slice roles = json_find(e->body, "roles");
  bool fine = true;
  if (!roles.data) return true;
  for (struct json_walk w = json_walk_of(roles); fine && json_walk_next(&w);)
    fine = check_role(c, e, w.value);
  return fine;
}

static bool check_user(struct call *c, const struct entity *e) {
  struct entity user;
  struct slice id = call_text(c, e->body, "user");
  if (!check_there(c, ENTITY_USER, id, "user", e->tenant)) return false;
  if (!id.len || !c->caller || row_find_copy(c, ENTITY_USER, id, &user) != STORE_FINE) return true;
  user.owner = e->owner;
  return check_roles(c, &user); /* who makes a key of a user gets what the user has */
}

static bool refuse_wider(struct call *c, const char *field) {
  call_fail(c, 403, field, "%s: your own key is bound to fewer; bind this one as closely", field);
  c->is_denied = true;
  return false;
}

static bool has_globs(struct call *c, const struct entity *e, const char *field,
                      struct globs wide) {
  struct slice list = json_find(e->body, field);
  size_t count = 0;
  if (!wide.count || json_find(e->body, "service").data) return true;
  struct slice *items = arena_alloc(&c->arena, (list.len + 1) * sizeof *items);
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);) {
    struct bytes text;
    bytes_init(&text);
    (void)json_string(w.value, &text);
    items[count++] = arena_slice(&c->arena, bytes_slice(&text));
    bytes_fini(&text);
  }
  return permission_covers(wide, (struct globs){items, count}) || refuse_wider(c, field);
}

static bool is_in_own_networks(const struct principal *p, struct slice text) {
  struct network network;
  bool is_in = false;
  if (!network_parse(text, &network)) return false;
  for (size_t i = 0; i < p->network_count; i++)
    is_in = is_in || network_covers(&p->networks[i], &network);
  return is_in;
}

/* Where a key may be used from and until when is no right that it hands on; but none frees itself.
 */
static bool stays_bound(struct call *c, const struct entity *e) {
  struct entity old;
  uint64_t before = UINT64_MAX, after = UINT64_MAX;
  size_t count = 0;
  struct slice networks = json_find(e->body, "networks");
  for (struct json_walk w = json_walk_of(networks); json_walk_next(&w); count++)
    if (c->caller->network_count && !is_in_own_networks(c->caller, json_string_raw(w.value)))
      return refuse_wider(c, "networks");
  if (c->caller->network_count && !count) return refuse_wider(c, "networks");
  enum store_result result = row_find_copy(c, ENTITY_KEY, e->id, &old);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return false;
  }
  (void)json_to_u64(json_find(old.body, "expires_ms"), &before);
  (void)json_to_u64(json_find(e->body, "expires_ms"), &after);
  if (after <= before) return true;
  call_fail(c, 403, "expires_ms", "expires_ms: no key makes its own life longer; ask for it");
  c->is_denied = true;
  return false;
}

/* What a key may not do, the keys that it makes or changes may not do either. */
static bool check_bounds(struct call *c, const struct entity *e) {
  const struct principal *p = c->caller;
  if (!p) return true;
  return has_globs(c, e, "models", (struct globs){p->models, p->model_count}) &&
         has_globs(c, e, "paths", (struct globs){p->paths, p->path_count}) &&
         (!slice_equal(e->id, p->key) || stays_bound(c, e));
}

static bool check_key(struct call *c, const struct entity *e) {
  struct slice networks = json_find(e->body, "networks");
  uint64_t expires_ms;
  if (networks.data)
    for (struct json_walk w = json_walk_of(networks); json_walk_next(&w);) {
      struct network network;
      if (network_parse(json_string_raw(w.value), &network)) continue;
      call_fail(c, 400, "networks", "networks: expects ranges as 10.0.0.0/8 or 2001:db8::/32");
      return false;
    }
  struct slice expires = json_find(c->body, "expires_ms");
  if (expires.data && json_to_u64(expires, &expires_ms) && (int64_t)expires_ms <= c->now_ms) {
    call_fail(c, 400, "expires_ms", "expires_ms: this is in the past");
    return false;
  }
  return check_there(c, ENTITY_PROJECT, e->owner, "project", e->tenant) && check_user(c, e) &&
         check_roles(c, e) && check_bounds(c, e);
}

static bool check_depth(struct call *c, const struct entity *e) {
  struct bytes path;
  bytes_init(&path);
  directory_project_path(c->backend.directory, e->owner, &path);
  bytes_append_byte(&path, '/');
  bool is_deep = project_is_deep(bytes_slice(&path));
  bytes_fini(&path);
  if (is_deep && e->owner.len)
    call_fail(c, 400, "parent", "parent: projects are at most %d deep, as far as limits look",
              LIMIT_PROJECTS_MAX);
  return !is_deep || !e->owner.len;
}

static bool check_problems(struct call *c, struct config_problems *problems, const char *what) {
  bool fine = problems->count == 0;
  if (!fine) call_fail(c, 400, NULL, "%s: %s", what, problems->items[0]);
  config_problems_fini(problems);
  return fine;
}

/* The row under a name that no role has: it is read beside the one that it replaces. */
static struct slice renamed(struct call *c, struct slice body, struct slice name) {
  struct bytes out;
  bytes_init(&out);
  bytes_append_text(&out, "{\"name\":");
  json_quote(&out, name);
  for (struct json_walk w = json_walk_of(body); json_walk_next(&w);) {
    if (json_key_equal(w.key, SLICE("name"))) continue;
    bytes_printf(&out, ",\"%.*s\":", (int)w.key.len, w.key.data);
    bytes_append_slice(&out, w.value);
  }
  bytes_append_byte(&out, '}');
  struct slice copy = arena_slice(&c->arena, bytes_slice(&out));
  bytes_fini(&out);
  return copy;
}

/* Nobody makes a role that does more than they do. */
static bool check_role_row(struct call *c, const struct entity *e) {
  struct config_problems problems;
  struct roles *all = roles_copy(directory_roles(c->backend.directory));
  struct slice name = e->name, body = e->body;
  config_problems_init(&problems);
  if (!e->version && name.len && roles_find(all, e->tenant, name)) {
    call_fail(c, 409, "name", "name: there is a role of this name already; choose another");
    roles_unref(all);
    return false;
  }
  if (e->version) {
    name = slice_of(arena_printf(&c->arena, "%.*s (changed)", (int)name.len, name.data));
    body = renamed(c, body, name);
  }
  struct role_file file = {.name = name, .tenant = e->tenant};
  bool is_read = roles_add_json(all, &file, body, &problems);
  const struct role *role = is_read ? roles_find(all, e->tenant, name) : NULL;
  struct resource where = row_resource(c, e);
  bool may = !role || !c->caller || permission_may_grant(c->caller, role, &where);
  bool fine = check_problems(c, &problems, "role");
  if (fine && !may) {
    call_fail(c, 403, "allow", "allow: the role allows more than your own roles do");
    c->is_denied = true;
  }
  roles_unref(all);
  return fine && may;
}

static bool check_subscription(struct call *c, const struct entity *e) {
  return check_there(c, ENTITY_PROJECT, call_text(c, e->body, "project"), "project", e->tenant) &&
         check_there(c, ENTITY_USER, call_text(c, e->body, "user"), "user", e->tenant);
}

/* As the sweep of the store reads them. */
static bool check_retention(struct call *c, const struct entity *e) {
  static const char *const known[] = {"requests_days", "usage_days", "content_days"};
  struct slice ages = json_find(e->body, "retention");
  if (!ages.data) return true;
  for (struct json_walk w = json_walk_of(ages); json_walk_next(&w);) {
    uint64_t days;
    bool is_known = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
      is_known = is_known || json_key_equal(w.key, slice_of(known[i]));
    if (is_known && json_to_u64(w.value, &days) && days <= DAYS_MAX) continue;
    call_fail(
        c, 400, "retention",
        "retention: expects requests_days, usage_days and content_days, each a whole number of "
        "0 to %d",
        DAYS_MAX);
    return false;
  }
  return true;
}

struct namesake {
  const struct entity *row;
  bool is_found;
};

static void on_namesake(void *context, const struct entity *e) {
  struct namesake *n = context;
  bool is_same = slice_equal(e->name, n->row->name) && slice_equal(e->owner, n->row->owner);
  if (is_same && !slice_equal(e->id, n->row->id)) n->is_found = true;
}

/* Limits, reports and tokens know users by name and projects by path. The lookup is for two that
 * are made at once. */
static bool check_unique(struct call *c, struct entity *e, bool is_new) {
  struct namesake n = {.row = e};
  struct entity_query query = {.kind = e->kind, .tenant = e->tenant, .name_prefix = e->name};
  struct entity_sink sink = {on_namesake, &n};
  if (!is_new && !json_find(c->body, "name").data) return true; /* whatever older rows are called */
  enum store_result result = c->backend.store->calls->list(c->backend.store, &query, &sink);
  if (result != STORE_FINE)
    call_fail_store(c, result);
  else if (n.is_found)
    call_fail(c, 409, "name", "name: there is a %s of this name already; choose another",
              row_noun(e->kind));
  e->lookup =
      slice_of(arena_printf(&c->arena, "%.*s/%.*s/%.*s", (int)e->tenant.len, e->tenant.data,
                            (int)e->owner.len, e->owner.data, (int)e->name.len, e->name.data));
  return result == STORE_FINE && !n.is_found;
}

bool row_check(struct call *c, struct entity *e, bool is_new) {
  bool has_tenant = e->kind != ENTITY_TENANT && e->tenant.len;
  if (is_new && has_tenant && !check_tenant(c, e)) return false;
  switch (e->kind) {
  case ENTITY_TENANT: return check_retention(c, e);
  case ENTITY_PROJECT:
    return check_there(c, ENTITY_PROJECT, e->owner, "parent", e->tenant) && check_depth(c, e) &&
           check_unique(c, e, is_new);
  case ENTITY_USER:
    return check_roles(c, e) && limit_lets_rename(c, e) && check_unique(c, e, is_new);
  case ENTITY_KEY: return check_key(c, e);
  case ENTITY_ROLE: return check_role_row(c, e);
  case ENTITY_LIMIT: return limit_check(c, e, is_new);
  case ENTITY_SERVICE:
  case ENTITY_SERVICE_VERSION: return service_row_check(c, e, is_new);
  case ENTITY_SUBSCRIPTION: return check_subscription(c, e);
  default: return true;
  }
}

static void on_any(void *context, const struct entity *e) {
  if (!slice_equal_text(e->state, "revoked")) *(bool *)context = true;
}

static bool has_none(struct call *c, struct entity_query query) {
  bool is_found = false;
  struct entity_sink sink = {on_any, &is_found};
  enum store_result result = c->backend.store->calls->list(c->backend.store, &query, &sink);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return false;
  }
  if (is_found)
    call_fail(c, 409, NULL, "it still has a %s; remove or revoke that first", row_noun(query.kind));
  return !is_found;
}

bool row_is_free(struct call *c, const struct entity *e) {
  struct slice none = {"", 0};
  if (e->kind == ENTITY_TENANT)
    return has_none(c, (struct entity_query){.kind = ENTITY_KEY, .tenant = e->id, .owner = none}) &&
           has_none(c, (struct entity_query){.kind = ENTITY_PROJECT, .tenant = e->id}) &&
           has_none(c, (struct entity_query){.kind = ENTITY_USER, .tenant = e->id}) &&
           has_none(c, (struct entity_query){.kind = ENTITY_SERVICE, .tenant = e->id});
  if (e->kind == ENTITY_PROJECT)
    return has_none(c, (struct entity_query){.kind = ENTITY_KEY, .owner = e->id}) &&
           has_none(c, (struct entity_query){.kind = ENTITY_PROJECT, .owner = e->id});
  return service_row_is_free(c, e);
}
