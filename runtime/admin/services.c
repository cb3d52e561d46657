/* Services and their versions: made, staged, published, tried on a share of callers, rolled back. A
 * version row never changes once it is staged; which one is published is the service's to say, in
 * one row. */
#include <stdlib.h>

#include "admin/api.h"
#include "auth/directory.h"
#include "auth/service.h"
#include "script/tenant_shelf.h"

enum { HISTORY_MAX = 20, DEFAULTS_MAX = 32, VERSIONS_MAX = 1000 };

static const char *const kept[] = {"published", "history", "canary"};

/* The service that a new row is for; another tenant's is as one that is not there. */
static bool take_service(struct call *c, struct entity *e) {
  struct entity service;
  enum store_result result = row_find_copy(c, ENTITY_SERVICE, e->owner, &service);
  if (result != STORE_FINE && result != STORE_NOT_FOUND) {
    call_fail_store(c, result);
    return false;
  }
  struct resource what = {.tenant = service.tenant};
  bool is_near =
      result == STORE_FINE &&
      (!c->caller || slice_equal(service.tenant, c->caller->tenant) || call_may(c, &what));
  e->tenant = is_near ? service.tenant : (struct slice){"", 0};
  if (is_near) return true;
  c->is_denied = result == STORE_FINE;
  call_fail(c, 404, "service", "service: there is no service %.*s",
            e->owner.len > 160 ? 160 : (int)e->owner.len, e->owner.data);
  return false;
}

struct counting {
  uint64_t last, count;
};

static void on_version(void *context, const struct entity *e) {
  struct counting *n = context;
  uint64_t number;
  n->count++;
  if (slice_to_u64(e->name, &number) && number > n->last) n->last = number;
}

/* Two at once ask for the same id, and one of them is told so. */
static bool number_version(struct call *c, struct entity *e) {
  struct counting n = {0};
  struct entity_query query = {.kind = ENTITY_SERVICE_VERSION, .owner = e->owner};
  struct entity_sink sink = {on_version, &n};
  enum store_result result = c->backend.store->calls->list(c->backend.store, &query, &sink);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return false;
  }
  if (n.count >= VERSIONS_MAX) {
    call_fail(c, 409, NULL, "the service has %d versions; remove its drafts", VERSIONS_MAX);
    return false;
  }
  e->name = slice_of(arena_printf(&c->arena, "%llu", (unsigned long long)n.last + 1));
  e->state = SLICE("draft");
  e->id = slice_of(arena_printf(&c->arena, "%.*s:%.*s", (int)e->owner.len, e->owner.data,
                                (int)e->name.len, e->name.data));
  return true;
}

static bool name_service(struct call *c, struct entity *e) {
  char first = e->name.len ? e->name.data[0] : '.';
  if (first == '.' || first == '-') {
    call_fail(c, 400, "name", "name: begins with a letter or digit, as it is part of a path");
    return false;
  }
  e->id = slice_of(arena_printf(&c->arena, "%.*s:%.*s", (int)e->tenant.len, e->tenant.data,
                                (int)e->name.len, e->name.data));
  return true;
}

static void note_asker(struct call *c, struct entity *e) {
  struct bytes text;
  bytes_init(&text);
  bytes_append_text(&text, "\"requested_by\":");
  json_quote(&text, call_actor(c));
  e->state = SLICE("requested");
  row_add_members(c, e, bytes_text(&text));
  bytes_fini(&text);
}

bool row_place(struct call *c, struct entity *e) {
  switch (e->kind) {
  case ENTITY_SERVICE: return name_service(c, e);
  case ENTITY_SERVICE_VERSION: return take_service(c, e) && number_version(c, e);
  case ENTITY_SUBSCRIPTION: note_asker(c, e); return take_service(c, e);
  default: return true;
  }
}

