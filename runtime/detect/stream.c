#include <stdlib.h>

#include "detect/encoded.h"
#include "detect/harmless.h"
#include "detect/normal.h"
#include "detect/rules.h"

/* A whole text is scanned in pieces of this size, so that memory does not follow the text. */
enum { PIECE_BYTES = 32 * 1024 };

struct proof {
  size_t start, end;
  size_t reach; /* the furthest end of this and all before it */
  bool settled; /* handed out */
};

struct proofs {
  struct proof *items;
  size_t count, cap;
};

enum { FEW_LISTS = 8 };

struct detect_stream {
  const struct detect_rules *rules;
  size_t few_list_ends[2 * FEW_LISTS];
  struct normal normal;
  struct scan scan;
  struct encoded encoded;
  struct proofs proofs;
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
  stream->scan.list_end = stream->few_list_ends;
  if (rules->list_count > FEW_LISTS)
    stream->scan.list_end = must_calloc(rules->list_count * 2, sizeof *stream->scan.list_end);
}

static void stream_fini(struct detect_stream *stream) {
  normal_fini(&stream->normal);
  encoded_fini(&stream->encoded);
  free(stream->proofs.items);
  free(stream->scan.hits);
  if (stream->scan.list_end != stream->few_list_ends) free(stream->scan.list_end);
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

static bool is_proof(const struct detect_finding *f) {
  return f->kind != DETECT_SECRET_ASSIGNMENT && detect_kind_group(f->kind) == DETECT_GROUP_SECRET;
}

static void proof_add(struct proofs *p, struct proof proof) {
  if (p->count == p->cap) {
    p->cap = p->cap ? p->cap * 2 : 8;
    p->items = must_realloc(p->items, p->cap * sizeof *p->items);
  }
  p->items[p->count++] = proof;
}

static int proof_order(const void *left, const void *right) {
  const struct proof *a = left, *b = right;
  return a->start == b->start ? 0 : a->start < b->start ? -1 : 1;
}

/* Where secrets are proven: those of earlier passes that reach into this one, and this one's. */
static void proofs_gather(struct proofs *p, const struct scan *s) {
  for (size_t i = 0; i < s->hit_count; i++) {
    const struct detect_finding *f = &s->hits[i].finding;
    if (is_proof(f))
      proof_add(p, (struct proof){.start = f->offset,
                                  .end = f->offset + f->length,
                                  .settled = s->hits[i].anchor < s->live});
  }
  if (p->count) qsort(p->items, p->count, sizeof *p->items, proof_order);
  size_t reach = 0;
  for (size_t i = 0; i < p->count; i++) {
    if (p->items[i].end > reach) reach = p->items[i].end;
    p->items[i].reach = reach;
  }
}

/* What later guesses may still meet, and the next pass will not find again. */
static void proofs_keep(struct proofs *p, const struct scan *s) {
  size_t kept = 0;
  for (size_t i = 0; i < p->count; i++)
    if (p->items[i].settled && p->items[i].end > s->live) p->items[kept++] = p->items[i];
  p->count = kept;
}

static void proofs_drop(struct proofs *p, size_t count) {
  for (size_t i = 0; i < p->count; i++) {
    struct proof *at = &p->items[i];
    at->start = at->start > count ? at->start - count : 0;
    at->end -= count;
  }
}

/* A guess gives way to what is proven at the same place. */
static bool is_outdone(const struct proofs *p, const struct detect_finding *guess) {
  if (guess->kind != DETECT_SECRET_ASSIGNMENT) return false;
  size_t low = 0, high = p->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (p->items[middle].start < guess->offset + guess->length)
      low = middle + 1;
    else
      high = middle;
  }
  return low > 0 && p->items[low - 1].reach > guess->offset;
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
  proofs_gather(&stream->proofs, s);
  for (size_t i = 0; i < s->hit_count; i++) {
    struct detect_finding f = s->hits[i].finding;
    if ((s->hits[i].anchor >= s->live && !s->ended) || is_allowed(s, &f) ||
        is_outdone(&stream->proofs, &f))
      continue;
    size_t end = normal_raw_end(&stream->normal, f.offset + f.length - 1);
    f.offset = normal_raw_start(&stream->normal, f.offset);
    f.length = end - f.offset;
    detect_findings_add(out, f);
  }
  proofs_keep(&stream->proofs, s);
  if (s->truncated) out->truncated = true;
  encoded_take(&stream->encoded, &stream->normal, out);
  if (out->count - first > 1)
    qsort(out->items + first, out->count - first, sizeof *out->items, finding_order);
}

static void contexts_clear(struct scan *s) {
  memset(s->context_end, 0, sizeof s->context_end);
  memset(s->list_end, 0, s->rules->list_count * 2 * sizeof *s->list_end);
  s->hit_count = 0;
}

/* text: normalised. Returns how many of the given bytes are settled. */
static size_t judge(struct detect_stream *stream, struct slice text, bool ended,
                    struct detect_findings *out) {
  struct scan *s = &stream->scan;
  struct normal *n = &stream->normal;
  s->text = text.data;
  s->len = text.len;
  s->ended = ended;
  contexts_clear(s);
  scan_run(s);
  size_t encoded_live = encoded_feed(&stream->encoded, stream->rules, text, ended);
  if (encoded_live < s->live) s->live = encoded_live;
  hold_guesses(s);
  must(s->live >= s->from);
  hits_take(stream, out);
  return s->live < s->len ? normal_raw_start(n, s->live) : n->raw;
}

static size_t stream_pass(struct detect_stream *stream, bool ended, struct detect_findings *out) {
  struct scan *s = &stream->scan;
  struct normal *n = &stream->normal;
  size_t settled = judge(stream, bytes_slice(&n->text), ended, out);
  s->from = s->live;
  if (s->from > SCAN_BEHIND) {
    size_t drop = s->from - SCAN_BEHIND;
    encoded_drop(&stream->encoded, drop);
    normal_drop(n, drop);
    proofs_drop(&stream->proofs, drop);
    s->from -= drop;
  }
  return settled;
}

size_t detect_stream_feed(struct detect_stream *stream, struct slice piece,
                          struct detect_findings *out) {
  size_t settled = 0;
  if (!piece.data) piece = SLICE("");
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
  if (harmless_is(rules, text)) return;
  stream_init(&stream, rules);
  if (text.len <= PIECE_BYTES && normal_is_same(text)) {
    judge(&stream, text, true, out);
    stream_fini(&stream);
    return;
  }
  while (text.len > PIECE_BYTES) {
    detect_stream_feed(&stream, (struct slice){text.data, PIECE_BYTES}, out);
    text = slice_skip(text, PIECE_BYTES);
  }
  normal_feed(&stream.normal, text, true);
  stream_pass(&stream, true, out);
  stream_fini(&stream);
}
