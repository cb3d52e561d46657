#include <string.h>

#include "config/build.h"

static bool is_url_path(struct slice text) {
  if (text.len == 0 || text.data[0] != '/') return false;
  for (size_t i = 0; i < text.len; i++)
    if ((unsigned char)text.data[i] <= ' ' || (unsigned char)text.data[i] >= 0x7f ||
        text.data[i] == '?' || text.data[i] == '#')
      return false;
  return true;
}

static void build_aliases(struct build *b, const struct place *at) {
  struct config *c = b->config;
  if (!at->value || !walk_is_map(b, at, "a table of paths")) return;
  c->path_aliases = arena_alloc(&c->arena, (at->value->count + 1) * sizeof *c->path_aliases);
  for (size_t i = 0; i < at->value->count; i++) {
    struct place item = place_item(at, i);
    struct slice to;
    if (!walk_text(b, &item, &to)) continue;
    if (!is_url_path(item.key) || !is_url_path(to))
      problem(b, &item, "is no path; write [\"/from\"] = \"/to\", without query");
    c->path_aliases[c->path_alias_count++] =
        (struct path_alias){arena_slice(&c->arena, item.key), to};
  }
}

static void build_routes(struct build *b, const struct place *at) {
  struct limits *l = &b->config->limits;
  const struct key_row *row = key_find("limits", SLICE("body"));
  if (!at->value || !walk_is_map(b, at, "a table of paths")) return;
  l->routes = arena_alloc(&b->config->arena, (at->value->count + 1) * sizeof *l->routes);
  for (size_t i = 0; i < at->value->count; i++) {
    struct place item = place_item(at, i);
    uint64_t size;
    if (!is_url_path(item.key)) problem(b, &item, "is no path; write [\"/v1/…\"] = \"1MiB\"");
    if (item.value->faulty || !walk_number(b, &item, row, &size)) continue;
    l->routes[l->route_count++] =
        (struct route_limit){arena_slice(&b->config->arena, item.key), (size_t)size};
  }
}

/* scheme://host[:port], as a browser sends it: no path, not even a slash (RFC 6454, 6.2). */
static bool is_origin(struct slice text) {
  if (slice_equal_text(text, "*")) return true;
  const char *sign = text.len ? memmem(text.data, text.len, "://", 3) : NULL;
  if (!sign || sign == text.data) return false;
  struct slice host = slice_skip(text, (size_t)(sign - text.data) + 3);
  if (host.len == 0) return false;
  for (size_t i = 0; i < host.len; i++)
    if ((unsigned char)host.data[i] <= ' ' || (unsigned char)host.data[i] >= 0x7f ||
        strchr("/?#@,*", host.data[i]))
      return false;
  return true;
}

static void build_cors(struct build *b, const struct place *at) {
  struct config *c = b->config;
  if (!at->value) return;
  walk_texts(b, at, &c->cors_origins, &c->cors_origin_count);
  for (size_t i = 0; i < c->cors_origin_count; i++)
    if (!is_origin(c->cors_origins[i]))
      problem(b, at, "%s is no origin; write \"*\" or \"https://host\", without a path",
              shown(b, at->value, c->cors_origins[i]));
}

static void build_content(struct build *b, const struct place *at) {
  struct config *c = b->config;
  struct place key = place_find(at, "key"), tenants = place_find(at, "tenants");
  struct place no_responses = place_find(at, "no_responses");
  struct slice text;
  if (key.value && !key.value->faulty) {
    struct value hidden;
    struct place secret = place_hidden(&key, &hidden);
    bool is_text = walk_text(b, &secret, &text);
    c->content.has_key = is_text && digest_from_hex(text, c->content.key, sizeof c->content.key);
    if (is_text && !c->content.has_key)
      problem(b, &secret, "is no key; it takes 64 hexadecimal digits: openssl rand -hex 32");
  }
  if (tenants.value) walk_texts(b, &tenants, &c->content.tenants, &c->content.tenant_count);
  if (no_responses.value)
    walk_texts(b, &no_responses, &c->content.no_responses, &c->content.no_response_count);
  if (c->content.tenant_count && !key.value)
    problem(b, &tenants, "needs content.key, since content is stored sealed or not at all");
}

void build_protocol(struct build *b, const struct place *root) {
  struct place cors = place_find(root, "cors"), paths = place_find(root, "paths");
  struct place limits = place_find(root, "limits");
  struct place origins = place_find(&cors, "origins"), aliases = place_find(&paths, "aliases");
  struct place routes = place_find(&limits, "body_by_route");
  struct place content = place_find(root, "content");
  build_content(b, &content);
  build_cors(b, &origins);
  build_aliases(b, &aliases);
  build_routes(b, &routes);
}
