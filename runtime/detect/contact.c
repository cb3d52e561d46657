#include "detect/rules.h"

enum { LOCAL_MAX = 64, DOMAIN_MAX = 255, LABEL_MAX = 63, USER_MAX = 64, PASSWORD_MAX = 160 };

/* The end of a domain with a top-level domain in letters; 0: none; *wait: the text ends first. */
static size_t domain_end(const struct scan *s, size_t at, bool *wait) {
  size_t start = at, label = at, end = 0;
  unsigned dots = 0;
  for (;; at++) {
    if (at - start > DOMAIN_MAX) break;
    if (at == s->len && !s->ended) {
      *wait = true;
      return 0;
    }
    char c = scan_byte(s, at);
    if (is_alnum(c) || (c == '-' && at > label)) continue;
    size_t len = at - label;
    bool letters = len >= 2;
    for (size_t i = label; i < at; i++)
      letters = letters && (is_alpha(s->text[i]) || (s->text[label] == 'x' && len > 4));
    if (len == 0 || len > LABEL_MAX || s->text[at - 1] == '-') break;
    if (dots > 0 && letters) end = at;
    if (c != '.') break;
    dots++;
    label = at + 1;
  }
  return end;
}

/* user@2x.png, icon@3x.webp: names of pictures for dense screens; package@1.2.3 has no letters. */
static bool is_file_name(const struct scan *s, size_t at, size_t end) {
  static const char *const endings[] = {"png",  "jpg", "jpeg", "gif", "svg",
                                        "webp", "css", "js",   "ts"};
  size_t dot = end;
  while (dot > at && s->text[dot - 1] != '.')
    dot--;
  struct slice last = {s->text + dot, end - dot};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (slice_equal_nocase(last, slice_of(endings[i]))) return true;
  return false;
}

/* The password of scheme://user:password@host. */
static bool is_password(const struct scan *s, size_t start) {
  size_t at = start;
  if (scan_before(s, start) != ':') return false;
  while (at > 1 && start - at <= USER_MAX && s->text[at - 1] > ' ') {
    at--;
    if (s->text[at] == '/' && s->text[at - 1] == '/') return true;
  }
  return false;
}

void match_email(struct scan *s, size_t at) {
  if (!scan_wants(s, DETECT_EMAIL)) return;
  size_t start = at;
  while (start > 0 && at - start <= LOCAL_MAX && scan_mail_byte(s->text[start - 1]))
    start--;
  if (at - start > LOCAL_MAX) return;
  while (start < at && (s->text[start] == '.' || s->text[start] == '-' || s->text[start] == '\''))
    start++;
  if (start == at || s->text[at - 1] == '.') return;
  bool wait = false;
  size_t end = domain_end(s, at + 1, &wait);
  if (wait) {
    scan_wait(s, start);
    return;
  }
  if (end == 0 || is_file_name(s, at, end) || is_password(s, start)) return;
  scan_hit(s, DETECT_EMAIL, (struct hit_at){start, end, start},
           (struct detect_finding){.score = 90});
}

static bool is_placeholder(struct slice password) {
  static const char *const words[] = {"password", "passwd",   "pass",    "pwd",  "secret", "xxx",
                                      "***",      "changeme", "example", "user", "token",  "your"};
  if (password.len < 3 || strchr("<[{$%*", password.data[0])) return true;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    struct slice head = {password.data, strlen(words[i])};
    if (password.len >= head.len && password.len <= head.len + 1 &&
        slice_equal_nocase(head, slice_of(words[i])))
      return true;
  }
  return false;
}

/* at: the colon of "://". */
void match_url(struct scan *s, size_t colon) {
  size_t start = colon, at = colon + 3, user = at, password = 0;
  while (start > 0 && colon - start < 16 &&
         (is_alnum(s->text[start - 1]) || s->text[start - 1] == '+'))
    start--;
  if (start == colon) return;
  for (;; at++) {
    if (at - user > USER_MAX + PASSWORD_MAX) return;
    if (at == s->len) {
      if (!s->ended) scan_wait(s, start);
      return;
    }
    char c = s->text[at];
    if (c == '@' && password) break;
    if (c == ':' && !password) {
      password = at + 1;
    } else if (c <= ' ' || strchr("/?#\"'<>\\`,()", c) || c == 0x7f) {
      return;
    }
  }
  if (password == 0 || at == password ||
      is_placeholder((struct slice){s->text + password, at - password}))
    return;
  scan_hit(s, DETECT_URL_CREDENTIALS, (struct hit_at){user, at, start},
           (struct detect_finding){.score = 90});
}
