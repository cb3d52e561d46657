/* Keys as scripts made for LiteLLM ask for them: their field names, on the same rows. */
#include "admin/litellm.h"
#include "auth/directory.h"

static bool is_secret_form(struct slice name) {
  return slice_starts(name, SLICE("gy-")) || slice_starts(name, SLICE("sk-"));
}

bool litellm_check_key(struct call *c, const char *param, struct slice name) {
  if (!is_secret_form(name)) return true;
  call_fail(c, 400, param,
            "%s: a secret does not belong in a URL, where logs keep it; send the key's id", param);
  return false;
}

/* A row is known by its id; a secret is looked up, and never belongs in a query. */
static bool find_key(struct call *c, struct slice name, struct entity *out) {
  bool is_secret = is_secret_form(name);
  if (c->route->params == PARAMS_KEY && !litellm_check_key(c, "key", name)) return false;
  if (!name.len) {
    call_fail(c, 400, "key", "key: name the key by its id");
    return false;
  }
  if (!is_secret) return row_get_id(c, name, out);
  const struct principal *p = directory_find(c->backend.directory, name, c->now_ms);
  return row_get_id(c, p ? p->key : name, out);
}

static void append_list(struct bytes *out, const char *name, struct slice list) {
  bytes_printf(out, ",\"%s\":", name);
  if (list.data)
    bytes_append_slice(out, list);
  else
    bytes_append_text(out, "[]");
}

static void append_text(struct bytes *out, const char *name, struct slice text) {
  bytes_printf(out, ",\"%s\":", name);
  if (text.len)
    json_quote(out, text);
  else
    bytes_append_text(out, "null");
}

struct spent {
  uint64_t nano;
};

static void on_spent(void *context, const struct usage_row *row) {
  struct spent *s = context;
  s->nano = row->used.cost_nanousd;
}

static bool append_spend(struct call *c, const struct entity *e) {
  struct spent spent = {0};
  struct usage_sink sink = {on_spent, &spent};
  struct usage_query query = {.by = USAGE_BY_NOTHING, .to_day = c->now_ms / MS_PER_DAY + 1};
  query.filter.values[USAGE_BY_TENANT] = e->tenant;
  query.filter.values[USAGE_BY_KEY] = e->id;
  enum store_result result = c->backend.store->calls->usage(c->backend.store, &query, &sink);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return false;
  }
  bytes_append_text(&c->out, ",\"spend\":");
  bytes_append_fixed(&c->out, spent.nano, 9);
  return true;
}

/* False: the store failed, and the answer says so. */
static bool append_info(struct call *c, const struct entity *e) {
  uint64_t expires_ms;
  struct bytes *out = &c->out;
  bytes_append_text(out, "{\"token\":");
  json_quote(out, e->id);
  append_text(out, "key_alias", e->name);
  bytes_append_text(out, ",\"key_name\":");
  json_quote(out,
             slice_of(arena_printf(&c->arena, "gy-...%.*s", (int)call_text(c, e->body, "last4").len,
                                   call_text(c, e->body, "last4").data)));
  append_text(out, "organization_id", e->tenant);
  append_text(out, "team_id", e->owner);
  append_text(out, "user_id", call_text(c, e->body, "user"));
  append_list(out, "models", json_find(e->body, "models"));
  append_list(out, "tags", json_find(e->body, "tags"));
  struct slice metadata = json_find(e->body, "metadata"),
               expires = json_find(e->body, "expires_ms");
  bytes_append_text(out, ",\"metadata\":");
  bytes_append_slice(out, metadata.data ? metadata : SLICE("{}"));
  bytes_append_text(out, ",\"aliases\":{},\"config\":{},\"permissions\":{}");
  bytes_printf(out, ",\"blocked\":%s", e->state.len ? "true" : "false");
  if (expires.data && json_to_u64(expires, &expires_ms))
    call_time(c, "expires", (int64_t)expires_ms);
  else
    bytes_append_text(out, ",\"expires\":null");
  if (!append_spend(c, e) || !litellm_limits_show(c, e)) return false;
  bytes_append_byte(out, '}');
  return true;
}

