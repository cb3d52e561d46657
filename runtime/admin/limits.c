/* Limits that people make at run time: whom they may name, and what is used of them. */
#include "account/limit.h"
#include "account/limit_row.h"
#include "account/limit_scope.h"
#include "admin/api.h"
#include "auth/directory.h"

static void replace_text(struct bytes *out, const char *separator, struct slice key) {
  bytes_printf(out, "%s\"%.*s\":", separator, (int)key.len, key.data);
}

/* The row's body with the scope's names as requests bear them. */
static struct slice with_scope(struct call *c, struct slice body,
                               const struct limit_condition *scope, size_t count) {
  struct bytes out;
  const char *separator = "{";
  bytes_init(&out);
  for (struct json_walk w = json_walk_of(body); json_walk_next(&w); separator = ",") {
    replace_text(&out, separator, w.key);
    if (!json_key_equal(w.key, SLICE("scope"))) {
      bytes_append_slice(&out, w.value);
      continue;
    }
    bytes_append_byte(&out, '{');
    for (size_t i = 0; i < count; i++) {
      replace_text(&out, i ? "," : "", slice_of(limit_subject_name(scope[i].subject)));
      json_quote(&out, scope[i].name.len ? scope[i].name : SLICE("*"));
    }
    bytes_append_byte(&out, '}');
  }
  bytes_append_byte(&out, '}');
  struct slice copy = arena_slice(&c->arena, bytes_slice(&out));
  bytes_fini(&out);
  return copy;
}

static void refuse_name(struct call *c, const struct limit_condition *condition,
                        enum limit_scope_result result, const struct limit_scope_found *found) {
  const char *subject = limit_subject_name(condition->subject);
  const char *field = arena_printf(&c->arena, "scope.%s", subject);
  const char *name = arena_text(&c->arena, condition->name);
  const char *nearest = arena_text(&c->arena, found->nearest);
  if (result == LIMIT_SCOPE_STORE)
    call_fail_store(c, found->result);
  else if (result == LIMIT_SCOPE_AMBIGUOUS)
    call_fail(c, 400, field, "%s: several are called %s; name one by its id, such as %s", field,
              name, nearest);
  else if (*nearest)
    call_fail(c, 400, field, "%s: there is no %s %s, so it would limit nobody; did you mean %s?",
              field, subject, name, nearest);
  else
    call_fail(c, 400, field, "%s: there is no %s %s, so it would limit nobody; make it first",
              field, subject, name);
}

/* The row's own tenant is the only one that its scope may name. */
static bool check_tenant_named(struct call *c, const struct entity *e) {
  struct slice named = call_text(c, json_find(e->body, "scope"), "tenant");
  if (!e->tenant.len || !named.len || slice_equal_text(named, "*") || slice_equal(named, e->tenant))
    return true;
  call_fail(c, 400, "scope.tenant",
            "scope.tenant: the limit is %.*s's and holds for that tenant alone; leave this out",
            (int)e->tenant.len, e->tenant.data);
  return false;
}

static struct slice tenant_of(const struct entity *e, const struct limit_definition *d) {
  struct slice tenant = e->tenant;
  for (int i = 0; i < d->scope_count && !tenant.len; i++)
    if (d->scope[i].subject == LIMIT_TENANT && d->scope[i].form == LIMIT_NAMED)
      tenant = d->scope[i].name;
  return tenant;
}

static bool check_scope(struct call *c, struct entity *e, const struct limit_definition *d) {
  struct limit_world world = {c->config, c->backend.store, tenant_of(e, d), &c->arena};
  struct limit_condition scope[LIMIT_SUBJECTS];
  size_t count = 0;
  for (int i = 0; i < d->scope_count; i++) {
    struct limit_scope_found found;
    const struct limit_condition *one = &d->scope[i];
    if (one->subject == LIMIT_TENANT && e->tenant.len) continue; /* said by the row */
    struct limit_world at = world;
    if (one->subject == LIMIT_TENANT) at.tenant = (struct slice){"", 0};
    enum limit_scope_result result = limit_scope_find(&at, one, &found);
    if (result != LIMIT_SCOPE_FOUND) {
      refuse_name(c, one, result, &found);
      return false;
    }
    scope[count] = *one;
    scope[count++].name = found.name;
  }
  e->body = with_scope(c, e->body, scope, count);
  return true;
}

/* "limit: money: is too large": the field stands between the colons, where it is about one. */
static void fail_limit(struct call *c, const char *problem) {
  struct slice rest, text = slice_of(problem), before = slice_cut(text, ' ', &rest);
  if (slice_equal_text(before, "limit:")) text = rest;
  struct slice field = slice_cut(text, ':', &rest);
  if (slice_equal_text(field, "configuration")) { /* about all of it */
    text = slice_trim(rest);
    field = text;
  }
  bool is_field = field.len < text.len && !memchr(field.data, ' ', field.len);
  call_fail(c, 400, is_field ? arena_text(&c->arena, field) : NULL, "%s%.*s",
            is_field ? "" : "limit: ", (int)text.len, text.data);
}

bool limit_check(struct call *c, struct entity *e, bool is_new) {
  struct config_problems problems;
  struct limit_definition definitions[LIMIT_KINDS];
  struct limit_row row = {e->tenant, e->body, definitions};
  config_problems_init(&problems);
  size_t count = limit_row_read(&row, &c->arena, &problems);
  if (problems.count) fail_limit(c, problems.items[0]);
  bool fine = problems.count == 0;
  config_problems_fini(&problems);
  if (!fine || count == 0) return fine;
  /* Names are unique among a tenant's limits, whoever makes two of them at once. */
  if (is_new)
    e->lookup = slice_of(arena_printf(&c->arena, "%.*s/%.*s", (int)e->tenant.len, e->tenant.data,
                                      (int)e->name.len, e->name.data));
  if (!is_new && !json_find(c->body, "scope").data) return true;
  return check_tenant_named(c, e) && check_scope(c, e, definitions);
}

