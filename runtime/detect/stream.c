#include <stdlib.h>

#include "detect/encoded.h"
#include "detect/normal.h"
#include "detect/rules.h"

/* A whole text is scanned in pieces of this size, so that memory does not follow the text. */
enum { PIECE_BYTES = 32 * 1024, NEIGHBOURS = 16 };

struct detect_stream {
  const struct detect_rules *rules;
  struct normal normal;
  struct scan scan;
  struct encoded encoded;
};

void detect_findings_init(struct detect_findings *list) {
  *list = (struct detect_findings){0};
}

void detect_findings_fini(struct detect_findings *list) {
  free(list->items);
}

void detect_findings_clear(struct detect_findings *list) {
  list->count = 0;
  list->truncated = false;
}

void detect_findings_add(struct detect_findings *list, struct detect_finding finding) {
  if (list->count == DETECT_FINDINGS_MAX) {
    list->truncated = true;
    return;
  }
  if (list->count == list->cap) {
    list->cap = list->cap ? list->cap * 2 : 8;
    list->items = must_realloc(list->items, list->cap * sizeof *list->items);
  }
  list->items[list->count++] = finding;
}

static void stream_init(struct detect_stream *stream, const struct detect_rules *rules) {
  *stream = (struct detect_stream){.rules = rules};
  normal_init(&stream->normal);
  encoded_init(&stream->encoded);
  stream->scan.rules = rules;
  if (rules->list_count)
    stream->scan.list_end = must_calloc(rules->list_count * 2, sizeof *stream->scan.list_end);
}

static void stream_fini(struct detect_stream *stream) {
  normal_fini(&stream->normal);
  encoded_fini(&stream->encoded);
  free(stream->scan.hits);
  free(stream->scan.list_end);
}

struct detect_stream *detect_stream_new(const struct detect_rules *rules) {
  struct detect_stream *stream = must_alloc(sizeof *stream);
  stream_init(stream, rules);
  return stream;
}

struct detect_stream *detect_stream_new_inner(const struct detect_rules *rules) {
  struct detect_stream *stream = detect_stream_new(rules);
  stream->encoded.off = true;
  return stream;
}

void detect_stream_free(struct detect_stream *stream) {
  if (!stream) return;
  stream_fini(stream);
  free(stream);
}

static int finding_order(const void *left, const void *right) {
  const struct detect_finding *a = left, *b = right;
  if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
  if (a->length != b->length) return a->length > b->length ? -1 : 1;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  return strcmp(a->rule, b->rule);
}

static struct slice finding_text(const struct scan *s, const struct detect_finding *f) {
  return (struct slice){s->text + f->offset, f->length};
}

static int compare_folded(struct slice a, struct slice b) {
  size_t len = a.len < b.len ? a.len : b.len;
  for (size_t i = 0; i < len; i++) {
    int difference = automaton_fold((uint8_t)a.data[i]) - automaton_fold((uint8_t)b.data[i]);
    if (difference) return difference;
  }
  return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static bool allowed_has(const struct detect_rules *rules, struct slice text) {
  size_t low = 0, high = rules->allowed_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = compare_folded(text, rules->allowed[middle]);
    if (order == 0) return true;
    if (order > 0)
      low = middle + 1;
    else
      high = middle;
  }
  return false;
}

static bool is_allowed(const struct scan *s, const struct detect_finding *f) {
  if (s->rules->allowed_count == 0) return false;
  struct slice text = finding_text(s, f);
  if (allowed_has(s->rules, text)) return true;
  if (f->kind != DETECT_EMAIL) return false;
  const char *at = memchr(text.data, '@', text.len);
  return at && allowed_has(s->rules, slice_skip(text, (size_t)(at - text.data)));
}

/* A guess gives way to what is proven at the same place. Both are settled together: a guess waits
 * for the end of its value, and what it gives way to lies inside. */
static bool is_outdone(const struct scan *s, const struct hit *guess) {
  const struct detect_finding *g = &guess->finding;
  if (g->kind != DETECT_SECRET_ASSIGNMENT) return false;
  size_t at = (size_t)(guess - s->hits);
  size_t last = s->hit_count - at > NEIGHBOURS ? at + NEIGHBOURS : s->hit_count;
  for (size_t i = at > NEIGHBOURS ? at - NEIGHBOURS : 0; i < last; i++) {
    const struct detect_finding *f = &s->hits[i].finding;
    if (f != g && f->kind != DETECT_SECRET_ASSIGNMENT && f->kind != DETECT_KEYWORD &&
        detect_kind_group(f->kind) == DETECT_GROUP_SECRET && f->offset < g->offset + g->length &&
        g->offset < f->offset + f->length)
      return true;
  }
  return false;
}