bool litellm_duration(struct slice text, int64_t *ms) {
  static const struct {
    const char *unit;
    int64_t ms;
  } units[] = {{"mo", 2592000000}, {"s", 1000},     {"m", 60000},
               {"h", 3600000},     {"d", 86400000}, {"w", 604800000}};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    size_t len = strlen(units[i].unit);
    uint64_t count;
    if (text.len <= len || memcmp(text.data + text.len - len, units[i].unit, len) != 0) continue;
    if (!slice_to_u64((struct slice){text.data, text.len - len}, &count) || count > 100000)
      return false;
    *ms = (int64_t)count * units[i].ms;
    return true;
  }
  return false;
}

static void put(struct bytes *body, const char *name, struct slice json) {
  if (!json.data) return;
  bytes_printf(body, "%s\"%s\":", body->len > 1 ? "," : "", name);
  bytes_append_slice(body, json);
}

/* Ours is NULL where a member becomes something else than a field of the key. */
static const struct member {
  const char *theirs, *ours;
} members[] = {{"organization_id", "tenant"}, {"team_id", "project"},
               {"user_id", "user"},           {"key_alias", "name"},
               {"models", "models"},          {"tags", "tags"},
               {"metadata", "metadata"},      {"allowed_routes", "paths"},
               {"duration", "expires_ms"},    {"key", NULL},
               {"max_budget", NULL},          {"soft_budget", NULL},
               {"budget_duration", NULL},     {"tpm_limit", NULL},
               {"rpm_limit", NULL},           {"max_parallel_requests", NULL}};

enum { MEMBERS = sizeof members / sizeof *members };

static const char *field_name(const char *ours) {
  for (size_t i = 0; i < MEMBERS; i++)
    if (members[i].ours && strcmp(members[i].ours, ours) == 0) return members[i].theirs;
  return ours;
}

/* Clients send many members that say nothing: null, {}, [], "", false. */
static bool is_empty(struct slice value) {
  struct json_walk w = json_walk_of(value);
  switch (json_type(value)) {
  case JSON_NULL:
  case JSON_FALSE: return true;
  case JSON_STRING: return json_string_raw(value).len == 0;
  case JSON_OBJECT:
  case JSON_ARRAY: return !json_walk_next(&w);
  default: return false;
  }
}

static bool check_members(struct call *c, bool is_new) {
  for (struct json_walk w = json_walk_of(c->body); json_walk_next(&w);) {
    bool is_known = false;
    for (size_t i = 0; i < MEMBERS; i++)
      is_known = is_known || json_key_equal(w.key, slice_of(members[i].theirs));
    if (is_new && json_key_equal(w.key, SLICE("key"))) is_known = false;
    bool is_nothing = json_key_equal(w.key, SLICE("spend")) && slice_equal_text(w.value, "0");
    if (is_known || is_nothing || is_empty(w.value)) continue;
    const char *name =
        arena_text(&c->arena, (struct slice){w.key.data, w.key.len < 64 ? w.key.len : 64});
    call_fail(c, 400, name,
              "%s is not taken here; there are: organization_id, team_id, user_id, key_alias, "
              "models, tags, metadata, allowed_routes, duration, max_budget, soft_budget, "
              "budget_duration, tpm_limit, rpm_limit, max_parallel_requests; for other limits "
              "there is /admin/v1/limits",
              name);
    return false;
  }
  return true;
}

/* Lists of models that stand for all of them. */
static bool is_everything(struct slice models) {
  for (struct json_walk w = json_walk_of(models); json_walk_next(&w);) {
    struct slice name = json_string_raw(w.value);
    if (slice_equal_text(name, "all-proxy-models") || slice_equal_text(name, "all-team-models"))
      return true;
  }
  return false;
}

/* In a change null takes a value away; in a new key it says nothing. */
static struct slice value_of(struct call *c, const struct member *m, bool is_new) {
  struct slice value = json_find(c->body, m->theirs);
  if (!value.data) return value;
  bool is_list = json_type(value) == JSON_ARRAY;
  if (is_new && is_empty(value)) return (struct slice){NULL, 0};
  if (is_list && strcmp(m->theirs, "models") == 0 && is_everything(value))
    return is_new ? (struct slice){NULL, 0} : SLICE("null");
  return value;
}

