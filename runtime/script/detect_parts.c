#include "script/detect_parts.h"

#include <stdlib.h>
#include <string.h>

#include "script/sandbox.h"

/* Of a long text only its ends can be a part of something that is split. */
enum { END_BYTES = 256, JOINED_BYTES = 64 << 10 };

/* Between turns: where digits can be of one number, and how short no part of it is. Answers to
 * questions ("35", "72") are no parts of a number. */
enum { MEETING_BYTES = 24, PART_BYTES_MIN = 3 };

struct segment { /* of the joined text */
  size_t at, length;
  uint32_t text;
  size_t offset; /* in that text */
};

struct piece {
  uint32_t text;
  struct detect_finding finding;
};

struct detect_parts { /* userdata */
  const struct body_texts *texts;
  bool *seen; /* by text: a chain has been through it */
  struct bytes joined;
  struct segment *segments;
  size_t segment_count;
  struct detect_findings found;
  struct piece *pieces;
  size_t piece_count;
};

static int on_collect(lua_State *L) {
  struct detect_parts *p = lua_touserdata(L, 1);
  bytes_fini(&p->joined);
  detect_findings_fini(&p->found);
  free(p->segments);
  free(p->pieces);
  free(p->seen);
  *p = (struct detect_parts){0};
  return 0;
}

/* Elements of free JSON stand beside one another without belonging together. */
static bool is_prose(const struct body_text *text) {
  return !text->is_number &&
         (text->where == TEXT_SYSTEM || text->where == TEXT_USER || text->where == TEXT_ASSISTANT);
}

static bool belongs(const struct body_texts *texts, size_t i) {
  const struct body_text *a = &texts->items[i - 1], *b = &texts->items[i];
  return is_prose(a) && is_prose(b) && a->where == b->where && a->turn == b->turn;
}

/* Digits of ASCII, of other scripts by their lead byte, and escapes of JSON, which may be digits.
 */
static bool has_digits(struct slice raw) {
  for (size_t i = 0; i < raw.len; i++) {
    unsigned char c = (unsigned char)raw.data[i];
    if ((c >= '0' && c <= '9') || c == '\\') return true;
    if (c == 0xd9 || c == 0xdb || c == 0xe0 || c == 0xf0) return true;
    bool is_wide = c == 0xef && i + 2 < raw.len && (unsigned char)raw.data[i + 1] == 0xbc;
    if (is_wide && (unsigned char)raw.data[i + 2] >= 0x90 && (unsigned char)raw.data[i + 2] <= 0x99)
      return true;
  }
  return false;
}

static bool may_meet(struct slice a, struct slice b) {
  size_t end = a.len < MEETING_BYTES ? a.len : MEETING_BYTES;
  if (b.len > MEETING_BYTES) b.len = MEETING_BYTES;
  return has_digits(slice_skip(a, a.len - end)) && has_digits(b);
}

/* The next text of the same person, if a number may go on in it; 0: none. What others said in
 * between is passed over, each of it once. */
static size_t next_of_user(const struct body_texts *texts, size_t i) {
  const struct body_text *a = &texts->items[i];
  if (!is_prose(a) || a->where != TEXT_USER || a->turn == 0) return 0;
  for (size_t next = i + 1; next < texts->count; next++) {
    const struct body_text *b = &texts->items[next];
    if (!is_prose(b) || b->where != TEXT_USER || b->turn == 0) continue;
    return may_meet(a->raw, b->raw) ? next : 0;
  }
  return 0;
}

/* Of a list of prompts, each is a request of its own. */
static bool has_turns(const struct policy_run *run) {
  enum dialect dialect = run->request.dialect;
  return dialect != DIALECT_COMPLETIONS && dialect != DIALECT_EMBEDDINGS;
}

/* The text that this one goes on in; 0: none. */
static size_t next_of(const struct policy_run *run, const struct body_texts *texts, size_t i) {
  if (i + 1 < texts->count && belongs(texts, i + 1)) return i + 1;
  return has_turns(run) ? next_of_user(texts, i) : 0;
}

bool detect_parts_any(const struct policy_run *run, const struct body_texts *texts) {
  for (size_t i = 0; i < texts->count; i++)
    if (next_of(run, texts, i)) return true;
  return false;
}

static void add_segment(struct detect_parts *p, struct segment segment, const char *data) {
  if (segment.length == 0) return;
  if ((p->segment_count & (p->segment_count - 1)) == 0)
    p->segments = must_realloc(p->segments,
                               (p->segment_count ? p->segment_count * 2 : 1) * sizeof *p->segments);
  segment.at = p->joined.len;
  p->segments[p->segment_count++] = segment;
  bytes_append(&p->joined, data, segment.length);
}

static void add_text(struct detect_parts *p, struct surface *s, uint32_t index) {
  bytes_clear(&s->scratch);
  policy_text(s->run, index, &s->scratch);
  const char *data = s->scratch.data;
  size_t len = s->scratch.len;
  if (len <= 2 * END_BYTES) {
    add_segment(p, (struct segment){.length = len, .text = index}, data);
    return;
  }
  add_segment(p, (struct segment){.length = END_BYTES, .text = index}, data);
  bytes_append_text(&p->joined, "\n\n\n\n");
  size_t offset = len - END_BYTES;
  add_segment(p, (struct segment){.length = END_BYTES, .text = index, .offset = offset},
              data + offset);
}

static void add_piece(struct detect_parts *p, struct piece piece) {
  if ((p->piece_count & (p->piece_count - 1)) == 0)
    p->pieces =
        must_realloc(p->pieces, (p->piece_count ? p->piece_count * 2 : 1) * sizeof *p->pieces);
  piece.finding.cut = true;
  p->pieces[p->piece_count++] = piece;
}

