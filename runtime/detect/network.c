/* Addresses of networks and places on Earth. */
#include "detect/number.h"
#include "detect/rules.h"

static uint32_t octets_value(const struct number *n, bool *fits) {
  uint32_t value = 0;
  unsigned before = 0;
  *fits = true;
  for (unsigned i = 0; i < 4; i++) {
    unsigned octet = 0, count = n->groups[i].digits - before;
    for (unsigned d = before; d < n->groups[i].digits; d++)
      octet = octet * 10 + n->digit[d];
    if (count > 3 || octet > 255 || (count > 1 && n->digit[before] == 0)) *fits = false;
    value = value << 8 | (octet & 255);
    before = n->groups[i].digits;
  }
  return value;
}

/* RFC 1918, 1122, 3927, 6598, 5737, 2544, 5771 and what is no unicast address. */
static bool is_private(uint32_t v) {
  static const struct {
    uint32_t base;
    unsigned bits;
  } ranges[] = {{0x0a000000, 8},  {0xac100000, 12}, {0xc0a80000, 16}, {0x7f000000, 8},
                {0xa9fe0000, 16}, {0x64400000, 10}, {0xc0000200, 24}, {0xc6336400, 24},
                {0xcb007100, 24}, {0xc6120000, 15}, {0x00000000, 8},  {0xe0000000, 3}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    if ((v ^ ranges[i].base) >> (32 - ranges[i].bits) == 0) return true;
  return false;
}

/* What stands before says that this counts releases: v1.2.3.4, curl/7.88.1.2, version 1.2.3.4. */
static bool is_version(const struct scan *s, const struct number *n) {
  char before = scan_before(s, n->start);
  char earlier = n->start > 1 ? s->text[n->start - 2] : 0;
  if (is_alpha(before) || before == '_' || (before == '/' && is_alpha(earlier)) || n->glued)
    return true;
  return scan_near(s, CONTEXT_VERSION, n->start) &&
         n->start - s->context_end[CONTEXT_VERSION] <= 16;
}

static void ipv4(struct scan *s, const struct number *n) {
  bool fits;
  size_t end = n->groups[3].end;
  for (unsigned i = 0; i < 3; i++)
    if (s->text[n->groups[i].end] != '.') return;
  char after = scan_byte(s, end);
  if ((after == '.' || after == '-') && is_alnum(scan_byte(s, end + 1))) return;
  uint32_t value = octets_value(n, &fits);
  if (!fits || is_alnum(after) || after == '_' || is_version(s, n)) return;
  bool private = is_private(value);
  unsigned score =
      value >> 24 < 10 && (value >> 16 & 255) < 20 && (value >> 8 & 255) < 20 ? 50 : 75;
  scan_hit(s, private ? DETECT_IPV4_PRIVATE : DETECT_IPV4, (struct hit_at){n->start, end, n->start},
           (struct detect_finding){.score = (uint8_t)(private ? 85 : score)});
}

/* A decimal degree at *at: sign, one to three digits, four to ten decimals. */
static bool degree(const struct scan *s, size_t *at, int limit, unsigned *decimals) {
  size_t p = *at;
  int whole = 0;
  if (scan_byte(s, p) == '-' || scan_byte(s, p) == '+') p++;
  size_t first = p;
  for (; is_digit(scan_byte(s, p)) && p - first < 4; p++)
    whole = whole * 10 + (s->text[p] - '0');
  if (p == first || p - first > 3 || whole > limit || scan_byte(s, p) != '.') return false;
  size_t point = p++;
  while (is_digit(scan_byte(s, p)) && p - point <= 12)
    p++;
  *decimals = (unsigned)(p - point - 1);
  *at = p;
  return *decimals >= 4 && *decimals <= 10;
}

static bool hemisphere(const struct scan *s, size_t *at, const char *letters) {
  size_t p = *at;
  if (scan_byte(s, p) == (char)0xc2 && scan_byte(s, p + 1) == (char)0xb0) p += 2;
  if (scan_byte(s, p) == ' ') p++;
  char c = scan_byte(s, p);
  if (!c || !strchr(letters, c) || is_alnum(scan_byte(s, p + 1))) return false;
  *at = p + 1;
  return true;
}

/* 39.9042, 116.4074 or 39.9042° N, 116.4074° E. */
static void gps(struct scan *s, const struct number *n) {
  enum { LONGEST = 48 };
  if (n->groups[0].digits > 3 || scan_byte(s, n->groups[0].end) != '.') return;
  size_t start = n->start - (scan_before(s, n->start) == '-' ? 1 : 0), at = start;
  unsigned decimals, others;
  if (scan_is_open(s, start, "+-0123456789.,; NSEW\xc2\xb0", LONGEST)) {
    scan_wait(s, start);
    return;
  }
  if (!degree(s, &at, 180, &decimals)) return;
  bool letters = hemisphere(s, &at, "NSEW");
  size_t gap = at;
  while (at - gap < 3 &&
         (scan_byte(s, at) == ' ' || scan_byte(s, at) == ',' || scan_byte(s, at) == ';'))
    at++;
  if (at == gap || !degree(s, &at, 180, &others)) return;
  letters = letters && hemisphere(s, &at, "NSEW");
  if (at + 3 > s->len && !s->ended) {
    scan_wait(s, start);
    return;
  }
  if (is_alnum(scan_byte(s, at)) ||
      (scan_byte(s, at) == ',' && !letters && is_digit(scan_byte(s, at + 2))))
    return;
  bool context = scan_near(s, CONTEXT_GPS, start);
  scan_hit(s, DETECT_GPS, (struct hit_at){start, at, start},
           (struct detect_finding){.score = letters   ? 90
                                            : context ? 85
                                                      : 45,
                                   .context = context});
}

void number_network(struct scan *s, const struct number *n) {
  if (n->group_count >= 4 && n->groups[3].digits <= 12) ipv4(s, n);
  if (scan_wants(s, DETECT_GPS)) gps(s, n);
}

static bool is_hex(char c) {
  return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static bool mac(struct scan *s, size_t start) {
  unsigned value = 0, all = 0xff;
  for (unsigned i = 0; i < 6; i++) {
    size_t at = start + i * 3;
    if (!is_hex(scan_byte(s, at)) || !is_hex(scan_byte(s, at + 1))) return false;
    if (i < 5 && scan_byte(s, at + 2) != scan_byte(s, start + 2)) return false;
    unsigned byte = 0;
    for (unsigned d = 0; d < 2; d++) {
      char c = s->text[at + d];
      byte = byte * 16 + (unsigned)(is_digit(c) ? c - '0' : (c | 32) - 'a' + 10);
    }
    value |= byte;
    all &= byte;
  }
  char after = scan_byte(s, start + 17);
  if (is_alnum(after) || after == ':' || (after == '-' && is_hex(scan_byte(s, start + 18))))
    return false;
  if (value == 0 || all == 0xff) return false;
  scan_hit(s, DETECT_MAC, (struct hit_at){start, start + 17, start},
           (struct detect_finding){.score = 85});
  return true;
}

/* Groups of up to four hex digits, one gap, at most eight (RFC 4291, 2.2). */
static size_t ipv6_end(const struct scan *s, size_t at, unsigned *first, unsigned *groups,
                       bool *gap) {
  *groups = 0;
  *gap = false;
  while (*groups < 9) {
    if (scan_byte(s, at) == ':' && scan_byte(s, at + 1) == ':') {
      if (*gap) return 0;
      *gap = true;
      at += 2;
    } else if (*groups > 0) {
      if (scan_byte(s, at) != ':' || !is_hex(scan_byte(s, at + 1))) return at;
      at++;
    }
    unsigned value = 0, digits = 0;
    for (; is_hex(scan_byte(s, at)) && digits < 5; at++, digits++) {
      char c = s->text[at];
      value = value * 16 + (unsigned)(is_digit(c) ? c - '0' : (c | 32) - 'a' + 10);
    }
    if (digits == 0) return *gap ? at : 0;
    if (digits > 4) return 0;
    if (++*groups == 1) *first = *gap ? 0 : value;
  }
  return at;
}

void match_colons(struct scan *s, size_t start) {
  enum { LONGEST = 48 };
  if (!scan_wants(s, DETECT_IPV6) && !scan_wants(s, DETECT_IPV6_PRIVATE) &&
      !scan_wants(s, DETECT_MAC))
    return;
  size_t run = start;
  while (run < s->len && run - start < LONGEST && (is_hex(s->text[run]) || s->text[run] == ':'))
    run++;
  if (run + 2 > s->len && !s->ended && run - start < LONGEST) {
    scan_wait(s, start);
    return;
  }
  if (run - start >= 17 && mac(s, start)) return;
  unsigned first = 0, groups;
  bool gap;
  size_t end = ipv6_end(s, start, &first, &groups, &gap);
  char after = scan_byte(s, end);
  if (end == 0 || is_alnum(after) || after == ':' || groups > 8 || (gap ? groups > 7 : groups != 8))
    return;
  if (gap && groups < 2 && !(groups == 1 && first == 0 && end - start == 3)) return;
  if (gap && groups == 2 && first < 0x1000) return; /* names in C++ look like this */
  if (groups == 0) return;
  bool documentation = first == 0x2001 && (s->text[start + 5] | 32) == 'd' &&
                       (s->text[start + 6] | 32) == 'b' && s->text[start + 7] == '8';
  bool private = first == 0 || (first & 0xfe00) == 0xfc00 || (first & 0xffc0) == 0xfe80 ||
                 (first & 0xff00) == 0xff00 || documentation;
  scan_hit(s, private ? DETECT_IPV6_PRIVATE : DETECT_IPV6, (struct hit_at){start, end, start},
           (struct detect_finding){.score = gap && groups < 3 ? 60 : 80});
}

void match_dashes(struct scan *s, size_t start) {
  if (!scan_wants(s, DETECT_MAC)) return;
  if (scan_is_open(s, start, "0123456789abcdefABCDEF-", 20))
    scan_wait(s, start);
  else
    mac(s, start);
}
