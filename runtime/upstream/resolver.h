/* What names led to, remembered by each loop. An answer is fresh for 60 s; after that a new one is
 * asked for. When nobody can say (the server is silent, or says that it has failed), the old answer
 * goes on serving for a day, and the server is asked again after 30 s (RFC 8767). A server that
 * says that there is no such name is believed. When an answer has no address in common with the one
 * before, the host has moved: pooled connections to it end with the request they serve. */
#pragma once
#include "base/list.h"
#include "upstream/lookup.h"

struct upstream;

enum {
  RESOLVER_NAMES = 1024, /* remembered; beyond it the one unused for longest goes */
  RESOLVER_FRESH_MS = 60 * 1000,
  RESOLVER_RECHECK_MS = 30 * 1000,
  RESOLVER_STALE_MS = 24 * 3600 * 1000,
  RESOLVER_NEGATIVE_MS = 1000
};

struct resolver {
  struct upstream *upstream;
  struct lookups lookups;
  struct list names; /* the one used last in front */
  uint32_t fresh_ms, recheck_ms;
  size_t count;
  bool is_closing;
};

struct resolve_wait {
  struct list link;
  struct name *name;
  /* addresses without an item: there are none, and why says why. Both valid for the call. */
  void (*on_resolved)(struct resolve_wait *w, const struct resolved *addresses, const char *why);
};

void resolver_init(struct resolver *r, struct upstream *u);
void resolver_close(struct resolver *r); /* nobody waits any more */
/* NULL: w waits, and on_resolved will be called unless resolver_cancel comes first. Else the
 * answer, *why as above; valid until the loop goes on. */
const struct resolved *resolver_find(struct resolver *r, struct slice host, struct resolve_wait *w,
                                     const char **why);
/* Asks again for a name that is in use, where the answer is no longer fresh. */
void resolver_refresh(struct resolver *r, struct slice host);
void resolver_cancel(struct resolve_wait *w);
/* w has waited long enough and waits no more: the old answer, if there is one, else NULL. */
const struct resolved *resolver_give_up(struct resolver *r, struct resolve_wait *w);
