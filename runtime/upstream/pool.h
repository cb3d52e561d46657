/* Connections of one loop, by endpoint: an endpoint is what makes two connections interchangeable
 * (scheme, host, port, TLS options, proxy), so it outlives reloads that do not touch it. */
#pragma once
#include "base/list.h"
#include "config/config.h"

struct upstream;
struct conn;
struct gate;

struct endpoint {
  struct list link;
  struct slice key; /* owned text */
  struct list idle; /* struct conn, the one used last in front */
  struct list busy;
  struct slice host;   /* of key: the name that addresses are asked for; empty: behind a proxy */
  uint64_t refresh_ms; /* when to ask again */
  unsigned moves;      /* how often the name has got wholly new addresses */
  struct upstream_timers timers; /* pool_idle_ms and pool_lifetime_ms count here */
  bool is_wanted;                /* the current configuration names it, or it is unlisted */
  bool is_unlisted; /* made for a provider that no configuration lists: goes when it is unused */
};

struct route { /* where requests of one provider go */
  const struct provider *provider;
  struct endpoint *endpoint;
  struct gate *gate; /* NULL: the provider has no limit of its own */
};

struct pool {
  struct upstream *upstream;
  struct list endpoints;
  size_t unlisted;
  struct route *routes; /* by provider.index of the current configuration */
  size_t route_count;
  size_t open; /* connections */
};

void pool_init(struct pool *p, struct upstream *u);
void pool_fini(struct pool *p);
void pool_load(struct pool *p, const struct config *config);
/* Also for providers of an older configuration that requests in flight still use. */
struct route pool_route(struct pool *p, const struct provider *provider);
/* A usable idle connection, now busy; NULL when there is none. */
struct conn *pool_take(struct pool *p, struct endpoint *e);
/* host has wholly new addresses. */
void pool_moved(struct pool *p, struct slice host);
void pool_close_idle(struct endpoint *e);
