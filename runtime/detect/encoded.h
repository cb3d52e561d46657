/* Text inside base64 (RFC 4648, both alphabets): a run whose beginning decodes to text is decoded
 * and scanned, one layer deep. Positions are those of the normalised outer text. */
#pragma once
#include "detect/detect.h"
#include "detect/normal.h"

enum { ENCODED_RUN_MIN = 16 }; /* shorter runs of its letters hide nothing */

struct encoded {
  struct detect_stream *inner; /* NULL outside of a run worth reading */
  struct detect_findings found;
  ptrdiff_t run; /* where the run began; below 0 when that was dropped */
  size_t at;     /* first byte that was not looked at */
  size_t taken;  /* bytes of the run decoded so far, a multiple of 4 */
  bool open;     /* inside a run */
  bool dead;     /* which is no text */
  bool off;      /* this text was decoded already */
};

void encoded_init(struct encoded *e);
void encoded_fini(struct encoded *e);
/* Looks at the new bytes of text. Returns where the earliest thing begins that may still be found.
 */
size_t encoded_feed(struct encoded *e, const struct detect_rules *rules, struct slice text,
                    bool ended);
/* Moves what was found to out, with offsets of the given bytes. */
void encoded_take(struct encoded *e, const struct normal *n, struct detect_findings *out);
void encoded_drop(struct encoded *e, size_t count);

/* A stream for what was decoded: the same, but base64 in it stays as it is. */
struct detect_stream *detect_stream_new_inner(const struct detect_rules *rules);