/* No guess may leave before what would outdo it is certain. Chains end soon: a guessed value holds
 * no word that announces another. */
static void hold_guesses(struct scan *s) {
  for (size_t i = s->hit_count; i-- > 0;) {
    const struct detect_finding *f = &s->hits[i].finding;
    if (f->kind == DETECT_SECRET_ASSIGNMENT && f->offset + f->length > s->live &&
        s->hits[i].anchor < s->live)
      s->live = s->hits[i].anchor;
  }
}

/* Hits before the live prefix are certain: hand them out with the offsets of the given bytes. */
static void hits_take(struct detect_stream *stream, struct detect_findings *out) {
  struct scan *s = &stream->scan;
  size_t first = out->count;
  for (size_t i = 0; i < s->hit_count; i++) {
    struct detect_finding f = s->hits[i].finding;
    if ((s->hits[i].anchor >= s->live && !s->ended) || is_allowed(s, &f) ||
        is_outdone(s, &s->hits[i]))
      continue;
    size_t end = normal_raw_end(&stream->normal, f.offset + f.length - 1);
    f.offset = normal_raw_start(&stream->normal, f.offset);
    f.length = end - f.offset;
    detect_findings_add(out, f);
  }
  if (s->truncated) out->truncated = true;
  encoded_take(&stream->encoded, &stream->normal, out);
  if (out->count - first > 1)
    qsort(out->items + first, out->count - first, sizeof *out->items, finding_order);
}

static void contexts_clear(struct scan *s) {
  memset(s->context_end, 0, sizeof s->context_end);
  if (s->list_end) memset(s->list_end, 0, s->rules->list_count * 2 * sizeof *s->list_end);
  s->hit_count = 0;
}

static size_t stream_pass(struct detect_stream *stream, bool ended, struct detect_findings *out) {
  struct scan *s = &stream->scan;
  struct normal *n = &stream->normal;
  s->text = n->text.data;
  s->len = n->text.len;
  s->ended = ended;
  contexts_clear(s);
  scan_run(s);
  size_t encoded_live = encoded_feed(&stream->encoded, stream->rules, bytes_slice(&n->text), ended);
  if (encoded_live < s->live) s->live = encoded_live;
  hold_guesses(s);
  must(s->live >= s->from);
  hits_take(stream, out);
  size_t settled = s->live < s->len ? normal_raw_start(n, s->live) : n->raw;
  s->from = s->live;
  if (s->from > SCAN_BEHIND) {
    size_t drop = s->from - SCAN_BEHIND;
    encoded_drop(&stream->encoded, drop);
    normal_drop(n, drop);
    s->from -= drop;
  }
  return settled;
}

size_t detect_stream_feed(struct detect_stream *stream, struct slice piece,
                          struct detect_findings *out) {
  size_t settled = 0;
  do {
    size_t len = piece.len < PIECE_BYTES ? piece.len : PIECE_BYTES;
    normal_feed(&stream->normal, (struct slice){piece.data, len}, false);
    settled = stream_pass(stream, false, out);
    piece = slice_skip(piece, len);
  } while (piece.len > 0);
  return settled;
}

size_t detect_stream_finish(struct detect_stream *stream, struct detect_findings *out) {
  normal_feed(&stream->normal, (struct slice){0}, true);
  size_t settled = stream_pass(stream, true, out);
  const struct detect_rules *rules = stream->rules;
  stream_fini(stream);
  stream_init(stream, rules);
  return settled;
}

void detect_scan(const struct detect_rules *rules, struct slice text, struct detect_findings *out) {
  struct detect_stream stream;
  stream_init(&stream, rules);
  while (text.len > PIECE_BYTES) {
    detect_stream_feed(&stream, (struct slice){text.data, PIECE_BYTES}, out);
    text = slice_skip(text, PIECE_BYTES);
  }
  normal_feed(&stream.normal, text, true);
  stream_pass(&stream, true, out);
  stream_fini(&stream);
}
