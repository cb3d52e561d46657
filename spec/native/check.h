/* The whole test kit for C units: CHECK prints what failed and the program exits 1. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int checks_failed;

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition);                \
      checks_failed++;                                                                             \
    }                                                                                              \
  } while (0)

#define CHECK_TEXT(slice_value, text)                                                              \
  do {                                                                                             \
    struct slice check_s = (slice_value);                                                          \
    if (check_s.len != strlen(text) || memcmp(check_s.data, (text), check_s.len) != 0) {           \
      fprintf(stderr, "%s:%d: got \"%.*s\", want \"%s\"\n", __FILE__, __LINE__, (int)check_s.len,  \
              check_s.data, (text));                                                               \
      checks_failed++;                                                                             \
    }                                                                                              \
  } while (0)

static inline int checks_end(void) {
  if (checks_failed) fprintf(stderr, "%d checks failed\n", checks_failed);
  return checks_failed != 0;
}
