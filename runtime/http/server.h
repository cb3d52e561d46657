/* What the files of this folder share; nobody outside includes it.
 *
 * One rule keeps lifetimes simple: handler callbacks and closes happen only in conn_run() and the
 * functions it calls, which libuv callbacks enter. The stream_* functions of conn.h merely change
 * state, write, and mark the connection for the end of the tick (conn_soon). */
#pragma once
#include <llhttp.h>
#include <openssl/ssl.h>
#include <time.h>
#include <uv.h>

#include "http/chunked.h"
#include "http/conn.h"
#include "http/wheel.h"

enum {
  READ_BYTES = 64 * 1024,     /* one buffer for all connections of a loop */
  PLAIN_BYTES = 16 * 1024,    /* one TLS record */
  BACKLOG_BYTES = 16 * 1024,  /* unparsed input above which the socket is not read */
  DISCARD_BYTES = 256 * 1024, /* what is read and thrown away to save a connection or an answer */
  LINGER_MS = 2000,
  SPARE_STREAMS = 64,
  DATE_BYTES = 37,
};

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED };

enum answer_state {
  ANSWER_NONE,
  ANSWER_BEGUN,   /* stream_begin was called, its head waits */
  ANSWER_FLOWING, /* the head is out */
  ANSWER_ENDED,   /* all was handed to the connection */
};

enum answer_framing { FRAMING_CHUNKED, FRAMING_CLOSE, FRAMING_NO_BODY };

struct http_stream {
  struct list spare;
  struct conn *conn;
  void *user;
  struct http_request request;
  struct bytes head;    /* as received; request and headers point into it */
  struct header *lines; /* while the head grows, data counts from its start */
  size_t line_count, line_cap;
  size_t url_at, url_bytes;
  int refusal; /* status, once a rule is broken */
  const char *sentence;
  enum body_kind body_kind;
  uint64_t body_left, body_seen, body_limit;
  struct chunked chunks;
  bool announced; /* on_request was called and on_closed was not */
  bool is_head, keep_alive, is_close_asked;
  bool is_body_paused;
  bool wants_continue; /* the client waits for 100 before it sends its body */
  bool is_blocked;     /* stream_write returned false */
  bool is_cut;
  enum answer_state answer;
  enum answer_framing framing;
  bool is_event_stream, at_frame_end; /* a comment line would do no harm here */
  struct bytes answer_head;
  uint64_t bytes_out;
};

enum conn_phase {
  CONN_HANDSHAKE,
  CONN_IDLE,
  CONN_HEAD,
  CONN_BODY,
  CONN_ANSWER, /* the request is read; its answer is not complete */
  CONN_LINGER, /* answered; what still comes is thrown away */
  CONN_CLOSING,
};

enum probe_state { PROBE_OFF, PROBE_WAITING, PROBE_SENT, PROBE_ALIVE };

struct tls; /* tls.c */

struct conn {
  uv_poll_t poll;
  int fd, watched; /* what poll looks for; 0: it does not */
  struct http_server *server;
  struct config *config;
  struct list link, soon;
  struct wheel_entry timer;
  llhttp_t parser;
  struct http_stream *stream; /* the request being read or answered */
  struct tls *tls;
  struct bytes backlog; /* read, not yet parsed; starts at backlog_at */
  size_t backlog_at;
  size_t fresh_bytes;         /* of the read in progress, not parsed yet */
  struct list held;           /* in holding while bytes wait for the end of the turn, */
  size_t held_at, held_bytes; /* which lie here in the server's held */
  struct bytes queue;         /* waits for the client to take it; */
  size_t queue_at;            /* from here on, what was before has left */
  enum conn_phase phase;
  const char *broken; /* why the connection has to go; a constant word */
  bool is_unix, is_eof, is_running;
  enum probe_state probe;
  uint64_t phase_due, body_idle_due, stall_due, probe_due; /* WHEEL_NEVER when off */
  uint64_t idle_since, paused_at, body_rest_ms;
  size_t stall_mark; /* queued bytes when stall_due was set */
  size_t discarded;
  bool is_shut; /* FIN was sent */
  char peer[64];
};

