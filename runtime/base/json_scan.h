/* Token level of the JSON reader (RFC 8259), for code that builds values of its own; json.h is the
 * level above. Nothing allocates and nothing recurses. On bad text a function returns false with
 * the sentence in error and the place in at; the cursor is of no further use then. */
#pragma once
#include "base/bytes.h"

enum { JSON_DEPTH_DEFAULT = 128, JSON_DEPTH_MAX = 1024 };

struct json_cursor {
  const char *at, *end;
  const char *error; /* constant text */
};

static inline struct json_cursor json_cursor_of(struct slice text) {
  const char *start = text.data ? text.data : "";
  return (struct json_cursor){start, start + text.len, NULL};
}

static inline void json_skip_space(struct json_cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
    c->at++;
}

bool json_fail(struct json_cursor *c, const char *error); /* always false */
/* At the opening quote. content is what stands between the quotes, escapes untouched. */
bool json_scan_string(struct json_cursor *c, struct slice *content, bool *escaped);
bool json_scan_number(struct json_cursor *c);  /* at '-' or a digit */
bool json_scan_literal(struct json_cursor *c); /* true, false, null */
/* A key and its colon; stops at the value's first byte. */
bool json_scan_key(struct json_cursor *c, struct slice *key, bool *escaped);
/* Any whole value, with at most max_depth containers inside one another (max_depth is cut to
 * JSON_DEPTH_MAX). No space may stand before it. */
bool json_scan_value(struct json_cursor *c, uint32_t max_depth);
/* Only space is left, or it fails. */
bool json_scan_end(struct json_cursor *c);

/* First byte in [at, end) that a plain run of string text cannot hold: a quote, a backslash, a
 * control byte, or the start of a sequence that is not ASCII. */
const char *json_plain_end(const char *at, const char *end);
