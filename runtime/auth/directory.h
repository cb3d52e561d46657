/* Who may call: an immutable snapshot, found by the keyed hash of the secret that a client showed.
 * Built by the server's thread or the pool, shared by all workers by count, replaced whole;
 * requests hold the one they began with, so that the principal they borrowed lives as long as they
 * do. It is whole in memory: a store that is away changes nothing.
 *
 * Rows of the store, as who writes them must shape them:
 *   tenants   id: its name everywhere. state "" or "blocked", for static keys of it as well. A key
 *             of a tenant without a row is closed, unless the configuration has keys of that
 * tenant. projects  tenant; owner: id of the project above, or empty; name: one part of its path.
 *   users     tenant; name: what logs and limits call it; state "" or "blocked";
 *             body {"roles":["developer", {"role":"auditor","project":ID}]}
 *   keys      tenant; owner: id of its project, or empty; name; lookup: key_hash_text;
 *             state "" or "blocked" (a revoked key's row is deleted, or its state is "revoked");
 * body:
 *             {"user":ID, "roles":[…], "models":[globs], "paths":[globs],
 * "networks":["10.0.0.0/8"], "tags":[…], "expires_ms":n, "metadata":{…}, "last4":"…",
 *              "previous":{"lookup":HASH,"until_ms":n},      after a rotation
 *              "service":ID}      then it opens that service's paths, and no others
 *   roles     tenant; name; body as a role file: {"reach":…,"allow":[…],…}
 * A key without roles has its user's; without those, "service". What cannot be read (an expiry that
 * is no number, a network that is none) closes the key, and directory_problems tells. */
#pragma once
#include "auth/jwk.h"
#include "auth/key.h"
#include "auth/role.h"
#include "auth/rows.h"
#include "config/config.h"
#include "model/header.h"
#include "model/principal.h"

struct directory;

struct key_sets {         /* of config.identities, in that order */
  struct jwk_set **items; /* NULL: not read yet; references are taken */
  size_t count;
};

struct directory_source {
  struct config *config; /* a reference is taken, as of the others */
  struct roles *roles;   /* NULL: none, so that nobody may do anything */
  struct rows *rows;     /* NULL: only the static keys of the configuration */
  struct slice secret;   /* of the server, for key_hash; copied */
  struct key_sets sets;  /* count 0: no tokens are accepted */
  bool is_partial;       /* there is a store, but it has never been read: more keys may exist */
};

/* Never NULL. */
struct directory *directory_new(const struct directory_source *source);
struct directory *directory_ref(struct directory *d);
void directory_unref(struct directory *d);
/* NULL when unknown, blocked, revoked or expired. Every secret, whatever it is, costs the same
 * digests, one look-up and one constant-time comparison. */
const struct principal *directory_find(const struct directory *d, struct slice secret,
                                       int64_t now_ms);
/* Then a key that is not found may be good all the same. */
bool directory_is_partial(const struct directory *d);
/* By key id, whatever its state; NULL when there is none. Not for the path of requests. */
const struct principal *directory_key_find(const struct directory *d, struct slice id);
const struct roles *directory_roles(const struct directory *d); /* all of them, the store's too */
struct slice directory_secret(const struct directory *d);
/* Appends the path of a project's id, such as "research/vision"; nothing when there is none. */
void directory_project_path(const struct directory *d, struct slice id, struct bytes *out);
/* One sentence for each row that could not be used as it is. */
const struct config_problems *directory_problems(const struct directory *d);
/* More than one tenant may send requests: by its keys, or by tokens. */
bool directory_has_several_tenants(const struct directory *d);
size_t directory_key_count(const struct directory *d);
/* The secret a client sent: Authorization: Bearer, x-api-key, or api-key (Azure's clients); empty
 * when none. */
struct slice credential_find(struct headers headers);
/* By the key's own `models`, and by its roles for any client's action. */
bool principal_may_use(const struct principal *p, struct slice model);
