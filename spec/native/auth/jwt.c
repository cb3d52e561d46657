/* Signed tokens: the examples of RFC 7515 and RFC 8037, and tokens made here with every algorithm,
 * whole and in every way wrong. */
#include "auth/jwt.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/digest.h"
#include "check.h"

static const struct slice audience = {"gateyes", 7};
static const struct jwt_rules rules = {.issuer = {"https://idp", 11},
                                       .audiences = &audience,
                                       .audience_count = 1,
                                       .algorithms = (1u << JWT_ALGORITHMS) - 1,
                                       .leeway_s = 30,
                                       .now_ms = 1000000000};

static const char joe[] =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
    "fQ";

static void vector(const char *set, const char *token, enum jwt_result wanted) {
  struct bytes error, claims;
  struct jwt_rules joes = rules;
  int64_t expires_ms;
  bytes_init(&error);
  bytes_init(&claims);
  joes.issuer = SLICE("joe");
  struct jwk_set *keys = jwk_set_read(slice_of(set), &error);
  CHECK(keys != NULL);
  if (keys) {
    char *copy = strdup(token);
    CHECK(jwt_verify(slice_of(copy), keys, &joes, &claims, &expires_ms) == wanted);
    char *end = copy + strlen(copy) - 10;
    *end = *end == 'A' ? 'B' : 'A';
    CHECK(jwt_verify(slice_of(copy), keys, &joes, &claims, &expires_ms) == JWT_SIGNATURE);
    free(copy);
  }
  jwk_set_unref(keys);
  bytes_fini(&error);
  bytes_fini(&claims);
}

/* They are signed as they should, and then refused for what they claim. */
static void test_examples(void) {
  char token[2048];
  snprintf(token, sizeof token,
           "eyJhbGciOiJSUzI1NiJ9.%s."
           "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
           "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIAR"
           "NPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ"
           "1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
           joe);
  vector(
      "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26m"
      "PddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47"
      "soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVM"
      "TBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAc"
      "DTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}",
      token, JWT_AUDIENCE);
  snprintf(token, sizeof token,
           "eyJhbGciOiJFUzI1NiJ9.%s."
           "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
           joe);
  vector(
      "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHv"
      "RVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
      token, JWT_AUDIENCE);
  vector("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
         "7TyWQHOg7hcvPapiMlrwIaa"
         "PcHURo\"}]}",
         "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PG"
         "cvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
         JWT_MALFORMED); /* the payload is a sentence */
}

static void encode(struct bytes *out, const void *data, size_t len) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const uint8_t *at = data;
  uint32_t bits = 0, held = 0;
  for (size_t i = 0; i < len; i++) {
    bits = bits << 8 | at[i];
    for (held += 8; held >= 6; held -= 6)
      bytes_append_byte(out, letters[bits >> (held - 6) & 63]);
  }
  if (held) bytes_append_byte(out, letters[bits << (6 - held) & 63]);
}

static void append_number(struct bytes *out, const char *name, EVP_PKEY *key, const char *param,
                          int width) {
  unsigned char number[512];
  BIGNUM *n = NULL;
  CHECK(EVP_PKEY_get_bn_param(key, param, &n) == 1);
  int len = BN_bn2binpad(n, number, width ? width : BN_num_bytes(n));
  bytes_printf(out, ",\"%s\":\"", name);
  encode(out, number, (size_t)len);
  bytes_append_byte(out, '"');
  BN_free(n);
}

