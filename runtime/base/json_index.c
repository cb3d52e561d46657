#include "base/json_index.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/json_fast.h"

enum { BYTES_A_NODE = 48, LEAST_ROOM = 24 };

/* Uninitialized, behind all others. */
static inline struct json_node *next_node(struct json_index *index) {
  if (index->count == index->room) {
    index->room *= 2;
    index->nodes = must_realloc(index->nodes, index->room * sizeof *index->nodes);
  }
  return &index->nodes[index->count++];
}

/* ---- text that is right and not nested deeply, which is nearly all ---- */

enum { FAST_DEPTH = 64 };

struct way { /* to the value at hand; one bit for each open container, the innermost lowest */
  uint64_t objects;
  uint32_t level, max;
  uint32_t nodes[FAST_DEPTH], elements[FAST_DEPTH];
  struct json_node key; /* of an object's member: its key, and nothing else */
};

static inline bool is_member(const struct way *w) {
  return w->objects & 1;
}

static inline struct json_node *add_node(struct json_index *index, const struct way *w) {
  struct json_node *node = next_node(index);
  *node =
      is_member(w) ? w->key : (struct json_node){.key = w->level ? w->elements[w->level - 1] : 0};
  return node;
}

/* A key and its colon; at the value. */
static inline const char *take_key(struct way *w, const char *start, const char *at,
                                   const char *end) {
  if (at == end || *at != '"') return NULL;
  const char *key = at + 1, *close = plain_end(key, end);
  w->key.key_escaped = close == end || *close != '"';
  if (w->key.key_escaped) {
    if (!(at = json_behind_rich_string(at, end))) return NULL;
    close = at - 1;
    w->key.key_escaped = memchr(key, '\\', (size_t)(close - key)) != NULL;
  }
  w->key.key = (uint32_t)(key - start);
  w->key.key_bytes = (uint32_t)(close - key) & 0x7fffffff;
  at = behind_space(close + 1, end);
  return at < end && *at == ':' ? behind_space(at + 1, end) : NULL;
}

/* Behind the opening bracket: at the first value, or at the closing bracket of an empty one. */
static inline const char *enter(struct json_index *index, struct way *w, const char *at,
                                const char *end, bool *is_empty) {
  bool is_object = *at == '{';
  if (w->level == w->max) return NULL;
  struct json_node *node = add_node(index, w);
  node->start = (uint32_t)(at - index->text.data);
  w->nodes[w->level] = (uint32_t)(node - index->nodes);
  w->elements[w->level++] = 0;
  w->objects = w->objects << 1 | is_object;
  at = behind_space(at + 1, end);
  *is_empty = at < end && *at == (is_object ? '}' : ']');
  return is_object && !*is_empty ? take_key(w, index->text.data, at, end) : at;
}

/* Behind the closing bracket. An empty one in a list goes again. */
static inline void close_node(struct json_index *index, struct way *w, const char *behind) {
  uint32_t node = w->nodes[--w->level];
  bool is_empty = index->count == node + 1 && w->elements[w->level] == 0;
  w->objects >>= 1;
  index->nodes[node].end = (uint32_t)(behind - index->text.data);
  index->nodes[node].next = index->count;
  if (is_empty && w->level && !is_member(w)) index->count--;
}

/* Behind a value: closes what closes here; at the next value, or, with level 0, behind the whole.
 */
static inline const char *leave(struct json_index *index, struct way *w, const char *at,
                                const char *end) {
  while (w->level) {
    w->elements[w->level - 1]++;
    at = behind_space(at, end);
    if (at == end) return NULL;
    if (*at == ',') {
      at = behind_space(at + 1, end);
      return is_member(w) ? take_key(w, index->text.data, at, end) : at;
    }
    if (*at++ != (is_member(w) ? '}' : ']')) return NULL;
    close_node(index, w, at);
  }
  return at;
}

/* What tells nothing in a list gets no node. */
static inline const char *take_scalar(struct json_index *index, const struct way *w, const char *at,
                                      const char *end) {
  const char *behind = behind_scalar(at, end);
  if (!behind) return NULL;
  if (!is_member(w) && w->level && (*at != '"' || behind == at + 2)) return behind;
  struct json_node *node = add_node(index, w);
  node->start = (uint32_t)(at - index->text.data);
  node->end = (uint32_t)(behind - index->text.data);
  node->next = index->count;
  return behind;
}

