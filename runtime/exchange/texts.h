/* Where the model's own words stand in what a client is about to get: frames of a stream and whole
 * replies, in each protocol; and strings beside them, such as citations and what tools of the
 * provider gave, which are pieces of their own. Ids, names and figures are no words. Sources: the
 * API references of OpenAI (chat, completions, responses) and Anthropic (messages). */
#pragma once
#include "base/arena.h"
#include "base/json.h"
#include "model/dialect.h"
#include "script/policy.h"

struct text_piece {
  enum policy_channel channel;
  uint32_t index; /* window it belongs to: choice, block or output item << 16, and the part in it */
  struct slice token;    /* the JSON value inside the scanned text */
  struct slice logprobs; /* JSON value beside it that spells the same words; empty: none */
  bool is_whole;         /* repeats what the deltas before have said (Responses), or all there is */
  bool is_raw;           /* the words are the JSON value itself: arguments that are an object */
};

/* A part that begins repeats the words it does not have yet: they are not its last. */
static inline bool texts_say_nothing(const struct text_piece *piece) {
  return slice_equal(piece->token, SLICE("\"\""));
}

struct text_end { /* no more words come for windows with (index & mask) == value */
  uint32_t mask, value;
};

enum { TEXT_ENDS_MAX = 16 };

struct texts {
  struct text_piece *pieces; /* in the order of the text */
  size_t count, room;
  struct text_end ends[TEXT_ENDS_MAX];
  size_t end_count;
  bool ends_all; /* the stream's last words have been said */
};

struct text_event {
  struct slice name, data; /* of an SSE event */
};

struct splice { /* a part of a text and what comes in its place */
  struct slice old, new;
};

/* The text with its parts replaced, in the arena; the parts do not overlap and get sorted. */
struct slice splice_all(struct slice text, struct splice *splices, size_t count,
                        struct arena *arena);

void texts_fini(struct texts *t);
/* t is zeroed or was used before; its slices point into the scanned text. */
void texts_of_event(struct texts *t, enum dialect dialect, const struct text_event *event);
void texts_of_reply(struct texts *t, enum dialect dialect, struct slice body);
