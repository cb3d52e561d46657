#include "account/estimate.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/json.h"
#include "base/utf8.h"

enum { RUN_BYTES = 1 << 20 }; /* of one kind, looked at together */

enum kind { NOTHING, LOWER, UPPER, DIGIT, MARK, SPACE, LINE, WIDE, LETTER, SYMBOL };

static enum kind ascii_kind(unsigned char c) {
  static const uint8_t kinds[128] = {
      [0 ... 9] = SPACE,     ['\n'] = LINE,        [11 ... 12] = SPACE,   ['\r'] = LINE,
      [14 ... ' '] = SPACE,  ['!' ... '/'] = MARK, ['0' ... '9'] = DIGIT, [':' ... '@'] = MARK,
      ['A' ... 'Z'] = UPPER, ['[' ... '`'] = MARK, ['a' ... 'z'] = LOWER, ['{' ... 127] = MARK};
  return (enum kind)kinds[c];
}

static bool is_latin(uint32_t point) {
  return (point >= 0xc0 && point < 0x250) || (point >= 0x1e00 && point < 0x1f00);
}

static enum kind wide_kind(uint32_t point) {
  if (point < 0x2000) return LETTER;
  if (point < 0x2e80) return MARK;
  if (point < 0xa000 || (point >= 0xac00 && point < 0xd7b0)) return WIDE;
  if (point >= 0x20000 && point < 0x40000) return WIDE;
  if (point >= 0xf900 && point < 0xfb00) return WIDE;
  if (point >= 0xff00 && point < 0xfff0) return WIDE;
  return point < 0x10000 ? LETTER : SYMBOL;
}

static uint64_t run_milli(enum kind kind, uint64_t run) {
  switch (kind) {
  case LOWER: return run <= 6 ? 1000 : 1000 + (run - 6) * 120;
  case UPPER: return run <= 3 ? 1000 : 1000 + (run - 3) * 300;
  case DIGIT: return (run + 2) / 3 * 1000;
  case MARK: return 900 + (run - 1) * 150;
  case SPACE: return run == 1 ? 0 : 800 + run / 64 * 1000; /* one space joins the next word */
  case LINE: return 700;
  case WIDE: return run * 720;
  case LETTER: return 500 + run * 230;
  case SYMBOL: return run * 1800;
  case NOTHING: break;
  }
  return 0;
}

static void close_run(struct estimate *e) {
  e->milli += run_milli(e->kind, e->run);
  e->run = 0;
}

/* A line's end joins the punctuation before it: one token for "};" and the break behind it. */
static bool joins(const struct estimate *e, enum kind kind) {
  return kind == LINE && e->kind == MARK;
}

/* count characters of one kind, one after the other */
static void take_run(struct estimate *e, enum kind kind, uint32_t count) {
  /* "Word" is one run, "camelCase" two. */
  if (e->kind == UPPER && e->run == 1 && kind == LOWER) e->kind = LOWER;
  if (joins(e, kind)) kind = MARK;
  if (e->kind != kind || e->run > UINT32_MAX - count) {
    close_run(e);
    e->kind = (uint8_t)kind;
  }
  e->run += count;
}

static void take(struct estimate *e, enum kind kind) {
  take_run(e, kind, 1);
}

static const char *ascii_run_end(const char *at, const char *end, enum kind kind) {
  while (at < end && (unsigned char)*at < 0x80 && ascii_kind((unsigned char)*at) == kind)
    at++;
  return at;
}

enum { WORD_BYTES = 16, WORD_ROOM = WORD_BYTES + 2 };

/* Letters a to z at the start of WORD_BYTES that can be read. */
static unsigned lower_run(const char *at) {
#ifdef __SSE2__
  __m128i letters = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)at), _mm_set1_epi8('a'));
  __m128i lower = _mm_cmpeq_epi8(_mm_min_epu8(letters, _mm_set1_epi8('z' - 'a')), letters);
  return (unsigned)__builtin_ctz(~(unsigned)_mm_movemask_epi8(lower));
#else
  unsigned run = 0;
  while (run < WORD_BYTES && at[run] >= 'a' && at[run] <= 'z')
    run++;
  return run;
#endif
}

/* Most text is words with one space, or a mark and a space, behind them: the same sums as run by
 * run, in a quarter of the time. Words may begin before `end`; WORD_ROOM bytes behind it can be
 * read. Returns the first byte that is of another kind; if it moved, the open run is that space. */