/* A bad default would fail each request of those who cannot change it. */
static bool check_defaults(struct call *c, struct slice defaults) {
  size_t count = 0;
  if (!defaults.len) return true;
  for (struct json_walk w = json_walk_of(defaults); json_walk_next(&w); count++) {
    double number;
    uint64_t whole;
    bool is_numeric =
        json_key_equal(w.key, SLICE("temperature")) || json_key_equal(w.key, SLICE("top_p"));
    bool fine = !is_numeric || json_to_double(w.value, &number);
    if (json_key_equal(w.key, SLICE("max_tokens"))) fine = json_to_u64(w.value, &whole) && whole;
    bool is_ours =
        json_key_equal(w.key, SLICE("model")) || json_key_equal(w.key, SLICE("messages")) ||
        json_key_equal(w.key, SLICE("stream")) || json_key_equal(w.key, SLICE("variables"));
    if (fine && !is_ours && !w.key_escaped && w.key.len <= 64) continue;
    call_fail(c, 400, "defaults", "defaults.%.*s: %s", w.key.len > 64 ? 64 : (int)w.key.len,
              w.key.data,
              is_ours ? "is no default; the version or the caller says it" : "is no such value");
    return false;
  }
  if (count <= DEFAULTS_MAX) return true;
  call_fail(c, 400, "defaults", "defaults: there may be %d", DEFAULTS_MAX);
  return false;
}

static bool check_version(struct call *c, const struct entity *e) {
  struct service_version version = {0};
  struct bytes problem;
  bytes_init(&problem);
  bool fine = service_version_read(e->body, &c->arena, &version, &problem);
  struct slice rest, field = slice_cut(slice_cut(bytes_slice(&problem), ':', &rest), '.', &rest);
  if (!fine) call_fail(c, 400, arena_text(&c->arena, field), "%s", bytes_text(&problem));
  bytes_fini(&problem);
  return fine && check_defaults(c, version.defaults);
}

bool service_row_check(struct call *c, const struct entity *e, bool is_new) {
  if (e->kind == ENTITY_SERVICE) return true;
  if (!is_new && !slice_equal_text(e->state, "draft")) {
    call_fail(c, 409, NULL, "a staged version stays as it is; make a new one");
    return false;
  }
  return check_version(c, e);
}

bool service_row_is_free(struct call *c, const struct entity *e) {
  if (e->kind != ENTITY_SERVICE_VERSION || slice_equal_text(e->state, "draft")) return true;
  call_fail(c, 409, NULL, "only drafts can be removed: bills and logs name this version");
  return false;
}

struct slice version_state(struct call *c, const struct entity *e) {
  const struct service *s = directory_service_get(c->backend.directory, e->owner);
  if (s && s->published && slice_equal(s->published->id, e->id)) return SLICE("published");
  if (s && s->canary && slice_equal(s->canary->id, e->id)) return SLICE("canary");
  return e->state;
}

/* Is there everything that the version names? Loads its policies, away from every loop. */
static bool check_wants(struct call *c, const struct entity *e) {
  struct service_version v = {0};
  struct bytes problem;
  const char *field = "version";
  bytes_init(&problem);
  bool fine = service_version_read(e->body, &c->arena, &v, &problem);
  struct tenant_wants wants = {v.model, v.policies, v.template_name, &v.variables};
  fine = fine && tenant_shelf_check(c->backend.shelf, e->tenant, &wants, &field, &problem);
  while (problem.len && problem.data[problem.len - 1] == '\n')
    problem.len--;
  if (!fine)
    call_fail(c, 400, field, "version %.*s: %.*s", (int)e->name.len, e->name.data, (int)problem.len,
              problem.data);
  bytes_fini(&problem);
  return fine;
}

void version_stage(struct call *c) {
  struct entity old;
  struct row_write w = {.before = &old, .verb = "stage"};
  if (!row_get(c, &old) || !row_expected(c, &old, &w.expected_version)) return;
  if (!service_row_check(c, &old, false) || !check_wants(c, &old)) return;
  w.entity = old;
  w.entity.state = SLICE("staged");
  (void)row_store(c, &w);
}

