#include "tokenizer/nfc.h"
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
  struct bytes now, next;
  bytes_init(&now);
  bytes_init(&next);
  if (t->nfc)
    nfc_append(&now, text);
  else
    bytes_append_slice(&now, text);
  for (size_t i = 0; i < t->replacement_count; i++) {
    bytes_clear(&next);
    replace(bytes_slice(&now), &t->replacements[i], &next);
    struct bytes swap = now;
    now = next;
    next = swap;
  }
  bool is_there = t->prepend_unless_there && slice_starts(bytes_slice(&now), t->prepend);
  if (at_start && t->prepend.len && !is_there) bytes_append_slice(out, t->prepend);
  bytes_append_slice(out, bytes_slice(&now));
  bytes_fini(&now);
  bytes_fini(&next);
}