static void append_jwk(struct bytes *out, const char *kid, EVP_PKEY *key) {
  bytes_printf(out, "%s{\"kid\":\"%s\"", out->len ? "," : "", kid);
  if (EVP_PKEY_is_a(key, "RSA")) {
    bytes_append_text(out, ",\"kty\":\"RSA\",\"use\":\"sig\"");
    append_number(out, "n", key, "n", 0);
    append_number(out, "e", key, "e", 0);
  } else if (EVP_PKEY_is_a(key, "EC")) {
    int bits = EVP_PKEY_get_bits(key), width = (bits + 7) / 8;
    bytes_printf(out, ",\"kty\":\"EC\",\"crv\":\"P-%d\"", bits);
    append_number(out, "x", key, "qx", width);
    append_number(out, "y", key, "qy", width);
  } else {
    unsigned char raw[32];
    size_t len = sizeof raw;
    CHECK(EVP_PKEY_get_raw_public_key(key, raw, &len) == 1);
    bytes_append_text(out, ",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
    encode(out, raw, len);
    bytes_append_byte(out, '"');
  }
  bytes_append_byte(out, '}');
}

static const struct {
  const char *name, *kid, *digest;
} algorithms[] = {{"RS256", "rsa", "SHA256"},  {"RS384", "rsa", "SHA384"},
                  {"RS512", "rsa", "SHA512"},  {"PS256", "rsa", "SHA256"},
                  {"PS384", "rsa", "SHA384"},  {"PS512", "rsa", "SHA512"},
                  {"ES256", "p256", "SHA256"}, {"ES384", "p384", "SHA384"},
                  {"ES512", "p521", "SHA512"}, {"EdDSA", "ed", NULL}};

static struct {
  const char *kid;
  EVP_PKEY *key;
} signers[5];

static EVP_PKEY *signer(const char *kid) {
  for (size_t i = 0; i < 5; i++)
    if (strcmp(signers[i].kid, kid) == 0) return signers[i].key;
  abort();
}

static void ecdsa_raw(EVP_PKEY *key, unsigned char *signature, size_t *len) {
  const unsigned char *at = signature;
  int half = (EVP_PKEY_get_bits(key) + 7) / 8;
  ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)*len);
  const BIGNUM *r, *s;
  ECDSA_SIG_get0(pair, &r, &s);
  CHECK(BN_bn2binpad(r, signature, half) == half &&
        BN_bn2binpad(s, signature + half, half) == half);
  *len = (size_t)half * 2;
  ECDSA_SIG_free(pair);
}

/* header and payload as given, signed by the key of that id with that algorithm. */
static void make(struct bytes *token, const char *header, const char *payload, size_t algorithm) {
  unsigned char signature[1024];
  size_t len = sizeof signature;
  const char *name = algorithms[algorithm].name, *digest = algorithms[algorithm].digest;
  EVP_PKEY *key = signer(algorithms[algorithm].kid);
  bytes_clear(token);
  encode(token, header, strlen(header));
  bytes_append_byte(token, '.');
  encode(token, payload, strlen(payload));
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  EVP_PKEY_CTX *options = NULL;
  CHECK(EVP_DigestSignInit_ex(context, &options, digest, NULL, NULL, key, NULL) == 1);
  if (name[0] == 'P') {
    CHECK(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
    CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
  }
  CHECK(EVP_DigestSign(context, signature, &len, (unsigned char *)token->data, token->len) == 1);
  EVP_MD_CTX_free(context);
  if (strncmp(name, "ES", 2) == 0) ecdsa_raw(key, signature, &len);
  bytes_append_byte(token, '.');
  encode(token, signature, len);
}

static const char good[] = "{\"iss\":\"https://idp\",\"aud\":[\"x\",\"gateyes\"],\"exp\":1000100,"
                           "\"nbf\":999990,\"iat\":1000000.5,\"sub\":\"ann\"}";

static struct jwk_set *keys;

static enum jwt_result check(struct slice token, const struct jwt_rules *with) {
  struct bytes claims;
  int64_t expires_ms = 0;
  bytes_init(&claims);
  enum jwt_result result = jwt_verify(token, keys, with, &claims, &expires_ms);
  CHECK((claims.len > 0) == (result == JWT_FINE));
  if (result == JWT_FINE) CHECK(expires_ms == 1000130000);
  bytes_fini(&claims);
  return result;
}

static void test_algorithms(void) {
  struct bytes token;
  bytes_init(&token);
  for (size_t i = 0; i < JWT_ALGORITHMS; i++) {
    char header[128];
    snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"JWT\"}",
             algorithms[i].name, algorithms[i].kid);
    make(&token, header, good, i);
    CHECK(jwt_is_shaped(bytes_slice(&token)));
    CHECK(check(bytes_slice(&token), &rules) == JWT_FINE);
    struct jwt_rules others = rules;
    others.algorithms &= ~(1u << i);
    CHECK(check(bytes_slice(&token), &others) == JWT_ALGORITHM);
    char *middle = strchr(bytes_text(&token), '.') + 3;
    *middle = *middle == 'A' ? 'B' : 'A';
    CHECK(check(bytes_slice(&token), &rules) == JWT_SIGNATURE);
  }
  bytes_fini(&token);
}

