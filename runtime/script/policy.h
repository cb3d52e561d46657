/* A tenant's policies on the way of one request: an ordered chain, made once for each generation,
 * and a run for each request that some hook wants to see. All calls on the worker's thread.
 *
 * A hook runs in a coroutine of the tenant's sandbox. It may wait (fetch, sleep): then the call
 * answers POLICY_WAITING, and on_done of the run's callbacks is called exactly once when that call
 * has ended, never from inside it. While a call waits, only policy_cancel and policy_run_free may
 * be called. A hook that raises, or breaks a budget, gives what its entry's on_error says: a denial
 * with the code `policy_error`, or the next policy's turn. What the hooks have decided stands in
 * the verdict, which grows from call to call. */
#pragma once
#include <uv.h>

#include "base/value.h"
#include "model/dialect.h"
#include "model/header.h"
#include "model/usage.h"

struct sandbox; /* script/sandbox.h */
struct kv;      /* store/kv.h */
struct json_index;
struct policy_chain;
struct policy_run;

enum policy_hook {
  POLICY_ON_REQUEST,
  POLICY_ROUTE,
  POLICY_ON_DELTA,
  POLICY_ON_REPLY,
  POLICY_ON_FINISH,
  POLICY_HOOK_COUNT
};

/* The chain. */

enum policy_on_error { POLICY_ERROR_DENIES, POLICY_ERROR_PASSES };

struct policy_entry {
  struct slice module;          /* "residency" is policies/residency.lua */
  const struct value *settings; /* a map, or NULL; borrowed for the call */
  struct slice file;            /* where the settings were written, for problems */
  int line;                     /* of the entry itself; 0: unknown */
  enum policy_on_error on_error;
};

struct policy_entries {
  const struct policy_entry *items;
  size_t count;
};

/* What scripts reach outside of Lua; the table and its context outlive the chain. A NULL member
 * makes the function of that name raise `not offered here`. */
struct policy_fetch_request {
  struct slice method, url, body;
  struct headers headers;
  uint64_t timeout_ms;
  size_t max_bytes; /* of the reply's body */
};

struct policy_fetch_reply {
  struct slice error; /* one sentence; empty: a reply came */
  struct slice error_code;
  int status;
  struct headers headers;
  struct slice body;
};

/* Memory of finished runs, ready for others of the same thread. Outlives its chains' runs. */
struct policy_pool;

struct policy_pool *policy_pool_new(void);
void policy_pool_free(struct policy_pool *pool);

struct policy_host {
  void *context;
  struct policy_pool *pool; /* NULL: each run has memory of its own */
  uv_loop_t *loop;          /* for budgets and sleep; NULL: a hook that waits is an error */
  struct kv *store;
  struct slice hash_key; /* of the installation, for gateyes.hash.keyed; empty: a random one */
  /* The request and its slices live until the reply or the cancellation. on_reply is called once,
   * never from inside fetch_start, and not after fetch_cancel. */
  void *(*fetch_start)(void *context, const struct policy_fetch_request *request,
                       void (*on_reply)(void *wait, const struct policy_fetch_reply *reply),
                       void *wait);
  void (*fetch_cancel)(void *context, void *fetch);
  uint64_t (*count_tokens)(void *context, struct slice model, struct slice text);
  int64_t (*now_ms)(void *context); /* NULL: the wall clock */
  /* Reads the store and writes nothing: what scripts log and count is not kept either. */
  bool is_quiet;
  const struct policy_host *quiet; /* of the same worker, for a shadow; NULL: there is none */
};

struct policy_settings {
  struct slice tenant;
  struct slice secrets_path; /* folder whose files are the tenant's secrets; empty: it has none */
  uint32_t wall_ms;          /* of each hook, waiting included; 0: 100 */
  uint32_t hold_bytes;       /* text that an output guard may hold back; 0: 64 KiB */
  const struct policy_host *host; /* NULL: nothing outside of Lua is offered */
};

/* Loads every module, checks it and its settings, and probes its hooks. NULL: error has one line
 * for each problem ("tenants/acme/tenant.lua:12: policies.pii.mod: …"). The sandbox outlives the
 * chain. */
struct policy_chain *policy_chain_new(struct sandbox *sandbox, const struct policy_entries *entries,
                                      const struct policy_settings *settings, struct bytes *error);
void policy_chain_free(struct policy_chain *chain); /* its runs are gone */
/* Bits 1u << enum policy_hook. 0: no request needs a run. */
unsigned policy_chain_hooks(const struct policy_chain *chain);
/* JSON list: name, hooks, on_error, breaches, is_disabled with its reason. */
void policy_chain_describe(const struct policy_chain *chain, struct bytes *out);

/* One request. */

struct policy_principal {
  struct slice tenant, project, user, key; /* key: its name */
  const struct slice *roles, *tags;
  size_t role_count, tag_count;
};

struct policy_request { /* borrowed as long as the run */
  struct slice id, method, path;
  enum dialect dialect;
  struct headers headers; /* the client's; scripts never see credentials among them */
  struct slice model;     /* as the client named it */
  struct slice body;      /* valid JSON, one object */
  /* Or NULL. Serves only while its text is the body: it comes to hold that of other requests. */
  const struct json_index *index;
  struct slice session; /* empty: taken from x-session-id, the body's metadata or its user */
  bool is_stream;
  const struct policy_principal *principal;
};

struct policy_callbacks {
  void (*on_done)(void *context); /* the call that answered POLICY_WAITING has ended */
};

struct policy_run *policy_run_new(struct policy_chain *chain, const struct policy_request *request,
                                  const struct policy_callbacks *callbacks, void *context);
