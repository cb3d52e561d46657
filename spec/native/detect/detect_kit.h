/* Scanning for tests: everything on, findings as one line of text each. */
#pragma once
#include "check.h"
#include "detect/detect.h"

static inline struct detect_rules *kit_rules(struct detect_options options, const char *kinds) {
  struct bytes problem;
  bytes_init(&problem);
  struct slice rest = slice_of(kinds);
  while (rest.len > 0) {
    struct slice name = slice_cut(rest, ' ', &rest);
    must(detect_kinds_add(&options.kinds, name));
  }
  struct detect_rules *rules = detect_rules_new(&options, &problem);
  if (!rules) fprintf(stderr, "%s\n", bytes_text(&problem));
  must(rules);
  bytes_fini(&problem);
  return rules;
}

/* "offset+length rule" each, joined with "; ". */
static inline void kit_print(const struct detect_findings *found, struct bytes *out) {
  for (size_t i = 0; i < found->count; i++) {
    const struct detect_finding *f = &found->items[i];
    bytes_printf(out, "%s%zu+%zu %s", i ? "; " : "", f->offset, f->length, f->rule);
  }
}

static inline void kit_scan(const struct detect_rules *rules, struct slice text,
                            struct bytes *out) {
  struct detect_findings found;
  detect_findings_init(&found);
  detect_scan(rules, text, &found);
  kit_print(&found, out);
  detect_findings_fini(&found);
}

/* The findings in `text` read exactly so. */
static inline void kit_expect(const struct detect_rules *rules, const char *text,
                              const char *want) {
  struct bytes got;
  bytes_init(&got);
  kit_scan(rules, slice_of(text), &got);
  if (!slice_equal_text(bytes_slice(&got), want)) {
    fprintf(stderr, "in:   %s\ngot:  %s\nwant: %s\n", text, bytes_text(&got), want);
    checks_failed++;
  }
  bytes_fini(&got);
}
