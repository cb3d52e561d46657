#include "auth/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/ref.h"

enum { SET_DEPTH = 8, KEYS_MAX = 100, RSA_BITS_MIN = 2048, RSA_BITS_MAX = 16384 };

struct jwk {
  struct slice kid;
  uint32_t algorithms; /* that it may sign with */
  EVP_PKEY *key;
};

struct jwk_set {
  struct ref refs;
  struct arena arena;
  struct jwk keys[KEYS_MAX];
  size_t count;
  atomic_bool is_wanted;
};

static const char *const names[JWT_ALGORITHMS] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                                  "PS512", "ES256", "ES384", "ES512", "EdDSA"};

bool jwt_algorithm_find(struct slice name, enum jwt_algorithm *out) {
  for (int i = 0; i < JWT_ALGORITHMS; i++)
    if (slice_equal_text(name, names[i])) {
      *out = (enum jwt_algorithm)i;
      return true;
    }
  return false;
}

static int letter_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Bits that stand for nothing must be zero: one text for one value. */
bool base64url_decode(struct slice text, struct bytes *out) {
  size_t before = out->len;
  uint32_t bits = 0, held = 0;
  bool fine = text.len % 4 != 1;
  for (size_t i = 0; i < text.len && fine; i++) {
    int letter = letter_of(text.data[i]);
    fine = letter >= 0;
    bits = bits << 6 | ((uint32_t)letter & 63);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes_append_byte(out, (char)(bits >> held & 0xff));
  }
  fine = fine && (bits & ((1u << held) - 1)) == 0;
  if (!fine) out->len = before;
  return fine;
}

static struct slice text_of(struct jwk_set *s, struct slice object, const char *key) {
  struct slice value = json_find(object, key);
  struct bytes text;
  bytes_init(&text);
  bool is_text = value.data && json_string(value, &text);
  struct slice copy = is_text ? arena_slice(&s->arena, bytes_slice(&text)) : (struct slice){"", 0};
  bytes_fini(&text);
  return copy;
}

static struct slice number_of(struct jwk_set *s, struct slice object, const char *key) {
  struct bytes number;
  bytes_init(&number);
  struct slice copy = {"", 0};
  if (base64url_decode(text_of(s, object, key), &number))
    copy = arena_slice(&s->arena, bytes_slice(&number));
  bytes_fini(&number);
  return copy;
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM_BLD *build) {
  EVP_PKEY *key = NULL;
  OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
  must(params && context);
  if (EVP_PKEY_fromdata_init(context) != 1 ||
      EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
    key = NULL;
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(params);
  return key;
}

static EVP_PKEY *read_rsa(struct jwk_set *s, struct slice jwk) {
  struct slice n = number_of(s, jwk, "n"), e = number_of(s, jwk, "e");
  if (n.len < RSA_BITS_MIN / 8 || n.len > RSA_BITS_MAX / 8 || !e.len || e.len > 8) return NULL;
  BIGNUM *modulus = BN_bin2bn((const unsigned char *)n.data, (int)n.len, NULL);
  BIGNUM *exponent = BN_bin2bn((const unsigned char *)e.data, (int)e.len, NULL);
  OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
  must(modulus && exponent && build);
  must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1);
  must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1);
  bool is_long =
      BN_num_bits(modulus) >= RSA_BITS_MIN && BN_is_odd(exponent) && !BN_is_one(exponent);
  EVP_PKEY *key = is_long ? key_from("RSA", build) : NULL;
  OSSL_PARAM_BLD_free(build);
  BN_free(modulus);
  BN_free(exponent);
  return key;
}

static const struct curve {
  const char *name, *group;
  size_t bytes;
  enum jwt_algorithm algorithm;
} curves[] = {{"P-256", "prime256v1", 32, JWT_ES256},
              {"P-384", "secp384r1", 48, JWT_ES384},
              {"P-521", "secp521r1", 66, JWT_ES512}};

static const struct curve *curve_find(struct slice name) {
  for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
    if (slice_equal_text(name, curves[i].name)) return &curves[i];
  return NULL;
}

static EVP_PKEY *read_curve(struct jwk_set *s, struct slice jwk, uint32_t *algorithms) {
  const struct curve *curve = curve_find(text_of(s, jwk, "crv"));
  struct slice x = number_of(s, jwk, "x"), y = number_of(s, jwk, "y");
  if (!curve || x.len != curve->bytes || y.len != curve->bytes) return NULL;
  struct slice parts[] = {SLICE("\x04"), x, y};
  struct slice point = arena_join(&s->arena, parts, 3);
  OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
  must(build != NULL);
  must(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) == 1);
  must(OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point.data, point.len) ==
       1);
  *algorithms = 1u << curve->algorithm;
  EVP_PKEY *key = key_from("EC", build);
  OSSL_PARAM_BLD_free(build);
  return key;
}