struct naming { /* is there a limit that names this user? */
  struct call *call;
  struct slice user, tenant;
  const char *limit; /* its name; NULL: none */
};

static void on_naming_row(void *context, const struct entity *e) {
  struct naming *n = context;
  struct slice scope = json_find(e->body, "scope"), own = call_text(n->call, scope, "tenant");
  struct slice tenant = e->tenant.len ? e->tenant : own;
  if (tenant.len && !slice_equal(tenant, n->tenant)) return;
  if (slice_equal(call_text(n->call, scope, "user"), n->user))
    n->limit = arena_text(&n->call->arena, e->name);
}

bool limit_lets_rename(struct call *c, const struct entity *user) {
  struct entity old;
  struct naming naming = {.call = c, .tenant = user->tenant};
  struct entity_query query = {.kind = ENTITY_LIMIT};
  struct entity_sink sink = {on_naming_row, &naming};
  if (row_find_copy(c, ENTITY_USER, user->id, &old) != STORE_FINE) return true; /* it is new */
  naming.user = old.name;
  if (slice_equal(old.name, user->name)) return true;
  enum store_result result = c->backend.store->calls->list(c->backend.store, &query, &sink);
  if (result != STORE_FINE)
    call_fail_store(c, result);
  else if (naming.limit)
    call_fail(
        c, 409, "name",
        "name: the limit %s holds for the user by this name and would hold for nobody; change "
        "or remove it first",
        naming.limit);
  return result == STORE_FINE && !naming.limit;
}

struct uses {
  struct call *call;
  struct slice tenant; /* only its counters; empty: all */
  size_t count;
};

/* A counter of one key is its tenant's, whoever made the limit. */
static bool is_of(struct call *c, const struct limit_use *use, struct slice tenant) {
  if (use->tenant.len || !use->key.len) return slice_equal(use->tenant, tenant);
  const struct principal *p = directory_key_find(c->backend.directory, use->key);
  return p && slice_equal(p->tenant, tenant);
}

static void on_use(void *context, const struct limit_use *use) {
  struct uses *u = context;
  struct bytes *out = &u->call->out;
  const struct limit_definition *d = &use->definition;
  const char *unit = d->kind == LIMIT_MONEY ? "_nanousd" : "";
  if (u->tenant.len && !is_of(u->call, use, u->tenant)) return;
  if (u->count++) bytes_append_byte(out, ',');
  bytes_append_text(out, "{\"object\":\"limit_use\",\"limit\":");
  json_quote(out, d->id);
  json_append_text(out, "scope", use->scope);
  bytes_printf(out,
               ",\"kind\":\"%s\",\"window\":\"%s\",\"amount%s\":%llu,\"used%s\":%llu,"
               "\"reserved%s\":%llu,\"soft\":%s,\"reset_ms\":%llu",
               limit_kind_name(d->kind), limit_unit_name(d->window.unit), unit,
               (unsigned long long)d->amount, unit, (unsigned long long)use->used, unit,
               (unsigned long long)use->reserved, d->is_soft ? "true" : "false",
               (unsigned long long)use->reset_ms);
  if (d->kind == LIMIT_MONEY) json_append_text(out, "currency", u->call->config->currency);
  if (use->reset_wall_ms) call_time(u->call, "resets_at", use->reset_wall_ms);
  bytes_append_byte(out, '}');
}

struct ids {
  struct call *call;
  struct slice *items;
  size_t count, room;
};

static void add_id(struct ids *ids, struct slice id) {
  for (size_t i = 0; i < ids->count; i++)
    if (slice_equal(ids->items[i], id)) return;
  if (ids->count == ids->room) {
    ids->room = ids->room ? ids->room * 2 : 64;
    struct slice *more = arena_alloc(&ids->call->arena, ids->room * sizeof *more);
    if (ids->count) memcpy(more, ids->items, ids->count * sizeof *more);
    ids->items = more;
  }
  ids->items[ids->count++] = arena_slice(&ids->call->arena, id);
}

static void on_limit_row(void *context, const struct entity *e) {
  add_id(context, e->name);
}

void limits_use(struct call *c) {
  struct uses uses = {.call = c};
  struct ids ids = {.call = c};
  struct slice id = call_param(c, "id");
  struct entity_query query = {.kind = ENTITY_LIMIT};
  struct entity_sink sink = {on_limit_row, &ids};
  if (!call_scope(c, call_param(c, "tenant"), &uses.tenant) || !call_reaches_tenant(c)) return;
  if (id.len) {
    add_id(&ids, id);
  } else {
    for (size_t i = 0; i < c->config->quota_count; i++)
      add_id(&ids, c->config->quotas[i].id);
    enum store_result result = c->backend.store->calls->list(c->backend.store, &query, &sink);
    if (result != STORE_FINE) {
      call_fail_store(c, result);
      return;
    }
  }
  bytes_append_text(&c->out, "{\"object\":\"list\",\"data\":[");
  for (size_t i = 0; i < ids.count; i++)
    limiter_list(c->backend.limiter, ids.items[i], on_use, &uses);
  bytes_append_text(&c->out, "],\"has_more\":false,\"next_cursor\":null}\n");
}
