#include "base/json_index.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BYTES_A_NODE = 48, LEAST_ROOM = 24 };

struct builder {
  struct json_index *index;
  const char *start, *at, *end;
  uint32_t parents[JSON_DEPTH_MAX];
  uint32_t depth, elements[JSON_DEPTH_MAX]; /* of lists: how many came */
  const char *key;                          /* of the member whose value comes; NULL: none */
  uint32_t key_bytes;
  bool key_escaped;
};

static uint32_t node_add(struct builder *b, const char *start) {
  struct json_index *index = b->index;
  if (index->count == index->room) {
    index->room *= 2;
    index->nodes = must_realloc(index->nodes, index->room * sizeof *index->nodes);
  }
  struct json_node *node = &index->nodes[index->count];
  *node = (struct json_node){.start = (uint32_t)(start - b->start)};
  if (b->key) {
    node->key = (uint32_t)(b->key - b->start);
    node->key_bytes = b->key_bytes & 0x7fffffff;
    node->key_escaped = b->key_escaped;
    b->key = NULL;
  } else if (b->depth) {
    node->key = b->elements[b->depth - 1];
  }
  return index->count++;
}

static void node_end(struct builder *b, uint32_t node) {
  b->index->nodes[node].end = (uint32_t)(b->at - b->start);
  b->index->nodes[node].next = b->index->count;
}

/* The quote that ends the string whose first byte is at; end when there is none. */
static const char *string_end(const char *at, const char *end) {
#ifdef __SSE2__
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
  while (end - at >= 16) {
    __m128i chunk = _mm_loadu_si128((const __m128i *)at);
    unsigned found = (unsigned)_mm_movemask_epi8(
        _mm_or_si128(_mm_cmpeq_epi8(chunk, quote), _mm_cmpeq_epi8(chunk, backslash)));
    at += found ? __builtin_ctz(found) : 16;
    if (!found) continue;
    if (*at == '"') return at;
    at += 2;
  }
#endif
  for (; at < end && *at != '"'; at++)
    if (*at == '\\') at++;
  return at < end ? at : end;
}

static bool is_in_object(const struct builder *b) {
  return b->depth && b->start[b->index->nodes[b->parents[b->depth - 1]].start] == '{';
}

static void after_value(struct builder *b) {
  if (b->depth) b->elements[b->depth - 1]++;
}

static bool read_string(struct builder *b) {
  const char *start = b->at++, *quote = string_end(b->at, b->end);
  if (quote == b->end) return false;
  bool is_member = b->key != NULL;
  b->at = quote + 1;
  if (!is_member && is_in_object(b)) {
    b->key = start + 1;
    b->key_bytes = (uint32_t)(quote - start - 1);
    b->key_escaped = memchr(b->key, '\\', b->key_bytes) != NULL;
    return true;
  }
  if (is_member || quote > start + 1 || !b->depth) node_end(b, node_add(b, start));
  after_value(b);
  return true;
}

static bool open_container(struct builder *b) {
  if (b->depth == JSON_DEPTH_MAX) return false;
  uint32_t node = node_add(b, b->at);
  b->elements[b->depth] = 0;
  b->parents[b->depth++] = node;
  b->at++;
  return true;
}

/* An empty one in a list goes again. */
static bool close_container(struct builder *b) {
  if (b->depth == 0) return false;
  uint32_t node = b->parents[--b->depth];
  b->at++;
  b->key = NULL;
  node_end(b, node);
  struct json_index *index = b->index;
  bool is_empty = index->count == node + 1 && b->elements[b->depth] == 0;
  if (is_empty && b->depth && !is_in_object(b)) index->count--;
  after_value(b);
  return true;
}

static bool is_scalar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '+' || c == '.';
}

static bool read_scalar(struct builder *b) {
  const char *start = b->at;
  while (b->at < b->end && is_scalar(*b->at))
    b->at++;
  if (b->at == start) return false;
  if (b->key || !b->depth) node_end(b, node_add(b, start));
  after_value(b);
  return true;
}

static bool step(struct builder *b) {
  switch (*b->at) {
  case ' ':
  case '\n':
  case '\r':
  case '\t':
  case ':':
  case ',': b->at++; return true;
  case '"': return read_string(b);
  case '{':
  case '[': return open_container(b);
  case '}':
  case ']': return close_container(b);
  default: return read_scalar(b);
  }
}

void json_index_init(struct json_index *index, struct slice text) {
  *index = (struct json_index){0};
  json_index_read(index, text);
}

void json_index_read(struct json_index *index, struct slice text) {
  must(text.len <= INT32_MAX);
  uint32_t room = (uint32_t)(text.len / BYTES_A_NODE) + LEAST_ROOM;
  if (index->room < room) {
    free(index->nodes);
    index->nodes = must_alloc(room * sizeof *index->nodes);
    index->room = room;
  }
  index->text = text;
  index->count = 0;
  struct builder b;
  b.index = index;
  b.start = b.at = text.data;
  b.end = text.data + text.len;
  b.depth = 0;
  b.key = NULL;
  while (b.at < b.end && step(&b)) {
  }
  while (b.depth > 0)
    node_end(&b, b.parents[--b.depth]);
}

void json_index_fini(struct json_index *index) {
  free(index->nodes);
  *index = (struct json_index){0};
}

uint32_t json_index_find(const struct json_index *index, uint32_t object, struct slice key) {
  uint32_t found = 0;
  if (index->count == 0 || json_index_type(index, object) != '{') return 0;
  for (uint32_t at = object + 1; at < index->nodes[object].next; at = index->nodes[at].next) {
    const struct json_node *node = &index->nodes[at];
    if (node->key_bytes != key.len && !node->key_escaped) continue;
    if (json_key_equal(json_index_key(index, at), key)) found = at;
  }
  return found;
}
