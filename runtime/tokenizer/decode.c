#include "base/utf8.h"
#include "tokenizer/tokenizer_private.h"

void token_decoder_init(struct token_decoder *d, const struct tokenizer *t, bool skips_special) {
  *d = (struct token_decoder){.tokenizer = t, .skips_special = skips_special, .at_start = true};
  bytes_init(&d->held);
}

void token_decoder_fini(struct token_decoder *d) {
  bytes_fini(&d->held);
}

static const struct added_token *find_added(const struct tokenizer *t, uint32_t token) {
  for (size_t i = 0; i < t->added_count; i++)
    if (t->added[i].token == token) return &t->added[i];
  return NULL;
}

static bool take_byte(const struct tokenizer *t, uint32_t token, struct bytes *held) {
  if (!(t->vocabulary.head->flags & VOCABULARY_FALLBACK)) return false;
  for (unsigned byte = 0; byte < 256; byte++) {
    if (t->vocabulary.head->byte_token[byte] != token) continue;
    bytes_append_byte(held, (char)byte);
    return true;
  }
  return false;
}

/* U+2581 is a space again; the one that was put before the text goes. */
static void take_text(struct token_decoder *d, struct slice text) {
  bool has_marks = !(d->tokenizer->vocabulary.head->flags & VOCABULARY_BYTES);
  while (text.len) {
    bool is_mark = has_marks && slice_starts(text, SLICE("\xe2\x96\x81"));
    bool was_added = is_mark && d->at_start && d->tokenizer->prepend.len;
    if (!was_added) bytes_append(&d->held, is_mark ? " " : text.data, 1);
    text = slice_skip(text, is_mark ? 3 : 1);
    d->at_start = false;
  }
}

/* Length of the incomplete character that held ends with; 0 when what is there can go. */
static size_t unfinished(struct slice held) {
  for (size_t back = 1; back <= 3 && back <= held.len; back++) {
    unsigned char c = (unsigned char)held.data[held.len - back];
    if ((c & 0xc0) == 0x80) continue;
    size_t wanted = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
    return wanted > back && c <= 0xf4 ? back : 0;
  }
  return 0;
}

/* Bytes that are part of no character become U+FFFD, one for each as Python and Rust have it. */
static void release(struct token_decoder *d, size_t keep, struct bytes *out) {
  const char *at = d->held.data, *end = at + d->held.len - keep;
  while (at < end) {
    uint32_t point;
    size_t len = utf8_decode(at, end, &point);
    if (len)
      bytes_append(out, at, len);
    else
      bytes_append_text(out, "\xef\xbf\xbd");
    at += len ? len : 1;
  }
  bytes_drop_front(&d->held, d->held.len - keep);
}

bool token_decoder_feed(struct token_decoder *d, uint32_t token, struct bytes *out) {
  const struct vocabulary *v = &d->tokenizer->vocabulary;
  const struct added_token *added = find_added(d->tokenizer, token);
  if (!added && token >= v->head->token_count) return false;
  if (added && added->is_special && d->skips_special) return true;
  if (added) {
    release(d, 0, out);
    bytes_append_slice(out, added->text);
    d->at_start = false;
  } else if (take_byte(d->tokenizer, token, &d->held)) {
    d->at_start = false;
  } else {
    take_text(d, vocabulary_token(v, token));
  }
  release(d, unfinished(bytes_slice(&d->held)), out);
  return true;
}

void token_decoder_end(struct token_decoder *d, struct bytes *out) {
  release(d, 0, out);
}
