/* Ids in a body that stand for things which the provider keeps: files, conversations, containers.
 * A provider's account knows no tenants. Where several share one, whoever has learned an id could
 * read what it stands for, so such a request goes only where the operator says it may. */
#include "auth/directory.h"
#include "base/json_scan.h"
#include "exchange/permit.h"
#include "exchange/story.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { NAME_BYTES = 32 };

struct search {
  struct json_cursor cursor;
  enum dialect dialect;
  char key[NAME_BYTES]; /* of the member at hand; empty when it is longer than any that is wanted */
  char found[NAME_BYTES];
};

static bool is_one_of(const char *key, const char *const *names) {
  for (; *names; names++)
    if (strcmp(key, *names) == 0) return true;
  return false;
}

/* Members whose text, or list of texts, is such an id. */
static bool is_id(const char *key) {
  static const char *const names[] = {
      "file_id",          "file_ids",        "container", "container_id",
      "vector_store_ids", "vector_store_id", NULL};
  return is_one_of(key, names);
}

/* Members whose object names such a thing by its id. */
static bool is_named_by_id(const struct search *s, const char *key, uint32_t depth) {
  static const char *const names[] = {"container", "audio", "voice", NULL};
  static const char *const tops[] = {"conversation", "prompt", NULL};
  if (is_one_of(key, names)) return true;
  return s->dialect == DIALECT_RESPONSES && depth == 1 && is_one_of(key, tops);
}

/* What clients fill with words of their own: nothing in there is read by the provider as an id. */
static bool is_free(const char *key) {
  static const char *const names[] = {
      "parameters", "input_schema", "input_examples", "schema", "metadata", "arguments", NULL};
  return is_one_of(key, names);
}

static char next_byte(struct search *s) {
  json_skip_space(&s->cursor);
  return s->cursor.at < s->cursor.end ? *s->cursor.at : 0;
}

static void keep_key(struct search *s, struct slice key, bool escaped) {
  struct bytes plain;
  bytes_init(&plain);
  if (escaped && key.len < 6 * NAME_BYTES) json_unescape(key, &plain);
  struct slice text = escaped ? bytes_slice(&plain) : key;
  s->key[0] = 0;
  if (text.len < NAME_BYTES) {
    memcpy(s->key, text.data, text.len);
    s->key[text.len] = 0;
  }
  bytes_fini(&plain);
}

static void note(struct search *s, const char *name) {
  if (!s->found[0]) snprintf(s->found, sizeof s->found, "%s", name);
}

static bool walk(struct search *s, uint32_t depth);

/* Skills that the providers ship have names of their own. */
static bool is_own_skill(struct search *s, const char *name) {
  static const char start[] = "\"skill_";
  size_t left = (size_t)(s->cursor.end - s->cursor.at);
  return strcmp(name, "skill_id") == 0 && left >= sizeof start &&
         memcmp(s->cursor.at, start, sizeof start - 1) == 0;
}

/* An id, a list of them, or nothing that is one. */
static bool walk_id(struct search *s, const char *name, uint32_t depth) {
  char byte = next_byte(s);
  if (byte == '"') note(s, name);
  if (byte != '[') return walk(s, depth);
  const char *list = s->cursor.at++;
  if (next_byte(s) == '"') note(s, name);
  s->cursor.at = list;
  return walk(s, depth);
}

static bool walk_member(struct search *s, bool is_named, const char *owner, uint32_t depth) {
  char name[NAME_BYTES];
  memcpy(name, s->key, sizeof name);
  bool is_call = strcmp(name, "input") == 0 && next_byte(s) == '{'; /* a tool's, in Messages */
  if (is_free(name) || is_call) return json_scan_value(&s->cursor, JSON_DEPTH_MAX);
  if (is_named && strcmp(name, "id") == 0 && next_byte(s) == '"') note(s, owner);
  if (next_byte(s) == '"' && is_own_skill(s, name)) note(s, name);
  if (s->dialect == DIALECT_RESPONSES && depth == 1 && strcmp(name, "conversation") == 0)
    return walk_id(s, name, depth);
  return is_id(name) ? walk_id(s, name, depth) : walk(s, depth);
}

