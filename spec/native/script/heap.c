/* Memory of Lua's objects: as malloc's, and given back. */
#include "script/heap.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { SLOTS = 3000, ROUNDS = 200000, MOST_BYTES = 900 };

static struct {
  unsigned char *memory;
  size_t bytes;
  unsigned char fill;
} slots[SLOTS];

static uint64_t seed = 7;

static size_t random_below(size_t limit) {
  seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
  return (size_t)(seed >> 33) % limit;
}

static bool is_whole(size_t i, size_t bytes) {
  for (size_t k = 0; k < bytes; k++)
    if (slots[i].memory[k] != slots[i].fill) return false;
  return true;
}

/* Objects come, change their size and go; none may touch another. */
static void change(struct heap *h, size_t i) {
  size_t bytes = random_below(3) ? 1 + random_below(MOST_BYTES) : 0;
  size_t kept = bytes < slots[i].bytes ? bytes : slots[i].bytes;
  CHECK(is_whole(i, slots[i].bytes));
  slots[i].memory = heap_allocate(h, slots[i].memory, slots[i].bytes, bytes);
  CHECK(is_whole(i, kept));
  CHECK((bytes == 0) == (slots[i].memory == NULL));
  CHECK((uintptr_t)slots[i].memory % 16 == 0);
  slots[i].bytes = bytes;
  slots[i].fill = (unsigned char)random_below(256);
  if (bytes) memset(slots[i].memory, slots[i].fill, bytes);
}

static void test_objects_stay_apart(void) {
  struct heap *h = heap_new();
  for (int i = 0; i < ROUNDS; i++)
    change(h, random_below(SLOTS));
  for (size_t i = 0; i < SLOTS; i++) {
    CHECK(is_whole(i, slots[i].bytes));
    slots[i].memory = heap_allocate(h, slots[i].memory, slots[i].bytes, 0);
    slots[i].bytes = 0;
  }
  heap_free(h);
}

/* After a flood of objects little is left, whatever order they went in. */
static void test_memory_is_given_back(void) {
  struct heap *h = heap_new();
  enum { MANY = 100000 };
  void **objects = malloc(MANY * sizeof *objects);
  for (size_t i = 0; i < MANY; i++)
    objects[i] = heap_allocate(h, NULL, 0, 16 + i % 100);
  CHECK(heap_slabs(h) > 200);
  for (size_t i = 0; i < MANY; i++) {
    size_t at = i * 7919 % MANY;
    (void)heap_allocate(h, objects[at], 16 + at % 100, 0);
  }
  CHECK(heap_slabs(h) < 20);
  free(objects);
  heap_free(h);
}

int main(void) {
  test_objects_stay_apart();
  test_memory_is_given_back();
  return checks_end();
}
