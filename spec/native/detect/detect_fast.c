/* What is passed over on the way through a text makes no difference: words against a search for
 * each at every place, encoded runs and escapes at every distance from what came before. */
#include <stdlib.h>

#include "detect/automaton.h"
#include "detect_kit.h"

enum { WORDS_MAX = 40, TEXT_BYTES = 400, ROUNDS = 3000 };

static uint64_t seed = 1;

static unsigned any(unsigned below) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (unsigned)(seed >> 33) % below;
}

/* Letters that meet often, in both cases, and bytes that differ from others by 0x20 alone. */
static size_t write_any(char *out, size_t len) {
  static const char *const letters[] = {"a", "b", "A", "c", "@", "`", "[", "{", " ", "机", "密"};
  size_t at = 0;
  while (at + 3 <= len) {
    const char *letter = letters[any(sizeof letters / sizeof *letters)];
    memcpy(out + at, letter, strlen(letter));
    at += strlen(letter);
  }
  return at;
}

struct set {
  char text[WORDS_MAX][8];
  struct slice words[WORDS_MAX];
  size_t count;
};

static void set_make(struct set *set, size_t count, size_t least) {
  set->count = 0;
  while (set->count < count) {
    size_t i = set->count, len = write_any(set->text[i], least + 2 + any(3));
    if (len < least) continue;
    set->words[set->count++] = (struct slice){set->text[i], len};
  }
}

static bool word_at(struct slice word, struct slice text, size_t at) {
  if (text.len - at < word.len) return false;
  for (size_t i = 0; i < word.len; i++)
    if (automaton_fold((uint8_t)text.data[at + i]) != automaton_fold((uint8_t)word.data[i]))
      return false;
  return true;
}

static bool any_word_at(const struct set *set, struct slice text, size_t at) {
  for (size_t i = 0; i < set->count; i++)
    if (word_at(set->words[i], text, at)) return true;
  return false;
}

/* No beginning of a word lies between `at` and the answer, from wherever and however far. */
static void test_places(const struct set *set, struct slice text) {
  struct prefixes p;
  prefixes_init(&p);
  for (size_t i = 0; i < set->count; i++)
    prefixes_add(&p, set->words[i]);
  prefixes_build(&p);
  size_t end = text.len - any(20);
  for (size_t at = 0; at <= end; at++) {
    size_t next = prefixes_next(&p, text, at, end);
    must(next >= at && next <= end);
    for (size_t i = at; i < next; i++)
      CHECK(!any_word_at(set, text, i));
  }
  prefixes_fini(&p);
}

static bool is_known(const struct detect_findings *found, size_t offset, size_t length) {
  for (size_t i = 0; i < found->count; i++)
    if (found->items[i].offset == offset && found->items[i].length == length) return true;
  return false;
}

static bool is_double(const struct set *set, size_t word) {
  for (size_t i = 0; i < word; i++)
    if (set->words[i].len == set->words[word].len && word_at(set->words[i], set->words[word], 0))
      return true;
  return false;
}

/* Each word at each place is a finding, once for each time that it is listed, and nothing else. */
static void test_findings(const struct set *set, struct slice text, const char *kinds) {
  struct detect_list list = {
      .name = SLICE("list"), .words = set->words, .word_count = set->count, .parts = true};
  struct detect_rules *rules =
      kit_rules((struct detect_options){.lists = &list, .list_count = 1}, kinds);
  struct detect_findings found;
  size_t wanted = 0;
  detect_findings_init(&found);
  detect_scan(rules, text, &found);
  for (size_t at = 0; at < text.len; at++)
    for (size_t i = 0; i < set->count; i++) {
      if (!word_at(set->words[i], text, at)) continue;
      wanted++;
      CHECK(is_double(set, i) || is_known(&found, at, set->words[i].len));
    }
  CHECK(found.count == wanted);
  detect_findings_fini(&found);
  detect_rules_unref(rules);
}

static void test_words(void) {
  static struct set set;
  static char room[TEXT_BYTES];
  for (int round = 0; round < ROUNDS; round++) {
    set_make(&set, 1 + any(round % 3 == 0 ? 3 : WORDS_MAX), 1 + (size_t)round % 4);
    /* Far from what ends a text, so that places in the middle of one are tried too. */
    size_t quiet = any(64);
    memset(room, '.', quiet);
    struct slice text = {room, quiet + write_any(room + quiet, any(TEXT_BYTES - 64 - 24) + 24)};
    test_places(&set, text);
    if (round % 4 == 0) test_findings(&set, text, round % 8 ? "" : "email");
  }
}

/* "card 4111 1111 1111 1111 thanks", behind words that end at every distance before it. */
static void test_encoded(void) {
  static const char card[] = "Y2FyZCA0MTExIDExMTEgMTExMSAxMTExIHRoYW5rcw==";
  struct detect_rules *rules = kit_rules((struct detect_options){0}, "payment_card");
  struct bytes text, want, got;
  bytes_init(&text);
  bytes_init(&want);
  bytes_init(&got);
  for (size_t before = 0; before < 100; before++)
    for (size_t word = 0; word < 30; word += 1 + before % 5) {
      bytes_clear(&text);
      bytes_clear(&want);
      bytes_clear(&got);
      for (size_t i = 0; i < before; i++)
        bytes_append_byte(&text, i % (word + 1) == word ? ' ' : 'a');
      bytes_append_byte(&text, ' ');
      size_t start = text.len;
      bytes_append_text(&text, card);
      bytes_append_text(&text, word % 2 ? " and on" : "");
      kit_scan(rules, bytes_slice(&text), &got);
      bytes_printf(&want, "%zu+%d payment_card", start + 6, 26);
      CHECK(slice_equal(bytes_slice(&got), bytes_slice(&want)));
    }
  bytes_fini(&text);
  bytes_fini(&want);
  bytes_fini(&got);
  detect_rules_unref(rules);
}

/* Full-width digits, an escape and a percent sign behind plain text of every length, of one and of
 * three bytes a character. */
static void test_turned(void) {
  static const char *const cards[] = {"４１１１１１１１１１１１１１１１", "\\u0034111111111111111",
                                      "%34111111111111111"};
  struct detect_rules *rules = kit_rules((struct detect_options){0}, "payment_card");
  struct bytes text, want, got;
  bytes_init(&text);
  bytes_init(&want);
  bytes_init(&got);
  for (size_t before = 0; before < 70; before++)
    for (size_t i = 0; i < 9; i++) {
      bytes_clear(&text);
      bytes_clear(&want);
      bytes_clear(&got);
      for (size_t k = 0; k < before; k++)
        bytes_append_text(&text, i < 3 ? "." : i < 6 || k % 7 ? "机" : ".");
      size_t start = text.len;
      bytes_append_text(&text, cards[i % 3]);
      size_t length = text.len - start;
      bytes_append_text(&text, i % 2 ? "\xe6\x9c" : ".机\xe6");
      kit_scan(rules, bytes_slice(&text), &got);
      bytes_printf(&want, "%zu+%zu payment_card", start, length);
      CHECK(slice_equal(bytes_slice(&got), bytes_slice(&want)));
    }
  bytes_fini(&text);
  bytes_fini(&want);
  bytes_fini(&got);
  detect_rules_unref(rules);
}

int main(void) {
  test_words();
  test_encoded();
  test_turned();
  return checks_end();
}
