/* Reads one HTTP/1 answer (RFC 9112) for one request: llhttp, and the rules it leaves to us. */
#pragma once
#include <llhttp.h>

#include "model/failure.h"
#include "model/header.h"

enum { REPLY_HEAD_BYTES = 64 * 1024, REPLY_HEAD_LINES = 100, REPLY_INTERIM_MAX = 16 };

struct reply_events { /* false: stop parsing, the request was paused or is over */
  bool (*on_head)(void *user, int status, struct headers headers);
  bool (*on_data)(void *user, struct slice data);
};

enum reply_state { REPLY_MORE, REPLY_PAUSED, REPLY_DONE, REPLY_BROKEN };

struct reply {
  llhttp_t parser;
  const struct reply_events *events;
  void *user;
  struct bytes text; /* names and values of the head, one after the other */
  struct reply_line {
    uint32_t name_at, name_len, value_at, value_len;
  } * lines;
  struct header *items;
  size_t line_count, line_cap;
  const char *chunk, *chunk_end; /* what is being parsed */
  const char *value_end;         /* of the value read so far; NULL between lines */
  size_t quiet_bytes;            /* framing and head since the last byte of body */
  int interim;
  bool is_head_request;
  bool in_line; /* between the first byte of a header line and its end */
  bool head_done, has_length, has_chunked, is_encoded;
  bool is_paused; /* a callback said stop */
  bool is_done;
  bool keep_alive;
  const char *problem; /* a sentence, when BROKEN */
};

void reply_init(struct reply *r);
void reply_fini(struct reply *r);
void reply_start(struct reply *r, bool is_head_request, const struct reply_events *events,
                 void *user);
/* Parses data; *used is how much of it belongs to this answer so far. PAUSED: feed the rest later
 * (an empty rest too). DONE: what lies beyond *used is not part of the answer. */
enum reply_state reply_feed(struct reply *r, struct slice data, size_t *used);
/* The connection ended: DONE when that ends the answer properly, else BROKEN. */
enum reply_state reply_end(struct reply *r);
bool reply_has_begun(const struct reply *r); /* a byte has come */
bool reply_can_reuse(const struct reply *r); /* after DONE */
