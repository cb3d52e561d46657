#include "store/stored_text.h"

#include <openssl/evp.h>

#include "base/digest.h"

enum { VERSION = 1, NONCE_BYTES = 12, TAG_BYTES = 16, OVERHEAD = 1 + NONCE_BYTES + TAG_BYTES };

bool text_key_of(struct slice hex, struct text_key *key) {
  return digest_from_hex(hex, key->bytes, sizeof key->bytes);
}

/* What must be as it was when the text was sealed. */
static void write_about(const struct stored_text *about, struct bytes *out) {
  bytes_printf(out, "%d,%zu,", (int)about->kind, about->tenant.len);
  bytes_append_slice(out, about->tenant);
  bytes_append_slice(out, about->id);
}

static bool start(EVP_CIPHER_CTX *c, const struct text_key *key, const uint8_t *nonce,
                  const struct stored_text *about) {
  struct bytes associated;
  bytes_init(&associated);
  write_about(about, &associated);
  int encrypts = EVP_CIPHER_CTX_encrypting(c), len;
  bool fine =
      EVP_CipherInit_ex(c, NULL, NULL, key->bytes, nonce, encrypts) == 1 &&
      EVP_CipherUpdate(c, NULL, &len, (const uint8_t *)associated.data, (int)associated.len) == 1;
  bytes_fini(&associated);
  return fine;
}

void text_seal(const struct text_key *key, const struct stored_text *about, struct slice plain,
               struct bytes *out) {
  must(plain.len < INT32_MAX);
  uint8_t nonce[NONCE_BYTES];
  digest_random(nonce, sizeof nonce);
  uint8_t *to = (uint8_t *)bytes_reserve(out, plain.len + OVERHEAD);
  to[0] = VERSION;
  memcpy(to + 1, nonce, NONCE_BYTES);
  EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
  int len = 0, last = 0;
  must(c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, NULL, NULL, 1) == 1);
  must(start(c, key, nonce, about));
  uint8_t *cipher = to + 1 + NONCE_BYTES;
  if (plain.len)
    must(EVP_CipherUpdate(c, cipher, &len, (const uint8_t *)plain.data, (int)plain.len) == 1);
  must(EVP_CipherFinal_ex(c, cipher + len, &last) == 1);
  must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, cipher + plain.len) == 1);
  EVP_CIPHER_CTX_free(c);
  out->len += plain.len + OVERHEAD;
}

bool text_open(const struct text_key *key, const struct stored_text *text, struct bytes *out) {
  if (text->sealed.len < OVERHEAD || text->sealed.data[0] != VERSION) return false;
  const uint8_t *from = (const uint8_t *)text->sealed.data;
  size_t plain_len = text->sealed.len - OVERHEAD;
  if (plain_len > INT32_MAX) return false;
  const uint8_t *cipher = from + 1 + NONCE_BYTES;
  uint8_t tag[TAG_BYTES], *to = (uint8_t *)bytes_reserve(out, plain_len + 1);
  memcpy(tag, cipher + plain_len, TAG_BYTES);
  EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
  int len = 0, last = 0;
  must(c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, NULL, NULL, 0) == 1);
  bool fine = start(c, key, from + 1, text) &&
              (plain_len == 0 || EVP_CipherUpdate(c, to, &len, cipher, (int)plain_len) == 1) &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
              EVP_CipherFinal_ex(c, to + len, &last) == 1;
  EVP_CIPHER_CTX_free(c);
  if (fine) out->len += plain_len;
  return fine;
}