struct tenants {
  struct call *call;
  struct slice one;
  size_t count;
};

static void add_tenant(struct tenants *t, struct slice id) {
  if (!id.len || (t->count && slice_equal(t->one, id))) return;
  if (t->count++ == 0) t->one = arena_slice(&t->call->arena, id);
}

static void on_tenant(void *context, const struct entity *e) {
  add_tenant(context, e->id);
}

/* Scripts for LiteLLM mostly name no organization: the team's or user's tenant is meant, else the
 * caller's, else the only one there is. */
static struct slice tenant_meant(struct call *c) {
  struct entity e;
  struct tenants t = {.call = c};
  struct entity_query query = {.kind = ENTITY_TENANT};
  struct entity_sink sink = {on_tenant, &t};
  if (c->caller && permission_reach(c->caller, c->action, NULL) != REACH_ALL)
    return c->caller->tenant;
  if (row_find_copy(c, ENTITY_PROJECT, call_text(c, c->body, "team_id"), &e) == STORE_FINE)
    return e.tenant;
  if (row_find_copy(c, ENTITY_USER, call_text(c, c->body, "user_id"), &e) == STORE_FINE)
    return e.tenant;
  for (size_t i = 0; i < c->config->key_count; i++)
    add_tenant(&t, c->config->keys[i].tenant);
  (void)c->backend.store->calls->list(c->backend.store, &query, &sink);
  return t.count == 1 ? t.one : (struct slice){"", 0};
}

static void put_tenant(struct call *c, struct bytes *body) {
  struct slice tenant = tenant_meant(c);
  if (!tenant.len) return;
  bytes_append_text(body, body->len > 1 ? ",\"tenant\":" : "\"tenant\":");
  json_quote(body, tenant);
}

static void put_members(struct call *c, bool is_new, struct bytes *body) {
  bool has_name = false;
  for (size_t i = 0; i < MEMBERS; i++) {
    if (!members[i].ours || strcmp(members[i].theirs, "duration") == 0) continue;
    struct slice value = value_of(c, &members[i], is_new);
    put(body, members[i].ours, value);
    has_name = has_name || (value.data && strcmp(members[i].ours, "name") == 0);
  }
  if (is_new && !has_name) put(body, "name", SLICE("\"key\""));
}

/* Their body as ours. */
static bool translate(struct call *c, bool is_new) {
  struct bytes body;
  int64_t ms;
  c->field_name = field_name;
  if (!check_members(c, is_new)) return false;
  bytes_init(&body);
  bytes_append_byte(&body, '{');
  put_members(c, is_new, &body);
  struct slice duration = call_text(c, c->body, "duration");
  bool fine = !duration.len || litellm_duration(duration, &ms);
  if (fine && duration.len)
    bytes_printf(&body, "%s\"expires_ms\":%lld", body.len > 1 ? "," : "",
                 (long long)(c->now_ms + ms));
  struct slice organization = json_find(c->body, "organization_id");
  if (is_new && (!organization.data || is_empty(organization))) put_tenant(c, &body);
  bytes_append_byte(&body, '}');
  if (fine)
    c->body = arena_slice(&c->arena, bytes_slice(&body));
  else
    call_fail(c, 400, "duration", "duration: expects 30s, 15m, 12h, 30d, 2w or 1mo");
  bytes_fini(&body);
  return fine;
}

static void show(struct call *c, struct slice id, struct slice secret) {
  struct entity e;
  enum store_result result = row_find_copy(c, ENTITY_KEY, id, &e);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return;
  }
  bytes_clear(&c->out);
  if (!append_info(c, &e)) return;
  c->out.len--;
  append_text(&c->out, "key", secret);
  bytes_append_text(&c->out, "}\n");
}

static void store(struct call *c, struct litellm_writes *w) {
  c->changed_limits = w->count > 1;
  (void)row_store_all(c, w->items, w->count);
  if (c->status >= 300) return;
  struct slice answer = arena_slice(&c->arena, bytes_slice(&c->out));
  show(c, call_text(c, answer, "id"), call_text(c, answer, "secret"));
}

