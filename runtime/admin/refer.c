/* People name users and projects; rows name their ids. */
#include "admin/api.h"
#include "auth/directory.h"

struct named {
  struct call *call;
  struct slice wanted, id;
  size_t count;
};

static bool is_called(struct named *n, const struct entity *e) {
  struct call *c = n->call;
  struct bytes path;
  if (e->kind == ENTITY_USER)
    return slice_equal(e->name, n->wanted) ||
           slice_equal_nocase(call_text(c, e->body, "email"), n->wanted);
  bytes_init(&path);
  directory_project_path(c->backend.directory, e->id, &path);
  bool is_same = slice_equal(bytes_slice(&path), n->wanted);
  bytes_fini(&path);
  return is_same;
}

static void on_row(void *context, const struct entity *e) {
  struct named *n = context;
  if (!is_called(n, e)) return;
  if (n->count++ == 0) n->id = arena_slice(&n->call->arena, e->id);
}

/* *name becomes the id of the row of that name. One that nobody bears is left for the check that
 * comes later; so is an id. */
static bool find(struct call *c, enum entity_kind kind, struct slice tenant, struct slice *name) {
  struct entity e;
  struct named named = {.call = c, .wanted = *name};
  struct entity_query query = {.kind = kind, .tenant = tenant};
  struct entity_sink sink = {on_row, &named};
  if (!name->len || !tenant.len) return true;
  enum store_result result = row_find_copy(c, kind, *name, &e);
  if (result == STORE_NOT_FOUND)
    result = c->backend.store->calls->list(c->backend.store, &query, &sink);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return false;
  }
  if (named.count == 1) *name = named.id;
  if (named.count < 2) return true;
  const char *field = kind == ENTITY_USER ? "user" : "project";
  call_fail(c, 400, field, "%s: several are called %.*s; name one by its id, such as %.*s", field,
            (int)name->len, name->data, (int)named.id.len, named.id.data);
  return false;
}

/* Of others' tenants nothing is looked up: the refusal must not depend on what is there. */
static bool is_reachable(struct call *c, struct slice tenant) {
  return !c->caller || slice_equal(tenant, c->caller->tenant) ||
         permission_reach(c->caller, c->action, NULL) == REACH_ALL;
}

static bool refer_member(struct call *c, struct entity *e, enum entity_kind kind,
                         const char *member) {
  struct slice given = call_text(c, e->body, member), id = given;
  if (!find(c, kind, e->tenant, &id)) return false;
  if (slice_equal(id, given)) return true;
  e->body = row_body_without(c, e->body, &member, 1);
  row_add_members(c, e, arena_printf(&c->arena, "\"%s\":\"%.*s\"", member, (int)id.len, id.data));
  return true;
}

bool row_refer(struct call *c, struct entity *e) {
  if (!is_reachable(c, e->tenant)) return true;
  switch (e->kind) {
  case ENTITY_PROJECT: return find(c, ENTITY_PROJECT, e->tenant, &e->owner);
  case ENTITY_KEY:
    return find(c, ENTITY_PROJECT, e->tenant, &e->owner) && refer_member(c, e, ENTITY_USER, "user");
  case ENTITY_SUBSCRIPTION:
    return refer_member(c, e, ENTITY_PROJECT, "project") && refer_member(c, e, ENTITY_USER, "user");
  default: return true;
  }
}