static EVP_PKEY *read_edwards(struct jwk_set *s, struct slice jwk) {
  struct slice x = number_of(s, jwk, "x");
  if (!slice_equal_text(text_of(s, jwk, "crv"), "Ed25519") || x.len != 32) return NULL;
  return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.data, x.len);
}

static bool may_verify(struct jwk_set *s, struct slice jwk) {
  struct slice use = text_of(s, jwk, "use"), operations = json_find(jwk, "key_ops");
  if (use.len && !slice_equal_text(use, "sig")) return false;
  if (!operations.data) return true;
  for (struct json_walk w = json_walk_of(operations); json_walk_next(&w);)
    if (slice_equal_text(json_string_raw(w.value), "verify")) return true;
  return false;
}

static void add(struct jwk_set *s, struct slice jwk) {
  struct slice kind = text_of(s, jwk, "kty"), only = text_of(s, jwk, "alg");
  uint32_t algorithms = 0;
  EVP_PKEY *key = NULL;
  enum jwt_algorithm one;
  if (s->count == KEYS_MAX || json_type(jwk) != JSON_OBJECT || !may_verify(s, jwk)) return;
  if (slice_equal_text(kind, "RSA")) {
    key = read_rsa(s, jwk);
    algorithms = (1u << JWT_ES256) - 1;
  } else if (slice_equal_text(kind, "EC")) {
    key = read_curve(s, jwk, &algorithms);
  } else if (slice_equal_text(kind, "OKP")) {
    key = read_edwards(s, jwk);
    algorithms = 1u << JWT_EDDSA;
  }
  if (only.len) algorithms &= jwt_algorithm_find(only, &one) ? 1u << one : 0;
  if (key && algorithms)
    s->keys[s->count++] = (struct jwk){text_of(s, jwk, "kid"), algorithms, key};
  else
    EVP_PKEY_free(key);
}

static void set_free(struct jwk_set *s) {
  for (size_t i = 0; i < s->count; i++)
    EVP_PKEY_free(s->keys[i].key);
  arena_fini(&s->arena);
  free(s);
}

struct jwk_set *jwk_set_read(struct slice json, struct bytes *error) {
  struct json_error where;
  if (!json_validate(json, SET_DEPTH, &where)) {
    bytes_printf(error, "it is no JSON: %s, at byte %zu", where.message, where.offset);
    return NULL;
  }
  struct slice list = json_find(json, "keys");
  struct jwk_set *s = must_calloc(1, sizeof *s);
  ref_init(&s->refs);
  arena_init(&s->arena);
  atomic_init(&s->is_wanted, false);
  if (list.data && json_type(list) == JSON_ARRAY)
    for (struct json_walk w = json_walk_of(list); json_walk_next(&w);)
      add(s, w.value);
  if (s->count) return s;
  bytes_append_text(error, "it holds no public key for signatures that could be used");
  set_free(s);
  return NULL;
}

struct jwk_set *jwk_set_ref(struct jwk_set *s) {
  ref_take(&s->refs);
  return s;
}

void jwk_set_unref(struct jwk_set *s) {
  if (s && ref_drop(&s->refs)) set_free(s);
}

size_t jwk_set_count(const struct jwk_set *s) {
  return s->count;
}

EVP_PKEY *jwk_find(const struct jwk_set *s, struct slice kid, enum jwt_algorithm algorithm) {
  EVP_PKEY *found = NULL;
  for (size_t i = 0; i < s->count; i++) {
    const struct jwk *jwk = &s->keys[i];
    if (!(jwk->algorithms >> algorithm & 1)) continue;
    if (kid.len && slice_equal(kid, jwk->kid)) return jwk->key;
    if (!kid.len && found) return NULL;
    if (!kid.len) found = jwk->key;
  }
  return found;
}

void jwk_set_want(struct jwk_set *s) {
  atomic_store_explicit(&s->is_wanted, true, memory_order_relaxed);
}

bool jwk_set_is_wanted(struct jwk_set *s) {
  return atomic_exchange_explicit(&s->is_wanted, false, memory_order_relaxed);
}
