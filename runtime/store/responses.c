#include "store/responses.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/list.h"
#include "base/ref.h"

enum { SEED_BYTES = 16, MAX_BUCKETS = 1 << 20, ITEMS_PER_ENTRY = 8, EXPIRED_PER_PUT = 8 };

/* owner, id, response and items in one allocation, in this order. */
struct response_texts {
  struct ref ref;
  size_t owner_len, id_len, response_len, items_len;
  char data[];
};

struct item {
  struct list link; /* in a bucket of responses.items */
  struct entry *entry;
  uint64_t hash;
  struct slice id, text;
};

struct entry {
  struct list link; /* in a bucket of responses.entries */
  struct list used; /* in responses.used, most recent first */
  struct list born; /* in responses.born, oldest first */
  struct response_texts *texts;
  uint64_t hash, expires_ns;
  size_t bytes, item_count;
  char *item_ids;
  struct item items[];
};

struct table {
  struct list *buckets;
  size_t mask;
};

struct responses {
  struct responses_limits limits;
  struct responses_sink sink; /* functions may be NULL */
  uv_mutex_t lock;
  struct table entries, items;
  struct list used, born;
  size_t count, bytes;
  uint8_t seed[SEED_BYTES]; /* ids come from clients: nobody may aim at one bucket */
};

static void table_init(struct table *t, size_t wanted) {
  size_t count = 64;
  while (count < wanted && count < MAX_BUCKETS)
    count *= 2;
  t->buckets = must_alloc(count * sizeof *t->buckets);
  for (size_t i = 0; i < count; i++)
    list_init(&t->buckets[i]);
  t->mask = count - 1;
}

static struct list *table_bucket(struct table *t, uint64_t hash) {
  return &t->buckets[hash & t->mask];
}

static uint64_t hash_of(const struct responses *r, struct slice owner, struct slice id) {
  struct bytes key;
  bytes_init(&key);
  bytes_append(&key, r->seed, sizeof r->seed);
  bytes_append(&key, &owner.len, sizeof owner.len);
  bytes_append_slice(&key, owner);
  bytes_append_slice(&key, id);
  uint8_t digest[SHA256_BYTES];
  digest_sha256(bytes_slice(&key), digest);
  bytes_fini(&key);
  uint64_t hash;
  memcpy(&hash, digest, sizeof hash);
  return hash;
}

static struct slice texts_owner(const struct response_texts *t) {
  return (struct slice){t->data, t->owner_len};
}

static struct slice texts_id(const struct response_texts *t) {
  return (struct slice){t->data + t->owner_len, t->id_len};
}

struct slice response_texts_response(const struct response_texts *t) {
  return (struct slice){t->data + t->owner_len + t->id_len, t->response_len};
}

struct slice response_texts_items(const struct response_texts *t) {
  return (struct slice){t->data + t->owner_len + t->id_len + t->response_len, t->items_len};
}

static char *copy(char *to, struct slice from) {
  if (from.len) memcpy(to, from.data, from.len);
  return to + from.len;
}

static struct response_texts *texts_new(const struct response_record *record) {
  struct slice parts[] = {record->owner, record->id, record->response, record->items};
  size_t len = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    len += parts[i].len;
  struct response_texts *t = must_alloc(sizeof *t + len);
  ref_init(&t->ref);
  t->owner_len = record->owner.len;
  t->id_len = record->id.len;
  t->response_len = record->response.len;
  t->items_len = record->items.len;
  char *end = t->data;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    end = copy(end, parts[i]);
  return t;
}

void response_texts_unref(struct response_texts *t) {
  if (t && ref_drop(&t->ref)) free(t);
}

static size_t ids_len(const struct response_item *items, size_t count) {
  size_t len = 0;
  for (size_t i = 0; i < count; i++)
    len += items[i].id.len;
  return len;
}

/* Room for every item: the sum of what entry_new allocates. */
static size_t record_bytes(const struct response_record *record) {
  return sizeof(struct entry) + sizeof(struct response_texts) + record->owner.len + record->id.len +
         record->response.len + record->items.len +
         (record->input_count + record->output_count) * sizeof(struct item) +
         ids_len(record->input, record->input_count) +
         ids_len(record->output, record->output_count);
}

