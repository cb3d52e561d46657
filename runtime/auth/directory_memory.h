/* The secrets that one worker was shown last, found again by one short keyed hash in the place of
 * three digests. Only those of keys that were accepted are kept, as hashes that mean nothing
 * outside of this memory, and only while the directory is the one they were found in: a key that
 * was revoked, or that is unknown, takes the whole way of directory_find, so that the time an
 * answer takes tells no more than the answer. */
#pragma once
#include "auth/directory.h"

struct directory_memory;

struct directory_memory *directory_memory_new(void);
void directory_memory_free(struct directory_memory *m); /* NULL is fine */
/* As directory_find. */
const struct principal *directory_recall(struct directory_memory *m, const struct directory *d,
                                         struct slice secret, int64_t now_ms);
