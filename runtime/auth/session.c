#include "auth/session.h"

#include <stdlib.h>
#include <string.h>

#include "auth/directory_private.h"
#include "base/json.h"

enum { SESSIONS = 4096 /* a power of two */ };

struct session {
  unsigned refs;
  struct directory *directory;
  struct arena arena;
  struct principal principal;
  int64_t expires_ms;
};

struct sessions {
  struct {
    uint8_t sha256[SHA256_BYTES];
    struct session *session;
  } slots[SESSIONS];
};

static const struct slice nothing = {"", 0};

static struct slice claim_text(struct session *s, struct slice claims, struct slice path) {
  if (!path.len) return nothing;
  struct slice value = json_find_path(claims, arena_text(&s->arena, path));
  struct bytes text;
  bytes_init(&text);
  bool is_text = value.data && json_string(value, &text);
  struct slice copy = is_text ? arena_slice(&s->arena, bytes_slice(&text)) : nothing;
  bytes_fini(&text);
  return copy;
}

static void grant(struct session *s, struct slice name) {
  struct principal *p = &s->principal;
  const struct role *role = roles_find(s->directory->roles, p->tenant, name);
  if (!role) return;
  ((struct grant *)p->grants)[p->grant_count++] = (struct grant){.role = role};
  ((struct slice *)p->roles)[p->role_count++] = name;
}

static void grant_value(struct session *s, const struct identity_provider *id, struct slice json) {
  struct slice raw = json_string_raw(json);
  for (size_t i = 0; raw.len && i < id->role_count; i++)
    if (json_key_equal(raw, id->roles[i].value)) {
      bool is_held = false;
      for (size_t k = 0; k < s->principal.role_count; k++)
        is_held = is_held || slice_equal(s->principal.roles[k], id->roles[i].role);
      if (!is_held) grant(s, id->roles[i].role);
    }
}

static void grant_all(struct session *s, const struct identity_provider *id, struct slice claims) {
  size_t room = id->role_count + id->default_role_count + 1;
  s->principal.grants = arena_alloc(&s->arena, room * sizeof(struct grant));
  s->principal.roles = arena_alloc(&s->arena, room * sizeof(struct slice));
  struct slice value = id->roles_claim.len
                           ? json_find_path(claims, arena_text(&s->arena, id->roles_claim))
                           : (struct slice){NULL, 0};
  if (value.data && json_type(value) == JSON_ARRAY)
    for (struct json_walk w = json_walk_of(value); json_walk_next(&w);)
      grant_value(s, id, w.value);
  else if (value.data)
    grant_value(s, id, value);
  if (s->principal.grant_count) return;
  for (size_t i = 0; i < id->default_role_count; i++)
    grant(s, id->default_roles[i]);
}

/* A user whose row is blocked is so whatever the token says. */
static bool is_user_open(const struct directory *d, const struct principal *p) {
  for (size_t i = 0; d->rows && p->user.len && i < d->rows->users.count; i++) {
    const struct entity *u = &d->rows->users.items[i];
    bool is_same = slice_equal(u->tenant, p->tenant) &&
                   (slice_equal(u->id, p->user) || slice_equal(u->name, p->user));
    if (is_same && !directory_row_is_open(u)) return false;
  }
  return true;
}

static bool take_claims(struct session *s, const struct identity_provider *id,
                        struct slice claims) {
  struct principal *p = &s->principal;
  bool is_fixed = id->tenant.len > 0;
  p->tenant = is_fixed ? id->tenant : claim_text(s, claims, id->tenant_claim);
  p->user = claim_text(s, claims, id->user_claim);
  p->project = claim_text(s, claims, id->project_claim);
  struct slice parts[] = {id->name, SLICE(":"), p->user};
  p->key = p->name = arena_join(&s->arena, parts, 3);
  grant_all(s, id, claims);
  return p->tenant.len && p->user.len && !project_is_deep(p->project) &&
         directory_tenant_is_open(s->directory, p->tenant, is_fixed) &&
         is_user_open(s->directory, p);
}

