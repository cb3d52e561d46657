#include "upstream/resolver.h"

#include <stdlib.h>

#include "upstream/upstream.h"

struct name {
  struct list link;
  struct lookup lookup;
  struct resolver *resolver;
  char *host;
  struct list waits;
  struct resolved found;
  uint64_t found_ms, fresh_until_ms; /* fresh: found is the answer, even where it is empty */
  bool is_asking;
  const char *why;
  char reason[128];
};

static void on_answer(struct lookup *l, enum lookup_result result, const struct resolved *found,
                      const char *why);

static void name_free(struct name *n) {
  list_remove(&n->link);
  n->resolver->count--;
  free(n->host);
  free(n);
}

static void forget_one(struct resolver *r) {
  for (struct list *node = r->names.prev; node != &r->names; node = node->prev) {
    struct name *n = list_entry(node, struct name, link);
    if (n->is_asking || !list_empty(&n->waits)) continue;
    name_free(n);
    return;
  }
}

static struct name *name_new(struct resolver *r, struct slice host) {
  struct name *n = must_calloc(1, sizeof *n);
  if (r->count >= RESOLVER_NAMES) forget_one(r);
  n->resolver = r;
  n->lookup.on_answer = on_answer;
  n->host = must_alloc(host.len + 1);
  memcpy(n->host, host.data, host.len);
  n->host[host.len] = 0;
  n->why = "";
  list_init(&n->waits);
  list_prepend(&r->names, &n->link);
  r->count++;
  return n;
}

static struct name *name_get(struct resolver *r, struct slice host) {
  list_each(node, &r->names) {
    struct name *n = list_entry(node, struct name, link);
    if (!slice_equal_nocase(slice_of(n->host), host)) continue;
    list_remove(node);
    list_prepend(&r->names, node);
    return n;
  }
  return name_new(r, host);
}

static uint64_t now_of(const struct name *n) {
  return uv_now(n->resolver->upstream->loop);
}

static bool has_stale(const struct name *n) {
  return n->found.count > 0 && now_of(n) < n->found_ms + RESOLVER_STALE_MS;
}

static void hold(struct name *n, uint32_t for_ms) {
  n->fresh_until_ms = now_of(n) + for_ms;
}

static bool holds(const struct resolved *all, const struct resolved_address *one) {
  for (size_t i = 0; i < all->count; i++) {
    const struct resolved_address *a = &all->items[i];
    if (a->any.sa_family != one->any.sa_family) continue;
    if (a->any.sa_family == AF_INET
            ? a->v4.sin_addr.s_addr == one->v4.sin_addr.s_addr
            : memcmp(&a->v6.sin6_addr, &one->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0)
      return true;
  }
  return false;
}

static bool has_moved(const struct resolved *from, const struct resolved *to) {
  for (size_t i = 0; i < to->count; i++)
    if (holds(from, &to->items[i])) return false;
  return from->count > 0 && to->count > 0;
}

static void learn(struct name *n, enum lookup_result result, const struct resolved *found,
                  const char *why) {
  snprintf(n->reason, sizeof n->reason, "%s", why);
  n->why = n->reason;
  if (result == LOOKUP_FAILED && has_stale(n)) {
    hold(n, n->resolver->recheck_ms);
    return;
  }
  bool moved = has_moved(&n->found, found);
  n->found = *found;
  n->found_ms = now_of(n);
  hold(n, result == LOOKUP_FOUND ? n->resolver->fresh_ms : RESOLVER_NEGATIVE_MS);
  if (moved) pool_moved(&n->resolver->upstream->pool, slice_of(n->host));
}

/* Waiters may cancel each other. */
static void on_answer(struct lookup *l, enum lookup_result result, const struct resolved *found,
                      const char *why) {
  struct name *n = list_entry(l, struct name, lookup);
  n->is_asking = false;
  if (n->resolver->is_closing) return;
  learn(n, result, found, why);
  struct list batch;
  list_init(&batch);
  while (!list_empty(&n->waits)) {
    struct list *node = n->waits.next;
    list_remove(node);
    list_append(&batch, node);
  }
  while (!list_empty(&batch)) {
    struct resolve_wait *w = list_entry(batch.next, struct resolve_wait, link);
    list_remove(&w->link);
    w->on_resolved(w, &n->found, n->why);
  }
}

static void ask(struct name *n) {
  if (n->is_asking) return;
  n->is_asking = true;
  lookup_start(&n->resolver->lookups, &n->lookup, n->host);
}

const struct resolved *resolver_find(struct resolver *r, struct slice host, struct resolve_wait *w,
                                     const char **why) {
  struct name *n = name_get(r, host);
  list_init(&w->link);
  w->name = n;
  if (now_of(n) >= n->fresh_until_ms) ask(n);
  *why = n->why;
  if (!n->is_asking || now_of(n) < n->fresh_until_ms) return &n->found;
  list_append(&n->waits, &w->link);
  return NULL;
}

void resolver_refresh(struct resolver *r, struct slice host) {
  struct name *n = name_get(r, host);
  if (now_of(n) >= n->fresh_until_ms) ask(n);
}

void resolver_cancel(struct resolve_wait *w) {
  list_remove(&w->link);
}

const struct resolved *resolver_give_up(struct resolver *r, struct resolve_wait *w) {
  (void)r;
  list_remove(&w->link);
  if (!has_stale(w->name)) return NULL;
  hold(w->name, w->name->resolver->recheck_ms);
  return &w->name->found;
}

void resolver_init(struct resolver *r, struct upstream *u) {
  *r = (struct resolver){
      .upstream = u, .fresh_ms = RESOLVER_FRESH_MS, .recheck_ms = RESOLVER_RECHECK_MS};
  list_init(&r->names);
  lookups_init(&r->lookups, u);
}

void resolver_close(struct resolver *r) {
  r->is_closing = true;
  lookups_close(&r->lookups);
  list_each_safe(node, &r->names) name_free(list_entry(node, struct name, link));
}
