/* The mock's loop: listening sockets, connections, signals. */
#pragma once
#include <openssl/ssl.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/list.h"

struct mock_state;

enum mock_tls_fault {
  MOCK_TLS_RIGHT,
  MOCK_TLS_STALL, /* the handshake gets no answer */
  MOCK_TLS_RESET, /* and then a RST */
  MOCK_TLS_OLD,   /* TLS 1.1 at most */
};

struct mock_server {
  uv_loop_t loop;
  uv_signal_t stop_signals[2];
  struct mock_state *state;
  SSL_CTX *tls; /* NULL: plain */
  enum mock_tls_fault tls_fault;
  struct list connections;
  struct list listeners;
  uint64_t connection_count, request_count;
  size_t open_handles; /* of listeners and signals */
};

struct mock_listen {
  const char *certificate, *key; /* PEM files, or both NULL */
  enum mock_tls_fault tls_fault;
  const char **addresses; /* "host:port"; port 0 takes a free one and prints it */
  size_t address_count;
};

/* Takes the state. Prints each address on stdout once it listens. 0, or 1 with the reason on
 * stderr. Runs until SIGINT or SIGTERM. */
int mock_server_run(struct mock_state *state, const struct mock_listen *listen);
