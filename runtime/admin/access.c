/* Whose rows a caller may see and change. */
#include "admin/api.h"
#include "auth/directory.h"

enum { TENANT_SHOWN = 64 };

struct slice call_actor(struct call *c) {
  if (!c->caller) return SLICE("operator");
  return slice_of(
      arena_printf(&c->arena, "key:%.*s", (int)c->caller->key.len, c->caller->key.data));
}

void call_audit(struct call *c, const char *outcome, struct slice after) {
  struct audit_entry entry = {
      .time_ms = c->now_ms,
      .tenant = c->caller ? c->caller->tenant : (struct slice){"", 0},
      .actor = c->is_stranger ? SLICE("stranger") : call_actor(c),
      .action = slice_of(*c->route->action ? c->route->action : "read"),
      .target = slice_of(arena_printf(&c->arena, "%s %s %.*s", c->route->method, c->route->path,
                                      (int)c->id.len, c->id.data)),
      .outcome = slice_of(outcome),
      .before = {"", 0},
      .after = after,
      .peer = c->peer,
      .request_id = {"", 0}};
  (void)c->backend.store->calls->audit(c->backend.store, &entry);
}

void call_audit_denied(struct call *c, const char *why) {
  struct bytes after;
  bytes_init(&after);
  bytes_append_text(&after, "{\"reason\":");
  json_quote(&after, slice_of(why));
  bytes_append_byte(&after, '}');
  call_audit(c, "denied", bytes_slice(&after));
  bytes_fini(&after);
}

void call_deny(struct call *c) {
  call_fail(c, 403, NULL, "your roles do not allow %s here", c->route->action);
  c->is_denied = true;
}

/* Others' tenants are not there, whether they are or not. */
static void refuse_tenant(struct call *c, struct slice tenant) {
  if (tenant.len > TENANT_SHOWN) tenant.len = TENANT_SHOWN;
  call_fail(c, 404, "tenant", "there is no tenant %.*s", (int)tenant.len, tenant.data);
  c->is_denied = true;
}

void call_deny_at(struct call *c, const struct resource *what) {
  if (c->caller && what->tenant.len && !slice_equal(what->tenant, c->caller->tenant))
    refuse_tenant(c, what->tenant);
  else
    call_deny(c);
}

bool call_may(struct call *c, const struct resource *what) {
  if (!c->caller) return true;
  return permission_check(c->caller, c->action, what, NULL) == PERMISSION_GRANTED;
}

bool call_may_see_project(struct call *c, struct slice project_path) {
  struct slice above = {"", 0};
  if (!c->caller || permission_reach(c->caller, c->action, &above) >= REACH_TENANT) return true;
  return project_is_within(project_path, above);
}

bool call_scope(struct call *c, struct slice wanted, struct slice *tenant) {
  *tenant = wanted;
  if (!c->caller) return true;
  enum reach reach = permission_reach(c->caller, c->action, NULL);
  if (reach == REACH_ALL) return true;
  *tenant = c->caller->tenant;
  bool is_own = tenant->len && (!wanted.len || slice_equal(wanted, *tenant));
  if (reach != REACH_NONE && is_own) return true;
  if (reach == REACH_NONE || !wanted.len)
    call_deny(c);
  else
    refuse_tenant(c, wanted);
  return false;
}

/* A key's user is known by name to the directory, by id to the row. */
struct resource row_resource(struct call *c, const struct entity *e) {
  const struct directory *d = c->backend.directory;
  struct resource what = {.tenant = e->kind == ENTITY_TENANT ? e->id : e->tenant};
  struct slice project = e->kind == ENTITY_PROJECT ? e->id : e->owner;
  struct bytes path;
  bytes_init(&path);
  if ((e->kind == ENTITY_PROJECT || e->kind == ENTITY_KEY) && project.len)
    directory_project_path(d, project, &path);
  what.project = arena_slice(&c->arena, bytes_slice(&path));
  bytes_fini(&path);
  if (e->kind == ENTITY_USER) what.user = e->name;
  if (e->kind == ENTITY_SUBSCRIPTION) subscription_resource(c, e, &what);
  /* Who may see services at all sees those of the own tenant, to ask for them: not their versions.
   */
  bool is_shop_window = e->kind == ENTITY_SERVICE && c->action == ACTION_SERVICES_READ;
  if (is_shop_window && c->caller) what.key = c->caller->key;
  if (e->kind != ENTITY_KEY) return what;
  const struct principal *p = directory_key_find(d, e->id);
  what.key = e->id;
  if (p) what.user = p->user;
  return what;
}

bool call_reaches_tenant(struct call *c) {
  if (!c->caller || permission_reach(c->caller, c->action, NULL) >= REACH_TENANT) return true;
  call_deny(c);
  return false;
}
