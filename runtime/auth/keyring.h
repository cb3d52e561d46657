/* Who may call: the keys of one configuration, found by digest. Immutable after keyring_new, so all
 * requests of a worker read it without a lock. */
#pragma once
#include "config/config.h"
#include "model/header.h"

struct keyring;

struct keyring *keyring_new(const struct config *config); /* borrows the config's keys */
void keyring_free(struct keyring *k);
/* NULL when unknown. Every secret, known or not, costs one digest and one constant-time comparison.
 */
const struct static_key *keyring_find(const struct keyring *k, struct slice secret);
/* The secret a client sent: Authorization: Bearer, x-api-key, or api-key (Azure's clients); empty
 * when none. */
struct slice credential_find(struct headers headers);
/* May this key use the model? Its `models` are names or globs with * and ?; none means
 * all. */
bool key_may_use(const struct static_key *key, struct slice model);