static struct slice list_json(struct call *c, struct slice list, struct slice more, size_t skip,
                              size_t count) {
  struct bytes out;
  size_t at = 0;
  bytes_init(&out);
  bytes_append_byte(&out, '[');
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w); at++) {
    if (at < skip || at >= skip + count) continue;
    if (out.len > 1) bytes_append_byte(&out, ',');
    bytes_append_slice(&out, w.value);
  }
  if (more.len && out.len > 1) bytes_append_byte(&out, ',');
  bytes_append_slice(&out, more);
  bytes_append_byte(&out, ']');
  struct slice copy = arena_slice(&c->arena, bytes_slice(&out));
  bytes_fini(&out);
  return copy;
}

static size_t length_of(struct slice list, struct slice *last) {
  size_t count = 0;
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w); count++)
    *last = w.value;
  return count;
}

/* The service of the path, with what is published taken out of its body. */
static bool begin(struct call *c, struct entity *old, struct row_write *w) {
  if (!row_get(c, old) || !row_expected(c, old, &w->expected_version)) return false;
  w->before = old;
  w->entity = *old;
  w->entity.body = row_body_without(c, old->body, kept, sizeof kept / sizeof *kept);
  return true;
}

static bool check_number(struct call *c, const struct entity *service, uint64_t number) {
  struct entity version;
  struct slice id = slice_of(arena_printf(&c->arena, "%.*s:%llu", (int)service->id.len,
                                          service->id.data, (unsigned long long)number));
  enum store_result result = row_find_copy(c, ENTITY_SERVICE_VERSION, id, &version);
  if (result == STORE_FINE && slice_equal_text(version.state, "staged"))
    return check_wants(c, &version);
  if (result == STORE_FINE)
    call_fail(c, 409, "version", "version %llu is a draft; stage it first",
              (unsigned long long)number);
  else if (result == STORE_NOT_FOUND)
    call_fail(c, 400, "version", "version: the service has no version %llu",
              (unsigned long long)number);
  else
    call_fail_store(c, result);
  return false;
}

/* A staged version of the service by the body's number. */
static bool take_version(struct call *c, const struct entity *service, uint64_t *number) {
  struct slice given = json_find(c->body, "version");
  if (given.data && json_to_u64(given, number) && *number) return check_number(c, service, *number);
  call_fail(c, 400, "version", "version: expects the number of a staged version");
  return false;
}

static struct slice member_of(const struct entity *service, const char *name) {
  struct slice value = json_find(service->body, name);
  return value.data ? value : (struct slice){"", 0};
}

void service_publish(struct call *c) {
  struct entity old;
  struct row_write w = {.verb = "publish"};
  uint64_t number, before = 0;
  if (!begin(c, &old, &w) || !take_version(c, &old, &number)) return;
  struct slice last, published = member_of(&old, "published"), history = member_of(&old, "history");
  size_t count = length_of(history, &last);
  bool is_same = published.len && json_to_u64(published, &before) && before == number;
  struct slice more = is_same ? (struct slice){"", 0} : published;
  size_t skip = count >= HISTORY_MAX && more.len ? count - HISTORY_MAX + 1 : 0;
  struct slice list = list_json(c, history, more, skip, count);
  row_add_members(c, &w.entity,
                  arena_printf(&c->arena, "\"published\":%llu,\"history\":%.*s",
                               (unsigned long long)number, (int)list.len, list.data));
  (void)row_store(c, &w);
}

