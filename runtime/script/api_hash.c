/* gateyes.hash */
#include "script/sandbox.h"
#include "script/surface_private.h"

static int push_hex(lua_State *L, const uint8_t digest[SHA256_BYTES]) {
  char hex[2 * SHA256_BYTES + 1];
  digest_hex(digest, SHA256_BYTES, hex);
  lua_pushlstring(L, hex, sizeof hex - 1);
  return 1;
}

enum { CHECK_BYTES = 48 << 10 }; /* a multiple of three */

int hash_sha256(lua_State *L) {
  uint8_t digest[SHA256_BYTES];
  digest_sha256(surface_text(L, 1), digest);
  return push_hex(L, digest);
}

int hash_hmac(lua_State *L) {
  uint8_t digest[SHA256_BYTES];
  struct slice key = surface_text(L, 1);
  digest_hmac(key, surface_text(L, 2), digest);
  return push_hex(L, digest);
}

int hash_keyed(lua_State *L) {
  const struct surface *s = surface_self(L);
  uint8_t digest[SHA256_BYTES];
  digest_hmac((struct slice){(const char *)s->hash_key, sizeof s->hash_key}, surface_text(L, 1),
              digest);
  return push_hex(L, digest);
}

int hash_hex(lua_State *L) {
  static const char digits[] = "0123456789abcdef";
  struct surface *s = surface_self(L);
  struct slice bytes = surface_text(L, 1);
  bytes_clear(&s->scratch);
  for (size_t i = 0; i < bytes.len; i++) {
    if (i % CHECK_BYTES == 0) sandbox_check(L);
    bytes_append_byte(&s->scratch, digits[(unsigned char)bytes.data[i] >> 4]);
    bytes_append_byte(&s->scratch, digits[bytes.data[i] & 15]);
  }
  surface_push_text(L, bytes_slice(&s->scratch));
  return 1;
}

int hash_unhex(lua_State *L) {
  struct surface *s = surface_self(L);
  struct slice text = surface_text(L, 1);
  bytes_clear(&s->scratch);
  uint8_t *out = (uint8_t *)bytes_reserve(&s->scratch, text.len / 2 + 1);
  if (text.len % 2 || !digest_from_hex(text, out, text.len / 2))
    lua_pushnil(L);
  else
    lua_pushlstring(L, (const char *)out, text.len / 2);
  return 1;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* RFC 4648, 4. */
int hash_base64(lua_State *L) {
  struct surface *s = surface_self(L);
  struct slice in = surface_text(L, 1);
  bytes_clear(&s->scratch);
  for (size_t i = 0; i < in.len; i += 3) {
    if (i % CHECK_BYTES == 0) sandbox_check(L);
    size_t left = in.len - i;
    uint32_t group = (uint32_t)(unsigned char)in.data[i] << 16;
    if (left > 1) group |= (uint32_t)(unsigned char)in.data[i + 1] << 8;
    if (left > 2) group |= (unsigned char)in.data[i + 2];
    char out[4] = {alphabet[group >> 18], alphabet[group >> 12 & 63],
                   left > 1 ? alphabet[group >> 6 & 63] : '=',
                   left > 2 ? alphabet[group & 63] : '='};
    bytes_append(&s->scratch, out, sizeof out);
  }
  surface_push_text(L, bytes_slice(&s->scratch));
  return 1;
}

static int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

int hash_unbase64(lua_State *L) {
  struct surface *s = surface_self(L);
  struct slice in = surface_text(L, 1);
  uint32_t group = 0, bits = 0;
  bytes_clear(&s->scratch);
  for (int padding = 0; padding < 2 && in.len && in.data[in.len - 1] == '='; padding++)
    in.len--;
  bool fine = in.len % 4 != 1;
  for (size_t i = 0; i < in.len && fine; i++) {
    if (i % CHECK_BYTES == 0) sandbox_check(L);
    int value = value_of(in.data[i]);
    fine = value >= 0;
    group = group << 6 | ((uint32_t)value & 63);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes_append_byte(&s->scratch, (char)(group >> bits & 0xff));
  }
  if (fine)
    surface_push_text(L, bytes_slice(&s->scratch));
  else
    lua_pushnil(L);
  return 1;
}
