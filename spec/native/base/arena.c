/* Arenas: what is kept, and how little a small one takes. */
#include <malloc.h>
#include <stdlib.h>

#include "base/arena.h"
#include "check.h"

static size_t taken(void) {
  return mallinfo2().uordblks;
}

/* Pieces of every size, filled to the brim, all still whole at the end. */
static void fill(struct arena *a) {
  enum { COUNT = 400 };
  char *pieces[COUNT];
  for (int i = 0; i < COUNT; i++) {
    size_t size = (size_t)(i * 7 % 1500);
    pieces[i] = arena_alloc(a, size);
    CHECK(((uintptr_t)pieces[i] & 15) == 0);
    for (size_t at = 0; at < size; at++)
      CHECK(pieces[i][at] == 0);
    memset(pieces[i], 1 + i % 100, size);
  }
  for (int i = 0; i < COUNT; i++)
    for (size_t at = 0, size = (size_t)(i * 7 % 1500); at < size; at++)
      CHECK(pieces[i][at] == 1 + i % 100);
}

static void test_pieces(void) {
  struct arena usual, small, from;
  arena_init(&usual);
  arena_init_small(&small);
  arena_init_small(&from);
  fill(&usual);
  fill(&small);
  fill(&from);
  arena_adopt(&small, &from);
  fill(&small);
  fill(&from);
  arena_reset(&usual);
  arena_reset(&small);
  fill(&usual);
  fill(&small);
  arena_fini(&usual);
  arena_fini(&small);
  arena_fini(&from);
}

static void test_small(void) {
  enum { COUNT = 100 };
  static struct arena all[COUNT];
  size_t before = taken();
  for (int i = 0; i < COUNT; i++) {
    arena_init_small(&all[i]);
    arena_slice(&all[i], SLICE("a name"));
  }
  size_t each = (taken() - before) / COUNT;
  if (each > 300) fprintf(stderr, "%zu bytes each\n", each);
  CHECK(each <= 300);
  for (int i = 0; i < COUNT; i++)
    arena_fini(&all[i]);
}

int main(void) {
  test_pieces();
  test_small();
  return checks_end();
}