static bool walk_object(struct search *s, uint32_t depth) {
  char owner[NAME_BYTES];
  memcpy(owner, s->key, sizeof owner);
  bool is_named = is_named_by_id(s, owner, depth);
  s->cursor.at++;
  while (next_byte(s) != '}') {
    struct slice key;
    bool escaped;
    if (!json_scan_key(&s->cursor, &key, &escaped)) return false;
    keep_key(s, key, escaped);
    if (!walk_member(s, is_named, owner, depth + 1)) return false;
    if (next_byte(s) == ',') s->cursor.at++;
  }
  s->cursor.at++;
  return true;
}

static bool walk_list(struct search *s, uint32_t depth) {
  s->cursor.at++;
  while (next_byte(s) != ']') {
    s->key[0] = 0;
    if (!walk(s, depth)) return false;
    if (next_byte(s) == ',') s->cursor.at++;
  }
  s->cursor.at++;
  return true;
}

/* The body is valid JSON by now, no deeper than JSON_DEPTH_MAX. */
static bool walk(struct search *s, uint32_t depth) {
  char byte = next_byte(s);
  if (s->found[0]) return false;
  if (byte == '{') return depth < JSON_DEPTH_MAX && walk_object(s, depth);
  if (byte == '[') return depth < JSON_DEPTH_MAX && walk_list(s, depth + 1);
  return json_scan_value(&s->cursor, 1);
}

/* How the names of members that matter begin. */
static const bool first_letters[256] = {
    ['a'] = true, ['c'] = true, ['f'] = true, ['p'] = true, ['s'] = true, ['v'] = true};

/* text stands behind a quote: does the name of a member that matters begin there? */
static bool may_begin(struct slice text) {
  static const struct slice names[] = {
      SLICE("file_id"),      SLICE("container"), SLICE("vector_store"), SLICE("skill_id"),
      SLICE("conversation"), SLICE("prompt\""),  SLICE("audio\""),      SLICE("voice\"")};
  if (!text.len || !first_letters[(unsigned char)*text.data]) return false;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (*text.data == *names[i].data && slice_starts(text, names[i])) return true;
  return false;
}

/* At a quote or a backslash. An escape may stand for any letter of a name. */
static inline bool is_suspect(const char *at, const char *end) {
  struct slice rest = {at + 1, (size_t)(end - at - 1)};
  return *at == '"' ? may_begin(rest) : slice_starts(rest, SLICE("u00"));
}

/* Most bodies hold none of these names. */
static bool may_hold(struct slice body) {
  const char *at = body.data, *end = at + body.len;
#ifdef __SSE2__
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
  for (; end - at >= 16; at += 16) {
    __m128i block = _mm_loadu_si128((const __m128i *)at);
    __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash));
    for (unsigned mask = (unsigned)_mm_movemask_epi8(hit); mask; mask &= mask - 1)
      if (is_suspect(at + __builtin_ctz(mask), end)) return true;
  }
#endif
  for (; at < end; at++)
    if ((*at == '"' || *at == '\\') && is_suspect(at, end)) return true;
  return false;
}

/* The same of its keys alone. An escape may stand for any letter of a name. */
static bool has_key(const struct json_index *index) {
  const char *end = index->text.data + index->text.len;
  for (uint32_t i = 0; i < index->count; i++) {
    const struct json_node *node = &index->nodes[i];
    const char *key = index->text.data + node->key;
    if (node->key_bytes == 0) continue;
    if (node->key_escaped || may_begin((struct slice){key, (size_t)(end - key)})) return true;
  }
  return false;
}

static bool may_name(const struct exchange *x) {
  const struct json_index *index = body_index(x);
  return index ? has_key(index) : may_hold(bytes_slice(&x->body));
}

static bool is_kept_apart(const struct exchange *x, const struct provider *p) {
  if (p->index == PROVIDER_UNLISTED || slice_equal_text(p->kept_ids, "relay")) return false;
  return slice_equal_text(p->kept_ids, "refuse") || directory_has_several_tenants(x->directory);
}

static size_t open_count(const struct exchange *x) {
  size_t count = 0;
  for (size_t i = 0; i < x->candidate_count; i++)
    count += !is_kept_apart(x, x->candidates[i]->provider);
  return count;
}

