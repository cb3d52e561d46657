#include "detect/rules.h"

#include <stdlib.h>

#include "detect/normal.h"

/* text as the scan will see it, ASCII letters in lower case; the caller frees data. */
static struct slice text_normal(struct slice text) {
  struct normal n;
  normal_init(&n);
  normal_feed(&n, text, true);
  for (size_t i = 0; i < n.text.len; i++)
    n.text.data[i] = (char)automaton_fold((uint8_t)n.text.data[i]);
  struct slice made;
  made.data = bytes_take(&n.text, &made.len);
  normal_fini(&n);
  return made;
}

static bool word_check(struct slice word, struct slice list, struct bytes *problem) {
  if (word.len > 0 && word.len <= DETECT_WORD_BYTES_MAX) return true;
  bytes_printf(problem, "list %.*s has a word of %zu bytes; 1 to %d are allowed", (int)list.len,
               list.data, word.len, DETECT_WORD_BYTES_MAX);
  return false;
}

static bool lists_check(const struct detect_options *options, struct bytes *problem) {
  for (size_t i = 0; i < options->list_count; i++) {
    const struct detect_list *list = &options->lists[i];
    for (size_t w = 0; w < list->word_count; w++)
      if (!word_check(list->words[w], list->name, problem)) return false;
    for (size_t w = 0; w < list->exception_count; w++)
      if (!word_check(list->exceptions[w], list->name, problem)) return false;
    for (size_t w = 0; w < list->partner_count; w++)
      if (!word_check(list->partners[w], list->name, problem)) return false;
  }
  return true;
}

static void list_compile(struct detect_rules *rules, uint32_t index,
                         const struct detect_list *list) {
  struct compiled_list *made = &rules->lists[index];
  char *name = must_calloc(list->name.len + 1, 1);
  if (list->name.len) memcpy(name, list->name.data, list->name.len);
  *made = (struct compiled_list){
      .name = name, .partners = list->partner_count > 0, .parts = list->parts};
  made->exceptions = must_calloc(list->exception_count + 1, sizeof *made->exceptions);
  for (size_t i = 0; i < list->exception_count; i++)
    made->exceptions[made->exception_count++] = text_normal(list->exceptions[i]);
  for (size_t i = 0; i < list->word_count; i++) {
    struct slice text = text_normal(list->words[i]);
    rules->words[rules->word_count] = (struct listed_word){text, index};
    if (text.len)
      automaton_add(&rules->automaton, text,
                    scan_word_value(WORD_LISTED, (uint32_t)rules->word_count));
    rules->word_count++;
  }
  for (size_t i = 0; i < list->partner_count; i++) {
    struct slice text = text_normal(list->partners[i]);
    if (text.len) automaton_add(&rules->automaton, text, scan_word_value(WORD_PARTNER, index));
    free((char *)text.data);
  }
}

static void lists_compile(struct detect_rules *rules, const struct detect_options *options) {
  size_t words = 0;
  for (size_t i = 0; i < options->list_count; i++)
    words += options->lists[i].word_count;
  must(words < 1 << 24);
  rules->lists = must_calloc(options->list_count + 1, sizeof *rules->lists);
  rules->words = must_calloc(words + 1, sizeof *rules->words);
  rules->list_count = options->list_count;
  for (size_t i = 0; i < options->list_count; i++)
    list_compile(rules, (uint32_t)i, &options->lists[i]);
}

static int slice_order(const void *left, const void *right) {
  const struct slice *a = left, *b = right;
  size_t len = a->len < b->len ? a->len : b->len;
  int order = len ? memcmp(a->data, b->data, len) : 0;
  return order ? order : a->len == b->len ? 0 : a->len < b->len ? -1 : 1;
}

static void allowed_compile(struct detect_rules *rules, const struct detect_options *options) {
  rules->allowed = must_calloc(options->allowed_count + 1, sizeof *rules->allowed);
  rules->allowed_count = options->allowed_count;
  for (size_t i = 0; i < options->allowed_count; i++)
    rules->allowed[i] = text_normal(options->allowed[i]);
  if (rules->allowed_count)
    qsort(rules->allowed, rules->allowed_count, sizeof *rules->allowed, slice_order);
}

