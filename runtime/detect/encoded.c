#include "detect/encoded.h"

#include "base/utf8.h"

enum { PROBE_CHARS = ENCODED_RUN_MIN, BATCH_CHARS = 4096 };

void encoded_init(struct encoded *e) {
  *e = (struct encoded){0};
  detect_findings_init(&e->found);
}

void encoded_fini(struct encoded *e) {
  detect_stream_free(e->inner);
  detect_findings_fini(&e->found);
}

static int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static bool is_letter(char c) {
  static const bool letters[256] = {
      ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['+'] = true,
      ['-'] = true,         ['/'] = true,         ['_'] = true};
  return letters[(unsigned char)c];
}

/* Whole groups of four, and what a last short group gives. */
static size_t decode(const char *text, size_t len, char *out) {
  size_t made = 0;
  uint32_t bits = 0;
  for (size_t i = 0; i < len; i++) {
    bits = bits << 6 | (uint32_t)value_of(text[i]);
    if (i % 4 == 3) {
      out[made++] = (char)(bits >> 16);
      out[made++] = (char)(bits >> 8);
      out[made++] = (char)bits;
    }
  }
  if (len % 4 == 2) out[made++] = (char)(bits >> 4);
  if (len % 4 == 3) {
    out[made++] = (char)(bits >> 10);
    out[made++] = (char)(bits >> 2);
  }
  return made;
}

/* Printable, or UTF-8 that ends in the middle of a character at worst. */
static bool is_text(const char *p, size_t len) {
  const char *end = p + len;
  while (p < end) {
    unsigned char c = (unsigned char)*p;
    uint32_t point;
    if (c < 0x20 && c != '\n' && c != '\r' && c != '\t') return false;
    if (c == 0x7f) return false;
    size_t size = utf8_decode(p, end, &point);
    if (size == 0) return end - p < 4 && c >= 0xc2;
    p += size;
  }
  return true;
}

/* Hands the bytes up to `end` to the inner stream; whole groups, or all when the run is over. */
static void run_feed(struct encoded *e, struct slice text, size_t end, bool over) {
  size_t start = (size_t)(e->run + (ptrdiff_t)e->taken);
  size_t left = end - start;
  if (!over) left -= left % 4;
  while (left > 0) {
    char out[BATCH_CHARS / 4 * 3];
    size_t len = left < BATCH_CHARS ? left : BATCH_CHARS;
    size_t made = decode(text.data + start, len, out);
    if (made) detect_stream_feed(e->inner, (struct slice){out, made}, &e->found);
    start += len;
    left -= len;
    e->taken += len;
  }
}

static void probe(struct encoded *e, const struct detect_rules *rules, struct slice text) {
  char out[PROBE_CHARS / 4 * 3];
  size_t made = decode(text.data + e->run, PROBE_CHARS, out);
  e->dead = !is_text(out, made);
  if (!e->dead) e->inner = detect_stream_new_inner(rules);
}

static void run_close(struct encoded *e, struct slice text, size_t end) {
  if (e->inner) {
    run_feed(e, text, end, true);
    detect_stream_finish(e->inner, &e->found);
    detect_stream_free(e->inner);
  }
  e->inner = NULL;
  e->open = false;
}

/* The character that holds the first bit of a decoded byte. */
static size_t place_of(const struct encoded *e, size_t decoded) {
  return (size_t)(e->run + (ptrdiff_t)(decoded / 3 * 4 + decoded % 3));
}

/* What the inner stream found so far becomes places of the outer text. */
static void found_place(struct encoded *e, size_t first) {
  for (size_t i = first; i < e->found.count; i++) {
    struct detect_finding *f = &e->found.items[i];
    size_t last = f->offset + f->length - 1;
    f->offset = place_of(e, f->offset);
    f->length = place_of(e, last) + 2 - f->offset;
    f->decoded = true;
  }
}

/* Outside of a run, at `at`: where the next run begins that is long enough to be probed, or that
 * the end of the text cuts. Such a run holds every PROBE_CHARS-th byte of any stretch, so that most
 * bytes need not be looked at. */
static size_t run_find(struct slice text, size_t at) {
  while (text.len - at >= PROBE_CHARS) {
    size_t start = at + PROBE_CHARS;
    while (start > at && is_letter(text.data[start - 1]))
      start--;
    if (start == at) return at;
    at = start;
  }
  for (size_t i = at; i < text.len; i++)
    if (!is_letter(text.data[i])) at = i + 1;
  return at;
}

static void run_open(struct encoded *e, size_t start) {
  e->open = true;
  e->dead = false;
  e->taken = 0;
  e->run = (ptrdiff_t)start;
  e->at = start;
}

/* To the run's end, or that of the text; true when the run has ended. */
static bool run_read(struct encoded *e, const struct detect_rules *rules, struct slice text) {
  for (; e->at < text.len; e->at++) {
    if (!is_letter(text.data[e->at])) return true;
    if (!e->dead && !e->inner && (ptrdiff_t)e->at - e->run + 1 == PROBE_CHARS)
      probe(e, rules, text);
  }
  return false;
}

size_t encoded_feed(struct encoded *e, const struct detect_rules *rules, struct slice text,
                    bool ended) {
  if (e->off) return text.len;
  size_t settled = 0, first = e->found.count;
  while (e->at < text.len) {
    if (!e->open) {
      size_t start = run_find(text, e->at);
      e->at = start;
      if (start == text.len) break;
      run_open(e, start);
    }
    if (!run_read(e, rules, text)) break;
    first = e->found.count;
    run_close(e, text, e->at);
    found_place(e, first);
  }
  first = e->found.count;
  if (e->open && ended) run_close(e, text, text.len);
  if (e->open && e->inner) {
    run_feed(e, text, text.len, false);
    settled = detect_stream_feed(e->inner, (struct slice){0}, &e->found);
  }
  found_place(e, first);
  if (!e->open || e->dead) return text.len;
  return e->inner ? place_of(e, settled) : (size_t)e->run;
}

void encoded_take(struct encoded *e, const struct normal *n, struct detect_findings *out) {
  for (size_t i = 0; i < e->found.count; i++) {
    struct detect_finding f = e->found.items[i];
    size_t end = normal_raw_end(n, f.offset + f.length - 1);
    f.offset = normal_raw_start(n, f.offset);
    f.length = end - f.offset;
    detect_findings_add(out, f);
  }
  if (e->found.truncated) out->truncated = true;
  detect_findings_clear(&e->found);
}

void encoded_drop(struct encoded *e, size_t count) {
  if (e->off) return;
  must(count <= e->at);
  e->at -= count;
  if (e->open) e->run -= (ptrdiff_t)count;
}
