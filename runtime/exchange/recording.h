/* The events of background streams, kept for clients that come back for them (GET
 * /v1/responses/{id}?stream=true&starting_after=41): whatever worker runs the response, any worker
 * reads along. A recording stays for five minutes after its end, as OpenAI keeps its own; all of
 * them together are bounded, and one that has grown too large is given up. */
#pragma once
#include "base/bytes.h"

enum {
  RECORDING_BYTES = 8 * 1024 * 1024,
  RECORDINGS_BYTES = 64 * 1024 * 1024,
  RECORDING_KEPT_MS = 5 * 60 * 1000
};

struct recording; /* counted; any thread */

/* The caller writes to it, and says its end. */
struct recording *recording_start(struct slice owner, struct slice id);
void recording_append(struct recording *r, struct slice frames);
void recording_end(struct recording *r); /* also gives the writer's reference back */
/* NULL: there is none (any more). Else to be given back with recording_unref. */
struct recording *recording_find(struct slice owner, struct slice id);
void recording_unref(struct recording *r);
void recording_forget(struct slice owner, struct slice id);

enum recording_state { RECORDING_GOES_ON, RECORDING_OVER, RECORDING_LOST /* given up */ };

/* Appends at most `most` bytes from *at on to out, and moves *at. The state holds once no more
 * bytes are returned. */
enum recording_state recording_read(struct recording *r, size_t *at, size_t most,
                                    struct bytes *out);
