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

/* How far the automaton has read. */
struct reader {
  size_t at;
  uint32_t state;
};

/* Reads on to `end`. Where no word may begin nothing is read: the automaton is at its root there,
 * or in a state of one byte, which is the same as to begin again at that byte. */
static void read_words(struct scan *s, struct reader *r, size_t end) {
  const struct automaton *a = &s->rules->automaton;
  struct slice text = {s->text, s->len};
  size_t begun = r->at;
  while (r->at < end) {
    if (r->state == 0) {
      begun = r->at = prefixes_next(&a->prefixes, text, r->at, end);
      if (r->at == end) return;
    }
    r->state = automaton_step(a, r->state, (uint8_t)s->text[r->at++]);
    const struct automaton_state *here = &a->states[r->state];
    if (here->word || here->suffix) on_words(s, here, r->at);
    if (here->depth == 1 && !here->word && r->at - 1 > begun) {
      r->state = 0;
      r->at--;
    }
  }
}

enum byte_class { BYTE_OTHER, BYTE_RUN, BYTE_MARK };

static enum byte_class class_of(char c) {
  static const uint8_t classes[256] = {['0' ... '9'] = BYTE_RUN,
                                       ['A' ... 'Z'] = BYTE_RUN,
                                       ['a' ... 'z'] = BYTE_RUN,
                                       ['@'] = BYTE_MARK,
                                       [':'] = BYTE_MARK};
  return (enum byte_class)classes[(unsigned char)c];
}

static void read_shapes(struct scan *s, struct reader *r) {
  enum byte_class before = s->from > 0 ? class_of(s->text[s->from - 1]) : BYTE_OTHER;
  for (size_t at = s->from; at < s->len; at++) {
    enum byte_class here = class_of(s->text[at]);
    bool begins = here == BYTE_RUN && before != BYTE_RUN;
    before = here;
    if (!begins && here != BYTE_MARK) continue;
    read_words(s, r, at);
    if (begins)
      on_run(s, at);
    else
      on_mark(s, at);
  }
}

void scan_run(struct scan *s) {
  struct reader r = {0};
  s->live = s->len;
  if (s->rules->has_shapes) read_shapes(s, &r);
  read_words(s, &r, s->len);
  if (!s->ended) hold_tail(s, r.state);
  if (s->live < s->from) s->live = s->from; /* the tail's places are guessed generously */
}
