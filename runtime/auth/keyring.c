#include "auth/keyring.h"

#include <stdlib.h>
#include <string.h>

struct keyring {
  size_t mask;
  const struct static_key **slots; /* open addressing; at most half full */
};

static const struct static_key nobody;

/* The digest is uniform already: its first bytes are the hash. */
static size_t slot_of(const uint8_t sha256[SHA256_BYTES]) {
  uint64_t head;
  memcpy(&head, sha256, sizeof head);
  return (size_t)head;
}

struct keyring *keyring_new(const struct config *config) {
  struct keyring *k = must_alloc(sizeof *k);
  size_t size = 8;
  while (size < config->key_count * 2)
    size *= 2;
  k->mask = size - 1;
  k->slots = must_calloc(size, sizeof *k->slots);
  for (size_t i = 0; i < config->key_count; i++) {
    size_t at = slot_of(config->keys[i].sha256) & k->mask;
    while (k->slots[at])
      at = (at + 1) & k->mask;
    k->slots[at] = &config->keys[i];
  }
  return k;
}

void keyring_free(struct keyring *k) {
  if (!k) return;
  free(k->slots);
  free(k);
}

const struct static_key *keyring_find(const struct keyring *k, struct slice secret) {
  uint8_t digest[SHA256_BYTES];
  digest_sha256(secret, digest);
  size_t at = slot_of(digest) & k->mask;
  const struct static_key *candidate = &nobody;
  for (; k->slots[at]; at = (at + 1) & k->mask) {
    candidate = k->slots[at];
    if (slot_of(candidate->sha256) == slot_of(digest)) break;
  }
  return digest_equal(candidate->sha256, digest) && candidate != &nobody ? candidate : NULL;
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

bool key_may_use(const struct static_key *key, struct slice model) {
  for (size_t i = 0; i < key->model_count; i++)
    if (glob(key->models[i], model)) return true;
  return key->model_count == 0;
}
