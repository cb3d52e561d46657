/* Everything one request owns. For the files exchange*.c only. */
#pragma once
#include <string.h>

#include "account/limit.h"
#include "account/meter.h"
#include "base/json.h"
#include "exchange/exchange.h"
#include "exchange/route.h"
#include "model/error_detail.h"
#include "script/policy.h"
#include "script/stored.h"
#include "script/strategies.h"
#include "script/tenant_scripts.h"
#include "script/translation.h"
#include "stream/sse.h"
#include "tokenizer/tokenizer.h"
#include "upstream/health.h"

enum step {
#define STEP(name, text) STEP_##name,
#include "model/steps.def"
#undef STEP
  STEP_DONE
};

enum step_result {
  STEP_NEXT,
  STEP_PARK,
  STEP_FAIL,
  STEP_JUMP /* the step has set x->step itself */
};

enum attempt_state { ATTEMPT_IDLE, ATTEMPT_RUNNING, ATTEMPT_ENDED, ATTEMPT_FAILED };

struct request_fields { /* top-level members of the client's body; type JSON_NONE when absent */
  struct json_member model, stream, stream_options, store, previous_response_id, input, background;
  /* what limits look at */
  struct json_member max_tokens, max_completion_tokens, max_output_tokens, n, best_of, user,
      metadata, service_tier;
};

struct attempt_record { /* one line of the log's `attempts` */
  const struct model_target *target;
  int status; /* 0: no head came */
  enum failure_kind failure;
  struct attempt_timing timing;
  const char *sentence; /* for the log; NULL: the provider has answered with words of its own */
  const char *told;     /* the same for the client; NULL: what sentence says */
  const char *excerpt;  /* of an answer that was no JSON, for the log; or NULL */
  struct error_detail
      event; /* what an error before the first content said; status 0: there was none */
};

struct answer { /* the reply to the client, when it is not a relayed stream */
  int status;
  struct slice content_type, body;
};

struct role;
struct left_target;
struct service; /* auth/service.h */
struct service_version;

struct exchange {
  struct list link, ready_link;
  struct exchange_host *host;
  struct config *config;
  struct generation *generation;
  struct arena arena;
  struct http_stream *stream; /* NULL once the connection has let go */
  char id[32];
  enum step step;
  unsigned ended_at; /* the step that failed, or answered by itself, + 1; 0: none */
  bool running, woken;

  struct route route;
  struct slice method, path, query, peer, anthropic_version, origin, idempotency_key;
  struct headers headers;      /* the client's; valid while stream is not NULL */
  struct directory *directory; /* principal is borrowed from it, or from: */
  const struct role *decided;  /* its function has said yes to this request; else NULL */
  struct session *session;     /* of a caller with a token; else NULL */
  const struct principal *principal;
  const struct service *service;         /* borrowed from the directory; NULL: none was asked for */
  const struct service_version *version; /* which one of it answers */
  uint64_t started_ns, first_content_ns, settled_ns, upstream_ns;
  uint64_t started_turn, body_done_ns; /* of the loop; 0: the body came in that turn */
  int64_t started_ms;

  struct bytes body;
  struct bytes sent_body; /* as the client sent it, where policies have changed it */
  uint64_t body_bytes;    /* as the head says; UINT64_MAX: it does not */
  bool body_complete, is_stream, include_usage, is_stored;
  struct slice response_id;      /* of a background response, chosen here; else empty */
  struct background *background; /* while it runs */
  struct recording *recording;   /* of its events, when it is a stream */
  struct follow *follow;         /* of another's response */
  bool is_answered;              /* a whole answer has gone out already */
  struct request_fields fields;
  struct slice owner; /* of stored responses */
  struct slice
      forward_body; /* what a native target gets before the edits: the body, or its expansion */

  const struct model *model;
  struct slice public_model;
  const struct model_target **candidates;
  size_t candidate_count, candidate;
  struct left_target *left_out; /* exchange/story.h; NULL: all targets are candidates */
  struct attempt_record *records;
  size_t record_count;

  struct tenant_scripts *scripts; /* NULL: the tenant has none */
  struct policy_chain *chain;     /* the tenant's policies, and its service's; NULL: none */
  struct policy_run *run;         /* NULL: no policy looks at this request */
  struct strategies *strategies;  /* of x->config */
  struct policy_run *strategy;    /* of the model's own routing policy; NULL: it has none */
  bool wants_trace;               /* in x-gateyes-trace of the answer */
  bool is_routing;                /* the route hooks were asked */
  struct reply_texts *reply_texts;
  struct guard *guard;
  struct shadow *shadow; /* NULL: no generation decides beside the one that serves */
  bool guard_paused;     /* the provider is not read: the guard has enough */

