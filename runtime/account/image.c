#include "account/image.h"

#include <math.h>
#include <string.h>

#include "account/estimate.h"
#include "base/json.h"

enum {
  BOX = 2048, /* tiles: the image is made to fit in it, then its shorter side to SHORT */
  SHORT = 768,
  TILE = 512,
  PATCH = 32,
  PATCHES_MAX = 1536,
  PATCHES_LOW = 256, /* of 512 x 512 */
  AREA_SIDE = 1568,
  AREA_MAX = 1600,
  AREA_PIXELS = 750,
  USUAL = 1024,
  SEGMENTS_MAX = 4096,
  SIDE_MAX = 1 << 24
};

static const struct family {
  const char *prefix;
  struct image_rule rule;
} families[] = {
    /* the longer names first */
    {"gpt-4.1-mini", {IMAGE_PATCHES, 0, 0, 1620}},
    {"gpt-4.1-nano", {IMAGE_PATCHES, 0, 0, 2460}},
    {"gpt-5-mini", {IMAGE_PATCHES, 0, 0, 1620}},
    {"gpt-5-nano", {IMAGE_PATCHES, 0, 0, 2460}},
    {"o4-mini", {IMAGE_PATCHES, 0, 0, 1720}},
    {"gpt-4o-mini", {IMAGE_TILES, 2833, 5667, 0}},
    {"gpt-5", {IMAGE_TILES, 70, 140, 0}},
    {"o1", {IMAGE_TILES, 75, 150, 0}},
    {"o3", {IMAGE_TILES, 75, 150, 0}},
    {"computer-use", {IMAGE_TILES, 65, 129, 0}},
    {"gpt-4", {IMAGE_TILES, 85, 170, 0}},
    {"claude", {IMAGE_AREA, 0, 0, 0}},
};

struct image_rule image_rule_of(struct slice model, bool is_anthropic) {
  for (size_t i = model.len; i-- > 0;)
    if (model.data[i] == '/') {
      model = slice_skip(model, i + 1);
      break;
    }
  for (size_t i = 0; i < sizeof families / sizeof *families; i++)
    if (slice_starts(model, slice_of(families[i].prefix))) return families[i].rule;
  return (struct image_rule){is_anthropic ? IMAGE_AREA : IMAGE_TILES, 85, 170, 0};
}

static int digit_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

/* One byte of what the text stands for; -1: past its end, or no base64. */
static int byte_at(struct slice base64, size_t at) {
  size_t from = at / 3 * 4;
  uint32_t bits = 0;
  for (size_t i = 0; i < 4; i++) {
    int digit = from + i < base64.len ? digit_of(base64.data[from + i]) : -1;
    if (digit < 0 && i <= at % 3 + 1) return -1;
    bits = bits << 6 | (uint32_t)(digit < 0 ? 0 : digit);
  }
  return (int)(bits >> (16 - 8 * (at % 3)) & 0xff);
}

struct reader {
  struct slice base64;
  bool failed;
};

static uint32_t read_number(struct reader *r, size_t at, int bytes, bool is_little) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) {
    int byte = byte_at(r->base64, at + (size_t)(is_little ? bytes - 1 - i : i));
    if (byte < 0) r->failed = true;
    value = value << 8 | (uint32_t)(byte & 0xff);
  }
  return value;
}

static bool has_text(struct reader *r, size_t at, const char *text) {
  for (size_t i = 0; text[i]; i++)
    if (byte_at(r->base64, at + i) != (unsigned char)text[i]) return false;
  return true;
}

