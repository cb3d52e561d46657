#include "store/kv.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/digest.h"
#include "base/list.h"

enum { SEED_BYTES = 16, FIRST_BUCKETS = 64 };

struct entry {
  struct list link;          /* in a bucket */
  struct list used;          /* in space.used, most recent first */
  uint64_t hash, expires_ms; /* 0: never */
  size_t name_len, value_len;
  char data[]; /* name, then value */
};

struct kv_space {
  struct kv_space *next;
  const struct kv *kv;
  uv_mutex_t lock;
  struct list *buckets;
  size_t mask, bytes;
  _Atomic size_t count; /* changed with the lock held */
  struct list used;
  char *tenant;
  size_t tenant_len;
};

struct kv {
  struct kv_limits limits;
  uv_mutex_t lock; /* of the list of spaces */
  struct kv_space *spaces;
  uint8_t seed[SEED_BYTES]; /* names may hold what clients sent: nobody may aim at one bucket */
};

struct kv *kv_new(const struct kv_limits *limits) {
  must(limits->bytes > 0 && limits->entries > 0 && limits->value_bytes > 0);
  struct kv *kv = must_calloc(1, sizeof *kv);
  kv->limits = *limits;
  must(uv_mutex_init(&kv->lock) == 0);
  digest_random(kv->seed, sizeof kv->seed);
  return kv;
}

static void space_free(struct kv_space *s) {
  list_each_safe(node, &s->used) free(list_entry(node, struct entry, used));
  uv_mutex_destroy(&s->lock);
  free(s->buckets);
  free(s->tenant);
  free(s);
}

void kv_free(struct kv *kv) {
  while (kv->spaces) {
    struct kv_space *next = kv->spaces->next;
    space_free(kv->spaces);
    kv->spaces = next;
  }
  uv_mutex_destroy(&kv->lock);
  free(kv);
}

static void set_buckets(struct kv_space *s, size_t count) {
  free(s->buckets);
  s->buckets = must_alloc(count * sizeof *s->buckets);
  s->mask = count - 1;
  for (size_t i = 0; i < count; i++)
    list_init(&s->buckets[i]);
  list_each(node, &s->used) {
    struct entry *e = list_entry(node, struct entry, used);
    list_append(&s->buckets[e->hash & s->mask], &e->link);
  }
}

static struct kv_space *space_new(struct kv *kv, struct slice tenant) {
  struct kv_space *s = must_calloc(1, sizeof *s);
  s->kv = kv;
  must(uv_mutex_init(&s->lock) == 0);
  list_init(&s->used);
  set_buckets(s, FIRST_BUCKETS);
  s->tenant = must_alloc(tenant.len + 1);
  if (tenant.len) memcpy(s->tenant, tenant.data, tenant.len);
  s->tenant_len = tenant.len;
  return s;
}

struct kv_space *kv_space_get(struct kv *kv, struct slice tenant) {
  uv_mutex_lock(&kv->lock);
  struct kv_space *s = kv->spaces;
  while (s && !slice_equal((struct slice){s->tenant, s->tenant_len}, tenant))
    s = s->next;
  if (!s) {
    s = space_new(kv, tenant);
    s->next = kv->spaces;
    kv->spaces = s;
  }
  uv_mutex_unlock(&kv->lock);
  return s;
}

static uint64_t hash_of(const struct kv_space *s, struct slice name) {
  char key[SEED_BYTES + KV_NAME_BYTES];
  uint8_t digest[SHA256_BYTES];
  uint64_t hash;
  memcpy(key, s->kv->seed, SEED_BYTES);
  memcpy(key + SEED_BYTES, name.data, name.len);
  digest_sha256((struct slice){key, SEED_BYTES + name.len}, digest);
  memcpy(&hash, digest, sizeof hash);
  return hash;
}

static size_t entry_bytes(size_t name_len, size_t value_len) {
  return sizeof(struct entry) + name_len + value_len;
}

static void remove_entry(struct kv_space *s, struct entry *e) {
  list_remove(&e->link);
  list_remove(&e->used);
  s->bytes -= entry_bytes(e->name_len, e->value_len);
  s->count--;
  free(e);
}

static struct slice value_of(const struct entry *e) {
  return (struct slice){e->data + e->name_len, e->value_len};
}

/* The live entry, now the most recent one. */
static struct entry *find(struct kv_space *s, struct slice name, uint64_t hash, uint64_t now_ms) {
  struct list *bucket = &s->buckets[hash & s->mask];
  list_each(node, bucket) {
    struct entry *e = list_entry(node, struct entry, link);
    if (e->hash != hash || !slice_equal((struct slice){e->data, e->name_len}, name)) continue;
    if (e->expires_ms && e->expires_ms <= now_ms) {
      remove_entry(s, e);
      return NULL;
    }
    list_remove(&e->used);
    list_prepend(&s->used, &e->used);
    return e;
  }
  return NULL;
}

