/* One connection of the mock: takes requests one by one, plays the plan of each. */
#pragma once
#include <llhttp.h>
#include <uv.h>

#include "mock/server.h"
#include "mock/tls.h"
#include "script/mock_state.h"

enum conn_phase {
  CONN_READING,   /* the next request */
  CONN_PLAYING,   /* its plan */
  CONN_LINGERING, /* FIN sent: waits for the other side, so that no RST overtakes the bytes */
  CONN_CLOSING,
};

struct head_line {
  size_t name_at, name_len, value_at, value_len; /* in conn.head */
};

struct conn {
  struct list link;
  struct mock_server *server;
  uint64_t number;
  uint16_t port;
  enum conn_phase phase;
  uv_tcp_t tcp;
  uv_timer_t play_timer;   /* sleeps, turns, idle time, lingering */
  uv_timer_t intake_timer; /* slow reading, watching a client that is not read */
  int open_handles;
  bool eof; /* the client will send no more */
  struct tls_session *tls;
  struct bytes cipher; /* encrypted, on its way to the kernel */
  char read_buffer[16384];

  llhttp_t parser;
  struct bytes head, target, body;
  struct head_line *lines;
  size_t line_count, line_cap;
  struct header *headers;
  bool in_value, head_done, message_done, keep_alive, accepted;
  uint64_t request_id, body_bytes, head_ns;
  int64_t head_wall_ms;
  struct mock_intake intake;
  struct bytes ahead; /* came before the answer to the request in front of it was played */

  struct mock_plan plan;
  size_t action;   /* index into the plan */
  uint64_t offset; /* inside that action */
  uint64_t bytes_sent;
  uv_write_t write;
  uv_shutdown_t shutdown;
  bool writing;
};

/* Takes over the accepted connection of a listener. */
void mock_conn_accept(struct mock_server *server, uv_stream_t *listener, uint16_t port);
void mock_conn_close(struct conn *c);
/* The client is gone or broken: ends the record of the request in progress, then closes. */
void conn_lost(struct conn *c, enum mock_outcome outcome);
/* Ends the record and frees the plan of the request in progress. */
void conn_report(struct conn *c, enum mock_outcome outcome);
void conn_reset(struct conn *c); /* closes with a RST */
/* Ready for the next request; parses what came ahead of time. */
void conn_next_request(struct conn *c);

/* play.c */
void conn_play(struct conn *c); /* goes on with the plan until it must wait */
/* Bytes outside of any plan (100 Continue, refusals); best effort, small. */
void conn_send_text(struct conn *c, const char *text);
void conn_linger(struct conn *c); /* FIN, then close */
/* What TLS itself has to say; 0 or a libuv error. */
int conn_flush_cipher(struct conn *c);