void service_canary(struct call *c) {
  struct entity old;
  struct row_write w = {.verb = "canary"};
  uint64_t number = 0, percent = 0;
  struct slice share = json_find(c->body, "percent");
  if (!begin(c, &old, &w)) return;
  if (!share.data || !json_to_u64(share, &percent) || percent > 100) {
    call_fail(c, 400, "percent", "percent: expects a share of callers from 0 to 100");
    return;
  }
  if (percent && !take_version(c, &old, &number)) return;
  struct slice published = member_of(&old, "published"), history = member_of(&old, "history");
  if (!published.len) {
    call_fail(c, 409, NULL, "the service has no published version yet; publish one first");
    return;
  }
  row_add_members(c, &w.entity,
                  arena_printf(&c->arena, "\"published\":%.*s,\"history\":%.*s", (int)published.len,
                               published.data, history.len ? (int)history.len : 2,
                               history.len ? history.data : "[]"));
  if (percent)
    row_add_members(c, &w.entity,
                    arena_printf(&c->arena, "\"canary\":{\"version\":%llu,\"percent\":%llu}",
                                 (unsigned long long)number, (unsigned long long)percent));
  (void)row_store(c, &w);
}

/* A canary ends with it: it was tried beside what is taken back. */
void service_rollback(struct call *c) {
  struct entity old;
  struct row_write w = {.verb = "rollback"};
  struct slice last = {"", 0};
  uint64_t number;
  if (!begin(c, &old, &w)) return;
  struct slice history = member_of(&old, "history");
  size_t count = length_of(history, &last);
  if (!count) {
    call_fail(c, 409, NULL, "no version was published before this one");
    return;
  }
  if (!json_to_u64(last, &number) || !check_number(c, &old, number)) return;
  struct slice list = list_json(c, history, (struct slice){"", 0}, 0, count - 1);
  row_add_members(c, &w.entity,
                  arena_printf(&c->arena, "\"published\":%.*s,\"history\":%.*s", (int)last.len,
                               last.data, (int)list.len, list.data));
  (void)row_store(c, &w);
}

struct collecting {
  struct call *call;
  struct row_write *writes;
  size_t count;
  bool is_used;
};

static void on_dropped(void *context, const struct entity *e) {
  struct collecting *all = context;
  if (all->count == VERSIONS_MAX + 1) return;
  struct row_write *w = &all->writes[all->count++];
  *w = (struct row_write){.entity = {.kind = e->kind}, .is_deletion = true, .verb = "delete"};
  w->entity.id = arena_slice(&all->call->arena, e->id);
  w->entity.tenant = arena_slice(&all->call->arena, e->tenant);
  w->expected_version = e->version;
}

static void on_subscription(void *context, const struct entity *e) {
  struct collecting *all = context;
  if (slice_equal_text(e->state, "approved")) all->is_used = true;
}

static bool collect(struct call *c, const struct entity *service, struct collecting *all) {
  struct entity_query versions = {.kind = ENTITY_SERVICE_VERSION, .owner = service->id},
                      asked = {.kind = ENTITY_SUBSCRIPTION, .owner = service->id};
  struct entity_sink version_sink = {on_dropped, all}, asked_sink = {on_subscription, all};
  struct store *store = c->backend.store;
  enum store_result result = store->calls->list(store, &versions, &version_sink);
  if (result == STORE_FINE) result = store->calls->list(store, &asked, &asked_sink);
  if (result != STORE_FINE)
    call_fail_store(c, result);
  else if (all->is_used)
    call_fail(c, 409, NULL, "it still has an approved subscription; revoke that first");
  return result == STORE_FINE && !all->is_used;
}

void service_delete(struct call *c) {
  struct entity old;
  struct row_write *writes = arena_alloc(&c->arena, (VERSIONS_MAX + 1) * sizeof *writes);
  struct collecting all = {c, writes, 1, false};
  *writes = (struct row_write){.before = &old, .is_deletion = true, .verb = "delete"};
  if (!row_get(c, &old) || !row_expected(c, &old, &writes->expected_version)) return;
  writes->entity = old;
  if (!collect(c, &old, &all) || !row_store_all(c, writes, all.count)) return;
  bytes_clear(&c->out);
  bytes_append_text(&c->out, "{\"object\":\"deleted\",\"id\":");
  json_quote(&c->out, old.id);
  bytes_append_text(&c->out, ",\"deleted\":true}\n");
}
