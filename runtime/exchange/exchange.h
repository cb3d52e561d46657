/* The life of one request, from its head to its log line. One worker's requests share a host. */
#pragma once
#include "auth/session.h"
#include "base/json_index.h"
#include "base/list.h"
#include "http/conn.h"
#include "observe/log.h"
#include "observe/metric.h"
#include "script/generation.h"
#include "script/role_judge.h"
#include "script/tenant_scripts.h"
#include "store/journal.h"
#include "upstream/attempt.h"

struct exchange;
struct bookkeeper;
struct limiter;
struct limit_view;
struct journal;
struct encoder;
struct directory_memory;
struct strategies;

struct exchange_host { /* owned by the worker, which replaces config, generation and directory on a
                          reload */
  uv_loop_t *loop;
  unsigned worker;
  struct config *config;
  struct generation *generation;
  const struct policy_host *policy_host; /* what scripts reach; NULL: nothing that waits */
  struct shadow_log *shadows;            /* of the process */
  struct strategies *strategies;         /* routing policies that models of config name */
  struct tenant_set *tenants;            /* scripts of the tenants that have any */
  struct directory *directory;
  struct directory_memory *seen_secrets;
  struct role_judge *judge;
  struct sessions *sessions; /* tokens that were verified */
  struct upstream *upstream;
  struct health *health;         /* of the process */
  struct journal *journal;       /* NULL: no ledger is kept */
  struct bookkeeper *bookkeeper; /* NULL: no ledger is kept */
  struct limiter *limiter;
  struct limit_view *limits; /* the worker's view of it */
  struct encoder *encoder;   /* working memory of tokenizers */
  struct token_jobs *token_jobs;
  struct log *log;
  struct list exchanges; /* all that are open, oldest first */
  struct list ready;     /* woken, waiting for exchange_run_ready */
  struct list spare;     /* memory of requests that are over */
  size_t open;
  int spare_count;
  bool draining;
  uv_timer_t background_timer; /* the worker's to open and close; runs while there are any */
  size_t background_count;
  struct bytes scratch;         /* short texts on their way into an arena; empty between calls */
  struct json_index body_index; /* of the body that was read last, if it was short: body_index() */
};

void exchange_host_init(struct exchange_host *host, uv_loop_t *loop, unsigned worker);
void exchange_host_fini(struct exchange_host *host); /* none is open */
const struct http_handler *exchange_handler(void);   /* context: the host */
/* Runs what was woken in this turn of the loop. */
void exchange_run_ready(struct exchange_host *host);
/* Writes a comment to the streams that were silent for the configuration's `ping`. */
void exchange_ping_all(struct exchange_host *host);
/* Ends every open request with an error of its protocol (drain.hard has passed). */
void exchange_cut_all(struct exchange_host *host);
/* The same for those whose scripts were replaced drain.hard ago. True: there are younger ones. */
bool exchange_cut_retired(struct exchange_host *host, uint64_t now_ns);
/* JSON array of the open requests, for /admin/exchanges. */
void exchange_describe_all(const struct exchange_host *host, struct bytes *out);
