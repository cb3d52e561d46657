/* Reads one HTTP/1.1 response as it comes (RFC 9112, section 6), and finds in its body the stamps
 * that the upstream writes into each chunk of a stream: text that begins with @ and 19 digits, the
 * nanosecond of its writing. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum response_state {
  RESPONSE_HEAD,
  RESPONSE_LENGTH, /* a body of known length */
  RESPONSE_SIZE,   /* the size line of a chunk */
  RESPONSE_CHUNK,
  RESPONSE_CHUNK_END,
  RESPONSE_TRAILER,
  RESPONSE_DONE,
  RESPONSE_BROKEN
};

struct response {
  enum response_state state;
  int status;
  bool closes, ended_well; /* ended_well: a stream's own end mark was there */
  uint64_t left;           /* bytes of the body or the chunk */
  char text[8192];         /* the head, then the present line of the body */
  size_t text_len;
  unsigned stamps;
  void (*on_stamp)(struct response *r, uint64_t stamp_ns);
};

void response_init(struct response *r, void (*on_stamp)(struct response *, uint64_t));
/* Takes what was read; bytes after the end of the response are an error. */
void response_feed(struct response *r, const char *data, size_t len);
