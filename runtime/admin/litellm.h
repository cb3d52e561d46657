/* What the aliases for LiteLLM's scripts share. */
#pragma once
#include "admin/api.h"

enum { LITELLM_WRITES_MAX = 4 };

struct litellm_writes { /* of one call: the key's own comes first */
  struct row_write items[LITELLM_WRITES_MAX];
  size_t count;
};

/* Is the call about the key that it shows? Any key may ask that. */
bool litellm_is_own(struct call *c);
/* False, and refused: it is a secret, which no query may hold. */
bool litellm_check_key(struct call *c, const char *param, struct slice name);
/* "30s", "15m", "12h", "30d", "2w" or "1mo". */
bool litellm_duration(struct slice text, int64_t *ms);
/* Appends what the members about money and rates of body make of the key's limits. False: refused.
 */
bool litellm_limits_write(struct call *c, struct slice body, const struct entity *key,
                          struct litellm_writes *out);
/* The same for a key that goes. */
bool litellm_limits_drop(struct call *c, const struct entity *key, struct litellm_writes *out);
/* Appends them to the answer as members, with a comma first. False: the store failed, and the
 * answer says so. */
bool litellm_limits_show(struct call *c, const struct entity *key);
