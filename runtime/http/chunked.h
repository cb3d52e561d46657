/* Decoder of the chunked transfer coding (RFC 9112, 7.1), stricter than the grammar's lenient
 * readings: lines end in CRLF only, extensions are skipped, trailers are checked and dropped. */
#pragma once
#include "base/bytes.h"

enum chunked_state {
  CHUNKED_SIZE_FIRST, /* the first digit of a size */
  CHUNKED_SIZE,
  CHUNKED_EXTENSION,
  CHUNKED_SIZE_LF,
  CHUNKED_DATA_STATE,
  CHUNKED_DATA_CR,
  CHUNKED_DATA_LF,
  CHUNKED_LINE_START, /* a trailer line, or the end */
  CHUNKED_NAME,
  CHUNKED_VALUE,
  CHUNKED_VALUE_LF,
  CHUNKED_END_LF,
};

struct chunked {
  enum chunked_state state;
  uint32_t line_bytes; /* of a size line, or of all trailers */
  uint64_t left;       /* of the chunk being read */
};

enum chunked_result {
  CHUNKED_MORE, /* input is used up */
  CHUNKED_DATA, /* *data is a piece of the body, inside the input */
  CHUNKED_DONE, /* input stands behind the last CRLF */
  CHUNKED_BAD,
};

void chunked_init(struct chunked *c);
enum chunked_result chunked_feed(struct chunked *c, struct slice *input, struct slice *data);
