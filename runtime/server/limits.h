/* The process's limiter: its news go to the log, what expires is given back. Its definitions are
 * those of the configuration and those that people made at run time. */
#pragma once
#include <uv.h>

#include "account/limit.h"
#include "config/config.h"
#include "server/ledger.h"

struct server_limits {
  struct limiter *limiter;
  struct store *store; /* NULL: none */
  struct config *config;
};

struct webhooks;

struct limiter *server_limits_new(struct webhooks *webhooks); /* told of every event */
/* Counters go on from what the ledger says. Waits; before anyone is served. */
void server_limits_start(const struct server_limits *l, struct server_ledger *ledger);
/* A new configuration: away from the loop, since the store may wait. */
void server_limits_reload(const struct server_limits *l, uv_loop_t *loop);
