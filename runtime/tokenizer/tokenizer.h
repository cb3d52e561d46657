/* Text to tokens and back, exact to tiktoken (cl100k_base, o200k_base) and to Hugging Face's
 * tokenizer.json for byte-level BPE and for SentencePiece's BPE with byte fallback. A tokenizer is
 * immutable and may be used from all threads; what is written to is the encoder of the caller. Text
 * should be UTF-8; a byte that is none counts as a character of its own. */
#pragma once
#include "tokenizer/encode.h"
#include "tokenizer/split.h"

struct tokenizer;

/* One of the built-in names (o200k_base, cl100k_base), from folder; or the path of a
 * tokenizer.json. Blocks on the disk. NULL with a sentence in error. One reference is the caller's.
 */
struct tokenizer *tokenizer_open(struct slice name, const char *folder, struct bytes *error);
/* A tokenizer.json that is in memory; name is for messages and reports. */
struct tokenizer *tokenizer_parse(struct slice name, struct slice json, struct bytes *error);
struct tokenizer *tokenizer_ref(struct tokenizer *t);
void tokenizer_unref(struct tokenizer *t); /* NULL is fine */
bool tokenizer_is_built_in(struct slice name);
/* Where the files of the built-in ones lie: GATEYES_TOKENIZERS, or tokenizers beside the program,
 * or
 * ../share/gateyes/tokenizers. The caller frees it. */
char *tokenizer_folder(void);
struct slice tokenizer_name(const struct tokenizer *t);

struct chat_format { /* tokens beside texts (chat_format.def) */
  const char *name;
  bool names_roles; /* a role is text, and counted as that, too */
  uint8_t start, reply, system, user, assistant;
};

struct chat_format tokenizer_chat_format(const struct tokenizer *t);

enum tokenizer_mode {
  TOKENIZE_TEXT,    /* all of it is text, as an API counts what users write */
  TOKENIZE_SPECIAL, /* added tokens such as <|im_end|> are found in it, as an engine reads a prompt
                     */
};

/* Number of tokens. ids may be NULL: else uint32_t's are appended. */
uint64_t tokenizer_encode(const struct tokenizer *t, struct encoder *e, struct slice text,
                          enum tokenizer_mode mode, struct bytes *ids);

/* Counting text that comes in pieces: what cannot change any more is counted at once, the open word
 * is kept. A word of over 64 KiB is cut, which may cost one token. */
struct token_counter {
  const struct tokenizer *tokenizer;
  struct encoder *encoder;
  struct bytes open;
  size_t look_at; /* bytes of open from which another look pays */
  uint64_t count;
  bool has_begun; /* something was committed: no more at the start of the text */
};

void token_counter_init(struct token_counter *c, const struct tokenizer *t, struct encoder *e);
void token_counter_fini(struct token_counter *c);
void token_counter_feed(struct token_counter *c, struct slice text);
/* Of all text so far; more may follow. */
uint64_t token_counter_value(const struct token_counter *c);

/* Tokens back to text, one at a time: a character whose bytes come in several tokens is held back
 * until it is whole. */
struct token_decoder {
  const struct tokenizer *tokenizer;
  struct bytes held;
  bool skips_special, at_start;
};

void token_decoder_init(struct token_decoder *d, const struct tokenizer *t, bool skips_special);
void token_decoder_fini(struct token_decoder *d);
/* Appends what is whole now; always valid UTF-8. False: no token of this tokenizer. */
bool token_decoder_feed(struct token_decoder *d, uint32_t token, struct bytes *out);
/* Appends the rest; bytes that never became a character are U+FFFD. */
void token_decoder_end(struct token_decoder *d, struct bytes *out);