struct listener {
  uv_poll_t poll;
  int fd;
  struct list link;
  struct http_server *server;
  bool is_tls, is_unix;
};

struct http_server {
  uv_loop_t *loop;
  struct config *config;
  struct http_handler handler;
  void *context;
  SSL_CTX *tls; /* of the current configuration; NULL without a certificate */
  struct list listeners, conns, soon, spare;
  size_t conn_count, spare_count;
  size_t handle_count;   /* not yet closed */
  uv_idle_t idle;        /* runs the soon list */
  int spare_fd;          /* given up for a moment when there are no more */
  struct gather *gather; /* NULL: every write leaves at once */
  struct list holding;   /* connections with held bytes */
  unsigned holding_count;
  struct bytes held; /* of all of them; empty when holding is */
  struct wheel wheel;
  char *input, *plain;
  struct bytes scratch;        /* the head being written */
  struct bytes record, cipher; /* one TLS write before and after encryption */
  char date[DATE_BYTES];       /* the header line */
  time_t date_at;
  bool is_draining, is_parting, is_closing;
  uint64_t part_before; /* while parting: connections idle since then or longer close */
  void (*on_closed)(void *context);
};

/* conn.c */
void conn_accept(struct listener *l, int fd); /* takes it */
void conn_run(struct conn *c);
void conn_soon(struct conn *c);
void conn_break(struct conn *c, const char *reason); /* to be closed at the next conn_run */
bool conn_is_parting(const struct conn *c);          /* timers.c; of an idle one: drained away? */
void conn_part(struct conn *c, const char *reason);  /* the same, with TLS's goodbye */
void conn_bytes(struct conn *c, struct slice data);  /* plain input */
void conn_eof(struct conn *c);
bool conn_wants_input(const struct conn *c);
void conn_watch(struct conn *c); /* for what it waits for now */
uint64_t conn_now(const struct conn *c);
void conn_set_phase(struct conn *c, enum conn_phase phase, uint64_t due_ms);

/* timers.c */
void conn_on_due(struct wheel_entry *entry);
void conn_arm(struct conn *c);
void conn_idle(struct conn *c); /* between two requests */

/* listener.c: connections of the whole process, after the change */
uint32_t connections_open(int change);
void server_run_soon(struct http_server *server);
void server_handle_closed(struct http_server *server);

/* queue.c: bytes towards the socket */
void queue_send(struct conn *c, const struct slice *parts, unsigned count);
size_t queue_bytes(const struct conn *c);
void queue_flush(struct conn *c); /* what is held leaves now */
void queue_drain(struct conn *c); /* the client takes more */
void queue_fini(struct conn *c);
/* queue.c, below TLS. While conn_run is at work, and on a quiet loop, it leaves at once. */
void queue_raw(struct conn *c, const struct slice *parts, unsigned count);

/* tls.c */
SSL_CTX *tls_context_new(const struct config *config, char *error, size_t error_bytes);
void tls_start(struct conn *c);
void tls_stop(struct conn *c);
void tls_input(struct conn *c, struct slice data); /* until the next tls_hold */
bool tls_read(struct conn *c); /* decrypts one record; false when there is none */
void tls_hold(struct conn *c); /* copies what is left of the input */
void tls_send(struct conn *c, const struct slice *parts, unsigned count);
void tls_bye(struct conn *c);
bool tls_has_input(const struct conn *c);

/* body.c; intake.h has the head */
size_t body_take(struct conn *c, struct slice data);
void body_start(struct conn *c);
bool body_is_discarded(const struct conn *c);

/* outlet.c */
void outlet_error(struct http_stream *s, int status, const char *sentence);
void outlet_continue(struct http_stream *s);
bool outlet_probe(struct http_stream *s); /* false: nothing harmless can be sent now */

/* stream.c */
struct http_stream *stream_new(struct conn *c);
void stream_free(struct http_stream *s);
void streams_free_spare(struct http_server *server);
