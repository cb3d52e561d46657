#include "account/estimate.h"

#include <string.h>

#include "account/estimate_ascii.h"
#include "base/json.h"
#include "base/utf8.h"

static bool is_latin(uint32_t point) {
  return (point >= 0xc0 && point < 0x250) || (point >= 0x1e00 && point < 0x1f00);
}

static enum estimate_kind wide_kind(uint32_t point) {
  if (point < 0x2000) return LETTER;
  if (point < 0x2e80) return MARK;
  if (point < 0xa000 || (point >= 0xac00 && point < 0xd7b0)) return WIDE;
  if (point >= 0x20000 && point < 0x40000) return WIDE;
  if (point >= 0xf900 && point < 0xfb00) return WIDE;
  if (point >= 0xff00 && point < 0xfff0) return WIDE;
  return point < 0x10000 ? LETTER : SYMBOL;
}

/* A line's end joins the punctuation before it: one token for "};" and the break behind it. */
static bool joins(const struct estimate *e, enum estimate_kind kind) {
  return kind == LINE && e->kind == MARK;
}

void estimate_take(struct estimate *e, enum estimate_kind kind) {
  /* "Word" is one run, "camelCase" two. */
  if (e->kind == UPPER && e->run == 1 && kind == LOWER) e->kind = LOWER;
  if (joins(e, kind)) kind = MARK;
  if (e->kind != kind || e->run == UINT32_MAX) {
    e->kind = (uint8_t)kind;
    e->run = 0;
  }
  e->milli += estimate_run_milli(kind, (uint64_t)e->run + 1) - estimate_run_milli(kind, e->run);
  e->run++;
}

size_t estimate_wide(struct estimate *e, const char *at, const char *end) {
  uint32_t point;
  size_t len = utf8_decode(at, end, &point);
  bool accent = len && is_latin(point); /* part of its word, which it makes rarer */
  estimate_take(e, accent ? LOWER : len ? wide_kind(point) : SYMBOL);
  e->milli += accent ? 450 : 0;
  return len ? len : 1;
}

/* Between letters of other alphabets a space comes before the block is worth its while. */
static bool is_mixed(const char *at, const char *end) {
  uint64_t next;
  if (end - at < (ptrdiff_t)sizeof next) return false;
  memcpy(&next, at, sizeof next);
  return next & 0x8080808080808080;
}

void estimate_feed(struct estimate *e, struct slice text) {
  const char *at = text.len ? text.data : "", *end = at + text.len;
  while (at < end) {
    unsigned char c = (unsigned char)*at;
    if (c >= 0x80)
      at += estimate_wide(e, at, end);
    else if (is_mixed(at, end))
      estimate_take(e, estimate_ascii_kind((unsigned char)*at++));
    else
      at += estimate_ascii(e, (struct slice){at, (size_t)(end - at)});
  }
}

uint64_t estimate_tokens(const struct estimate *e) {
  return (e->milli + 999) / 1000;
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

void estimate_strings(struct slice json,
                      void (*on_string)(const struct estimate_string *string, void *user),
                      void *user) {
  struct json_cursor c = json_cursor_of(json);
  struct estimate_string string = {0};
  bool counts = true, follows_key = false;
  while (c.at < c.end) {
    bool escaped;
    if (*c.at != '"') {
      bool is_value = *c.at == ',' || *c.at == '{' || *c.at == '[';
      counts |= is_value;
      follows_key &= !is_value;
      c.at++;
      continue;
    }
    if (!json_scan_string(&c, &string.text, &escaped)) return;
    json_skip_space(&c);
    string.is_key = c.at < c.end && *c.at == ':';
    if (string.is_key) counts = is_counted_key(string.text);
    string.is_media =
        !string.is_key && (slice_starts(string.text, SLICE("data:")) ||
                           (follows_key && slice_equal_text(string.key, "image_url")) ||
                           (!counts && slice_equal_text(string.key, "data")));
    if (counts || string.is_media) on_string(&string, user);
    if (string.is_key) string.key = string.text;
    follows_key = string.is_key;
  }
}
