/* Every way a request can fail, as one table (failures.def). Zero is success. */
#pragma once
#include <stdbool.h>

enum failure_kind {
  FAILURE_NONE = 0,
#define FAILURE(name, ...) FAILURE_##name,
#include "model/failures.def"
#undef FAILURE
  FAILURE_COUNT
};

struct failure_info {
  const char *label; /* lower-case name, for logs and metrics */
  int status;
  const char *openai_type, *anthropic_type, *code;
  bool retryable;     /* another target may be tried while the client has seen no byte */
  bool trips_breaker; /* counts against the target's health */
};

const struct failure_info *failure_info(enum failure_kind kind);
