#include "model/failure.h"

#include "base/must.h"

static const struct failure_info table[FAILURE_COUNT] = {
    [FAILURE_NONE] = {"none", 200, "", "", "", false, false},
#define FAILURE(name, status, openai, anthropic, code, retryable, trips)                           \
  [FAILURE_##name] = {code, status, openai, anthropic, code, retryable, trips},
#include "model/failures.def"
#undef FAILURE
};

const struct failure_info *failure_info(enum failure_kind kind) {
  must(kind < FAILURE_COUNT);
  return &table[kind];
}