/* Start of frame: C0 to CF without the tables that lie between (C4, C8, CC). */
static bool is_frame(uint32_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static bool jpeg_size(struct reader *r, uint32_t *width, uint32_t *height) {
  size_t at = 2;
  for (int i = 0; i < SEGMENTS_MAX; i++) {
    if (read_number(r, at, 1, false) != 0xff || r->failed) return false;
    uint32_t marker = read_number(r, at + 1, 1, false);
    if (marker == 0xff) { /* filling */
      at++;
      continue;
    }
    if (is_frame(marker)) {
      *height = read_number(r, at + 5, 2, false);
      *width = read_number(r, at + 7, 2, false);
      return !r->failed;
    }
    bool is_bare = marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    uint32_t length = is_bare ? 0 : read_number(r, at + 2, 2, false);
    if (r->failed || (!is_bare && length < 2)) return false;
    at += 2 + length;
  }
  return false;
}

static bool webp_size(struct reader *r, uint32_t *width, uint32_t *height) {
  if (has_text(r, 12, "VP8 ")) {
    *width = read_number(r, 26, 2, true) & 0x3fff;
    *height = read_number(r, 28, 2, true) & 0x3fff;
  } else if (has_text(r, 12, "VP8L")) {
    uint32_t bits = read_number(r, 21, 4, true);
    *width = (bits & 0x3fff) + 1;
    *height = (bits >> 14 & 0x3fff) + 1;
  } else if (has_text(r, 12, "VP8X")) {
    *width = read_number(r, 24, 3, true) + 1;
    *height = read_number(r, 27, 3, true) + 1;
  } else {
    return false;
  }
  return !r->failed;
}

bool image_size(struct slice base64, uint32_t *width, uint32_t *height) {
  struct reader r = {base64, false};
  bool found = false;
  *width = *height = 0;
  if (has_text(&r, 0, "\x89PNG\r\n\x1a\n")) {
    *width = read_number(&r, 16, 4, false);
    *height = read_number(&r, 20, 4, false);
    found = !r.failed;
  } else if (has_text(&r, 0, "GIF8")) {
    *width = read_number(&r, 6, 2, true);
    *height = read_number(&r, 8, 2, true);
    found = !r.failed;
  } else if (has_text(&r, 0, "\xff\xd8")) {
    found = jpeg_size(&r, width, height);
  } else if (has_text(&r, 0, "RIFF") && has_text(&r, 8, "WEBP")) {
    found = webp_size(&r, width, height);
  }
  return found && *width && *height && *width <= SIDE_MAX && *height <= SIDE_MAX;
}

static uint64_t up_div(uint64_t a, uint64_t b) {
  return (a + b - 1) / b;
}

/* Makes the side that is measured `to`, where it is more. */
static void shrink(uint64_t *width, uint64_t *height, uint64_t side, uint64_t to) {
  if (side <= to) return;
  *width = *width * to / side;
  *height = *height * to / side;
  if (*width == 0) *width = 1;
  if (*height == 0) *height = 1;
}

static uint64_t tiles(uint64_t w, uint64_t h) {
  shrink(&w, &h, w > h ? w : h, BOX);
  shrink(&w, &h, w < h ? w : h, SHORT);
  return up_div(w, TILE) * up_div(h, TILE);
}

/* Over the most, the image is made smaller until one side is whole patches and all of it fits. */
static uint64_t patches(uint64_t w, uint64_t h) {
  uint64_t count = up_div(w, PATCH) * up_div(h, PATCH);
  if (count <= PATCHES_MAX) return count;
  double scale = sqrt((double)PATCH * PATCH * PATCHES_MAX / ((double)w * (double)h));
  double wide = (double)w * scale / PATCH, high = (double)h * scale / PATCH;
  double by_width = floor(wide) / wide, by_height = floor(high) / high;
  double more = by_width < by_height ? by_width : by_height;
  if (more <= 0) return PATCHES_MAX;
  count = (uint64_t)ceil(wide * more - 1e-9) * (uint64_t)ceil(high * more - 1e-9);
  return count && count < PATCHES_MAX ? count : PATCHES_MAX;
}

static uint64_t area(uint64_t w, uint64_t h) {
  shrink(&w, &h, w > h ? w : h, AREA_SIDE);
  uint64_t tokens = up_div(w * h, AREA_PIXELS);
  return tokens < AREA_MAX ? tokens : AREA_MAX;
}

uint64_t image_tokens(const struct image_rule *rule, uint32_t width, uint32_t height, bool is_low) {
  uint64_t w = width && height ? width : USUAL, h = width && height ? height : USUAL, count;
  switch (rule->kind) {
  case IMAGE_AREA: return area(w, h);
  case IMAGE_PATCHES:
    count = patches(w, h);
    if (is_low && count > PATCHES_LOW) count = PATCHES_LOW;
    return up_div(count * rule->milli, 1000);
  case IMAGE_TILES: break;
  }
  return rule->base + (is_low ? 0 : tiles(w, h) * rule->tile);
}

/* An image is told by its type, where it comes from, and how much detail is wanted: in any order.
 * What says for a second time what is known already is the next image's. */
struct images {
  const struct image_rule *rule;
  struct bytes plain;
  uint64_t tokens, count;
  bool has_type, has_source, has_detail, is_low;
  uint32_t width, height;
};

static void end_image(struct images *s) {
  if (s->has_type || s->width) {
    s->tokens += image_tokens(s->rule, s->width, s->height, s->is_low);
    s->count++;
  }
  s->has_type = s->has_source = s->has_detail = s->is_low = false;
  s->width = s->height = 0;
}

static void take_source(struct images *s, const struct estimate_string *string) {
  struct slice text = string->text, after = SLICE("base64,");
  if (memchr(text.data, '\\', text.len)) { /* \/ */
    bytes_clear(&s->plain);
    json_unescape(text, &s->plain);
    text = bytes_slice(&s->plain);
  }
  if (slice_starts(text, SLICE("data:"))) {
    const char *found = memmem(text.data, text.len < 256 ? text.len : 256, after.data, after.len);
    if (!found || !slice_starts(text, SLICE("data:image"))) return;
    text = slice_skip(text, (size_t)(found - text.data) + after.len);
  }
  uint32_t width, height;
  bool is_image = image_size(text, &width, &height);
  bool is_data = slice_equal_text(string->key, "data");
  if (is_data && !is_image) return; /* a document, or sound */
  if (s->has_source) end_image(s);
  s->has_source = true;
  if (!is_image) return;
  s->width = width;
  s->height = height;
}

static void on_string(const struct estimate_string *string, void *user) {
  struct images *s = user;
  if (string->is_media) {
    take_source(s, string);
  } else if (string->is_key) {
    return;
  } else if (slice_equal_text(string->key, "type")) {
    bool is_image = slice_equal_text(string->text, "image_url") ||
                    slice_equal_text(string->text, "input_image") ||
                    slice_equal_text(string->text, "image");
    if (!is_image) return;
    if (s->has_type) end_image(s);
    s->has_type = true;
  } else if (slice_equal_text(string->key, "detail")) {
    if (s->has_detail) end_image(s);
    s->has_detail = true;
    s->is_low = slice_equal_text(string->text, "low");
  }
}

static struct images look_at(const struct image_rule *rule, struct slice json) {
  struct images s = {.rule = rule};
  if (!memmem(json.data, json.len, "image", 5)) return s;
  bytes_init(&s.plain);
  estimate_strings(json, on_string, &s);
  end_image(&s);
  bytes_fini(&s.plain);
  return s;
}

uint64_t image_tokens_of_request(const struct image_rule *rule, struct slice json) {
  return look_at(rule, json).tokens;
}

uint64_t image_count_of_request(struct slice json) {
  struct image_rule any = {.kind = IMAGE_AREA};
  return look_at(&any, json).count;
}
