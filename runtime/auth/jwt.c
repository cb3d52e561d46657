#include "auth/jwt.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/json.h"

enum { TOKEN_DEPTH = 16 };

struct parts {
  struct slice header, payload, signature, signed_text;
};

static bool cut(struct slice token, struct parts *p) {
  struct slice rest;
  if (token.len > JWT_BYTES_MAX) return false;
  p->header = slice_cut(token, '.', &rest);
  p->payload = slice_cut(rest, '.', &p->signature);
  p->signed_text = (struct slice){token.data, p->header.len + 1 + p->payload.len};
  return p->header.len && p->payload.len && p->signature.len &&
         !memchr(p->signature.data, '.', p->signature.len);
}

bool jwt_is_shaped(struct slice text) {
  struct parts parts;
  return slice_starts(text, SLICE("ey")) && cut(text, &parts); /* a header begins with {" */
}

static bool decode_object(struct slice part, struct bytes *out) {
  return base64url_decode(part, out) && json_validate(bytes_slice(out), TOKEN_DEPTH, NULL) &&
         json_type(bytes_slice(out)) == JSON_OBJECT;
}

/* A member twice is read differently by different readers: refused. */
static bool read_members(struct slice object, struct json_member *members, size_t count) {
  if (!json_members(object, members, count, TOKEN_DEPTH, NULL)) return false;
  for (size_t i = 0; i < count; i++)
    if (members[i].twice) return false;
  return true;
}

static bool text_is(const struct json_member *m, struct slice wanted) {
  struct bytes text;
  bytes_init(&text);
  bool same = m->type == JSON_STRING && json_string(m->value, &text) &&
              slice_equal(bytes_slice(&text), wanted);
  bytes_fini(&text);
  return same;
}

struct head {
  enum jwt_algorithm algorithm;
  struct bytes kid;
};

static bool is_token_type(struct slice raw) {
  return slice_equal_nocase(raw, SLICE("JWT")) || slice_equal_nocase(raw, SLICE("at+jwt")) ||
         slice_equal_nocase(raw, SLICE("application/at+jwt"));
}

static enum jwt_result read_head(struct slice json, uint32_t accepted, struct head *head) {
  enum { ALG, KID, TYP, CRIT, MEMBERS };
  struct json_member m[MEMBERS] = {[ALG] = {.key = SLICE("alg")},
                                   [KID] = {.key = SLICE("kid")},
                                   [TYP] = {.key = SLICE("typ")},
                                   [CRIT] = {.key = SLICE("crit")}};
  if (!read_members(json, m, MEMBERS)) return JWT_MALFORMED;
  if (m[ALG].type != JSON_STRING ||
      !jwt_algorithm_find(json_string_raw(m[ALG].value), &head->algorithm) ||
      !(accepted >> head->algorithm & 1))
    return JWT_ALGORITHM;
  if (m[CRIT].type != JSON_NONE) return JWT_TYPE; /* we know no extension (RFC 7515, 4.1.11) */
  if (m[TYP].type != JSON_NONE &&
      (m[TYP].type != JSON_STRING || !is_token_type(json_string_raw(m[TYP].value))))
    return JWT_TYPE;
  if (m[KID].type != JSON_NONE && !json_string(m[KID].value, &head->kid)) return JWT_MALFORMED;
  return JWT_FINE;
}

static const EVP_MD *digest_of(enum jwt_algorithm algorithm) {
  switch (algorithm) {
  case JWT_RS256:
  case JWT_PS256:
  case JWT_ES256: return EVP_sha256();
  case JWT_RS384:
  case JWT_PS384:
  case JWT_ES384: return EVP_sha384();
  case JWT_RS512:
  case JWT_PS512:
  case JWT_ES512: return EVP_sha512();
  default: return NULL; /* EdDSA digests for itself */
  }
}

/* r and s, one after the other (RFC 7518, 3.4), as the DER that OpenSSL reads. */
static bool ecdsa_to_der(enum jwt_algorithm algorithm, struct bytes *signature) {
  size_t half = algorithm == JWT_ES256 ? 32 : algorithm == JWT_ES384 ? 48 : 66;
  if (signature->len != 2 * half) return false;
  const unsigned char *at = (const unsigned char *)signature->data;
  ECDSA_SIG *pair = ECDSA_SIG_new();
  BIGNUM *r = BN_bin2bn(at, (int)half, NULL), *s = BN_bin2bn(at + half, (int)half, NULL);
  must(pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1);
  unsigned char *der = NULL;
  int len = i2d_ECDSA_SIG(pair, &der);
  must(len > 0);
  bytes_clear(signature);
  bytes_append(signature, der, (size_t)len);
  OPENSSL_free(der);
  ECDSA_SIG_free(pair);
  return true;
}

static bool use_pss(EVP_PKEY_CTX *context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool is_signed(const struct parts *parts, enum jwt_algorithm algorithm, EVP_PKEY *key) {
  struct bytes signature;
  bytes_init(&signature);
  bool is_ecdsa = algorithm >= JWT_ES256 && algorithm <= JWT_ES512;
  bool is_pss = algorithm >= JWT_PS256 && algorithm <= JWT_PS512;
  bool fine = base64url_decode(parts->signature, &signature) &&
              (!is_ecdsa || ecdsa_to_der(algorithm, &signature));
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  EVP_PKEY_CTX *options = NULL;
  must(context != NULL);
  fine =
      fine && EVP_DigestVerifyInit(context, &options, digest_of(algorithm), NULL, key) == 1 &&
      (!is_pss || use_pss(options)) &&
      EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.len,
                       (const unsigned char *)parts->signed_text.data, parts->signed_text.len) == 1;
  EVP_MD_CTX_free(context);
  bytes_fini(&signature);
  return fine;
}

