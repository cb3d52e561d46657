/* Inside of a shadow, for the files exchange_shadow*.c only. */
#pragma once
#include "exchange/shadow.h"
#include "exchange/texts.h"
#include "script/shadow_log.h"

enum { SHADOW_DECISIONS = 5 }; /* targets, on_request, route, the reply, and its time */

struct decision {
  const char *hook;
  struct bytes running, shadow, why;
};

struct spoken { /* what was said of one channel and index; the words themselves are not kept */
  struct list link;
  enum policy_channel channel;
  uint32_t index;
  bool is_open;
  uint64_t bytes, hash; /* FNV-1a */
};

struct side { /* one of the two streams that are compared */
  struct list windows;
  struct sse sse;
  struct texts texts;
  bool is_reading;
};

struct shadow {
  struct exchange *x;
  struct tenant_scripts *scripts;
  struct policy_chain *chain;
  struct policy_run *run; /* NULL: it has no policies */
  bool is_over, is_spent; /* it sees no more of this request; since its time was over */
  bool was_routed, has_route, has_reply;
  uint64_t since_ns, used_ns;
  struct bytes route;      /* names in its order */
  struct bytes reply;      /* what it made of a whole reply */
  struct bytes live_reply; /* what went out */
  struct side live, own;
  struct bytes word;
  struct decision decisions[SHADOW_DECISIONS];
  size_t decision_count;
};

/* Does the shadow want to see this hook now? Then its call stands between begin and end. */
bool shadow_may(const struct shadow *s, unsigned hooks); /* bits 1u << enum policy_hook */
void shadow_begin(struct shadow *s);
void shadow_end(struct shadow *s, enum policy_progress progress);
/* Lists it where the two differ. */
void shadow_decide(struct shadow *s, const char *hook, struct slice running, struct slice own);

/* exchange/shadow_reply.c */
void shadow_reply_init(struct shadow *s);
void shadow_reply_fini(struct shadow *s);
void shadow_reply_compare(struct shadow *s);
