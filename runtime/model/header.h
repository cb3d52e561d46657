/* One header line, borrowed. Names compare without case; order and duplicates are kept. */
#pragma once
#include "base/bytes.h"

struct header {
  struct slice name, value;
};

struct headers {
  const struct header *items;
  size_t count;
};

/* The first value of that name; empty data pointer (NULL) when absent. */
struct slice header_find_slice(struct headers h, struct slice name);

static inline __attribute__((always_inline)) struct slice header_find(struct headers h,
                                                                      const char *name) {
  return header_find_slice(h, slice_of(name));
}

/* True when name and value may be written into a head: a token, and no byte below 0x20 except tab,
 * no 0x7f (RFC 9110, 5.5 and 5.6.2). The one gate against header injection. */
bool header_is_clean(struct slice name, struct slice value);
