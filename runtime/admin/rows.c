/* Tenants, projects, users, roles, keys and limits: rows of one shape. */
#include "admin/api.h"
#include "base/clock.h"

enum { PAGE_ROWS = 100, PAGE_ROWS_MAX = 1000, ID_LETTERS = 16 };

static const char *const nouns[ENTITY_COUNT + 1] = {[ENTITY_TENANT] = "tenant",
                                                    [ENTITY_PROJECT] = "project",
                                                    [ENTITY_USER] = "user",
                                                    [ENTITY_KEY] = "key",
                                                    [ENTITY_ROLE] = "role",
                                                    [ENTITY_LIMIT] = "limit",
                                                    [ENTITY_BUDGET] = "budget",
                                                    [ENTITY_PRICE] = "price",
                                                    [ENTITY_DELIVERY] = "delivery",
                                                    [ENTITY_SERVICE] = "service",
                                                    [ENTITY_SERVICE_VERSION] = "service_version",
                                                    [ENTITY_SUBSCRIPTION] = "subscription",
                                                    [ENTITY_COUNT] = "row"};

const char *row_noun(enum entity_kind kind) {
  return nouns[kind];
}

static void append_member(struct bytes *out, const char *name, struct slice text) {
  bytes_printf(out, ",\"%s\":", name);
  if (text.len)
    json_quote(out, text);
  else
    bytes_append_text(out, "null");
}

static void append_previous(struct bytes *out, struct slice previous) {
  int64_t until_ms;
  if (!previous.data || !json_to_i64(json_find(previous, "until_ms"), &until_ms)) return;
  char time[25];
  clock_format(until_ms, time);
  bytes_printf(out, ",\"previous_until\":\"%s\"", time);
}

static struct slice state_of(const struct entity *e) {
  return e->state.len ? e->state : SLICE("active");
}

/* A lookup is the digest of a secret: neither is ever shown. */
void row_write_json(struct call *c, const struct entity *e, struct bytes *out) {
  (void)c;
  char created[25], updated[25];
  clock_format(e->created_ms, created);
  clock_format(e->updated_ms, updated);
  bytes_printf(out, "{\"object\":\"%s\",\"id\":", nouns[e->kind]);
  json_quote(out, e->id);
  if (e->kind != ENTITY_TENANT) append_member(out, "tenant", e->tenant);
  if (e->kind == ENTITY_KEY) append_member(out, "project", e->owner);
  if (e->kind == ENTITY_PROJECT) append_member(out, "parent", e->owner);
  if (e->kind == ENTITY_DELIVERY) append_member(out, "webhook", e->owner);
  bool is_version = e->kind == ENTITY_SERVICE_VERSION;
  if (is_version || e->kind == ENTITY_SUBSCRIPTION) append_member(out, "service", e->owner);
  if (is_version)
    bytes_printf(out, ",\"number\":%.*s", (int)e->name.len, e->name.data);
  else
    append_member(out, "name", e->name);
  append_member(out, "state", is_version ? version_state(c, e) : state_of(e));
  for (struct json_walk w = json_walk_of(e->body); json_walk_next(&w);) {
    if (json_key_equal(w.key, SLICE("name"))) continue;
    if (json_key_equal(w.key, SLICE("previous"))) {
      append_previous(out, w.value);
      continue;
    }
    bytes_append_text(out, ",\"");
    bytes_append_slice(out, w.key);
    bytes_append_text(out, "\":");
    bytes_append_slice(out, w.value);
  }
  if (e->version)
    bytes_printf(out, ",\"version\":%llu,\"created_at\":\"%s\",\"updated_at\":\"%s\"",
                 (unsigned long long)e->version, created, updated);
  bytes_append_byte(out, '}');
}

struct slice row_json(struct call *c, const struct entity *e) {
  struct bytes text;
  bytes_init(&text);
  row_write_json(c, e, &text);
  struct slice copy = arena_slice(&c->arena, bytes_slice(&text));
  bytes_fini(&text);
  return copy;
}

void row_copy_take(struct row_copy *copy, const struct entity *e) {
  struct entity *to = &copy->entity;
  *to = *e;
  struct slice *texts[] = {&to->id,     &to->tenant, &to->owner, &to->name,
                           &to->lookup, &to->state,  &to->body};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    *texts[i] = arena_slice(&copy->call->arena, *texts[i]);
  copy->is_found = true;
}

