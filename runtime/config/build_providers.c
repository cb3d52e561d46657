#include <string.h>

#include "config/build.h"
#include "model/header.h"
#include "model/url.h"

static bool is_framing(struct slice name) {
  static const char *const framing[] = {"host",    "content-length", "transfer-encoding",
                                        "upgrade", "connection",     "keep-alive",
                                        "te",      "trailer",        "expect"};
  for (size_t i = 0; i < sizeof framing / sizeof *framing; i++)
    if (slice_equal_nocase(name, slice_of(framing[i]))) return true;
  return false;
}

static bool has_header(const struct provider *p, struct slice name) {
  for (size_t i = 0; i < p->header_count; i++)
    if (slice_equal_nocase(p->headers[i].name, name)) return true;
  return false;
}

static void build_header(struct build *b, const struct place *at, struct provider *p) {
  struct value copy;
  struct place hidden = place_hidden(at, &copy); /* a header may be a key that was written out */
  struct slice value;
  if (!walk_text(b, &hidden, &value)) return;
  if (!header_is_clean(at->key, value))
    problem(b, at, "is no proper header; use letters, digits and - in its name");
  else if (is_framing(at->key))
    problem(b, at, "is a header that Gateyes writes itself; remove it");
  else if (has_header(p, at->key))
    problem(b, at, "two headers of one name; keep one");
  else
    p->headers[p->header_count++] =
        (struct config_header){arena_slice(&b->config->arena, at->key), value};
}

static void build_headers(struct build *b, const struct place *at, struct provider *p) {
  if (!at->value || !walk_is_map(b, at, "a table of headers")) return;
  p->headers = arena_alloc(&b->config->arena, (at->value->count + 1) * sizeof *p->headers);
  for (size_t i = 0; i < at->value->count; i++) {
    struct place item = place_item(at, i);
    build_header(b, &item, p);
  }
}

static bool is_pin(struct slice text) {
  struct slice rest = text, prefix = SLICE("sha256//");
  while (rest.len) {
    struct slice one = slice_cut(rest, ';', &rest);
    if (one.len != prefix.len + 44 || !slice_starts(one, prefix)) return false;
  }
  return text.len > 0;
}

static void build_tls(struct build *b, const struct place *at, struct provider *p) {
  struct slice pin;
  if (!at->value || at->value->type != VALUE_MAP) return;
  if (p->base_url.len && !p->is_tls)
    problem(b, at, "has no effect on an http:// base_url; use https:// or remove it");
  struct place where = place_find(at, "pin");
  if (where.value && walk_text(b, &where, &pin)) {
    p->tls.pin = pin.data;
    if (!is_pin(pin)) problem(b, &where, "is no pin; write sha256// and 44 characters of base64");
  }
  if (!value_find(at->value, "certificate") != !value_find(at->value, "key"))
    problem(b, at, "has a certificate without a key, or a key without; give both");
}

static void build_proxy(struct build *b, const struct place *at, struct provider *p) {
  static const char *const schemes[] = {"http://", "https://", "socks5://", "socks5h://"};
  struct value copy;
  struct slice text;
  if (!at->value) return;
  struct place hidden = place_hidden(at, &copy);
  if (!walk_text(b, &hidden, &text)) return;
  p->proxy = text.data;
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
    if (slice_starts(text, slice_of(schemes[i])) && text.len > strlen(schemes[i])) return;
  problem(b, at, "is no proxy; write http://, https://, socks5:// or socks5h:// and a host");
}

static void build_credential(struct build *b, const struct place *at, struct provider *p) {
  if (at->value && p->credential.len && !header_is_clean(SLICE("authorization"), p->credential))
    problem(b, at, "cannot be sent in a header; remove what is no visible character");
}

static void build_load(struct build *b, const struct place *at, struct provider *p) {
  struct place load = place_find(at, "load"), where = place_find(&load, "url");
  struct slice text;
  struct url url;
  if (!load.value || load.value->type != VALUE_MAP) return;
  if (!where.value) problem(b, &load, "has no url; write load = { url = \"/metrics\" }");
  if (!where.value || !walk_text(b, &where, &text)) return;
  if (text.data[0] != '/') {
    p->load_url = text;
    if (url_parse(text, &url))
      problem(b, &where, "is no URL; write /metrics or http://host/metrics");
    return;
  }
  const struct slice parts[] = {p->scheme, SLICE("://"), p->host, text};
  if (!url_is_path(text)) problem(b, &where, "is no path of a URL; write /metrics");
  p->load_url = arena_join(&b->config->arena, parts, 4);
}

static void build_provider(struct build *b, const struct place *at, struct provider *p) {
  walk_defaults(b, "providers.*", p);
  p->timers = b->config->upstream;
  walk_table(b, at, "providers.*", p);
  if (at->value->type != VALUE_MAP) return;
  if (value_find(value_find(at->value, "timeouts"), "head")) p->timers.head_is_set = true;
  struct place adapter = place_find(at, "adapter"), url = place_find(at, "base_url");
  struct place headers = place_find(at, "headers"), tls = place_find(at, "tls");
  struct place proxy = place_find(at, "proxy"), credential = place_find(at, "credential");
  p->line = adapter.line;
  if (!adapter.value)
    problem(b, at, "has no adapter; say which protocol it speaks, such as adapter = \"openai\"");
  if (!url.value)
    problem(b, at, "has no base_url; say where its API begins");
  else
    parse_base_url(b, &url, p);
  build_credential(b, &credential, p);
  build_headers(b, &headers, p);
  build_tls(b, &tls, p);
  build_proxy(b, &proxy, p);
  build_load(b, at, p);
}

static void check_name(struct build *b, const struct place *at) {
  if (at->key.len == 0 || text_has_control(at->key) || memchr(at->key.data, '/', at->key.len))
    problem(b, at, "is no name for a provider; use no control bytes and no /");
}

void build_providers(struct build *b, const struct place *root) {
  struct place all = place_find(root, "providers");
  bool is_given = all.value && walk_is_map(b, &all, "a table of providers");
  size_t count = is_given ? all.value->count : 0, below = b->base ? b->base->provider_count : 0;
  struct config *c = b->config;
  c->providers = arena_alloc(&c->arena, (count + 1) * sizeof *c->providers);
  names_init(&b->providers, &c->arena, count + below);
  for (size_t i = 0; i < count; i++) {
    struct place at = place_item(&all, i);
    struct provider *p = &c->providers[c->provider_count];
    check_name(b, &at);
    p->name = arena_slice(&c->arena, at.key);
    p->index = (uint32_t)c->provider_count++;
    names_add(&b->providers, p->name, p);
    if (!b->base || tenant_may_provide(b, &at)) build_provider(b, &at, p);
    if (b->base) tenant_own_provider(b, &at, p);
  }
  for (size_t i = 0; i < below; i++)
    names_add(&b->providers, b->base->providers[i].name, &b->base->providers[i]);
}
