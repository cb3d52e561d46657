/* Borrowed text (slice) and owned, growing text (bytes). Neither promises a final zero byte. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/must.h"

struct slice {
  const char *data;
  size_t len;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

/* NULL gives an empty slice. Inline, so that the compiler counts the letters of its constants. */
static inline __attribute__((always_inline)) struct slice slice_of(const char *text) {
  return (struct slice){text ? text : "", text ? strlen(text) : 0};
}

/* Most texts differ in their lengths or first letters: that much without a call. */
static inline bool slice_equal(struct slice a, struct slice b) {
  if (a.len != b.len || a.len == 0) return a.len == b.len;
  return *a.data == *b.data && memcmp(a.data, b.data, a.len) == 0;
}

uint64_t slice_hash(struct slice s); /* FNV-1a; not for secrets, not for hostile keys */
static inline bool slice_equal_text(struct slice a, const char *text) {
  return slice_equal(a, slice_of(text));
}

bool slice_starts(struct slice text, struct slice prefix);
struct slice slice_trim(struct slice text); /* spaces and tabs at both ends */
struct slice slice_skip(struct slice text, size_t count);
/* The part before the first separator; *rest is what follows it (empty at the end). */
struct slice slice_cut(struct slice text, char separator, struct slice *rest);
/* Decimal digits only, no sign, no overflow: else false and *out is untouched. */
bool slice_to_u64(struct slice text, uint64_t *out);

/* ASCII only. */
static inline bool slice_equal_nocase(struct slice a, struct slice b) {
  if (a.len != b.len || a.len == 0) return a.len == b.len;
  return ((*a.data ^ *b.data) & ~0x20) == 0 && strncasecmp(a.data, b.data, a.len) == 0;
}

struct bytes {
  char *data;
  size_t len, cap;
};

void bytes_init(struct bytes *b);
void bytes_fini(struct bytes *b);
void bytes_clear(struct bytes *b); /* keeps the memory */
/* Empty; its memory stays only when it is not larger than that. */
void bytes_recycle(struct bytes *b, size_t most);
void bytes_grow(struct bytes *b, size_t more);

/* Room for exactly `more`, rounded up to step: for buffers that stay long after they were filled.
 */
void bytes_fit(struct bytes *b, size_t more, size_t step);

/* Appending is inline: lines and heads are built of many short pieces whose lengths the compiler
 * knows. */

/* Room for `more` bytes at the end. */
static inline char *bytes_reserve(struct bytes *b, size_t more) {
  if (more > b->cap - b->len) bytes_grow(b, more);
  return b->data + b->len;
}

static inline void bytes_append(struct bytes *b, const void *data, size_t len) {
  if (len == 0) return;
  memcpy(bytes_reserve(b, len), data, len);
  b->len += len;
}

static inline void bytes_append_slice(struct bytes *b, struct slice s) {
  bytes_append(b, s.data, s.len);
}

static inline __attribute__((always_inline)) void bytes_append_text(struct bytes *b,
                                                                    const char *text) {
  bytes_append(b, text, strlen(text));
}

static inline void bytes_append_byte(struct bytes *b, char c) {
  *bytes_reserve(b, 1) = c;
  b->len++;
}

void bytes_append_u64(struct bytes *b, uint64_t value); /* decimal */
/* at has room for 20 bytes, and all of them are written; returns the end of the digits. */
char *bytes_write_u64(char *at, uint64_t value);
/* value / 10^decimals, with that many decimals: 1234567, 3 -> "1234.567". decimals at most 9. */
/* 9 decimals, of which zeros at the end are left out down to the second: "12.50". */
void bytes_append_money(struct bytes *b, uint64_t nano);
void bytes_append_fixed(struct bytes *b, uint64_t value, unsigned decimals);
void bytes_printf(struct bytes *b, const char *format, ...) PRINTF(2, 3);
void bytes_vprintf(struct bytes *b, const char *format, va_list list);
void bytes_drop_front(struct bytes *b, size_t count);
struct slice bytes_slice(const struct bytes *b);
/* Text with a zero byte after it (not counted in len); valid until the next change. */
const char *bytes_text(struct bytes *b);
/* Moves the memory out: the caller frees it; b is empty afterwards. */
char *bytes_take(struct bytes *b, size_t *len);
