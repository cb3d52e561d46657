#include <string.h>

#include "config/build.h"

enum { KEY_BYTES_MIN = 1, KEY_BYTES_MAX = 512 };

/* Digests and names that were taken already; admin.key counts as one. */
struct taken {
  struct names names, digests;
};

static bool is_visible(struct slice text) {
  for (size_t i = 0; i < text.len; i++)
    if ((unsigned char)text.data[i] <= 0x20 || (unsigned char)text.data[i] >= 0x7f) return false;
  return true;
}

static bool digest_of(struct build *b, const struct place *at, uint8_t out[SHA256_BYTES]) {
  struct value copy;
  struct place hidden = place_hidden(at, &copy);
  const struct value *v = hidden.value;
  if (v->faulty) return false;
  if (v->type != VALUE_TEXT) {
    problem(b, &hidden, "expects text, %s; put it in quotes", got(b, v));
    return false;
  }
  if (v->text.len < KEY_BYTES_MIN || v->text.len > KEY_BYTES_MAX || !is_visible(v->text)) {
    problem(b, &hidden, "is no key; use %d to %d visible characters", KEY_BYTES_MIN, KEY_BYTES_MAX);
    return false;
  }
  digest_sha256(v->text, out);
  return true;
}

static bool digest_written(struct build *b, const struct place *at, uint8_t out[SHA256_BYTES]) {
  const struct value *v = at->value;
  if (v->type == VALUE_TEXT && digest_from_hex(v->text, out, SHA256_BYTES)) return true;
  problem(b, at, "is no SHA-256; write 64 hexadecimal digits");
  return false;
}

static bool build_digest(struct build *b, const struct place *at, struct static_key *k) {
  struct place key = place_find(at, "key"), digest = place_find(at, "sha256");
  if (key.value && digest.value)
    problem(b, &digest, "stands beside key; keep one of them");
  else if (!key.value && !digest.value)
    problem(b, at, "has no key; write key = env \"NAME\" or sha256 = \"…\"");
  if (key.value) return digest_of(b, &key, k->sha256);
  return digest.value && digest_written(b, &digest, k->sha256);
}

static bool has_wildcard(struct slice glob) {
  return memchr(glob.data, '*', glob.len) || memchr(glob.data, '?', glob.len);
}

static void check_models(struct build *b, const struct place *at, const struct static_key *k) {
  for (size_t i = 0; i < k->model_count; i++) {
    struct slice name = k->models[i];
    if (has_wildcard(name) || names_find(&b->models, name)) continue;
    problem(b, at, "no model is called %s%s; correct the name or use * in it",
            shown(b, at->value, name), meant(b, &b->models, name));
  }
}

static size_t project_parts(struct slice path) {
  size_t parts = 1;
  for (size_t i = 0; i < path.len; i++)
    parts += path.data[i] == '/';
  return parts;
}

static void note_roles(const struct place *at, struct static_key *k) {
  const struct value *v = at->value;
  k->roles_line = at->line;
  k->roles_are_secret = v->secret;
  for (size_t i = 0; i < item_count(v); i++)
    k->roles_are_secret = k->roles_are_secret || v->items[i].value.secret;
}

static void build_key(struct build *b, const struct place *at, struct static_key *k,
                      struct taken *taken) {
  walk_defaults(b, "keys.*", k);
  walk_table(b, at, "keys.*", k);
  if (at->value->type != VALUE_MAP) return;
  struct place name = place_find(at, "name"), roles = place_find(at, "roles");
  struct place models = place_find(at, "models"), project = place_find(at, "project");
  if (!name.value)
    problem(b, at, "has no name; give it one for logs and usage");
  else if (walk_text(b, &name, &k->name) && names_add(&taken->names, k->name, k))
    problem(b, &name, "two keys have this name; rename one");
  const struct static_key *same;
  if (build_digest(b, at, k)) {
    struct slice digest = {(const char *)k->sha256, SHA256_BYTES};
    same = names_add(&taken->digests, digest, k);
    if (same && same->name.len)
      problem(b, at, "is the same key as \"%.*s\"; give each its own", (int)same->name.len,
              same->name.data);
    else if (same)
      problem(b, at, "is the same key as another, or as admin.key; give each its own");
  }
  if (project_parts(k->project) > LIMIT_PROJECTS_MAX)
    problem(b, &project, "has more than %d parts, as far as limits look; name a project above it",
            LIMIT_PROJECTS_MAX);
  if (roles.value) walk_texts(b, &roles, &k->roles, &k->role_count);
  if (roles.value) note_roles(&roles, k);
  if (!models.value) return;
  walk_texts(b, &models, &k->models, &k->model_count);
  check_models(b, &models, k);
  if (models.value->type != VALUE_TEXT && item_count(models.value) == 0 && !models.value->faulty)
    problem(b, &models, "is empty, which would allow all; name models or remove the key");
}

static void build_admin_key(struct build *b, const struct place *root, struct taken *taken) {
  static const struct static_key operators;
  struct config *c = b->config;
  struct place admin = place_find(root, "admin");
  struct place key = place_find(&admin, "key");
  if (!key.value) return;
  c->has_admin_key = digest_of(b, &key, c->admin_key_sha256);
  if (c->has_admin_key) c->admin_key = arena_slice(&c->arena, key.value->text);
  struct slice digest = {(const char *)c->admin_key_sha256, SHA256_BYTES};
  if (c->has_admin_key) names_add(&taken->digests, digest, &operators);
}

static void build_secret(struct build *b, const struct place *root) {
  struct config *c = b->config;
  struct place auth = place_find(root, "auth"), secret = place_find(&auth, "secret");
  struct value copy;
  if (!secret.value || secret.value->faulty) return;
  struct place hidden = place_hidden(&secret, &copy);
  struct slice text;
  if (!walk_text(b, &hidden, &text)) return;
  c->auth.has_secret = digest_from_hex(text, c->auth.secret, sizeof c->auth.secret);
  if (!c->auth.has_secret)
    problem(b, &hidden, "is no secret; it takes 64 hexadecimal digits: openssl rand -hex 32");
}

void build_keys(struct build *b, const struct place *root) {
  struct config *c = b->config;
  build_secret(b, root);
  struct place all = place_find(root, "keys");
  struct taken taken;
  size_t count = all.value && walk_is_list(b, &all, "a list of keys") ? all.value->count : 0;
  names_init(&taken.names, &c->arena, count);
  names_init(&taken.digests, &c->arena, count + 1);
  build_admin_key(b, root, &taken);
  c->keys = arena_alloc(&c->arena, (count + 1) * sizeof *c->keys);
  for (size_t i = 0; i < count; i++) {
    struct place item = place_item(&all, i);
    build_key(b, &item, &c->keys[c->key_count++], &taken);
  }
}
