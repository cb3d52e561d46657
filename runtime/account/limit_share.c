#include "account/limit_share.h"

#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/must.h"

enum { BUCKETS = 4096 };

/* Names are compared by their hash, whose key nobody outside knows: who shares it shares a bound.
 */
struct limit_share {
  struct limit_share *next;
  const struct limit_family *family;
  uint64_t tenant;
  uint32_t count;
};

void limit_shares_init(struct limit_shares *s) {
  must(uv_mutex_init(&s->lock) == 0);
  s->buckets = must_calloc(BUCKETS, sizeof(struct limit_share *));
}

void limit_shares_fini(struct limit_shares *s) {
  for (size_t i = 0; i < BUCKETS; i++)
    must(!s->buckets[i]);
  free(s->buckets);
  uv_mutex_destroy(&s->lock);
}

static struct limit_share **bucket_of(struct limit_shares *s, uint64_t tenant) {
  return &s->buckets[tenant % BUCKETS];
}

struct limit_share *limit_share_take(struct limit_shares *s, const struct limit_family *family,
                                     struct slice tenant, uint32_t most) {
  uint64_t hash = keyed_hash(tenant, (uint64_t)(uintptr_t)family);
  uv_mutex_lock(&s->lock);
  struct limit_share **bucket = bucket_of(s, hash), *share = *bucket;
  while (share && !(share->tenant == hash && share->family == family))
    share = share->next;
  if (!share && most) {
    share = must_alloc(sizeof *share);
    *share = (struct limit_share){.next = *bucket, .family = family, .tenant = hash};
    *bucket = share;
  }
  if (share && share->count < most)
    share->count++;
  else
    share = NULL;
  uv_mutex_unlock(&s->lock);
  return share;
}

void limit_share_drop(struct limit_shares *s, struct limit_share *share) {
  uv_mutex_lock(&s->lock);
  if (--share->count == 0) {
    struct limit_share **at = bucket_of(s, share->tenant);
    while (*at != share)
      at = &(*at)->next;
    *at = share->next;
    free(share);
  }
  uv_mutex_unlock(&s->lock);
}
