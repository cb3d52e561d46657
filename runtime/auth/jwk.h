/* Public keys of an identity provider: a JSON Web Key Set (RFC 7517, 7518). */
#pragma once
#include <openssl/types.h>

#include "base/bytes.h"

enum jwt_algorithm {
  JWT_RS256,
  JWT_RS384,
  JWT_RS512,
  JWT_PS256,
  JWT_PS384,
  JWT_PS512,
  JWT_ES256,
  JWT_ES384,
  JWT_ES512,
  JWT_EDDSA,
  JWT_ALGORITHMS
};

/* "RS256", …; none and the HS family are no algorithms here. */
bool jwt_algorithm_find(struct slice name, enum jwt_algorithm *out);

struct jwk_set;

/* Keys that are not for signatures, symmetric, too short (RSA below 2048 bits), or of a kind that
 * is not known, are left out. NULL and a sentence when the text is no set, or none is left. */
struct jwk_set *jwk_set_read(struct slice json, struct bytes *error);
struct jwk_set *jwk_set_ref(struct jwk_set *s);
void jwk_set_unref(struct jwk_set *s); /* NULL is fine */
size_t jwk_set_count(const struct jwk_set *s);

/* The key of that id that may sign so. Without an id: the only one that may, else NULL. */
EVP_PKEY *jwk_find(const struct jwk_set *s, struct slice kid, enum jwt_algorithm algorithm);
/* Any thread: a token named a key that is not there. */
void jwk_set_want(struct jwk_set *s);
bool jwk_set_is_wanted(struct jwk_set *s); /* since the last call */

/* Base64url without padding (RFC 7515, 2), strictly: appends; false and nothing otherwise. */
bool base64url_decode(struct slice text, struct bytes *out);