static const struct identity_provider *identity_of(const struct directory *d, struct slice token,
                                                   struct jwk_set **keys) {
  struct bytes issuer;
  const struct identity_provider *found = NULL;
  bytes_init(&issuer);
  bool is_named = jwt_issuer(token, &issuer);
  for (size_t i = 0; is_named && i < d->sets.count && !found; i++)
    if (slice_equal(d->config->identities[i].issuer, bytes_slice(&issuer))) {
      found = &d->config->identities[i];
      *keys = d->sets.items[i];
    }
  bytes_fini(&issuer);
  return found;
}

static uint32_t accepted(const struct identity_provider *id) {
  uint32_t bits = id->algorithm_count ? 0 : (1u << JWT_ALGORITHMS) - 1;
  enum jwt_algorithm one;
  for (size_t i = 0; i < id->algorithm_count; i++)
    if (jwt_algorithm_find(id->algorithms[i], &one)) bits |= 1u << one;
  return bits;
}

static enum jwt_result verify(struct session *s, struct slice token, int64_t now_ms) {
  struct jwk_set *keys = NULL;
  const struct identity_provider *id = identity_of(s->directory, token, &keys);
  if (!id) return JWT_ISSUER;
  if (!keys) return JWT_UNKNOWN_KEY; /* not fetched yet */
  struct jwt_rules rules = {id->issuer,   id->audiences, id->audience_count,
                            accepted(id), id->leeway_s,  now_ms};
  struct bytes claims;
  bytes_init(&claims);
  enum jwt_result result = jwt_verify(token, keys, &rules, &claims, &s->expires_ms);
  if (result == JWT_UNKNOWN_KEY) jwk_set_want(keys);
  if (result == JWT_FINE && !take_claims(s, id, bytes_slice(&claims))) result = JWT_CLAIMS;
  bytes_fini(&claims);
  return result;
}

struct session *session_open(struct directory *d, struct slice token, int64_t now_ms,
                             enum jwt_result *why) {
  struct session *s = must_calloc(1, sizeof *s);
  s->refs = 1;
  s->directory = directory_ref(d);
  arena_init(&s->arena);
  *why = verify(s, token, now_ms);
  if (*why == JWT_FINE) return s;
  session_unref(s);
  return NULL;
}

const struct principal *session_principal(const struct session *s) {
  return &s->principal;
}

struct session *session_ref(struct session *s) {
  s->refs++;
  return s;
}

void session_unref(struct session *s) {
  if (!s || --s->refs) return;
  directory_unref(s->directory);
  arena_fini(&s->arena);
  free(s);
}

struct sessions *sessions_new(void) {
  return must_calloc(1, sizeof(struct sessions));
}

void sessions_clear(struct sessions *s) {
  for (size_t i = 0; i < SESSIONS; i++) {
    session_unref(s->slots[i].session);
    s->slots[i].session = NULL;
  }
}

void sessions_free(struct sessions *s) {
  if (!s) return;
  sessions_clear(s);
  free(s);
}

struct session *sessions_find(struct sessions *s, struct directory *d, struct slice token,
                              int64_t now_ms, enum jwt_result *why) {
  uint8_t digest[SHA256_BYTES];
  *why = JWT_MALFORMED;
  if (!d->sets.count || !jwt_is_shaped(token)) return NULL;
  digest_sha256(token, digest);
  size_t at = (digest[0] | (size_t)digest[1] << 8) % SESSIONS;
  struct session *known = s->slots[at].session;
  if (known && known->directory == d && now_ms < known->expires_ms &&
      digest_equal(s->slots[at].sha256, digest)) {
    *why = JWT_FINE;
    return session_ref(known);
  }
  struct session *fresh = session_open(d, token, now_ms, why);
  if (!fresh) return NULL;
  session_unref(known);
  memcpy(s->slots[at].sha256, digest, sizeof digest);
  s->slots[at].session = session_ref(fresh);
  return fresh;
}
