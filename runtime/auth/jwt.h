/* Signed tokens (RFC 7515, 7519; best practice: RFC 8725). Only asymmetric signatures. */
#pragma once
#include "auth/jwk.h"

enum { JWT_BYTES_MAX = 16384 };

enum jwt_result {
  JWT_FINE,
  JWT_MALFORMED,
  JWT_ALGORITHM,   /* none, symmetric, unknown, or not one of those that are wanted */
  JWT_TYPE,        /* typ or crit ask for something else than a token to be checked here */
  JWT_UNKNOWN_KEY, /* no key of the set has that id and that algorithm */
  JWT_SIGNATURE,
  JWT_ISSUER,
  JWT_AUDIENCE,
  JWT_EXPIRED, /* or without an end */
  JWT_TOO_EARLY,
  JWT_CLAIMS /* its tenant or user is missing, or blocked */
};

struct jwt_rules {
  struct slice issuer;
  const struct slice *audiences; /* one of them must be in aud */
  size_t audience_count;
  uint32_t algorithms; /* a bit for each that is accepted */
  uint32_t leeway_s;
  int64_t now_ms;
};

bool jwt_is_shaped(struct slice text); /* three parts of base64url: worth a closer look */
/* claims gets the payload, one JSON object, with JWT_FINE only; *expires_ms, leeway included. */
enum jwt_result jwt_verify(struct slice token, const struct jwk_set *keys,
                           const struct jwt_rules *rules, struct bytes *claims,
                           int64_t *expires_ms);
/* The issuer that an unverified token names: to choose the rules, never to trust. Appends. */
bool jwt_issuer(struct slice token, struct bytes *out);
const char *jwt_result_text(enum jwt_result result); /* "has expired", after "the token " */
