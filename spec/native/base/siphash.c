/* The same as OpenSSL's, which is too slow to begin for a request's key. */
#include "base/siphash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "check.h"
#include "dice.h"

static void expect(EVP_MAC *mac, const uint8_t *key, struct slice data, uint8_t *out) {
  size_t size = SIPHASH_BYTES, len = 0;
  OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_END};
  EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
  CHECK(EVP_MAC_init(context, key, SIPHASH_KEY_BYTES, params) == 1);
  CHECK(EVP_MAC_update(context, (const uint8_t *)data.data, data.len) == 1);
  CHECK(EVP_MAC_final(context, out, &len, SIPHASH_BYTES) == 1 && len == SIPHASH_BYTES);
  EVP_MAC_CTX_free(context);
}

int main(void) {
  EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
  CHECK(mac != NULL);
  for (size_t len = 0; mac && len < 300; len++) {
    uint8_t key[SIPHASH_KEY_BYTES], ours[SIPHASH_BYTES], theirs[SIPHASH_BYTES];
    char *data = malloc(len + 1);
    for (size_t i = 0; i < sizeof key; i++)
      key[i] = (uint8_t)dice(256);
    for (size_t i = 0; i < len; i++)
      data[i] = (char)dice(256);
    siphash(key, (struct slice){data, len}, ours);
    expect(mac, key, (struct slice){data, len}, theirs);
    CHECK(memcmp(ours, theirs, sizeof ours) == 0);
    free(data);
  }
  EVP_MAC_free(mac);
  return checks_end();
}
