#include "detect/normal.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/utf8.h"

void normal_init(struct normal *n) {
  *n = (struct normal){0};
  bytes_init(&n->text);
}

void normal_fini(struct normal *n) {
  bytes_fini(&n->text);
  offsets_fini(&n->offsets);
}

static void mark_add(struct normal *n, size_t raw, uint32_t width) {
  offsets_add(&n->offsets, (struct offset_mark){n->text.len, raw, width});
}

static bool is_invisible(uint32_t p) {
  return p < 9 || p == 0xad || p == 0x34f || p == 0x180e || (p >= 0x200b && p <= 0x200f) ||
         (p >= 0x202a && p <= 0x202e) || (p >= 0x2060 && p <= 0x206f) || p == 0x20e3 ||
         (p >= 0xfe00 && p <= 0xfe0f) || p == 0xfeff || (p >= 0xe0000 && p <= 0xe01ef);
}

/* First code points of the decimal digits (Unicode, category Nd) of scripts people write numbers
 * in. */
static uint32_t digit_of(uint32_t p) {
  static const uint16_t zeros[] = {0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6,  0xb66,  0xbe6, 0xc66,
                                   0xce6, 0xd66, 0xe50, 0xed0, 0xf20, 0x1040, 0x17e0, 0x1810};
  if (p >= 0x1d7ce && p <= 0x1d7ff) return '0' + (p - 0x1d7ce) % 10;
  if (p < 0x660 || p > 0x1819) return 0;
  for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++)
    if (p >= zeros[i] && p < zeros[i] + 10u) return '0' + p - zeros[i];
  return 0;
}

static bool is_in(uint32_t p, uint32_t first, uint32_t last) {
  return p >= first && p <= last;
}

/* Pairs of a capital letter at an even place and its small one behind it, and at an odd place. */
static bool is_even_pair(uint32_t p) {
  return is_in(p, 0x100, 0x137) || is_in(p, 0x14a, 0x177) || is_in(p, 0x1de, 0x1ef) ||
         is_in(p, 0x1f8, 0x21f) || is_in(p, 0x222, 0x233) || is_in(p, 0x460, 0x481) ||
         is_in(p, 0x48a, 0x4bf) || is_in(p, 0x4d0, 0x52f) || is_in(p, 0x1e00, 0x1e95) ||
         is_in(p, 0x1ea0, 0x1eff);
}

static bool is_odd_pair(uint32_t p) {
  return is_in(p, 0x139, 0x148) || is_in(p, 0x179, 0x17e) || is_in(p, 0x1cd, 0x1dc) ||
         is_in(p, 0x4c1, 0x4ce);
}

