/* Inside of the directory. */
#pragma once
#include "auth/directory.h"

struct service; /* auth/service.h */

struct entry { /* one secret; a rotated key has two for a while */
  struct key_hash hash;
  bool is_open;
  int64_t until_ms; /* first moment at which it is not accepted; INT64_MAX: never */
  const struct principal *principal;
};

struct directory {
  struct ref refs;
  uint64_t serial; /* of all that were ever made in this process; from 1 */
  struct arena arena;
  struct config *config;
  struct rows *rows;
  struct roles *roles;
  struct slice secret;
  struct key_sets sets;
  struct config_problems problems;
  const struct service *services; /* in the order of their ids */
  size_t service_count;
  struct principal *principals;
  size_t principal_count;
  bool has_several_tenants, is_partial;
  struct entry *entries;
  size_t entry_count;
  size_t mask;
  const struct entry **slots; /* open addressing; at most half full */
};

static inline bool entry_is_live(const struct entry *e, int64_t now_ms) {
  return e->is_open & (now_ms < e->until_ms);
}

/* By the SHA-256 of a secret; NULL as directory_find, at the same cost whatever it is. */
const struct entry *directory_entry_find(const struct directory *d,
                                         const uint8_t sha256[SHA256_BYTES], int64_t now_ms);
void directory_add_static(struct directory *d);
void directory_add_rows(struct directory *d);
void directory_add_services(struct directory *d); /* before the keys that are bound to them */
/* A tenant is there when it has a row, or when the configuration gives it a key. */
bool directory_tenant_is_open(const struct directory *d, struct slice tenant, bool is_configured);
bool directory_row_is_open(const struct entity *e);