static const char *feed_words(struct estimate *e, const char *at, const char *end) {
  const char *start = at;
  uint64_t milli = 0;
  while (at < end) {
    unsigned first = *at >= 'A' && *at <= 'Z', run = lower_run(at + first);
    const char *behind = at + first + run;
    if (run == 0 || run == WORD_BYTES) break;
    bool is_mark = (unsigned char)*behind < 0x80 && ascii_kind((unsigned char)*behind) == MARK;
    if (behind[is_mark] != ' ') break;
    milli += run_milli(LOWER, first + run) + (is_mark ? run_milli(MARK, 1) : 0);
    at = behind + is_mark + 1;
  }
  if (at == start) return at;
  close_run(e);
  e->milli += milli;
  e->kind = SPACE;
  e->run = 1;
  return at;
}

/* The last words are looked at in a copy, with zeros behind them. */
static const char *skip_words(struct estimate *e, const char *at, const char *end) {
  if (e->kind == LOWER || e->kind == UPPER) return at;
  if (end - at > WORD_ROOM) return feed_words(e, at, end - WORD_ROOM);
  char copy[2 * WORD_ROOM] = {0};
  size_t len = (size_t)(end - at);
  memcpy(copy, at, len);
  return at + (feed_words(e, copy, copy + len) - copy);
}

void estimate_feed(struct estimate *e, struct slice text) {
  const char *at = text.len ? text.data : "", *end = at + text.len;
  while (at < end) {
    at = skip_words(e, at, end);
    if (at == end) break;
    unsigned char c = (unsigned char)*at;
    uint32_t point;
    if (c < 0x80) {
      enum kind kind = ascii_kind(c);
      const char *stop = ascii_run_end(at + 1, end - at < RUN_BYTES ? end : at + RUN_BYTES, kind);
      take_run(e, kind, (uint32_t)(stop - at));
      at = stop;
      continue;
    }
    size_t len = utf8_decode(at, end, &point);
    bool accent = len && is_latin(point); /* part of its word, which it makes rarer */
    take(e, accent ? LOWER : len ? wide_kind(point) : SYMBOL);
    e->milli += accent ? 450 : 0;
    at += len ? len : 1;
  }
}

uint64_t estimate_tokens(const struct estimate *e) {
  return (e->milli + run_milli(e->kind, e->run) + 999) / 1000;
}

uint64_t estimate_text(struct slice text) {
  struct estimate e = {0};
  estimate_feed(&e, text);
  return estimate_tokens(&e);
}

static bool is_counted_key(struct slice key) {
  static const struct slice left_out[] = {
      SLICE("id"),        SLICE("call_id"), SLICE("tool_call_id"),      SLICE("tool_use_id"),
      SLICE("signature"), SLICE("data"),    SLICE("encrypted_content"), SLICE("b64_json"),
      SLICE("url"),       SLICE("file_id"), SLICE("cache_control"),     SLICE("file_data")};
  for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
    if (slice_equal(key, left_out[i])) return false;
  return true;
}

/* Escapes count as the character that they stand for would, near enough: \n is a line, the rest a
 * mark. Saves unescaping prompts of megabytes. */
static void feed_raw(struct estimate *e, struct slice raw) {
  while (raw.len > 0) {
    const char *backslash = memchr(raw.data, '\\', raw.len);
    size_t run = backslash ? (size_t)(backslash - raw.data) : raw.len;
    estimate_feed(e, (struct slice){raw.data, run});
    raw = slice_skip(raw, run);
    if (raw.len < 2) return;
    bool is_point = raw.data[1] == 'u';
    take(e, raw.data[1] == 'n' ? LINE : is_point ? WIDE : MARK);
    raw = slice_skip(raw, is_point ? 6 : 2);
  }
}

static void end_string(struct estimate *e) {
  close_run(e);
  e->kind = NOTHING;
}

void estimate_strings(struct slice json,
                      void (*on_string)(const struct estimate_string *string, void *user),
                      void *user) {
  struct json_cursor c = json_cursor_of(json);
  struct estimate_string string = {0};
  bool counts = true;
  while (c.at < c.end) {
    bool escaped;
    if (*c.at != '"') {
      counts |= *c.at == ',' || *c.at == '{' || *c.at == '[';
      c.at++;
      continue;
    }
    if (!json_scan_string(&c, &string.text, &escaped)) return;
    json_skip_space(&c);
    string.is_key = c.at < c.end && *c.at == ':';
    if (string.is_key) counts = is_counted_key(string.text);
    if (counts && !slice_starts(string.text, SLICE("data:"))) on_string(&string, user);
    if (string.is_key) string.key = string.text;
  }
}

struct json_estimate {
  struct estimate *estimate;
  bool is_prompt;
};

static void on_estimated(const struct estimate_string *string, void *user) {
  struct json_estimate *j = user;
  if (string->is_key && !j->is_prompt) return;
  feed_raw(j->estimate, string->text);
  end_string(j->estimate);
}

void estimate_json(struct estimate *e, struct slice json, bool is_prompt) {
  struct json_estimate j = {e, is_prompt};
  estimate_strings(json, on_estimated, &j);
}
