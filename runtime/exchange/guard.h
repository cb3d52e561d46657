/* The tenant's output guard: everything a client is about to read passes through the policies that
 * want to see it, frame by frame, in the client's own protocol. One place for native and translated
 * replies, so that no way around it exists. */
#pragma once
#include "exchange/texts.h"

struct exchange;
struct guard;

/* Before anything of a stream goes out. NULL where no policy wants to see replies. */
struct guard *guard_new(struct exchange *x);
void guard_free(struct guard *g);
/* Bytes on their way to the client: whole frames and parts of them. */
void guard_feed(struct guard *g, struct slice data);
/* No more will be fed: what was held back goes out. */
void guard_finish(struct guard *g);
/* A hook that waited has answered. */
void guard_continue(struct guard *g);
/* Words have been held back for scripts.hold: what may go is in guard_released. */
void guard_let_go(struct guard *g);
bool guard_is_busy(const struct guard *g); /* a hook waits, or frames wait behind one */
size_t guard_pending_bytes(const struct guard *g);
struct bytes *guard_released(struct guard *g); /* what may go out now: the caller empties it */
/* Responses: the response object as the client got it; empty before the end. */
struct slice guard_response(const struct guard *g);
