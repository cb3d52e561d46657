/* One connection to an endpoint: made by libcurl, then read and written here. It serves one request
 * at a time; between requests it lies in the endpoint's idle list and watches for the close. */
#pragma once
#include <uv.h>

#include "upstream/dial.h"

struct conn;

struct conn_events { /* of the request that has the connection now */
  void (*on_connected)(struct conn *c, void *user);
  /* Dialling failed; the connection is closed by the caller. */
  void (*on_refused)(struct conn *c, enum failure_kind kind, const char *sentence, void *user);
  void (*on_writable)(struct conn *c, void *user);
  void (*on_readable)(struct conn *c, void *user); /* there may be bytes, or the end */
  /* Closed by the other side before anything was written: in place of on_writable. */
  void (*on_gone)(struct conn *c, void *user);
};

enum conn_state { CONN_DIALING, CONN_BUSY, CONN_IDLE, CONN_CLOSED };

struct conn {
  struct dial dial; /* its handle stays in use where libcurl carries the connection */
  struct list link; /* in the endpoint's busy or idle list */
  struct upstream *upstream;
  struct endpoint *endpoint;
  enum conn_state state;
  uv_poll_t poll;
  int fd, events;
  bool is_tls, has_poll;
  bool is_plain;  /* bytes on the socket are the bytes of HTTP */
  bool is_direct; /* the socket is ours, libcurl knows nothing of it any more */
  bool is_broken; /* the socket reported an error: no poll event comes any more */
  bool was_used;  /* has served a request before this one */
  uint64_t created_ms, idle_since_ms;
  struct list departure; /* in departing while its first write waits for the end of the turn */
  unsigned moves;        /* the endpoint's, when the connection came about */
  struct deadline expiry;
  struct later again; /* on_readable without a poll event: bytes may lie inside TLS */
  const struct conn_events *handler;
  void *user;
};

enum conn_io { CONN_IO_OK, CONN_IO_AGAIN, CONN_IO_END, CONN_IO_ERROR };

/* Begins to dial; ends in on_connected or on_refused, never before it returns. */
struct conn *conn_dial(struct upstream *u, struct endpoint *e, const struct provider *provider,
                       const struct conn_events *handler, void *user);
void conn_adopt(struct conn *c, const struct conn_events *handler, void *user); /* idle -> busy */
bool conn_is_quiet(struct conn *c); /* idle, and neither bytes nor an end have come */
/* Busy -> idle; closed instead where the pool's times or a reload say so. */
void conn_release(struct conn *c);
void conn_close(struct conn *c); /* the memory follows when libuv lets go */

enum conn_io conn_send(struct conn *c, const void *data, size_t len, size_t *sent);
enum conn_io conn_receive(struct conn *c, void *data, size_t len, size_t *received);
/* True: on_writable follows before the loop sleeps, unless the connection is released or closed. */
bool conn_departs_later(struct conn *c);
void conn_want(struct conn *c, bool read, bool write);
void conn_read_again(struct conn *c); /* on_readable in the next turn of the loop */
/* "Connection reset by peer" or libcurl's words; valid until the next call on c. */
const char *conn_reason(struct conn *c);
