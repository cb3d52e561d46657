#include "auth/directory.h"

#include <stdlib.h>
#include <string.h>

#include "auth/directory_private.h"
#include "base/ref.h"

static const struct entry nobody;
static _Atomic uint64_t last_serial;

/* The hash is uniform already: its first bytes are the place. */
static size_t slot_of(const struct key_hash *hash) {
  uint64_t head;
  memcpy(&head, hash->bytes, sizeof head);
  return (size_t)head;
}

static void place(struct directory *d, const struct entry *entry) {
  size_t at = slot_of(&entry->hash) & d->mask;
  while (d->slots[at])
    at = (at + 1) & d->mask;
  d->slots[at] = entry;
}

static void place_all(struct directory *d) {
  size_t size = 8;
  while (size < d->entry_count * 2)
    size *= 2;
  d->mask = size - 1;
  d->slots = must_calloc(size, sizeof *d->slots);
  for (size_t i = 0; i < d->entry_count; i++)
    place(d, &d->entries[i]);
}

static struct roles *all_roles(struct directory *d, const struct directory_source *source) {
  struct roles *roles = source->roles ? roles_copy(source->roles) : roles_new();
  for (size_t i = 0; source->rows && i < source->rows->roles.count; i++) {
    const struct entity *e = &source->rows->roles.items[i];
    struct role_file file = {.name = e->name, .tenant = e->tenant};
    (void)roles_add_json(roles, &file, e->body, &d->problems); /* told in problems */
  }
  return roles;
}

/* Who may see all tenants anyway, and who may ask no model anything, do not count. */
static bool is_client(const struct principal *p) {
  uint64_t clients = 0, allowed = 0;
  for (enum action a = 0; a < ACTION_COUNT && !action_is_admin(a); a++)
    clients |= 1ull << a;
  for (size_t i = 0; i < p->grant_count; i++) {
    if (p->grants[i].role->reach == REACH_ALL) return false;
    allowed |= p->grants[i].role->allow;
  }
  return allowed & clients;
}

/* Keys without a tenant are one more. A claim may name any tenant. */
static bool find_several_tenants(const struct directory *d) {
  const struct config *c = d->config;
  struct slice first = {NULL, 0};
  for (size_t i = 0; i < d->principal_count; i++) {
    const struct principal *p = &d->principals[i];
    if (!is_client(p)) continue;
    if (first.data && !slice_equal(p->tenant, first)) return true;
    first = p->tenant.data ? p->tenant : SLICE("");
  }
  for (size_t i = 0; i < c->identity_count; i++) {
    struct slice tenant = c->identities[i].tenant;
    if (!tenant.len || (first.data && !slice_equal(tenant, first))) return true;
    first = tenant;
  }
  return false;
}

static bool has_role(const struct roles *roles, struct slice tenant, struct slice name) {
  for (size_t i = 0; i < roles_count(roles); i++) {
    const struct role *role = roles_at(roles, i);
    bool is_there = !role->tenant.len || !tenant.len || slice_equal(role->tenant, tenant);
    if (is_there && slice_equal(role->name, name)) return true;
  }
  return false;
}

static void check_identity_role(struct directory *d, const struct identity_provider *id,
                                struct slice role) {
  if (!has_role(d->roles, id->tenant, role))
    config_problem(&d->problems, "auth.oidc.%.*s: there is no role %.*s; it gives nothing",
                   (int)id->name.len, id->name.data, (int)role.len, role.data);
}

/* Without a tenant of its own a provider's callers may be of any, and the role any one's. */
static void check_identities(struct directory *d) {
  for (size_t i = 0; i < d->config->identity_count; i++) {
    const struct identity_provider *id = &d->config->identities[i];
    for (size_t r = 0; r < id->role_count; r++)
      check_identity_role(d, id, id->roles[r].role);
    for (size_t r = 0; r < id->default_role_count; r++)
      check_identity_role(d, id, id->default_roles[r]);
  }
}

