#include "detect/secrets.h"

#include "detect/rules.h"

struct secret_row {
  const char *rule, *literal;
  enum alphabet alphabet;
  uint16_t least, most;
  uint8_t entropy; /* floor, tenths of a bit a character */
  bool vendor;     /* the literal is a word before an assignment, in any case */
};

static const struct secret_row rows[] = {
#define PREFIX(rule, literal, alphabet, least, most, entropy)                                      \
  {rule, literal, ALPHABET_##alphabet, least, most, entropy, false},
#define VENDOR(rule, literal, alphabet, least, most, entropy)                                      \
  {rule, literal, ALPHABET_##alphabet, least, most, entropy, true},
#include "detect/secrets.def"
#undef PREFIX
#undef VENDOR
};

enum { ROWS = sizeof rows / sizeof *rows };

size_t secrets_count(void) {
  return ROWS;
}

const char *secrets_name(size_t row) {
  must(row < ROWS);
  return rows[row].rule;
}

void secrets_words(struct detect_rules *rules) {
  if (!detect_kinds_has(&rules->kinds, DETECT_SECRET_TOKEN) &&
      !detect_kinds_has(&rules->kinds, DETECT_GATEWAY_KEY) &&
      !detect_kinds_has(&rules->kinds, DETECT_SECRET_ASSIGNMENT))
    return;
  for (uint32_t i = 0; i < ROWS; i++)
    automaton_add(&rules->automaton, slice_of(rows[i].literal), scan_word_value(WORD_TOKEN, i));
}

static bool has_alphabet(enum alphabet alphabet, char c) {
  static const char *const more[] = {
      [ALPHABET_ALNUM] = "",    [ALPHABET_WORD] = "_",       [ALPHABET_DASH] = "_-",
      [ALPHABET_DOT] = "_-.",   [ALPHABET_BASE64] = "+/=_-", [ALPHABET_SLASH] = "/_-",
      [ALPHABET_MAIL] = "/_-@", [ALPHABET_DOLLAR] = "$",     [ALPHABET_TILDE] = "~_-.",
  };
  switch (alphabet) {
  case ALPHABET_HEX: return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
  case ALPHABET_BASE32: return is_upper(c) || (c >= '2' && c <= '7');
  case ALPHABET_UPPER: return is_upper(c) || is_digit(c);
  case ALPHABET_UPPERDASH: return is_upper(c) || is_digit(c) || c == '-';
  case ALPHABET_LOWER: return (c >= 'a' && c <= 'z') || is_digit(c);
  default: return is_alnum(c) || (c && strchr(more[alphabet], c));
  }
}

size_t alphabet_run(const struct scan *s, size_t at, enum alphabet alphabet, size_t most) {
  size_t end = at;
  while (end < s->len && end - at <= most && has_alphabet(alphabet, s->text[end]))
    end++;
  return end;
}

/* log2(n) in 1/256 for 1 <= n <= 1024, by its definition over squares: exact enough for a floor. */
static unsigned log2_256(unsigned n) {
  unsigned whole = 31u - (unsigned)__builtin_clz(n), fraction = 0;
  uint64_t x = ((uint64_t)n << 16) >> whole;
  for (unsigned i = 0; i < 8; i++) {
    x = x * x >> 16;
    fraction <<= 1;
    if (x >= (uint64_t)2 << 16) {
      x >>= 1;
      fraction |= 1;
    }
  }
  return whole * 256 + fraction;
}

/* Shannon's, in tenths of a bit a character. */
unsigned text_entropy(struct slice text) {
  uint16_t seen[256] = {0};
  uint64_t sum = 0;
  if (text.len == 0 || text.len > 1024) return 0;
  for (size_t i = 0; i < text.len; i++)
    seen[(uint8_t)text.data[i]]++;
  for (unsigned i = 0; i < 256; i++)
    if (seen[i]) sum += (uint64_t)seen[i] * log2_256(seen[i]);
  uint64_t bits = (uint64_t)log2_256((unsigned)text.len) - sum / text.len;
  return (unsigned)(bits * 10 / 256);
}

/* What documents and samples put where a secret goes. */
bool text_is_sample(struct slice text) {
  static const char *const words[] = {
      "example",  "xxxx",     "placeholder", "yourkey",  "your_",    "your-",    "dummy",
      "changeme", "redacted", "000000",      "12345678", "abcdefgh", "sample",   "insert",
      "replace",  "deadbeef", "********",    "......",   "notreal",  "aaaaaaaa", "fake"};
  char folded[256];
  size_t len = text.len < sizeof folded ? text.len : sizeof folded;
  for (size_t i = 0; i < len; i++)
    folded[i] = (char)automaton_fold((uint8_t)text.data[i]);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (memmem(folded, len, words[i], strlen(words[i]))) return true;
  return false;
}

static uint32_t crc32_of(struct slice text) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < text.len; i++) {
    crc ^= (uint8_t)text.data[i];
    for (unsigned b = 0; b < 8; b++)
      crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

/* GitHub and npm: the last six characters are the CRC-32 of the others in base 62. */
static bool checksum_fits(struct slice value) {
  static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  uint32_t crc = crc32_of((struct slice){value.data, value.len - 6});
  for (size_t i = 0; i < 6; i++, crc /= 62)
    if (value.data[value.len - 1 - i] != alphabet[crc % 62]) return false;
  return true;
}

static bool has_checksum(const struct secret_row *row) {
  return (strncmp(row->literal, "gh", 2) == 0 && row->most == 36 && row->literal[3] == '_') ||
         strcmp(row->literal, "npm_") == 0;
}

/* Where the token begins; SIZE_MAX: not here. */
static size_t token_start(const struct scan *s, const struct secret_row *row, size_t start) {
  char before = scan_before(s, start);
  if (strcmp(row->literal, ":AA") == 0) { /* Telegram: the bot's number */
    size_t at = start;
    while (at > 0 && start - at < 11 && is_digit(s->text[at - 1]))
      at--;
    return start - at >= 8 && start - at <= 10 && !is_alnum(scan_before(s, at)) ? at : SIZE_MAX;
  }
  if (strcmp(row->literal, ".atlasv1.") == 0) {
    size_t at = start;
    while (at > 0 && start - at < 15 && is_alnum(s->text[at - 1]))
      at--;
    return start - at == 14 ? at : SIZE_MAX;
  }
  return is_alnum(before) && is_alnum(row->literal[0]) ? SIZE_MAX : start;
}

static bool has_digit(struct slice value) {
  for (size_t i = 0; i < value.len; i++)
    if (is_digit(value.data[i])) return true;
  return false;
}

static void prefixed(struct scan *s, const struct secret_row *row, size_t start, size_t end) {
  struct slice literal = {s->text + start, end - start};
  size_t begin = token_start(s, row, start);
  if (begin == SIZE_MAX || !slice_equal_text(literal, row->literal)) return;
  size_t stop = alphabet_run(s, end, row->alphabet, row->most);
  if (stop == s->len && stop - end <= row->most && !s->ended) {
    scan_wait(s, begin);
    return;
  }
  while (stop > end && strchr(".-/", s->text[stop - 1]) && stop - end > row->least)
    stop--;
  struct slice value = {s->text + end, stop - end};
  if (value.len < row->least || value.len > row->most || is_alnum(scan_byte(s, stop))) return;
  if (text_entropy(value) < row->entropy || text_is_sample(value)) return;
  if (end - start <= 4 && row->alphabet != ALPHABET_BASE32 && !has_digit(value))
    return; /* names in programs begin like this too */
  bool proven = has_checksum(row) && checksum_fits(value);
  bool own = strcmp(row->rule, "gateway_key") == 0;
  scan_hit(
      s, own ? DETECT_GATEWAY_KEY : DETECT_SECRET_TOKEN, (struct hit_at){begin, stop, begin},
      (struct detect_finding){.rule = row->rule, .score = proven ? 99 : 90, .validated = proven});
}

static void assigned(struct scan *s, const struct secret_row *row, size_t start, size_t end) {
  struct assignment a;
  if (!assignment_read(s, start, end, &a)) return;
  size_t stop = alphabet_run(s, a.value, row->alphabet, row->most);
  if (stop == s->len && stop - a.value <= row->most && !s->ended) {
    scan_wait(s, start);
    return;
  }
  struct slice value = {s->text + a.value, stop - a.value};
  char next = scan_byte(s, stop);
  if (value.len < row->least || value.len > row->most || is_alnum(next) || next == '_' ||
      next == '-' || next == '(' || next == '/')
    return;
  if (!has_digit(value) || text_entropy(value) < row->entropy || text_is_sample(value)) return;
  scan_hit(s, DETECT_SECRET_TOKEN, (struct hit_at){a.value, stop, start},
           (struct detect_finding){.rule = row->rule, .score = 80, .context = true});
}

void match_secret(struct scan *s, unsigned index, size_t start, size_t end) {
  const struct secret_row *row = &rows[index];
  if (row->vendor)
    assigned(s, row, start, end);
  else
    prefixed(s, row, start, end);
}
