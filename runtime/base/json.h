/* JSON (RFC 8259) over borrowed text: checks, finds and converts without building a tree. Strict:
 * UTF-8 must be valid, numbers and literals as the grammar has them, no byte order mark. Linear in
 * the length of the text; nothing allocates except what appends to a bytes. */
#pragma once
#include "base/json_scan.h"

enum json_type {
  JSON_NONE, /* no value here */
  JSON_OBJECT,
  JSON_ARRAY,
  JSON_STRING,
  JSON_NUMBER,
  JSON_TRUE,
  JSON_FALSE,
  JSON_NULL
};

struct json_error {
  const char *message; /* constant text, fits after "invalid JSON: " */
  size_t offset;       /* bytes from the start of the text */
};

/* One whole value, with space around it allowed. error may be NULL. */
bool json_validate(struct slice text, uint32_t max_depth, struct json_error *error);
enum json_type json_type(struct slice value); /* by the first byte after space */

struct json_member {
  struct slice key; /* given by the caller: the wanted key, plain text */
  /* Given by the caller, or none: what is wanted of the value's own members, where it is an object,
   * or a list of one object. They are read in the same pass. */
  struct json_member *inside;
  size_t inside_count;
  struct slice value;  /* as written; a string keeps its quotes. Of duplicates the last */
  struct slice member; /* from the key's first quote to the end of the value */
  enum json_type type; /* JSON_NONE: absent */
  bool twice;          /* the key occurs more than once */
  bool is_read;        /* inside is filled; else all of it is absent */
};

/* One pass over text, which must be one valid object of at most max_depth: fills the rest of each
 * wanted member. Keys match after their escapes are resolved. False, with error set, for anything
 * but a valid object. */
bool json_members(struct slice text, struct json_member *wanted, size_t count, uint32_t max_depth,
                  struct json_error *error);
/* The last member of that key in the top level of object; empty data pointer (NULL) when absent or
 * when text up to there is no valid object. */
struct slice json_find(struct slice object, const char *key);
/* json_find along a path: "usage.prompt_tokens_details". */
struct slice json_find_path(struct slice object, const char *path);

/* Top-level members or elements in their order:
 *   for (struct json_walk w = json_walk_of(text); json_walk_next(&w);) use(w.key, w.value);
 * A text that is neither object nor array has none. */
struct json_walk {
  struct json_cursor cursor;
  struct slice key; /* raw, between its quotes; empty in arrays */
  bool key_escaped;
  struct slice value;
  enum json_type container;
  bool started, failed; /* failed: the text is not valid from here on */
};

struct json_walk json_walk_of(struct slice container);
bool json_walk_next(struct json_walk *w);
/* raw is what stands between the quotes of a valid string. */
bool json_key_equal(struct slice raw, struct slice key);

/* Appends the text of a valid string, given without its quotes; a lone surrogate becomes U+FFFD. */
void json_unescape(struct slice raw, struct bytes *out);
/* What stands between the quotes of a string value; empty for anything else. */
struct slice json_string_raw(struct slice value);
/* Appends the text of a string value; false (nothing appended) when value is no string. */
bool json_string(struct slice value, struct bytes *out);
/* Appends text as a JSON string with its quotes. Each byte that is part of no valid UTF-8
 * sequence becomes U+FFFD; 0x7f and U+2028 stay as they are, as the grammar allows. */
void json_quote(struct bytes *out, struct slice text);
/* One more member of an object that has some: a text, or JSON as it stands, null when it is not
 * valid. name needs no escapes. */
void json_append_text(struct bytes *out, const char *name, struct slice text);
void json_append_json(struct bytes *out, const char *name, struct slice json);

/* An integer value, also written 1.0 or 1e3, in range; else false and *out is untouched. */
bool json_to_u64(struct slice value, uint64_t *out);
bool json_to_i64(struct slice value, int64_t *out);
/* Any finite number; else (1e400, no number) false and *out is untouched. */
bool json_to_double(struct slice value, double *out);
/* Appends a finite number: integers below 2^53 in full, else the shortest of 15 to 17 digits that
 * reads back as the same double. */
void json_append_double(struct bytes *out, double number);
