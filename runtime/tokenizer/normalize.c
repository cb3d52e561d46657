#include "tokenizer/tokenizer_private.h"

bool tokenizer_changes_text(const struct tokenizer *t) {
  return t->nfc || t->prepend.len || t->replacement_count;
}

static void replace(struct slice text, const struct replacement *r, struct bytes *out) {
  while (text.len) {
    const char *found = memmem(text.data, text.len, r->from.data, r->from.len);
    size_t before = found ? (size_t)(found - text.data) : text.len;
    bytes_append(out, text.data, before);
    text = slice_skip(text, before);
    if (!found) break;
    bytes_append_slice(out, r->to);
    text = slice_skip(text, r->from.len);
  }
}

void tokenizer_normalize(const struct tokenizer *t, struct slice text, bool at_start,
                         struct bytes *out) {
  size_t from = out->len;
  if (at_start && t->prepend.len) bytes_append_slice(out, t->prepend);
  bytes_append_slice(out, text);
  for (size_t i = 0; i < t->replacement_count; i++) {
    struct bytes next;
    bytes_init(&next);
    replace(slice_skip(bytes_slice(out), from), &t->replacements[i], &next);
    out->len = from;
    bytes_append_slice(out, bytes_slice(&next));
    bytes_fini(&next);
  }
}
