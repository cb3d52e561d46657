/* C's side of lua/gateyes/translate.lua: a request and its reply between two protocols. Slices in
 * results live until the next call into the same generation, unless an arena is named. A script
 * that raises is a bug of that script: the call answers false with the detail `translation_error`,
 * and the traceback goes to the log. */
#pragma once
#include "model/error_detail.h"
#include "model/usage.h"
#include "script/generation.h"

struct translation;

struct translation_settings {
  enum dialect dialect;
  struct slice body, public_model;
  struct slice owner; /* whose stored responses it may read */
  struct slice request_id;
  struct slice response_id; /* what the answer has to be called; mostly empty */
  bool is_stream, include_usage;
};

/* Decodes the client's body. NULL: *error (in arena) says why. Holds a reference to g. */
struct translation *translation_open(struct generation *g,
                                     const struct translation_settings *settings,
                                     struct arena *arena, struct error_detail *error);
void translation_free(struct translation *t);
struct generation *translation_generation(const struct translation *t); /* borrowed */

struct encoded { /* all in the arena */
  struct slice path, body;
  struct headers headers;
  struct slice dropped; /* "seed, logit_bias", empty when nothing was */
};

struct translation_target {
  const struct model *model;
  const struct model_target *target;
  bool strict;
  uint64_t most_output; /* tokens that the answer may have; 0: what the client says */
};

MUST_CHECK bool translation_encode(struct translation *t, const struct translation_target *target,
                                   struct encoded *out, struct error_detail *error);

struct translated {
  struct slice out;  /* for the client */
  struct slice text; /* what the model produced, for an estimate of tokens */
  struct slice finish;
  bool has_content; /* the first token is in it */
  bool has_ended;   /* the provider's own end mark was seen */
  bool has_usage;
  bool has_failed;
  struct usage usage;
  struct error_detail failure; /* in the arena; set when has_failed */
};

MUST_CHECK bool translation_reply(struct translation *t, struct slice body, struct translated *out);
/* One SSE event of the provider. */
MUST_CHECK bool translation_event(struct translation *t, struct slice name, struct slice data,
                                  struct translated *out);
/* The provider ended its stream. */
MUST_CHECK bool translation_end(struct translation *t, struct translated *out);
/* Frames that end a broken stream. */
struct slice translation_stream_error(struct translation *t, const struct error_detail *error);
/* The client's reply to a request that no provider is asked: whole, or all frames of a stream.
 * Empty: a script failed. */
struct slice translation_answer(struct translation *t, struct slice text);
/* JSON of a finished streamed response; empty where the dialect keeps none. */
struct slice translation_final_text(struct translation *t);

struct provider_error {
  struct slice adapter, body;
  int status; /* 0: from an event of a stream */
};
/* The provider's own error in neutral form (in arena). */
void script_provider_error(struct generation *g, const struct provider_error *reply,
                           struct arena *arena, struct error_detail *out);
