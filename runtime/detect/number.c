#include "detect/number.h"

enum { SPREAD_BLANKS = 3, SPREAD_DIGITS_MIN = 14 };

static bool is_separator(char c) {
  return c == ' ' || c == '-' || c == '.' || c == '/';
}

/* Reads groups from start; false when the text ends inside (and more may come), or when there are
 * more digits than any number has. */
static bool number_read(struct scan *s, struct number *n, size_t start) {
  unsigned digits = 0;
  size_t at = start;
  n->start = start;
  for (;;) {
    struct number_group *g = &n->groups[n->group_count];
    g->start = at;
    for (; at < s->len && is_digit(s->text[at]); at++) {
      if (digits == NUMBER_DIGITS_MAX) return n->group_count > 0;
      n->digit[digits++] = (uint8_t)(s->text[at] - '0');
    }
    g->end = at;
    g->digits = digits;
    if (at + 1 >= s->len && !s->ended) return scan_wait(s, scan_sign(s, start));
    if (is_alnum(scan_byte(s, at))) return n->group_count > 0; /* this group is part of a word */
    n->group_count++;
    char c = scan_byte(s, at);
    if (!is_separator(c) || !is_digit(scan_byte(s, at + 1)) || digits == NUMBER_DIGITS_MAX)
      return true;
    at++;
  }
}

/* Digits may not go on right behind, with something that belongs to numbers in between. */
static bool is_end(const struct scan *s, size_t end) {
  char c = scan_byte(s, end), next = scan_byte(s, end + 1);
  if (is_alnum(c) || c == '_') return false;
  return !((c == '-' || c == '.' || c == '/') && is_digit(next));
}

static void view_shape(struct number_view *v) {
  v->shape = 0;
  if (v->groups < 2 || v->groups > 7) return;
  unsigned before = 0;
  for (unsigned i = 0; i < v->groups; i++) {
    unsigned count = v->number->groups[i].digits - before;
    if (count > 15) {
      v->shape = 0;
      return;
    }
    v->shape = v->shape << 4 | count;
    before = v->number->groups[i].digits;
  }
}

static void number_views(struct scan *s, const struct number *n) {
  char separator = 0;
  for (unsigned i = 0; i < n->group_count; i++) {
    size_t end = n->groups[i].end;
    if (i > 0) {
      char c = s->text[n->groups[i].start - 1];
      separator = i == 1 || separator == c ? c : '?';
    }
    if (!is_end(s, end)) continue;
    struct number_view v = {.number = n, .groups = i + 1, .digits = n->groups[i].digits};
    v.separator = separator;
    v.whole = !n->inner && i + 1 == n->group_count &&
              !(scan_byte(s, end) == ' ' && is_digit(scan_byte(s, end + 1)));
    if (v.digits < 8) continue;
    view_shape(&v);
    number_rules(s, &v);
  }
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind the blanks, or the one other separator, at `at`; `at` itself where there are none, or too
 * many. */
static size_t gap_end(const struct scan *s, size_t at) {
  size_t end = at;
  while (end - at < SPREAD_BLANKS && is_blank(scan_byte(s, end)))
    end++;
  if (end == at && is_separator(scan_byte(s, at))) end++;
  return end;
}

static bool spread_read(struct scan *s, struct number *n, size_t start, bool *is_wide) {
  size_t at = n->start = start;
  unsigned digits = 0;
  for (;;) {
    struct number_group *g = &n->groups[n->group_count++];
    for (g->start = at; digits < NUMBER_DIGITS_MAX && is_digit(scan_byte(s, at)); at++)
      n->digit[digits++] = (uint8_t)(s->text[at] - '0');
    g->end = at;
    g->digits = digits;
    size_t next = gap_end(s, at);
    if (next == s->len && !s->ended) return scan_wait(s, scan_sign(s, start));
    if (!is_digit(scan_byte(s, next))) return !is_alnum(scan_byte(s, at));
    if (next == at || digits == NUMBER_DIGITS_MAX) return false;
    *is_wide = *is_wide || next - at > 1 || !is_separator(s->text[at]);
    at = next;
  }
}

/* A long number in the groups that such numbers have, with tabs, line ends or several blanks
 * between them, as in columns and broken lines. Columns hold other numbers as well: only behind a
 * word that speaks of cards, and with a check digit. */
static void number_spread(struct scan *s, size_t start) {
  if (!scan_near(s, CONTEXT_CARD, start)) return;
  size_t back = start;
  while (start - back < SPREAD_BLANKS && is_blank(scan_before(s, back)))
    back--;
  if (back == start && is_separator(scan_before(s, back))) back--;
  if (is_digit(scan_before(s, back))) return; /* somewhere in a column */
  struct number n = {0};
  bool is_wide = false;
  if (!spread_read(s, &n, start, &is_wide) || !is_wide) return;
  struct number_view v = {.number = &n, .groups = n.group_count, .separator = '?', .whole = true};
  v.digits = n.groups[n.group_count - 1].digits;
  view_shape(&v);
  if (v.digits >= SPREAD_DIGITS_MIN && v.shape) number_rules(s, &v);
}

void match_number(struct scan *s, size_t start) {
  number_spread(s, start);
  struct number n = {0};
  char before = scan_before(s, start);
  char earlier = start > 1 ? s->text[start - 2] : 0;
  if ((before == '.' || before == '-' || before == '/') && is_digit(earlier)) return;
  n.glued = before == '-' && is_alnum(earlier);
  n.inner = before == ' ' && is_digit(earlier);
  if (n.inner && scan_byte(s, start + 1) == ' ') return; /* somewhere in a list of digits */
  n.sign = before == '+' || before == '$' ? before : 0;
  size_t end = start;
  while (end < s->len && end - start <= 14 &&
         (is_digit(s->text[end]) || is_separator(s->text[end])))
    end++;
  if (is_alpha(scan_byte(s, end)) && end - start <= 14) match_groups(s, start);
  if (end == s->len && end - start <= 14) scan_wait(s, scan_sign(s, start));
  if (!number_read(s, &n, start) || n.group_count == 0) return;
  if (n.sign == '$') return;
  number_network(s, &n);
  number_bracket(s, &n);
  if (n.groups[n.group_count - 1].digits < 7) return;
  number_views(s, &n);
  number_phones(s, &n);
}
