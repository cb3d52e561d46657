#include "upstream/pool.h"

#include <stdlib.h>

#include "model/url.h"
#include "upstream/conn.h"

void pool_init(struct pool *p, struct upstream *u) {
  *p = (struct pool){.upstream = u};
  list_init(&p->endpoints);
}

enum { UNLISTED_MAX = 64 }; /* unused ones beyond it are freed */

static void endpoint_free(struct pool *p, struct endpoint *e) {
  if (e->is_unlisted) p->unlisted--;
  list_remove(&e->link);
  free((char *)e->key.data);
  free(e);
}

void pool_close_idle(struct endpoint *e) {
  list_each_safe(node, &e->idle) conn_close(list_entry(node, struct conn, link));
}

void pool_fini(struct pool *p) {
  list_each_safe(node, &p->endpoints) {
    struct endpoint *e = list_entry(node, struct endpoint, link);
    pool_close_idle(e);
    list_each_safe(busy, &e->busy) conn_close(list_entry(busy, struct conn, link));
    endpoint_free(p, e);
  }
  free(p->routes);
}

static void append_option(struct bytes *key, const char *text) {
  bytes_append_byte(key, '\n');
  if (text) bytes_append_text(key, text);
}

static void write_key(struct bytes *key, const struct provider *provider) {
  bytes_append_text(key, provider->is_tls ? "https" : "http");
  bytes_append_byte(key, '\n');
  bytes_append_slice(key, provider->host);
  bytes_append_byte(key, '\n');
  bytes_append_u64(key, provider->port);
  append_option(key, provider->proxy);
  append_option(key, provider->tls.ca_file);
  append_option(key, provider->tls.pin);
  append_option(key, provider->tls.certificate);
  append_option(key, provider->tls.key);
  bytes_append_byte(key, '\n');
  if (provider->addresses) address_policy_write(key, provider->addresses);
}

static struct endpoint *endpoint_find(struct pool *p, struct slice key) {
  list_each(node, &p->endpoints) {
    struct endpoint *e = list_entry(node, struct endpoint, link);
    if (slice_equal(e->key, key)) return e;
  }
  return NULL;
}

/* Attempts that wait for a slot ask for their route again before they dial. */
static void drop_unused(struct pool *p) {
  list_each_safe(node, &p->endpoints) {
    struct endpoint *e = list_entry(node, struct endpoint, link);
    if (e->is_unlisted && list_empty(&e->idle) && list_empty(&e->busy)) endpoint_free(p, e);
  }
}

static struct endpoint *endpoint_new(struct pool *p, struct bytes *key,
                                     const struct provider *provider) {
  struct endpoint *e = must_calloc(1, sizeof *e);
  e->key.data = bytes_take(key, &e->key.len);
  if (!provider->proxy) {
    struct slice at_host = slice_skip(e->key, (provider->is_tls ? 5 : 4) + 1);
    e->host = url_bare_host((struct slice){at_host.data, provider->host.len});
  }
  e->refresh_ms = uv_now(p->upstream->loop) + p->upstream->resolver.fresh_ms;
  list_init(&e->idle);
  list_init(&e->busy);
  e->timers = provider->timers;
  e->is_wanted = e->is_unlisted = provider->index == PROVIDER_UNLISTED || provider->addresses;
  if (e->is_unlisted && ++p->unlisted > UNLISTED_MAX) drop_unused(p);
  list_append(&p->endpoints, &e->link);
  return e;
}

static struct endpoint *endpoint_of(struct pool *p, const struct provider *provider) {
  struct bytes key;
  bytes_init(&key);
  write_key(&key, provider);
  struct endpoint *e = endpoint_find(p, bytes_slice(&key));
  if (!e) e = endpoint_new(p, &key, provider);
  bytes_fini(&key);
  return e;
}

static struct route route_of(struct pool *p, const struct provider *provider) {
  struct gates *gates = p->upstream->gates;
  struct route r = {.provider = provider, .endpoint = endpoint_of(p, provider)};
  if (provider->concurrency) r.gate = gates_provider(gates, provider->name, provider->concurrency);
  return r;
}

static void drop_unwanted(struct pool *p) {
  list_each_safe(node, &p->endpoints) {
    struct endpoint *e = list_entry(node, struct endpoint, link);
    if (e->is_wanted) continue;
    pool_close_idle(e);
    if (list_empty(&e->busy)) endpoint_free(p, e);
  }
}

void pool_load(struct pool *p, const struct config *config) {
  free(p->routes);
  p->routes = must_calloc(config->provider_count + 1, sizeof *p->routes);
  p->route_count = config->provider_count;
  list_each(node, &p->endpoints) {
    struct endpoint *e = list_entry(node, struct endpoint, link);
    e->is_wanted = e->is_unlisted;
  }
  for (size_t i = 0; i < config->provider_count; i++) {
    const struct provider *provider = &config->providers[i];
    must(provider->index == i);
    /* At a reload rather than under the first request. */
    if (provider->is_tls && !provider->tls.ca_file) trust_load(&p->upstream->trusts);
    p->routes[i] = route_of(p, provider);
    p->routes[i].endpoint->is_wanted = true;
    p->routes[i].endpoint->timers = provider->timers;
  }
  drop_unwanted(p);
}

struct route pool_route(struct pool *p, const struct provider *provider) {
  if (provider->index < p->route_count && p->routes[provider->index].provider == provider)
    return p->routes[provider->index];
  return route_of(p, provider);
}

void pool_moved(struct pool *p, struct slice host) {
  list_each(node, &p->endpoints) {
    struct endpoint *e = list_entry(node, struct endpoint, link);
    if (!slice_equal_nocase(e->host, host)) continue;
    e->moves++;
    pool_close_idle(e);
  }
}

/* Requests that find a pooled connection look up nothing: so a host in use is watched here. */
static void watch_host(struct pool *p, struct endpoint *e, uint64_t now) {
  if (now < e->refresh_ms) return;
  e->refresh_ms = now + p->upstream->resolver.fresh_ms;
  if (e->host.len && !url_is_numeric(e->host)) resolver_refresh(&p->upstream->resolver, e->host);
}

struct conn *pool_take(struct pool *p, struct endpoint *e) {
  uint64_t now = uv_now(p->upstream->loop);
  watch_host(p, e, now);
  while (!list_empty(&e->idle)) {
    struct conn *c = list_entry(e->idle.next, struct conn, link);
    bool is_old = e->timers.pool_lifetime_ms && now >= c->created_ms + e->timers.pool_lifetime_ms;
    /* However short it lay here: a server that stops closes right behind its last answer, and what
     * is sent into that close fails, as it may not be sent twice. In a busy turn it is looked at
     * when its request departs. */
    if (!is_old && (gather_is_busy(p->upstream->gather) || conn_is_quiet(c))) return c;
    conn_close(c);
  }
  return NULL;
}