struct item_source {
  struct slice text;
  const struct response_item *items;
  size_t count;
};

static char *entry_add_items(const struct responses *r, struct entry *e, struct item_source source,
                             char *ids) {
  for (size_t i = 0; i < source.count; i++) {
    const struct response_item *from = &source.items[i];
    must(from->offset <= source.text.len && from->len <= source.text.len - from->offset);
    struct item *item = &e->items[e->item_count++];
    list_init(&item->link);
    item->entry = e;
    item->hash = hash_of(r, texts_owner(e->texts), from->id);
    item->id = (struct slice){ids, from->id.len};
    item->text = (struct slice){source.text.data + from->offset, from->len};
    ids = copy(ids, from->id);
  }
  return ids;
}

static struct entry *entry_new(const struct responses *r, const struct response_record *record) {
  size_t count = record->input_count + record->output_count;
  struct entry *e = must_alloc(sizeof *e + count * sizeof *e->items);
  list_init(&e->link);
  list_init(&e->used);
  list_init(&e->born);
  e->texts = texts_new(record);
  e->hash = hash_of(r, record->owner, record->id);
  uint64_t left_ms = r->limits.ttl_ms > record->age_ms ? r->limits.ttl_ms - record->age_ms : 0;
  e->expires_ns = r->limits.ttl_ms ? clock_mono_ns() + left_ms * 1000000 : UINT64_MAX;
  e->bytes = record_bytes(record);
  e->item_count = 0;
  e->item_ids = must_alloc(1 + ids_len(record->input, record->input_count) +
                           ids_len(record->output, record->output_count));
  struct item_source input = {response_texts_items(e->texts), record->input, record->input_count};
  struct item_source output = {response_texts_response(e->texts), record->output,
                               record->output_count};
  entry_add_items(r, e, output, entry_add_items(r, e, input, e->item_ids));
  return e;
}

static void entry_free(struct entry *e) {
  response_texts_unref(e->texts);
  free(e->item_ids);
  free(e);
}

/* Under the lock: out of every list but `gone`, which is freed after it. */
static void entry_retire(struct responses *r, struct entry *e, struct list *gone) {
  list_remove(&e->link);
  list_remove(&e->born);
  list_remove(&e->used);
  for (size_t i = 0; i < e->item_count; i++)
    list_remove(&e->items[i].link);
  r->count--;
  r->bytes -= e->bytes;
  list_append(gone, &e->used);
}

static void free_retired(struct list *gone) {
  list_each_safe(node, gone) entry_free(list_entry(node, struct entry, used));
}

static struct entry *entry_lookup(struct responses *r, uint64_t hash, struct slice owner,
                                  struct slice id) {
  list_each(node, table_bucket(&r->entries, hash)) {
    struct entry *e = list_entry(node, struct entry, link);
    if (e->hash == hash && slice_equal(texts_id(e->texts), id) &&
        slice_equal(texts_owner(e->texts), owner))
      return e;
  }
  return NULL;
}

static struct item *item_lookup(struct responses *r, uint64_t hash, struct slice owner,
                                struct slice id, uint64_t now_ns) {
  list_each(node, table_bucket(&r->items, hash)) {
    struct item *item = list_entry(node, struct item, link);
    if (item->hash == hash && item->entry->expires_ns > now_ns && slice_equal(item->id, id) &&
        slice_equal(texts_owner(item->entry->texts), owner))
      return item;
  }
  return NULL;
}

static void entry_insert(struct responses *r, struct entry *e) {
  list_prepend(table_bucket(&r->entries, e->hash), &e->link);
  list_prepend(&r->used, &e->used);
  list_append(&r->born, &e->born);
  for (size_t i = 0; i < e->item_count; i++)
    list_prepend(table_bucket(&r->items, e->items[i].hash), &e->items[i].link);
  r->count++;
  r->bytes += e->bytes;
}

/* Expired entries go a few at a time, so that no put holds the lock for long. */
static void retire_expired(struct responses *r, struct list *gone) {
  uint64_t now_ns = clock_mono_ns();
  for (int i = 0; i < EXPIRED_PER_PUT && !list_empty(&r->born); i++) {
    struct entry *oldest = list_entry(r->born.next, struct entry, born);
    if (oldest->expires_ns > now_ns) return;
    entry_retire(r, oldest, gone);
  }
}

