/* Principals from the configuration and from rows of the store. */
#include "auth/directory_private.h"
#include "auth/network.h"
#include "auth/service.h"
#include "base/json.h"
#include "model/limit.h"

enum { PROJECT_DEPTH = LIMIT_PROJECTS_MAX };

static const struct slice nothing = {"", 0};

static struct entry *add_entry(struct directory *d, const struct principal *p) {
  struct entry *e = &d->entries[d->entry_count++];
  *e = (struct entry){.is_open = true, .until_ms = INT64_MAX, .principal = p};
  return e;
}

/* names: roles by name, with the project where each holds. */
struct naming {
  struct slice role, project;
};

static void grant(struct directory *d, struct principal *p, const struct naming *names,
                  size_t count) {
  struct grant *grants = arena_alloc(&d->arena, (count + 1) * sizeof *grants);
  struct slice *roles = arena_alloc(&d->arena, (count + 1) * sizeof *roles);
  p->grants = grants;
  p->roles = roles;
  p->grant_count = p->role_count = 0;
  for (size_t i = 0; i < count; i++) {
    const struct role *role = roles_find(d->roles, p->tenant, names[i].role);
    roles[p->role_count++] = names[i].role;
    if (role)
      grants[p->grant_count++] = (struct grant){role, names[i].project};
    else
      config_problem(&d->problems, "key %.*s: there is no role %.*s; it allows nothing",
                     (int)p->key.len, p->key.data, (int)names[i].role.len, names[i].role.data);
  }
}

bool directory_row_is_open(const struct entity *e) {
  return e->state.len == 0 || slice_equal_text(e->state, "active");
}

bool directory_tenant_is_open(const struct directory *d, struct slice tenant, bool is_static) {
  const struct entity *row = d->rows ? row_find(&d->rows->tenants, tenant) : NULL;
  if (row) return directory_row_is_open(row);
  for (size_t i = 0; i < d->config->key_count && !is_static; i++)
    is_static = slice_equal(d->config->keys[i].tenant, tenant);
  return is_static;
}

void directory_add_static(struct directory *d) {
  static const struct naming fallback = {{"developer", 9}, {"", 0}};
  const struct config *c = d->config;
  for (size_t i = 0; i < c->key_count; i++) {
    const struct static_key *key = &c->keys[i];
    struct principal *p = &d->principals[d->principal_count++];
    *p = (struct principal){.key = key->name,
                            .name = key->name,
                            .tenant = key->tenant,
                            .project = key->project,
                            .user = key->user,
                            .models = key->models,
                            .model_count = key->model_count};
    struct naming *names = arena_alloc(&d->arena, (key->role_count + 1) * sizeof *names);
    for (size_t r = 0; r < key->role_count; r++)
      names[r] = (struct naming){key->roles[r], nothing};
    grant(d, p, key->role_count ? names : &fallback, key->role_count ? key->role_count : 1);
    if (!key->role_count) p->role_count = 0; /* scripts see what was written */
    struct entry *e = add_entry(d, p);
    e->hash = key_hash_of_digest(d->secret, key->sha256);
    e->is_open = directory_tenant_is_open(d, p->tenant, true);
  }
}

static struct slice text_of(struct directory *d, struct slice json) {
  struct slice raw = json_string_raw(json);
  if (!raw.len) return nothing;
  struct bytes text;
  bytes_init(&text);
  json_unescape(raw, &text);
  struct slice copy = arena_slice(&d->arena, bytes_slice(&text));
  bytes_fini(&text);
  return copy;
}

void directory_project_path(const struct directory *d, struct slice id, struct bytes *out) {
  struct slice parts[PROJECT_DEPTH];
  size_t count = 0;
  while (id.len) {
    const struct entity *project = d->rows ? row_find(&d->rows->projects, id) : NULL;
    if (!project || count == PROJECT_DEPTH) return; /* one that is gone, or a ring */
    parts[count++] = project->name;
    id = project->owner;
  }
  for (size_t i = count; i-- > 0;) {
    bytes_append_slice(out, parts[i]);
    if (i) bytes_append_byte(out, '/');
  }
}

static struct slice path_of(struct directory *d, struct slice id) {
  struct bytes path;
  bytes_init(&path);
  directory_project_path(d, id, &path);
  struct slice copy = arena_slice(&d->arena, bytes_slice(&path));
  bytes_fini(&path);
  return copy;
}

/* A list that is there and cannot be read must not read as none, which would be all. */
static bool read_texts(struct directory *d, struct slice list, const struct slice **out,
                       size_t *count) {
  enum json_type type = list.data ? json_type(list) : JSON_NULL;
  size_t room = 0;
  *count = 0;
  if (type == JSON_NULL) return true;
  if (type != JSON_ARRAY) return false;
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);)
    room++;
  struct slice *items = arena_alloc(&d->arena, (room + 1) * sizeof *items);
  *out = items;
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);) {
    if (json_type(w.value) != JSON_STRING) return false;
    items[(*count)++] = text_of(d, w.value);
  }
  return true;
}

static bool read_networks(struct directory *d, struct slice list, struct principal *p) {
  const struct slice *texts = NULL;
  size_t count;
  if (!read_texts(d, list, &texts, &count)) return false;
  struct network *networks = arena_alloc(&d->arena, (count + 1) * sizeof *networks);
  for (size_t i = 0; i < count; i++)
    if (!network_parse(texts[i], &networks[i])) return false;
  p->networks = networks;
  p->network_count = count;
  return true;
}