static bool is_for_us(const struct json_member *aud, const struct jwt_rules *rules) {
  for (size_t i = 0; i < rules->audience_count; i++) {
    if (text_is(aud, rules->audiences[i])) return true;
    if (aud->type != JSON_ARRAY) continue;
    for (struct json_walk w = json_walk_of(aud->value); json_walk_next(&w);) {
      struct json_member one = {.value = w.value, .type = json_type(w.value)};
      if (text_is(&one, rules->audiences[i])) return true;
    }
  }
  return false;
}

/* NumericDate: seconds, perhaps with a fraction. */
static bool read_date(const struct json_member *m, double *seconds) {
  return m->type == JSON_NUMBER && json_to_double(m->value, seconds) && *seconds >= 0 &&
         *seconds < 1e12;
}

static enum jwt_result check_claims(struct slice json, const struct jwt_rules *rules,
                                    int64_t *expires_ms) {
  enum { ISS, AUD, EXP, NBF, IAT, MEMBERS };
  struct json_member m[MEMBERS] = {[ISS] = {.key = SLICE("iss")},
                                   [AUD] = {.key = SLICE("aud")},
                                   [EXP] = {.key = SLICE("exp")},
                                   [NBF] = {.key = SLICE("nbf")},
                                   [IAT] = {.key = SLICE("iat")}};
  double now = (double)rules->now_ms / 1000, end, date;
  if (!read_members(json, m, MEMBERS)) return JWT_MALFORMED;
  if (!text_is(&m[ISS], rules->issuer)) return JWT_ISSUER;
  if (!is_for_us(&m[AUD], rules)) return JWT_AUDIENCE;
  if (!read_date(&m[EXP], &end) || now >= end + rules->leeway_s) return JWT_EXPIRED;
  for (int i = NBF; i <= IAT; i++) {
    if (m[i].type == JSON_NONE) continue;
    if (!read_date(&m[i], &date)) return JWT_MALFORMED;
    if (date > now + rules->leeway_s) return JWT_TOO_EARLY;
  }
  *expires_ms = (int64_t)((end + rules->leeway_s) * 1000);
  return JWT_FINE;
}

static enum jwt_result verify(const struct parts *parts, const struct jwk_set *keys,
                              const struct jwt_rules *rules, struct head *head) {
  struct bytes json;
  bytes_init(&json);
  enum jwt_result result = decode_object(parts->header, &json)
                               ? read_head(bytes_slice(&json), rules->algorithms, head)
                               : JWT_MALFORMED;
  bytes_fini(&json);
  if (result != JWT_FINE) return result;
  EVP_PKEY *key = jwk_find(keys, bytes_slice(&head->kid), head->algorithm);
  if (!key) return JWT_UNKNOWN_KEY;
  return is_signed(parts, head->algorithm, key) ? JWT_FINE : JWT_SIGNATURE;
}

enum jwt_result jwt_verify(struct slice token, const struct jwk_set *keys,
                           const struct jwt_rules *rules, struct bytes *claims,
                           int64_t *expires_ms) {
  struct parts parts;
  struct head head = {0};
  if (!cut(token, &parts)) return JWT_MALFORMED;
  size_t before = claims->len;
  enum jwt_result result = verify(&parts, keys, rules, &head);
  bytes_fini(&head.kid);
  struct bytes payload;
  bytes_init(&payload);
  if (result == JWT_FINE && !decode_object(parts.payload, &payload)) result = JWT_MALFORMED;
  if (result == JWT_FINE) result = check_claims(bytes_slice(&payload), rules, expires_ms);
  if (result == JWT_FINE) bytes_append_slice(claims, bytes_slice(&payload));
  bytes_fini(&payload);
  must(result == JWT_FINE || claims->len == before);
  return result;
}

bool jwt_issuer(struct slice token, struct bytes *out) {
  struct parts parts;
  struct bytes payload;
  bytes_init(&payload);
  bool fine = cut(token, &parts) && decode_object(parts.payload, &payload) &&
              json_string(json_find(bytes_slice(&payload), "iss"), out);
  bytes_fini(&payload);
  return fine;
}

const char *jwt_result_text(enum jwt_result result) {
  static const char *const texts[] = {
      [JWT_FINE] = "is accepted",
      [JWT_MALFORMED] = "is no signed token",
      [JWT_ALGORITHM] = "is signed with an algorithm that is not accepted",
      [JWT_TYPE] = "asks for an extension or a type that is not known",
      [JWT_UNKNOWN_KEY] = "is signed with a key that its issuer does not publish",
      [JWT_SIGNATURE] = "has a wrong signature",
      [JWT_ISSUER] = "comes from another issuer",
      [JWT_AUDIENCE] = "is for another audience",
      [JWT_EXPIRED] = "has expired",
      [JWT_TOO_EARLY] = "is not valid yet; compare the clocks",
      [JWT_CLAIMS] = "names no tenant and user that may call here",
  };
  return texts[result];
}