struct directory *directory_new(const struct directory_source *source) {
  struct directory *d = must_calloc(1, sizeof *d);
  size_t rows = source->rows ? source->rows->keys.count : 0;
  ref_init(&d->refs);
  d->serial = ++last_serial;
  arena_init(&d->arena);
  config_problems_init(&d->problems);
  d->config = config_ref(source->config);
  d->rows = source->rows ? rows_ref(source->rows) : NULL;
  d->secret = arena_slice(&d->arena, source->secret);
  d->roles = all_roles(d, source);
  bool is_matching = source->sets.count == source->config->identity_count;
  d->sets.count = is_matching ? source->sets.count : 0; /* those of another configuration */
  d->sets.items = arena_alloc(&d->arena, (d->sets.count + 1) * sizeof *d->sets.items);
  for (size_t i = 0; i < d->sets.count; i++)
    if (source->sets.items[i]) d->sets.items[i] = jwk_set_ref(source->sets.items[i]);
  d->principals = must_calloc(source->config->key_count + rows + 1, sizeof *d->principals);
  d->entries = must_calloc(source->config->key_count + 2 * rows + 1, sizeof *d->entries);
  check_identities(d);
  directory_add_static(d);
  if (d->rows) directory_add_services(d);
  if (d->rows) directory_add_rows(d);
  place_all(d);
  d->has_several_tenants = find_several_tenants(d);
  d->is_partial = source->is_partial;
  return d;
}

bool directory_is_partial(const struct directory *d) {
  return d->is_partial;
}

struct directory *directory_ref(struct directory *d) {
  ref_take(&d->refs);
  return d;
}

void directory_unref(struct directory *d) {
  if (!d || !ref_drop(&d->refs)) return;
  config_unref(d->config);
  rows_unref(d->rows);
  roles_unref(d->roles);
  for (size_t i = 0; i < d->sets.count; i++)
    jwk_set_unref(d->sets.items[i]);
  config_problems_fini(&d->problems);
  arena_fini(&d->arena);
  free(d->principals);
  free(d->entries);
  free(d->slots);
  free(d);
}

/* Whatever the secret is: the same digests, one walk, one comparison, and the entry's state is
 * looked at last, without a branch before it. */
const struct entry *directory_entry_find(const struct directory *d,
                                         const uint8_t sha256[SHA256_BYTES], int64_t now_ms) {
  struct key_hash hash = key_hash_of_digest(d->secret, sha256);
  size_t at = slot_of(&hash) & d->mask;
  const struct entry *candidate = &nobody;
  for (; d->slots[at]; at = (at + 1) & d->mask) {
    candidate = d->slots[at];
    if (slot_of(&candidate->hash) == slot_of(&hash)) break;
  }
  bool is_same = digest_equal(candidate->hash.bytes, hash.bytes);
  bool is_live = entry_is_live(candidate, now_ms);
  return (is_same & is_live) ? candidate : NULL;
}

const struct principal *directory_find(const struct directory *d, struct slice secret,
                                       int64_t now_ms) {
  uint8_t sha256[SHA256_BYTES];
  digest_sha256(secret, sha256);
  const struct entry *entry = directory_entry_find(d, sha256, now_ms);
  return entry ? entry->principal : NULL;
}

const struct principal *directory_key_find(const struct directory *d, struct slice id) {
  for (size_t i = 0; i < d->principal_count; i++)
    if (slice_equal(d->principals[i].key, id)) return &d->principals[i];
  return NULL;
}

const struct roles *directory_roles(const struct directory *d) {
  return d->roles;
}

struct slice directory_secret(const struct directory *d) {
  return d->secret;
}

const struct config_problems *directory_problems(const struct directory *d) {
  return &d->problems;
}

bool directory_has_several_tenants(const struct directory *d) {
  return d->has_several_tenants;
}

size_t directory_key_count(const struct directory *d) {
  return d->principal_count;
}

struct slice credential_find(struct headers headers) {
  struct slice value = header_find(headers, "authorization");
  if (value.len > 7 && slice_equal_nocase((struct slice){value.data, 7}, SLICE("bearer ")))
    return slice_trim(slice_skip(value, 7));
  value = header_find(headers, "x-api-key");
  if (!value.len) value = header_find(headers, "api-key");
  return slice_trim(value.data ? value : (struct slice){"", 0});
}

bool principal_may_use(const struct principal *p, struct slice model) {
  struct resource resource = {.model = model};
  const struct role *decider;
  if (!globs_match((struct globs){p->models, p->model_count}, model)) return false;
  for (enum action a = 0; !action_is_admin(a); a++)
    if (permission_check(p, a, &resource, &decider) != PERMISSION_DENIED) return true;
  return false;
}
