/* What an attempt asks of the protocol below it, and what it is told. One transport per protocol:
 * HTTP/1.1 today; the seam is here so that gRPC can be another. */
#pragma once
#include "upstream/upstream.h"

struct conn;
struct http1;

struct transport {
  void (*start)(struct attempt *a); /* reports nothing before it returns */
  void (*pause)(struct attempt *a);
  void (*resume)(struct attempt *a); /* reports nothing before it returns */
  void (*cancel)(struct attempt *a); /* lets go of everything; also after a report of failure */
};

enum attempt_phase {
  PHASE_QUEUED,  /* for a slot */
  PHASE_CONNECT, /* the dial keeps its times */
  PHASE_SEND,
  PHASE_HEAD,
  PHASE_FIRST_TOKEN,
  PHASE_BODY,
  PHASE_OVER
};

struct attempt {
  struct list link;
  struct upstream *upstream;
  const struct attempt_events *events;
  void *user;
  const struct provider *provider;
  const struct transport *transport;
  struct http1 *http1; /* the transport's part */
  struct route route;
  struct gate_wait *wait;
  bool has_provider_slot, has_process_slot;
  bool is_stream, is_paused, is_stale, is_fresh, takes_no_slot;
  bool is_lingering; /* the caller has all it wants */
  enum attempt_phase phase;
  uint32_t head_ms, first_token_ms;
  uint64_t read_ns; /* when what is being parsed was read; 0: nothing is */
  uint64_t queue_due_ms, phase_due_ms, total_due_ms; /* 0: not running; uv_now() scale */
  bool had_grace;                                    /* phase_due_ms has passed once */
  struct deadline deadline;
  struct later free_later;
  struct attempt_timing timing;
};

/* Reports. After failed and ended the transport must not touch a again. The ones that call back to
 * the user may end the attempt: look at attempt_is_over before going on. */
void attempt_connected(struct attempt *a, bool reused);
/* The connection went before a byte of the request had: it begins again on another. */
void attempt_reconnect(struct attempt *a);
void attempt_progress(struct attempt *a); /* the provider took bytes of the request */
void attempt_sent(struct attempt *a);
void attempt_head(struct attempt *a, int status, struct headers headers);
void attempt_data(struct attempt *a, struct slice data);
void attempt_ended(struct attempt *a);
void attempt_failed(struct attempt *a, enum failure_kind kind, const char *format, ...)
    PRINTF(3, 4);

static inline bool attempt_is_over(const struct attempt *a) {
  return a->phase == PHASE_OVER;
}
