/* Whatever the text: cut anywhere, it gives the findings of the whole, inside its bounds; and every
 * text that the walk over JSON reports lies in the body and can be read and mapped back. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "detect/detect.h"
#include "detect/json_texts.h"

static struct detect_rules *rules;

static void setup(void) {
  static const struct slice words[] = {SLICE("kill"), SLICE("bluebird")},
                            exceptions[] = {SLICE("kill process")}, partners[] = {SLICE("near")};
  static const struct detect_list lists[] = {{.name = SLICE("words"),
                                              .words = words,
                                              .word_count = 2,
                                              .exceptions = exceptions,
                                              .exception_count = 1},
                                             {.name = SLICE("pairs"),
                                              .words = words,
                                              .word_count = 2,
                                              .partners = partners,
                                              .partner_count = 1,
                                              .parts = true}};
  struct detect_options options = {.lists = lists, .list_count = 2, .min_score = 20};
  struct bytes problem;
  bytes_init(&problem);
  must(detect_kinds_add(&options.kinds, SLICE("all")));
  rules = detect_rules_new(&options, &problem);
  must(rules);
  bytes_fini(&problem);
}

static int order(const void *left, const void *right) {
  const struct detect_finding *a = left, *b = right;
  if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
  if (a->length != b->length) return a->length > b->length ? -1 : 1;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  int names = strcmp(a->rule, b->rule);
  return names ? names : (int)a->score - b->score;
}

static void sort(struct detect_findings *list) {
  if (list->count) qsort(list->items, list->count, sizeof *list->items, order);
}

static void print(const char *how, const struct detect_findings *list) {
  for (size_t i = 0; i < list->count; i++)
    fprintf(stderr, "%s: %zu+%zu %s %u\n", how, list->items[i].offset, list->items[i].length,
            list->items[i].rule, list->items[i].score);
}

static bool same(const struct detect_findings *a, const struct detect_findings *b) {
  if (a->count != b->count) return false;
  for (size_t i = 0; i < a->count; i++)
    if (order(&a->items[i], &b->items[i]) != 0) return false;
  return true;
}

static void check_split(struct slice text, size_t step) {
  struct detect_findings whole, cut;
  struct detect_stream *stream = detect_stream_new(rules);
  size_t settled = 0;
  detect_findings_init(&whole);
  detect_findings_init(&cut);
  detect_scan(rules, text, &whole);
  for (size_t at = 0; at < text.len; at += step) {
    size_t len = text.len - at < step ? text.len - at : step, before = cut.count;
    size_t now = detect_stream_feed(stream, (struct slice){text.data + at, len}, &cut);
    must(now >= settled && now <= at + len);
    for (size_t i = before; i < cut.count; i++)
      must(cut.items[i].offset >= settled);
    settled = now;
  }
  must(detect_stream_finish(stream, &cut) == text.len);
  sort(&whole);
  sort(&cut);
  if (!same(&whole, &cut)) {
    print("whole", &whole);
    print("cut", &cut);
    must(!"the cut text gave other findings");
  }
  for (size_t i = 0; i < whole.count; i++)
    must(whole.items[i].length > 0 && whole.items[i].offset + whole.items[i].length <= text.len);
  detect_stream_free(stream);
  detect_findings_fini(&whole);
  detect_findings_fini(&cut);
}

static void on_text(void *context, const struct json_text *text) {
  const struct slice *body = context;
  struct json_view view;
  must(text->token.data >= body->data &&
       text->token.data + text->token.len <= body->data + body->len);
  json_view_init(&view);
  json_view_read(&view, text->token);
  for (size_t i = 0; i < view.text.len; i++)
    must(json_view_raw(&view, text->token, i, 1).len > 0);
  json_view_fini(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!rules) setup();
  if (size == 0) return 0;
  struct slice text = {(const char *)data + 1, size - 1};
  check_split(text, data[0] % 64 + 1u);
  bool ok = json_texts(text, data[0] & 1 ? JSON_TEXTS_REPLY : JSON_TEXTS_REQUEST, on_text, &text);
  must(ok == json_validate(text, JSON_TEXTS_DEPTH, NULL));
  return 0;
}
