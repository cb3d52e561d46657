/* What the directory needs of the store: a copy in memory, immutable, shared by count. It is read
 * on a thread of the pool; while the store is away the last copy stays in force. */
#pragma once
#include "base/arena.h"
#include "base/ref.h"
#include "store/store.h"

struct row_list {
  struct entity *items; /* in the order of their ids */
  size_t count;
};

struct rows {
  struct ref refs;
  struct arena arena;
  uint64_t version; /* of the store's entities when they were read */
  struct row_list tenants, projects, users, keys, roles, services, service_versions;
};

/* Reads everything. *out is set with STORE_FINE only. Waits. */
enum store_result rows_read(struct store *store, struct rows **out);
struct rows *rows_ref(struct rows *r);
void rows_unref(struct rows *r);                                             /* NULL is fine */
const struct entity *row_find(const struct row_list *list, struct slice id); /* NULL: none */
