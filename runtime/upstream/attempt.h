/* One try at one provider: a request goes out, a head and bytes come back, or a failure. Everything
 * runs on the loop's thread. Timers upstream.* are kept here; they begin and end as follows:
 *
 * - dns, connect, tls: one after the other, for a new connection only; see dial.h.
 *
 * - idle: while the request is sent, restarting with each byte the provider takes; and between
 *   bytes of the answer, after first_token (streams) or the head (others).
 *
 * - head: from the sent request to the status line.
 *
 * - first_token: from the head to attempt_first_token(); streams only.
 *
 * - total, stream_total: from the sent request to the end. */
#pragma once
#include <uv.h>

#include "base/gather.h"
#include "config/config.h"
#include "model/failure.h"
#include "model/header.h"

struct gates;    /* upstream/gate.h: limits that all loops share */
struct upstream; /* pools, connections and resolver of one loop */
struct attempt;

struct attempt_request {
  const struct provider *provider; /* kept alive by the caller's config reference */
  struct slice method, path;       /* path: after the host, query included */
  /* Host and Content-Length are added here; do not pass them, nor Connection, Transfer-Encoding or
   * Accept-Encoding. Each must pass header_is_clean, else the program aborts. Borrowed for the call
   * of attempt_start only, as are method and path. */
  struct headers headers;
  const struct slice *body; /* pieces, borrowed until the attempt ends; sent as one body */
  size_t body_count;
  bool takes_no_slot;      /* of limits.upstreams and the provider's concurrency */
  bool is_fresh;           /* over a new connection */
  bool is_stream;          /* upstream.total does not apply, stream_total_ms does */
  uint32_t first_token_ms; /* 0: the provider's */
  uint32_t head_ms;        /* 0: the provider's */
};

struct attempt_events {
  /* 1xx are swallowed. Header slices are valid until the attempt ends; all are clean. */
  void (*on_head)(struct attempt *a, int status, struct headers headers, void *user);
  void (*on_data)(struct attempt *a, struct slice data, void *user);
  /* Everything that came with one read has been handed over: the moment to pass it on in one write.
   * Also before on_end. May be NULL. */
  void (*on_read_end)(struct attempt *a, void *user);
  void (*on_end)(struct attempt *a,
                 void *user); /* framing complete; the connection is pooled again */
  /* One sentence for log and client; no secret and no credential in it. Valid for the call. */
  void (*on_failure)(struct attempt *a, enum failure_kind kind, const char *sentence, void *user);
};

struct attempt_timing { /* monotonic nanoseconds; 0 = has not happened */
  uint64_t started, connected, head, first_byte, ended;
  bool is_reused; /* the connection was there: connected stays 0 */
  bool is_sent;   /* the request left whole */
};

/* config and gates are borrowed: config until the next upstream_reload or the close. */
struct upstream *upstream_new(uv_loop_t *loop, const struct config *config, struct gates *gates);
/* Attempts still alive are cancelled; then everything is closed and freed. */
void upstream_close(struct upstream *u, void (*on_closed)(void *context), void *context);
/* After a reload: idle connections of providers that changed or went away are closed. */
void upstream_reload(struct upstream *u, const struct config *config);
/* From now on requests of busy turns are held back; the owner of the loop, whose gather this is,
 * lets them go with upstream_flush before the loop sleeps. */
void upstream_gather(struct upstream *u, struct gather *gather);
void upstream_flush(struct upstream *u);
size_t upstream_open(const struct upstream *u); /* connections, idle ones included */

/* Never calls back before it returns. After on_end or on_failure the attempt is dead: the pointer
 * is freed at the end of the tick and must not be used again. */
struct attempt *attempt_start(struct upstream *u, const struct attempt_request *request,
                              const struct attempt_events *events, void *user);
void attempt_pause(struct attempt *a);  /* no on_data until resumed; upstream.idle does not run */
void attempt_resume(struct attempt *a); /* what was held back arrives in a later tick */
/* The caller saw the first content frame: first_token stops, idle starts. */
void attempt_first_token(struct attempt *a);
/* The caller saw a real frame. Needed where timers.idle_counts_comments is false: there bytes alone
 * do not restart upstream.idle. */
void attempt_touch(struct attempt *a);
/* The caller has all it wants: the rest, if any, is read for a second at most, so that the
 * connection can be used again. on_end or on_failure still comes. */
void attempt_linger(struct attempt *a);
/* No further callback; the connection is closed at once, not pooled. */
void attempt_cancel(struct attempt *a);
struct attempt_timing attempt_timing(const struct attempt *a);
/* Inside on_failure: a pooled connection died before any byte of the reply. The provider may have
 * read the request, or may have closed the connection before it came: nothing was resent here. */
bool attempt_is_stale(const struct attempt *a);
