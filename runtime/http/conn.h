/* HTTP/1.1 server side: one connection, one request at a time on it (pipelined requests wait their
 * turn, unparsed). The owner of requests hands over a table of callbacks; everything here runs on
 * the loop's thread. Rules beyond llhttp's: RFC 9110, 9112, and the list in http/intake.h.
 *
 * A client that ends its sending side is still answered. Whether it has in fact closed is found out
 * 20 ms after its FIN by bytes that do no harm: an event stream gets a comment line, a request
 * whose answer has not begun an interim 100; a closed socket resets the connection, and on_closed
 * follows. Where neither can be sent (HTTP/1.0, other streaming answers) the next write finds out.
 */
#pragma once
#include <uv.h>

#include "base/gather.h"
#include "config/config.h"
#include "model/header.h"

struct http_stream; /* one request and its answer */
struct http_server; /* the listeners and connections of one loop */

struct http_request {
  struct slice method;     /* upper case as sent */
  struct slice path;       /* without the query, percent-encoding kept */
  struct slice query;      /* without "?" */
  struct headers headers;  /* valid until on_closed */
  bool has_body;           /* Content-Length above 0, or chunked */
  uint64_t content_length; /* UINT64_MAX when chunked */
  struct slice peer;       /* "192.0.2.1:5000", "unix" */
  bool is_tls, is_http10;
};

struct http_error {
  int status;
  struct slice path;
  const char *sentence, *request_id; /* request_id: empty where none was given out */
};

struct http_handler {
  /* The head is complete and legal. The handler keeps s until on_closed and must answer it. */
  void (*on_request)(struct http_stream *s, const struct http_request *request, void *context);
  void (*on_body)(struct http_stream *s, struct slice data, void *user);
  /* The request is read to its end, also when it has no body; not called once the answer has ended.
   */
  void (*on_body_end)(struct http_stream *s, void *user);
  /* The write queue, having been above limits.write_high, is below limits.write_low again. */
  void (*on_writable)(struct http_stream *s, void *user);
  /* Last call for s, exactly once, never from inside a stream_* function. complete: the answer was
   * written whole. Else reason, a constant word for the log, says why: client_closed,
   * client_stalled, body_timeout, body_too_large, bad_body, cut, tls, server_closed. */
  void (*on_closed)(struct http_stream *s, bool complete, const char *reason, void *user);
  /* Body of an answer that http itself must give (400, 408, 413, 414, 417, 431, 501, 505) in the
   * protocol of the path; path may be empty. Appends to out, returns the content type. */
  const char *(*error_body)(const struct http_error *error, struct bytes *out);
  /* The name of an announced request, for x-request-id; NULL: requests have none. */
  const char *(*request_id)(void *user);
};

/* Starts listening on this loop. `limits` etc. come from config, replaced by http_server_reload. */
struct http_server *http_server_new(uv_loop_t *loop, struct config *config,
                                    const struct http_handler *handler, void *context);
/* Adopts a listening socket that the server thread made (TCP with SO_REUSEPORT, or a dup of a unix
 * socket). is_tls: serve TLS with the config's certificate. */
void http_server_listen(struct http_server *server, int fd, bool is_tls);
/* limits.connections counts those of the whole process; above it new ones are closed at once.
 * New limits and certificate for new connections; open ones keep theirs. The TLS context is made by
 * http_tls_check first, so this cannot fail. */
void http_server_reload(struct http_server *server, struct config *config);
/* Loads certificate and key; on error false and one sentence in error. Any thread. */
bool http_tls_check(const struct config *config, char *error, size_t error_bytes);
/* When the first certificate of tls.certificate ends, wall time; INT64_MAX: there is none, or no
 * way to tell. Any thread. */
int64_t http_tls_ends_ms(const struct config *config);
/* Stops accepting; every answer from now on closes its connection. */
void http_server_drain(struct http_server *server);
/* Draining, and connections close that have been idle since idle_before (loop time, ms) or longer,
 * or come to be: who has not asked by now does not. */
void http_server_part(struct http_server *server, uint64_t idle_before);
/* From now on small answers of busy turns are held back; the owner of the loop, whose gather this
 * is, lets them go with http_server_flush before the loop sleeps. */
void http_server_gather(struct http_server *server, struct gather *gather);
void http_server_flush(struct http_server *server);
size_t http_server_connections(const struct http_server *server);
void http_server_close(struct http_server *server,
                       void (*on_closed)(void *context)); /* cuts all, then frees */

/* Does somebody answer at this TCP address? A wildcard is asked on loopback; waits 200 ms at most.
 */
bool http_socket_is_taken(const struct address *address);
/* A listening socket for address; -1 and a sentence in error. SO_REUSEPORT for TCP; the file of a
 * unix socket has unix_mode before anybody can connect. Any thread. */
int http_socket_new(const struct address *address, mode_t unix_mode, char *error,
                    size_t error_bytes);

void stream_set_user(struct http_stream *s, void *user);
/* Refuse bodies above this; default limits.body or the limit of the route. A declared length is
 * checked after on_request, before any of the body is read. */
void stream_set_body_limit(struct http_stream *s, size_t bytes);
void stream_body_pause(struct http_stream *s); /* stop reading the client's body */
void stream_body_resume(struct http_stream *s);

/* After the client is gone, and until on_closed says so, all of these do nothing.
 *
 * Whole answer with Content-Length in one write. Adds Date, Connection and the framing headers, so
 * headers holds none of them; unclean bytes in it are a bug in the caller (must). A header without
 * a name is a run of whole lines ("name: value\r\n") of the caller's own making, sent as they are.
 * HEAD: the body is left out, its length kept. Ends the stream: on_closed follows when it has been
 * written. */
void stream_respond(struct http_stream *s, int status, struct headers headers, struct slice body);
/* Streaming answer: the head waits for the first write, so both leave in one. Chunked, or
 * close-delimited for HTTP/1.0. */
void stream_begin(struct http_stream *s, int status, struct headers headers);
/* One piece, in one write, before the loop sleeps. Returns false when the queue is now above
 * limits.write_high: stop producing until on_writable (the data is taken all the same). Empty data
 * flushes the head. */
bool stream_write(struct http_stream *s, struct slice data);
void stream_end(struct http_stream *s); /* last chunk */
void stream_cut(
    struct http_stream *s); /* flushes what was written, then closes without a clean end */
bool stream_has_begun(const struct http_stream *s);
uint64_t stream_bytes_out(const struct http_stream *s);
