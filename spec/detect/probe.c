/* Reads texts, one JSON string a line; answers with one line each, a JSON list of findings.
 *   detect_probe [--kinds a,b] [--score n] [--split bytes] [--everywhere] [--list words]
 *                [--ignore-test-numbers]
 * --everywhere: each text again in two pieces, cut at each of its bytes, and byte by byte; a list
 * of one string says where findings differ. --list: words between commas, as a list of that name.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "detect/detect.h"

struct settings {
  struct detect_options options;
  size_t split;
  bool everywhere;
  struct detect_list list;
  struct slice words[64];
};

static void setting(struct settings *s, const char *name, const char *value) {
  struct slice rest = slice_of(value);
  if (strcmp(name, "--score") == 0) s->options.min_score = (uint8_t)atoi(value);
  if (strcmp(name, "--split") == 0) s->split = (size_t)atoi(value);
  while (strcmp(name, "--kinds") == 0 && rest.len > 0)
    must(detect_kinds_add(&s->options.kinds, slice_cut(rest, ',', &rest)));
  if (strcmp(name, "--list") != 0) return;
  s->list = (struct detect_list){.name = SLICE("list"), .words = s->words};
  while (rest.len > 0 && s->list.word_count < 64)
    s->words[s->list.word_count++] = slice_cut(rest, ',', &rest);
  s->options.lists = &s->list;
  s->options.list_count = 1;
}

static void scan(const struct detect_rules *rules, struct slice text, size_t split,
                 struct detect_findings *found) {
  if (split == 0) {
    detect_scan(rules, text, found);
    return;
  }
  struct detect_stream *stream = detect_stream_new(rules);
  while (text.len > 0) {
    size_t len = text.len < split ? text.len : split;
    detect_stream_feed(stream, (struct slice){text.data, len}, found);
    text = slice_skip(text, len);
  }
  detect_stream_finish(stream, found);
  detect_stream_free(stream);
}

static void answer(const struct detect_findings *found, struct bytes *out) {
  bytes_append_byte(out, '[');
  for (size_t i = 0; i < found->count; i++) {
    const struct detect_finding *f = &found->items[i];
    bytes_printf(out, "%s{\"kind\":\"%s\",\"rule\":", i ? "," : "", detect_kind_name(f->kind));
    json_quote(out, slice_of(f->rule));
    bytes_printf(out, ",\"offset\":%zu,\"length\":%zu,\"score\":%u,\"validated\":%s}", f->offset,
                 f->length, f->score, f->validated ? "true" : "false");
  }
  bytes_append_text(out, "]\n");
}

/* In two pieces, cut at that byte. */
static void scan_cut(const struct detect_rules *rules, struct slice text, size_t at,
                     struct detect_findings *found) {
  struct detect_stream *stream = detect_stream_new(rules);
  detect_stream_feed(stream, (struct slice){text.data, at}, found);
  detect_stream_feed(stream, slice_skip(text, at), found);
  detect_stream_finish(stream, found);
  detect_stream_free(stream);
}

/* out: the answer for the whole text; becomes another one where a cut changes it. */
static void compare(const struct detect_rules *rules, struct slice text, struct bytes *out) {
  struct detect_findings found;
  struct bytes again;
  detect_findings_init(&found);
  bytes_init(&again);
  for (size_t at = 0; at <= text.len; at++) {
    bytes_clear(&again);
    detect_findings_clear(&found);
    if (at == 0)
      scan(rules, text, 1, &found);
    else
      scan_cut(rules, text, at, &found);
    answer(&found, &again);
    if (slice_equal(bytes_slice(&again), bytes_slice(out))) continue;
    bytes_clear(out);
    bytes_printf(out, "[\"differs when cut at %zu\"]\n", at);
    break;
  }
  detect_findings_fini(&found);
  bytes_fini(&again);
}

int main(int argc, char **argv) {
  struct settings s = {0};
  struct bytes text, out;
  char *line = NULL;
  size_t cap = 0;
  bytes_init(&text);
  bytes_init(&out);
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--ignore-test-numbers") == 0)
      s.options.ignore_test_numbers = true;
    else if (strcmp(argv[i], "--everywhere") == 0)
      s.everywhere = true;
    else if (i + 1 < argc)
      setting(&s, argv[i], argv[i + 1]), i++;
  }
  struct detect_kinds none = {0};
  if (memcmp(&none, &s.options.kinds, sizeof none) == 0)
    must(detect_kinds_add(&s.options.kinds, SLICE("all")));
  struct detect_rules *rules = detect_rules_new(&s.options, &out);
  must(rules);
  struct detect_findings found;
  detect_findings_init(&found);
  for (ssize_t len; (len = getline(&line, &cap, stdin)) > 0;) {
    struct slice token = {line, (size_t)len - (line[len - 1] == '\n')};
    bytes_clear(&text);
    bytes_clear(&out);
    detect_findings_clear(&found);
    if (!json_validate(token, 1, NULL) || !json_string(token, &text)) {
      fprintf(stderr, "detect_probe: a line is no JSON string\n");
      return 1;
    }
    scan(rules, bytes_slice(&text), s.split, &found);
    answer(&found, &out);
    if (s.everywhere) compare(rules, bytes_slice(&text), &out);
    fwrite(out.data, 1, out.len, stdout);
  }
  detect_findings_fini(&found);
  detect_rules_unref(rules);
  bytes_fini(&text);
  bytes_fini(&out);
  free(line);
  return 0;
}
