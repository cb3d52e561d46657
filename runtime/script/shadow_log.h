/* Where shadows decided otherwise than what runs: of the process, any thread. */
#pragma once
#include "script/policy.h"

struct shadow_log;

enum { SHADOW_DIFFERENCES_MAX = 100 }; /* of each tenant, the newest */

struct shadow_note {
  struct slice tenant, request_id;
  uint64_t generation;           /* of the shadow; a new one begins a new list */
  const struct verdict *running; /* NULL: no policy looked at the request */
  const struct verdict *shadow;  /* the same */
};

struct shadow_log *shadow_log_new(void);
void shadow_log_free(struct shadow_log *log);
void shadow_log_note(struct shadow_log *log, const struct shadow_note *note);
/* {"generation":8,"requests":1000,"different":3,"differences":[{"request_id":…,"running":"pass",
 * "shadow":"deny 403 denied_by_policy"}]}, newest first. */
void shadow_log_write(struct shadow_log *log, struct slice tenant, struct bytes *out);