struct responses *responses_new(const struct responses_limits *limits) {
  must(limits->max_entries > 0 && limits->max_bytes > 0);
  struct responses *r = must_calloc(1, sizeof *r);
  r->limits = *limits;
  must(uv_mutex_init(&r->lock) == 0);
  size_t wanted = limits->max_entries < MAX_BUCKETS ? limits->max_entries : MAX_BUCKETS;
  table_init(&r->entries, wanted);
  table_init(&r->items, wanted * ITEMS_PER_ENTRY);
  list_init(&r->used);
  list_init(&r->born);
  digest_random(r->seed, sizeof r->seed);
  return r;
}

void responses_set_sink(struct responses *r, const struct responses_sink *sink) {
  r->sink = *sink;
}

void responses_free(struct responses *r) {
  if (!r) return;
  list_each_safe(node, &r->used) entry_free(list_entry(node, struct entry, used));
  uv_mutex_destroy(&r->lock);
  free(r->entries.buckets);
  free(r->items.buckets);
  free(r);
}

bool responses_put(struct responses *r, const struct response_record *record) {
  size_t bytes = record_bytes(record);
  if (bytes > r->limits.max_bytes) {
    responses_delete(r, record->owner, record->id);
    return false;
  }
  struct entry *e = entry_new(r, record);
  struct list gone;
  list_init(&gone);
  uv_mutex_lock(&r->lock);
  struct entry *old = entry_lookup(r, e->hash, record->owner, record->id);
  if (old) entry_retire(r, old, &gone);
  retire_expired(r, &gone);
  while (r->count >= r->limits.max_entries || r->bytes + bytes > r->limits.max_bytes)
    entry_retire(r, list_entry(r->used.prev, struct entry, used), &gone);
  entry_insert(r, e);
  uv_mutex_unlock(&r->lock);
  free_retired(&gone);
  if (r->sink.on_put) r->sink.on_put(r->sink.context, record);
  return true;
}

/* Under the lock. */
static struct response_texts *entry_touch(struct responses *r, struct entry *e) {
  list_remove(&e->used);
  list_prepend(&r->used, &e->used);
  ref_take(&e->texts->ref);
  return e->texts;
}

struct response_texts *responses_find(struct responses *r, struct slice owner, struct slice id) {
  uint64_t hash = hash_of(r, owner, id), now_ns = clock_mono_ns();
  uv_mutex_lock(&r->lock);
  struct entry *e = entry_lookup(r, hash, owner, id);
  struct response_texts *found = e && e->expires_ns > now_ns ? entry_touch(r, e) : NULL;
  uv_mutex_unlock(&r->lock);
  return found;
}

struct response_texts *responses_find_item(struct responses *r, struct slice owner,
                                           struct slice item_id, struct slice *item) {
  uint64_t hash = hash_of(r, owner, item_id), now_ns = clock_mono_ns();
  struct response_texts *found = NULL;
  uv_mutex_lock(&r->lock);
  struct item *i = item_lookup(r, hash, owner, item_id, now_ns);
  if (i) {
    *item = i->text;
    found = entry_touch(r, i->entry);
  }
  uv_mutex_unlock(&r->lock);
  return found;
}

bool responses_delete(struct responses *r, struct slice owner, struct slice id) {
  uint64_t hash = hash_of(r, owner, id), now_ns = clock_mono_ns();
  struct list gone;
  list_init(&gone);
  uv_mutex_lock(&r->lock);
  struct entry *e = entry_lookup(r, hash, owner, id);
  bool alive = e && e->expires_ns > now_ns;
  if (e) entry_retire(r, e, &gone);
  uv_mutex_unlock(&r->lock);
  free_retired(&gone);
  if (r->sink.on_delete) r->sink.on_delete(r->sink.context, owner, id);
  return alive;
}

size_t responses_count(struct responses *r) {
  uv_mutex_lock(&r->lock);
  size_t count = r->count;
  uv_mutex_unlock(&r->lock);
  return count;
}

size_t responses_bytes(struct responses *r) {
  uv_mutex_lock(&r->lock);
  size_t bytes = r->bytes;
  uv_mutex_unlock(&r->lock);
  return bytes;
}
