#include "store/store.h"

static const char *const result_names[] = {"fine", "not_found", "conflict", "busy",
                                           "full", "read_only", "corrupt",  "unavailable"};

const char *store_result_name(enum store_result result) {
  return result_names[result];
}

const char *store_trouble(enum store_result result) {
  switch (result) {
  case STORE_BUSY: return "locked: end what holds its file";
  case STORE_FULL: return "full: make room on its disk";
  case STORE_READ_ONLY: return "read-only: mend the rights of its file and folder";
  case STORE_CORRUPT: return "damaged: repair its file, or move it away";
  default: return store_result_name(result);
  }
}

struct store *store_new(struct slice url, struct bytes *error) {
  struct slice scheme = SLICE("sqlite:");
  if (slice_equal_text(url, "none")) {
    bytes_append_text(error, "store: the configuration wants none");
    return NULL;
  }
  if (!slice_starts(url, scheme)) {
    bytes_append_text(error, "store: this version speaks to SQLite alone; write \"sqlite:FILE\"");
    return NULL;
  }
  struct bytes path;
  bytes_init(&path);
  bytes_append_slice(&path, slice_skip(url, scheme.len));
  struct store *s = sqlite_store_new(bytes_text(&path));
  bytes_fini(&path);
  return s;
}

void store_free(struct store *s) {
  if (s) s->calls->free(s);
}

const char *entity_table(enum entity_kind kind) {
  static const char *const tables[] = {
#define ENTITY(name, table) table,
#include "store/entities.def"
#undef ENTITY
  };
  return tables[kind];
}