static void on_found(void *context, const struct entity *e) {
  row_copy_take(context, e);
}

enum store_result row_find_copy(struct call *c, enum entity_kind kind, struct slice id,
                                struct entity *out) {
  struct row_copy copy = {.call = c};
  struct entity_key key = {.kind = kind, .id = id};
  struct entity_sink sink = {on_found, &copy};
  if (!id.len) return STORE_NOT_FOUND;
  enum store_result result = c->backend.store->calls->find(c->backend.store, &key, &sink);
  *out = copy.entity;
  return result;
}

bool row_get_id(struct call *c, struct slice id, struct entity *out) {
  enum store_result result = row_find_copy(c, c->route->kind, id, out);
  if (result == STORE_FINE) {
    struct resource what = row_resource(c, out);
    if (call_may(c, &what)) return true;
    /* A row of others is no different from none; within the tenant a refusal may say so. */
    bool is_near = c->caller && slice_equal(what.tenant, c->caller->tenant);
    c->is_denied = true;
    if (is_near) {
      call_deny(c);
      return false;
    }
    result = STORE_NOT_FOUND;
  }
  call_fail_store(c, result);
  return false;
}

bool row_get(struct call *c, struct entity *out) {
  return row_get_id(c, c->id, out);
}

struct page {
  struct call *call;
  uint64_t limit, count;
  size_t shown;
  struct slice last, state; /* state: of versions, which their services say; empty: any */
};

static void on_listed(void *context, const struct entity *e) {
  struct page *p = context;
  if (p->count++ == p->limit) return;
  p->last = arena_slice(&p->call->arena, e->id);
  struct resource what = row_resource(p->call, e);
  if (!call_may(p->call, &what)) return;
  if (p->state.len && !slice_equal(version_state(p->call, e), p->state)) return;
  if (p->shown++) bytes_append_byte(&p->call->out, ',');
  row_write_json(p->call, e, &p->call->out);
}

/* The names of other tenants are theirs: not even a cursor tells one. */
static void list_own_tenant(struct call *c, struct slice id) {
  struct page page = {.call = c, .limit = 1};
  struct entity e;
  enum store_result result = row_find_copy(c, ENTITY_TENANT, id, &e);
  if (result != STORE_FINE && result != STORE_NOT_FOUND) {
    call_fail_store(c, result);
    return;
  }
  bytes_append_text(&c->out, "{\"object\":\"list\",\"data\":[");
  if (result == STORE_FINE) on_listed(&page, &e);
  bytes_append_text(&c->out, "],\"has_more\":false,\"next_cursor\":null}\n");
}

/* What the owner of such rows is called in the query. */
static const char *owner_param(enum params params) {
  if (params == PARAMS_OF_SERVICE) return "service";
  return params == PARAMS_DELIVERIES ? "webhook" : "project";
}

void rows_list(struct call *c) {
  struct page page = {.call = c};
  struct entity_query query = {.kind = c->route->kind,
                               .owner = call_param(c, owner_param(c->route->params)),
                               .name_prefix = call_param(c, "name")};
  if (!call_param_word(c, "state", states_of(c->route->kind), &query.state)) return;
  if (!call_param_cursor(c, &query.after)) return;
  if (c->route->kind == ENTITY_SERVICE_VERSION && query.state.len) {
    page.state = query.state;
    query.state = slice_equal_text(page.state, "draft") ? page.state : SLICE("staged");
  }
  if (!call_param_u64(c, "limit", PAGE_ROWS, PAGE_ROWS_MAX, &page.limit)) return;
  if (!call_scope(c, call_param(c, "tenant"), &query.tenant)) return;
  if (c->route->kind == ENTITY_TENANT && query.tenant.len) {
    list_own_tenant(c, query.tenant);
    return;
  }
  query.limit = (uint32_t)page.limit + 1;
  struct entity_sink sink = {on_listed, &page};
  bytes_append_text(&c->out, "{\"object\":\"list\",\"data\":[");
  enum store_result result = c->backend.store->calls->list(c->backend.store, &query, &sink);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return;
  }
  bytes_printf(&c->out,
               "],\"has_more\":%s,\"next_cursor\":", page.count > page.limit ? "true" : "false");
  if (page.count > page.limit)
    call_write_cursor(c, page.last);
  else
    bytes_append_text(&c->out, "null");
  bytes_append_text(&c->out, "}\n");
}

