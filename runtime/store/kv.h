/* Small values that tenants' scripts keep between requests: one object for the whole process, used
 * by all workers. A tenant's names are its own. Bounded: each tenant has so many bytes and entries,
 * and where they are used up the entry that was used least recently makes room. A value that has
 * expired is not found. A lock is one tenant's, and held for copying one value at most. */
#pragma once
#include "base/bytes.h"

struct kv;
struct kv_space; /* one tenant's */

struct kv_limits { /* of each tenant; all above 0 */
  size_t bytes, entries;
  size_t value_bytes; /* the longest value; a name may have 512 */
};

enum { KV_NAME_BYTES = 512 };

struct kv *kv_new(const struct kv_limits *limits);
void kv_free(struct kv *kv); /* no space is in use any more */
/* The same one for the same tenant; lives as long as kv. */
struct kv_space *kv_space_get(struct kv *kv, struct slice tenant);

/* ttl_ms: 0 keeps it until room is needed. now_ms is any clock that all callers share. False: the
 * value is too long. */
struct kv_put {
  struct slice name, value;
  uint64_t ttl_ms, now_ms;
};
bool kv_put(struct kv_space *space, const struct kv_put *put);
/* Appends the value; false when there is none. */
bool kv_get(struct kv_space *space, struct slice name, uint64_t now_ms, struct bytes *out);
/* Adds to a whole number, from 0 when there is none; ttl_ms then starts, and later additions leave
 * it as it is. False: what is there is no whole number, or the sum does not fit. */
struct kv_add {
  struct slice name;
  int64_t amount;
  uint64_t ttl_ms, now_ms;
};
bool kv_add(struct kv_space *space, const struct kv_add *add, int64_t *sum);
/* Sets when it expires; ttl_ms 0 removes it at once. False: there is none. */
bool kv_expire(struct kv_space *space, struct slice name, uint64_t ttl_ms, uint64_t now_ms);
size_t kv_count(struct kv_space *space);
