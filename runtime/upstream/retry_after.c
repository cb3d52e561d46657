#include "upstream/retry_after.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TEXT_BYTES = 64 };

static int64_t bounded(int64_t ms) {
  if (ms < 0) return 0;
  return ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms;
}

/* Digits with an optional fraction, times scale, rounded up; advances *text. -1 when none. */
static int64_t read_number(struct slice *text, int64_t scale) {
  const int64_t limit = INT64_MAX / 16 / scale;
  int64_t whole = 0, fraction = 0, unit = scale;
  size_t i = 0;
  for (; i < text->len && text->data[i] >= '0' && text->data[i] <= '9'; i++)
    if (whole < limit) whole = whole * 10 + (text->data[i] - '0');
  if (i == 0) return -1;
  if (i + 1 < text->len && text->data[i] == '.')
    for (i++; i < text->len && text->data[i] >= '0' && text->data[i] <= '9'; i++, unit /= 10)
      fraction += (text->data[i] - '0') * unit;
  *text = slice_skip(*text, i);
  if (whole > limit) whole = limit;
  return whole * scale + (fraction + 9) / 10;
}

static int64_t read_whole(struct slice text, int64_t scale) {
  int64_t value = read_number(&text, scale);
  return text.len == 0 ? value : -1;
}

static int64_t from_tm(struct tm *tm, int64_t now_ms) {
  return bounded((int64_t)timegm(tm) * 1000 - now_ms);
}

static int64_t read_date(struct slice text, int64_t now_ms) {
  static const char *const formats[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y", "%Y-%m-%dT%H:%M:%SZ"};
  char copy[TEXT_BYTES];
  if (text.len == 0 || text.len >= sizeof copy) return -1;
  memcpy(copy, text.data, text.len);
  copy[text.len] = 0;
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    struct tm tm = {0};
    const char *end = strptime(copy, formats[i], &tm);
    if (end && *end == 0) return from_tm(&tm, now_ms);
  }
  return -1;
}

static bool cut_unit(struct slice *text, struct slice unit) {
  if (!slice_starts(*text, unit)) return false;
  *text = slice_skip(*text, unit.len);
  return true;
}

/* "6m0s", "1h2m3.5s", "20ms": -1 unless it is that and nothing else. */
static int64_t read_duration(struct slice text) {
  int64_t sum = 0;
  if (text.len == 0) return -1;
  while (text.len > 0) {
    int64_t thousandths = read_number(&text, 1000);
    if (thousandths < 0) return -1;
    if (thousandths > (int64_t)RETRY_AFTER_MAX_MS * 1000)
      thousandths = (int64_t)RETRY_AFTER_MAX_MS * 1000;
    if (cut_unit(&text, SLICE("ms")))
      sum += (thousandths + 999) / 1000;
    else if (cut_unit(&text, SLICE("s")))
      sum += thousandths;
    else if (cut_unit(&text, SLICE("m")))
      sum += thousandths * 60;
    else if (cut_unit(&text, SLICE("h")))
      sum += thousandths * 3600;
    else
      return -1;
    sum = bounded(sum);
  }
  return sum;
}

static int64_t read_reset(struct slice text, int64_t now_ms) {
  const int64_t first_unix_s = 1000000000;
  int64_t number = read_whole(text, 1000);
  if (number >= first_unix_s * 1000 * 1000) return bounded(number / 1000 - now_ms);
  if (number >= first_unix_s * 1000) return bounded(number - now_ms);
  if (number >= 0) return bounded(number);
  int64_t duration = read_duration(text);
  return duration >= 0 ? bounded(duration) : read_date(text, now_ms);
}

static int64_t read_resets(struct headers headers, int64_t now_ms) {
  static const char *const pairs[][2] = {
      {"x-ratelimit-reset-requests", "x-ratelimit-remaining-requests"},
      {"x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"},
      {"x-ratelimit-reset", "x-ratelimit-remaining"},
      {"anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining"},
      {"anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining"},
      {"anthropic-ratelimit-input-tokens-reset", "anthropic-ratelimit-input-tokens-remaining"},
      {"anthropic-ratelimit-output-tokens-reset", "anthropic-ratelimit-output-tokens-remaining"},
  };
  int64_t exhausted = -1, nearest = -1;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    int64_t reset = read_reset(slice_trim(header_find(headers, pairs[i][0])), now_ms);
    if (reset < 0) continue;
    if (nearest < 0 || reset < nearest) nearest = reset;
    if (slice_equal_text(slice_trim(header_find(headers, pairs[i][1])), "0") && reset > exhausted)
      exhausted = reset;
  }
  return exhausted >= 0 ? exhausted : nearest;
}

int64_t retry_after_ms(struct headers headers, int64_t now_wall_ms) {
  int64_t ms = read_whole(slice_trim(header_find(headers, "retry-after-ms")), 1);
  if (ms >= 0) return bounded(ms);
  struct slice text = slice_trim(header_find(headers, "retry-after"));
  ms = read_whole(text, 1000);
  if (ms >= 0) return bounded(ms);
  ms = read_date(text, now_wall_ms);
  return ms >= 0 ? ms : read_resets(headers, now_wall_ms);
}