static void contexts_compile(struct detect_rules *rules) {
  static const char *const words[CONTEXTS] = {
#define CONTEXT(id, words) [CONTEXT_##id] = words,
#include "detect/contexts.def"
#undef CONTEXT
  };
  for (uint32_t i = CONTEXT_NONE + 1; i < CONTEXTS; i++) {
    struct slice rest = slice_of(words[i]);
    while (rest.len > 0) {
      struct slice word = text_normal(slice_cut(rest, '|', &rest));
      must(word.len > 0 && word.len <= CONTEXT_WORD_BYTES_MAX);
      automaton_add(&rules->automaton, word, scan_word_value(WORD_CONTEXT, i));
      free((char *)word.data);
    }
  }
}

static bool has_shapes(const struct detect_kinds *kinds) {
  for (int kind = 0; kind < DETECT_KINDS; kind++)
    if (kind != DETECT_KEYWORD && detect_kinds_has(kinds, (enum detect_kind)kind)) return true;
  return false;
}

struct detect_rules *detect_rules_new(const struct detect_options *options, struct bytes *problem) {
  if (!lists_check(options, problem)) return NULL;
  struct detect_rules *rules = must_calloc(1, sizeof *rules);
  ref_init(&rules->ref);
  rules->kinds = options->kinds;
  if (options->list_count) must(detect_kinds_add(&rules->kinds, SLICE("keyword")));
  rules->has_shapes = has_shapes(&rules->kinds);
  rules->min_score = options->min_score ? options->min_score : DETECT_SCORE_DEFAULT;
  rules->ignore_test_numbers = options->ignore_test_numbers;
  automaton_init(&rules->automaton);
  if (rules->has_shapes) {
    contexts_compile(rules);
    secrets_words(rules);
    special_words(rules);
  }
  lists_compile(rules, options);
  allowed_compile(rules, options);
  automaton_build(&rules->automaton);
  if (detect_kinds_has(&rules->kinds, DETECT_SEED_PHRASE)) seed_words(rules);
  return rules;
}

/* A guess gives way to a proven secret at its place: whoever wants guesses wants all of those. */
static bool wants_all_secrets(const struct detect_rules *rules, const struct detect_kinds *kinds) {
  if (!detect_kinds_has(&rules->kinds, DETECT_SECRET_ASSIGNMENT)) return true;
  for (int kind = 0; kind < DETECT_KINDS; kind++)
    if (detect_kind_group((enum detect_kind)kind) == DETECT_GROUP_SECRET &&
        detect_kinds_has(kinds, (enum detect_kind)kind) &&
        !detect_kinds_has(&rules->kinds, (enum detect_kind)kind))
      return false;
  return true;
}

bool detect_rules_cover(const struct detect_rules *shared, const struct detect_rules *other) {
  for (size_t i = 0; i < sizeof other->kinds.bits / sizeof *other->kinds.bits; i++)
    if (other->kinds.bits[i] & ~shared->kinds.bits[i]) return false;
  return !other->list_count && !other->allowed_count && !shared->list_count &&
         !shared->allowed_count && other->min_score == shared->min_score &&
         other->ignore_test_numbers == shared->ignore_test_numbers &&
         wants_all_secrets(other, &shared->kinds);
}

void detect_select(const struct detect_rules *rules, const struct detect_findings *found,
                   struct detect_findings *out) {
  for (size_t i = 0; i < found->count; i++)
    if (detect_kinds_has(&rules->kinds, found->items[i].kind))
      detect_findings_add(out, found->items[i]);
}

struct detect_kinds detect_rules_kinds(const struct detect_rules *rules) {
  return rules->kinds;
}

uint8_t detect_rules_min_score(const struct detect_rules *rules) {
  return rules->min_score;
}

struct detect_rules *detect_rules_ref(struct detect_rules *rules) {
  ref_take(&rules->ref);
  return rules;
}

void detect_rules_unref(struct detect_rules *rules) {
  if (!rules || !ref_drop(&rules->ref)) return;
  for (size_t i = 0; i < rules->list_count; i++) {
    for (size_t e = 0; e < rules->lists[i].exception_count; e++)
      free((char *)rules->lists[i].exceptions[e].data);
    free(rules->lists[i].exceptions);
    free((char *)rules->lists[i].name);
  }
  for (size_t i = 0; i < rules->word_count; i++)
    free((char *)rules->words[i].text.data);
  for (size_t i = 0; i < rules->allowed_count; i++)
    free((char *)rules->allowed[i].data);
  automaton_fini(&rules->automaton);
  free(rules->lists);
  free(rules->words);
  free(rules->allowed);
  free(rules->seed_words);
  free(rules);
}
