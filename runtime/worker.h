/* One thread's share of the gateway: loop, connections, Lua state, upstream pools. Everything
 * inside is touched by its own thread only; others post messages. */
#pragma once
#include "auth/directory.h"
#include "config/config.h"
#include "script/generation.h"
#include "script/tenant_scripts.h"

struct worker;

struct worker_callbacks { /* called on the worker's thread */
  /* Draining is over: nothing is open any more. */
  void (*on_drained)(void *context);
  /* JSON of the open requests, without brackets; text is the callee's to free. */
  void (*on_described)(void *context, void *request, char *json, size_t json_bytes);
};

struct gates;
struct journals;
struct bookkeeper;
struct kv;
struct health;
struct limiter;
struct strategies;

struct worker_shared { /* what all workers have in common; outlives them */
  const struct worker_callbacks *callbacks;
  void *context;
  struct gates *gates;
  struct health *health;
  struct journals *journals;     /* NULL: no ledger is kept */
  struct bookkeeper *bookkeeper; /* NULL, too */
  struct kv *kv;                 /* what scripts keep */
  struct shadow_log *shadows;
  struct limiter *limiter;
};

struct worker_snapshot {         /* what a reload replaces together */
  struct config *config;         /* a reference is taken */
  struct directory *directory;   /* a reference is taken */
  struct generation *generation; /* the worker's own: taken itself */
  struct strategies *strategies; /* the same */
};

struct worker *worker_new(unsigned index, const struct worker_snapshot *snapshot,
                          const struct worker_shared *shared);
/* Taken; what the scripts of the strategies reach is worker_policy_host. Before worker_run. */
void worker_set_strategies(struct worker *w, struct strategies *strategies);
void worker_listen(struct worker *w, int fd, bool is_tls); /* before worker_run */
/* As worker_post_tenant, before worker_run. */
void worker_set_tenant(struct worker *w, struct slice tenant, enum tenant_role role,
                       struct tenant_scripts *scripts, const struct tenant_share *share);
/* What scripts of this worker reach outside of Lua; lives as long as the worker. */
const struct policy_host *worker_policy_host(const struct worker *w);
void worker_run(void *worker);      /* the thread: returns after worker_post_stop */
void worker_free(struct worker *w); /* after its thread ended */

/* From any thread. */
void worker_post_reload(struct worker *w, const struct worker_snapshot *snapshot);
void worker_post_directory(struct worker *w, struct directory *directory); /* takes a reference */
/* The next requests of the tenant run on scripts (taken; NULL: on none) in that role. share: of a
 * canary, copied; else NULL. */
void worker_post_tenant(struct worker *w, struct slice tenant, enum tenant_role role,
                        struct tenant_scripts *scripts, const struct tenant_share *share);
void worker_post_drain(struct worker *w);
void worker_post_cut(struct worker *w);  /* ends open requests with an error of their protocol */
void worker_post_stop(struct worker *w); /* closes what is left and leaves the loop */
void worker_post_describe(struct worker *w, void *request);