  struct translation *translation;
  const struct adapter_info *adapter;
  bool is_native;
  struct slice upstream_path, dropped;
  struct headers upstream_request_headers;
  struct slice *pieces; /* of the upstream body */
  size_t piece_count;

  struct attempt *attempt;
  enum attempt_state attempt_state;
  int upstream_status;
  bool is_event_stream, is_json, relay_ended, is_paused, has_content;
  struct health_visit visit;
  bool visiting, counted, retrying, is_panic;
  struct header *reply_headers; /* allow-listed headers of the upstream, in the arena */
  size_t reply_header_count;
  struct slice upstream_request_id;
  struct bytes reply; /* a whole reply or error */
  struct bytes out; /* frames on their way to the client; before the first content they wait here */
  struct sse sse;
  bool has_sse, withheld; /* the newest frame was not relayed */
  struct meter meter;
  const struct tokenizer *tokenizer;    /* of the model; NULL: tokens are estimated */
  struct token_counter *output_counter; /* of the running attempt's text; NULL without tokenizer */
  uint64_t prompt_tokens;               /* counted once */
  bool has_prompt_tokens;
  bool is_counting;            /* parked in STEP_ROUTE, with its targets chosen, for a count */
  struct token_job *token_job; /* NULL: nothing is being counted elsewhere */
  struct slice token_ids;      /* of /v1/tokenize, as JSON members; no data: not made yet */
  struct bytes
      last_response; /* responses: data of the newest event that carried the whole object */
  uint64_t sequence; /* responses: next sequence_number of a relayed stream */

  struct limit_request claim; /* the worst case; set by ADMIT where there are limits */
  struct reservation *reservation, *attempt_reservation;
  struct limit_refusal *refusal;
  struct limit_standing standing;
  bool has_standing, is_weighed;
  bool is_bounded;      /* a hard limit holds that a longer answer would break */
  uint64_t most_output; /* tokens reserved for each choice where the client asks for more, or for no
                           figure; else 0 */
  struct slice clamped; /* "max_tokens=4096": what the provider was told instead */
  struct slice customer;

  struct bytes transcript; /* of a stream whose content is kept: what the client was given */
  bool is_booked;          /* usage, cost and ledger are done */
  /* JSON, as the ledger's record has it; empty: there is none, or it has grown since. */
  struct slice attempts_text, trace_text;
  uint64_t ticket;    /* of the record that is put into the journal; 0: none waits there */
  bool is_kept;       /* the response has been stored, if it is to be */
  bool error_relayed; /* the client has the provider's own error event */
  bool has_event;     /* the running attempt sent a frame that is no comment */
  bool opened;        /* the client has the head of a stream */
  bool committed;     /* and content: no other target can take over */
  uint64_t written_ns;
  struct answer answer;
  enum failure_kind failure;
  struct error_detail detail;
  struct slice finish;
  enum usage_source usage_source;
  struct usage usage;
  uint64_t cost_nanousd;
  struct slice price_version; /* of the price table; empty: written in the configuration */
  bool cost_known;
};

enum step_result (*exchange_step(enum step step))(struct exchange *x);
const char *exchange_step_name(enum step step);

/* Queues x: its step runs again before the loop sleeps. */
void exchange_wake(struct exchange *x);
/* The first failure wins. sentence is for log and client: one sentence that says what to do. */
enum step_result exchange_fail(struct exchange *x, enum failure_kind kind, const char *format, ...)
    PRINTF(3, 4);
/* A failure that arrived with its own status, type, code and message. */
enum step_result exchange_fail_with(struct exchange *x, enum failure_kind kind,
                                    const struct error_detail *detail);

/* exchange/error.c: what an error looks like in the client's protocol. */
void error_write(enum dialect dialect, const struct error_detail *error, const char *request_id,
                 struct bytes *out);
void error_frames(struct exchange *x, struct bytes *out);
void error_fill(struct error_detail *detail, enum failure_kind kind);
const char *error_http_body(const struct http_error *error, struct bytes *out);

/* exchange/steps.c: decodes the body, once. */
enum step_result exchange_open_translation(struct exchange *x, struct generation *generation);

/* exchange/body.c: the client's body. */
enum step_result body_read_fields(struct exchange *x);
bool body_find_fields(struct slice body, struct request_fields *fields);
/* Where everything is in x->body; NULL: it is long, or another request's has been read since. */
const struct json_index *body_index(const struct exchange *x);
/* body, which is empty then, comes in the place of x->body. */
void body_replace(struct exchange *x, struct bytes *body);
/* The memory of a body goes, or gets another text. */
void body_index_drop(struct exchange *x);

