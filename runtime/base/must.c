#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must_fail(const char *condition, const char *file, int line) {
  fprintf(stderr, "gateyes: bug: %s:%d: must(%s)\n", file, line, condition);
  abort();
}

void *must_alloc(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  must(memory != NULL);
  return memory;
}

void *must_calloc(size_t count, size_t bytes) {
  void *memory = calloc(count ? count : 1, bytes ? bytes : 1);
  must(memory != NULL);
  return memory;
}

void *must_realloc(void *old, size_t bytes) {
  void *memory = realloc(old, bytes ? bytes : 1);
  must(memory != NULL);
  return memory;
}

char *must_strdup(const char *text) {
  char *copy = strdup(text);
  must(copy != NULL);
  return copy;
}
