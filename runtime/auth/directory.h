/* Who may call: an immutable snapshot, found by digest of the secret that a client showed. Built by
 * the server's thread, shared by all workers by count, replaced whole; requests hold the one they
 * began with, so that the principal they borrowed lives as long as they do. */
#pragma once
#include "config/config.h"
#include "model/header.h"
#include "model/principal.h"

struct directory;

/* The static keys of a configuration, which the snapshot holds on to. Never NULL. */
struct directory *directory_new(struct config *config);
struct directory *directory_ref(struct directory *d);
void directory_unref(struct directory *d);
/* NULL when unknown. Every secret, known or not, costs one digest and one constant-time comparison.
 */
const struct principal *directory_find(const struct directory *d, struct slice secret);
/* The secret a client sent: Authorization: Bearer, x-api-key, or api-key (Azure's clients); empty
 * when none. */
struct slice credential_find(struct headers headers);
/* Its `models` are names or globs with * and ?; none means all. */
bool principal_may_use(const struct principal *p, struct slice model);