/* False: a text that it does not understand. */
static bool read_fast(struct json_index *index, uint32_t max_depth) {
  const char *at = index->text.data, *end = at + index->text.len;
  struct way w;
  w.objects = 0;
  w.level = 0;
  w.max = max_depth < FAST_DEPTH ? max_depth : FAST_DEPTH;
  at = behind_space(at, end);
  while (at && at < end) {
    bool is_done = true;
    if (*at == '{' || *at == '[') {
      at = enter(index, &w, at, end, &is_done);
      if (at && is_done) close_node(index, &w, ++at);
    } else {
      at = take_scalar(index, &w, at, end);
    }
    if (!at) return false;
    if (!is_done) continue;
    at = leave(index, &w, at, end);
    if (at && w.level == 0) return behind_space(at, end) == end;
  }
  return false;
}

/* ---- any text ---- */

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
  struct json_node *node = next_node(b->index);
  *node = (struct json_node){.start = (uint32_t)(start - b->start)};
  if (b->key) {
    node->key = (uint32_t)(b->key - b->start);
    node->key_bytes = b->key_bytes & 0x7fffffff;
    node->key_escaped = b->key_escaped;
    b->key = NULL;
  } else if (b->depth) {
    node->key = b->elements[b->depth - 1];
  }
  return b->index->count - 1;
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

static void start(struct json_index *index, struct slice text) {
  must(text.len <= INT32_MAX);
  uint32_t room = (uint32_t)(text.len / BYTES_A_NODE) + LEAST_ROOM;
  if (index->room < room) {
    free(index->nodes);
    index->nodes = must_alloc(room * sizeof *index->nodes);
    index->room = room;
  }
  index->text = text;
  index->count = 0;
}

static void read_any(struct json_index *index) {
  struct builder b;
  index->count = 0;
  b.index = index;
  b.start = b.at = index->text.data;
  b.end = b.start + index->text.len;
  b.depth = 0;
  b.key = NULL;
  while (b.at < b.end && step(&b)) {
  }
  while (b.depth > 0)
    node_end(&b, b.parents[--b.depth]);
}

void json_index_read(struct json_index *index, struct slice text) {
  start(index, text);
  if (!read_fast(index, FAST_DEPTH)) read_any(index);
}

bool json_index_check(struct json_index *index, struct slice text, uint32_t max_depth,
                      struct json_error *error) {
  start(index, text);
  bool is_fast = read_fast(index, max_depth) && json_index_type(index, 0) == '{';
  if (is_fast) return true;
  bool is_valid = json_members(text, NULL, 0, max_depth, error);
  read_any(index);
  return is_valid;
}

static struct json_member *wanted_of(const struct json_index *index, uint32_t node,
                                     struct json_member *wanted, size_t count) {
  struct slice key = json_index_key(index, node);
  bool is_escaped = index->nodes[node].key_escaped;
  for (struct json_member *m = wanted; m < wanted + count; m++) {
    bool may_be = is_escaped || (key.len == m->key.len && key.len && *key.data == *m->key.data);
    if (may_be && (is_escaped ? json_key_equal(key, m->key) : slice_equal(key, m->key))) return m;
  }
  return NULL;
}

void json_index_members(const struct json_index *index, struct json_member *wanted, size_t count) {
  json_forget(wanted, count);
  if (index->count == 0 || json_index_type(index, 0) != '{') return;
  for (uint32_t at = 1; at < index->nodes[0].next; at = index->nodes[at].next) {
    struct json_member *m = wanted_of(index, at, wanted, count);
    if (!m) continue;
    m->twice = m->type != JSON_NONE;
    m->value = json_index_value(index, at);
    m->type = json_type_of(*m->value.data);
    const char *quote = index->text.data + index->nodes[at].key - 1;
    m->member = (struct slice){quote, (size_t)(m->value.data + m->value.len - quote)};
  }
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
    struct slice name = json_index_key(index, at);
    if (node->key_escaped ? json_key_equal(name, key) : slice_equal(name, key)) found = at;
  }
  return found;
}
