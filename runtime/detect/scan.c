#include "detect/scan.h"

#include "detect/rules.h"

enum { TOKEN_BYTES_MAX = 80, MAIL_LOCAL_MAX = 64, PLACE_BEHIND = 12, WORD_BEHIND = 17 };

void scan_hit(struct scan *s, enum detect_kind kind, struct hit_at at, struct detect_finding like) {
  if (!scan_wants(s, kind) || like.score < s->rules->min_score) return;
  if (at.anchor < s->from || at.end > s->len || at.start >= at.end) return;
  if (s->hit_count == DETECT_FINDINGS_MAX) {
    s->truncated = true;
    return;
  }
  if (s->hit_count == s->hit_cap) {
    s->hit_cap = s->hit_cap ? s->hit_cap * 2 : 16;
    s->hits = must_realloc(s->hits, s->hit_cap * sizeof *s->hits);
  }
  like.kind = kind;
  like.offset = at.start;
  like.length = at.end - at.start;
  if (!like.rule) like.rule = detect_kind_name(kind);
  s->hits[s->hit_count++] = (struct hit){like, at.anchor};
}

/* Words in letters count only as whole words; other scripts have no such borders. */
static bool is_whole(const struct scan *s, size_t start, size_t end) {
  return !(is_alpha(s->text[start]) && is_alpha(scan_before(s, start))) &&
         !(is_alpha(s->text[end - 1]) && is_alpha(scan_byte(s, end)));
}

static void on_word(struct scan *s, const struct automaton_word *word, size_t end) {
  size_t start = end - word->length;
  uint32_t index = word->value & 0xffffff;
  enum scan_word type = (enum scan_word)(word->value >> 24);
  if (type == WORD_CONTEXT) {
    if (is_whole(s, start, end)) s->context_end[index] = end;
    return;
  }
  if (type == WORD_LISTED) {
    match_listed(s, index, start, end);
    return;
  }
  if (type == WORD_PARTNER) {
    match_partner(s, index, start, end);
    return;
  }
  if (start < s->from) return;
  if (type == WORD_TOKEN)
    match_secret(s, index, start, end);
  else
    match_special(s, (enum special_word)index, start, end);
}

static void on_words(struct scan *s, const struct automaton_state *state, size_t end) {
  const struct automaton *a = &s->rules->automaton;
  for (;;) {
    for (uint32_t word = state->word; word; word = a->words[word - 1].next)
      on_word(s, &a->words[word - 1], end);
    if (!state->suffix) return;
    state = &a->states[state->suffix];
  }
}

/* A run of letters and digits begins at start. */
static void on_run(struct scan *s, size_t start) {
  struct token t = {.start = start};
  size_t at = start;
  for (; at < s->len && at - start <= TOKEN_BYTES_MAX; at++) {
    char c = s->text[at];
    if (is_digit(c))
      t.digits++;
    else if (is_upper(c))
      t.uppers++;
    else if (c >= 'a' && c <= 'z')
      t.lowers++;
    else
      break;
  }
  if (at - start > TOKEN_BYTES_MAX) return; /* too long for anything with a bounded shape */
  if (at == s->len && !s->ended) {
    scan_wait(s, scan_sign(s, start));
    return;
  }
  t.end = at;
  if (t.uppers + t.lowers == 0)
    match_number(s, start);
  else
    match_token(s, &t);
  if (t.end - start <= 4 && scan_byte(s, t.end) == ':' && scan_before(s, start) != ':')
    match_colons(s, start);
  if (t.end - start == 2 && scan_byte(s, t.end) == '-' && scan_before(s, start) != '-')
    match_dashes(s, start);
}

static void on_mark(struct scan *s, size_t at) {
  char c = s->text[at];
  if (c == '@') {
    match_email(s, at);
  } else if (c == ':' && scan_before(s, at) != ':' && !is_alnum(scan_before(s, at))) {
    if (at + 1 == s->len && !s->ended)
      scan_wait(s, at);
    else if (scan_byte(s, at + 1) == ':')
      match_colons(s, at);
  }
}

bool scan_mail_byte(char c) {
  return is_alnum(c) || (c && strchr("._%+-'", c));
}

/* What may still become part of a match that begins before its trigger. */
static void hold_tail(struct scan *s, uint32_t state) {
  size_t depth = s->rules->automaton.states[state].depth;
  size_t word = s->len - (depth < s->len ? depth : s->len), back = word;
  /* Some tokens begin before the word that gives them away, with letters and digits. */
  while (depth > 0 && back > 0 && word - back < WORD_BEHIND &&
         (is_alnum(s->text[back - 1]) || s->text[back - 1] == '+'))
    back--;
  scan_wait(s, back);
  if (!s->rules->has_shapes) return;
  if (scan_wants(s, DETECT_EMAIL)) {
    size_t at = s->len;
    while (at > 0 && s->len - at <= MAIL_LOCAL_MAX && scan_mail_byte(s->text[at - 1]))
      at--;
    if (s->len - at <= MAIL_LOCAL_MAX) scan_wait(s, at);
  }
  if (scan_wants(s, DETECT_CN_ADDRESS)) {
    size_t at = s->len;
    while (at > 0 && s->len - at < PLACE_BEHIND && (s->text[at - 1] & 0x80))
      at--;
    scan_wait(s, at);
  }
  /* "+" and brackets stand before the digits that trigger a number. */
  size_t at = s->len;
  while (at > 0 && s->len - at < 8 && strchr("+(-0123456789 ", s->text[at - 1]) && s->text[at - 1])
    at--;
  scan_wait(s, at);
}

void scan_run(struct scan *s) {
  const struct automaton *a = &s->rules->automaton;
  uint32_t state = 0;
  s->live = s->len;
  char before = 0;
  bool has_shapes = s->rules->has_shapes;
  for (size_t at = 0; at < s->len; at++) {
    char c = s->text[at];
    if (has_shapes && at >= s->from) {
      bool alnum = is_alnum(c);
      if (alnum && !is_alnum(before))
        on_run(s, at);
      else if (!alnum && (c == '@' || c == ':'))
        on_mark(s, at);
    }
    before = c;
    state = automaton_step(a, state, (uint8_t)c);
    const struct automaton_state *here = &a->states[state];
    if (here->word || here->suffix) on_words(s, here, at + 1);
  }
  if (!s->ended) hold_tail(s, state);
  if (s->live < s->from) s->live = s->from; /* the tail's places are guessed generously */
}
