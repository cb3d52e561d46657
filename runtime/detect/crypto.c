#include "base/digest.h"
#include "detect/keccak.h"
#include "detect/rules.h"

static bool base58_decode(struct slice text, uint8_t *out, size_t len) {
  static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  memset(out, 0, len);
  for (size_t i = 0; i < text.len; i++) {
    const char *at = text.data[i] ? strchr(alphabet, text.data[i]) : NULL;
    if (!at) return false;
    unsigned carry = (unsigned)(at - alphabet);
    for (size_t b = len; b-- > 0; carry >>= 8) {
      carry += 58u * out[b];
      out[b] = (uint8_t)carry;
    }
    if (carry) return false;
  }
  return true;
}

/* Pay to key hash (version 0) and to script hash (5), and those of the test network. */
static bool base58check(struct slice text) {
  uint8_t raw[25], first[SHA256_BYTES], second[SHA256_BYTES];
  if (!base58_decode(text, raw, sizeof raw)) return false;
  if (raw[0] != 0 && raw[0] != 5) return false;
  digest_sha256((struct slice){(const char *)raw, 21}, first);
  digest_sha256((struct slice){(const char *)first, sizeof first}, second);
  return memcmp(second, raw + 21, 4) == 0;
}

static uint32_t bech32_step(uint32_t value, unsigned next) {
  static const uint32_t generators[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
  uint32_t top = value >> 25;
  value = (value & 0x1ffffff) << 5 ^ next;
  for (unsigned i = 0; i < 5; i++)
    if (top >> i & 1) value ^= generators[i];
  return value;
}

/* BIP 173 for witness version 0, BIP 350 for the others. */
static bool bech32(struct slice text) {
  static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
  char folded[91];
  bool lower = false, higher = false;
  if (text.len < 14 || text.len > 74) return false;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    lower = lower || (c >= 'a' && c <= 'z');
    higher = higher || is_upper(c);
    folded[i] = (char)automaton_fold((uint8_t)c);
  }
  if (lower && higher) return false;
  uint32_t value = 1;
  for (unsigned i = 0; i < 2; i++)
    value = bech32_step(value, (unsigned)folded[i] >> 5);
  value = bech32_step(value, 0);
  for (unsigned i = 0; i < 2; i++)
    value = bech32_step(value, (unsigned)folded[i] & 31);
  unsigned version = 0;
  for (size_t i = 3; i < text.len; i++) {
    const char *at = strchr(alphabet, folded[i]);
    if (!at) return false;
    if (i == 3) version = (unsigned)(at - alphabet);
    value = bech32_step(value, (unsigned)(at - alphabet));
  }
  return version <= 16 && value == (version == 0 ? 1u : 0x2bc830a3u);
}

/* EIP-55: a letter is upper case where the hash of the lower case address has a nibble over 7. */
static bool eip55(const char *hex) {
  char folded[40];
  uint8_t hash[32];
  for (size_t i = 0; i < 40; i++)
    folded[i] = (char)automaton_fold((uint8_t)hex[i]);
  keccak256((struct slice){folded, 40}, hash);
  for (size_t i = 0; i < 40; i++) {
    if (!is_alpha(hex[i])) continue;
    unsigned nibble = i % 2 ? hash[i / 2] & 15u : hash[i / 2] >> 4;
    if (is_upper(hex[i]) != (nibble > 7)) return false;
  }
  return true;
}

static void ethereum(struct scan *s, const struct token *t, struct slice text) {
  unsigned lowers = 0, uppers = 0;
  for (size_t i = 2; i < 42; i++) {
    char c = text.data[i];
    if (!is_digit(c) && ((c | 32) < 'a' || (c | 32) > 'f')) return;
    lowers += c >= 'a' && c <= 'f';
    uppers += is_upper(c);
  }
  bool checked = lowers > 0 && uppers > 0, context = scan_near(s, CONTEXT_CRYPTO, t->start);
  if (checked && !eip55(text.data + 2)) return;
  if (!checked && lowers + uppers < 4) return;
  unsigned score = checked ? 97 : context ? 90 : 70;
  scan_hit(
      s, DETECT_ETH_ADDRESS, (struct hit_at){t->start, t->end, t->start},
      (struct detect_finding){.score = (uint8_t)score, .validated = checked, .context = context});
}

void match_crypto(struct scan *s, const struct token *t) {
  struct slice text = {s->text + t->start, t->end - t->start};
  char first = text.data[0];
  bool valid = false;
  if (text.len == 42 && first == '0' && (text.data[1] | 32) == 'x') {
    if (scan_wants(s, DETECT_ETH_ADDRESS)) ethereum(s, t, text);
    return;
  }
  if (!scan_wants(s, DETECT_BTC_ADDRESS) || t->digits == 0) return;
  if ((first == '1' || first == '3') && text.len >= 25 && text.len <= 35)
    valid = base58check(text);
  else if ((first | 32) == 'b' && (text.data[1] | 32) == 'c' && text.len > 13 &&
           text.data[2] == '1')
    valid = bech32(text);
  if (valid)
    scan_hit(s, DETECT_BTC_ADDRESS, (struct hit_at){t->start, t->end, t->start},
             (struct detect_finding){.score = 98, .validated = true});
}
