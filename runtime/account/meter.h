/* Reads from a provider's answer, in the provider's own wire format, what accounting and timers
 * need and nothing else: usage, finish reason, evidence of content, errors and the end. One meter
 * for one attempt. Text that is no JSON is passed over: usage then stays unknown, never 0. */
#pragma once
#include "account/estimate.h"
#include "model/dialect.h"
#include "model/usage.h"

enum meter_flag {
  METER_CONTENT = 1 << 0, /* non-empty text, reasoning, refusal, tool call, audio or embedding */
  METER_USAGE = 1 << 1,
  METER_USAGE_ONLY = 1 << 2, /* a chat chunk that carries usage and no choice: may be stripped */
  METER_ERROR = 1 << 3,      /* the provider's error, in a frame or in a body of status 200 */
  METER_END = 1 << 4,        /* the format's own end: nothing follows a complete stream */
  METER_FINISH = 1 << 5,     /* a finish reason came with it */
};

struct meter_text { /* where produced text goes instead of the estimate: the model's tokenizer */
  void (*on_text)(struct slice text, void *user); /* plain text, valid for the call */
  void *user;
};

enum { METER_FINISH_BYTES = 32 };

struct meter {
  enum dialect format;
  struct usage usage;             /* as far as reported; later reports replace earlier ones */
  bool has_usage, usage_is_final; /* an Anthropic stream's first report is not final */
  struct estimate output;         /* of the text since the last usage; unused when text is set */
  uint64_t output_before;         /* tokens that usage said came before that text */
  uint64_t output_bytes, output_bytes_at_usage; /* of produced text, UTF-8 */
  uint64_t frames, damaged;        /* data frames read; those of them that were no JSON object */
  char finish[METER_FINISH_BYTES]; /* the provider's word, cut; empty: none yet */
  unsigned seen;                   /* all flags so far */
  struct slice unset_usage; /* chat: "usage": null of the newest frame, inside its data; or NULL */
  struct meter_text text;
  struct bytes scratch;
};

void meter_init(struct meter *m, enum dialect format);
void meter_fini(struct meter *m);
/* One event of a stream; event_name may be empty. Returns its flags. */
unsigned meter_frame(struct meter *m, struct slice event_name, struct slice data);
/* A whole answer that is no stream: METER_CONTENT is of frames only, since text that the provider
 * has counted is not looked at. */
unsigned meter_body(struct meter *m, struct slice body);
/* What to bill. Reported counts where they are; else the guess, never less than what was reported.
 * output_tokens: the tokenizer's count when text was set, else it is ignored. */
enum usage_source meter_settle(const struct meter *m, uint64_t prompt_estimate,
                               uint64_t output_tokens, struct usage *out);
