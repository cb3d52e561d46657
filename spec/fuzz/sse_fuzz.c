/* The first byte is the size of the reads: cut so or whole, the events are the same and the frames
 * joined are the input. */
#include <stdlib.h>
#include <string.h>

#include "stream/sse.h"

struct record {
  struct bytes events, raw;
};

static bool on_frame(const struct sse_frame *frame, void *user) {
  struct record *r = user;
  bytes_append_slice(&r->raw, frame->raw);
  if (frame->has_data) {
    bytes_append_slice(&r->events, frame->name);
    bytes_append_byte(&r->events, 0);
    bytes_append_slice(&r->events, frame->data);
    bytes_append_byte(&r->events, 0);
  }
  return true;
}

static void read_in_pieces(struct record *r, struct slice text, size_t piece) {
  struct sse s;
  bytes_init(&r->events);
  bytes_init(&r->raw);
  sse_init(&s, SIZE_MAX / 2, on_frame, r);
  for (size_t at = 0; at < text.len; at += piece) {
    size_t len = text.len - at < piece ? text.len - at : piece;
    must(sse_feed(&s, (struct slice){text.data + at, len}) == SSE_READ);
  }
  must(sse_finish(&s) == SSE_READ);
  sse_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct record whole, cut;
  if (size < 2) return 0;
  struct slice text = {(const char *)data + 1, size - 1};
  read_in_pieces(&whole, text, text.len);
  read_in_pieces(&cut, text, 1 + data[0] % 32);
  must(slice_equal(bytes_slice(&whole.raw), text) && slice_equal(bytes_slice(&cut.raw), text));
  must(slice_equal(bytes_slice(&whole.events), bytes_slice(&cut.events)));
  bytes_fini(&whole.events);
  bytes_fini(&whole.raw);
  bytes_fini(&cut.events);
  bytes_fini(&cut.raw);
  return 0;
}
