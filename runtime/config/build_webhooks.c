/* webhooks, webhook_hosts and spend_alert. */
#include "config/build.h"
#include "model/address_policy.h"
#include "model/url.h"

enum { SECRET_BYTES_MIN = 16 };

static const char pattern[] = "webhooks.*";

static void check_url(struct build *b, const struct place *at, struct webhook *w) {
  struct url url;
  if (!at->value || !walk_text(b, at, &w->url)) return;
  const char *wrong = url_parse(w->url, &url);
  if (wrong) {
    problem(b, at, "%s %s; write https://host/path", shown(b, at->value, w->url), wrong);
    return;
  }
  const char *refused =
      address_policy_refuses_host(b->config->webhook_addresses, url.host, url.port);
  if (refused) problem(b, at, "its host %s; add it to webhook_hosts, or correct it", refused);
}

static void build_webhook(struct build *b, const struct place *at, struct webhook *w) {
  walk_defaults(b, pattern, w);
  walk_table(b, at, pattern, w);
  if (at->value->type != VALUE_MAP) return;
  struct place url = place_find(at, "url"), secret = place_find(at, "secret");
  struct place events = place_find(at, "events");
  if (!url.value) problem(b, at, "has no url; say where news are posted to");
  check_url(b, &url, w);
  if (!secret.value)
    problem(b, at, "has no secret; without a signature nobody can tell who sent the news");
  else if (!secret.value->faulty && w->secret.len < SECRET_BYTES_MIN)
    problem(b, &secret, "is shorter than %d characters; use openssl rand -hex 32",
            SECRET_BYTES_MIN);
  if (events.value) walk_texts(b, &events, &w->events, &w->event_count);
}

void build_webhooks(struct build *b, const struct place *root) {
  static const struct address_policy anywhere_public;
  struct config *c = b->config;
  struct place all = place_find(root, "webhooks"), hosts = place_find(root, "webhook_hosts");
  struct slice *texts = NULL;
  size_t count = 0;
  c->webhook_addresses = build_hosts(b, &hosts, &texts, &count);
  if (!c->webhook_addresses) c->webhook_addresses = &anywhere_public;
  if (!all.value || !walk_is_map(b, &all, "a table of webhooks")) return;
  if (all.value->count && slice_equal_text(c->store, "none"))
    problem(b, &all, "needs a store, which remembers what was sent; set store");
  c->webhooks = arena_alloc(&c->arena, (all.value->count + 1) * sizeof *c->webhooks);
  for (size_t i = 0; i < all.value->count; i++) {
    struct place at = place_item(&all, i);
    struct webhook *w = &c->webhooks[c->webhook_count++];
    w->name = arena_slice(&c->arena, at.key);
    build_webhook(b, &at, w);
  }
}