/* Single letters whose small form lies elsewhere. */
static uint32_t odd_lower(uint32_t p) {
  static const uint16_t pairs[][2] = {
      {0x178, 0xff},  {0x17f, 's'},   {0x386, 0x3ac}, {0x388, 0x3ad}, {0x389, 0x3ae},
      {0x38a, 0x3af}, {0x38c, 0x3cc}, {0x38e, 0x3cd}, {0x38f, 0x3ce}, {0x3c2, 0x3c3},
      {0x4c0, 0x4cf}, {0x1e9e, 0xdf}, {0x212a, 'k'},  {0x212b, 0xe5}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    if (p == pairs[i][0]) return pairs[i][1];
  return p;
}

/* Simple case folding (Unicode, CaseFolding.txt, status C, and S of the sharp s) of Latin, Greek,
 * Cyrillic and Armenian. */
static uint32_t lower_of(uint32_t p) {
  if (p < 0xc0 || p > 0x212b) return p;
  if (p <= 0xde) return p == 0xd7 ? p : p + 32;
  if (is_even_pair(p)) return p | 1;
  if (is_odd_pair(p)) return p + (p & 1);
  if (is_in(p, 0x391, 0x3ab) || is_in(p, 0x410, 0x42f)) return p + 32;
  if (is_in(p, 0x400, 0x40f)) return p + 80;
  if (is_in(p, 0x531, 0x556)) return p + 48;
  return odd_lower(p);
}

/* Letters and signs that are others in another dress: of formulas, in circles, small. 0: none. */
static uint32_t dressed(uint32_t p) {
  static const char small[] = {',', 0,   '.', 0,   ';',  ':', '?', '!', 0,   '(',
                               ')', '{', '}', '[', ']',  '#', '&', '*', '+', '-',
                               '<', '>', '=', 0,   '\\', '$', '%', '@'};
  if (is_in(p, 0x24b6, 0x24e9)) return 'a' + (p - 0x24b6) % 26;
  if (is_in(p, 0xfe50, 0xfe6b)) return (unsigned char)small[p - 0xfe50];
  if (!is_in(p, 0x1d400, 0x1d6a3)) return 0;
  uint32_t place = (p - 0x1d400) % 52;
  return place < 26 ? 'A' + place : 'a' + place - 26;
}

/* The character that stands for p; 0 for none. */
static uint32_t plain_of(uint32_t p) {
  if (is_invisible(p)) return 0;
  if (p < 0x80) return p;
  if (p >= 0xff01 && p <= 0xff5e) return p - 0xfee0;
  if (p == 0xa0 || p == 0x3000 || (p >= 0x2000 && p <= 0x200a) || p == 0x202f || p == 0x205f)
    return ' ';
  if ((p >= 0x2010 && p <= 0x2015) || p == 0x2212 || p == 0xfe58 || p == 0xfe63) return '-';
  uint32_t other = digit_of(p);
  if (!other) other = dressed(p);
  return other ? other : lower_of(p);
}

static void put(struct normal *n, uint32_t point, size_t raw, size_t width) {
  char out[4];
  size_t len = point ? utf8_encode(point, out) : 0;
  if (len == 0) {
    mark_add(n, raw + width, 0);
    return;
  }
  if (len == width && len > 1) { /* changed case: byte for byte */
    bytes_append(&n->text, out, len);
    return;
  }
  mark_add(n, raw, (uint32_t)width);
  bytes_append(&n->text, out, len);
  mark_add(n, raw + width, 0);
}

static int hex_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = (char)(c | 32);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex4(const char *p) {
  int value = 0;
  for (int i = 0; i < 4; i++) {
    int digit = hex_of(p[i]);
    if (digit < 0) return -1;
    value = value << 4 | digit;
  }
  return value;
}

enum {
  MORE = 0, /* the end of this character has not come */
  CONTROL_END = NORMAL_CONTROL_END
};

/* \uXXXX, both halves of a pair; the length read, MORE, or 1 when it is no escape. */
static size_t unicode_escape(const char *p, size_t left, bool ended, uint32_t *point) {
  *point = '\\';
  for (size_t i = 2; i < 6; i++) {
    if (i >= left) return ended ? 1 : MORE;
    if (hex_of(p[i]) < 0) return 1;
  }
  uint32_t high = (uint32_t)hex4(p + 2);
  if (high < 0xd800 || high > 0xdfff) {
    *point = high;
    return 6;
  }
  *point = 0xfffd;
  if (high > 0xdbff) return 6;
  for (size_t i = 6; i < 12; i++) {
    if (i >= left) return ended ? 6 : MORE;
    if (i == 6 ? p[i] != '\\' : i == 7 ? p[i] != 'u' : hex_of(p[i]) < 0) return 6;
  }
  uint32_t low = (uint32_t)hex4(p + 8);
  if (low < 0xdc00 || low > 0xdfff) return 6;
  *point = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  return 12;
}

static size_t escape(const char *p, size_t left, bool ended, uint32_t *point) {
  *point = '\\';
  if (left < 2) return ended ? 1 : MORE;
  switch (p[1]) {
  case 'u': return unicode_escape(p, left, ended, point);
  case 'n':
  case 'r':
  case 't': *point = '\n'; return 2;
  case '"':
  case '/': *point = (uint8_t)p[1]; return 2;
  default: return 1;
  }
}

/* The byte that %XX at p stands for; -1: it is none; -2: its end has not come. */
static int percent_byte(const char *p, size_t left) {
  for (size_t i = 0; i < 3; i++) {
    if (i >= left) return -2;
    if (i == 0 ? p[i] != '%' : hex_of(p[i]) < 0) return -1;
  }
  return hex_of(p[1]) * 16 + hex_of(p[2]);
}

/* One character in the bytes of UTF-8 (RFC 3986, section 2.5); 1 when it is none. */
static size_t percent(const char *p, size_t left, bool ended, uint32_t *point) {
  char bytes[4];
  size_t want = 1;
  *point = '%';
  for (size_t i = 0; i < want; i++) {
    size_t at = 3 * i;
    int value = percent_byte(p + at, left > at ? left - at : 0);
    if (value == -2) return ended ? 1 : MORE;
    if (value < 0) return 1;
    if (i == 0 && value >= 0xc2) want = value >= 0xf0 ? 4 : value >= 0xe0 ? 3 : 2;
    if (i == 0 && want == 1 && (value < 0x20 || value >= 0x7f)) return 1;
    if (i > 0 && (value & 0xc0) != 0x80) return 1;
    bytes[i] = (char)value;
  }
  size_t len = utf8_decode(bytes, bytes + want, point);
  if (len == want) return 3 * want;
  *point = '%';
  return 1;
}

/* Could the bytes from p to its end be the start of a longer valid sequence? */
static bool utf8_is_partial(const char *p, size_t left) {
  unsigned char c = (unsigned char)p[0];
  size_t want = c >= 0xf0 && c <= 0xf4  ? 4
                : c >= 0xe0 && c < 0xf0 ? 3
                : c >= 0xc2 && c < 0xe0 ? 2
                                        : 0;
  if (left >= want) return false;
  for (size_t i = 1; i < left; i++)
    if (((unsigned char)p[i] & 0xc0) != 0x80) return false;
  return true;
}

/* Turns one special character; how many bytes it read, or MORE. */
static size_t special(struct normal *n, const char *p, size_t left, bool ended) {
  uint32_t point = 0;
  size_t len;
  if (*p == '\\') {
    len = escape(p, left, ended, &point);
  } else if (*p == '%') {
    len = percent(p, left, ended, &point);
  } else if ((unsigned char)*p < CONTROL_END) {
    put(n, 0, n->raw, 1);
    return 1;
  } else {
    len = utf8_decode(p, p + left, &point);
    if (len == 0 && !ended && utf8_is_partial(p, left)) return MORE;
    if (len == 0 || plain_of(point) == point) {
      len = len ? len : 1;
      bytes_append(&n->text, p, len);
      return len;
    }
  }
  if (len == MORE) return MORE;
  if (len == 1) {
    bytes_append_byte(&n->text, *p);
    return 1;
  }
  put(n, plain_of(point), n->raw, len);
  return len;
}

static bool is_special(unsigned char c) {
  return c >= 0x80 || c < CONTROL_END || c == '\\' || c == '%';
}

/* U+4000 to U+CFFF, most of what Chinese and Korean are written in, are as they are. */
static bool is_plain_sequence(const char *p, size_t left) {
  unsigned char first = (unsigned char)p[0];
  return left >= 3 && first >= 0xe4 && first <= 0xec && ((unsigned char)p[1] & 0xc0) == 0x80 &&
         ((unsigned char)p[2] & 0xc0) == 0x80;
}

/* The first byte from `at` on that may not stay as it is. */
static size_t plain_end(struct slice piece, size_t at) {
  for (;;) {
#ifdef __SSE2__
    const __m128i backslash = _mm_set1_epi8('\\'), percent_sign = _mm_set1_epi8('%');
    const __m128i control_end = _mm_set1_epi8(CONTROL_END); /* signed: 0x80 and more are below */
    for (int found = 0; piece.len - at >= 16 && !found;) {
      __m128i chunk = _mm_loadu_si128((const __m128i *)(piece.data + at));
      __m128i signs =
          _mm_or_si128(_mm_cmpeq_epi8(chunk, backslash), _mm_cmpeq_epi8(chunk, percent_sign));
      __m128i odd = _mm_cmplt_epi8(chunk, control_end);
      found = _mm_movemask_epi8(_mm_or_si128(odd, signs));
      at += found ? (size_t)__builtin_ctz((unsigned)found) : 16;
    }
#endif
    while (at < piece.len && !is_special((unsigned char)piece.data[at]))
      at++;
    if (at == piece.len || !is_plain_sequence(piece.data + at, piece.len - at)) return at;
    while (at < piece.len && is_plain_sequence(piece.data + at, piece.len - at))
      at += 3;
  }
}

bool normal_is_same(struct slice text) {
  return plain_end(text, 0) == text.len;
}

/* Turns all it can of the bytes; how many. */
static size_t turn(struct normal *n, struct slice piece, bool ended) {
  size_t at = 0;
  while (at < piece.len) {
    size_t plain = plain_end(piece, at);
    bytes_append(&n->text, piece.data + at, plain - at);
    n->raw += plain - at;
    at = plain;
    if (at == piece.len) break;
    size_t len = special(n, piece.data + at, piece.len - at, ended);
    if (len == MORE) break;
    n->raw += len;
    at += len;
  }
  return at;
}

void normal_feed(struct normal *n, struct slice piece, bool ended) {
  if (!piece.data) piece = SLICE("");
  while (n->carried) {
    /* What waits and a few more bytes: enough for any one character. */
    char joined[sizeof n->carry * 2];
    size_t more = piece.len < sizeof n->carry ? piece.len : sizeof n->carry;
    memcpy(joined, n->carry, n->carried);
    memcpy(joined + n->carried, piece.data, more);
    size_t before = n->carried;
    bool last = ended && more == piece.len;
    size_t read = turn(n, (struct slice){joined, before + more}, last);
    if (read < before) { /* still not whole: all of the piece is in it */
      must(more == piece.len && before + more - read <= sizeof n->carry);
      memcpy(n->carry, joined + read, before + more - read);
      n->carried = before + more - read;
      return;
    }
    n->carried = 0;
    piece = slice_skip(piece, read - before);
  }
  size_t read = turn(n, piece, ended);
  n->carried = piece.len - read;
  must(n->carried <= sizeof n->carry);
  if (n->carried) memcpy(n->carry, piece.data + read, n->carried);
}

void normal_drop(struct normal *n, size_t count) {
  offsets_drop(&n->offsets, count);
  bytes_drop_front(&n->text, count);
}
