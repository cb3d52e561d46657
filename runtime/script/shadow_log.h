/* Where shadows decided otherwise than what runs: of the process, any thread. */
#pragma once
#include "script/policy.h"

struct shadow_log;

enum { SHADOW_DIFFERENCES_MAX = 100 }; /* of each tenant, the newest */

struct shadow_difference { /* in what one hook decided; no text of client or model in it */
  const char *hook;
  struct slice running, shadow;
  struct slice why; /* what the shadow said, and which policy; may be empty */
};

struct shadow_note { /* one request, with or without differences */
  struct slice tenant, request_id;
  uint64_t generation; /* of the shadow; a new one begins a new list */
  const struct shadow_difference *items;
  size_t count;
};

/* Appends what on_request has decided; verdict NULL: no policy looked at it. */
void shadow_describe(const struct verdict *verdict, struct bytes *out);

struct shadow_log *shadow_log_new(void);
void shadow_log_free(struct shadow_log *log);
void shadow_log_note(struct shadow_log *log, const struct shadow_note *note);
/* {"generation":8,"requests":1000,"different":3,"differences":[{"request_id":…,
 * "hook":"on_request","running":"pass","shadow":"deny 403 denied_by_policy","why":…}]}, the newest
 * request first; different counts requests. */
void shadow_log_write(struct shadow_log *log, struct slice tenant, struct bytes *out);