/* Cancels what waits; on_done is not called any more. */
void policy_run_free(struct policy_run *run);

enum policy_progress { POLICY_DONE, POLICY_WAITING };
enum verdict_kind { VERDICT_PASS, VERDICT_DENY, VERDICT_ANSWER };

struct policy_requirements { /* a target must meet all of them, in every attempt */
  struct slice residency;    /* empty: any */
  const struct slice *capabilities;
  size_t capability_count;
  const struct slice *providers; /* only these, when only_providers */
  size_t provider_count;
  bool only_providers;
  uint64_t context_tokens; /* at least */
  bool is_impossible;      /* two policies asked for what excludes each other */
};

struct policy_tag {
  struct slice name, value;
};

struct verdict { /* slices live as long as the run */
  enum verdict_kind kind;
  int status;
  struct slice code, message, param; /* VERDICT_DENY */
  struct slice text;                 /* VERDICT_ANSWER: to be put into the client's protocol */
  struct slice body;                 /* VERDICT_ANSWER: JSON as it is to be sent; empty: text */
  struct slice policy;               /* whose decision it is */
  struct policy_requirements requirements;
  bool is_edited;           /* edited_body replaces the client's */
  struct slice edited_body; /* valid JSON, one object; `stream` is as it was */
  struct slice model;       /* as a policy rewrote it; empty: as it was */
  const struct policy_tag *tags;
  size_t tag_count;
};

enum policy_progress policy_on_request(struct policy_run *run);
const struct verdict *policy_verdict(const struct policy_run *run);

struct policy_candidate {
  struct slice name, provider, model, residency;      /* name: "openai/gpt-4o" */
  uint64_t input_price_nanousd, output_price_nanousd; /* per token */
  bool price_known;
  uint32_t weight, inflight;
  double queue, kv_usage, ewma_ttft_ms, error_rate; /* below 0: unknown */
  uint64_t context_tokens;                          /* 0: unknown */
  const struct slice *capabilities;
  size_t capability_count;
};

struct policy_order {
  const uint32_t *indexes; /* into the candidates, best first */
  size_t count;
};

/* Hooks narrow, order and annotate; C sees to it that nothing is added or doubled, and leaves out
 * what the requirements exclude. The candidates live until the call has ended. */
enum policy_progress policy_route(struct policy_run *run, const struct policy_candidate *candidates,
                                  size_t count);
struct policy_order policy_order(const struct policy_run *run);
bool policy_requirements_met(const struct policy_requirements *requirements,
                             const struct policy_candidate *candidate);

/* What the model says. A policy that guards output gets each text as a window: what it held back
 * before, and what is new. A denial means: nothing more of this reply to the client. */
enum policy_channel {
  POLICY_CHANNEL_TEXT,
  POLICY_CHANNEL_REASONING,
  POLICY_CHANNEL_TOOL_ARGUMENTS,
  POLICY_CHANNEL_REFUSAL,
  POLICY_CHANNEL_COUNT
};

struct policy_delta {
  enum policy_channel channel;
  uint32_t index; /* of the choice, part or tool call: each has a window of its own */
  struct slice text;
  bool is_last;    /* of this channel and index: nothing may be held back any more */
  bool is_overdue; /* there is no new text: what is held back has been for long enough */
};

struct policy_place { /* a window */
  enum policy_channel channel;
  uint32_t index;
};

/* Since when, by the monotonic clock, a policy has held back text, or, where it was told that text
 * is overdue, since then; the oldest of all, and its place. 0: none does, or it holds streams to
 * their end. */
uint64_t policy_held_since_ns(const struct policy_run *run, struct policy_place *place);
/* Since when any policy has held back the oldest text of all, whatever it was told; 0: none does.
 */
uint64_t policy_oldest_held_ns(const struct policy_run *run);
/* More is held, or for longer, than is allowed: the policy that has held for longest denies the
 * reply. */
void policy_hold_over(struct policy_run *run, struct slice why);
/* Appends what may go to the client now to out, which lives until the call has ended. */
enum policy_progress policy_on_delta(struct policy_run *run, const struct policy_delta *delta,
                                     struct bytes *out);

struct policy_text { /* one text of a whole reply */
  enum policy_channel channel;
  struct slice text;
  bool is_changed;
  struct slice changed; /* lives as long as the run */
};

/* A reply that is no stream: the hooks of on_delta see each text as one window, those of on_reply
 * all of them. Fills in is_changed and changed. */
enum policy_progress policy_on_reply(struct policy_run *run, struct policy_text *texts,
                                     size_t count);

struct policy_outcome {
  int status;
  struct slice failure, provider, model; /* failure: its code, empty when there was none */
  struct usage usage;
  bool usage_known, cost_known;
  uint64_t cost_nanousd;
  uint64_t duration_us, first_content_us; /* 0: none came */
  uint32_t attempts;
};

/* The request is over: a hook that waits is cancelled, and on_done is not called for it. */
void policy_cancel(struct policy_run *run);
/* Observes only, and never waits. Not while a hook waits. */
void policy_on_finish(struct policy_run *run, const struct policy_outcome *outcome);

/* What happened, in order. */
struct policy_trace {
  struct slice policy, what, why; /* what: "deny", "require", "tag", "edit", "route", "error", … */
  enum policy_hook hook;
  uint32_t us; /* of the hook so far, waiting included */
};

size_t policy_trace_count(const struct policy_run *run);
const struct policy_trace *policy_trace_get(const struct policy_run *run, size_t index);
void policy_trace_header(const struct policy_run *run, struct bytes *out); /* clean, below 2 KiB */
void policy_trace_json(const struct policy_run *run, struct bytes *out);   /* a list */
