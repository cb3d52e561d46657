#include "auth/directory.h"

#include <stdlib.h>
#include <string.h>

struct entry {
  const uint8_t *sha256;
  struct principal principal;
};

struct directory {
  struct ref refs;
  struct config *config;
  struct entry *entries;
  size_t mask;
  const struct entry **slots; /* open addressing; at most half full */
};

static const uint8_t no_digest[SHA256_BYTES];
static const struct entry nobody = {.sha256 = no_digest};

/* The digest is uniform already: its first bytes are the hash. */
static size_t slot_of(const uint8_t sha256[SHA256_BYTES]) {
  uint64_t head;
  memcpy(&head, sha256, sizeof head);
  return (size_t)head;
}

static struct entry entry_of(const struct static_key *key) {
  struct principal principal = {.key = key->name,
                                .name = key->name,
                                .tenant = key->tenant,
                                .project = key->project,
                                .user = key->user,
                                .roles = key->roles,
                                .role_count = key->role_count,
                                .models = key->models,
                                .model_count = key->model_count};
  return (struct entry){key->sha256, principal};
}

static void add(struct directory *d, const struct entry *entry) {
  size_t at = slot_of(entry->sha256) & d->mask;
  while (d->slots[at])
    at = (at + 1) & d->mask;
  d->slots[at] = entry;
}

struct directory *directory_new(struct config *config) {
  struct directory *d = must_calloc(1, sizeof *d);
  ref_init(&d->refs);
  d->config = config_ref(config);
  size_t size = 8;
  while (size < config->key_count * 2)
    size *= 2;
  d->mask = size - 1;
  d->slots = must_calloc(size, sizeof *d->slots);
  d->entries = must_calloc(config->key_count + 1, sizeof *d->entries);
  for (size_t i = 0; i < config->key_count; i++) {
    d->entries[i] = entry_of(&config->keys[i]);
    add(d, &d->entries[i]);
  }
  return d;
}

struct directory *directory_ref(struct directory *d) {
  ref_take(&d->refs);
  return d;
}

void directory_unref(struct directory *d) {
  if (!d || !ref_drop(&d->refs)) return;
  config_unref(d->config);
  free(d->entries);
  free(d->slots);
  free(d);
}

const struct principal *directory_find(const struct directory *d, struct slice secret) {
  uint8_t digest[SHA256_BYTES];
  digest_sha256(secret, digest);
  size_t at = slot_of(digest) & d->mask;
  const struct entry *candidate = &nobody;
  for (; d->slots[at]; at = (at + 1) & d->mask) {
    candidate = d->slots[at];
    if (slot_of(candidate->sha256) == slot_of(digest)) break;
  }
  return digest_equal(candidate->sha256, digest) && candidate != &nobody ? &candidate->principal
                                                                         : NULL;
}

struct slice credential_find(struct headers headers) {
  struct slice value = header_find(headers, "authorization");
  if (value.len > 7 && slice_equal_nocase((struct slice){value.data, 7}, SLICE("bearer ")))
    return slice_trim(slice_skip(value, 7));
  value = header_find(headers, "x-api-key");
  if (!value.len) value = header_find(headers, "api-key");
  return slice_trim(value.data ? value : (struct slice){"", 0});
}

/* Glob with * and ?: on a mismatch only the last * is retried. */
static bool glob(struct slice pattern, struct slice text) {
  size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
  while (t < text.len) {
    if (p < pattern.len && pattern.data[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.len && (pattern.data[p] == '?' || pattern.data[p] == text.data[t])) {
      p++;
      t++;
    } else if (star != SIZE_MAX) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.len && pattern.data[p] == '*')
    p++;
  return p == pattern.len;
}

bool principal_may_use(const struct principal *p, struct slice model) {
  for (size_t i = 0; i < p->model_count; i++)
    if (glob(p->models[i], model)) return true;
  return p->model_count == 0;
}
