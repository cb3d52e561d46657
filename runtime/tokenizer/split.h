/* Cuts text into the pieces that byte-pair encoding then works on, one at a time: by hand the same
 * as the regular expressions that tiktoken and tokenizer.json files carry, with their longest
 * lookahead known, in linear time. */
#pragma once
#include "base/bytes.h"

enum split_kind {
  SPLIT_NONE,         /* the whole text is one piece */
  SPLIT_O200K,        /* tiktoken's o200k_base; Tekken without contractions */
  SPLIT_CL100K,       /* tiktoken's cl100k_base, Llama 3, Qwen 2 and 3 */
  SPLIT_GPT2,         /* ByteLevel with use_regex */
  SPLIT_DEEPSEEK,     /* words of DeepSeek V3, after SPLIT_NUMBERS and SPLIT_IDEOGRAPHS */
  SPLIT_NUMBERS,      /* \p{N}{1,max} apart from the rest */
  SPLIT_IDEOGRAPHS,   /* [一-龥぀-ゟ゠-ヿ]+ apart from the rest */
  SPLIT_MARKED_SPACE, /* before each U+2581 that follows something else */
  SPLIT_EACH_MARK,    /* before each U+2581 */
};

struct split {
  uint8_t kind;       /* enum split_kind */
  uint8_t number_max; /* digits in one piece; 0: no limit */
  bool contractions;  /* O200K: "'s" and its like stay with their word */
  bool end_space;     /* CL100K: \s++$ goes before \s*[\r\n] */
};

/* Length of the first piece of text, which is not empty. *open, which starts false, is set when the
 * piece may end elsewhere if more text follows. */
size_t split_next(const struct split *s, struct slice text, bool *open);
