/* Who may call a service: somebody asks, somebody else looks at it, and a key for that service
 * alone is the answer. */
#include "admin/api.h"
#include "auth/directory.h"

void subscription_resource(struct call *c, const struct entity *e, struct resource *what) {
  struct slice project = call_text(c, e->body, "project"), id = call_text(c, e->body, "user"),
               asker = call_text(c, e->body, "requested_by");
  struct entity user;
  struct bytes path;
  bytes_init(&path);
  if (project.len) directory_project_path(c->backend.directory, project, &path);
  what->project = arena_slice(&c->arena, bytes_slice(&path));
  bytes_fini(&path);
  if (id.len && row_find_copy(c, ENTITY_USER, id, &user) == STORE_FINE &&
      slice_equal(user.tenant, e->tenant))
    what->user = user.name;
  /* Asked for nobody else: the asker's own. */
  if (!project.len && !id.len && slice_starts(asker, SLICE("key:")))
    what->key = slice_skip(asker, 4);
}

static bool begin(struct call *c, const char *wanted, struct entity *old, struct row_write *w) {
  if (!row_get(c, old) || !row_expected(c, old, &w->expected_version)) return false;
  w->before = old;
  w->entity = *old;
  if (slice_equal_text(old->state, wanted)) return true;
  call_fail(c, 409, NULL, "it is %.*s already", (int)old->state.len, old->state.data);
  return false;
}

static void note_decision(struct call *c, struct row_write *w, const char *state) {
  struct slice by = call_actor(c), reason = call_text(c, c->body, "reason");
  struct bytes text;
  static const char *const own[] = {"decided_by", "reason"};
  bytes_init(&text);
  bytes_append_text(&text, "\"decided_by\":");
  json_quote(&text, by);
  if (reason.len) {
    bytes_append_text(&text, ",\"reason\":");
    json_quote(&text, reason.len > 256 ? (struct slice){reason.data, 256} : reason);
  }
  w->entity.state = slice_of(state);
  w->entity.body = row_body_without(c, w->entity.body, own, 2);
  row_add_members(c, &w->entity, bytes_text(&text));
  bytes_fini(&text);
}

void subscription_reject(struct call *c) {
  struct entity old;
  struct row_write w = {.verb = "reject"};
  if (!begin(c, "requested", &old, &w)) return;
  note_decision(c, &w, "rejected");
  (void)row_store(c, &w);
}

/* With the role of a program, which manages nothing; its service says which models there are. */
static void make_key(struct call *c, const struct entity *asked, struct entity *key) {
  struct slice user = call_text(c, asked->body, "user");
  struct slice expires = json_find(c->body, "expires_ms");
  struct bytes body;
  *key = (struct entity){.kind = ENTITY_KEY, .tenant = asked->tenant, .name = asked->name};
  key->id = row_new_id(c, ENTITY_KEY);
  key->owner = call_text(c, asked->body, "project");
  bytes_init(&body);
  bytes_append_text(&body, "{\"roles\":[\"service\"],\"service\":");
  json_quote(&body, asked->owner);
  bytes_append_text(&body, ",\"subscription\":");
  json_quote(&body, asked->id);
  if (user.len) {
    bytes_append_text(&body, ",\"user\":");
    json_quote(&body, user);
  }
  if (expires.data) {
    bytes_append_text(&body, ",\"expires_ms\":");
    bytes_append_slice(&body, expires);
  }
  bytes_append_byte(&body, '}');
  key->body = arena_slice(&c->arena, bytes_slice(&body));
  bytes_fini(&body);
}

static bool check_expires(struct call *c) {
  struct slice expires = json_find(c->body, "expires_ms");
  uint64_t ms;
  if (!expires.data || (json_to_u64(expires, &ms) && ms < INT64_MAX)) return true;
  call_fail(c, 400, "expires_ms", "expires_ms: expects milliseconds since 1970");
  return false;
}

/* One person may have several keys. */
static bool is_own(struct call *c, const struct entity *asked) {
  struct slice asker = call_text(c, asked->body, "requested_by");
  if (slice_equal(asker, call_actor(c))) return true;
  if (!c->caller || !slice_starts(asker, SLICE("key:"))) return false;
  const struct principal *p = directory_key_find(c->backend.directory, slice_skip(asker, 4));
  return p && p->user.len && slice_equal(p->tenant, c->caller->tenant) &&
         slice_equal(p->user, c->caller->user);
}

/* The subscription's service may have gone since. */
static bool check_service(struct call *c, const struct entity *asked) {
  struct entity service;
  enum store_result result = row_find_copy(c, ENTITY_SERVICE, asked->owner, &service);
  struct slice wish =
      result == STORE_FINE ? json_find(service.body, "four_eyes") : (struct slice){NULL, 0};
  bool is_strict = wish.data && json_type(wish) == JSON_TRUE;
  if (result == STORE_FINE && (!is_strict || !is_own(c, asked))) return true;
  if (result == STORE_FINE) {
    call_fail(c, 403, NULL,
              "the service wants four eyes: somebody else has to approve what you asked for");
    c->is_denied = true;
  } else if (result != STORE_NOT_FOUND)
    call_fail_store(c, result);
  else
    call_fail(c, 409, NULL, "its service is no more");
  return false;
}

void subscription_approve(struct call *c) {
  struct entity old;
  struct row_write writes[2] = {{.verb = "approve"}, {.verb = "create"}};
  struct entity *key = &writes[1].entity;
  if (!check_expires(c) || !begin(c, "requested", &old, &writes[0]) || !check_service(c, &old))
    return;
  make_key(c, &old, key);
  if (!row_check(c, key, true)) return;
  note_decision(c, &writes[0], "approved");
  row_add_members(c, &writes[0].entity,
                  arena_printf(&c->arena, "\"key\":\"%.*s\"", (int)key->id.len, key->id.data));
  key_seal(c, key, &writes[0].extra);
  (void)row_store_all(c, writes, 2);
}

void subscription_revoke(struct call *c) {
  static const char *const secrets[] = {"previous"};
  struct entity old, key;
  struct row_write writes[2] = {{.verb = "revoke"}, {.before = &key, .verb = "revoke"}};
  if (!begin(c, "approved", &old, &writes[0])) return;
  note_decision(c, &writes[0], "revoked");
  enum store_result result = row_find_copy(c, ENTITY_KEY, call_text(c, old.body, "key"), &key);
  if (result != STORE_FINE && result != STORE_NOT_FOUND) {
    call_fail_store(c, result);
    return;
  }
  writes[1].entity = key;
  writes[1].entity.state = SLICE("revoked");
  writes[1].entity.body =
      result == STORE_FINE ? row_body_without(c, key.body, secrets, 1) : key.body;
  writes[1].expected_version = key.version;
  (void)row_store_all(c, writes, result == STORE_FINE ? 2 : 1);
}