static void make_room(struct kv_space *s, size_t bytes) {
  const struct kv_limits *limits = &s->kv->limits;
  while (!list_empty(&s->used) && (s->count >= limits->entries || s->bytes + bytes > limits->bytes))
    remove_entry(s, list_entry(s->used.prev, struct entry, used));
}

static void insert(struct kv_space *s, struct slice name, uint64_t hash, const struct entry *head) {
  size_t bytes = entry_bytes(name.len, head->value_len);
  make_room(s, bytes);
  struct entry *e = must_alloc(bytes);
  e->hash = hash;
  e->expires_ms = head->expires_ms;
  e->name_len = name.len;
  e->value_len = head->value_len;
  memcpy(e->data, name.data, name.len);
  s->bytes += bytes;
  list_init(&e->used);
  list_prepend(&s->used, &e->used);
  list_init(&e->link);
  if (++s->count > s->mask)
    set_buckets(s, 2 * (s->mask + 1));
  else
    list_append(&s->buckets[hash & s->mask], &e->link);
}

static uint64_t expiry(uint64_t ttl_ms, uint64_t now_ms) {
  return ttl_ms ? now_ms + ttl_ms : 0;
}

static bool fits(const struct kv_space *s, struct slice name, size_t value_len) {
  const struct kv_limits *limits = &s->kv->limits;
  return name.len > 0 && name.len <= KV_NAME_BYTES && value_len <= limits->value_bytes &&
         entry_bytes(name.len, value_len) <= limits->bytes;
}

/* Under the lock. */
static void put(struct kv_space *s, uint64_t hash, const struct kv_put *p) {
  struct entry *old = find(s, p->name, hash, p->now_ms);
  if (old) remove_entry(s, old);
  struct entry head = {.value_len = p->value.len, .expires_ms = expiry(p->ttl_ms, p->now_ms)};
  insert(s, p->name, hash, &head);
  struct entry *e = list_entry(s->used.next, struct entry, used);
  if (p->value.len) memcpy(e->data + e->name_len, p->value.data, p->value.len);
}

bool kv_put(struct kv_space *s, const struct kv_put *p) {
  if (!fits(s, p->name, p->value.len)) return false;
  uint64_t hash = hash_of(s, p->name);
  uv_mutex_lock(&s->lock);
  put(s, hash, p);
  uv_mutex_unlock(&s->lock);
  return true;
}

bool kv_get(struct kv_space *s, struct slice name, uint64_t now_ms, struct bytes *out) {
  if (!fits(s, name, 0)) return false;
  uint64_t hash = hash_of(s, name);
  uv_mutex_lock(&s->lock);
  const struct entry *e = find(s, name, hash, now_ms);
  if (e) bytes_append_slice(out, value_of(e));
  uv_mutex_unlock(&s->lock);
  return e != NULL;
}

static bool to_i64(struct slice text, int64_t *out) {
  uint64_t value;
  bool negative = text.len && text.data[0] == '-';
  if (!slice_to_u64(slice_skip(text, negative), &value) || value > INT64_MAX) return false;
  *out = negative ? -(int64_t)value : (int64_t)value;
  return true;
}

bool kv_add(struct kv_space *s, const struct kv_add *add, int64_t *sum) {
  char text[24];
  int64_t before = 0;
  if (!fits(s, add->name, sizeof text)) return false;
  uint64_t hash = hash_of(s, add->name);
  uv_mutex_lock(&s->lock);
  const struct entry *old = find(s, add->name, hash, add->now_ms);
  uint64_t expires_ms = old ? old->expires_ms : expiry(add->ttl_ms, add->now_ms);
  bool fine = (!old || to_i64(value_of(old), &before)) &&
              !__builtin_add_overflow(before, add->amount, sum) && *sum != INT64_MIN;
  if (fine) {
    int len = snprintf(text, sizeof text, "%" PRId64, *sum);
    put(s, hash,
        &(struct kv_put){.name = add->name, .value = {text, (size_t)len}, .now_ms = add->now_ms});
    list_entry(s->used.next, struct entry, used)->expires_ms = expires_ms;
  }
  uv_mutex_unlock(&s->lock);
  return fine;
}

bool kv_expire(struct kv_space *s, struct slice name, uint64_t ttl_ms, uint64_t now_ms) {
  if (!fits(s, name, 0)) return false;
  uint64_t hash = hash_of(s, name);
  uv_mutex_lock(&s->lock);
  struct entry *e = find(s, name, hash, now_ms);
  bool found = e != NULL;
  if (found && ttl_ms == 0)
    remove_entry(s, e);
  else if (found)
    e->expires_ms = now_ms + ttl_ms;
  uv_mutex_unlock(&s->lock);
  return found;
}

size_t kv_count(struct kv_space *s) {
  return atomic_load_explicit(&s->count, memory_order_relaxed);
}
