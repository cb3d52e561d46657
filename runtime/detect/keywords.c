#include "detect/rules.h"

static bool fold_equal(const char *text, struct slice folded) {
  for (size_t i = 0; i < folded.len; i++)
    if ((char)automaton_fold((uint8_t)text[i]) != folded.data[i]) return false;
  return true;
}

/* The text around a word, as far as it is there, fits the exception with the word at `shift`. */
static bool exception_fits(const struct scan *s, struct slice exception, size_t start,
                           size_t shift) {
  if (start < shift) return false;
  size_t at = start - shift, len = exception.len;
  if (at + len > s->len) len = s->len - at;
  return fold_equal(s->text + at, (struct slice){exception.data, len});
}

/* True: the word is part of a harmless phrase. *wait: more text may make it so. */
static bool is_excepted(const struct scan *s, const struct listed_word *word, size_t start,
                        bool *wait) {
  const struct compiled_list *list = &s->rules->lists[word->list];
  for (size_t i = 0; i < list->exception_count; i++) {
    struct slice e = list->exceptions[i];
    for (size_t shift = 0; shift + word->text.len <= e.len; shift++) {
      if (memcmp(e.data + shift, word->text.data, word->text.len) != 0 ||
          !exception_fits(s, e, start, shift))
        continue;
      if (start - shift + e.len <= s->len) return true;
      *wait = true;
    }
  }
  return false;
}

/* Letters of scripts with spaces, as far as a byte tells: ASCII, and two-byte sequences (Latin,
 * Greek, Cyrillic …). */
static bool is_letter_before(const struct scan *s, size_t at) {
  if (at == 0) return false;
  unsigned char c = (unsigned char)s->text[at - 1];
  if (is_alnum((char)c)) return true;
  return at > 1 && (c & 0xc0) == 0x80 && ((unsigned char)s->text[at - 2] & 0xe0) == 0xc0;
}

static bool is_letter(unsigned char c) {
  return is_alnum((char)c) || (c & 0xe0) == 0xc0;
}

static bool is_whole_word(const struct scan *s, size_t start, size_t end) {
  unsigned char first = (unsigned char)s->text[start];
  bool left = is_letter(first) && is_letter_before(s, start);
  bool right = is_letter_before(s, end) && is_letter((unsigned char)scan_byte(s, end));
  return !left && !right;
}

static void listed_hit(struct scan *s, uint32_t list, size_t start, size_t end) {
  scan_hit(s, DETECT_KEYWORD, (struct hit_at){start, end, start},
           (struct detect_finding){.rule = s->rules->lists[list].name, .score = 100});
}

void match_listed(struct scan *s, uint32_t index, size_t start, size_t end) {
  const struct listed_word *word = &s->rules->words[index];
  const struct compiled_list *list = &s->rules->lists[word->list];
  bool wait = !list->parts && end == s->len;
  if (!list->parts && !is_whole_word(s, start, end)) return;
  if (is_excepted(s, word, start, &wait)) return;
  if (wait && !s->ended) {
    if (start >= s->from) scan_wait(s, start);
    return;
  }
  size_t *ends = &s->list_end[word->list * 2];
  ends[0] = end;
  if (start < s->from) return;
  if (!list->partners || (ends[1] && start >= ends[1] && start - ends[1] <= DETECT_NEAR_BYTES))
    listed_hit(s, word->list, start, end);
}

void match_partner(struct scan *s, uint32_t list, size_t start, size_t end) {
  if (!s->rules->lists[list].parts) {
    if (end == s->len && !s->ended) {
      if (start >= s->from) scan_wait(s, start);
      return;
    }
    if (!is_whole_word(s, start, end)) return;
  }
  size_t *ends = &s->list_end[list * 2];
  ends[1] = end;
  if (start < s->from) return;
  if (ends[0] && start >= ends[0] && start - ends[0] <= DETECT_NEAR_BYTES)
    listed_hit(s, list, start, end);
}
