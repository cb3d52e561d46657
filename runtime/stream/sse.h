/* Reader of server-sent events (WHATWG HTML, 9.2.6), split at any byte. Each frame (the lines up to
 * and with an empty one) is handed over with its exact bytes, so that all frames in order are the
 * stream again: comments, separators, byte order mark and unknown fields included. Linear; a frame
 * that lies whole in one read is not copied. */
#pragma once
#include "base/bytes.h"

struct sse_frame {
  struct slice raw;  /* as received, with the empty line that ends it */
  struct slice name; /* the event field; empty: a plain message */
  struct slice data; /* the data lines joined by \n */
  bool has_data;     /* else it is no event: a comment, a lone separator, other fields */
  bool has_comment;
  bool is_partial; /* from sse_finish: no empty line came */
};

/* The slices live until it returns. False: stop, nothing of the reader is touched any more. */
typedef bool sse_on_frame(const struct sse_frame *frame, void *user);

enum sse_result {
  SSE_READ,
  SSE_STOPPED,  /* the callback returned false */
  SSE_TOO_LONG, /* a frame above frame_bytes: the stream cannot be read further */
};

struct sse {
  sse_on_frame *on_frame;
  void *user;
  size_t frame_bytes;  /* limits.frame */
  struct bytes held;   /* the frame so far, when it began in an earlier read */
  struct bytes joined; /* data of several lines */
  bool line_empty, after_cr, past_mark;
};

void sse_init(struct sse *s, size_t frame_bytes, sse_on_frame *on_frame, void *user);
void sse_fini(struct sse *s);
enum sse_result sse_feed(struct sse *s, struct slice data) MUST_CHECK;
/* The stream has ended: hands over what is left, if anything, as one partial frame. A partial frame
 * with data is no event by the standard; some providers leave out the last empty line all the same.
 */
enum sse_result sse_finish(struct sse *s) MUST_CHECK;
/* Bytes that wait for the rest of their frame. */
struct slice sse_held(const struct sse *s);
