/* auth.oidc: who else may say who calls. */
#include "config/build.h"

enum { ALGORITHMS = 10 };

static const char *const algorithms[ALGORITHMS] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                                   "PS512", "ES256", "ES384", "ES512", "EdDSA"};

static void take_texts(struct build *b, const struct place *at, const char *key, struct slice **out,
                       size_t *count) {
  struct place list = place_find(at, key);
  if (list.value) walk_texts(b, &list, out, count);
}

static void check_algorithms(struct build *b, const struct place *at,
                             const struct identity_provider *id) {
  struct place list = place_find(at, "algorithms");
  for (size_t i = 0; i < id->algorithm_count; i++) {
    bool is_known = false;
    for (int a = 0; a < ALGORITHMS; a++)
      is_known = is_known || slice_equal_text(id->algorithms[i], algorithms[a]);
    if (!is_known)
      problem(b, &list,
              "%s is no algorithm for tokens; use RS, PS or ES with 256, 384 or 512, or "
              "EdDSA",
              shown(b, list.value, id->algorithms[i]));
  }
}

static void build_mapping(struct build *b, const struct place *at, struct identity_provider *id) {
  struct place roles = place_find(at, "roles");
  if (!roles.value || !walk_is_map(b, &roles, "a table of roles by the claim's value")) return;
  id->roles = arena_alloc(&b->config->arena, (roles.value->count + 1) * sizeof *id->roles);
  for (size_t i = 0; i < roles.value->count; i++) {
    struct place item = place_item(&roles, i);
    struct identity_role *role = &id->roles[id->role_count];
    role->value = arena_slice(&b->config->arena, item.key);
    if (walk_text(b, &item, &role->role)) id->role_count++;
  }
}

static bool is_url(struct slice text) {
  return (slice_starts(text, SLICE("https://")) && text.len > 8) ||
         (slice_starts(text, SLICE("http://")) && text.len > 7);
}

static void build_keys_of(struct build *b, const struct place *at, struct identity_provider *id) {
  struct place url = place_find(at, "jwks_url"), file = place_find(at, "jwks_file");
  struct place text = place_find(at, "jwks");
  if (!!url.value + !!file.value + !!text.value != 1)
    problem(b, at, "takes exactly one of jwks_url, jwks_file and jwks");
  if (url.value && id->jwks_url.len && !is_url(id->jwks_url))
    problem(b, &url, "is no URL; write https://…");
}

static void build_identity(struct build *b, const struct place *at, struct identity_provider *id) {
  id->name = arena_slice(&b->config->arena, at->key);
  walk_defaults(b, "auth.oidc.*", id);
  walk_table(b, at, "auth.oidc.*", id);
  if (at->value->type != VALUE_MAP) return;
  take_texts(b, at, "audience", &id->audiences, &id->audience_count);
  take_texts(b, at, "algorithms", &id->algorithms, &id->algorithm_count);
  take_texts(b, at, "default_roles", &id->default_roles, &id->default_role_count);
  if (!id->audience_count)
    problem(b, at, "has no audience; name the one that its tokens for this gateway carry");
  if (!id->issuer.len) problem(b, at, "has no issuer; write it exactly as in the tokens");
  if (!id->tenant.len && !id->tenant_claim.len)
    problem(b, at, "has no tenant; set tenant, or tenant_claim to read it from the token");
  check_algorithms(b, at, id);
  build_keys_of(b, at, id);
  build_mapping(b, at, id);
}

void build_identities(struct build *b, const struct place *root) {
  struct config *c = b->config;
  struct place auth = place_find(root, "auth"), all = place_find(&auth, "oidc");
  if (!all.value || !walk_is_map(b, &all, "a table of issuers by name")) return;
  c->identities = arena_alloc(&c->arena, (all.value->count + 1) * sizeof *c->identities);
  for (size_t i = 0; i < all.value->count; i++) {
    struct place item = place_item(&all, i);
    struct identity_provider *id = &c->identities[c->identity_count++];
    build_identity(b, &item, id);
    for (size_t k = 0; k + 1 < c->identity_count; k++)
      if (id->issuer.len && slice_equal(c->identities[k].issuer, id->issuer))
        problem(b, &item, "has the issuer of \"%.*s\"; put both into one",
                (int)c->identities[k].name.len, c->identities[k].name.data);
  }
}
