/* Memory of one lifetime (a request, a configuration), freed at once. Sizes must be bounded by the
 * caller: running out aborts. */
#pragma once
#include "base/bytes.h"

struct arena_block;

struct arena {
  struct arena_block *blocks;
  struct arena_block *spare; /* of an earlier use, for the next that is needed; or NULL */
  char *next, *end;
  unsigned small_bytes; /* of the next block, as long as the arena is small; else 0 */
};

void arena_init(struct arena *a);
/* For thousands that live long and hold little: begins with 224 bytes, and doubles. */
void arena_init_small(struct arena *a);
void arena_fini(struct arena *a);
/* Empty, but two blocks are kept for what comes next. */
void arena_reset(struct arena *a);
/* Moves all of from's memory over, to be freed with a; from is empty afterwards. */
void arena_adopt(struct arena *a, struct arena *from);
void *arena_alloc(struct arena *a, size_t bytes);  /* zeroed, aligned for any object */
char *arena_text(struct arena *a, struct slice s); /* copy with a zero byte after it */
struct slice arena_slice(struct arena *a, struct slice s);
/* Copies of the texts and of their list. */
struct slice *arena_slices(struct arena *a, const struct slice *items, size_t count);
/* The parts one after the other, with a zero byte after them. */
struct slice arena_join(struct arena *a, const struct slice *parts, size_t count);
char *arena_printf(struct arena *a, const char *format, ...) PRINTF(2, 3);