void litellm_generate(struct call *c) {
  struct litellm_writes w = {.count = 1};
  if (translate(c, true) && row_prepare(c, w.items) &&
      litellm_limits_write(c, c->sent, &w.items[0].entity, &w))
    store(c, &w);
}

bool litellm_is_own(struct call *c) {
  return c->route->handle == litellm_info && c->caller && c->caller->key.len &&
         !call_param(c, "key").len;
}

/* Whoever names no key asks about the one that is shown. */
static bool find_own(struct call *c, struct entity *out) {
  enum store_result result = row_find_copy(c, ENTITY_KEY, c->caller->key, out);
  if (result == STORE_NOT_FOUND)
    call_fail(c, 404, "key", "key: yours is one of the configuration, which has no more to tell");
  else if (result != STORE_FINE)
    call_fail_store(c, result);
  return result == STORE_FINE;
}

void litellm_info(struct call *c) {
  struct entity e;
  if (litellm_is_own(c) ? !find_own(c, &e) : !find_key(c, call_param(c, "key"), &e)) return;
  bytes_append_text(&c->out, "{\"key\":");
  json_quote(&c->out, e.id);
  bytes_append_text(&c->out, ",\"info\":");
  if (!append_info(c, &e)) return;
  bytes_append_text(&c->out, "}\n");
}

static bool take_key(struct call *c) {
  struct entity e;
  if (!find_key(c, call_text(c, c->body, "key"), &e)) return false;
  c->id = e.id;
  return true;
}

/* Who may change a key need not be who may change what it is limited to. */
static bool check_limits_write(struct call *c, const struct litellm_writes *w) {
  struct resource what = {.tenant = w->items[0].entity.tenant};
  enum action action;
  must(action_find(SLICE("limits.write"), &action));
  bool may = w->count == 1 || !c->caller ||
             permission_check(c->caller, action, &what, NULL) == PERMISSION_GRANTED;
  if (may) return true;
  call_fail(c, 403, NULL, "your roles do not allow limits.write here");
  c->is_denied = true;
  return false;
}

void litellm_update(struct call *c) {
  struct litellm_writes w = {.count = 1};
  struct entity old;
  if (take_key(c) && translate(c, false) && row_prepare_change(c, &old, w.items) &&
      litellm_limits_write(c, c->sent, &w.items[0].entity, &w) && check_limits_write(c, &w))
    store(c, &w);
}

void litellm_block(struct call *c) {
  if (!take_key(c)) return;
  row_block(c);
  if (c->status < 300) show(c, c->id, (struct slice){"", 0});
}

void litellm_unblock(struct call *c) {
  if (!take_key(c)) return;
  row_unblock(c);
  if (c->status < 300) show(c, c->id, (struct slice){"", 0});
}

/* They would limit nobody. */
static void drop_limits(struct call *c, const struct entity *key) {
  struct litellm_writes w = {.count = 0};
  if (!litellm_limits_drop(c, key, &w) || !w.count) return;
  if (row_store_all(c, w.items, w.count)) c->changed_limits = true;
}

void litellm_delete(struct call *c) {
  struct slice keys = json_find(c->body, "keys");
  struct bytes done;
  if (!keys.data || json_type(keys) != JSON_ARRAY) {
    call_fail(c, 400, "keys", "keys: expects a list of keys");
    return;
  }
  bytes_init(&done);
  bytes_append_text(&done, "{\"deleted_keys\":[");
  size_t count = 0;
  for (struct json_walk w = json_walk_of(keys); c->status < 300 && json_walk_next(&w);) {
    struct bytes name;
    struct entity e;
    bytes_init(&name);
    (void)json_string(w.value, &name);
    bytes_clear(&c->out);
    if (find_key(c, arena_slice(&c->arena, bytes_slice(&name)), &e)) {
      c->id = e.id;
      key_revoke(c);
      if (c->status < 300) drop_limits(c, &e);
      if (count++) bytes_append_byte(&done, ',');
      json_quote(&done, e.id);
    }
    bytes_fini(&name);
  }
  bytes_append_text(&done, "]}\n");
  if (c->status < 300) {
    bytes_clear(&c->out);
    bytes_append_slice(&c->out, bytes_slice(&done));
  }
  bytes_fini(&done);
}