void row_show(struct call *c) {
  struct entity e;
  if (!row_get(c, &e)) return;
  row_write_json(c, &e, &c->out);
  bytes_append_byte(&c->out, '\n');
  c->version = e.version;
}

/* Deleting a row that carries a whole id is the caller's business alone; the audit keeps both
 * sides, masked. */
static struct slice masked(struct call *c, const struct entity *e) {
  struct bytes text;
  bytes_init(&text);
  audit_mask(row_json(c, e), &text);
  struct slice copy = arena_slice(&c->arena, bytes_slice(&text));
  bytes_fini(&text);
  return copy;
}

static struct entity_change change_of(struct call *c, const struct row_write *w) {
  const struct entity *e = &w->entity;
  struct slice none = {"", 0};
  struct audit_entry *audit = arena_alloc(&c->arena, sizeof *audit);
  *audit = (struct audit_entry){
      .time_ms = c->now_ms,
      .tenant = e->kind == ENTITY_TENANT ? e->id : e->tenant,
      .actor = call_actor(c),
      .action = slice_of(arena_printf(&c->arena, "%s.%s", nouns[e->kind], w->verb)),
      .target = slice_of(
          arena_printf(&c->arena, "%s/%.*s", entity_table(e->kind), (int)e->id.len, e->id.data)),
      .outcome = SLICE("done"),
      .before = w->before ? masked(c, w->before) : none,
      .after = w->is_deletion ? none : masked(c, e),
      .peer = c->peer,
      .request_id = none};
  return (struct entity_change){.entity = *e,
                                .is_deletion = w->is_deletion,
                                .expected_version = w->expected_version,
                                .audit = audit};
}

static void take_written(struct row_write *w, const struct entity_change *change) {
  w->entity.version = change->entity.version;
  w->entity.created_ms = change->entity.created_ms;
  w->entity.updated_ms = change->entity.updated_ms;
}

static enum store_result write_change(struct call *c, struct row_write *w, struct slice answer) {
  struct entity_change change = change_of(c, w);
  change.idempotency_key = c->idempotency_key;
  change.answer = answer;
  enum store_result result = c->backend.store->calls->write(c->backend.store, &change, 1);
  take_written(w, &change);
  return result;
}

static void show_written(struct call *c, struct row_write *w) {
  bytes_clear(&c->out);
  row_write_json(c, &w->entity, &c->out);
  c->out.len--; /* the brace: extra members come before it */
  bytes_append_slice(&c->out, w->extra);
  bytes_append_text(&c->out, "}\n");
}

bool row_store(struct call *c, struct row_write *w) {
  if (once_replay(c)) return false;
  enum store_result result = write_change(c, w, once_answer(c, &w->entity));
  if (result == STORE_CONFLICT && once_replay(c)) return false;
  if (result == STORE_CONFLICT && w->expected_version != ENTITY_NEW)
    call_fail(c, 412, "If-Match",
              "it has changed since you read it; read it again and repeat the change");
  else if (result != STORE_FINE)
    call_fail_store(c, result);
  if (result != STORE_FINE) return false;
  c->changed = true;
  show_written(c, w);
  c->version = w->is_deletion ? 0 : w->entity.version;
  return true;
}

bool row_store_all(struct call *c, struct row_write *writes, size_t count) {
  struct entity_change *changes = arena_alloc(&c->arena, count * sizeof *changes);
  bool is_new = writes->expected_version == ENTITY_NEW;
  if (once_replay(c)) return false;
  for (size_t i = 0; i < count; i++)
    changes[i] = change_of(c, &writes[i]);
  changes->idempotency_key = c->idempotency_key;
  changes->answer = once_answer(c, &writes->entity);
  enum store_result result = c->backend.store->calls->write(c->backend.store, changes, count);
  if (result == STORE_CONFLICT && once_replay(c)) return false;
  if (result == STORE_CONFLICT && !is_new)
    call_fail(c, 412, "If-Match", "it changes at this moment; read it again and repeat the change");
  else if (result != STORE_FINE)
    call_fail_store(c, result);
  if (result != STORE_FINE) return false;
  take_written(writes, changes);
  c->changed = true;
  show_written(c, writes);
  c->version = writes->is_deletion ? 0 : writes->entity.version;
  return true;
}

