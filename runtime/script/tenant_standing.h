/* How a generation of a tenant's scripts does in all workers: told by the workers, read by who
 * shows it. Counted; any thread. */
#pragma once
#include "base/bytes.h"

struct tenant_standing;

struct tenant_standing *tenant_standing_new(void);
struct tenant_standing *tenant_standing_ref(struct tenant_standing *s);
void tenant_standing_unref(struct tenant_standing *s); /* NULL is fine */
/* The scripts of one worker do not run any more, and why. */
void tenant_standing_disable(struct tenant_standing *s, struct slice reason);
/* Of how many workers; appends the newest reason where there are any. NULL: of none. */
unsigned tenant_standing_disabled(struct tenant_standing *s, struct bytes *reason);
