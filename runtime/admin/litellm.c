/* Keys as scripts made for LiteLLM ask for them: their field names, on the same rows. */
#include "admin/api.h"
#include "auth/directory.h"

/* A row is known by its id; a secret is looked up, and never belongs in a query. */
static bool find_key(struct call *c, struct slice name, struct entity *out) {
  bool is_secret = slice_starts(name, SLICE("gy-")) || slice_starts(name, SLICE("sk-"));
  if (c->route->params == PARAMS_KEY && is_secret) {
    call_fail(c, 400, "key",
              "key: a secret does not belong in a URL, where logs keep it; send the key's id");
    return false;
  }
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

static void append_info(struct call *c, const struct entity *e) {
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
  bytes_printf(out, ",\"blocked\":%s", e->state.len ? "true" : "false");
  if (expires.data && json_to_u64(expires, &expires_ms))
    call_time(c, "expires", (int64_t)expires_ms);
  else
    bytes_append_text(out, ",\"expires\":null");
  bytes_append_byte(out, '}');
}

/* "30s", "15m", "12h", "30d", "2w" or "1mo". */
static bool read_duration(struct slice text, int64_t *ms) {
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
  if (!json.data || json_type(json) == JSON_NULL) return;
  bytes_printf(body, "%s\"%s\":", body->len > 1 ? "," : "", name);
  bytes_append_slice(body, json);
}

static const struct {
  const char *theirs, *ours;
} members[] = {{"organization_id", "tenant"}, {"team_id", "project"},     {"user_id", "user"},
               {"key_alias", "name"},         {"models", "models"},       {"tags", "tags"},
               {"metadata", "metadata"},      {"allowed_routes", "paths"}};

static bool check_members(struct call *c) {
  for (struct json_walk w = json_walk_of(c->body); json_walk_next(&w);) {
    bool is_known = json_key_equal(w.key, SLICE("key")) || json_key_equal(w.key, SLICE("duration"));
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
      is_known = is_known || json_key_equal(w.key, slice_of(members[i].theirs));
    if (is_known || json_type(w.value) == JSON_NULL) continue;
    const char *name =
        arena_text(&c->arena, (struct slice){w.key.data, w.key.len < 64 ? w.key.len : 64});
    call_fail(c, 400, name,
              "%s is not taken here; there are: organization_id, team_id, user_id, key_alias, "
              "models, tags, metadata, allowed_routes, duration; limits and budgets are made by "
              "/admin/v1/limits",
              name);
    return false;
  }
  return true;
}

/* Their body as ours. */
static bool translate(struct call *c, bool is_new) {
  struct bytes body;
  int64_t ms;
  if (!check_members(c)) return false;
  bytes_init(&body);
  bytes_append_byte(&body, '{');
  for (size_t i = 0; i < sizeof members / sizeof *members; i++)
    put(&body, members[i].ours, json_find(c->body, members[i].theirs));
  struct slice duration = call_text(c, c->body, "duration");
  bool fine = !duration.len || read_duration(duration, &ms);
  if (fine && duration.len)
    bytes_printf(&body, "%s\"expires_ms\":%lld", body.len > 1 ? "," : "",
                 (long long)(c->now_ms + ms));
  if (is_new && !json_find(c->body, "key_alias").data)
    bytes_printf(&body, "%s\"name\":\"key\"", body.len > 1 ? "," : "");
  if (is_new && !json_find(c->body, "organization_id").data && c->caller) {
    bytes_append_text(&body, body.len > 1 ? ",\"tenant\":" : "\"tenant\":");
    json_quote(&body, c->caller->tenant);
  }
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
  append_info(c, &e);
  c->out.len--;
  append_text(&c->out, "key", secret);
  bytes_append_text(&c->out, "}\n");
}

void litellm_generate(struct call *c) {
  if (!translate(c, true)) return;
  row_create(c);
  if (c->status >= 300) return;
  c->status = 200;
  struct slice answer = arena_slice(&c->arena, bytes_slice(&c->out));
  show(c, call_text(c, answer, "id"), call_text(c, answer, "secret"));
}

void litellm_info(struct call *c) {
  struct entity e;
  if (!find_key(c, call_param(c, "key"), &e)) return;
  bytes_append_text(&c->out, "{\"key\":");
  json_quote(&c->out, e.id);
  bytes_append_text(&c->out, ",\"info\":");
  append_info(c, &e);
  bytes_append_text(&c->out, "}\n");
}

static bool take_key(struct call *c) {
  struct entity e;
  if (!find_key(c, call_text(c, c->body, "key"), &e)) return false;
  c->id = e.id;
  return true;
}

void litellm_update(struct call *c) {
  if (!take_key(c) || !translate(c, false)) return;
  row_update(c);
  if (c->status < 300) show(c, c->id, (struct slice){"", 0});
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