static bool read_time(struct slice value, int64_t *out) {
  *out = INT64_MAX;
  if (!value.data || json_type(value) == JSON_NULL) return true;
  return json_to_i64(value, out);
}

/* "developer", or {"role":"auditor","project":ID}. A project that is gone closes the binding. */
static bool read_naming(struct directory *d, struct slice json, struct naming *out) {
  *out = (struct naming){nothing, nothing};
  if (json_type(json) == JSON_STRING) {
    out->role = text_of(d, json);
    return true;
  }
  struct slice project = json_find(json, "project");
  out->role = text_of(d, json_find(json, "role"));
  if (!project.data || json_type(project) == JSON_NULL) return out->role.len > 0;
  out->project = path_of(d, text_of(d, project));
  return out->role.len && out->project.len;
}

static bool read_roles(struct directory *d, struct principal *p, struct slice list) {
  size_t count = 0, room = 0;
  bool fine = true;
  if (json_type(list) != JSON_ARRAY) return false;
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);)
    room++;
  struct naming *names = arena_alloc(&d->arena, (room + 1) * sizeof *names);
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);) {
    if (read_naming(d, w.value, &names[count]))
      count++;
    else
      fine = false;
  }
  grant(d, p, names, count);
  return fine;
}

static bool has_items(struct slice list) {
  struct json_walk w = json_walk_of(list);
  return list.data && json_type(list) == JSON_ARRAY && json_walk_next(&w);
}

static bool take_roles(struct directory *d, struct principal *p, struct slice body,
                       const struct entity *user) {
  static const struct naming service = {{"service", 7}, {"", 0}};
  struct slice own = json_find(body, "roles");
  struct slice users = user ? json_find(user->body, "roles") : nothing;
  if (has_items(own)) return read_roles(d, p, own);
  if (has_items(users)) return read_roles(d, p, users);
  grant(d, p, &service, 1);
  return !own.data || json_type(own) == JSON_ARRAY || json_type(own) == JSON_NULL;
}

/* Everything it hangs in must be there and open. */
static bool belongs(struct directory *d, const struct entity *key, const struct entity *user,
                    struct slice user_id) {
  if (!directory_tenant_is_open(d, key->tenant, false)) return false;
  if (user_id.len &&
      (!user || !slice_equal(user->tenant, key->tenant) || !directory_row_is_open(user)))
    return false;
  const struct entity *project = row_find(&d->rows->projects, key->owner);
  return !key->owner.len || (project && slice_equal(project->tenant, key->tenant));
}

static void add_previous(struct directory *d, const struct entry *entry, struct slice previous) {
  struct key_hash hash;
  int64_t until_ms;
  if (!key_hash_read(text_of(d, json_find(previous, "lookup")), &hash)) return;
  if (!read_time(json_find(previous, "until_ms"), &until_ms)) return;
  struct entry *e = &d->entries[d->entry_count++];
  *e = *entry;
  e->hash = hash;
  if (until_ms < e->until_ms) e->until_ms = until_ms;
}

static bool read_rules(struct directory *d, struct principal *p, struct slice body) {
  bool models = read_texts(d, json_find(body, "models"), &p->models, &p->model_count);
  bool paths = read_texts(d, json_find(body, "paths"), &p->paths, &p->path_count);
  bool tags = read_texts(d, json_find(body, "tags"), &p->tags, &p->tag_count);
  return read_networks(d, json_find(body, "networks"), p) && models && paths && tags;
}

/* A key of a service goes nowhere else, whatever paths its row names. One whose service is gone is
 * closed. */
static bool bind_service(struct directory *d, struct principal *p, struct slice body) {
  struct slice id = text_of(d, json_find(body, "service"));
  if (!json_find(body, "service").data) return true;
  const struct service *service = directory_service_get(d, id);
  if (!service || !slice_equal(service->tenant, p->tenant)) return false;
  struct slice *path = arena_alloc(&d->arena, sizeof *path);
  *path =
      arena_join(&d->arena, (struct slice[]){SLICE("/service/"), service->name, SLICE("/*")}, 3);
  p->paths = path;
  p->path_count = 1;
  return true;
}

static void add_key(struct directory *d, const struct entity *key) {
  struct slice body = key->body, user_id = text_of(d, json_find(body, "user"));
  const struct entity *user = row_find(&d->rows->users, user_id);
  struct key_hash hash;
  if (!key_hash_read(key->lookup, &hash)) return; /* revoked: it has none */
  struct principal *p = &d->principals[d->principal_count++];
  *p = (struct principal){.key = key->id,
                          .name = key->name.len ? key->name : key->id,
                          .tenant = key->tenant,
                          .project = path_of(d, key->owner),
                          .user = user ? user->name : nothing,
                          .metadata = json_find(body, "metadata")};
  struct entry *e = add_entry(d, p);
  e->hash = hash;
  bool is_read = read_time(json_find(body, "expires_ms"), &e->until_ms);
  is_read = read_rules(d, p, body) && is_read;
  is_read = take_roles(d, p, body, user) && is_read;
  is_read = bind_service(d, p, body) && is_read;
  if (!is_read)
    config_problem(&d->problems, "key %.*s is closed: its row in the store cannot be read",
                   (int)key->id.len, key->id.data);
  e->is_open = is_read && directory_row_is_open(key) && belongs(d, key, user, user_id) &&
               (!key->owner.len || p->project.len); /* else it lies too deep for limits */
  add_previous(d, e, json_find(body, "previous"));
}

void directory_add_rows(struct directory *d) {
  for (size_t i = 0; i < d->rows->keys.count; i++)
    add_key(d, &d->rows->keys.items[i]);
}
