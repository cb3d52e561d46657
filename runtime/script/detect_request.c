#include "script/detect_request.h"

#include "script/watchdog.h"

enum {
  PIECE_BYTES = DETECT_REQUEST_PIECE_BYTES,
  STEP_BYTES = 16 << 10 /* of longer texts: dense ones take ten times as long as others */
};

bool detect_request_scan(struct surface *s, const struct detect_rules *rules, struct slice text) {
  detect_findings_clear(&s->findings);
  if (text.len <= PIECE_BYTES) {
    detect_scan(rules, text, &s->findings);
    return true;
  }
  struct detect_stream *stream = detect_stream_new(rules);
  bool fine = true;
  while (text.len > 0 && fine) {
    struct slice piece = {text.data, text.len < STEP_BYTES ? text.len : STEP_BYTES};
    (void)detect_stream_feed(stream, piece, &s->findings);
    text = slice_skip(text, piece.len);
    fine = !watchdog_is_over();
  }
  if (fine) (void)detect_stream_finish(stream, &s->findings);
  detect_stream_free(stream);
  return fine;
}

static bool is_shareable(struct surface *s, const struct detect_rules *rules, size_t bytes) {
  if (s->plain_count < 2 || bytes > PIECE_BYTES) return false;
  if (!s->shared) {
    struct detect_options options = {.kinds = s->plain_kinds};
    bytes_clear(&s->scratch);
    s->shared = detect_rules_new(&options, &s->scratch);
    must(s->shared != NULL); /* only words of lists can be refused */
  }
  return detect_rules_cover(s->shared, rules);
}

static struct scans *scans_of(struct surface *s) {
  struct policy_run *run = s->run;
  struct scans *scans = &run->scans;
  if (scans->rules == s->shared) return scans;
  policy_scans_drop(run);
  scans->count = policy_texts(run)->count;
  scans->texts = must_calloc(scans->count + 1, sizeof *scans->texts);
  scans->is_known = must_calloc(scans->count + 1, sizeof *scans->is_known);
  scans->rules = detect_rules_ref(s->shared);
  return scans;
}

/* By one scan for all plain detectors of the state. False: it cannot serve this one. */
static bool scan_shared(struct surface *s, const struct detect_rules *rules, size_t index) {
  struct scans *scans = scans_of(s);
  struct detect_findings *found = &scans->texts[index];
  if (!scans->is_known[index]) detect_scan(scans->rules, bytes_slice(&s->scratch), found);
  scans->is_known[index] = true;
  if (found->truncated) return false;
  detect_findings_clear(&s->findings);
  detect_select(rules, found, &s->findings);
  return true;
}

bool detect_request_text(struct surface *s, const struct detect_rules *rules, size_t index) {
  size_t bytes = policy_texts(s->run)->items[index].raw.len;
  bool is_shared = is_shareable(s, rules, bytes);
  bytes_clear(&s->scratch);
  policy_text(s->run, index, &s->scratch);
  if (is_shared && s->scratch.len <= PIECE_BYTES && scan_shared(s, rules, index)) return true;
  return detect_request_scan(s, rules, bytes_slice(&s->scratch));
}