struct slice row_new_id(struct call *c, enum entity_kind kind) {
  char random[ID_LETTERS + 1];
  digest_random_id(random, ID_LETTERS);
  return slice_of(arena_printf(&c->arena, "%s-%s", nouns[kind], random));
}

bool row_prepare(struct call *c, struct row_write *w) {
  *w = (struct row_write){.expected_version = ENTITY_NEW, .verb = "create"};
  struct entity *e = &w->entity;
  if (!fields_merge(c, NULL, e) || !row_place(c, e) || !row_refer(c, e)) return false;
  if (!e->id.len) e->id = row_new_id(c, e->kind);
  struct resource what = row_resource(c, e);
  bool may = call_may(c, &what);
  if (!may && e->kind == ENTITY_TENANT)
    call_deny(c);
  else if (!may)
    call_deny_at(c, &what);
  if (!may || !row_check(c, e, true)) return false;
  if (e->kind == ENTITY_KEY) key_seal(c, e, &w->extra);
  return true;
}

void row_create(struct call *c) {
  struct row_write w;
  if (row_prepare(c, &w) && row_store(c, &w)) c->status = 201;
}

/* If-Match: "3", or * (RFC 9110, 13.1.1). */
bool row_expected(struct call *c, const struct entity *old, uint64_t *version) {
  struct slice text = slice_trim(c->if_match);
  *version = old->version;
  if (!text.len || slice_equal_text(text, "*")) return true;
  if (slice_starts(text, SLICE("W/"))) text = slice_skip(text, 2);
  if (text.len > 2 && text.data[0] == '"') text = (struct slice){text.data + 1, text.len - 2};
  if (slice_to_u64(text, version) && *version == old->version) return true;
  call_fail(c, 412, "If-Match",
            "it has changed since you read it: this is version %llu; read it again",
            (unsigned long long)old->version);
  return false;
}

bool row_prepare_change(struct call *c, struct entity *old, struct row_write *w) {
  *w = (struct row_write){.before = old, .verb = "update"};
  return row_get(c, old) && row_expected(c, old, &w->expected_version) &&
         fields_merge(c, old, &w->entity) && row_check(c, &w->entity, false);
}

void row_update(struct call *c) {
  struct entity old;
  struct row_write w;
  if (row_prepare_change(c, &old, &w)) (void)row_store(c, &w);
}

void row_set_state(struct call *c, const struct entity *old, const char *state, const char *verb) {
  struct row_write w = {.before = old, .entity = *old, .verb = verb};
  if (!row_expected(c, old, &w.expected_version)) return;
  if (slice_equal_text(old->state, "revoked") && strcmp(state, "revoked") != 0) {
    call_fail(c, 409, NULL, "a revoked key stays revoked; make a new one");
    return;
  }
  w.entity.state = slice_of(state);
  (void)row_store(c, &w);
}

void row_block(struct call *c) {
  struct entity old;
  if (row_get(c, &old)) row_set_state(c, &old, "blocked", "block");
}

void row_unblock(struct call *c) {
  struct entity old;
  if (row_get(c, &old)) row_set_state(c, &old, "", "unblock");
}

/* The webhooks find it in the store within seconds. */
void delivery_retry(struct call *c) {
  struct entity old;
  if (row_get(c, &old)) row_set_state(c, &old, "waiting", "retry");
}

void row_delete(struct call *c) {
  struct entity old;
  struct row_write w = {.before = &old, .is_deletion = true, .verb = "delete"};
  if (!row_get(c, &old) || !row_expected(c, &old, &w.expected_version)) return;
  w.entity = old;
  if (!row_is_free(c, &old) || !row_store(c, &w)) return;
  bytes_clear(&c->out);
  bytes_append_text(&c->out, "{\"object\":\"deleted\",\"id\":");
  json_quote(&c->out, old.id);
  bytes_append_text(&c->out, ",\"deleted\":true}\n");
}
