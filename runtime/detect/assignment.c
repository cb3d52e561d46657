/* name = value, "name": "value", <name>value</name>, --name value: what configurations look like.
 */
#include "detect/rules.h"
#include "detect/secrets.h"

enum { NAME_REST = 24, VALUE_MOST = 200 };

static size_t skip(const struct scan *s, size_t at, const char *set, size_t most) {
  size_t end = at;
  while (end < s->len && end - at < most && s->text[end] && strchr(set, s->text[end]))
    end++;
  return end;
}

/* Authentication schemes before the value. */
static size_t skip_scheme(const struct scan *s, size_t at) {
  static const char *const schemes[] = {"bearer ", "basic ", "token ", "apikey "};
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    struct slice scheme = slice_of(schemes[i]);
    if (s->len - at >= scheme.len &&
        slice_equal_nocase((struct slice){s->text + at, scheme.len}, scheme))
      return at + scheme.len;
  }
  return at;
}

bool assignment_read(struct scan *s, size_t start, size_t end, struct assignment *a) {
  size_t at = end;
  while (at < s->len && at - end < NAME_REST &&
         (is_alnum(s->text[at]) || strchr("_-.", s->text[at])) && s->text[at])
    at++;
  if (at - end == NAME_REST) return false;
  bool flag = start > 1 && (s->text[start - 1] == '-' || s->text[start - 1] == '_');
  size_t gap = at;
  at = skip(s, at, " \t'\"`])\\", 5);
  size_t operator= at;
  at = skip(s, at, "=:>|?", 3);
  if (operator== at && !(flag &&gap < at && scan_byte(s, gap) == ' ')) {
    /* "是" and "为" stand between a Chinese name and its value. */
    bool is = scan_byte(s, at) == (char)0xe6 && scan_byte(s, at + 1) == (char)0x98 &&
              scan_byte(s, at + 2) == (char)0xaf;
    bool as = scan_byte(s, at) == (char)0xe4 && scan_byte(s, at + 1) == (char)0xb8 &&
              scan_byte(s, at + 2) == (char)0xba;
    if (!is && !as) return s->len - at < 3 ? scan_wait(s, start) : false;
    at += 3;
    at = skip(s, at, ":", 1);
  }
  size_t quote = skip(s, at, " \t", 4);
  at = skip(s, quote, "'\"`\\", 2);
  a->quote = at > quote ? s->text[at - 1] : 0;
  if (s->len - at < 8 && !s->ended) return scan_wait(s, start);
  a->value = skip_scheme(s, at);
  return true;
}

static bool ends_value(char c, char quote) {
  if (quote == '"' || quote == '\'' || quote == '`') return c == quote || (unsigned char)c < ' ';
  return (unsigned char)c <= ' ' || (c & 0x80) || strchr("'\"`<>,;)}]|&", c);
}

struct make {
  unsigned digits, lowers, uppers, others;
};

static struct make make_of(struct slice value) {
  struct make m = {0};
  for (size_t i = 0; i < value.len; i++) {
    char c = value.data[i];
    if (is_digit(c))
      m.digits++;
    else if (is_upper(c))
      m.uppers++;
    else if (is_alpha(c))
      m.lowers++;
    else
      m.others++;
  }
  return m;
}

/* Code and addresses: calls, paths, names of other values. */
static bool is_code(struct slice value, char next) {
  static const char *const starts[] = {"http",  "/",    "./",   "os.",  "process.", "env",
                                       "$",     "{",    "%(",   "%{",   "<",        "self.",
                                       "this.", "None", "null", "true", "false",    "undefined"};
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
    if (slice_starts(value, slice_of(starts[i]))) return true;
  return next == '(' || next == '[' || memchr(value.data, '(', value.len) ||
         memmem(value.data, value.len, "://", 3) || memchr(value.data, '[', value.len) ||
         memchr(value.data, '{', value.len);
}

static bool names_a_secret(struct slice value) {
  static const char *const words[] = {
      "password", "passwd",        "secret",     "token",       "credential", "api_key",   "apikey",
      "api-key",  "authorization", "access_key", "private_key", "pwd",        "passphrase"};
  char folded[VALUE_MOST + 1];
  for (size_t i = 0; i < value.len; i++)
    folded[i] = (char)automaton_fold((uint8_t)value.data[i]);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (memmem(folded, value.len, words[i], strlen(words[i]))) return true;
  return false;
}

static unsigned value_score(struct slice value, bool password) {
  struct make m = make_of(value);
  unsigned entropy = text_entropy(value), letters = m.lowers + m.uppers;
  unsigned classes = !!m.digits + !!m.lowers + !!m.uppers + !!m.others;
  if (password) {
    if (value.len < 6 || value.len > 64 || classes < 2 || entropy < 22) return 0;
    if (m.digits == 0 && classes < 3) return 0;
    return 75;
  }
  if (value.len < 12 || m.digits == 0 || letters == 0 || entropy < 30) return 0;
  if (m.others * 4 > value.len) return 0;
  return entropy >= 35 ? 80 : 70;
}

void match_assignment(struct scan *s, bool password, size_t start, size_t end) {
  struct assignment a;
  if (!scan_wants(s, DETECT_SECRET_ASSIGNMENT)) return;
  if (!assignment_read(s, start, end, &a)) return;
  size_t stop = a.value;
  while (stop < s->len && stop - a.value <= VALUE_MOST && !ends_value(s->text[stop], a.quote))
    stop++;
  if (stop == s->len && !s->ended) {
    if (stop - a.value <= VALUE_MOST) scan_wait(s, start);
    return;
  }
  while (stop > a.value && strchr(".!?:\\", s->text[stop - 1]) && !a.quote)
    stop--;
  while (stop > a.value && s->text[stop - 1] == '\\')
    stop--;
  struct slice value = {s->text + a.value, stop - a.value};
  if (value.len == 0 || value.len > VALUE_MOST || is_code(value, scan_byte(s, stop)) ||
      names_a_secret(value) || text_is_sample(value))
    return;
  scan_hit(
      s, DETECT_SECRET_ASSIGNMENT, (struct hit_at){a.value, stop, start},
      (struct detect_finding){.score = (uint8_t)value_score(value, password), .context = true});
}
