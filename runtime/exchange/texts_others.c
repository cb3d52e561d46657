/* Strings beside the words that a client shows: citations, results of searches, output of tools
 * that ran at the provider, fields that nobody knows. Each is looked at by itself. */
#include "exchange/texts_private.h"

enum { DEPTH_MOST = 64, OPAQUE_BYTES = 128, VOCABULARY_BYTES = 32 };

struct others {
  struct texts *texts;
  size_t taken, at; /* pieces that were there before, and the next of them in the text */
};

static bool is_word(struct slice raw) {
  for (size_t i = 0; i < raw.len; i++) {
    char c = raw.data[i], small = (char)(c | 32);
    bool letter = (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9');
    if (!letter && !memchr("_-.:/+=", c, 7)) return false;
  }
  return true;
}

static bool is_vocabulary(struct slice raw) {
  if (raw.len > VOCABULARY_BYTES) return false;
  for (size_t i = 0; i < raw.len; i++)
    if (!(raw.data[i] >= 'a' && raw.data[i] <= 'z') && raw.data[i] != '_') return false;
  return true;
}

/* Identifiers and seals, which providers make and clients send back. */
static bool is_identifier_key(struct slice key) {
  static const char *const keys[] = {
      "id",           "type",        "object",    "model",      "name",        "call_id",
      "item_id",      "tool_use_id", "signature", "file_id",    "stop_reason", "finish_reason",
      "container_id", "obfuscation", "format",    "media_type", NULL};
  for (const char *const *name = keys; *name; name++)
    if (json_key_equal(key, slice_of(*name))) return true;
  return json_key_equal(key, SLICE("system_fingerprint")) ||
         json_key_equal(key, SLICE("encrypted_content")) ||
         json_key_equal(key, SLICE("native_finish_reason"));
}

static bool says_something(struct slice key, struct slice raw) {
  if (is_vocabulary(raw)) return false;
  return !is_word(raw) || (raw.len < OPAQUE_BYTES && !is_identifier_key(key));
}

/* Figures, and what spells words that stand elsewhere. */
static bool is_figures(struct slice key) {
  return json_key_equal(key, SLICE("usage")) || json_key_equal(key, SLICE("logprobs"));
}

static bool is_taken(struct others *o, struct slice value) {
  const struct text_piece *pieces = o->texts->pieces;
  while (o->at < o->taken && pieces[o->at].token.data < value.data)
    o->at++;
  return o->at < o->taken && pieces[o->at].token.data == value.data;
}

static void look_into(struct others *o, struct slice container, unsigned depth) {
  for (struct json_walk w = json_walk_of(container); json_walk_next(&w);) {
    enum json_type type = json_type(w.value);
    bool is_container = type == JSON_OBJECT || type == JSON_ARRAY;
    if ((type != JSON_STRING && !is_container) || is_taken(o, w.value)) continue;
    if (is_container && depth < DEPTH_MOST && !is_figures(w.key))
      look_into(o, w.value, depth + 1);
    else if (type == JSON_STRING && says_something(w.key, json_string_raw(w.value)))
      texts_add(o->texts, POLICY_CHANNEL_TEXT, TEXTS_OTHERS, w.value)->is_whole = true;
  }
}

static int by_place(const void *a, const void *b) {
  const struct text_piece *x = a, *y = b;
  return (x->token.data > y->token.data) - (x->token.data < y->token.data);
}

void texts_add_others(struct texts *t, struct slice container) {
  struct others o = {.texts = t, .taken = t->count};
  if (t->count > 1) qsort(t->pieces, t->count, sizeof *t->pieces, by_place);
  look_into(&o, container, 0);
}