/* The segment that holds this byte of the joined text, or the next one. */
static size_t segment_at(const struct detect_parts *p, size_t at) {
  size_t low = 0, high = p->segment_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (p->segments[middle].at + p->segments[middle].length <= at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Turns stand apart: what they hold together counts only where it proves itself. */
static bool is_sure(const struct detect_parts *p, const struct detect_finding *f, size_t first,
                    size_t last) {
  const struct segment *a = &p->segments[first], *b = &p->segments[last];
  if (p->texts->items[a->text].turn == p->texts->items[b->text].turn) return true;
  if (!f->validated && (f->kind != DETECT_SECRET_TOKEN || f->context)) return false;
  return a->at + a->length - f->offset >= PART_BYTES_MIN &&
         f->offset + f->length - b->at >= PART_BYTES_MIN;
}

/* Keeps the parts of a finding that lies in several texts. */
static void take(struct detect_parts *p, const struct detect_finding *f) {
  size_t end = f->offset + f->length, first = segment_at(p, f->offset),
         last = segment_at(p, end - 1);
  if (last >= p->segment_count || p->segments[first].text == p->segments[last].text) return;
  if (!is_sure(p, f, first, last)) return;
  for (size_t i = first; i <= last; i++) {
    const struct segment *g = &p->segments[i];
    size_t from = g->at > f->offset ? g->at : f->offset;
    size_t to = g->at + g->length < end ? g->at + g->length : end;
    struct piece piece = {g->text, *f};
    piece.finding.offset = g->offset + from - g->at;
    piece.finding.length = to - from;
    add_piece(p, piece);
  }
}

/* Scans what was joined, and keeps so much of its end as a value may need that goes on. */
static void scan_joined(struct detect_parts *p, const struct detect_rules *rules, bool goes_on) {
  detect_findings_clear(&p->found);
  detect_scan(rules, bytes_slice(&p->joined), &p->found);
  for (size_t i = 0; i < p->found.count; i++)
    take(p, &p->found.items[i]);
  size_t keep = p->segment_count, length = p->joined.len;
  while (goes_on && keep > 0 && length - p->segments[keep - 1].at < 2 * END_BYTES)
    keep--;
  size_t gone = keep < p->segment_count ? p->segments[keep].at : length;
  bytes_drop_front(&p->joined, gone);
  p->segment_count -= keep;
  if (p->segment_count)
    memmove(p->segments, p->segments + keep, p->segment_count * sizeof *p->segments);
  for (size_t i = 0; i < p->segment_count; i++)
    p->segments[i].at -= gone;
}

static int piece_order(const void *a, const void *b) {
  const struct piece *x = a, *y = b;
  const struct detect_finding *f = &x->finding, *g = &y->finding;
  if (x->text != y->text) return x->text < y->text ? -1 : 1;
  if (f->offset != g->offset) return f->offset < g->offset ? -1 : 1;
  if (f->length != g->length) return f->length < g->length ? -1 : 1;
  return strcmp(f->rule, g->rule);
}

/* What lay in the part of a turn that was kept for its rest was found twice. */
static void sort_pieces(struct detect_parts *p) {
  size_t kept = 0;
  if (p->piece_count) qsort(p->pieces, p->piece_count, sizeof *p->pieces, piece_order);
  for (size_t i = 0; i < p->piece_count; i++)
    if (kept == 0 || piece_order(&p->pieces[kept - 1], &p->pieces[i]) != 0)
      p->pieces[kept++] = p->pieces[i];
  p->piece_count = kept;
}

static struct detect_parts *create(lua_State *L) {
  struct detect_parts *p = lua_newuserdata(L, sizeof *p);
  *p = (struct detect_parts){0};
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, on_collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return p;
}

/* All that hangs together with text i, which nothing hangs before. */
static void scan_chain(lua_State *L, struct detect_parts *p, struct surface *s,
                       const struct detect_rules *rules, size_t i) {
  size_t next;
  for (uint32_t steps = 1;; i = next, steps++) {
    next = next_of(s->run, p->texts, i);
    p->seen[i] = true;
    add_text(p, s, (uint32_t)i);
    if (!next || p->joined.len > JOINED_BYTES) scan_joined(p, rules, next != 0);
    if (steps % 16 == 0) sandbox_check(L);
    if (!next) return;
  }
}

struct detect_parts *detect_parts_push(lua_State *L, struct surface *s,
                                       const struct detect_rules *rules) {
  const struct body_texts *texts = policy_texts(s->run);
  if (!detect_parts_any(s->run, texts)) return NULL;
  struct detect_parts *p = create(L);
  p->texts = texts;
  p->seen = must_calloc(texts->count, sizeof *p->seen);
  for (size_t i = 0; i < texts->count; i++)
    if (!p->seen[i] && next_of(s->run, texts, i)) scan_chain(L, p, s, rules, i);
  sort_pieces(p);
  if (p->piece_count > 0) return p;
  lua_pop(L, 1);
  return NULL;
}

static int by_offset(const void *a, const void *b) {
  const struct detect_finding *x = a, *y = b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return (x->length < y->length) - (x->length > y->length);
}

void detect_parts_merge(const struct detect_parts *parts, size_t text_index,
                        struct detect_findings *findings) {
  size_t before = findings->count, low = 0, high = parts->piece_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (parts->pieces[middle].text < text_index)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < parts->piece_count && parts->pieces[low].text == text_index; low++)
    detect_findings_add(findings, parts->pieces[low].finding);
  if (findings->count > before)
    qsort(findings->items, findings->count, sizeof *findings->items, by_offset);
}