static void test_heads(void) {
  static const struct {
    const char *header;
    enum jwt_result wanted;
  } cases[] = {
      {"{\"alg\":\"RS256\"}", JWT_FINE}, /* the set has one RSA key */
      {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"at+JWT\"}", JWT_FINE},
      {"{\"alg\":\"none\"}", JWT_ALGORITHM},
      {"{\"alg\":\"None\"}", JWT_ALGORITHM},
      {"{\"alg\":\"HS256\",\"kid\":\"rsa\"}", JWT_ALGORITHM},
      {"{\"alg\":[\"RS256\"]}", JWT_ALGORITHM},
      {"{\"kid\":\"rsa\"}", JWT_ALGORITHM},
      {"{\"alg\":\"RS256\",\"alg\":\"RS256\"}", JWT_MALFORMED},
      {"{\"alg\":\"RS256\",\"kid\":7}", JWT_MALFORMED},
      {"{\"alg\":\"RS256\",\"kid\":\"nobody\"}", JWT_UNKNOWN_KEY},
      {"{\"alg\":\"RS256\",\"kid\":\"p256\"}", JWT_UNKNOWN_KEY},
      {"{\"alg\":\"RS384\",\"kid\":\"rsa\"}", JWT_SIGNATURE},
      {"{\"alg\":\"PS256\",\"kid\":\"rsa\"}", JWT_SIGNATURE},
      {"{\"alg\":\"RS256\",\"crit\":[\"exp\"],\"exp\":1}", JWT_TYPE},
      {"{\"alg\":\"RS256\",\"typ\":\"logout+jwt\"}", JWT_TYPE},
      {"[\"RS256\"]", JWT_MALFORMED},
      {"{\"alg\":\"RS256\"", JWT_MALFORMED},
  };
  struct bytes token;
  bytes_init(&token);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    make(&token, cases[i].header, good, 0);
    if (check(bytes_slice(&token), &rules) != cases[i].wanted)
      fprintf(stderr, "header %s\n", cases[i].header);
    CHECK(check(bytes_slice(&token), &rules) == cases[i].wanted);
  }
  bytes_fini(&token);
}

static void test_claims(void) {
#define ISS "\"iss\":\"https://idp\""
#define AUD "\"aud\":\"gateyes\""
#define EXP "\"exp\":1000100"
  static const struct {
    const char *payload;
    enum jwt_result wanted;
  } cases[] = {
      {"{" ISS "," AUD "," EXP "}", JWT_FINE},
      {"{" AUD "," EXP "}", JWT_ISSUER},
      {"{\"iss\":\"https://idp/\"," AUD "," EXP "}", JWT_ISSUER},
      {"{" ISS "," ISS "," AUD "," EXP "}", JWT_MALFORMED},
      {"{" ISS "," EXP "}", JWT_AUDIENCE},
      {"{" ISS ",\"aud\":\"gateyes2\"," EXP "}", JWT_AUDIENCE},
      {"{" ISS ",\"aud\":[]," EXP "}", JWT_AUDIENCE},
      {"{" ISS ",\"aud\":{\"gateyes\":1}," EXP "}", JWT_AUDIENCE},
      {"{" ISS "," AUD "}", JWT_EXPIRED},
      {"{" ISS "," AUD ",\"exp\":999970}", JWT_EXPIRED},
      {"{" ISS "," AUD ",\"exp\":\"1000100\"}", JWT_EXPIRED},
      {"{" ISS "," AUD ",\"exp\":1e300}", JWT_EXPIRED},
      {"{" ISS "," AUD "," EXP ",\"nbf\":1000031}", JWT_TOO_EARLY},
      {"{" ISS "," AUD "," EXP ",\"iat\":1000031}", JWT_TOO_EARLY},
      {"{" ISS "," AUD "," EXP ",\"nbf\":\"x\"}", JWT_MALFORMED},
      {"[1]", JWT_MALFORMED},
      {"{", JWT_MALFORMED},
  };
  struct bytes token;
  bytes_init(&token);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    make(&token, "{\"alg\":\"RS256\"}", cases[i].payload, 0);
    if (check(bytes_slice(&token), &rules) != cases[i].wanted)
      fprintf(stderr, "payload %s\n", cases[i].payload);
    CHECK(check(bytes_slice(&token), &rules) == cases[i].wanted);
  }
  bytes_fini(&token);
}

