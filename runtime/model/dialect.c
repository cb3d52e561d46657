#include "model/dialect.h"

#include "base/must.h"

const char *dialect_name(enum dialect dialect) {
  static const char *const names[DIALECT_COUNT] = {"chat", "completions", "responses", "messages",
                                                   "embeddings"};
  must(dialect < DIALECT_COUNT);
  return names[dialect];
}