/* exchange/models.c */
enum step_result models_answer(struct exchange *x);

/* exchange/candidates.c */
enum step_result candidates_find(struct exchange *x);
bool candidates_count_tokens(struct exchange *x);

/* exchange/kept.c: leaves out the candidates whose account several tenants share, when the body
 * names what is kept there; fails when none is left. */
enum step_result kept_check(struct exchange *x);

/* exchange/native.c: requests that are relayed as they are, and every request's head. */
/* x->forward_body: the body, with stored responses in the place of their ids. */
enum step_result native_expand(struct exchange *x);
enum step_result native_encode(struct exchange *x, const struct model_target *target);
void native_headers(struct exchange *x, const struct model_target *target, struct headers extra);
/* pattern as adapters write it: {model} and {api_version} are filled in, the provider's own path
 * put in front. */
struct slice native_path(struct exchange *x, struct slice pattern,
                         const struct model_target *target);
/* A response object, or an event that carries one, as the client is to read it: the provider never
 * saw the id of the stored response that the client named, nor that of a background response.
 * Appends to out. */
void native_write_response(const struct exchange *x, struct slice text, struct bytes *out);

/* exchange/target.c: what the requests of all workers know about a target's health. */
void target_filter(struct exchange *x);
struct target_load { /* below 0: unknown */
  uint32_t in_flight;
  double queue, kv_usage, first_token_ms, error_rate;
};
struct target_load target_load(struct exchange *x, const struct model_target *target);
void target_begin(struct exchange *x, const struct model_target *target);
void target_note_head(struct exchange *x, struct headers headers);
void target_works(struct exchange *x);
bool target_may_retry(struct exchange *x);                   /* within the retry budget */
void target_end(struct exchange *x, enum failure_kind kind); /* FAILURE_NONE: it worked */
void target_forget(struct exchange *x);                      /* gives back all that is counted */

/* exchange/told.c: what the client may hear of a failed attempt of which sentence tells the log. */
const char *attempt_told(struct exchange *x, const struct attempt_record *record,
                         const char *sentence);

/* exchange/send.c: one attempt after another. */
enum step_result send_step(struct exchange *x);
/* Stops the running attempt at once, for the reason that x has failed for. */
void send_cancel(struct exchange *x);
/* The running attempt has failed for a reason seen here, and the next target may be tried. sentence
 * lives as long as x. */
void send_abandon(struct exchange *x, enum failure_kind kind, const char *sentence);
/* What the client is told of an error event of the provider: its words, but for those that are the
 * operator's affair. -> the kind of failure that its status is. */
enum failure_kind send_event(struct exchange *x, const struct error_detail *event,
                             struct error_detail *told);
/* send_abandon for an error event of the provider that came instead of content. */
void send_refuse(struct exchange *x, const struct error_detail *event);
/* Why the newest attempt failed, for the client. */
const char *send_failure(struct exchange *x);

/* exchange/relay.c: the reply on its way to the client. */
void relay_begin(struct exchange *x); /* before an attempt whose reply may be a stream */
void relay_ping(struct exchange *x, uint64_t now_ns);
void relay_read_end(struct exchange *x);
void relay_data(struct exchange *x, struct slice data);
void relay_finish(struct exchange *x); /* the provider ended its stream cleanly */
void relay_guard_answered(struct exchange *x);
void relay_counted(struct exchange *x); /* tokens that the end of a stream waited for */
void relay_overdue(struct exchange *x); /* the guard has held words for as long as it may */
void relay_release(struct exchange *x); /* what the guard holds, before an error ends the stream */
enum step_result relay_step(struct exchange *x);

/* exchange/settle.c */
enum step_result settle_step(struct exchange *x);
/* Keeps a finished response. Called before its last event leaves: a client that has seen it may ask
 * for it at once, at another worker. */
void settle_store(struct exchange *x);
uint64_t overhead_ns(const struct exchange *x);

/* Usage, price, limits, ledger: before the last bytes of an answer leave, so that a client that has
 * seen it whole has been billed. Once. STEP_FAIL: it could not be recorded. */
enum step_result settle_book(struct exchange *x);
bool settle_awaits_count(struct exchange *x); /* the booking needs a long prompt's tokens first */

/* exchange/metrics.c */
void metrics_settle(struct exchange *x, int status);

/* exchange/reply.c: heads, and the only place that writes to the client at the end. */
enum step_result finish_step(struct exchange *x);
bool reply_is_preflight(const struct exchange *x);
enum step_result reply_preflight(struct exchange *x);
struct headers reply_headers(struct exchange *x, struct slice content_type);
