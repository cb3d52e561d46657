/* The server's end of the ledger: journal, store and their metrics. */
#pragma once
#include <uv.h>

#include "account/limit_row.h"
#include "config/config.h"
#include "store/response_archive.h"

struct limiter;

struct server_ledger {
  struct bookkeeper *bookkeeper;    /* NULL: the configuration wants no ledger */
  struct journals *journals;        /* borrowed from it */
  struct response_archive *archive; /* NULL: responses are kept in memory alone */
  _Atomic uint64_t requests_ms;     /* retention of records, for limits that are made later */
  uv_timer_t timer;
  struct journal_stats journal; /* as they were last shown */
  struct bookkeeper_stats books;
};

/* Opens everything and stores what earlier processes left; waits. False: a problem. */
bool server_ledger_open(struct server_ledger *l, const struct config *config, uv_loop_t *loop,
                        struct config_problems *problems);
/* With a key for content, stored responses outlive the process. Waits; before anyone is served. */
void server_ledger_archive(struct server_ledger *l, const struct config *config,
                           struct responses *responses);
/* Limits and budgets go on from what the ledger says, and those that are made from now on begin
 * with it. Waits; before anyone is served. */
void server_ledger_seed(struct server_ledger *l, const struct config *config,
                        struct limiter *limiter, const struct limit_rows *rows);
void server_ledger_start(struct server_ledger *l);
/* What a running process cannot change becomes a problem. */
void server_ledger_compare(const struct config *before, const struct config *next,
                           struct config_problems *problems);
void server_ledger_reload(struct server_ledger *l, const struct config *config);
/* Paid requests are let in; as it was at most half a second ago. */
bool server_ledger_is_usable(const struct server_ledger *l);
struct store *server_ledger_store(const struct server_ledger *l); /* NULL: there is none */
void server_ledger_close(struct server_ledger *l);                /* after the workers have ended */
