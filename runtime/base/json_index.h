/* Where everything is in one valid JSON text (RFC 8259): found in one pass, so that a reader who
 * goes through nested values in an order of its own reads no byte twice. For code that looks at
 * most of a text; for a few members json_members is cheaper. */
#pragma once
#include "base/json.h"

/* One value. Those inside it follow it directly: the first at its own place + 1, each next at the
 * `next` of the one before, up to its own `next`. Left out is what tells nothing in a list: scalars
 * other than strings, and empty strings, lists and objects. */
struct json_node {
  uint32_t start, end; /* in the text; a string with its quotes */
  uint32_t next;
  uint32_t key; /* of an object's member: where its key begins, behind the quote; in a list: which
                 * element, from 0 */
  uint32_t key_bytes : 31;
  uint32_t key_escaped : 1;
};

struct json_index {
  struct slice text;
  struct json_node *nodes; /* the first is the text's whole value */
  uint32_t count, room;
};

/* text, below 2 GiB, is borrowed. Of a text that is not valid what was read so far is there. */
void json_index_init(struct json_index *index, struct slice text);
/* The same for an index that had another text before, or is all zero: its memory serves again. */
void json_index_read(struct json_index *index, struct slice text);
/* The same, and whether text is one valid object of at most max_depth: as json_members, with an
 * error as it sets it. */
bool json_index_check(struct json_index *index, struct slice text, uint32_t max_depth,
                      struct json_error *error);
void json_index_fini(struct json_index *index);
/* What json_members finds in the text's whole value. Nothing inside: inside is left alone. */
void json_index_members(const struct json_index *index, struct json_member *wanted, size_t count);
/* The last member of an object, 0: none. Keys match after their escapes are resolved. */
uint32_t json_index_find(const struct json_index *index, uint32_t object, struct slice key);

static inline struct slice json_index_value(const struct json_index *index, uint32_t node) {
  const struct json_node *n = &index->nodes[node];
  return (struct slice){index->text.data + n->start, n->end - n->start};
}

/* Raw, between its quotes. */
static inline struct slice json_index_key(const struct json_index *index, uint32_t node) {
  const struct json_node *n = &index->nodes[node];
  return (struct slice){index->text.data + n->key, n->key_bytes};
}

/* What stands between the quotes of a string; empty for anything else. */
static inline struct slice json_index_raw(const struct json_index *index, uint32_t node) {
  return json_string_raw(json_index_value(index, node));
}

/* '{', '[', '"', or the first byte of a scalar. */
static inline char json_index_type(const struct json_index *index, uint32_t node) {
  return index->text.data[index->nodes[node].start];
}
