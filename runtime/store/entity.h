/* What people manage: tenants, projects, users, keys and so on. To the store they are all alike: a
 * row with an id, the places it hangs in, and a JSON body that only their owner understands. */
#pragma once
#include "base/bytes.h"

enum entity_kind {
#define ENTITY(name, table) ENTITY_##name,
#include "store/entities.def"
#undef ENTITY
  ENTITY_COUNT
};

const char *entity_table(enum entity_kind kind); /* "tenants", … */

struct entity {
  enum entity_kind kind;
  struct slice id;     /* unique among its kind; listings are in its order */
  struct slice tenant; /* empty: belongs to nobody in particular */
  struct slice owner;  /* project, user or parent */
  struct slice name;
  struct slice lookup; /* unique among its kind when not empty: a key's digest, a user's address */
  struct slice state;  /* "", "blocked", … */
  struct slice body;   /* JSON object */
  uint64_t version;    /* 1 at first, +1 with every change: the ETag */
  int64_t created_ms, updated_ms;
};

enum { ENTITY_NEW = 0 };
#define ENTITY_ANY UINT64_MAX

struct audit_entry;

struct entity_change {
  struct entity entity;      /* version and times are set by the store */
  bool is_deletion;          /* then only kind and id count */
  uint64_t expected_version; /* ENTITY_NEW, ENTITY_ANY (made if missing), or the one it must have */
  const struct audit_entry *audit; /* stored with the change; may be NULL */
  struct slice idempotency_key; /* remembers `answer` with the change; empty: none. It must hold */
  struct slice answer;          /* tenant and caller: it is looked up as it is */
};

struct entity_key {
  enum entity_kind kind;
  struct slice id, lookup; /* one of them */
  struct slice tenant;     /* when not empty, another tenant's row is not found */
};

struct entity_query {
  enum entity_kind kind;
  struct slice tenant, owner, state; /* empty: any */
  struct slice name_prefix;
  struct slice after; /* id of the last row of the page before */
  uint32_t limit;     /* 0: all */
};

struct entity_sink {
  void (*on_row)(void *context, const struct entity *entity);
  void *context;
};