static void keep_open(struct exchange *x) {
  size_t kept = 0;
  for (size_t i = 0; i < x->candidate_count; i++)
    if (!is_kept_apart(x, x->candidates[i]->provider))
      x->candidates[kept++] = x->candidates[i];
    else
      story_leave_out(x, x->candidates[i], LEFT_OUT_KEPT);
  x->candidate_count = kept;
}

static enum step_result refuse(struct exchange *x, const char *field) {
  struct error_detail detail = {.param = arena_slice(&x->arena, slice_of(field))};
  detail.message = slice_of(arena_printf(
      &x->arena,
      "%s names something that the provider keeps, and its account is shared by several tenants "
      "here; send the content itself, or ask the operator of the gateway for a provider of your "
      "own",
      field));
  return exchange_fail_with(x, FAILURE_UNSUPPORTED, &detail);
}

/* Anthropic's clients go on without threads when they are told so in these words, which are those
 * of the dialect for other targets. */
static enum step_result refuse_thread(struct exchange *x, struct slice thread) {
  bool goes_on = slice_equal(json_string_raw(json_find(thread, "type")), SLICE("continue"));
  struct error_detail detail = {.status = goes_on ? 404 : 400,
                                .param = SLICE("thread"),
                                .type = SLICE("invalid_request_error"),
                                .code = SLICE("thread_unsupported_request"),
                                .message = SLICE("thread: this model does not support threads; "
                                                 "send the full conversation without `thread`")};
  if (goes_on) {
    detail.type = SLICE("not_found_error");
    detail.code = SLICE("thread_not_found");
    detail.message = SLICE("thread: no state is kept for this conversation; send it in full");
  }
  return exchange_fail_with(x, FAILURE_UNSUPPORTED, &detail);
}

static struct slice thread_of(const struct exchange *x, struct slice body) {
  struct slice none = {NULL, 0};
  bool may_have = x->route.dialect == DIALECT_MESSAGES &&
                  (memmem(body.data, body.len, "\"thread\"", 8) || may_name(x));
  struct slice thread = may_have ? json_find(body, "thread") : none;
  return json_type(thread) == JSON_OBJECT ? thread : none;
}

static enum step_result refuse_item(struct exchange *x, struct slice id) {
  struct error_detail detail = {.param = SLICE("input"), .code = SLICE("item_not_found")};
  detail.message = slice_of(arena_printf(
      &x->arena,
      "Item with id '%.*s' not found: no stored response of yours holds it, and the provider's "
      "account is shared by several tenants here; send the item with its content",
      (int)id.len, id.data));
  return exchange_fail_with(x, FAILURE_UNSUPPORTED, &detail);
}

/* An item of the provider's making that no answer to this caller has held. */
static enum step_result find_item(struct exchange *x, struct slice body, struct slice *id) {
  struct error_detail error = {0};
  struct stored_body stored = {x->owner, body};
  *id = (struct slice){"", 0};
  bool may_have = x->route.dialect == DIALECT_RESPONSES &&
                  (memmem(body.data, body.len, "\"id\"", 4) || may_name(x));
  if (!may_have || script_stored_foreign(x->generation, &stored, &x->arena, id, &error))
    return STEP_NEXT;
  return exchange_fail_with(x, FAILURE_TRANSLATION, &error);
}

enum step_result kept_check(struct exchange *x) {
  struct slice body = bytes_slice(&x->body), item;
  size_t open = open_count(x);
  if (open == x->candidate_count || x->route.dialect == DIALECT_EMBEDDINGS ||
      x->route.dialect == DIALECT_COMPLETIONS)
    return STEP_NEXT;
  struct slice thread = thread_of(x, body);
  struct search s = {.cursor = json_cursor_of(body), .dialect = x->route.dialect};
  if (!thread.data && may_name(x)) (void)walk(&s, 0);
  if (find_item(x, body, &item) == STEP_FAIL) return STEP_FAIL;
  if (!thread.data && !s.found[0] && !item.len) return STEP_NEXT;
  keep_open(x);
  if (open) return STEP_NEXT;
  if (thread.data) return refuse_thread(x, thread);
  return s.found[0] ? refuse(x, s.found) : refuse_item(x, item);
}
