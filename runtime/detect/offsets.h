/* The way back from text that was made of other text: where each byte of it came from. */
#pragma once
#include "base/bytes.h"

/* From here on, made[made + n] came from source + n, until the next mark; unless width: then this
 * one character came from width bytes. */
struct offset_mark {
  size_t made, source;
  uint32_t width;
};

/* No marks: the two texts are the same. */
struct offsets {
  struct offset_mark *marks;
  size_t count, cap;
};

void offsets_fini(struct offsets *o); /* zero bytes are an empty one */
/* Marks in rising order of made; a second one at the same place replaces the first. */
void offsets_add(struct offsets *o, struct offset_mark mark);
size_t offsets_start(const struct offsets *o,
                     size_t position); /* of the bytes behind made[position] */
size_t offsets_end(const struct offsets *o, size_t position);
/* The first count bytes of what was made are forgotten: positions count from there. */
void offsets_drop(struct offsets *o, size_t count);
