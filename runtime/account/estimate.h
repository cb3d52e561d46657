/* Tokens guessed from text, for when a provider reports none and no tokenizer is configured, and
 * for reservations. Follows what the byte-pair vocabularies of 100,000 to 200,000 tokens do on
 * average: a word with the space before it is one token and a little more when it is long, digits
 * go in threes, runs of punctuation and of white space are mostly one token, a Chinese, Japanese or
 * Korean character most of one, letters of other alphabets about a quarter. Against
 * o200k_base, whole documents: English prose and JSON within 7 %, C and Lua 13 % high at most, nine
 * other languages within 15 % (Greek 20 % low). Always flagged as an estimate. Incremental: O(new
 * bytes), no memory. */
#pragma once
#include "base/bytes.h"

struct estimate {
  uint64_t milli; /* thousandths of a token */
  uint32_t run;   /* characters of the newest run, which may go on */
  uint8_t kind;   /* of that run */
};

void estimate_feed(struct estimate *e, struct slice text);
uint64_t estimate_tokens(const struct estimate *e); /* rounded up */
uint64_t estimate_text(struct slice text);

/* The strings of a valid JSON text, whole in one pass: values, and keys (a prompt's framing costs
 * about what its keys do). Left out: identifiers, signatures, and encoded media, which no provider
 * counts by its text. True: there may be images. */
bool estimate_json(struct estimate *e, struct slice json);

struct estimate_string {
  struct slice key; /* the newest one before it; empty: none. Raw, as text is */
  struct slice text;
  bool is_key;
  bool is_media; /* encoded, or a link to it: not to be counted by its text */
};

/* The strings that estimate_json counts, keys included, and media. */
void estimate_strings(struct slice json,
                      void (*on_string)(const struct estimate_string *string, void *user),
                      void *user);