/* The oldest trick: the public key taken for the secret of an HMAC. And shapes that are none. */
static void test_forgeries(void) {
  static const char *const none[] = {"",       ".",         "..",       "ey..",
                                     "ey.ey.", "ey.ey.x.y", "eyJ.e30.", "a.b.c"};
  struct bytes token;
  uint8_t mac[SHA256_BYTES];
  bytes_init(&token);
  const char header[] = "{\"alg\":\"HS256\",\"kid\":\"rsa\"}";
  encode(&token, header, strlen(header));
  bytes_append_byte(&token, '.');
  encode(&token, good, strlen(good));
  digest_hmac(SLICE("the public key"), bytes_slice(&token), mac);
  bytes_append_byte(&token, '.');
  encode(&token, mac, sizeof mac);
  CHECK(check(bytes_slice(&token), &rules) == JWT_ALGORITHM);
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    CHECK(!jwt_is_shaped(slice_of(none[i])));
    CHECK(check(slice_of(none[i]), &rules) == JWT_MALFORMED);
  }
  make(&token, "{\"alg\":\"ES256\",\"kid\":\"p256\"}", good, 6);
  for (size_t len = 0; len < token.len; len++) /* every cut */
    CHECK(check((struct slice){token.data, len}, &rules) != JWT_FINE);
  bytes_fini(&token);
}

static void test_sets(void) {
  static const char *const bad[] = {
      "", "[]", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
      "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
      "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
      /* not on the curve */
      "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
      "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
      "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}]}"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct bytes error;
    bytes_init(&error);
    struct jwk_set *set = jwk_set_read(slice_of(bad[i]), &error);
    if (set) fprintf(stderr, "set %zu\n", i);
    CHECK(set == NULL && error.len > 0);
    jwk_set_unref(set);
    bytes_fini(&error);
  }
  CHECK(!jwk_set_is_wanted(keys));
  jwk_set_want(keys);
  CHECK(jwk_set_is_wanted(keys) && !jwk_set_is_wanted(keys));
}

static void begin(void) {
  struct bytes list, set, error;
  bytes_init(&list);
  bytes_init(&set);
  bytes_init(&error);
  signers[0].kid = "rsa", signers[0].key = EVP_RSA_gen(2048);
  signers[1].kid = "p256", signers[1].key = EVP_EC_gen("P-256");
  signers[2].kid = "p384", signers[2].key = EVP_EC_gen("P-384");
  signers[3].kid = "p521", signers[3].key = EVP_EC_gen("P-521");
  signers[4].kid = "ed", signers[4].key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
  for (size_t i = 0; i < 5; i++)
    append_jwk(&list, signers[i].kid, signers[i].key);
  bytes_printf(&set, "{\"keys\":[%s]}", bytes_text(&list));
  keys = jwk_set_read(bytes_slice(&set), &error);
  CHECK(keys && jwk_set_count(keys) == 5);
  bytes_fini(&list);
  bytes_fini(&set);
  bytes_fini(&error);
}

int main(void) {
  begin();
  if (!keys) return 1;
  test_examples();
  test_algorithms();
  test_heads();
  test_claims();
  test_forgeries();
  test_sets();
  jwk_set_unref(keys);
  for (size_t i = 0; i < 5; i++)
    EVP_PKEY_free(signers[i].key);
  return checks_end();
}
