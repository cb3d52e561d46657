/* Tokens and merges of a byte-pair encoding, in tables that are read where they lie: built in
 * memory from a list of tokens, or mapped from a file that an earlier build wrote (this machine's
 * byte order). Immutable; any thread. */
#pragma once
#include "base/bytes.h"

#define TOKEN_NONE UINT32_MAX

enum {
  VOCABULARY_LETTER = 0x4e00,
  VOCABULARY_LETTERS = 0xa000 - VOCABULARY_LETTER,
  VOCABULARY_TOKENS_MAX = 1 << 22,
  VOCABULARY_TOKEN_BYTES_MAX = 1024,   /* of one token */
  VOCABULARY_TEXT_BYTES_MAX = 1 << 22, /* of all */
};

struct vocabulary_word { /* a token of at most 8 bytes; len 0: a free slot */
  uint64_t key;
  uint32_t token, len;
};

struct vocabulary_text { /* a longer one; token TOKEN_NONE: a free slot */
  uint32_t hash, token;
};

struct vocabulary_pair { /* left, right -> token; token TOKEN_NONE: a free slot */
  uint32_t left, right, token, rank;
};

struct vocabulary_step { /* of the tree of prefixes: key is the slot of the parent, and a byte */
  uint32_t key, token;   /* the token that ends here (and a mark) or TOKEN_NONE */
};

struct vocabulary_letter { /* where the three bytes of a Chinese character lead to in that tree */
  uint32_t step, token;    /* slot (and a mark) or TOKEN_NONE; the longest token on the way */
};

struct vocabulary_hop { /* the same from a place within the tree, behind other such characters */
  uint64_t key;         /* the slot there, and the character; VOCABULARY_HOP_FREE: no hop */
  struct vocabulary_letter to;
};

struct vocabulary_split {             /* what a token was last merged of; rank 0: of nothing */
  uint32_t left, right, rank, prefix; /* prefix: the longest token that it begins with */
};

/* What a split says to tokens that meet, where the right one begins with a whole character: rank 0
 * where no pair below can merge. */
struct vocabulary_spine {
  uint32_t right, right_rank; /* of the one on the left */
  uint32_t left, left_rank;   /* of the one on the right; left with a mark */
};

enum vocabulary_flag {
  VOCABULARY_BYTES = 1 << 0,    /* pieces begin as bytes; else as characters */
  VOCABULARY_WHOLE = 1 << 1,    /* a piece that is a token is that token, whatever the merges say */
  VOCABULARY_ORDERED = 1 << 2,  /* each merge comes after those of its parts */
  VOCABULARY_FALLBACK = 1 << 3, /* unknown characters become tokens of their bytes */
  VOCABULARY_FUSE = 1 << 4,     /* unknown characters in a row become one unknown token */
  VOCABULARY_SPACED = 1 << 5,   /* no token has U+2581 behind another character */
  VOCABULARY_ALL_BYTES = 1 << 6, /* each byte is a token */
};

struct vocabulary_head { /* how the file begins; offsets in bytes from its start */
  char magic[16];
  uint64_t bytes;
  uint32_t token_count, flags, unknown, hop_bits;
  uint32_t word_bits, text_bits, pair_bits, step_bits, filter_bits, letter_count;
  uint32_t long_bits, hop_filter_bits;
  uint64_t starts, texts, splits, spines, words, long_texts, long_filter;
  uint64_t pairs, steps, filter, letters, hops, hop_filter;
  uint32_t byte_token[256];
};

struct vocabulary {
  const struct vocabulary_head *head;
  const uint32_t *starts; /* token_count + 1, into texts */
  const char *texts;
  const struct vocabulary_split *splits;
  const struct vocabulary_spine *spines;
  const struct vocabulary_word *words;
  const struct vocabulary_text *long_texts;
  const uint64_t *long_filter; /* bits: most longer texts are no token, and it is small */
  const struct vocabulary_pair *pairs;
  const struct vocabulary_step *steps;
  const uint64_t
      *filter; /* a bit for the hash of each pair: most pairs are none, and it is small */
  const struct vocabulary_letter *letters; /* from VOCABULARY_LETTER on */
  const struct vocabulary_hop *hops;
  const uint64_t *hop_filter; /* as for pairs */
  uint32_t id;                /* of this process; no two have the same */
  bool is_mapped;
};

struct vocabulary_merge {
  uint32_t left, right, token;
};

struct vocabulary_source {
  const struct slice *tokens; /* by number; an empty one has no text */
  size_t token_count;         /* at most VOCABULARY_TOKENS_MAX */
  /* In order of rank; none: any two tokens merge whose texts together are a token, and its number
   * is the rank (tiktoken). */
  const struct vocabulary_merge *merges;
  size_t merge_count;
  const uint32_t *byte_token; /* 256; TOKEN_NONE where there is none */
  unsigned flags;             /* BYTES, WHOLE, FALLBACK, FUSE */
  uint32_t unknown;           /* or TOKEN_NONE */
};

/* The caller has checked the source: numbers in range, texts within the limits. */
void vocabulary_build(struct vocabulary *v, const struct vocabulary_source *source);
void vocabulary_fini(struct vocabulary *v);
/* The whole as it is written to a file. */
struct slice vocabulary_image(const struct vocabulary *v);
/* False, with a sentence in error, when the file cannot be read or is none of ours. */
bool vocabulary_map(struct vocabulary *v, const char *path, struct bytes *error);

static inline struct slice vocabulary_token(const struct vocabulary *v, uint32_t token) {
  return (struct slice){v->texts + v->starts[token], v->starts[token + 1] - v->starts[token]};
}

static inline uint64_t vocabulary_key(const char *text, size_t len) { /* len at most 8 */
  uint64_t key = 0;
  memcpy(&key, text, len);
  return key;
}

static inline uint32_t vocabulary_slot(uint64_t key, uint32_t bits) {
  return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> (64 - bits));
}

/* The token with exactly this text, or TOKEN_NONE. Without VOCABULARY_WHOLE: of those that merging
 * arrives at. */
uint32_t vocabulary_find(const struct vocabulary *v, struct slice text);
const struct vocabulary_pair *vocabulary_pair_find(const struct vocabulary *v, uint32_t left,
                                                   uint32_t right);
struct vocabulary_match {
  uint32_t token; /* or TOKEN_NONE */
  size_t len;     /* of the token */
  size_t seen;    /* at most so many bytes of the text were looked at */
};

/* The longest token that text begins with and merging can arrive at. */
struct vocabulary_match vocabulary_longest(const struct vocabulary *v, struct slice text);
